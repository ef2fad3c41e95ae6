"""Step 4 of 13: de-identify. A raster becomes a bare PNG: pixels and nothing else."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from edge_agent.deidentify.pixels import blanked, brightest, guard
from edge_agent.formats.raster import Pixels, gray_if_equal
from edge_agent.items import PixelRule

_UP: Final = 2
_STRIP_BYTES: Final = 1024 * 1024


def clean_raster(pixels: Pixels, rule: PixelRule) -> Pixels:
    """Gives the picture that may leave.

    As it is under `trusted`, everything but the sector blanked under `guard`.

    Errors: ImageRefused SECTOR_NOT_FOUND, PIXELS_MAY_IDENTIFY.
    """
    if rule == "trusted":
        return pixels
    return gray_if_equal(blanked(pixels, guard(brightest(pixels)).keep))


def write_png(path: Path, pixels: Pixels) -> bytes:
    """Writes a PNG with the chunks IHDR, IDAT and IEND only, and gives its bytes.

    Errors: OSError, MemoryError.
    """
    height, width = pixels.shape[:2]
    colour_type = 0 if pixels.ndim == 2 else 2
    head = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    # ISA-L packs speckle three times as fast as zlib to the same size; OpenCV has no choice of the packer.
    packer = isal_zlib.compressobj(1)
    strip_height = max(1, _STRIP_BYTES // (width * (1 + colour_type)))
    packed = [
        packer.compress(_filtered(pixels, top, min(height, top + strip_height)))
        for top in range(0, height, strip_height)
    ]
    body = b"".join([*packed, packer.flush()])
    data = b"".join(
        (b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", head), _chunk(b"IDAT", body), _chunk(b"IEND", b""))
    )
    path.write_bytes(data)
    return data


def _filtered(pixels: Pixels, top: int, bottom: int) -> NDArray[np.uint8]:
    """Rows as PNG packs them: each sample minus the one above it, which packs speckle nearly as well as any
    filter and is undone soonest (PNG 3rd edition, 9.2)."""
    above = max(0, top - 1)
    strip = pixels[above:bottom]
    samples = (strip if strip.ndim == 2 else cv2.cvtColor(strip, cv2.COLOR_BGR2RGB)).reshape(
        bottom - above, -1
    )
    rows = np.empty((bottom - top, 1 + samples.shape[1]), np.uint8)
    rows[:, 0] = _UP
    first = 1 if top == 0 else 0
    rows[:first, 1:] = samples[:first]
    np.subtract(samples[1:], samples[:-1], out=rows[first:, 1:])
    return rows


def _chunk(kind: bytes, body: bytes) -> bytes:
    return b"".join(
        (
            struct.pack(">I", len(body)),
            kind,
            body,
            struct.pack(">I", isal_zlib.crc32(body, isal_zlib.crc32(kind))),
        )
    )
