"""Part of step 11: measure the lateral ventricles and the midline on the ventricle model's probability picture.

A finding shall rest on a number where one can be had: the inner width at the atrium, with its uncertainty and
the caliper's place, or a reason why there is none. Only numpy and OpenCV; every function is pure. Research
use, not for diagnosis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.midline import Midline, midline_picture, trace_midline
from cloud.infer.preprocess import CropBox, EllipseLike, Gray, Plane

Line: TypeAlias = tuple[float, float, float, float]
"""Two points x0, y0, x1, y1."""

THRESHOLD = 0.5
"""Below this probability a pixel is no ventricle."""
LEAST_CONFIDENCE = 0.86
"""Below this mean probability inside of it a region is not relied on; among painted heads of the training split
most gross errors lie below."""
LEAST_AREA = 0.002
"""A region smaller than this share of the head is no ventricle."""
TOUCH_RADIUS = 0.93
"""Share of the way from the head's centre to the skull's outer edge beyond which a region touches the skull."""
SURE_SD = 0.010
WIDTH_SD = 0.05
"""Uncertainty of a width: SURE_SD of the BPD and WIDTH_SD of the width, added as squares; measured on painted
heads that no model had learned from, see the model's card."""

FALX_WIDTH = 0.03
"""Width of the midline echo as a share of half the BPD, besides two pixels of blur."""

_FINER = 4
"""The region is measured at this many times the model's resolution."""


class NoWidth(Enum):
    """Why no ventricle was measured."""

    NONE_FOUND = "none_found"
    """The model marks no ventricle."""
    NOT_TRANSVENTRICULAR = "not_transventricular"
    """The plane is one in which the atrium is not measured."""
    TOUCHES_SKULL = "touches_skull"
    """The region runs into the skull: no wall to measure to, or no ventricle at all."""
    UNSURE = "unsure"
    """The model's probability inside of the region is low."""


NO_WIDTH_SENTENCES: Final[dict[NoWidth, dict[str, str]]] = {
    NoWidth.NONE_FOUND: {
        "en": "No lateral ventricle was found inside the head.",
        "zh": "胎头内未找到侧脑室。",
    },
    NoWidth.NOT_TRANSVENTRICULAR: {
        "en": "The atrium is not measured in this plane.",
        "zh": "该切面不测量侧脑室房部。",
    },
    NoWidth.TOUCHES_SKULL: {
        "en": "What was found runs into the skull, so there is no wall to measure to.",
        "zh": "所见区域与颅骨相连，无法确定测量边界。",
    },
    NoWidth.UNSURE: {
        "en": "What was found is not certain to be a lateral ventricle.",
        "zh": "所见区域不能确定为侧脑室。",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VentricleWidth:
    """One lateral ventricle."""

    far: bool
    """Whether it lies in the half of the head away from the probe, where it is seen best."""
    width_px: float
    """Inner width at the atrium, in still pixels."""
    width_sd_px: float
    """One standard deviation of its error, in still pixels."""
    line: Line
    """The caliper: its two ends in still pixels."""
    confidence: float
    """Mean probability inside of the region, 0..1."""
    touches_skull: bool
    """Whether the region reaches the skull."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VentricleReading:
    """What the ventricle model's picture says."""

    ventricles: tuple[VentricleWidth, ...]
    """What was found, the preferred one first: at most one in each half of the head."""
    no_width: NoWidth | None
    """Why the first one is not to be relied on, or None where it is."""
    midline: Midline | None
    """The midline echo, or None where there is none to see."""

    @property
    def measured(self) -> VentricleWidth | None:
        """The ventricle whose width is to be relied on, or None."""
        return self.ventricles[0] if self.no_width is None and self.ventricles else None


def read_ventricles(
    probability: Plane, canvas: Plane, ellipse: EllipseLike, crop: CropBox, *, view: str | None = None
) -> VentricleReading:
    """Measures the ventricles and the midline.

    `probability` float32 [2, S, S] (ventricle, midline) of the square `crop` of the still, `canvas` the
    model's input, float32 [1, 2 S, 2 S] (`brain_input`); `ellipse` is the head in still pixels; `view` is the
    brain's sub-plane where it is known. Raises ValueError for another shape or values that are not finite.
    """
    if probability.ndim != 3 or probability.shape[0] != 2 or probability.shape[1] != probability.shape[2]:
        raise ValueError(f"a ventricle picture is 2xSxS, not {probability.shape}")
    if canvas.ndim != 3 or canvas.shape[0] != 1 or canvas.shape[1] != canvas.shape[2]:
        raise ValueError(f"a crop is 1xSxS, not {canvas.shape}")
    if not bool(np.isfinite(probability).all()):
        raise ValueError("a probability is not finite")
    head = _HeadOnCrop(ellipse, crop, probability.shape[1])
    v, radius = head.places()
    picture = np.asarray(probability[0], np.float32)
    halves = (_measure_half(picture, head, side, (v * side > 0) & (radius < 1), radius) for side in (1, -1))
    found = [width for width in halves if width is not None]
    found.sort(key=lambda one: _preference(one, head.facing), reverse=True)
    return VentricleReading(
        ventricles=tuple(found),
        no_width=_refusal(found, view),
        midline=_midline(
            np.asarray(probability[1], np.float32), canvas[0], _HeadOnCrop(ellipse, crop, canvas.shape[1])
        ),
    )


def _midline(probability: Plane, gray: Plane, head: _HeadOnCrop) -> Midline | None:
    picture = midline_picture(probability, np.asarray(gray, np.float32), FALX_WIDTH * head.b + 2)
    found = trace_midline(picture, head.centre, head.u_axis, head.v_axis, (head.a, head.b))
    return None if found is None else found.on_still(1 / head.scale, head.to_still)


def _preference(one: VentricleWidth, facing: float) -> float:
    """The far half first, the more so the squarer the beam meets the midline; a doubtful region last."""
    doubt = 2.0 if one.touches_skull or one.confidence < LEAST_CONFIDENCE else 0.0
    return one.confidence + (facing if one.far else 0.0) - doubt


def _refusal(found: list[VentricleWidth], view: str | None) -> NoWidth | None:
    if view == "trans-cerebellar":
        return NoWidth.NOT_TRANSVENTRICULAR
    if not found:
        return NoWidth.NONE_FOUND
    if found[0].touches_skull:
        return NoWidth.TOUCHES_SKULL
    return NoWidth.UNSURE if found[0].confidence < LEAST_CONFIDENCE else None


class _HeadOnCrop:
    """The head's ellipse and own axes on the model's square: u along the OFD, v away from the probe."""

    def __init__(self, ellipse: EllipseLike, crop: CropBox, side_px: int) -> None:
        self.scale = side_px / crop.size_px
        self._crop = crop
        self.a, self.b = ellipse.a * self.scale, ellipse.b * self.scale
        self.centre = (
            (ellipse.cx - crop.x0 + 0.5) * self.scale - 0.5,
            (ellipse.cy - crop.y0 + 0.5) * self.scale - 0.5,
        )
        cosine, sine = math.cos(math.radians(ellipse.angle_deg)), math.sin(math.radians(ellipse.angle_deg))
        away = 1 if cosine >= 0 else -1
        self.u_axis, self.v_axis = (cosine, sine), (-away * sine, away * cosine)
        self.facing = abs(cosine)
        self._side_px = side_px

    def places(self) -> tuple[Plane, Plane]:
        """At each pixel: v (above 0 away from the probe), and the way to the skull's outer edge, 1 on it."""
        x = np.arange(self._side_px, dtype=np.float32)[np.newaxis] - np.float32(self.centre[0])
        y = np.arange(self._side_px, dtype=np.float32)[:, np.newaxis] - np.float32(self.centre[1])
        u = x * np.float32(self.u_axis[0]) + y * np.float32(self.u_axis[1])
        v = x * np.float32(self.v_axis[0]) + y * np.float32(self.v_axis[1])
        radius = np.hypot(u / np.float32(self.a), v / np.float32(self.b))
        return np.asarray(v, np.float32), np.asarray(radius, np.float32)

    def to_still(self, x: float, y: float) -> tuple[float, float]:
        """Still pixels of a point of the square."""
        return (
            (x + 0.5) / self.scale - 0.5 + self._crop.x0,
            (y + 0.5) / self.scale - 0.5 + self._crop.y0,
        )


def _measure_half(
    probability: Plane, head: _HeadOnCrop, side: int, half: NDArray[np.bool_], radius: Plane
) -> VentricleWidth | None:
    """The ventricle in one `half` of the head: `side` is +1 away from the probe, -1 towards it."""
    region = _largest_region(probability, half)
    if region is None or region.sum() < LEAST_AREA * math.pi * head.a * head.b:
        return None
    centre, width, direction = _caliper(probability, region)
    if width <= 0:
        return None
    start = head.to_still(centre[0] - direction[0] * width / 2, centre[1] - direction[1] * width / 2)
    end = head.to_still(centre[0] + direction[0] * width / 2, centre[1] + direction[1] * width / 2)
    width_px = width / head.scale
    bpd_px = 2 * head.b / head.scale
    inside = region > 0
    return VentricleWidth(
        far=side > 0,
        width_px=width_px,
        width_sd_px=math.hypot(SURE_SD * bpd_px, WIDTH_SD * width_px),
        line=(*start, *end),
        confidence=float(probability[inside].mean()),
        touches_skull=float(np.percentile(radius[inside], 99)) > TOUCH_RADIUS,
    )


def _largest_region(probability: Plane, allowed: NDArray[np.bool_]) -> Gray | None:
    """The largest connected region above the threshold, uint8 0 or 1; None where there is none."""
    binary = ((probability > THRESHOLD) & allowed).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=4)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return np.asarray(labels == largest, np.uint8)


def _caliper(probability: Plane, region: Gray) -> tuple[tuple[float, float], float, tuple[float, float]]:
    """Centre, width and direction of the caliper at the widest place, in pixels of the square.

    The width is the diameter of the largest circle inside of the region, whose edge is interpolated between
    pixels; the caliper is the shortest line through that circle's centre.
    """
    # One more pixel around keeps the slope of the probability, from which the wall's place is interpolated.
    rim = cv2.dilate(region, np.ones((3, 3), np.uint8))
    left, top, width, height = cv2.boundingRect(rim)
    left, top = max(0, left - 1), max(0, top - 1)
    part = np.s_[top : top + height + 2, left : left + width + 2]
    own = np.where(rim[part] > 0, probability[part], np.float32(0))
    fine = np.asarray(cv2.resize(own, None, fx=_FINER, fy=_FINER, interpolation=cv2.INTER_LINEAR), np.float32)
    inside = (fine > THRESHOLD).astype(np.uint8)
    depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
    row, column = _middle_of_widest(depth)
    # The wall lies half a pixel before the first pixel outside; of an even number of pixels none is the middle.
    diameter = 2 * max(0.0, float(depth.max()) - 0.25) / _FINER
    centre = ((column + 0.5) / _FINER - 0.5 + left, (row + 0.5) / _FINER - 0.5 + top)
    return centre, diameter, _shortest_across(fine, row, column)


def _middle_of_widest(depth: Plane) -> tuple[int, int]:
    """Row and column of the widest place; of a stretch that is about as wide everywhere, its middle."""
    rows, columns = np.nonzero(depth >= 0.98 * depth.max())
    away = np.hypot(rows - rows.mean(), columns - columns.mean())
    nearest = int(away.argmin())
    return int(rows[nearest]), int(columns[nearest])


def _shortest_across(fine: Plane, row: int, column: int) -> tuple[float, float]:
    """Direction (x, y) of the shortest line through the point from wall to wall.

    Between parallel walls many directions are about as short: it is the middle of them.
    """
    angles = np.linspace(0, math.pi, 60, endpoint=False)
    reach = np.arange(1, max(fine.shape), dtype=np.float32)
    lengths = np.zeros(len(angles))
    for sign in (1, -1):
        x = column + sign * np.outer(np.cos(angles), reach)
        y = row + sign * np.outer(np.sin(angles), reach)
        along = cv2.remap(fine, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
        lengths += np.argmax(along <= THRESHOLD, axis=1)
    short = np.maximum(1.12 * lengths.min() - lengths, 0)
    # Directions repeat after half a turn, so their mean is taken of doubled angles.
    middle = math.atan2(float(short @ np.sin(2 * angles)), float(short @ np.cos(2 * angles))) / 2
    return math.cos(middle), math.sin(middle)
