"""Part of step 11: prepare. How a still becomes each model's input, and a model's picture the still's again.

Training and inference both import this file, so a network never meets pixels prepared in another way than
in training. Only numpy and OpenCV; every function is pure. Pixel coordinates are (x to the right, y down)
with the origin at the centre of the top left pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Gray: TypeAlias = NDArray[np.uint8]
Plane: TypeAlias = NDArray[np.float32]

SEGMENT_SIZE_HW = (192, 288)
PLANE_SIZE_HW = (128, 192)
CROP_SIZE_PX = 224
CROP_MARGIN = 0.08
"""Share of the region's longer side that a crop adds on every side, so that the skull's edge stays inside."""

_LOW_QUANTILE = 0.01
_HIGH_QUANTILE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterbox:
    """How a still lies on a model's canvas: shrunk by one factor, in the top left corner, zeros elsewhere."""

    scale: float
    """Canvas pixels per still pixel."""
    width_px: int
    """Width of the still."""
    height_px: int
    """Height of the still."""
    content_width_px: int
    """Width of the still's copy on the canvas."""
    content_height_px: int
    """Height of the still's copy on the canvas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropBox:
    """A square of the still; it may reach outside of the still."""

    x0: int
    """Left column, in still pixels; negative when the square begins left of the still."""
    y0: int
    """Top row, in still pixels; negative when the square begins above the still."""
    size_px: int
    """Side of the square, in still pixels; at least 1."""


class EllipseLike(Protocol):
    """An ellipse in still pixels, as the annotation keeps it."""

    @property
    def cx(self) -> float:
        """Centre column."""

    @property
    def cy(self) -> float:
        """Centre row."""

    @property
    def a(self) -> float:
        """Semi-major axis."""

    @property
    def b(self) -> float:
        """Semi-minor axis."""

    @property
    def angle_deg(self) -> float:
        """Direction of the major axis, clockwise from +x as the screen shows it, in degrees."""


Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, width, height, in still pixels."""


def as_gray(image: Gray) -> Gray:
    """Gives the still as one gray channel: uint8 HxW from uint8 HxW or HxWx3 (blue, green, red).

    Raises ValueError for another dtype, another shape or an empty still.
    """
    if image.dtype != np.uint8:
        raise ValueError(f"a still holds uint8 pixels, not {image.dtype}")
    if image.ndim not in (2, 3) or image.size == 0 or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"a still is HxW or HxWx3, not {image.shape}")
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def letterbox(gray: Gray, size_hw: tuple[int, int]) -> tuple[Plane, Letterbox]:
    """Puts the whole still on a canvas without stretching it: float32 HxW in 0..1, and where it lies.

    The copy keeps the aspect ratio to within one canvas pixel, touches the top left corner, and zeros fill
    the rest.
    """
    canvas_height_px, canvas_width_px = size_hw
    height_px, width_px = gray.shape
    scale = min(canvas_height_px / height_px, canvas_width_px / width_px)
    content_width_px = min(canvas_width_px, max(1, round(width_px * scale)))
    content_height_px = min(canvas_height_px, max(1, round(height_px * scale)))
    # INTER_AREA avoids aliasing of speckle when shrinking; when growing it would repeat pixels as blocks.
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    content = cv2.resize(gray, (content_width_px, content_height_px), interpolation=interpolation)
    canvas = np.zeros(size_hw, np.float32)
    np.multiply(content, np.float32(1 / 255), out=canvas[:content_height_px, :content_width_px])
    return canvas, Letterbox(
        scale=scale,
        width_px=width_px,
        height_px=height_px,
        content_width_px=content_width_px,
        content_height_px=content_height_px,
    )


def to_image(canvas: Plane, box: Letterbox) -> Plane:
    """Brings a canvas picture (a probability, a map) back to the still: float32 of the still's HxW."""
    content = canvas[: box.content_height_px, : box.content_width_px]
    size = (box.width_px, box.height_px)
    return np.asarray(cv2.resize(content, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def crop_box(region: EllipseLike | Box, image_shape: tuple[int, ...], margin: float = CROP_MARGIN) -> CropBox:
    """The square around a region, in still pixels: its longer extent grown by `margin` of it on every side.

    `region` is an ellipse or a box (left, top, width, height). The square shares the region's centre, so it
    may reach outside of a still of shape `image_shape` (H, W, ...), but never misses it wholly. Raises
    ValueError for a region that is not finite, has no extent or lies outside of the still.
    """
    centre_x, centre_y, width, height = _extent(region)
    if not all(map(math.isfinite, (centre_x, centre_y, width, height))) or max(width, height) <= 0:
        raise ValueError("the region has no finite extent")
    if not (-0.5 <= centre_x <= image_shape[1] - 0.5 and -0.5 <= centre_y <= image_shape[0] - 0.5):
        raise ValueError("the centre of the region lies outside of the still")
    # A side beyond four times the still holds nothing more to see and would only cost memory.
    size_px = min(max(1, round(max(width, height) * (1 + 2 * margin))), 4 * max(image_shape[:2]))
    x0 = round(centre_x - (size_px - 1) / 2)
    y0 = round(centre_y - (size_px - 1) / 2)
    return CropBox(x0=x0, y0=y0, size_px=size_px)


def _extent(region: EllipseLike | Box) -> tuple[float, float, float, float]:
    """Centre x, centre y, width and height of the upright box around the region."""
    if isinstance(region, tuple):
        left, top, width, height = region
        return left + (width - 1) / 2, top + (height - 1) / 2, width, height
    cosine, sine = math.cos(math.radians(region.angle_deg)), math.sin(math.radians(region.angle_deg))
    half_width = math.hypot(region.a * cosine, region.b * sine)
    half_height = math.hypot(region.a * sine, region.b * cosine)
    return region.cx, region.cy, 2 * half_width, 2 * half_height


def cut_crop(gray: Gray, box: CropBox) -> Gray:
    """Cuts the square out: uint8, `box.size_px` on each side, zeros where the square leaves the still."""
    height_px, width_px = gray.shape
    crop = np.zeros((box.size_px, box.size_px), np.uint8)
    left, top = max(0, box.x0), max(0, box.y0)
    right, bottom = min(width_px, box.x0 + box.size_px), min(height_px, box.y0 + box.size_px)
    if left < right and top < bottom:
        crop[top - box.y0 : bottom - box.y0, left - box.x0 : right - box.x0] = gray[top:bottom, left:right]
    return crop


def enhance(crop: Gray) -> Gray:
    """Padding and enhancement between the models: uint8 224x224 of any uint8 crop.

    A crop that is not square gets zeros on both sides of its shorter axis. Gray values are stretched so
    that the 1st percentile of the non-zero pixels becomes 0 and the 99th becomes 255: gain and machine
    matter less, and the empty surround of the sector, which tells machines apart, does not count. A crop
    without contrast stays as it is.
    """
    square = _pad_to_square(crop)
    interpolation = cv2.INTER_AREA if square.shape[0] > CROP_SIZE_PX else cv2.INTER_LINEAR
    small = cv2.resize(square, (CROP_SIZE_PX, CROP_SIZE_PX), interpolation=interpolation)
    low, high = _quantiles(np.asarray(small, dtype=np.uint8))
    if high <= low:
        return np.asarray(small, dtype=np.uint8)
    levels = np.clip((np.arange(256, dtype=np.float32) - low) * (255 / (high - low)), 0, 255)
    return np.asarray(cv2.LUT(small, np.rint(levels).astype(np.uint8)), dtype=np.uint8)


def _pad_to_square(crop: Gray) -> Gray:
    height_px, width_px = crop.shape
    side_px = max(height_px, width_px)
    top, left = (side_px - height_px) // 2, (side_px - width_px) // 2
    square = np.zeros((side_px, side_px), np.uint8)
    square[top : top + height_px, left : left + width_px] = crop
    return square


def _quantiles(gray: Gray) -> tuple[int, int]:
    """The 1st and the 99th percentile of the non-zero pixels, by counting: exact for 8 bits, and fast."""
    counts = np.bincount(gray.ravel(), minlength=256)
    counts[0] = 0
    total = int(counts.sum())
    if total == 0:
        return 0, 0
    running = np.cumsum(counts)
    low = int(np.searchsorted(running, _LOW_QUANTILE * total, side="right"))
    high = int(np.searchsorted(running, _HIGH_QUANTILE * total, side="left"))
    return low, high


def plane_input(gray: Gray) -> Plane:
    """The plane model's input: float32 1x128x192 in 0..1, the still letterboxed at its true aspect ratio."""
    canvas, _ = letterbox(gray, PLANE_SIZE_HW)
    return canvas[np.newaxis]


def segment_input(gray: Gray) -> tuple[Plane, Letterbox]:
    """The head model's input: float32 1x192x288 in 0..1, the still letterboxed, and where it lies."""
    canvas, box = letterbox(gray, SEGMENT_SIZE_HW)
    return canvas[np.newaxis], box


def brain_input(enhanced: Gray) -> Plane:
    """The brain model's input: float32 1x224x224 in 0..1 of an enhanced crop (`enhance`)."""
    return (enhanced.astype(np.float32) * np.float32(1 / 255))[np.newaxis]
