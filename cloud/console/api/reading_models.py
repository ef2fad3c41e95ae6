"""Step 13 of 13: console. The API's value of a reading: what inference says about one still, as the page gets it.

The page's TypeScript types are generated from it, so every name here is a name there.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Shown(BaseModel):
    """Frozen; every field is in the answer, so the page never asks whether a field is there."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class ImageSize(Shown):
    """Size of a still."""

    width_px: int = Field(description="Width, pixels.")
    height_px: int = Field(description="Height, pixels.")


class Ellipse(Shown):
    """An ellipse in still pixels."""

    cx: float = Field(description="Centre from the left, pixels.")
    cy: float = Field(description="Centre from the top, pixels.")
    a: float = Field(description="Longer half axis, pixels.")
    b: float = Field(description="Shorter half axis, pixels.")
    angle_deg: float = Field(description="Direction of the longer axis, 0..180, clockwise from +x.")


class Rectangle(Shown):
    """An upright rectangle in still pixels."""

    x: int = Field(description="Left edge, pixels.")
    y: int = Field(description="Upper edge, pixels.")
    w: int = Field(description="Width, pixels.")
    h: int = Field(description="Height, pixels.")


class Head(Shown):
    """The fetal head that was found."""

    ellipse: Ellipse = Field(description="Fitted outline.")
    rectangle: Rectangle = Field(description="Upright box around it.")
    polygon: list[list[float]] = Field(description="Outline as points, each [x, y] in still pixels.")
    confidence: float = Field(description="Agreement of the model's picture with the outline, 0..1.")


class Crop(Shown):
    """The square that was classified, in still pixels; it may leave the still."""

    x0: int = Field(description="Left edge, pixels.")
    y0: int = Field(description="Upper edge, pixels.")
    size_px: int = Field(description="Side, pixels.")


def _later(description: str) -> float | None:
    """A number that readings of earlier versions do not have: null there, as where it is not known."""
    value: float | None = Field(default=None, description=description)
    return value


class Measurements(Shown):
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


class GestationalAge(Shown):
    """A gestational age."""

    days: float = Field(description="Days.")
    text: str = Field(description="The same to the nearest day, as 20w3d.")
    source: Literal["examination", "asked", "hc"] = Field(
        description="Given by the examination, by who asks now, or reckoned from the circumference."
    )
    sd_days: float | None = Field(description="1 sigma from the circumference's uncertainty alone, days.")
    low_days: float | None = Field(description="Age at which this head would lie 2 SD above the mean, days.")
    high_days: float | None = Field(description="Age at which it would lie 2 SD below it, days.")
    formula: str | None = Field(description="How it was reckoned; null where given.")
    reference: str | None = Field(description="Publication of the formula.")


class Growth(Shown):
    """Where a length lies among healthy pregnancies of the given age."""

    z_score: float | None = Field(description="SD above the mean; null outside the standard's weeks.")
    z_score_sd: float | None = Field(description="1 sigma of it from the length's uncertainty.")
    centile: float | None = Field(description="Percent of healthy fetuses below; null as above.")
    formula: str = Field(description="How they were reckoned.")
    reference: str = Field(description="The standard, with its publication.")
    first_week: int = Field(description="First week that it covers.")
    last_week: int = Field(description="Last week that it covers.")


class Remark(Shown):
    """A length beyond one of the site's limits."""

    code: str = Field(description="What is remarked, see /api/reasons.")
    value: float = Field(description="What was measured, in the unit.")
    limit: float = Field(description="The limit, in the unit.")
    unit: str = Field(description="mm, centile or SD.")


class SchemeUsed(Shown):
    """Which limits the lengths were judged by."""

    name: str = Field(description="The site's name for them.")
    version: str = Field(description="Edition.")
    sha256: str = Field(description="SHA-256 of name, version and limits, hexadecimal.")


class SubPlane(Shown):
    """Which of the standard planes of the brain the still shows."""

    label: str = Field(description="Most probable one; where it is not sure, no more than a weak hint.")
    probabilities: dict[str, float] = Field(description="Probability of each.")
    sure: bool = Field(description="Whether it reaches the model's threshold.")


class Caliper(Shown):
    """A lateral ventricle and how wide it is."""

    far: bool = Field(description="Whether it lies in the half of the head away from the probe.")
    width_px: float = Field(description="Inner width at the atrium, pixels.")
    width_px_sd: float = Field(description="1 sigma of it, pixels.")
    line: list[float] = Field(description="The caliper's ends, [x0, y0, x1, y1] in still pixels.")
    confidence: float = Field(description="Mean probability inside of the ventricle, 0..1.")


class MidlineEcho(Shown):
    """The midline of the brain, where it is to be seen."""

    angle_deg: float = Field(description="Against the head's longer axis, clockwise on the screen.")
    shift_px: float = Field(description="Off the head's longer axis, pixels; above 0 away from the probe.")
    strength: float = Field(description="How clearly it is to be seen, 0..1.")
    line: list[float] = Field(description="Its ends, [x0, y0, x1, y1] in still pixels.")


class Ventricles(Shown):
    """Lateral ventricles and midline."""

    no_width: str | None = Field(description="Why none is measured, see /api/reasons; null where one is.")
    calipers: list[Caliper] = Field(description="What was found; the first is the measured one, if one is.")
    midline: MidlineEcho | None = Field(description="The midline, null where it is not to be seen.")


class Heat(Shown):
    """Where on the still the finding's evidence lies, and how strong it is."""

    label: str = Field(description="Class whose evidence the heat map shows.")
    centre_px: list[float] = Field(description="Centre of the marked region, [x, y] in still pixels.")
    peak: float = Field(description="Highest value of the class map, in the model's units.")
    share: float = Field(description="Share of the crop that is marked, 0..1.")


class ModelUsed(Shown):
    """Which weights took part in a reading."""

    version: str = Field(description="Version in the model repository.")
    sha256: str = Field(description="SHA-256 of the weights, hexadecimal.")


class LoopFrame(Shown):
    """What the first look at one frame of a loop said."""

    index: int = Field(description="Place in the loop, from 0.")
    stands_for: int = Field(description="Sampled frames in a row that show the same.")
    plane: str = Field(description="Most probable plane.")
    probability: float = Field(description="Of that plane.")
    head_confidence: float | None = Field(description="Of the head's outline, null without a head.")
    hc_mm: float | None = Field(description="Head circumference, mm; null without head or scale.")


class LoopAgreement(Shown):
    """How far the frames say the same."""

    plane: float = Field(description="Share of the sampled frames that name the loop's plane.")
    finding: float | None = Field(description="Share of the classified frames that name its finding.")


class Spread(Shown):
    """A length over several frames."""

    median: float = Field(description="Median, in the length's unit.")
    spread: float = Field(description="1.4826 times the median distance from the median.")


class LoopMeasurements(Shown):
    """Lengths over the frames whose head is clear and whole."""

    frame_count: int = Field(description="How many frames that are.")
    lengths: dict[str, Spread] = Field(description="By name, as in the measurements.")


class Loop(Shown):
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


class Reading(Shown):
    """What inference says about one still. Research use, not for diagnosis."""

    schema_version: int = Field(alias="schema", serialization_alias="schema", description="Always 1.")
    image: ImageSize = Field(description="Size of the still.")
    plane: str = Field(description="Most probable plane.")
    plane_probabilities: dict[str, float] = Field(description="Probability of every plane.")
    subplane: SubPlane | None = Field(default=None, description="The brain's, null for another plane.")
    finding: str | None = Field(description='"normal", or the type as an unscored hint; also when abstained.')
    finding_probabilities: dict[str, float] | None = Field(
        description="Of every class; only 1 minus that of normal is a score."
    )
    novelty: dict[str, float] = Field(
        default_factory=dict, description="Distance from what a model learned from, by model; 1 for the like."
    )
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
    ventricles: Ventricles | None = Field(default=None, description="Null where they were not looked for.")
    heat: Heat | None = Field(description="Place and degree of the evidence.")
    models: dict[str, ModelUsed] = Field(description="Models that took part, by name.")
    timings_ms: dict[str, float] = Field(description="Milliseconds by part of step 11; parts may overlap.")
    loop: Loop | None = Field(default=None, description="How a loop was read, null for a still.")
    notice: str = Field(description="The standing mark.")


class Assessed(Shown):
    """What a reading's lengths say at a gestational age that is given with the question. Nothing of it is stored."""

    lengths_judged: bool = Field(description="Whether the lengths are relied on; if not, nothing is said.")
    gestational_age: GestationalAge = Field(description="As given.")
    gestational_age_by_hc: GestationalAge | None = Field(description="Reckoned from HC.")
    growth: dict[str, Growth] = Field(description="By length; empty without millimetres.")
    remarks: list[Remark] = Field(description="Lengths beyond a limit.")
    threshold_scheme: SchemeUsed = Field(description="The limits, as the site has them now.")
    notice: str = Field(description="The standing mark.")
