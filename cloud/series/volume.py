"""Beside the thirteen steps: series: a plan's slices become one even, right-angled volume in patient millimetres.

Memory is estimated from the plan, and a volume above the cap is refused, before a pixel is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from cloud.series.errors import SeriesRefused
from cloud.series.geometry import Plan, StackSlice
from cloud.series.pixels import read_slice
from cloud.series.reasons import Refusal, RefusalReason

MEMORY_CAP_BYTES: Final = 2 * 1024**3
OUTSIDE: Final = -32768
"""What no voxel of an int16 volume holds; a cut uses it to tell inside from outside."""
_INT16_MAX: Final = 32767
_MIB: Final = 1024**2

ReadSlice = Callable[[StackSlice], NDArray[np.float32]]
OnSlice = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Voxels on an even, right-angled grid. Its value at a point is `stored x scale + offset`."""

    image: sitk.Image = field(repr=False)
    """int16; origin, spacing and direction in patient coordinates (LPS), mm. Treated as unchangeable."""
    scale: float
    """What a stored number is multiplied with; 1.0 unless the values are finer or wider than int16."""
    offset: float
    """What is added to it then; 0.0 unless as above."""
    background: int
    """Stored number that stands for outside: the lowest of the volume."""
    size_bytes: int
    """Memory that the voxels take."""

    @property
    def centre_mm(self) -> tuple[float, float, float]:
        """The middle of the grid, LPS, mm."""
        x, y, z = self.image.TransformContinuousIndexToPhysicalPoint(
            [(n - 1) / 2 for n in self.image.GetSize()]
        )
        return x, y, z


def needed_bytes(plan: Plan) -> int:
    """The most memory that building the volume takes: float32 and a mask while it grows, and int16 twice when it is
    handed over."""
    rows, columns = _shape(plan)
    return plan.slice_count * rows * columns * (4 + 1 + 2 + 2)


def build(
    plan: Plan,
    *,
    cap_bytes: int = MEMORY_CAP_BYTES,
    read: ReadSlice = read_slice,
    on_slice: OnSlice = lambda done, total: None,
) -> Volume:
    """Reads the plan's slices, straightens a lean, and fills an even grid linearly along the normal.

    Errors: SeriesRefused (TOO_LARGE, nothing was read), SliceUnreadable.
    """
    need = needed_bytes(plan)
    if need > cap_bytes:
        values = {"need_mib": -(-need // _MIB), "cap_mib": cap_bytes // _MIB}
        raise SeriesRefused(Refusal(reason=RefusalReason.TOO_LARGE, values=values))
    low = _low_mm(plan)
    voxels, inside = _fill(plan, read, on_slice)
    lowest = float(voxels.min(where=inside, initial=np.inf)) if inside is not None else float(voxels.min())
    if inside is not None:
        np.copyto(voxels, np.float32(lowest), where=~inside)
    stored, scale, offset = as_int16(voxels, _is_whole(plan))
    image = sitk.GetImageFromArray(stored)
    row, column = np.array(plan.row_direction), np.array(plan.column_direction)
    origin = np.array(plan.origin_mm) + low[0] * row + low[1] * column
    image.SetOrigin(origin.tolist())
    image.SetSpacing([plan.pixel_spacing_mm[1], plan.pixel_spacing_mm[0], plan.step_mm])
    image.SetDirection(np.stack([row, column, np.array(plan.normal)], axis=1).ravel().tolist())
    return Volume(
        image=image, scale=scale, offset=offset, background=int(stored.min()), size_bytes=int(stored.nbytes)
    )


def _low_mm(plan: Plan) -> NDArray[np.float64]:
    """Where the grid begins, along a row and along a column, from the first pixel of the first slice, mm."""
    return np.asarray(np.array([each.aside_mm for each in plan.slices]).min(axis=0))


def _shape(plan: Plan) -> tuple[int, int]:
    """Rows and columns that hold every slice where it lies."""
    aside = np.array([each.aside_mm for each in plan.slices])
    more = np.ceil((aside.max(axis=0) - aside.min(axis=0)) / np.array(plan.pixel_spacing_mm[::-1]) - 1e-6)
    return plan.rows + int(more[1]), plan.columns + int(more[0])


def _fill(
    plan: Plan, read: ReadSlice, on_slice: OnSlice
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """The volume's values, and which of them a slice covers; None: all.

    Slices are read once, in order; two are held at a time.
    """
    rows, columns = _shape(plan)
    is_whole = (rows, columns) == (plan.rows, plan.columns)
    voxels = np.empty((plan.slice_count, rows, columns), dtype=np.float32)
    inside = None if is_whole else np.zeros(voxels.shape, dtype=np.bool_)
    along = np.array([each.along_mm for each in plan.slices])
    targets = plan.step_mm * np.arange(plan.slice_count)
    # The slice at or below each target; the last target belongs to the last pair.
    below = np.clip(np.searchsorted(along, targets + 1e-6, side="right") - 1, 0, len(along) - 2)
    before: NDArray[np.float32] | None = None
    for index, each in enumerate(plan.slices):
        here = _placed(each, plan, read(each), (rows, columns))
        on_slice(index + 1, len(plan.slices))
        for target in np.flatnonzero(below == index - 1) if before is not None else ():
            share = float(
                np.clip((targets[target] - along[index - 1]) / (along[index] - along[index - 1]), 0, 1)
            )
            if plan.is_even:
                share = round(share)
            value = _between(before, here, share)
            covered = ~np.isnan(value)
            voxels[target] = np.where(covered, value, 0) if inside is not None else value
            if inside is not None:
                inside[target] = covered
        before = here
    return voxels, inside


def _between(
    before: NDArray[np.float32] | None, after: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """`share` of the way from one slice to the next; 0 and 1 are the slices themselves, whatever the other holds."""
    if before is None or share == 1:
        return after
    return before if share == 0 else before * np.float32(1 - share) + after * np.float32(share)


def _placed(
    each: StackSlice, plan: Plan, values: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """The slice shifted to where it lies in the grid, linearly by parts of a pixel; NaN where it does not reach."""
    if shape == values.shape:
        return values
    low = _low_mm(plan)
    right_px = (each.aside_mm[0] - low[0]) / plan.pixel_spacing_mm[1]
    down_px = (each.aside_mm[1] - low[1]) / plan.pixel_spacing_mm[0]
    return _shifted(_shifted(values, down_px, shape[0]).T, right_px, shape[1]).T


def _shifted(values: NDArray[np.float32], by_px: float, size_px: int) -> NDArray[np.float32]:
    """Values moved down by a number of rows, in an array of `size_px` rows; NaN where none of them lies."""
    whole = int(np.floor(by_px + 1e-6))
    part = np.float32(max(by_px - whole, 0.0))
    moved = np.full((size_px, values.shape[1]), np.nan, dtype=np.float32)
    if part < 1e-6:
        moved[whole : whole + len(values)] = values
    else:
        # Row r of the result lies `part` above row r - whole: it is met by that and by the one before.
        moved[whole + 1 : whole + len(values)] = values[1:] * (1 - part) + values[:-1] * part
    return moved


def _is_whole(plan: Plan) -> bool:
    """Whether whole stored numbers stay whole: rounding what is interpolated between them then loses nothing."""
    return all(
        value.is_integer() for each in plan.slices for value in (each.place.slope, each.place.intercept)
    )


def as_int16(voxels: NDArray[np.float32], is_whole: bool) -> tuple[NDArray[np.int16], float, float]:
    """Stored numbers, scale and offset: as they are where they are whole and fit, else spread over 65 535 steps."""
    low, high = float(voxels.min()), float(voxels.max())
    scale, offset = 1.0, 0.0
    if not is_whole or low <= OUTSIDE or high > _INT16_MAX:
        scale = max(high - low, 1e-12) / (_INT16_MAX - OUTSIDE - 1)
        offset = low - scale * (OUTSIDE + 1)
    stored = np.empty(voxels.shape, dtype=np.int16)
    for place, values in enumerate(voxels):
        exact = values if scale == 1.0 else (values.astype(np.float64) - offset) / scale
        stored[place] = np.clip(np.rint(exact), OUTSIDE + 1, _INT16_MAX)
    return stored, scale, offset
