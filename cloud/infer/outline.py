"""Part of step 11: outline. Corrects a found head's ellipse at the still's own resolution.

The head model sees a shrunken still. Here a band along its ellipse is unrolled from the still itself (the
angle runs along the columns, the radius down the rows); the outline model says where on each ray the skull
ends, and an ellipse is fitted through these points. Pure: numpy and OpenCV. Training imports this file too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.annotate import Ellipse, canonical_ellipse
from cloud.infer.preprocess import Gray, Plane

BAND_HW: Final = (48, 192)
"""Rows (radius) and columns (angle) of the band."""
RAYS: Final = BAND_HW[1] // 2
"""Rays for which the model answers: every other column, between the two."""
LOW: Final = 0.7
HIGH: Final = 1.3
"""The band reaches from LOW to HIGH times the ellipse's own radius."""
_LEAST_SPREAD = 0.05
"""Added to a band's standard deviation, so that an even band does not become noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """A corrected outline."""

    ellipse: Ellipse
    """The ellipse through the found points, in still pixels."""
    points: NDArray[np.float32]
    """Where the skull was found on each ray: float32 RAYSx2 (x, y), closed, in still pixels."""
    sd_px: float
    """Standard deviation of the points about the ellipse, in still pixels: how well an ellipse describes them."""


def band(gray: Gray, ellipse: Ellipse) -> Plane:
    """The outline model's input: float32 1x48x192, the unrolled band with zero mean and unit deviation.

    What lies outside of the still is black.
    """
    return normalised(unrolled(gray, ellipse))


def unrolled(gray: Gray, ellipse: Ellipse) -> Gray:
    """The band as gray values, uint8 48x192; rows from LOW to HIGH, columns by angle from the major axis."""
    step_px = (HIGH - LOW) * math.sqrt(ellipse.a * ellipse.b) / BAND_HW[0]
    # Halved until a row of the band is about a pixel: no speckle is skipped.
    level = min(3, max(0, round(math.log2(max(step_px, 1.0)))))
    picture, factor = gray, 0.5**level
    if level > 0:
        size = (max(1, gray.shape[1] >> level), max(1, gray.shape[0] >> level))
        picture = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
    ray_x, ray_y = _rays(ellipse, BAND_HW[1], 0.0)
    radius = np.linspace(LOW, HIGH, BAND_HW[0])[:, np.newaxis]
    x = ((ellipse.cx + radius * ray_x + 0.5) * factor - 0.5).astype(np.float32)
    y = ((ellipse.cy + radius * ray_y + 0.5) * factor - 0.5).astype(np.float32)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR), np.uint8)


def normalised(picture: NDArray[np.uint8] | Plane) -> Plane:
    """Zero mean, unit deviation: float32 1xHxW of a picture in 0..255 (uint8) or 0..1 (float32)."""
    values = picture.astype(np.float32)
    if picture.dtype == np.uint8:
        values *= np.float32(1 / 255)
    return np.asarray(((values - values.mean()) / (values.std() + np.float32(_LEAST_SPREAD)))[np.newaxis])


def refined(ellipse: Ellipse, radii: NDArray[np.float32]) -> Refined | None:
    """The ellipse through the model's points on the rays of `ellipse`.

    `radii` is float32 of RAYS, in units of the ellipse's own radius. None where the points make no ellipse.
    """
    points = points_on(ellipse, radii)
    fitted = canonical_ellipse(cv2.fitEllipse(points))
    values = (fitted.cx, fitted.cy, fitted.a, fitted.b)
    if not all(map(math.isfinite, values)) or fitted.b <= 0:
        return None
    return Refined(ellipse=fitted, points=points, sd_px=_scatter(points, fitted))


def points_on(ellipse: Ellipse, radii: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points at `radii` (of RAYS, in units of the ellipse's own radius): float32 RAYSx2, still pixels."""
    # A ray of the model lies between two columns of the band.
    ray_x, ray_y = _rays(ellipse, RAYS, 0.5 * 2 * math.pi / BAND_HW[1])
    x, y = ellipse.cx + radii * ray_x, ellipse.cy + radii * ray_y
    return np.stack([x, y], axis=1).astype(np.float32)


def radii_of(truth: Ellipse, ellipse: Ellipse) -> NDArray[np.float32]:
    """Where on the rays of `ellipse` another ellipse is crossed: float32 of RAYS.

    The centre of `ellipse` must lie inside of `truth`.
    """
    ray_x, ray_y = _rays(ellipse, RAYS, 0.5 * 2 * math.pi / BAND_HW[1])
    turn = math.radians(truth.angle_deg)
    c, s = math.cos(turn), math.sin(turn)
    off_x, off_y = ellipse.cx - truth.cx, ellipse.cy - truth.cy
    px, py = (off_x * c + off_y * s) / truth.a, (off_y * c - off_x * s) / truth.b
    qx, qy = (ray_x * c + ray_y * s) / truth.a, (ray_y * c - ray_x * s) / truth.b
    square, half, rest = qx * qx + qy * qy, px * qx + py * qy, px * px + py * py - 1
    return np.asarray((np.sqrt(np.maximum(half * half - square * rest, 0)) - half) / square, np.float32)


def _rays(ellipse: Ellipse, count: int, first_rad: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From the centre to the ellipse at `count` even parameter angles: x and y parts, in pixels."""
    angle = first_rad + np.arange(count) * (2 * math.pi / count)
    turn = math.radians(ellipse.angle_deg)
    along, across = ellipse.a * np.cos(angle), ellipse.b * np.sin(angle)
    return along * math.cos(turn) - across * math.sin(turn), along * math.sin(turn) + across * math.cos(turn)


def _scatter(points: NDArray[np.float32], ellipse: Ellipse) -> float:
    """Root mean square of the points' distance from the ellipse, to first order, in pixels."""
    turn = math.radians(ellipse.angle_deg)
    dx, dy = points[:, 0] - ellipse.cx, points[:, 1] - ellipse.cy
    u = dx * math.cos(turn) + dy * math.sin(turn)
    v = dy * math.cos(turn) - dx * math.sin(turn)
    level = np.hypot(u / ellipse.a, v / ellipse.b)
    slope = np.hypot(u / ellipse.a**2, v / ellipse.b**2)
    return float(np.sqrt(np.mean(np.square((level - 1) * level / np.maximum(slope, 1e-9)))))
