"""Step 1 of 13: capture. Says whether a file's structure is complete, where its format has an end.

Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, Final

from edge_agent.errors import ImageRefused
from edge_agent.formats import dicom_walk, tiff_walk
from edge_agent.formats.sniff import HEAD_BYTES, Kind, sniff
from edge_agent.formats.video_walk import avi_is_complete, mp4_is_complete
from sonorelay.contract.reasons import EdgeReason

_PNG_CHUNKS_MAX: Final = 100_000
_TAIL_BYTES: Final = 64 * 1024


class Ending(Enum):
    """How far a file's structure is."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    UNKNOWN = "unknown"
    """The format has no end that can be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Format and completeness of a file."""

    kind: Kind
    """What the content is."""
    ending: Ending
    """Whether its structure is complete."""
    proves_writing_ended: bool
    """True where the end mark is written last and cannot be there by chance (PNG, JPEG).

    No quiet time is needed.
    """


def structure(file: BinaryIO, size_bytes: int) -> Structure:
    """Looks at the structure of `file` (seekable, `size_bytes` long) at the cost of a few short reads."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    kind = sniff(head)
    if kind is Kind.UNKNOWN and size_bytes < HEAD_BYTES // 8 + 4:
        # Too short even for a DICOM preamble: nothing can be said yet.
        return Structure(kind=kind, ending=Ending.UNKNOWN, proves_writing_ended=False)
    check = _CHECKS.get(kind)
    if check is None:
        return Structure(kind=kind, ending=Ending.UNKNOWN, proves_writing_ended=False)
    try:
        ending = Ending.COMPLETE if check(file, size_bytes) else Ending.INCOMPLETE
    except ImageRefused as refused:
        # Structure that breaks a rule will not mend by waiting: step 3 refuses it with that reason.
        ending = Ending.INCOMPLETE if refused.reason is EdgeReason.TRUNCATED else Ending.COMPLETE
    proves = ending is Ending.COMPLETE and kind in (Kind.PNG, Kind.JPEG)
    return Structure(kind=kind, ending=ending, proves_writing_ended=proves)


def png_is_complete(file: BinaryIO, size_bytes: int) -> bool:
    """Whether a PNG's chunks reach IEND (PNG 1.2, section 3.2)."""
    at = 8
    for _ in range(_PNG_CHUNKS_MAX):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return False
        if head == bytes(8):
            # A client may set the full size first and write into the zeros.
            return False
        at += 12 + int.from_bytes(head[:4], "big")
        if at > size_bytes:
            return False
        if head[4:] == b"IEND":
            return True
    raise ImageRefused(EdgeReason.TOO_COMPLEX, f"more than {_PNG_CHUNKS_MAX} chunks")


def jpeg_is_complete(file: BinaryIO, size_bytes: int) -> bool:
    """Whether a JPEG has its end-of-image mark behind the first scan (ITU T.81, annex B).

    Segments before the scan are skipped by length, so a thumbnail's end mark does not count; within a scan
    0xFF is stuffed, so an end mark cannot be there by chance.
    """
    at = 2
    while at + 4 <= size_bytes:
        file.seek(at)
        head = file.read(4)
        if head == bytes(4):
            # A client may set the full size first and write into the zeros.
            return False
        if len(head) < 4 or head[0] != 0xFF:
            raise ImageRefused(EdgeReason.UNREADABLE, "no marker where one must be")
        if head[1] == 0xFF:
            at += 1
        elif head[1] == 0x01 or 0xD0 <= head[1] <= 0xD9:
            at += 2
        elif head[1] == 0xDA:
            tail_at = max(at + 4, size_bytes - _TAIL_BYTES)
            file.seek(tail_at)
            return b"\xff\xd9" in file.read(size_bytes - tail_at)
        else:
            at += 2 + int.from_bytes(head[2:4], "big")
    return False


def bmp_is_complete(file: BinaryIO, size_bytes: int) -> bool:
    """Whether a BMP holds the pixel rows that its header announces."""
    file.seek(0)
    head = file.read(54)
    if len(head) < 34:
        return False
    offset, header = int.from_bytes(head[10:14], "little"), int.from_bytes(head[14:18], "little")
    if header == 12:
        width, height = int.from_bytes(head[18:20], "little"), int.from_bytes(head[20:22], "little")
        bits, compression = int.from_bytes(head[24:26], "little"), 0
    else:
        width = abs(int.from_bytes(head[18:22], "little", signed=True))
        height = abs(int.from_bytes(head[22:26], "little", signed=True))
        bits, compression = int.from_bytes(head[28:30], "little"), int.from_bytes(head[30:34], "little")
    if compression in (1, 2, 4, 5):
        return size_bytes >= int.from_bytes(head[2:6], "little")
    return size_bytes >= offset + (width * bits + 31) // 32 * 4 * height


def pdf_is_complete(file: BinaryIO, size_bytes: int) -> bool:
    """Whether a PDF ends with its end mark, and a linearised one has its full length (ISO 32000-1, 7.5.5 and
    F.3)."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    at = head.find(b"/Linearized")
    length = re.search(rb"/L\s+(\d{1,12})", head[at : at + 256]) if at >= 0 else None
    if length is not None and size_bytes < int(length.group(1)):
        return False
    tail_at = max(0, size_bytes - 2048)
    file.seek(tail_at)
    return b"%%EOF" in file.read(2048)


def _tiff(file: BinaryIO, size_bytes: int) -> bool:
    return bool(tiff_walk.walk(file, size_bytes))


def _dicom(file: BinaryIO, size_bytes: int) -> bool:
    return dicom_walk.walk(file, size_bytes).element_count > 0


_CHECKS: Final[dict[Kind, Callable[[BinaryIO, int], bool]]] = {
    Kind.PNG: png_is_complete,
    Kind.JPEG: jpeg_is_complete,
    Kind.BMP: bmp_is_complete,
    Kind.PDF: pdf_is_complete,
    Kind.TIFF: _tiff,
    Kind.DICOM: _dicom,
    Kind.AVI: avi_is_complete,
    Kind.MP4: mp4_is_complete,
}
