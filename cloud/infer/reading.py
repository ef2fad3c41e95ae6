"""Part of step 11: the reading, which is what inference says about one still, and its one JSON form.

Everything is research use, not for diagnosis, and every reading says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.infer.annotate import Annotation
from cloud.infer.heatmap import Heat
from cloud.infer.measure import FORMULA, Measurements
from cloud.infer.preprocess import CropBox
from cloud.infer.reasons import AbstainReason

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
    finding: str | None
    """The most probable class of the brain, also when abstained; None where no brain was classified."""
    finding_probabilities: Mapping[str, float] | None
    """Calibrated probability of every class of the brain; None with `finding`."""
    abstain_reasons: tuple[AbstainReason, ...]
    """Why the reading is not to be relied on, each code once; empty when it does not abstain."""
    head: HeadReading | None
    """The fetal head, None where none was found."""
    crop: CropBox | None
    """The square that was cut out and classified; None where none was cut."""
    measurements: Measurements | None
    """Lengths of the head; None without a head."""
    heat: Heat | None
    """Place and degree of the finding's evidence; None with `finding`."""
    models: Mapping[str, ModelUsed]
    """The models that took part, by name."""
    timings_ms: Mapping[str, float]
    """Milliseconds spent in each step; steps may overlap."""

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
            "finding": self.finding,
            "finding_probabilities": _rounded(self.finding_probabilities, 4)
            if self.finding_probabilities
            else None,
            "abstained": self.abstained,
            "abstain_reasons": [reason.value for reason in self.abstain_reasons],
            "head": _head_json(self.head) if self.head else None,
            "crop": _crop_json(self.crop) if self.crop else None,
            "measurements": _measurements_json(self.measurements) if self.measurements else None,
            "heat": _heat_json(self.heat) if self.heat else None,
            "models": {name: {"version": m.version, "sha256": m.sha256} for name, m in self.models.items()},
            "timings_ms": _rounded(self.timings_ms, 3),
            "notice": NOTICE,
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


def _measurements_json(m: Measurements) -> dict[str, Any]:
    millimetres = {"hc_mm": m.hc_mm, "bpd_mm": m.bpd_mm, "ofd_mm": m.ofd_mm}
    return {
        **_rounded({"hc_px": m.hc_px, "bpd_px": m.bpd_px, "ofd_px": m.ofd_px}, 2),
        "cephalic_index": round(m.cephalic_index, 4),
        **{name: None if value is None else round(value, 2) for name, value in millimetres.items()},
        "mm_per_pixel": m.scale.mm_per_pixel if m.scale else None,
        "scale_source": m.scale.source if m.scale else None,
        "formula": FORMULA,
    }


def _heat_json(heat: Heat) -> dict[str, Any]:
    return {
        "label": heat.label,
        "centre_px": [round(heat.centre_px[0], 1), round(heat.centre_px[1], 1)],
        "peak": round(heat.peak, 4),
        "share": round(heat.share, 4),
    }
