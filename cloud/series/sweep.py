"""Beside the thirteen steps: series: parallel planes that cover a whole volume."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from cloud.series.errors import SliceInvalid
from cloud.series.header import Vector
from cloud.series.planes import Plane, plane
from cloud.series.volume import Volume

SIDE_PX = 1024
PLANES_MAX = 1024


def sweep(
    volume: Volume,
    u: Vector,
    v: Vector,
    *,
    step_mm: float,
    pixel_mm: float | None = None,
    centre_mm: Sequence[float] | None = None,
) -> list[Plane]:
    """Planes `step_mm` apart, in the order of u x v, each as large as all of them need; with `centre_mm` the one
    through that point.

    Pixels have the side of the finest voxel unless `pixel_mm` says so, and are larger where a side would have more
    than SIDE_PX of them. Errors: SliceInvalid.
    """
    if not (math.isfinite(step_mm) and step_mm > 0):
        raise SliceInvalid("the step is above 0 mm")
    if pixel_mm is not None and not (math.isfinite(pixel_mm) and pixel_mm > 0):
        raise SliceInvalid("a pixel is wider than 0 mm")
    axes = np.stack([u, v, np.cross(u, v)])
    corners = _corners(volume) @ axes.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    finest_mm = max(min(volume.image.GetSpacing()), float((high - low)[:2].max()) / SIDE_PX)
    side_mm = finest_mm if pixel_mm is None else float(pixel_mm)
    width, height = (max(1, math.ceil(float(extent) / side_mm - 1e-6)) for extent in (high - low)[:2])
    depths = _depths(float(low[2]), float(high[2]), step_mm)
    middle = (low + high) / 2
    if centre_mm is not None:
        depths = [float(np.array(centre_mm) @ axes[2])]
    return [
        plane(tuple(np.array([*middle[:2], depth]) @ axes), u, v, (width, height), side_mm)
        for depth in depths
    ]


def _corners(volume: Volume) -> np.ndarray:
    """The eight outer corners of the voxels, LPS, mm."""
    image = volume.image
    return np.array(
        [
            image.TransformContinuousIndexToPhysicalPoint(corner)
            for corner in itertools.product(*[(-0.5, size - 0.5) for size in image.GetSize()])
        ]
    )


def _depths(low: float, high: float, step_mm: float) -> list[float]:
    """Places `step_mm` apart, all inside, as far from one end as from the other."""
    count = max(1, math.floor((high - low) / step_mm + 1e-6))
    if count > PLANES_MAX:
        raise SliceInvalid(
            f"that makes {count} planes; up to {PLANES_MAX} are cut at once: take a larger step"
        )
    first = (low + high) / 2 - (count - 1) / 2 * step_mm
    return [first + step_mm * index for index in range(count)]
