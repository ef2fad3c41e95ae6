"""Step 13 of 13: console. The API's values of examinations.

The page's TypeScript types are generated from these, so every name here is a name there.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import Field, model_validator

from cloud.console.api.models import Sentence, WorkItem
from cloud.console.api.reading_models import Shown
from cloud.console.api.review_models import Given
from cloud.examinations.errors import ExaminationProblem
from cloud.examinations.items import AgeSource, BoundBy
from cloud.items import Status
from sonorelay.contract.limits import GESTATIONAL_AGE_MAX_DAYS


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


class LeadFacts(Shown):
    """The image or print that gives an examination its state."""

    capture_id: str = Field(description="UUID of its print.")
    image_id: str | None = Field(description="UUID of the image; null where the print has none.")
    finding: str | None = Field(description="Finding after reviews; null where there is none to rely on.")
    not_normal: float | None = Field(
        description="Probability of not normal by the reading, where it has one."
    )
    reason: str | None = Field(description="Why there is no finding; see /api/reasons.")


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
    lead: LeadFacts | None = Field(description="What gives it its state; null while it is on its way.")
    signed: SignedFacts | None = Field(description="The newest signature; null where there is none.")
    seen_count: int = Field(description="Items of the site's protocol that were seen.")
    item_count: int = Field(description="Items of the site's protocol.")


class ExaminationList(Shown):
    """A page of the worklist of examinations, the one with the newest print first."""

    items: list[Examination] = Field(description="Examinations.")
    next_before: int | None = Field(description="Ask with this for the next page; null at the end.")
    counts: dict[str, int] = Field(
        description="Examinations by status, under the same device and text; every status is named."
    )
    cursor: int = Field(description="Everything up to this event id is in the items.")


class ProtocolItem(Shown):
    """One plane or structure that is to be seen, and how it stands."""

    key: str = Field(description="Names the item.")
    text: Sentence = Field(description="What people call it.")
    group: Sentence = Field(
        description="Heading under which it stands; items of one group follow each other."
    )
    by_hand: bool = Field(description="Only a person can say that it was seen.")
    seen: bool = Field(description="An image shows it, or a person ticked it.")
    image_ids: list[str] = Field(description="Images that show it, in the order of their prints.")
    ticked_by: str | None = Field(description="Who ticked it; null where nobody did.")
    ticked_time: datetime | None = Field(description="When.")


class ProtocolState(Shown):
    """What the site's protocol asks for, and what of it was seen. Research use, not for diagnosis."""

    name: Sentence = Field(description="What the site calls it.")
    version: str = Field(description="Which edition.")
    source: Sentence = Field(description="Where it comes from.")
    items: list[ProtocolItem] = Field(description="In the protocol's order.")


class Signature(Shown):
    """A signature under an examination; never altered."""

    signature_id: str = Field(description="UUID; names its receipt.")
    content: str = Field(description="Digest of what was signed, hexadecimal.")
    image_count: int = Field(description="Images that the examination had.")
    reviewed_count: int = Field(description="How many of them a person had reviewed.")
    override: str | None = Field(description="Why not all needed a review; null where all were reviewed.")
    signer: str = Field(description="Who.")
    time: datetime = Field(description="When.")
    ledger_index: int = Field(description="Index of its entry in the ledger.")


class ExaminationDetail(Shown):
    """One examination with all that is in it."""

    examination: Examination = Field(description="As in the list.")
    captures: list[WorkItem] = Field(description="Its prints in the order in which they came.")
    earlier: list[Examination] = Field(
        description="Earlier examinations of the same patient, newest first, at most 20."
    )
    protocol: ProtocolState = Field(description="What was seen and what is missing.")
    signatures: list[Signature] = Field(description="Newest first.")
    content: str = Field(
        description="Digest of images, results, reviews and age as they are here, hexadecimal: what would be signed."
    )
    cursor: int = Field(description="Everything up to this event id is in here.")


class ExaminationGone(Shown):
    """Sent as the event `examination_gone`: its last print was moved away."""

    examination_id: str = Field(description="UUID.")


class AgeGiven(Given):
    """A gestational age: exactly one of the three."""

    days: float | None = Field(
        default=None, gt=0, le=GESTATIONAL_AGE_MAX_DAYS, allow_inf_nan=False, description="The age, days."
    )
    lmp: date | None = Field(default=None, description="First day of the last menstrual period; is not kept.")
    edd: date | None = Field(default=None, description="Expected day of delivery; is not kept.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.days, self.lmp, self.edd)) != 1:
            raise ValueError("give exactly one of days, lmp and edd")
        return self


class ExaminationChange(Given):
    """What a person changes of an examination."""

    gestational_age: AgeGiven | None = Field(description="The age at the examination; null takes it away.")


class MoveAsked(Given):
    """Where a print is to go."""

    examination_id: UUID | None = Field(description="Into this examination; null: into a new one of its own.")


class TickAsked(Given):
    """Whether a person says that an item was seen."""

    seen: bool = Field(description="True: it was seen. False: takes the tick back.")


class SignatureAsked(Given):
    """A signature under an examination as the signer saw it."""

    signature_id: UUID = Field(description="Made by the client: asked for again it is the same signature.")
    content: str = Field(pattern="^[0-9a-f]{64}$", description="`content` of the examination as it was seen.")
    override: str | None = Field(
        default=None,
        min_length=3,
        max_length=500,
        description="Why it is signed although not every image with a result is reviewed.",
    )


class ExaminationRefusedFacts(Shown):
    """Why something was not done; nothing was."""

    reason: ExaminationProblem = Field(description="Code; the page has words for it.")
    detail: str = Field(description="A sentence; never patient data.")
