"""Beside the thirteen steps: series: a cut as an 8-bit PNG, windowed, with its pixel size."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cloud.series.reslice import Slice

NOTICE: Final = "research use, not for diagnosis"
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_LEVEL: Final = 6


def windowed(cut: Slice, window: tuple[float, float]) -> NDArray[np.uint8]:
    """Gray values 0 to 255 by centre and width, in the unit of the values: PS3.3 C.11.2.1.2.1, the linear function.

    Shape height x width.
    """
    centre, width = window
    values = cut.pixels.astype(np.float32) * np.float32(cut.scale) + np.float32(cut.offset)
    if width <= 1:
        return np.asarray(np.where(values > centre - 0.5, 255, 0), dtype=np.uint8)
    shown = (values - (centre - 0.5)) / (width - 1) + 0.5
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255), dtype=np.uint8)


def png(cut: Slice, window: tuple[float, float]) -> bytes:
    """The cut as a PNG file; its `pHYs` holds the pixel size, its comment the notice. No words are in the pixels."""
    gray = windowed(cut, window)
    height, width = gray.shape
    per_metre = round(1000 / cut.plane.pixel_mm)
    # PNG (W3C) 9: each row begins with its filter; 0: none.
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), gray], axis=1)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
            _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)),
            _chunk(b"tEXt", b"Comment\0" + NOTICE.encode("ascii")),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), _LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
