"""Beside the thirteen steps: series: carries a file's pixels over as they are, whatever their size, and nothing else.

What follows the pixels is left behind, and of compressed frames the comments, where devices and converters write
names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from cloud.series.errors import HeaderRefused
from cloud.series.reasons import LeftOutReason

_CHUNK_BYTES: Final = 1024**2
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM: Final = b"\xfe\xff\x00\xe0"
_END: Final = b"\xfe\xff\xdd\xe0"
_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f"
_COMMENTS: Final[dict[bytes, frozenset[int]]] = {
    # ISO/IEC 10918-1 B.2.4: COM, and application segments but APP0 (JFIF), APP8 and APP14, which say how colours lie.
    _JPEG: frozenset({0xFE, *range(0xE1, 0xE8), *range(0xE9, 0xEE), 0xEF}),
    # ISO/IEC 15444-1 A.9.2: COM.
    _JPEG_2000: frozenset({0x64}),
}
_DATA: Final[dict[bytes, int]] = {_JPEG: 0xDA, _JPEG_2000: 0x90}
"""The segment at which a frame's data begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelElement:
    """Where the pixels of a file lie."""

    start: int
    """First byte of the element's tag in the file."""
    is_implicit: bool
    """Whether the element does not say its representation."""
    is_little: bool
    """Whether numbers are little endian."""


def copied(file: BinaryIO, element: PixelElement) -> Iterator[bytes]:
    """The element in explicit representation, piece by piece. Errors: HeaderRefused where the file ends before it."""
    order = "<" if element.is_little else ">"
    file.seek(element.start)
    tag = _read(file, 4)
    representation = b"OW" if element.is_implicit else _read(file, 4)[:2]
    (size_bytes,) = struct.unpack(f"{order}L", _read(file, 4))
    yield tag + representation + b"\0\0" + struct.pack(f"{order}L", size_bytes)
    if size_bytes != _UNDEFINED:
        yield from _pieces(file, size_bytes)
    elif element.is_implicit or not element.is_little:
        # PS3.5 A.4: encapsulated pixels are explicit and little endian.
        raise HeaderRefused(LeftOutReason.HEADER_DAMAGED)
    else:
        yield from _fragments(file)


def _fragments(file: BinaryIO) -> Iterator[bytes]:
    while (head := _read(file, 8))[:4] == _ITEM:
        (size_bytes,) = struct.unpack("<L", head[4:])
        if size_bytes == _UNDEFINED:
            raise HeaderRefused(LeftOutReason.HEADER_DAMAGED)
        yield head
        first = _read(file, min(size_bytes, _CHUNK_BYTES))
        yield without_comments(first)
        yield from _pieces(file, size_bytes - len(first))
    if head[:4] != _END:
        raise HeaderRefused(LeftOutReason.HEADER_DAMAGED)
    yield _END + b"\0\0\0\0"


def without_comments(frame: bytes) -> bytes:
    """The beginning of a compressed frame, of the same length, with zeros for the letters of its comments."""
    comments, data = _COMMENTS.get(frame[:2]), _DATA.get(frame[:2])
    if comments is None:
        return frame
    clean, at = bytearray(frame), 2
    while at + 4 <= len(frame) and frame[at] == 0xFF and frame[at + 1] != data:
        end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
        if frame[at + 1] in comments:
            clean[at + 4 : end] = bytes(max(0, min(end, len(frame)) - at - 4))
        at = end
    return bytes(clean)


def _pieces(file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    while size_bytes:
        piece = _read(file, min(size_bytes, _CHUNK_BYTES))
        size_bytes -= len(piece)
        yield piece


def _read(file: BinaryIO, size_bytes: int) -> bytes:
    found = file.read(size_bytes)
    if len(found) < size_bytes:
        raise HeaderRefused(LeftOutReason.PIXELS_CUT_SHORT)
    return found
