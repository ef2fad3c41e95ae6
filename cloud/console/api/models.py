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


def _later(description: str) -> float | None:
    """A number that readings of earlier versions do not have: null there, as where it is not known."""
    value: float | None = Field(default=None, description=description)
    return value


class Measurements(_Model):
    """Lengths of the head; millimetres are null where the scale is not known, uncertainties where they are not."""

    hc_px: float = Field(description="Head circumference, pixels.")
    bpd_px: float = Field(description="Biparietal diameter, pixels.")
    ofd_px: float = Field(description="Occipitofrontal diameter, pixels.")
    cephalic_index: float = Field(description="BPD / OFD.")
    hc_mm: float | None = Field(description="Head circumference, mm.")
    bpd_mm: float | None = Field(description="Biparietal diameter, mm.")
    ofd_mm: float | None = Field(description="Occipitofrontal diameter, mm.")
    hc_px_sd: float | None = _later("1 sigma of the circumference, pixels.")
    bpd_px_sd: float | None = _later("1 sigma of the BPD, pixels.")
    ofd_px_sd: float | None = _later("1 sigma of the OFD, pixels.")
    hc_mm_sd: float | None = _later("1 sigma of the circumference, mm.")
    bpd_mm_sd: float | None = _later("1 sigma of the BPD, mm.")
    ofd_mm_sd: float | None = _later("1 sigma of the OFD, mm.")
    cephalic_index_sd: float | None = _later("1 sigma of the cephalic index.")
    ventricle_width_px: float | None = _later("Lateral ventricle at its atrium, pixels.")
    ventricle_width_px_sd: float | None = _later("1 sigma of it, pixels.")
    ventricle_width_mm: float | None = _later("Lateral ventricle at its atrium, mm.")
    ventricle_width_mm_sd: float | None = _later("1 sigma of it, mm.")
    midline_shift_px: float | None = _later("Midline from the middle of the head, pixels.")
    midline_shift_px_sd: float | None = _later("1 sigma of it, pixels.")
    midline_shift_mm: float | None = _later("Midline from the middle of the head, mm.")
    midline_shift_mm_sd: float | None = _later("1 sigma of it, mm.")
    outline_offset_px: float | None = _later("By how much the outline was drawn in first, pixels.")
    mm_per_pixel: float | None = Field(description="Scale, mm per pixel.")
    mm_per_pixel_relative_sd: float | None = _later("1 sigma of the scale as a share of it.")
    scale_source: str | None = Field(description="Where the scale comes from.")
    formula: str = Field(description="How the circumference was reckoned.")


class GestationalAge(_Model):
    """A gestational age."""

    days: float = Field(description="Days.")
    text: str = Field(description="The same to the nearest day, as 20w3d.")
    source: Literal["examination", "hc"] = Field(description="Given, or reckoned from the circumference.")
    sd_days: float | None = Field(description="1 sigma from the circumference's uncertainty alone, days.")
    low_days: float | None = Field(description="Age at which this head would lie 2 SD above the mean, days.")
    high_days: float | None = Field(description="Age at which it would lie 2 SD below it, days.")
    formula: str | None = Field(description="How it was reckoned; null where given.")
    reference: str | None = Field(description="Publication of the formula.")


class Growth(_Model):
    """Where a length lies among healthy pregnancies of the given age."""

    z_score: float | None = Field(description="SD above the mean; null outside the standard's weeks.")
    z_score_sd: float | None = Field(description="1 sigma of it from the length's uncertainty.")
    centile: float | None = Field(description="Percent of healthy fetuses below; null as above.")
    formula: str = Field(description="How they were reckoned.")
    reference: str = Field(description="The standard, with its publication.")
    first_week: int = Field(description="First week that it covers.")
    last_week: int = Field(description="Last week that it covers.")


class Remark(_Model):
    """A length beyond one of the site's limits."""

    code: str = Field(description="What is remarked, see /api/reasons.")
    value: float = Field(description="What was measured, in the unit.")
    limit: float = Field(description="The limit, in the unit.")
    unit: str = Field(description="mm, centile or SD.")


class SchemeUsed(_Model):
    """Which limits the lengths were judged by."""

    name: str = Field(description="The site's name for them.")
    version: str = Field(description="Edition.")
    sha256: str = Field(description="SHA-256 of name, version and limits, hexadecimal.")


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


class LoopFrame(_Model):
    """What the first look at one frame of a loop said."""

    index: int = Field(description="Place in the loop, from 0.")
    stands_for: int = Field(description="Sampled frames in a row that show the same.")
    plane: str = Field(description="Most probable plane.")
    probability: float = Field(description="Of that plane.")
    head_confidence: float | None = Field(description="Of the head's outline, null without a head.")
    hc_mm: float | None = Field(description="Head circumference, mm; null without head or scale.")


class LoopAgreement(_Model):
    """How far the frames say the same."""

    plane: float = Field(description="Share of the sampled frames that name the loop's plane.")
    finding: float | None = Field(description="Share of the classified frames that name its finding.")


class Spread(_Model):
    """A length over several frames."""

    median: float = Field(description="Median, in the length's unit.")
    spread: float = Field(description="1.4826 times the median distance from the median.")


class LoopMeasurements(_Model):
    """Lengths over the frames whose head is clear and whole."""

    frame_count: int = Field(description="How many frames that are.")
    lengths: dict[str, Spread] = Field(description="By name, as in the measurements.")


class Loop(_Model):
    """How a moving image was read; outline, crop, heat map and measurements are the best frame's."""

    frame_count: int = Field(description="Frames in the loop.")
    frame_rate_hz: float | None = Field(description="Frames a second, where known.")
    sampled: list[int] = Field(description="Places of the frames that were looked at, from 0.")
    best_frame: int = Field(description="Place of the frame that is shown, from 0.")
    best_reason: list[str] = Field(description="Codes of what speaks for it, see /api/reasons.")
    per_frame: list[LoopFrame] = Field(description="The frames that were looked at.")
    agreement: LoopAgreement = Field(description="How far they say the same.")
    finding_frames: list[int] = Field(description="Places of the frames that were classified.")
    measurements: LoopMeasurements | None = Field(description="Lengths over the frames.")


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
    lengths_judged: bool = Field(default=False, description="Whether the lengths are relied on.")
    gestational_age: GestationalAge | None = Field(default=None, description="Given, else by HC.")
    gestational_age_by_hc: GestationalAge | None = Field(default=None, description="Reckoned from HC.")
    growth: dict[str, Growth] = Field(default_factory=dict, description="By length; empty without an age.")
    remarks: list[Remark] = Field(default_factory=list, description="Lengths beyond a limit.")
    threshold_scheme: SchemeUsed | None = Field(default=None, description="The limits used.")
    heat: Heat | None = Field(description="Place and degree of the evidence.")
    models: dict[str, ModelUsed] = Field(description="Models that took part, by name.")
    timings_ms: dict[str, float] = Field(description="Milliseconds by part of step 11; parts may overlap.")
    loop: Loop | None = Field(default=None, description="How a loop was read, null for a still.")
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
    best_frame: dict[str, Sentence] = Field(description="What speaks for the frame that stands for a loop.")
    remark: dict[str, Sentence] = Field(description="Lengths beyond a limit; {limit} is the limit's place.")


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
