"""Step 13 of 13: console. The API's values: what the page gets, typed and described once.

The page's TypeScript types are generated from these, so every name here is a name there.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    """Frozen; every field is in the answer, so the page never asks whether a field is there."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Status(StrEnum):
    """What a row shows: the capture's state, and for a result what the reading says."""

    INCOMING = "incoming"
    ANALYSING = "analysing"
    NORMAL = "normal"
    ABNORMAL = "abnormal"
    REVIEW = "review"
    REFUSED = "refused"
    HELD = "held"
    MISSING = "missing"
    FAILED = "failed"


class ImageSize(_Model):
    """Size of a still."""

    width_px: int = Field(description="Width, pixels.")
    height_px: int = Field(description="Height, pixels.")


class Ellipse(_Model):
    """An ellipse in still pixels."""

    cx: float = Field(description="Centre from the left, pixels.")
    cy: float = Field(description="Centre from the top, pixels.")
    a: float = Field(description="Longer half axis, pixels.")
    b: float = Field(description="Shorter half axis, pixels.")
    angle_deg: float = Field(description="Direction of the longer axis, 0..180, clockwise from +x.")


class Rectangle(_Model):
    """An upright rectangle in still pixels."""

    x: int = Field(description="Left edge, pixels.")
    y: int = Field(description="Upper edge, pixels.")
    w: int = Field(description="Width, pixels.")
    h: int = Field(description="Height, pixels.")


class Head(_Model):
    """The fetal head that was found."""

    ellipse: Ellipse = Field(description="Fitted outline.")
    rectangle: Rectangle = Field(description="Upright box around it.")
    polygon: list[list[float]] = Field(description="Outline as points, each [x, y] in still pixels.")
    confidence: float = Field(description="Agreement of the model's picture with the outline, 0..1.")


class Crop(_Model):
    """The square that was classified, in still pixels; it may leave the still."""

    x0: int = Field(description="Left edge, pixels.")
    y0: int = Field(description="Upper edge, pixels.")
    size_px: int = Field(description="Side, pixels.")


class Measurements(_Model):
    """Lengths of the head; millimetres are null where the scale is not known."""

    hc_px: float = Field(description="Head circumference, pixels.")
    bpd_px: float = Field(description="Biparietal diameter, pixels.")
    ofd_px: float = Field(description="Occipitofrontal diameter, pixels.")
    cephalic_index: float = Field(description="BPD / OFD.")
    hc_mm: float | None = Field(description="Head circumference, mm.")
    bpd_mm: float | None = Field(description="Biparietal diameter, mm.")
    ofd_mm: float | None = Field(description="Occipitofrontal diameter, mm.")
    mm_per_pixel: float | None = Field(description="Scale, mm per pixel.")
    scale_source: str | None = Field(description="Where the scale comes from.")
    formula: str = Field(description="How the circumference was reckoned.")


class Heat(_Model):
    """Where on the still the finding's evidence lies, and how strong it is."""

    label: str = Field(description="Class whose evidence the heat map shows.")
    centre_px: list[float] = Field(description="Centre of the marked region, [x, y] in still pixels.")
    peak: float = Field(description="Highest value of the class map, in the model's units.")
    share: float = Field(description="Share of the crop that is marked, 0..1.")


class ModelUsed(_Model):
    """Which weights took part in a reading."""

    version: str = Field(description="Version in the model repository.")
    sha256: str = Field(description="SHA-256 of the weights, hexadecimal.")


class Reading(_Model):
    """What inference says about one still. Research use, not for diagnosis."""

    schema_version: int = Field(alias="schema", serialization_alias="schema", description="Always 1.")
    image: ImageSize = Field(description="Size of the still.")
    plane: str = Field(description="Most probable plane.")
    plane_probabilities: dict[str, float] = Field(description="Probability of every plane.")
    finding: str | None = Field(description="Most probable class of the brain, also when abstained.")
    finding_probabilities: dict[str, float] | None = Field(description="Probability of every class.")
    abstained: bool = Field(description="Whether the finding is not to be relied on.")
    abstain_reasons: list[str] = Field(description="Codes, see /api/reasons.")
    head: Head | None = Field(description="The head, null where none was found.")
    crop: Crop | None = Field(description="The square that was classified.")
    measurements: Measurements | None = Field(description="Lengths, null without a head.")
    heat: Heat | None = Field(description="Place and degree of the evidence.")
    models: dict[str, ModelUsed] = Field(description="Models that took part, by name.")
    timings_ms: dict[str, float] = Field(description="Milliseconds by part of step 11; parts may overlap.")
    notice: str = Field(description="The standing mark.")


class WorkImage(_Model):
    """One stored image of a capture."""

    image_id: str = Field(description="UUID; names the pictures under /api/images.")
    part_index: int = Field(description="Part that holds it; names the receipt.")
    index_in_capture: int = Field(description="Place in the capture, from 0.")
    status: Status = Field(description="What the film strip shows.")
    reason: str | None = Field(description="Why it failed; see /api/reasons.")
    image_type: str = Field(description="Type by the edge.")
    type_probabilities: dict[str, float] = Field(description="Probability per type by the edge.")
    width_px: int = Field(description="Width, pixels.")
    height_px: int = Field(description="Height, pixels.")
    frame_count: int = Field(description="1 for a still.")
    mm_per_pixel: float | None = Field(description="Scale, where known.")
    source_format: str = Field(description="Format that the machine printed.")
    sha256: str = Field(description="SHA-256 of the stored bytes, hexadecimal.")
    reading: Reading | None = Field(description="The reading, where there is one.")
    ledger_index: int = Field(description="Index of the part's block in the ledger.")
    result_ledger_index: int | None = Field(description="Index of the result in the ledger.")
    timings_ms: dict[str, float] = Field(description="Waiting and reading, where there is a result.")


class StepTime(_Model):
    """Duration of one step of the line."""

    number: int = Field(description="1 to 13.")
    name: str = Field(description="The step's name.")
    ms: float | None = Field(description="Milliseconds; null where the step was not timed (yet).")


class WorkItem(_Model):
    """One capture on the worklist."""

    capture_id: str = Field(description="UUID.")
    trace_id: str = Field(description="32 hexadecimal digits, in every log from print to console.")
    slot: int = Field(description="Place on the console, from 1, newest highest.")
    device_id: str = Field(description="Device that printed.")
    status: Status = Field(description="What the row shows.")
    reason: str | None = Field(description="Why it was refused, held or is missing; see /api/reasons.")
    expected_image_count: int = Field(description="Images announced.")
    size_bytes: int = Field(description="Size announced.")
    received_time: datetime = Field(description="When the edge had it, by the edge's clock.")
    notified_time: datetime = Field(description="When the server heard of it.")
    updated_time: datetime = Field(description="Last change.")
    steps: list[StepTime] = Field(description="The thirteen steps, in order.")
    waited_ms: float | None = Field(description="Time in the queue before step 11.")
    images: list[WorkImage] = Field(description="Stored images; empty before the commit.")


class WorkList(_Model):
    """A page of the worklist, newest first."""

    items: list[WorkItem] = Field(description="Captures.")
    next_before_slot: int | None = Field(description="Ask with this for the next page; null at the end.")
    cursor: int = Field(description="Everything up to this event id is in the items.")


class Sentence(_Model):
    """A text in both languages."""

    en: str = Field(description="English.")
    zh: str = Field(description="Chinese.")


class EdgeReasonText(_Model):
    """Why an image did not get through."""

    status: Literal["refused", "held", "missing"] = Field(description="What becomes of the capture.")
    text: Sentence = Field(description="What is wrong and what to do.")


class WireReasonText(_Model):
    """Why a call between agent and cloud failed."""

    code: str = Field(description="gRPC status.")
    action: str = Field(description="What the agent does.")
    hint: str = Field(description="A sentence for a person, English.")


class Reasons(_Model):
    """Every reason code that the console can show."""

    edge: dict[str, EdgeReasonText] = Field(description="Refused, held, missing.")
    wire: dict[str, WireReasonText] = Field(description="Calls between agent and cloud.")
    abstain: dict[str, Sentence] = Field(description="Why a reading gives nothing to rely on.")


class ModelFacts(_Model):
    """A model that this server runs."""

    name: str = Field(description="Its folder in the repository.")
    version: str = Field(description="Version that answers.")
    sha256: str = Field(description="SHA-256 of the weights, hexadecimal.")
    labels: list[str] = Field(description="Classes in the order of the outputs.")


class System(_Model):
    """Facts about this server."""

    version: str = Field(description="Version of the software.")
    uptime_s: float = Field(description="Seconds since the console started.")
    counts: dict[str, int] = Field(description="Captures by state.")
    log_verifier_key: str = Field(description="Checks the ledger's checkpoints.")
    models: list[ModelFacts] = Field(description="Models that are loaded; empty where none are.")
    notice: str = Field(description="The standing mark.")


class Health(_Model):
    """Whether the server can do its work."""

    status: Literal["ok", "not ready"] = Field(description="In one word.")
    failing: list[str] = Field(description="What is not ready: database, models.")


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str = Field(description="A sentence; never patient data.")
