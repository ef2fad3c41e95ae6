"""Step 3 of 13: filter. Walks a TIFF file's directories before any library sees it. Standard library only.

TIFF 6.0, section 2: header, image file directories, and the strips or tiles that they point at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

from edge_agent.errors import ImageRefused
from sonorelay.contract.reasons import EdgeReason

PAGES_MAX: Final = 32
_ENTRIES_MAX: Final = 1024
_PIECES_MAX: Final = 200_000
_TYPE_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_WIDTH, _HEIGHT = 256, 257
_PIECES: Final = ((273, 279), (324, 325))

ByteOrder = Literal["little", "big"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffPage:
    """One directory of a TIFF file."""

    width_px: int
    """Columns."""
    height_px: int
    """Rows."""


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    count: int
    value: bytes


def walk(file: BinaryIO, size_bytes: int) -> tuple[TiffPage, ...]:
    """Gives the pages of the TIFF `file`; all strips and tiles lie within its `size_bytes`.

    Errors: ImageRefused with TRUNCATED, TOO_COMPLEX (over PAGES_MAX pages, or a directory over its cap),
    UNREADABLE.
    """
    head = _at(file, 0, 8, size_bytes)
    order: ByteOrder = "little" if head[:2] == b"II" else "big"
    pages: list[TiffPage] = []
    offset, seen = int.from_bytes(head[4:8], order), set[int]()
    while offset:
        if offset in seen:
            raise ImageRefused(EdgeReason.UNREADABLE, "a loop of directories")
        if len(pages) >= PAGES_MAX:
            raise ImageRefused(EdgeReason.TOO_COMPLEX, f"more than {PAGES_MAX} pages")
        seen.add(offset)
        page, offset = _page(file, offset, order, size_bytes)
        pages.append(page)
    if not pages:
        # Writers put the first directory's offset in last: zero means unfinished.
        raise ImageRefused(EdgeReason.TRUNCATED, "no directory")
    return tuple(pages)


def _at(file: BinaryIO, offset: int, count: int, size_bytes: int) -> bytes:
    if offset + count > size_bytes:
        raise ImageRefused(EdgeReason.TRUNCATED, "an offset beyond the end of the file")
    file.seek(offset)
    data = file.read(count)
    if len(data) < count:
        raise ImageRefused(EdgeReason.TRUNCATED, "an offset beyond the end of the file")
    return data


def _page(file: BinaryIO, offset: int, order: ByteOrder, size_bytes: int) -> tuple[TiffPage, int]:
    count = int.from_bytes(_at(file, offset, 2, size_bytes), order)
    if count > _ENTRIES_MAX:
        raise ImageRefused(EdgeReason.TOO_COMPLEX, f"more than {_ENTRIES_MAX} entries in a directory")
    table = _at(file, offset + 2, count * 12 + 4, size_bytes)
    entries = {
        int.from_bytes(raw[:2], order): _Entry(
            int.from_bytes(raw[2:4], order), int.from_bytes(raw[4:8], order), raw[8:12]
        )
        for raw in (table[at : at + 12] for at in range(0, count * 12, 12))
    }
    if _WIDTH not in entries or _HEIGHT not in entries:
        raise ImageRefused(EdgeReason.UNREADABLE, "a directory without width and height")
    width, height = (next(_values(file, entries[tag], order, size_bytes), 0) for tag in (_WIDTH, _HEIGHT))
    pieces = 0
    for offsets, lengths in _PIECES:
        if offsets in entries and lengths in entries:
            pieces += _check_pieces(file, entries[offsets], entries[lengths], order, size_bytes)
    if not pieces:
        raise ImageRefused(EdgeReason.UNREADABLE, "a directory without strips or tiles")
    return TiffPage(width_px=width, height_px=height), int.from_bytes(table[-4:], order)


def _check_pieces(file: BinaryIO, offsets: _Entry, lengths: _Entry, order: ByteOrder, size_bytes: int) -> int:
    pairs = zip(
        _values(file, offsets, order, size_bytes), _values(file, lengths, order, size_bytes), strict=False
    )
    count = 0
    for start, length in pairs:
        count += 1
        if start + length > size_bytes:
            raise ImageRefused(EdgeReason.TRUNCATED, "a strip beyond the end of the file")
    return count


def _values(file: BinaryIO, entry: _Entry, order: ByteOrder, size_bytes: int) -> Iterator[int]:
    size = _TYPE_SIZES.get(entry.kind, 0)
    if size not in (1, 2, 4) or entry.count > _PIECES_MAX:
        raise ImageRefused(EdgeReason.UNREADABLE, "a directory entry of an unexpected type or count")
    total = size * entry.count
    data = (
        entry.value[:total]
        if total <= 4
        else _at(file, int.from_bytes(entry.value, order), total, size_bytes)
    )
    return (int.from_bytes(data[at : at + size], order) for at in range(0, total, size))
