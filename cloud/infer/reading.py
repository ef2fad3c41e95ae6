"""Part of step 11: the reading, which is what inference says about one still, and its one JSON form.

Everything is research use, not for diagnosis, and every reading says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.infer.annotate import Annotation
from cloud.infer.assess import Assessment, Context, assess
from cloud.infer.heatmap import Heat
from cloud.infer.loop_reading import LoopReading
from cloud.infer.measure import FORMULA, Length, Measurements
from cloud.infer.preprocess import CropBox
from cloud.infer.reasons import AbstainReason
from cloud.infer.ventricle import VentricleReading

SCHEMA = 1
NOTICE = "research use, not for diagnosis"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsed:
    """Which weights took part in a reading."""

    version: str
    """The version's folder name in the repository."""
    sha256: str
    """SHA-256 of the weights, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadReading:
    """The fetal head that was found."""

    annotation: Annotation
    """Its ellipse, rectangle and polygon, in still pixels."""
    confidence: float
    """Agreement of the model's probability picture with the ellipse, 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubPlane:
    """Which of the standard planes of the brain the still shows."""

    label: str
    """The most probable one."""
    probabilities: Mapping[str, float]
    """Calibrated probability of each; they add up to 1."""
    sure: bool
    """Whether it reaches the model's threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What inference says about one still."""

    width_px: int
    """Width of the still."""
    height_px: int
    """Height of the still."""
    plane: str
    """The most probable plane."""
    plane_probabilities: Mapping[str, float]
    """Calibrated probability of every plane; they add up to 1."""
    subplane: SubPlane | None = None
    """The brain's sub-plane; None for another plane, and where the plane model does not say."""
    finding: str | None
    """"normal", or the most probable type of abnormality as a hint, also when abstained; None where no brain was
    classified."""
    finding_probabilities: Mapping[str, float] | None
    """Calibrated probability of every class of the brain; None with `finding`."""
    novelty: Mapping[str, float] = field(default_factory=dict)
    """Distance of the still from what a model learned from, by model, where it says so; about 1 for the like."""
    abstain_reasons: tuple[AbstainReason, ...]
    """Why the reading is not to be relied on, each code once; empty when it does not abstain."""
    head: HeadReading | None
    """The fetal head, None where none was found."""
    crop: CropBox | None
    """The square that was cut out and classified; None where none was cut."""
    measurements: Measurements | None
    """Lengths of the head; None without a head."""
    ventricles: VentricleReading | None = None
    """Lateral ventricles and midline; None where they were not looked for."""
    heat: Heat | None
    """Place and degree of the finding's evidence; None with `finding`."""
    models: Mapping[str, ModelUsed]
    """The models that took part, by name."""
    timings_ms: Mapping[str, float]
    """Milliseconds spent in each step; steps may overlap."""
    loop: LoopReading | None = None
    """How a loop was read; None for a still."""
    context: Context = field(default_factory=Context)
    """What the examination gives beside the image, and the limits that the lengths are judged by."""

    @property
    def assessment(self) -> Assessment:
        """What the lengths say: age, growth, remarks."""
        return assess(self.measurements, self.context, self.abstain_reasons)

    @property
    def abstained(self) -> bool:
        """Whether the finding is not to be relied on."""
        return bool(self.abstain_reasons)

    def to_json(self) -> dict[str, Any]:
        """The reading as plain JSON values, schema 1: lengths to 0.01, probabilities to 0.0001."""
        return {
            "schema": SCHEMA,
            "image": {"width_px": self.width_px, "height_px": self.height_px},
            "plane": self.plane,
            "plane_probabilities": _rounded(self.plane_probabilities, 4),
            "subplane": _subplane_json(self.subplane) if self.subplane else None,
            "finding": self.finding,
            "finding_probabilities": _rounded(self.finding_probabilities, 4)
            if self.finding_probabilities
            else None,
            "novelty": dict(self.novelty),
            "abstained": self.abstained,
            "abstain_reasons": [reason.value for reason in self.abstain_reasons],
            "head": _head_json(self.head) if self.head else None,
            "crop": _crop_json(self.crop) if self.crop else None,
            "measurements": measurements_json(self.measurements) if self.measurements else None,
            **self.assessment.to_json(),
            "ventricles": _ventricles_json(self.ventricles) if self.ventricles else None,
            "heat": _heat_json(self.heat) if self.heat else None,
            "models": {name: {"version": m.version, "sha256": m.sha256} for name, m in self.models.items()},
            "timings_ms": _rounded(self.timings_ms, 3),
            "loop": self.loop.to_json() if self.loop else None,
            "notice": NOTICE,
        }


def _subplane_json(subplane: SubPlane) -> dict[str, Any]:
    probabilities = _rounded(subplane.probabilities, 4)
    return {"label": subplane.label, "probabilities": probabilities, "sure": subplane.sure}


def _ventricles_json(v: VentricleReading) -> dict[str, Any]:
    """Calipers and midline to 0.1 pixels; the first caliper is the one that is measured."""
    midline = v.midline
    return {
        "no_width": v.no_width.value if v.no_width else None,
        "calipers": [
            {
                "far": one.far,
                "width_px": round(one.width_px, 2),
                "width_px_sd": round(one.width_sd_px, 2),
                "line": [round(value, 1) for value in one.line],
                "confidence": round(one.confidence, 4),
            }
            for one in v.ventricles
        ],
        "midline": {
            "angle_deg": round(midline.angle_deg, 2),
            "shift_px": round(midline.shift_px, 2),
            "strength": round(midline.strength, 4),
            "line": [round(value, 1) for value in midline.line],
        }
        if midline
        else None,
    }


def _rounded(values: Mapping[str, float], digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}


def _head_json(head: HeadReading) -> dict[str, Any]:
    e, r = head.annotation.ellipse, head.annotation.rectangle
    # Rounding may reach 180, which is the direction 0.
    angle_deg = round(e.angle_deg, 2) % 180.0
    return {
        "ellipse": {**_rounded({"cx": e.cx, "cy": e.cy, "a": e.a, "b": e.b}, 2), "angle_deg": angle_deg},
        "rectangle": {"x": r.x, "y": r.y, "w": r.w, "h": r.h},
        "polygon": [[x, y] for x, y in head.annotation.polygon],
        "confidence": round(head.confidence, 4),
    }


def _crop_json(crop: CropBox) -> dict[str, int]:
    return {"x0": crop.x0, "y0": crop.y0, "size_px": crop.size_px}


def measurements_json(m: Measurements) -> dict[str, Any]:
    """The JSON form of lengths and their uncertainties (1 sigma); what is not known is null."""
    lengths = {
        name: getattr(m, name)
        for unit in ("px", "mm")
        for length in ("hc", "bpd", "ofd")
        for name in (f"{length}_{unit}", f"{length}_{unit}_sd")
    }
    lengths |= _length_json("ventricle_width", m.ventricle_width, m)
    lengths |= _length_json("midline_shift", m.midline_shift, m)
    sd = m.cephalic_index_sd
    return {
        **{name: None if value is None else round(value, 2) for name, value in lengths.items()},
        "cephalic_index": round(m.cephalic_index, 4),
        "cephalic_index_sd": None if sd is None else round(sd, 4),
        "outline_offset_px": round(m.outline_offset_px, 3),
        "mm_per_pixel": m.scale.mm_per_pixel if m.scale else None,
        "mm_per_pixel_relative_sd": round(m.scale.relative_sd, 5) if m.scale else None,
        "scale_source": m.scale.source if m.scale else None,
        "formula": FORMULA,
    }


def _length_json(name: str, length: Length | None, m: Measurements) -> dict[str, float | None]:
    return {
        f"{name}_px": length.px if length else None,
        f"{name}_px_sd": length.sd_px if length else None,
        f"{name}_mm": length.mm(m.scale) if length else None,
        f"{name}_mm_sd": length.sd_mm(m.scale) if length else None,
    }


def _heat_json(heat: Heat) -> dict[str, Any]:
    return {
        "label": heat.label,
        "centre_px": [round(heat.centre_px[0], 1), round(heat.centre_px[1], 1)],
        "peak": round(heat.peak, 4),
        "share": round(heat.share, 4),
    }
