"""Beside the thirteen steps: report: pictures as a report holds them: small enough for six of them on a few pages."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

LONGEST_PX: Final = 1200
"""Longer side; at half of a page's width that is over 300 dpi."""
_QUALITY: Final = 85


def reduced(png: bytes) -> bytes:
    """A JPEG of the picture, at most `LONGEST_PX` long. Raises ValueError for what is no picture."""
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_ANYCOLOR)
    if pixels is None:
        raise ValueError("not a picture")
    longest = max(pixels.shape[:2])
    if longest > LONGEST_PX:
        share = LONGEST_PX / longest
        pixels = cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    encoded, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not encoded:
        raise ValueError("not a picture")
    return bytes(data)
