"""Beside the thirteen steps: series: one frame as numbers to show: values that mean something, or colours."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from cloud.series.errors import DAMAGED, SliceInvalid, SliceUnreadable
from cloud.series.header import Header, Place
from cloud.series.messages import Format, Frame
from cloud.series.pixels import stored_range
from cloud.series.read_header import OpenBytes
from cloud.series.volume import as_int16

PIXELS_MAX: Final = 64 * 1024**2
_GRAY_BITS: Final = 8


def shown_frame(header: Header, open_bytes: OpenBytes, index: int) -> Frame:
    """Frame `index` (from 0) of an image; no other is read. Errors: SliceInvalid, SliceUnreadable."""
    if not 0 <= index < header.frame_count:
        raise SliceInvalid(f"the image has {header.frame_count} frames, counted from 0")
    if header.rows * header.columns > PIXELS_MAX:
        raise SliceInvalid(f"a frame of more than {PIXELS_MAX} pixels is not shown")
    try:
        with warnings.catch_warnings(), open_bytes() as file:
            # A warning's text may hold a value of the header.
            warnings.simplefilter("ignore")
            pixels = pixel_array(file, index=index)
            if header.photometric == "PALETTE COLOR":
                pixels = apply_color_lut(pixels, pydicom.dcmread(file, stop_before_pixels=True))
            elif header.samples_per_pixel > 1 and header.bits_stored > _GRAY_BITS:
                pixels = pixels >> (header.bits_stored - _GRAY_BITS)
    except DAMAGED:
        # Without the cause: its text may hold a value of the header, or the path.
        raise SliceUnreadable(header.path) from None
    if pixels.shape[:2] != (header.rows, header.columns):
        raise SliceUnreadable(header.path)
    place = header.places[index if len(header.places) == header.frame_count else 0]
    shown, scale, offset = (
        (_colours(pixels), 1.0, 0.0) if pixels.ndim == 3 else _values(header, pixels, place)
    )
    height, width = shown.shape[:2]
    return Frame(
        width_px=width,
        height_px=height,
        format=Format.RGB8 if pixels.ndim == 3 else Format.INT16,
        data=np.ascontiguousarray(shown).tobytes(),
        scale=scale,
        offset=offset,
        place=place,
        frame_count=header.frame_count,
    )


def _colours(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8:
        # Palettes of 16 bits, PS3.3 C.7.6.3.1.6.
        pixels = (pixels >> _GRAY_BITS).astype(np.uint8)
    return np.asarray(pixels[..., :3], dtype=np.uint8)


def _values(header: Header, pixels: NDArray[Any], place: Place) -> tuple[NDArray[Any], float, float]:
    """Little-endian int16, and what they are multiplied with and what is added then."""
    values = np.asarray(pixels, dtype=np.float32)
    if header.photometric == "MONOCHROME1":
        values = sum(stored_range(header)) - values
    with np.errstate(all="ignore"):
        values = values * np.float32(place.slope) + np.float32(place.intercept)
    if not np.isfinite(values).all():
        raise SliceUnreadable(header.path)
    is_whole = place.slope.is_integer() and place.intercept.is_integer()
    stored, scale, offset = as_int16(values[np.newaxis], is_whole)
    return stored[0].astype("<i2"), scale, offset
