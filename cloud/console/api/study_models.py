"""Step 13 of 13: console. The API's values of studies: examinations as they are searched, with their history.

The page's TypeScript types are generated from these, so every name here is a name there.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from cloud.accounts.audit import Act
from cloud.console.api.examination_models import Examination, Signature
from cloud.console.api.models import WorkItem
from cloud.console.api.reading_models import Shown
from cloud.console.api.review_models import Given

TAG_MAX = 40
NOTE_MAX = 2000
AT_ONCE_MAX = 200


class DeletedFacts(Shown):
    """That a study was deleted; it can be restored."""

    time: datetime = Field(description="When.")
    by: str = Field(description="Who.")
    reason: str = Field(description="Why, in the person's words.")


class Study(Shown):
    """One examination as it is found. Research use, not for diagnosis."""

    examination: Examination = Field(description="As the worklist shows it.")
    planes: list[str] = Field(description="Planes of its images, and planes of the brain.")
    probability: float | None = Field(
        description="Largest probability of an anomaly among its images; null where no brain was classified."
    )
    disagreed_count: int = Field(description="Images whose newest review disagrees with the reading.")
    tags: list[str] = Field(description="In the alphabet's order.")
    deleted: DeletedFacts | None = Field(description="Set where it was deleted.")


class StudyList(Shown):
    """A page of studies."""

    items: list[Study] = Field(description="In the order that was asked for.")
    total: int = Field(description="How many there are in all, counted.")
    after: str | None = Field(description="Ask with this for the next page; null at the end.")
    before: str | None = Field(description="Ask with this for the page before; null at the beginning.")


class ModelVersion(Shown):
    """A model that took part in a result."""

    name: str = Field(description="Its folder in the repository.")
    version: str = Field(description="The version that read.")


class ResultFacts(Shown):
    """A result of an image: the one that counts, or an earlier one, which stays. Research use, not for diagnosis."""

    ledger_index: int = Field(description="Its entry in the ledger; names its receipt.")
    current: bool = Field(description="Whether it is the one that counts.")
    time: datetime = Field(description="When.")
    reason: str | None = Field(description="Why the image could not be read; see /api/reasons.")
    abstained: bool = Field(description="Whether the reading says nothing to rely on.")
    plane: str | None = Field(description="The most probable plane.")
    finding: str | None = Field(description="normal, or the most probable type of anomaly.")
    probability: float | None = Field(description="Probability of an anomaly.")
    hc_mm: float | None = Field(description="Head circumference, millimetres.")
    bpd_mm: float | None = Field(description="Biparietal diameter, millimetres.")
    ofd_mm: float | None = Field(description="Occipitofrontal diameter, millimetres.")
    ventricle_width_mm: float | None = Field(description="Width of the lateral ventricle, millimetres.")
    models: list[ModelVersion] = Field(description="By name.")


class ImageHistory(Shown):
    """Every result that an image ever had."""

    image_id: str = Field(description="UUID.")
    waiting: bool = Field(description="Whether it is to be read, for the first time or again.")
    results: list[ResultFacts] = Field(description="The newest first.")


class StudyNote(Shown):
    """What a person noted; never altered."""

    note_id: str = Field(description="UUID.")
    note: str = Field(description="Free text.")
    by: str = Field(description="Who.")
    time: datetime = Field(description="When.")


class StudyDetail(Shown):
    """One study with all that belongs to it; of a deleted one no image."""

    study: Study = Field(description="As in the list.")
    captures: list[WorkItem] = Field(description="Its prints in the order in which they came.")
    images: list[ImageHistory] = Field(description="Results of its images, in the same order.")
    notes: list[StudyNote] = Field(description="Newest first.")
    signatures: list[Signature] = Field(description="Newest first.")
    earlier: list[Examination] = Field(description="Earlier examinations of the same patient, newest first.")


class StudyLook(Shown):
    """Something that somebody did with a study, its prints or its images."""

    number: int = Field(description="Row of the audit.")
    time: datetime = Field(description="When.")
    actor: str = Field(description="Who.")
    act: Act = Field(description="What.")
    outcome: str = Field(description="done, or the code of the refusal.")


class StudyLooks(Shown):
    """Who looked at a study, and what was done with it."""

    rows: list[StudyLook] = Field(description="Newest first.")
    next_before: int | None = Field(description="Ask with this for older ones; null at the end.")


class ReanalysisAsked(Given):
    """Which images are to be read again."""

    image_ids: list[UUID] = Field(max_length=AT_ONCE_MAX, description="Empty: all of the study.")


class Reanalysis(Shown):
    """Images that wait to be read by the models that are live."""

    image_ids: list[str] = Field(description="Their results come as events.")


class DeletionAsked(Given):
    """Why studies are deleted."""

    study_ids: list[UUID] = Field(min_length=1, max_length=AT_ONCE_MAX, description="Which.")
    reason: str = Field(min_length=3, max_length=500, description="Free text; stays on this server.")


class TaggingAsked(Given):
    """A tag for studies."""

    study_ids: list[UUID] = Field(min_length=1, max_length=AT_ONCE_MAX, description="Which.")
    tag: str = Field(min_length=1, max_length=TAG_MAX, description="The word.")
    on: bool = Field(description="True: puts it on. False: takes it off.")


class NoteAsked(Given):
    """A note."""

    note_id: UUID = Field(description="Made by the client: asked for again it is the same note.")
    note: str = Field(min_length=1, max_length=NOTE_MAX, description="Free text.")


class StudiesDone(Shown):
    """What came of an act on several studies."""

    done: list[str] = Field(description="UUIDs of those on which it is done.")
