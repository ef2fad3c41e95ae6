"""Beside the thirteen steps: series: cuts a plane, or a slab around it, out of a volume."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from cloud.series.errors import SliceInvalid
from cloud.series.messages import SlabMode
from cloud.series.planes import Plane
from cloud.series.volume import OUTSIDE, Volume

SLAB_MAX_MM: Final = 200.0
_LAYERS_MAX: Final = 256
_SAMPLES_MAX: Final = 64 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A cut. Its value at a pixel is `pixels x scale + offset`."""

    plane: Plane
    """Where it lies; its slab reaches as far to either side."""
    pixels: NDArray[np.int16] = field(repr=False)
    """Height x width."""
    scale: float
    """What a stored number is multiplied with; 1.0 for CT in Hounsfield units."""
    offset: float
    """What is added to it then."""
    background: int
    """The stored number where no voxel lies."""
    inside_share: float
    """Share of pixels where a voxel lies, 0 to 1."""
    slab_mm: float
    """Thickness of the slab, mm; 0.0: the plane alone."""
    layer_count: int
    """Planes that the slab was sampled at."""


_SHOWN: Final[dict[SlabMode, Callable[[Any], Any]]] = {
    SlabMode.MEAN: lambda layers: np.ma.mean(layers, axis=0),
    SlabMode.MIP: lambda layers: np.ma.max(layers, axis=0),
    SlabMode.MINIP: lambda layers: np.ma.min(layers, axis=0),
}


def cut(
    volume: Volume,
    plane: Plane,
    *,
    slab_mm: float = 0.0,
    mode: SlabMode = SlabMode.MEAN,
    background: int | None = None,
) -> Slice:
    """The plane's pixels by linear interpolation, int16; outside the volume `background` (None: its lowest value).

    A slab takes planes as far apart as the finest voxels and shows, of those inside the volume, the mean, the highest
    or the lowest. A volume reaches half a voxel beyond its outermost voxels' centres. Errors: SliceInvalid.
    """
    if not (math.isfinite(slab_mm) and 0 <= slab_mm <= SLAB_MAX_MM):
        raise SliceInvalid(f"a slab is 0 to {SLAB_MAX_MM:g} mm thick")
    outside = volume.background if background is None else background
    if not OUTSIDE < outside <= -OUTSIDE - 1:
        raise SliceInvalid("the background is an int16 above -32768")
    layer_count = min(_LAYERS_MAX, math.floor(slab_mm / min(volume.image.GetSpacing()) + 1e-9) + 1)
    if layer_count * plane.size_px[0] * plane.size_px[1] > _SAMPLES_MAX:
        raise SliceInvalid("the slab is too thick for so many pixels")
    layers = _layers(volume, plane, slab_mm, layer_count)
    is_outside = layers == OUTSIDE
    if layer_count == 1:
        shown, empty = layers[0], is_outside[0]
    else:
        masked = _SHOWN[mode](np.ma.masked_array(layers, is_outside))
        shown, empty = masked.filled(OUTSIDE), np.ma.getmaskarray(masked)
    pixels = np.rint(shown).astype(np.int16)
    pixels[empty] = outside
    return Slice(
        plane=plane,
        pixels=pixels,
        scale=volume.scale,
        offset=volume.offset,
        background=outside,
        inside_share=1 - float(np.count_nonzero(empty)) / empty.size,
        slab_mm=slab_mm,
        layer_count=layer_count,
    )


def _layers(volume: Volume, plane: Plane, slab_mm: float, count: int) -> NDArray[np.float32]:
    """Parallel planes through the slab, count x height x width; OUTSIDE where no voxel lies."""
    normal = np.array(plane.normal)
    apart_mm = slab_mm / (count - 1) if count > 1 else 1.0
    first = np.array(plane.origin_mm) - (slab_mm / 2 if count > 1 else 0.0) * normal
    resample = sitk.ResampleImageFilter()
    resample.SetInterpolator(sitk.sitkLinear)
    resample.SetSize([*plane.size_px, count])
    resample.SetOutputSpacing([plane.pixel_mm, plane.pixel_mm, apart_mm])
    resample.SetOutputOrigin(first.tolist())
    resample.SetOutputDirection(np.stack([plane.u, plane.v, normal], axis=1).ravel().tolist())
    resample.SetDefaultPixelValue(OUTSIDE)
    # Into int16 SimpleITK cuts fractions off: half a step too dark, and towards zero.
    resample.SetOutputPixelType(sitk.sitkFloat32)
    return np.asarray(sitk.GetArrayFromImage(resample.Execute(volume.image)), dtype=np.float32)
