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
from sonorelay.contract.series import without_comments

_CHUNK_BYTES: Final = 1024**2
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM: Final = b"\xfe\xff\x00\xe0"
_END: Final = b"\xfe\xff\xdd\xe0"


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
