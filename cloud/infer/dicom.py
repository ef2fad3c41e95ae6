"""Part of step 11: DICOM. The header of an object, and its frames one at a time, in every transfer syntax that
pydicom's decoders know."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cloud.infer.errors import ImageUnreadable
from cloud.infer.measure import CalibratedRegion, Scale
from cloud.infer.pixels import check_size, eight_bit, flat
from cloud.infer.source import Image, opened

if TYPE_CHECKING:
    from pydicom import Dataset

FRAMES_MAX = 5_000
_CENTIMETRE = 3
_TWO_DIMENSIONAL = 1
_REGION = "dicom_region"


class DicomObject:
    """An object's header; its pixels stay where they are until frames are asked for."""

    def __init__(self, image: Image) -> None:
        """Reads the header. Raises ImageUnreadable."""
        # Imported here: most stills come as PNG, and the package takes a third of a second.
        import pydicom

        self._image = image
        with _translated(), opened(image) as file:
            ds = pydicom.dcmread(file, stop_before_pixels=True)
            check_size(int(ds.Columns), int(ds.Rows))
            self.frame_count = int(ds.get("NumberOfFrames") or 1)
            """How many frames the object says it has, 1 for a still."""
            self.frame_rate_hz = _frame_rate_hz(ds)
            """Frames a second, where the object says so."""
            self.scale = _scale(ds)
            """The length of a pixel, where the object says so."""
            self.regions = _regions(ds)
            """Where it says how long a pixel is: two-dimensional regions in centimetres, in its own order."""
            self._ds: Dataset = ds
        if not 1 <= self.frame_count <= FRAMES_MAX:
            raise ImageUnreadable(f"the loop does not have 1 to {FRAMES_MAX} frames")

    def frames(self, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """Decodes the frames at these places, one at a time: uint8 HxW gray, or HxWx3 (blue, green, red).

        Raises ImageUnreadable where one is not there, not whole or not sane.
        """
        from pydicom.pixels.utils import iter_pixels

        with _translated(), opened(self._image) as file:
            for frame in iter_pixels(file, indices=list(indices)):
                yield self._shown(frame)

    def _shown(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

        ds = self._ds
        if ds.PhotometricInterpretation == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, ds)
        elif ds.SamplesPerPixel == 1:
            pixels = apply_modality_lut(pixels, ds)
            pixels = apply_voi_lut(pixels, ds) if _has_window(ds) else pixels
        shown = flat(eight_bit(pixels))
        if shown.ndim == 3:
            shown = np.ascontiguousarray(shown[:, :, ::-1])
        return 255 - shown if ds.PhotometricInterpretation == "MONOCHROME1" else shown


def _has_window(ds: Dataset) -> bool:
    """Whether the object's window, if it has one, can be: PS3.3 C.11.2.1.2 wants a width of at least 1. Without
    it the pixels keep the bits in use."""
    width = ds.get("WindowWidth")
    return width is None or float(np.min(width)) >= 1


@contextmanager
def _translated() -> Iterator[None]:
    from pydicom.errors import BytesLengthException, InvalidDicomError

    # pydicom and its decoders have no common error; these are what damaged files raise.
    damaged = (
        *(AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OSError, OverflowError),
        *(RuntimeError, TypeError, ValueError, struct.error, BytesLengthException, InvalidDicomError),
    )
    try:
        yield
    except damaged as exc:
        raise ImageUnreadable(f"the DICOM image cannot be decoded ({type(exc).__name__})") from exc


def _frame_rate_hz(ds: Dataset) -> float | None:
    """PS3.3 C.7.6.5: the time between frames (ms) goes before the rates that were wished for display."""
    time_ms = ds.get("FrameTime")
    vector = ds.get("FrameTimeVector")
    if time_ms is None and vector is not None and len(vector) > 1:
        time_ms = sum(float(step) for step in vector[1:]) / (len(vector) - 1)
    rates = (ds.get("CineRate"), ds.get("RecommendedDisplayFrameRate"))
    rate_hz = 1000 / float(time_ms) if time_ms else next((float(rate) for rate in rates if rate), 0.0)
    return rate_hz if np.isfinite(rate_hz) and rate_hz > 0 else None


def _scale(ds: Dataset) -> Scale | None:
    """Millimetres per pixel where every two-dimensional region gives the same, equal in x and y, to within 1
    %.

    PS3.3 C.8.5.5: PhysicalDeltaX and Y are in centimetres per pixel where the units' code is 3.
    """
    steps: list[float] = []
    for region in ds.get("SequenceOfUltrasoundRegions", []):
        if region.get("RegionSpatialFormat") != _TWO_DIMENSIONAL:
            continue
        if not _in_centimetres(region):
            return None
        steps += [abs(float(region.PhysicalDeltaX)) * 10, abs(float(region.PhysicalDeltaY)) * 10]
    if not steps or not np.isfinite(steps).all() or min(steps) <= 0 or max(steps) > 1.01 * min(steps):
        return None
    return Scale(mm_per_pixel=steps[0], source=_REGION)


def _in_centimetres(region: Dataset) -> bool:
    units = (region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection"))
    return units == (_CENTIMETRE, _CENTIMETRE)


def _regions(ds: Dataset) -> tuple[CalibratedRegion, ...]:
    """PS3.3 C.8.5.5.1.1: a region's last column and row are inside of it. One that is not sane is left out."""
    planes = (
        region
        for region in ds.get("SequenceOfUltrasoundRegions", [])
        if region.get("RegionSpatialFormat") == _TWO_DIMENSIONAL and _in_centimetres(region)
    )
    found = (_calibrated(region, int(ds.Columns), int(ds.Rows)) for region in planes)
    return tuple(region for region in found if region is not None)


def _calibrated(region: Dataset, width_px: int, height_px: int) -> CalibratedRegion | None:
    edges = [region.get(f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
    steps = [abs(float(region.get(f"PhysicalDelta{axis}") or 0)) * 10 for axis in "XY"]
    if None in edges or not np.isfinite(steps).all() or min(steps) <= 0:
        return None
    x0, y0, last_x, last_y = (int(edge) for edge in edges)
    if not (0 <= x0 <= last_x < width_px and 0 <= y0 <= last_y < height_px):
        return None
    return CalibratedRegion(
        x0=x0,
        y0=y0,
        x1=last_x + 1,
        y1=last_y + 1,
        mm_per_pixel_x=steps[0],
        mm_per_pixel_y=steps[1],
        source=_REGION,
    )
