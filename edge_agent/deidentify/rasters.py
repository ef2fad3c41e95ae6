"""Step 4 of 13: de-identify. A raster becomes a bare PNG: pixels and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2

from edge_agent.deidentify.pixels import blanked, brightest, guard
from edge_agent.formats.raster import Pixels, gray_if_equal
from edge_agent.items import PixelRule

_FAST: Final = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB)


def clean_raster(pixels: Pixels, rule: PixelRule) -> Pixels:
    """Gives the picture that may leave.

    As it is under `trusted`, everything but the sector blanked under `guard`.

    Errors: ImageRefused SECTOR_NOT_FOUND, PIXELS_MAY_IDENTIFY.
    """
    if rule == "trusted":
        return pixels
    return gray_if_equal(blanked(pixels, guard(brightest(pixels)).keep))


def write_png(path: Path, pixels: Pixels) -> bytes:
    """Writes a PNG with the chunks IHDR, IDAT and IEND only, and gives its bytes. Errors.

    OSError, MemoryError.
    """
    done, encoded = cv2.imencode(".png", pixels, _FAST)
    if not done:
        raise MemoryError
    data = encoded.tobytes()
    path.write_bytes(data)
    return data
