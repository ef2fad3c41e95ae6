"""Beside the thirteen steps: series: planes through a patient: their directions, their letters, and the way between a
place in the patient and a pixel.

Coordinates are DICOM's (PS3.3 C.7.6.2.1.1): x to the patient's left, y to the back, z to the head; mm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cloud.series.errors import SliceInvalid
from cloud.series.header import Vector

SIDE_MAX_PX: Final = 4096
_RIGHT_ANGLE: Final = 1e-3
# Below a sine of five degrees a direction is called by its main letter alone.
_NAMED_FROM: Final = math.sin(math.radians(5))
_LETTERS: Final = (("L", "R"), ("P", "A"), ("H", "F"))

Array = NDArray[np.float64]


class PlaneName(StrEnum):
    """Planes with a name of their own, and any other."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    OBLIQUE = "oblique"


DIRECTIONS: Final[dict[PlaneName, tuple[Vector, Vector]]] = {
    PlaneName.AXIAL: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    PlaneName.CORONAL: ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    PlaneName.SAGITTAL: ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}
"""To the right of the picture, and down: axial seen from the feet, coronal from the front, sagittal from the left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """The patient's sides at the four edges of a picture: L/R left/right, A/P front/back, H/F head/foot; the main one
    first, up to three."""

    left: str
    """At the left edge."""
    right: str
    """At the right edge."""
    top: str
    """At the upper edge."""
    bottom: str
    """At the lower edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """A rectangle of pixels in the patient. Build it with `plane`, which checks it."""

    centre_mm: Vector
    """The middle of the rectangle, LPS, mm."""
    u: Vector
    """Unit vector to the right of the picture."""
    v: Vector
    """Unit vector down the picture, at a right angle to `u`."""
    size_px: tuple[int, int]
    """Width and height, pixels."""
    pixel_mm: float
    """Side of a pixel, mm."""

    @property
    def normal(self) -> Vector:
        """Unit vector away from the beholder: u x v."""
        return _vector(np.cross(self.u, self.v))

    @property
    def origin_mm(self) -> Vector:
        """Centre of the upper left pixel, LPS, mm."""
        return self.to_patient(0, 0)

    @property
    def edges(self) -> Edges:
        """The letters of its four edges."""
        u, v = np.array(self.u), np.array(self.v)
        return Edges(left=letters(-u), right=letters(u), top=letters(-v), bottom=letters(v))

    def to_patient(self, column_px: float, row_px: float) -> Vector:
        """The place of a pixel's centre, LPS, mm; whole numbers are pixel centres, (0, 0) the upper left."""
        right = (column_px - (self.size_px[0] - 1) / 2) * self.pixel_mm
        down = (row_px - (self.size_px[1] - 1) / 2) * self.pixel_mm
        return _vector(np.array(self.centre_mm) + right * np.array(self.u) + down * np.array(self.v))

    def to_pixel(self, point_mm: Sequence[float]) -> tuple[float, float, float]:
        """Column and row of the pixel that `point_mm` (LPS) is in front of or behind, and how far behind, mm."""
        away = np.array(point_mm) - np.array(self.centre_mm)
        column = float(away @ np.array(self.u)) / self.pixel_mm + (self.size_px[0] - 1) / 2
        row = float(away @ np.array(self.v)) / self.pixel_mm + (self.size_px[1] - 1) / 2
        return column, row, float(away @ np.array(self.normal))


def plane(
    centre_mm: Sequence[float],
    u: Sequence[float],
    v: Sequence[float],
    size_px: tuple[int, int],
    pixel_mm: float,
) -> Plane:
    """The rectangle around `centre_mm`; u and v may have any length. Errors: SliceInvalid."""
    centre, right, down = (
        _finite(name, given) for name, given in (("centre", centre_mm), ("u", u), ("v", v))
    )
    lengths = float(np.linalg.norm(right)), float(np.linalg.norm(down))
    if min(lengths) < 1e-9 or max(lengths) > 1e9:
        raise SliceInvalid("u and v must have a length")
    right, down = right / lengths[0], down / lengths[1]
    if abs(float(right @ down)) > _RIGHT_ANGLE:
        raise SliceInvalid("u and v must be at a right angle")
    down = down - (down @ right) * right
    if not all(1 <= side <= SIDE_MAX_PX for side in size_px):
        raise SliceInvalid(f"a side has 1 to {SIDE_MAX_PX} pixels")
    if not 1e-3 <= pixel_mm <= 1e3:
        raise SliceInvalid("a pixel is 0.001 to 1000 mm wide")
    return Plane(
        centre_mm=_vector(centre),
        u=_vector(right),
        v=_vector(down / np.linalg.norm(down)),
        size_px=size_px,
        pixel_mm=float(pixel_mm),
    )


def oblique(angles_deg: Sequence[float]) -> tuple[Vector, Vector]:
    """u and v of the axial plane turned about the patient's x, then y, then z axis, degrees, right-handed.

    (90, 0, 0) stands upright: its picture's lower edge is the head.
    """
    turned = np.eye(3)
    for axis, angle in enumerate(_finite("angles", angles_deg)):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        first, second = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[first, first], step[first, second], step[second, first], step[second, second] = c, -s, s, c
        turned = step @ turned
    u, v = DIRECTIONS[PlaneName.AXIAL]
    return _vector(turned @ np.array(u)), _vector(turned @ np.array(v))


def letters(direction: Sequence[float] | Array) -> str:
    """The patient's sides that a direction points to, the main one first: `L`, `LP`, `HAR`."""
    unit = np.asarray(direction, dtype=np.float64) / np.linalg.norm(direction)
    named = [axis for axis in np.argsort(-np.abs(unit), kind="stable") if abs(unit[axis]) > _NAMED_FROM]
    return "".join(_LETTERS[axis][int(unit[axis] < 0)] for axis in named)


def _finite(name: str, given: Sequence[float]) -> Array:
    values = np.asarray(given, dtype=np.float64)
    if values.shape != (3,) or not np.isfinite(values).all():
        raise SliceInvalid(f"{name} must be three finite numbers")
    return values


def _vector(values: Array) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])
