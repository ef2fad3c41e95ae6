"""Part of step 11: the pictures made on demand from a still, its reading (JSON, schema 1) and its heat map.

Pure functions. Of a loop they show the frame that stands for it. Every picture that shows a result bears the
mark "research use, not for diagnosis" in its pixels, so that it stays when the picture is copied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.decode import decode
from cloud.infer.errors import PictureUnavailable
from cloud.infer.pictures import small_png
from cloud.infer.preprocess import CropBox, as_gray, cut_crop
from cloud.infer.reading import NOTICE
from cloud.infer.source import Image

_OUTLINE_BGR: Final = (96, 230, 120)
_AXES_BGR: Final = (60, 200, 250)
_MARK_BGR: Final = (235, 235, 235)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_SUBPIXEL_BITS: Final = 4
"""OpenCV draws with coordinates in sixteenths of a pixel."""
_COLOUR_AXES: Final = 3


def overlay_png(image: Image, media_type: str, reading: Mapping[str, Any]) -> bytes:
    """The still with the head's ellipse and its two axes, and the mark: a colour PNG of the still's size.

    Without a head it is the still with the mark. Raises ImageUnreadable.
    """
    canvas = _colour(image, media_type, reading)
    if reading["head"] is not None:
        _draw_ellipse(canvas, reading["head"]["ellipse"])
    _draw_mark(canvas)
    return small_png(canvas)


def crop_png(image: Image, media_type: str, reading: Mapping[str, Any]) -> bytes:
    """The square that was cut out: a gray PNG of `crop.size_px`, black where it leaves the still.

    Raises ImageUnreadable, and PictureUnavailable for a reading without a crop.
    """
    gray = as_gray(decode(image, media_type, shown_frame(reading)).pixels)
    return small_png(cut_crop(gray, _crop_box(reading)))


def fused_png(image: Image, media_type: str, reading: Mapping[str, Any], heatmap: bytes) -> bytes:
    """The fused heat map: the still with the heat map over its crop, and the mark; a colour PNG of the
    still's size.

    `heatmap` is the reading's "heatmap.png". Raises ImageUnreadable, and PictureUnavailable for a reading
    without a crop or a heat map that does not belong to it.
    """
    canvas = _colour(image, media_type, reading)
    box = _crop_box(reading)
    heat = cv2.imdecode(np.frombuffer(heatmap, np.uint8), cv2.IMREAD_UNCHANGED) if heatmap else None
    if heat is None or heat.shape != (box.size_px, box.size_px, 4):
        raise PictureUnavailable("the heat map is not the picture of this reading's crop")
    _blend(canvas, np.asarray(heat, np.uint8), box)
    _draw_mark(canvas)
    return small_png(canvas)


def shown_frame(reading: Mapping[str, Any] | None) -> int:
    """Place of the frame that is shown: the best one of a loop that was read, the first one otherwise."""
    loop = (reading or {}).get("loop")
    return int(loop["best_frame"]) if loop else 0


def _colour(image: Image, media_type: str, reading: Mapping[str, Any]) -> NDArray[np.uint8]:
    """A copy of the still to draw on: uint8 HxWx3."""
    pixels = decode(image, media_type, shown_frame(reading)).pixels
    if pixels.ndim == _COLOUR_AXES:
        return pixels.copy()
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)


def _crop_box(reading: Mapping[str, Any]) -> CropBox:
    crop = reading["crop"]
    if crop is None:
        raise PictureUnavailable("the reading has no crop")
    return CropBox(x0=crop["x0"], y0=crop["y0"], size_px=crop["size_px"])


def _draw_ellipse(canvas: NDArray[np.uint8], ellipse: Mapping[str, float]) -> None:
    thickness = max(1, round(min(canvas.shape[:2]) / 300))
    centre = (ellipse["cx"], ellipse["cy"])
    for half, angle_deg in ((ellipse["a"], ellipse["angle_deg"]), (ellipse["b"], ellipse["angle_deg"] + 90)):
        dx, dy = half * math.cos(math.radians(angle_deg)), half * math.sin(math.radians(angle_deg))
        begin, end = _fixed(centre[0] - dx, centre[1] - dy), _fixed(centre[0] + dx, centre[1] + dy)
        cv2.line(canvas, begin, end, _AXES_BGR, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    axes = _fixed(ellipse["a"], ellipse["b"])
    angle_deg = ellipse["angle_deg"]
    cv2.ellipse(
        *(canvas, _fixed(*centre), axes, angle_deg, 0, 360, _OUTLINE_BGR),
        *(thickness, cv2.LINE_AA, _SUBPIXEL_BITS),
    )


def _fixed(x: float, y: float) -> tuple[int, int]:
    return round(x * (1 << _SUBPIXEL_BITS)), round(y * (1 << _SUBPIXEL_BITS))


def _draw_mark(canvas: NDArray[np.uint8]) -> None:
    """Writes the notice into the lower left corner on a darkened strip, never wider than the picture."""
    height_px, width_px = canvas.shape[:2]
    (unit_px, _), _ = cv2.getTextSize(NOTICE, _FONT, 1.0, 1)
    size = min(max(0.4, width_px / 1600), 0.94 * width_px / unit_px)
    (text_px, text_height_px), below_px = cv2.getTextSize(NOTICE, _FONT, size, 1)
    pad = max(2, round(8 * size))
    top = max(0, height_px - text_height_px - below_px - 2 * pad)
    strip = canvas[top:, : text_px + 2 * pad]
    strip[:] = strip // 3
    cv2.putText(canvas, NOTICE, (pad, height_px - pad - below_px), _FONT, size, _MARK_BGR, 1, cv2.LINE_AA)


def _blend(canvas: NDArray[np.uint8], heat: NDArray[np.uint8], box: CropBox) -> None:
    """Lays the heat map's part inside the still over it, each pixel by its alpha."""
    height_px, width_px = canvas.shape[:2]
    top, left = max(0, box.y0), max(0, box.x0)
    bottom, right = min(height_px, box.y0 + box.size_px), min(width_px, box.x0 + box.size_px)
    if top >= bottom or left >= right:
        return
    part = heat[top - box.y0 : bottom - box.y0, left - box.x0 : right - box.x0]
    alpha = part[:, :, 3:].astype(np.float32) / 255
    under = canvas[top:bottom, left:right]
    under[:] = np.rint(part[:, :, :3] * alpha + under * (1 - alpha)).astype(np.uint8)
