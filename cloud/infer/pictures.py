"""Part of step 11: pixels to PNG bytes."""

from __future__ import annotations

import struct

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

_SMALL = [cv2.IMWRITE_PNG_COMPRESSION, 3]


def small_png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of a picture full of speckle: uint8 HxW, HxWx3 or HxWx4 (blue, green, red, alpha)."""
    encoded, data = cv2.imencode(".png", pixels, _SMALL)
    if not encoded:
        raise ValueError(f"a picture of the shape {pixels.shape} cannot be a PNG")
    return bytes(data)


def mask_png(mask: NDArray[np.uint8]) -> bytes:
    """PNG of a mask: uint8 HxW with large flat areas, which pack best and soonest without row filters.

    One byte a pixel, though a bit would do in an eighth of the time: some readers give single bits as 0 and 1.
    """
    return _file(mask.shape, (8, 0), mask)


def indexed_png(indexes: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """PNG of uint8 HxW indexes into a palette of Nx4 (red, green, blue, alpha), N <= 256.

    Viewers show red, green, blue and alpha; the file holds one byte a pixel, which takes a third of the time
    of four.
    """
    colours = (_chunk(b"PLTE", palette[:, :3].tobytes()), _chunk(b"tRNS", palette[:, 3].tobytes()))
    return _file(indexes.shape, (8, 3), indexes, *colours)


def _file(
    shape_hw: tuple[int, ...], depth_and_type: tuple[int, int], rows: NDArray[np.uint8], *chunks: bytes
) -> bytes:
    """A PNG of unfiltered rows of bytes. OpenCV writes no palettes, and the format needs few chunks (PNG 3rd
    edition, 11)."""
    height_px, width_px = shape_hw
    filtered = np.zeros((height_px, rows.shape[1] + 1), np.uint8)
    filtered[:, 1:] = rows
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width_px, height_px, *depth_and_type, 0, 0, 0)),
            *chunks,
            _chunk(b"IDAT", isal_zlib.compress(filtered, 1)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return (
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", isal_zlib.crc32(body, isal_zlib.crc32(kind)))
    )
