"""Part of step 11: decoded pixels as every later step takes them: sane in size, 8 bits, gray or colour."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.errors import ImageUnreadable

MIN_SIDE_PX = 32
MAX_PIXELS = 50_000_000


def check_size(width_px: int, height_px: int) -> None:
    """Raises ImageUnreadable for a picture too small to show anything or too large to hold."""
    if min(width_px, height_px) < MIN_SIDE_PX:
        raise ImageUnreadable(f"the image is smaller than {MIN_SIDE_PX} x {MIN_SIDE_PX} pixels")
    if width_px * height_px > MAX_PIXELS:
        raise ImageUnreadable(f"the image has more than {MAX_PIXELS} pixels")


def eight_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Deeper pixels to 8 bits by dropping the lowest of the bits in use: 12-bit values in 16-bit files stay
    visible."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageUnreadable("the pixels hold values that are not finite")
    if pixels.dtype.kind not in "uif":
        raise ImageUnreadable(f"pixels of the type {pixels.dtype} are not read")
    values = pixels.astype(np.float64)
    values -= min(0.0, float(values.min()))
    bits = max(8, int(np.ceil(np.log2(float(values.max()) + 1))))
    if bits > 32:
        raise ImageUnreadable("the pixels hold values beyond 32 bits")
    return np.asarray(np.floor(values / 2 ** (bits - 8)), dtype=np.uint8)


def flat(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One or three channels: what is transparent is shown on black."""
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    if pixels.shape[2] == 1:
        return pixels[:, :, 0]
    alpha = cv2.cvtColor(pixels[:, :, 3], cv2.COLOR_GRAY2BGR)
    return np.asarray(cv2.multiply(pixels[:, :, :3], alpha, scale=1 / 255), dtype=np.uint8)
