"""Part of step 11: decode. From a file's bytes to the still's pixels, or a clear refusal.

PNG, JPEG, and one frame of DICOM or of a video. A damaged or cut file is refused, never read in part: OpenCV
alone would fill the missing rows with gray and say nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.dicom import DicomObject
from cloud.infer.errors import ImageUnreadable
from cloud.infer.measure import Scale
from cloud.infer.pixels import check_size, eight_bit, flat
from cloud.infer.source import Image, opened, whole
from cloud.infer.video import VIDEO_TYPES, Video

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A decoded image."""

    pixels: NDArray[np.uint8]
    """HxW gray, or HxWx3 in the order blue, green, red."""
    scale: Scale | None
    """The length of a pixel where the file itself states it."""


def decode(image: Image, media_type: str, frame: int = 0) -> Still:
    """Decodes a still of a type in `MEDIA_TYPES`, or the frame at `frame` of a loop. Raises ImageUnreadable
    for everything that is not one, whole and sane."""
    kind = bare_type(media_type)
    if kind not in MEDIA_TYPES:
        raise ImageUnreadable(f"the media type is not one of {', '.join(sorted(MEDIA_TYPES))}")
    if is_empty(image):
        raise ImageUnreadable("the file is empty")
    if kind in _RASTERS:
        return _RASTERS[kind](whole(image))
    source = DicomObject(image) if kind == DICOM else Video(image)
    if not 0 <= frame < source.frame_count:
        raise ImageUnreadable(f"the loop has no frame {frame}")
    (pixels,) = source.frames([frame])
    return Still(pixels=pixels, scale=source.scale)


def bare_type(media_type: str) -> str:
    """A media type without its parameters, in small letters."""
    return media_type.partition(";")[0].strip().lower()


def is_empty(image: Image) -> bool:
    """Whether there is no byte."""
    with opened(image) as file:
        return not file.read(1)


def _decode_png(image: bytes) -> Still:
    width_px, height_px = _png_size(image)
    return _decode_raster(image, width_px, height_px)


def _decode_jpeg(image: bytes) -> Still:
    width_px, height_px = _jpeg_size(image)
    # Some writers pad after the end marker; nothing but padding may follow it.
    if not image.rstrip(b"\x00\xff\n\r ").endswith(b"\xff\xd9") and not image.endswith(b"\xff\xd9"):
        raise ImageUnreadable("the JPEG ends before its end marker")
    return _decode_raster(image, width_px, height_px)


def _decode_raster(image: bytes, width_px: int, height_px: int) -> Still:
    check_size(width_px, height_px)
    try:
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as exc:
        raise ImageUnreadable("the image data are damaged") from exc
    if pixels is None or pixels.shape[:2] != (height_px, width_px):
        raise ImageUnreadable("the image data are damaged")
    return Still(pixels=flat(eight_bit(pixels)), scale=None)


def _png_size(image: bytes) -> tuple[int, int]:
    """Width and height; refuses a file whose chunks do not reach the end chunk."""
    if not image.startswith(_PNG_SIGNATURE) or image[12:16] != b"IHDR" or len(image) < 33:
        raise ImageUnreadable("it is not a PNG file")
    at, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(image):
            raise ImageUnreadable("the PNG is cut short")
        (length,) = struct.unpack_from(">I", image, at)
        kind = image[at + 4 : at + 8]
        at += 12 + length
    if at > len(image):
        raise ImageUnreadable("the PNG is cut short")
    width_px, height_px = struct.unpack_from(">II", image, 16)
    return width_px, height_px


def _jpeg_size(image: bytes) -> tuple[int, int]:
    """Width and height from the frame header (ITU-T T.81, B.2.2)."""
    if not image.startswith(b"\xff\xd8\xff"):
        raise ImageUnreadable("it is not a JPEG file")
    at = 2
    while at + 4 <= len(image):
        if image[at] != 0xFF:
            raise ImageUnreadable("the JPEG's segments are damaged")
        marker = image[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_NO_LENGTH:
            at += 2
        elif marker in _JPEG_FRAMES:
            if at + 9 > len(image):
                break
            height_px, width_px = struct.unpack_from(">HH", image, at + 5)
            return width_px, height_px
        else:
            at += 2 + struct.unpack_from(">H", image, at + 2)[0]
    raise ImageUnreadable("the JPEG has no frame header")


DICOM: Final = "application/dicom"
_RASTERS: Final[dict[str, Callable[[bytes], Still]]] = {"image/png": _decode_png, "image/jpeg": _decode_jpeg}
MEDIA_TYPES: Final = frozenset({*_RASTERS, DICOM, *VIDEO_TYPES})
"""What is read. Of a video the content says what it is, whichever of the video types is named."""
