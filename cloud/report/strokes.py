"""Beside the thirteen steps: report: what is drawn over a still: lines in shares of it, from a reading's JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cloud.infer.annotate import Ellipse
from cloud.report.facts import Point, Stroke

_POINTS: Final = 72
"""Of an ellipse."""
_ACROSS: Final = 0.011
"""Half the stroke across a caliper's end, as a share of the still's height."""


def strokes_of(reading: Mapping[str, Any], corrected: Ellipse | None = None) -> tuple[Stroke, ...]:
    """The crop, the head's outline and axes, the midline and the measured caliper; a person's ellipse, where there is
    one, over them."""
    size_px = (float(reading["image"]["width_px"]), float(reading["image"]["height_px"]))
    drawn = [*_crop(reading), *_head(reading), *_brain(reading, size_px[1])]
    if corrected is not None:
        drawn.append(("corrected", _ellipse(dataclasses.asdict(corrected)), True))
    return tuple(
        Stroke(kind=kind, points=tuple((x / size_px[0], y / size_px[1]) for x, y in points), closed=closed)
        for kind, points, closed in drawn
    )


def _crop(reading: Mapping[str, Any]) -> Iterator[tuple[str, list[Point], bool]]:
    box = reading["crop"]
    if box is not None:
        left, top, side = box["x0"], box["y0"], box["size_px"]
        corners = [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]
        yield "crop", corners, True


def _head(reading: Mapping[str, Any]) -> Iterator[tuple[str, list[Point], bool]]:
    if reading["head"] is None:
        return
    ellipse = reading["head"]["ellipse"]
    for half, turn_deg in ((ellipse["a"], 0.0), (ellipse["b"], 90.0)):
        angle = math.radians(ellipse["angle_deg"] + turn_deg)
        dx, dy = half * math.cos(angle), half * math.sin(angle)
        ends = [(ellipse["cx"] - dx, ellipse["cy"] - dy), (ellipse["cx"] + dx, ellipse["cy"] + dy)]
        yield "axis", ends, False
    yield "outline", _ellipse(ellipse), True


def _ellipse(e: Mapping[str, float]) -> list[Point]:
    turn = math.radians(e["angle_deg"])
    cos, sin = math.cos(turn), math.sin(turn)
    points: list[Point] = []
    for n in range(_POINTS):
        at = 2 * math.pi * n / _POINTS
        u, v = e["a"] * math.cos(at), e["b"] * math.sin(at)
        points.append((e["cx"] + u * cos - v * sin, e["cy"] + u * sin + v * cos))
    return points


def _brain(reading: Mapping[str, Any], height_px: float) -> Iterator[tuple[str, list[Point], bool]]:
    found = reading.get("ventricles")
    if not found:
        return
    if found["midline"] is not None:
        yield "midline", _ends(found["midline"]["line"]), False
    # The first one is measured, unless there is a reason why none is.
    if found["calipers"] and found["no_width"] is None:
        begin, end = _ends(found["calipers"][0]["line"])
        yield "caliper", [begin, end], False
        length = math.dist(begin, end) or 1.0
        half = _ACROSS * height_px / length
        dx, dy = -(end[1] - begin[1]) * half, (end[0] - begin[0]) * half
        for x, y in (begin, end):
            yield "caliper", [(x - dx, y - dy), (x + dx, y + dy)], False


def _ends(line: Sequence[float]) -> list[Point]:
    return [(line[0], line[1]), (line[2], line[3])]
