"""Beside the thirteen steps: series: the pixels of one slice as numbers that mean something."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.utils import pixel_array

from cloud.series.errors import DAMAGED, SliceUnreadable
from cloud.series.geometry import StackSlice
from cloud.series.header import Header

_BRIGHTNESS: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601: luma of red, green, blue."""


def read_slice(each: StackSlice) -> NDArray[np.float32]:
    """Rows x columns, in the unit of the rescale (Hounsfield for CT): stored x slope + intercept.

    Colour gives its brightness; MONOCHROME1 is turned over within the range of its bits, so that high is bright.
    Errors: SliceUnreadable.
    """
    header = each.header
    try:
        with warnings.catch_warnings():
            # A warning's text may hold a value of the header.
            warnings.simplefilter("ignore")
            with header.open() as file:
                pixels = pixel_array(file, index=each.frame_index)
        values = np.asarray(pixels, dtype=np.float32)
        if header.samples_per_pixel > 1:
            values = values @ _BRIGHTNESS
    except DAMAGED:
        # Without the cause: its text may hold a value of the header, or the path.
        raise SliceUnreadable(header.path) from None
    if header.photometric == "MONOCHROME1":
        values = sum(stored_range(header)) - values
    with np.errstate(all="ignore"):
        if (each.place.slope, each.place.intercept) != (1.0, 0.0):
            values = values * np.float32(each.place.slope) + np.float32(each.place.intercept)
    if values.shape != (header.rows, header.columns) or not np.isfinite(values).all():
        raise SliceUnreadable(header.path)
    return values


def stored_range(header: Header) -> tuple[float, float]:
    """The lowest and the highest number that the stored bits can hold."""
    half = 2.0 ** (header.bits_stored - 1)
    return (-half, half - 1) if header.is_signed else (0.0, 2 * half - 1)
