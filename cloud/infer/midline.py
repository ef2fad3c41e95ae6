"""Part of step 11: measure the midline echo, the falx, as a line in the head's own axes.

Bright ridges say exactly where lines run, the model says which of them is the midline: asked is the ridges'
strength times the square root of the model's probability, which measured best.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.preprocess import Plane

REACH = 0.72
"""The midline is looked for as far as this share of the semi-major axis either way."""
ASIDE = 0.30
"""And as far aside as this share of the semi-minor axis."""
LEAST_STRENGTH = 0.2
"""Below this mean of the asked picture no midline is to be seen."""
SHIFT_SD = 0.014
"""Uncertainty of a shift, as a share of the BPD; from real heads whose inside was pushed aside by a known way."""

STEP_COST = 0.03
"""What a step aside costs, in the units of the asked picture: a midline runs straight where nothing shows it."""

_COLUMNS = 49
_ROWS = 61


@dataclass(frozen=True, slots=True, kw_only=True)
class Midline:
    """The midline echo."""

    angle_deg: float
    """Its angle against the head's major axis in degrees, clockwise as the screen shows it."""
    shift_px: float
    """How far its middle third lies off the head's major axis, in pixels; positive away from the probe."""
    shift_sd_px: float
    """One standard deviation of the shift's error, in pixels."""
    strength: float
    """Mean of the asked picture along it, 0..1."""
    line: tuple[float, float, float, float]
    """Its two ends x0, y0, x1, y1, in pixels."""

    def on_still(self, factor: float, to_still: Callable[[float, float], tuple[float, float]]) -> Midline:
        """The same in still pixels: lengths times `factor`, points through `to_still`."""
        start, end = to_still(*self.line[:2]), to_still(*self.line[2:])
        return replace(
            self,
            shift_px=self.shift_px * factor,
            shift_sd_px=self.shift_sd_px * factor,
            line=(*start, *end),
        )


def trace_midline(
    picture: Plane,
    centre: tuple[float, float],
    u_axis: tuple[float, float],
    v_axis: tuple[float, float],
    semi_axes: tuple[float, float],
) -> Midline | None:
    """The midline in a picture float32 HxW, 0..1, of a head with this centre, own axes and semi-axes in pixels.

    None where the picture is low all along: no midline is to be seen.
    """
    a, b = semi_axes
    u, v = np.linspace(-REACH * a, REACH * a, _COLUMNS), np.linspace(-ASIDE * b, ASIDE * b, _ROWS)
    x = centre[0] + u[np.newaxis] * u_axis[0] + v[:, np.newaxis] * v_axis[0]
    y = centre[1] + u[np.newaxis] * u_axis[1] + v[:, np.newaxis] * v_axis[1]
    strip = np.asarray(
        cv2.remap(picture, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR), np.float64
    )
    path = _best_path(strip)
    offset = _refined(strip, v, path)
    weight = strip[path, np.arange(_COLUMNS)]
    strength = float(weight.mean())
    if strength < LEAST_STRENGTH:
        return None
    slope, at_middle = np.polyfit(u, offset, 1, w=np.sqrt(weight + 1e-3))
    middle = np.abs(u) < 0.34 * a
    shift = float(np.average(offset[middle], weights=weight[middle] + 1e-3))
    turn = 1 if u_axis[0] * v_axis[1] - u_axis[1] * v_axis[0] > 0 else -1
    ends = [
        float(coordinate)
        for at in (u[0], u[-1])
        for coordinate in (
            centre[0] + at * u_axis[0] + (slope * at + at_middle) * v_axis[0],
            centre[1] + at * u_axis[1] + (slope * at + at_middle) * v_axis[1],
        )
    ]
    return Midline(
        angle_deg=turn * math.degrees(math.atan(slope)),
        shift_px=shift,
        shift_sd_px=SHIFT_SD * 2 * b,
        strength=strength,
        line=(ends[0], ends[1], ends[2], ends[3]),
    )


def _best_path(strip: NDArray[np.float64]) -> NDArray[np.int64]:
    """The row of each column on the way from left to right that gathers most: steps of one row at most."""
    rows, columns = strip.shape
    # Where nothing is to be seen, the way runs straight and along the axis.
    prior = 0.02 * np.abs(np.linspace(-1, 1, rows))
    gain = (strip - prior[:, np.newaxis]).T
    total = np.full(rows + 2, -np.inf)
    total[1:-1] = gain[0]
    back = np.zeros((columns, rows), np.int64)
    for column in range(1, columns):
        best, step = total[1:-1].copy(), np.zeros(rows, np.int64)
        for aside in (-1, 1):
            other = total[1 + aside : rows + 1 + aside] - STEP_COST
            better = other > best
            best[better], step[better] = other[better], aside
        back[column] = step
        total[1:-1] = best + gain[column]
    path = np.zeros(columns, np.int64)
    path[-1] = int(total[1:-1].argmax())
    for column in range(columns - 1, 0, -1):
        path[column - 1] = path[column] + back[column, path[column]]
    return path


def _refined(
    strip: NDArray[np.float64], v: NDArray[np.float64], path: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The offset at each column, between rows: the centre of gravity of the rows about the path."""
    near = np.clip(path[np.newaxis] + np.arange(-2, 3)[:, np.newaxis], 0, len(v) - 1)
    weight = strip[near, np.arange(strip.shape[1])[np.newaxis]] + 1e-6
    return np.asarray((weight * v[near]).sum(axis=0) / weight.sum(axis=0))


def midline_picture(probability: Plane, gray: Plane, width_px: float) -> Plane:
    """What `trace_midline` is asked: float32 of `gray`'s HxW, 0..1.

    `probability` float32 of any size shows the same square as `gray`; a midline is about `width_px` pixels of
    `gray` wide.
    """
    size = (gray.shape[1], gray.shape[0])
    belief = np.maximum(cv2.resize(probability, size, interpolation=cv2.INTER_LINEAR), 0)
    return np.asarray(ridges(gray, width_px) * np.sqrt(belief), np.float32)


def ridges(picture: Plane, width_px: float) -> Plane:
    """How much each pixel looks like a bright line about `width_px` wide: float32, 0..1.

    The larger curvature of the blurred picture, across whichever direction the line has; scaled by its own
    99th percentile.
    """
    calm = cv2.GaussianBlur(picture, (0, 0), width_px / 2)
    xx = cv2.Sobel(calm, cv2.CV_32F, 2, 0)
    yy = cv2.Sobel(calm, cv2.CV_32F, 0, 2)
    xy = cv2.Sobel(calm, cv2.CV_32F, 1, 1)
    least = (xx + yy) / 2 - np.sqrt(np.square((xx - yy) / 2) + np.square(xy))
    strength = np.maximum(-least, 0)
    return np.asarray(np.clip(strength / max(float(np.percentile(strength, 99)), 1e-6), 0, 1), np.float32)
