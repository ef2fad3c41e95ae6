"""Step 3 of 13: filter. Opens PNG, JPEG and BMP: header first, structure checked, then pixels."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ImageRefused
from edge_agent.filter import Filter, PictureFacts
from edge_agent.formats.ends import bmp_is_complete, jpeg_is_complete, png_is_complete
from edge_agent.formats.sniff import Kind
from sonorelay.contract.reasons import EdgeReason

Pixels = NDArray[np.uint8]
"""uint8, height x width (gray) or height x width x 3 (BGR), 0..255."""

_START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_COMPLETE: Final = {Kind.PNG: png_is_complete, Kind.JPEG: jpeg_is_complete, Kind.BMP: bmp_is_complete}


def open_raster(data: bytes, kind: Kind, rules: Filter) -> Pixels:
    """Gives the picture in `data` as it is stored.

    No rotation by metadata, 16 bits reduced to 8, alpha dropped.

    Errors: ImageRefused with TRUNCATED, TOO_MANY_PIXELS, TOO_SMALL, BLANK, UNREADABLE, TOO_COMPLEX,
    UNSUPPORTED_FORMAT.
    """
    if not _COMPLETE[kind](BytesIO(data), len(data)):
        raise ImageRefused(EdgeReason.TRUNCATED, f"{kind.value} without its end")
    width_px, height_px = header_size(data, kind)
    rules.size(width_px, height_px)
    if kind is Kind.PNG:
        _check_png(data)
    pixels = decode(data)
    if pixels.shape[:2] != (height_px, width_px):
        raise ImageRefused(EdgeReason.UNREADABLE, "header and pixels differ in size")
    rules.picture(picture_facts(pixels))
    return pixels


def header_size(data: bytes, kind: Kind) -> tuple[int, int]:
    """Gives width and height in pixels from the header. Errors: ImageRefused UNREADABLE."""
    if kind is Kind.PNG:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if kind is Kind.BMP:
        if int.from_bytes(data[14:18], "little") == 12:
            return int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")
        signed = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
        width, height = (abs(value) for value in signed)
        return width, height
    return _jpeg_size(data)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xDA:
            break
        if marker == 0xFF:
            at += 1
        elif marker in _START_OF_FRAME:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        elif marker == 0x01 or 0xD0 <= marker <= 0xD9:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise ImageRefused(EdgeReason.UNREADABLE, "no frame header")


def _check_png(data: bytes) -> None:
    """Checks each chunk's CRC: the decoder may give a part of a damaged picture without saying so."""
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        length = int.from_bytes(view[at : at + 4], "big")
        body = view[at + 4 : at + 8 + length]
        if zlib.crc32(body) != int.from_bytes(view[at + 8 + length : at + 12 + length], "big"):
            raise ImageRefused(EdgeReason.UNREADABLE, "a damaged chunk")
        if bytes(body[:4]) == b"IEND":
            return
        at += 12 + length


def decode(data: bytes) -> Pixels:
    """Decodes one picture with OpenCV. Errors: ImageRefused UNREADABLE, MemoryError."""
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise translated(error) from error
    if decoded is None:
        raise ImageRefused(EdgeReason.UNREADABLE, "not decodable")
    return to_pixels(decoded)


def translated(error: cv2.error) -> Exception:
    """Maps OpenCV's error: out of memory is this machine's matter, the rest is the file's."""
    if error.code == cv2.Error.StsNoMem:
        return MemoryError()
    return ImageRefused(EdgeReason.UNREADABLE, "not decodable")


def to_pixels(decoded: NDArray[Any]) -> Pixels:
    """Turns what OpenCV decoded into Pixels.

    16 bits to 8 by the upper byte, alpha dropped, equal channels to gray.

    Errors: ImageRefused UNSUPPORTED_FORMAT for floating-point and other samples.
    """
    if decoded.dtype == np.uint16:
        decoded = (decoded >> 8).astype(np.uint8)
    if decoded.dtype != np.uint8:
        raise ImageRefused(EdgeReason.UNSUPPORTED_FORMAT, f"samples of {decoded.dtype}")
    if decoded.ndim == 3 and decoded.shape[2] == 1:
        decoded = decoded[..., 0]
    if decoded.ndim == 3 and decoded.shape[2] == 2:
        decoded = decoded[..., 0]
    if decoded.ndim == 3 and decoded.shape[2] == 4:
        decoded = decoded[..., :3]
    return gray_if_equal(np.ascontiguousarray(decoded))


def gray_if_equal(pixels: Pixels) -> Pixels:
    """Gives one channel where all three are the same in every pixel; else `pixels`."""
    if pixels.ndim == 2:
        return pixels
    first, second, third = cv2.split(pixels)
    if np.array_equal(first, second) and np.array_equal(first, third):
        return np.ascontiguousarray(first, dtype=np.uint8)
    return pixels


def picture_facts(pixels: Pixels) -> PictureFacts:
    """Measures what the filter's rules need; `pixels` as Pixels or in RGB order."""
    height, width = pixels.shape[:2]
    plane = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    counts = np.bincount(plane[::2, ::2].ravel(), minlength=256)
    mode = int(counts.argmax())
    near = int(counts[max(0, mode - 4) : mode + 5].sum())
    return PictureFacts(
        width_px=width, height_px=height, drawn_fraction=1.0 - near / max(1, int(counts.sum()))
    )
