"""Paints ventricles of known width and other findings onto real fetal heads.

No data set marks ventricles. So known ones are painted, by the virtual scanner's physics (`echo.py`), in the
grain of the picture itself. Ventricles of normal width are painted in the very same way as wide ones, so that
"was painted" says nothing about the finding. Pure: all randomness comes from the given generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cloud.infer.preprocess import EllipseLike, Gray, Plane
from cloud.training.echo import smooth_noise
from cloud.training.scene import Head, Mask, Scene, head_of

__all__ = [
    "Head",
    "Line",
    "Painted",
    "PaintedVentricle",
    "head_of",
    "normal_width",
    "paint_ventricles",
    "wide_width",
]

Line = tuple[float, float, float, float]
"""Two points x0, y0, x1, y1, in still pixels."""

NORMAL_WIDTHS = (0.06, 0.12)
"""Atrial width over BPD of normal heads."""
WIDE_WIDTHS = (0.17, 0.40)
"""The same in ventriculomegaly; wider does not fit between midline and skull."""
_AXIS_POINTS = 15
_ATRIUM_AT = 0.72
"""Where along the ventricle's axis (0 front, 1 back) it is widest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintedVentricle:
    """One ventricle that was painted."""

    far: bool
    """Whether it lies in the half of the head away from the probe."""
    width_px: float
    """Inner width at the atrium, across the ventricle's axis, in still pixels."""
    line: Line
    """The caliper across the atrium."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """A still with painted findings and what is true of it."""

    gray: Gray
    """The still, uint8 HxW."""
    ventricle: Mask
    """Inside of the painted ventricles, choroid plexus included, bool HxW."""
    lesion: Mask
    """Painted cyst, fluid or bleeding, bool HxW."""
    known: Mask
    """Where `ventricle` is the truth: painted halves of the head and all outside of it, bool HxW."""
    ventricles: tuple[PaintedVentricle, ...] = ()
    """The painted ventricles, the far one first."""


def normal_width(rng: Generator) -> float:
    """A normal atrial width over BPD."""
    return float(rng.uniform(*NORMAL_WIDTHS))


def wide_width(rng: Generator) -> float:
    """A widened atrial width over BPD; mild widening is as frequent as it is in the field."""
    low, high = WIDE_WIDTHS
    return float(low + (high - low) * rng.beta(1.1, 1.6))


def paint_ventricles(
    gray: Gray,
    head: EllipseLike,
    rng: Generator,
    *,
    far: float | None,
    near: float | None = None,
    forehead: int | None = None,
) -> Painted:
    """Paints the far, the near or both lateral ventricles.

    `far` and `near` are atrial widths as a share of the BPD. None leaves that half as it is, 0 puts even brain
    where the ventricle would be. A width that does not fit is made narrower, and the result says what was
    painted. `forehead` is +1 where it points along the ellipse's direction, -1 against it, None draws either.
    """
    scene = Scene(gray, head, rng, forehead)
    lumen_mask = np.zeros(scene.echo.shape, np.bool_)
    known = ~scene.head
    changed = np.zeros(scene.echo.shape, np.float32)
    painted: list[PaintedVentricle] = []
    shape = rng.uniform(-1, 1, 6)
    for side, width in ((1, far), (-1, near)):
        if width is None:
            continue
        distance, ventricle = _paint_ventricle(scene, width, side, shape, changed)
        # A head painted the wrong way round keeps its own ventricle in the other end.
        known |= scene.head & (scene.v * side > 0) & (scene.u < 0.3 * scene.a)
        if ventricle is not None:
            lumen_mask |= distance <= 0
            known |= distance <= 0
            painted.append(ventricle)
    return Painted(
        gray=scene.picture(changed),
        ventricle=scene.whole(lumen_mask),
        lesion=np.zeros(gray.shape, np.bool_),
        known=scene.outside(known),
        ventricles=tuple(painted),
    )


def _paint_ventricle(
    scene: Scene, width: float, side: int, shape: NDArray[np.float64], changed: Plane
) -> tuple[Plane, PaintedVentricle | None]:
    """Paints one ventricle; gives the signed distance to its wall and what is true of it."""
    rng, b = scene.rng, scene.b
    axis, half = _outline(scene, width or NORMAL_WIDTHS[1], side, shape)
    distance, along = _distance(scene, axis, half)
    distance = distance + np.float32(0.008 * float(half.max())) * smooth_noise(distance.shape, 0.3 * b, rng)
    _erase(scene, distance, float(half.max()), side, changed)
    if width == 0:
        return distance, None
    lumen = scene.soft(distance) * scene.brain
    veil = scene.facing if side < 0 else 0.0
    fluid_db = scene.dark_db - rng.uniform(-2, 7)
    fluid = fluid_db + veil * rng.uniform(0.2, 0.75) * (scene.level - fluid_db)
    scene.fill(lumen, np.asarray(fluid, np.float32))
    _paint_choroid(scene, axis, half, lumen, side)
    scene.shine_through(lumen)
    wall_px = max(1.0, 0.013 * b + 0.4 * scene.grain.down_px)
    band = np.exp(-np.square((distance - 0.6 * wall_px) / np.float32(wall_px))) * scene.brain
    patchy = np.clip(0.6 + 0.5 * smooth_noise(distance.shape, 0.35 * b, rng), 0.05, 1.3)
    reach = np.clip(0.2 + 1.2 * along, 0, 1) * patchy
    brightness = rng.uniform(0, 10) if veil > 0.5 else rng.uniform(6, 24)
    mean_db = float(scene.level[scene.radius < 0.8].mean())
    scene.shine(distance, np.asarray(band * reach, np.float32), min(mean_db + brightness, -6.0))
    np.maximum(changed, scene.brain * (cv2.GaussianBlur(lumen, (0, 0), 2 * wall_px) > 0.01), out=changed)
    return distance, _truth(scene, axis, half, side)


def _outline(
    scene: Scene, width: float, side: int, shape: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ventricle's axis, points (u, v) from front to back, and its half width at each, in pixels."""
    a, b, rng = scene.a, scene.b, scene.rng
    own = shape + rng.uniform(-0.25, 0.25, 6)
    wide = min(1.0, max(0.0, (width - 0.12) / 0.25))
    back_u = -(0.52 + 0.07 * own[0] + 0.04 * wide)
    room = math.sqrt(1 - min((abs(back_u) - 0.08) ** 2, 0.6)) - 0.14
    gap = 0.045 + 0.02 * abs(own[1])
    half = min(width, (room - gap) / 2)
    back_v = min(max(0.42 + 0.06 * own[2], half + gap), room - half)
    front_u = 0.08 + 0.12 * own[3] + 0.25 * wide
    front_share = min(0.95, 0.34 + 0.12 * own[4] + 0.45 * wide)
    front_v = min(0.27 + 0.05 * own[5] + 0.5 * half * front_share, back_v)
    front_v = max(front_v, half * front_share + gap)
    t = np.linspace(0, 1, _AXIS_POINTS)
    bend = (0.05 + 0.05 * own[1]) * np.sin(math.pi * t)
    axis = np.stack(
        [(front_u + t * (back_u - front_u)) * a, side * (front_v + t * (back_v - front_v) + bend * 0.6) * b],
        axis=1,
    )
    opening = np.clip(t / _ATRIUM_AT, 0, 1)
    profile = front_share + (1 - front_share) * opening**2 * (3 - 2 * opening)
    # Behind the atrium the occipital horn narrows, more or less.
    tail = np.clip((t - _ATRIUM_AT - 0.06) / (1 - _ATRIUM_AT), 0, 1)
    profile *= 1 - (0.3 + 0.25 * own[2]) * tail**1.5
    return axis, half * b * profile


def _distance(scene: Scene, axis: NDArray[np.float64], half: NDArray[np.float64]) -> tuple[Plane, Plane]:
    """Signed distance to the wall in pixels, negative inside, and the place along the axis, 0..1.

    Smooth, so it is computed at every other pixel and interpolated.
    """
    u, v = scene.u[::2, ::2], scene.v[::2, ::2]
    distance = np.full(u.shape, np.inf, np.float32)
    along = np.zeros(u.shape, np.float32)
    count = len(half) - 1
    for number in range(count):
        step = (axis[number + 1] - axis[number]).astype(np.float32)
        du, dv = u - np.float32(axis[number, 0]), v - np.float32(axis[number, 1])
        t = np.clip((du * step[0] + dv * step[1]) / (step @ step), 0, 1)
        radius = np.float32(half[number]) + t * np.float32(half[number + 1] - half[number])
        here = np.hypot(du - t * step[0], dv - t * step[1]) - radius
        closer = here < distance
        distance[closer] = here[closer]
        along[closer] = (number + t[closer]) / count
    return _every_pixel(distance, scene.u.shape), _every_pixel(along, scene.u.shape)


def _every_pixel(sparse: Plane, shape: tuple[int, ...]) -> Plane:
    """A picture known at every other pixel, at every pixel."""
    matrix = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (shape[1], shape[0])
    return np.asarray(
        cv2.warpAffine(sparse, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def _erase(scene: Scene, distance: Plane, half_px: float, side: int, changed: Plane) -> None:
    """Brain without structure around the ventricle, so that the head's own one does not show beside it."""
    reach_px = max(0.20 * scene.b - half_px, 0.03 * scene.b)
    ramp = np.float32(0.09 * scene.b)
    weight = np.clip((reach_px + ramp - distance) / ramp, 0, 1) * scene.brain
    weight = weight * np.clip((scene.v * side / np.float32(scene.b) - 0.04) / 0.05, 0, 1)
    scene.fill(np.asarray(weight, np.float32), np.asarray(scene.level + scene.lumps(), np.float32))
    np.maximum(changed, weight, out=changed)


def _paint_choroid(
    scene: Scene, axis: NDArray[np.float64], half: NDArray[np.float64], lumen: Plane, side: int
) -> None:
    """The plexus fills most of a narrow ventricle and hangs down to the lower wall of a wide one."""
    rng = scene.rng
    if rng.random() < 0.1:
        return
    place = int(rng.uniform(0.35, 0.62) * (len(half) - 1))
    room_px = float(half[place])
    thick_px = min(rng.uniform(0.55, 0.85) * room_px, rng.uniform(0.07, 0.11) * scene.b)
    # The lower wall lies away from the probe where the midline is level: +v.
    sink_px = (room_px - thick_px) * rng.uniform(0.5, 1.0) * scene.facing
    u, v = axis[place][0], axis[place][1] + sink_px
    direction = axis[min(place + 3, len(half) - 1)] - axis[max(place - 3, 0)]
    turn = math.atan2(direction[1], direction[0]) + rng.uniform(-0.12, 0.12) * side
    long_px = rng.uniform(0.13, 0.22) * scene.a
    distance = scene.ellipse_distance(u, v, (long_px, thick_px), turn)
    distance = distance + np.float32(0.12 * thick_px) * smooth_noise(distance.shape, 0.2 * scene.b, rng)
    strength = rng.uniform(0.75, 1.0) if side > 0 else rng.uniform(0.3, 0.8)
    plexus = scene.level + np.float32(rng.uniform(6, 16))
    plexus = plexus + 2.0 * smooth_noise(distance.shape, 0.07 * scene.b, rng)
    weight = np.float32(strength) * scene.soft(distance) * lumen
    scene.fill(weight, np.asarray(np.minimum(plexus, -8.0), np.float32))


def _truth(scene: Scene, axis: NDArray[np.float64], half: NDArray[np.float64], side: int) -> PaintedVentricle:
    place = int(half.argmax())
    direction = axis[min(place + 1, len(half) - 1)] - axis[max(place - 1, 0)]
    direction /= np.hypot(*direction)
    across = np.array([-direction[1], direction[0]]) * half[place]
    (u0, v0), (u1, v1) = (axis[place] - across).tolist(), (axis[place] + across).tolist()
    return PaintedVentricle(
        far=side > 0,
        width_px=float(2 * half[place]),
        line=(*scene.to_still(u0, v0), *scene.to_still(u1, v1)),
    )
