"""Step 3 of 13: filter. Tells a file's format by its first bytes, never by its name.

Standard library only.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

HEAD_BYTES: Final = 1056
"""How many first bytes `sniff` wants; fewer are allowed."""


class Kind(StrEnum):
    """What the content is."""

    PNG = "png"
    JPEG = "jpeg"
    BMP = "bmp"
    TIFF = "tiff"
    PDF = "pdf"
    DICOM = "dicom"
    AVI = "avi"
    MP4 = "mp4"
    OTHER_PICTURE = "other_picture"
    """A picture or page format that the line does not read (GIF, WebP, PostScript ...)."""
    UNKNOWN = "unknown"


_MAGIC: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"II*\x00", Kind.TIFF),
    (b"MM\x00*", Kind.TIFF),
    (b"II+\x00", Kind.OTHER_PICTURE),
    (b"MM\x00+", Kind.OTHER_PICTURE),
    (b"GIF8", Kind.OTHER_PICTURE),
    (b"\x00\x00\x00\x0cjP  ", Kind.OTHER_PICTURE),
    (b"\xff\x4f\xff\x51", Kind.OTHER_PICTURE),
    (b"%!PS", Kind.OTHER_PICTURE),
    (b"RaS2", Kind.OTHER_PICTURE),
    (b"RaS3", Kind.OTHER_PICTURE),
    (b"\x76\x2f\x31\x01", Kind.OTHER_PICTURE),
    (b"8BPS", Kind.OTHER_PICTURE),
)
_BMP_HEADER_SIZES: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
_PDF_SEARCH_BYTES: Final = 1024


def sniff(head: bytes) -> Kind:
    """Gives the format of a file that starts with `head` (best: its first HEAD_BYTES bytes)."""
    # PS3.10 7.1 leaves the preamble to the writer: a DICOM file may start like a TIFF and is still DICOM.
    if head[128:132] == b"DICM" or head[:4] == b"DICM":
        return Kind.DICOM
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Kind.OTHER_PICTURE
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Kind.AVI
    if head[4:8] == b"ftyp":
        pictures = (b"avif", b"heic", b"heix", b"mif1")
        return Kind.OTHER_PICTURE if head[8:12] in pictures else Kind.MP4
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return Kind.BMP
    if b"%PDF-" in head[:_PDF_SEARCH_BYTES]:
        return Kind.PDF
    if starts_like_data_set(head):
        return Kind.DICOM
    return Kind.UNKNOWN


def starts_like_data_set(head: bytes) -> bool:
    """Whether `head` is a DICOM data set without preamble: old senders leave preamble and "DICM" out."""
    if len(head) < 12 or int.from_bytes(head[0:2], "little") not in (0x0002, 0x0008):
        return False
    element, vr = int.from_bytes(head[2:4], "little"), head[4:6]
    if vr in (b"UL", b"OB", b"UI", b"CS", b"DA", b"SH", b"LO", b"PN", b"TM"):
        return True
    return head[0] == 0x08 and element <= 0x0018 and 0 < int.from_bytes(head[4:8], "little") <= 64
