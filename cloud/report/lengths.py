"""Beside the thirteen steps: report: the measured values of a reading, each placed in its standard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloud.infer.assess import Assessment
from cloud.infer.biometry import REFERENCES, Measure
from cloud.report.facts import Author, LengthFacts, RemarkFacts

LENGTHS = ("hc", "bpd", "ofd", "ventricle_width", "midline_shift")
"""What a reading may have in millimetres or pixels."""
_WITH_STANDARD = {measure.value: measure for measure in REFERENCES}


def lengths_of(
    measured: Mapping[str, Any] | None, assessment: Assessment, author: Author
) -> tuple[LengthFacts, ...]:
    """Each value of a reading's `measurements`, in mm where the scale is known; placed where `assessment` places it."""
    return () if measured is None else tuple(_lengths(measured, assessment, author))


def _lengths(measured: Mapping[str, Any], assessment: Assessment, author: Author) -> Iterator[LengthFacts]:
    for name in LENGTHS:
        unit = "px" if measured.get(f"{name}_mm") is None else "mm"
        value = measured.get(f"{name}_{unit}")
        if value is not None:
            yield _length(name, value, measured.get(f"{name}_{unit}_sd"), unit, assessment, author)
        if name == "ofd":
            index, sd = measured["cephalic_index"], measured.get("cephalic_index_sd")
            yield _length("ci", index, sd, "", assessment, author)


def _length(
    name: str, value: float, sd: float | None, unit: str, assessment: Assessment, author: Author
) -> LengthFacts:
    measure = _WITH_STANDARD.get(name) if unit == "mm" else None
    is_placed = measure is not None and measure in assessment.growth
    placed = assessment.growth[measure] if measure is not None and is_placed else None
    return LengthFacts(
        measure=name,
        author=author,
        value=value,
        sd=sd,
        unit=unit,
        z_score=placed.z_score if placed else None,
        z_score_sd=placed.z_score_sd if placed else None,
        centile=placed.centile if placed else None,
        reference=placed.reference if placed else None,
        outside_weeks=_weeks(measure) if measure is not None and is_placed and placed is None else None,
    )


def remarks_of(assessment: Assessment, author: Author) -> tuple[RemarkFacts, ...]:
    """Lengths beyond the site's limits."""
    return tuple(
        RemarkFacts(
            code=remark.code.value, value=remark.value, limit=remark.limit, unit=remark.unit, author=author
        )
        for remark in assessment.remarks
    )


def _weeks(measure: Measure) -> tuple[int, int]:
    reference = REFERENCES[measure]
    return reference.first_week, reference.last_week
