"""Part of step 11: assess. What the lengths of a head say beside a gestational age and a site's limits.

Nothing is said about lengths that the reading itself does not rely on, and nothing without millimetres. An age that
was reckoned from the head is shown, but the head is never held against it. Research use, not for diagnosis.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cloud.infer.biometry import (
    DAYS_A_WEEK,
    REFERENCES,
    AgeEstimate,
    Measure,
    Placement,
    age_from_hc,
    place,
)
from cloud.infer.errors import OutsideReference
from cloud.infer.measure import Measurements
from cloud.infer.reasons import AbstainReason
from cloud.infer.thresholds import Judged, Remark, ThresholdScheme, judge

AGE_MAX_DAYS: Final = 45 * DAYS_A_WEEK
"""No pregnancy lasts longer."""
HARMLESS: Final = frozenset({AbstainReason.LOW_CONFIDENCE})
"""Doubts that concern the class of the brain only; with any other the lengths are not judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known about the examination beside the image, and how its lengths are to be judged."""

    gestational_age_days: float | None = None
    """Gestational age that the examination gives, days, above 0 and at most 315; None where it gives none."""
    thresholds: ThresholdScheme = field(default_factory=ThresholdScheme)
    """The site's limits."""

    def __post_init__(self) -> None:
        days = self.gestational_age_days
        if days is not None and not (math.isfinite(days) and 0 < days <= AGE_MAX_DAYS):
            raise ValueError(f"gestational_age_days must be above 0 and at most {AGE_MAX_DAYS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the lengths say."""

    lengths_judged: bool
    """Whether they were looked at: there is a head, and the reading relies on its outline."""
    given_age_days: float | None
    """Gestational age that the examination gives, days."""
    age_by_hc: AgeEstimate | None
    """The age reckoned from the head circumference; None without millimetres or outside 14 to 40 weeks."""
    growth: Mapping[Measure, Placement | None]
    """Where each measured length lies at the given age; None where its standard does not cover that age. Empty
    where no age is given."""
    remarks: tuple[Remark, ...]
    """What lies beyond the site's limits."""
    thresholds: ThresholdScheme
    """The limits."""

    def to_json(self) -> dict[str, Any]:
        """The keys that a reading's JSON form has of it: days to 0.1, z-scores to 0.01, centiles to 0.1."""
        scheme, by_hc = self.thresholds, self.age_by_hc
        estimated = _estimate_json(by_hc) if by_hc else None
        given = None if self.given_age_days is None else _given_json(self.given_age_days)
        return {
            "lengths_judged": self.lengths_judged,
            "gestational_age": given or estimated,
            "gestational_age_by_hc": estimated,
            "growth": {measure.value: _growth_json(measure, one) for measure, one in self.growth.items()},
            "remarks": [_remark_json(remark) for remark in self.remarks],
            "threshold_scheme": {"name": scheme.name, "version": scheme.version, "sha256": scheme.sha256},
        }


def assess(measured: Measurements | None, context: Context, doubts: Collection[AbstainReason]) -> Assessment:
    """What these lengths say in this context, where no doubt but `HARMLESS` ones hangs over them."""
    reliable = measured if HARMLESS.issuperset(doubts) else None
    days = context.gestational_age_days
    return Assessment(
        lengths_judged=reliable is not None,
        given_age_days=days,
        age_by_hc=_age_by_hc(reliable) if reliable else None,
        growth=_growth(reliable, days) if reliable and days is not None else {},
        remarks=judge(_judged(reliable, days), context.thresholds) if reliable else (),
        thresholds=context.thresholds,
    )


def age_text(days: float) -> str:
    """Days as "20w3d", to the nearest day."""
    weeks, rest = divmod(round(days), DAYS_A_WEEK)
    return f"{weeks}w{rest}d"


def _age_by_hc(measured: Measurements) -> AgeEstimate | None:
    if measured.hc_mm is None:
        return None
    try:
        return age_from_hc(measured.hc_mm, measured.hc_mm_sd)
    except OutsideReference:
        return None


def _growth(measured: Measurements, days: float) -> dict[Measure, Placement | None]:
    lengths_mm = {
        Measure.HC: (measured.hc_mm, measured.hc_mm_sd),
        Measure.BPD: (measured.bpd_mm, measured.bpd_mm_sd),
        Measure.OFD: (measured.ofd_mm, measured.ofd_mm_sd),
        Measure.ATRIUM: (measured.ventricle_width_mm, measured.ventricle_width_mm_sd),
    }
    return {
        measure: _placed(measure, length_mm, days, sd_mm)
        for measure, (length_mm, sd_mm) in lengths_mm.items()
        if length_mm is not None
    }


def _placed(measure: Measure, length_mm: float, days: float, sd_mm: float | None) -> Placement | None:
    try:
        return place(measure, length_mm, days, sd_mm)
    except OutsideReference:
        return None


def _judged(measured: Measurements, days: float | None) -> Judged:
    return Judged(hc_mm=measured.hc_mm, ventricle_width_mm=measured.ventricle_width_mm, age_days=days)


def _given_json(days: float) -> dict[str, Any]:
    absent = dict.fromkeys(("sd_days", "low_days", "high_days", "formula", "reference"))
    return {"days": round(days, 1), "text": age_text(days), "source": "examination", **absent}


def _estimate_json(estimate: AgeEstimate) -> dict[str, Any]:
    return {
        "days": round(estimate.days, 1),
        "text": age_text(estimate.days),
        "source": "hc",
        "sd_days": _rounded(estimate.sd_days, 1),
        "low_days": _rounded(estimate.low_days, 1),
        "high_days": _rounded(estimate.high_days, 1),
        "formula": estimate.formula,
        "reference": estimate.reference,
    }


def _growth_json(measure: Measure, placed: Placement | None) -> dict[str, Any]:
    reference = REFERENCES[measure]
    return {
        "z_score": _rounded(placed.z_score if placed else None, 2),
        "z_score_sd": _rounded(placed.z_score_sd if placed else None, 2),
        "centile": _rounded(placed.centile if placed else None, 1),
        "formula": reference.formula,
        "reference": reference.citation,
        "first_week": reference.first_week,
        "last_week": reference.last_week,
    }


def _remark_json(remark: Remark) -> dict[str, Any]:
    return {
        "code": remark.code.value,
        "value": round(remark.value, 2),
        "limit": remark.limit,
        "unit": remark.unit,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
