"""Step 1 of 13: capture. Whether all parts of an AVI or MP4 file end inside it. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from edge_agent.errors import ImageRefused
from sonorelay.contract.reasons import EdgeReason

_PARTS_MAX: Final = 10_000


def avi_is_complete(file: BinaryIO, size_bytes: int) -> bool:
    """Whether each RIFF list ends inside the file (OpenDML 1.02: several in long files)."""
    return _all_inside(_riff_ends(file, size_bytes), size_bytes)


def mp4_is_complete(file: BinaryIO, size_bytes: int) -> bool:
    """Whether each box ends inside the file (ISO/IEC 14496-12, 4.2). Errors: ImageRefused UNREADABLE."""
    return _all_inside(_box_ends(file, size_bytes), size_bytes)


def _all_inside(ends: Iterator[int], size_bytes: int) -> bool:
    count = 0
    for count, end in enumerate(ends, 1):
        if end > size_bytes:
            return False
        if count > _PARTS_MAX:
            raise ImageRefused(EdgeReason.TOO_COMPLEX, "parts of a video")
    return count > 0


def _riff_ends(file: BinaryIO, size_bytes: int) -> Iterator[int]:
    at = 0
    while at + 12 <= size_bytes:
        file.seek(at)
        head = file.read(8)
        if head[:4] != b"RIFF":
            return
        at += 8 + int.from_bytes(head[4:8], "little")
        yield at
        at += at % 2


def _box_ends(file: BinaryIO, size_bytes: int) -> Iterator[int]:
    at = 0
    while at + 8 <= size_bytes:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:
            length = size_bytes - at
        if length < 8:
            raise ImageRefused(EdgeReason.UNREADABLE, "a box of a video")
        at += length
        yield at
