"""Beside the thirteen steps: report: growth charts: centiles of the standard over the weeks, and what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from cloud.infer.biometry import DAYS_A_WEEK, REFERENCES, Measure, centile_value
from cloud.report.facts import Author, LengthFacts, Point
from cloud.report.sheet import Chart, Curve, Mark, Tick

CENTILES: Final = (3, 10, 50, 90, 97)
CHARTED: Final = (Measure.HC, Measure.BPD, Measure.ATRIUM)
"""What has a chart where it was measured, in this order."""
_WEEKS_APART: Final = 4
_STEPS: Final = (1, 2, 5, 10, 20, 50, 100, 200)
_MOST_TICKS: Final = 6


def growth_chart(
    measure: Measure, lengths: Sequence[LengthFacts], age_days: float, title: str
) -> Chart | None:
    """The chart of these lengths in mm; None where the age lies outside of the standard, and without a length."""
    reference = REFERENCES[measure]
    first, last = reference.first_week, reference.last_week
    weeks = age_days / DAYS_A_WEEK
    if not lengths or not first <= weeks <= last:
        return None
    by_percent = {percent: _values(measure, percent, first, last) for percent in CENTILES}
    known = [value for _, value in (*by_percent[CENTILES[0]], *by_percent[CENTILES[-1]])]
    known += [length.value for length in lengths]
    step = next(step for step in _STEPS if (max(known) - min(known)) / step <= _MOST_TICKS)
    low, high = math.floor(min(known) / step) * step, math.ceil(max(known) / step) * step

    def at(week: float, value: float) -> Point:
        return (week - first) / (last - first), (high - value) / (high - low)

    def mark(length: LengthFacts) -> Mark:
        x, y = at(weeks, length.value)
        bar = None if length.sd is None else length.sd / (high - low)
        return Mark(x=x, y=y, bar=bar, by_person=length.author is Author.PERSON)

    return Chart(
        title=title,
        alt=f"{title}: " + ", ".join(f"{length.value:.1f}" for length in lengths) + f" ({weeks:.1f})",
        x_ticks=tuple(
            Tick(at=at(week, low)[0], text=str(week))
            for week in range(first, last + 1)
            if week % _WEEKS_APART == 0
        ),
        y_ticks=tuple(Tick(at=at(first, y)[1], text=str(y)) for y in range(low, high + 1, step)),
        curves=tuple(
            Curve(label=str(percent), points=tuple(at(week, value) for week, value in values))
            for percent, values in by_percent.items()
        ),
        marks=tuple(mark(length) for length in lengths),
    )


def _values(measure: Measure, percent: float, first: int, last: int) -> list[tuple[float, float]]:
    weeks = [first + half / 2 for half in range(2 * (last - first) + 1)]
    return [(week, centile_value(measure, percent, week * DAYS_A_WEEK)) for week in weeks]
