"""Monitor: one look at everything: its values, and the course that they make."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cloud.monitor.metrics import HISTORY, METRICS, Metric

INTERVAL_S: Final = 2.0
"""Between two looks, seconds."""
RECENT: Final = timedelta(minutes=15)
"""How long every look is kept, in memory."""
DAY: Final = timedelta(hours=24)
"""How long the means of the minutes are kept, in the database."""
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Values of some metrics; one that could not be read is not there."""

    single: Mapping[Metric, float] = field(default_factory=dict)
    """Value of each metric that has a single one."""
    each: Mapping[Metric, Mapping[str, float]] = field(default_factory=dict)
    """Values by subject of each metric that has several."""

    def of(self, metric: Metric) -> Mapping[str, float] | None:
        """Values by subject, the subject of a single one is ""; None where the metric could not be read."""
        if METRICS[metric].subject is not None:
            return self.each.get(metric)
        return {"": self.single[metric]} if metric in self.single else None

    def with_(self, other: Readings) -> Readings:
        """Both together; `other` wins."""
        return Readings(single={**self.single, **other.single}, each={**self.each, **other.each})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one look found."""

    time: datetime
    """When (aware UTC)."""
    readings: Readings
    """What was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of the course: a look, or the mean of a minute."""

    time: datetime
    """When; of a minute its begin (aware UTC)."""
    values: Mapping[Metric, float]
    """The single values of the metrics whose course is kept."""


class History:
    """The looks of the last minutes and the means of the last day, both bounded."""

    def __init__(self, minutes: Iterable[Point] = ()) -> None:
        self._recent: deque[Point] = deque(maxlen=int(RECENT.total_seconds() / INTERVAL_S))
        self._minutes: deque[Point] = deque(minutes, maxlen=int(DAY / _MINUTE))
        self._open: list[Point] = []

    def add(self, sample: Sample) -> Point | None:
        """Takes a look in; the mean of the minute that it has ended, None where it ended none."""
        single = sample.readings.single
        point = Point(time=sample.time, values={m: single[m] for m in HISTORY if m in single})
        ended = None
        if self._open and _minute(self._open[0].time) != _minute(point.time):
            ended = _mean(self._open)
            self._minutes.append(ended)
            self._open = []
        self._open.append(point)
        self._recent.append(point)
        return ended

    def recent(self) -> list[Point]:
        """Every look of the last minutes, oldest first."""
        return list(self._recent)

    def day(self) -> list[Point]:
        """The mean of each minute of the last day, oldest first; the one that is not over comes last."""
        return [*self._minutes, *([_mean(self._open)] if self._open else [])]


def _minute(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


def _mean(points: list[Point]) -> Point:
    sums: dict[Metric, list[float]] = {}
    for point in points:
        for metric, value in point.values.items():
            sums.setdefault(metric, []).append(value)
    means = {metric: round(sum(values) / len(values), 3) for metric, values in sums.items()}
    return Point(time=_minute(points[0].time), values=means)
