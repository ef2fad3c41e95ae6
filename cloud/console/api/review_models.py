"""Step 13 of 13: console. The API's values of reviews: what a person hands in, and what is shown of it.

The page's TypeScript types are generated from these, so every name here is a name there.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from cloud.console.api.reading_models import (
    Ellipse,
    GestationalAge,
    Growth,
    Measurements,
    Remark,
    SchemeUsed,
    Shown,
)
from cloud.examinations.review_items import Decision, Reason

NOTE_MAX = 2000


class Given(BaseModel):
    """What a client hands in; an unknown field is refused, so that none is lost unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EllipseGiven(Given):
    """An outline of the head that a person drew, in still pixels."""

    cx: float = Field(allow_inf_nan=False, description="Centre from the left, pixels.")
    cy: float = Field(allow_inf_nan=False, description="Centre from the top, pixels.")
    a: float = Field(gt=0, allow_inf_nan=False, description="Longer half axis, pixels; not below b.")
    b: float = Field(gt=0, allow_inf_nan=False, description="Shorter half axis, pixels.")
    angle_deg: float = Field(
        ge=0, lt=180, allow_inf_nan=False, description="Direction of the longer axis, clockwise from +x."
    )


class CorrectedGiven(Given):
    """What is right instead; null: as the reading has it."""

    plane: str | None = Field(default=None, max_length=32, description="Plane or sub-plane of the brain.")
    finding: str | None = Field(default=None, max_length=32, description='"normal" or a type.')
    ellipse: EllipseGiven | None = Field(default=None, description="Outline of the head.")


class ReviewAsked(Given):
    """A review of one image."""

    review_id: UUID = Field(description="Made by the client: a review that is sent again is the same one.")
    result_ledger_index: int = Field(ge=0, description="The result that the person saw.")
    decision: Decision = Field(description="Whether its reading is right.")
    reason: Reason | None = Field(default=None, description="Why not; only with disagree, and always then.")
    note: str | None = Field(default=None, max_length=NOTE_MAX, description="Free text; needed for OTHER.")
    corrected: CorrectedGiven | None = Field(default=None, description="Only with disagree.")


class Corrected(Shown):
    """What a person says instead of the reading, and the lengths of the outline that they drew."""

    plane: str | None = Field(description="Plane or sub-plane of the brain; null: as the reading has it.")
    finding: str | None = Field(description="Finding; null: as the reading has it.")
    ellipse: Ellipse | None = Field(description="Outline of the head; null: as the reading has it.")
    measurements: Measurements | None = Field(description="Lengths of that outline.")
    gestational_age: GestationalAge | None = Field(description="The examination's, else by the new HC.")
    gestational_age_by_hc: GestationalAge | None = Field(description="Reckoned from the new HC.")
    growth: dict[str, Growth] = Field(description="By length; empty without an age or an outline.")
    remarks: list[Remark] = Field(description="Lengths of the new outline beyond a limit.")
    threshold_scheme: SchemeUsed | None = Field(description="The limits, as the site has them now.")


class Review(Shown):
    """What a person said of an image; never altered. Research use, not for diagnosis."""

    review_id: str = Field(description="UUID; names its receipt.")
    result_ledger_index: int = Field(description="The result that was reviewed.")
    decision: Decision = Field(description="Whether its reading is right.")
    reason: Reason | None = Field(description="Why not.")
    note: str | None = Field(description="Free text.")
    corrected: Corrected | None = Field(description="What is right instead, by a person.")
    reviewer: str = Field(description="Who.")
    time: datetime = Field(description="When.")
    ledger_index: int = Field(description="Index of its entry in the ledger.")


class ReviewList(Shown):
    """Every review of an image, newest first; the first one counts."""

    reviews: list[Review] = Field(description="Reviews.")
