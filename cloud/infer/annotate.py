"""Part of step 11: annotate. The shapes that mark the region of interest on the still: ellipse, rectangle,
polygon.

All coordinates are still pixels: x to the right, y down, the origin at the centre of the top left pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

POLYGON_POINTS_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ellipse:
    """An ellipse on the still."""

    cx: float
    """Column of the centre, in pixels."""
    cy: float
    """Row of the centre, in pixels."""
    a: float
    """Semi-major axis, in pixels; never less than `b`."""
    b: float
    """Semi-minor axis, in pixels."""
    angle_deg: float
    """Direction of the major axis, in degrees in [0, 180), from +x clockwise as the screen shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectangle:
    """An upright box of whole pixels inside the still."""

    x: int
    """Leftmost column."""
    y: int
    """Topmost row."""
    w: int
    """Number of columns, at least 1."""
    h: int
    """Number of rows, at least 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """The kept annotation of one region, in the three shapes."""

    ellipse: Ellipse
    """The ellipse fitted to the region's outline."""
    rectangle: Rectangle
    """The smallest upright box of whole pixels around the ellipse, clipped to the still."""
    polygon: tuple[tuple[float, float], ...]
    """The region's own outline: at most 64 points (x, y) at equal distances along it."""


def canonical_ellipse(box: tuple[Sequence[float], Sequence[float], float]) -> Ellipse:
    """Turns OpenCV's rotated box (centre, full axes, degrees of the first axis) into an `Ellipse`."""
    (cx, cy), (first, second), angle_deg = box
    if second > first:
        first, second, angle_deg = second, first, angle_deg + 90.0
    return Ellipse(cx=float(cx), cy=float(cy), a=first / 2, b=second / 2, angle_deg=angle_deg % 180.0)


def annotate(ellipse: Ellipse, outline: NDArray[np.float32], image_hw: tuple[int, int]) -> Annotation:
    """The three shapes of a region. `outline` is float32 Nx2 of (x, y), closed, N >= 3; `image_hw` the
    still's size."""
    return Annotation(ellipse=ellipse, rectangle=bounding(ellipse, image_hw), polygon=polygon(outline))


def bounding(ellipse: Ellipse, image_hw: tuple[int, int]) -> Rectangle:
    """The smallest upright box of whole pixels around the ellipse, clipped to the still."""
    cosine, sine = math.cos(math.radians(ellipse.angle_deg)), math.sin(math.radians(ellipse.angle_deg))
    half_width = math.hypot(ellipse.a * cosine, ellipse.b * sine)
    half_height = math.hypot(ellipse.a * sine, ellipse.b * cosine)
    left, right = _span(ellipse.cx, half_width, image_hw[1])
    top, bottom = _span(ellipse.cy, half_height, image_hw[0])
    return Rectangle(x=left, y=top, w=right - left + 1, h=bottom - top + 1)


def _span(centre: float, half: float, length_px: int) -> tuple[int, int]:
    first = min(max(0, math.floor(centre - half)), length_px - 1)
    last = min(max(first, math.ceil(centre + half)), length_px - 1)
    return first, last


def polygon(
    outline: NDArray[np.float32], points: int = POLYGON_POINTS_MAX
) -> tuple[tuple[float, float], ...]:
    """At most `points` points at equal distances along a closed outline (float32 Nx2), to a tenth of a
    pixel."""
    closed = np.vstack([outline, outline[:1]])
    steps = np.hypot(*np.diff(closed, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    count = min(points, len(outline))
    at = np.linspace(0.0, along[-1], count, endpoint=False)
    x = np.round(np.interp(at, along, closed[:, 0]), 1).tolist()
    y = np.round(np.interp(at, along, closed[:, 1]), 1).tolist()
    return tuple(zip(x, y, strict=True))


def fill(ellipse: Ellipse, image_hw: tuple[int, int], scale: float = 1.0) -> NDArray[np.uint8]:
    """The filled ellipse: uint8 HxW, 255 inside and 0 outside, on a picture `scale` times the still's
    resolution."""
    picture = np.zeros(image_hw, np.uint8)
    # The centre of pixel (0, 0) is the origin, so a smaller picture is shifted by half a pixel as well as
    # scaled.
    shift = (scale - 1) / 2
    centre = (ellipse.cx * scale + shift, ellipse.cy * scale + shift)
    axes = (2 * ellipse.a * scale, 2 * ellipse.b * scale)
    cv2.ellipse(picture, (centre, axes, ellipse.angle_deg), 255, thickness=-1)
    return picture
