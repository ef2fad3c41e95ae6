"""Step 13 of 13: console. The API's values of examinations.

The page's TypeScript types are generated from these, so every name here is a name there.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from cloud.console.api.models import WorkItem
from cloud.console.api.reading_models import Shown
from cloud.examinations.items import AgeSource, BoundBy
from cloud.items import Status


class ExaminationAge(Shown):
    """The gestational age that an examination has."""

    days: float = Field(description="Days, at the examination.")
    text: str = Field(description="The same to the nearest day, as 20w3d.")
    time: datetime = Field(description="The moment for which it was reckoned.")
    source: AgeSource = Field(description="Where it comes from.")
    by: str | None = Field(description="Who gave it; null where the machine's header did.")


class SignedFacts(Shown):
    """The newest signature under an examination."""

    time: datetime = Field(description="When.")
    by: str = Field(description="Who.")
    changed_after: bool = Field(description="Whether an image, result, review or the age changed since.")


class Examination(Shown):
    """One examination, as the list shows it. Research use, not for diagnosis."""

    examination_id: str = Field(description="UUID.")
    number: int = Field(description="In the order of beginning, from 1.")
    device_id: str = Field(description="Device of its first print.")
    bound_by: BoundBy = Field(
        description="Who says that its prints belong together; device_and_time is a guess by device and pause."
    )
    patient_key: str | None = Field(description="The site's pseudonym of the patient, where known.")
    gestational_age: ExaminationAge | None = Field(description="Where one is known.")
    began_time: datetime = Field(description="First word about its first print, server clock.")
    updated_time: datetime = Field(description="Last change, server clock.")
    newest_slot: int = Field(description="Slot of its newest print; the list is in this order.")
    capture_count: int = Field(description="Prints.")
    image_count: int = Field(description="Stored images.")
    read_count: int = Field(description="Images with a result.")
    reviewed_count: int = Field(description="Images that a person reviewed.")
    status: Status = Field(description="The most pressing of what is in it, after reviews.")
    findings: list[str] = Field(description="Findings of its images after reviews, without abstentions.")
    signed: SignedFacts | None = Field(description="The newest signature; null where there is none.")


class ExaminationList(Shown):
    """A page of the worklist of examinations, the one with the newest print first."""

    items: list[Examination] = Field(description="Examinations.")
    next_before: int | None = Field(description="Ask with this for the next page; null at the end.")
    counts: dict[str, int] = Field(
        description="Examinations by status, under the same device and text; every status is named."
    )
    cursor: int = Field(description="Everything up to this event id is in the items.")


class ExaminationDetail(Shown):
    """One examination with all that is in it."""

    examination: Examination = Field(description="As in the list.")
    captures: list[WorkItem] = Field(description="Its prints in the order in which they came.")
    earlier: list[Examination] = Field(
        description="Earlier examinations of the same patient, newest first, at most 20."
    )
    cursor: int = Field(description="Everything up to this event id is in here.")


class ExaminationGone(Shown):
    """Sent as the event `examination_gone`: its last print was moved away."""

    examination_id: str = Field(description="UUID.")
