"""Step 3: what is told from bytes before any library sees them."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest

from edge_agent.errors import ImageRefused
from edge_agent.formats import dicom_walk, tiff_walk
from edge_agent.formats.ends import Ending, structure
from edge_agent.formats.sniff import Kind, sniff
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.deidentify.synthetic import dicom, encoded, pdf, screen

PICTURE = screen().pixels
FILES = {
    Kind.PNG: encoded(PICTURE, ".png"),
    Kind.JPEG: encoded(PICTURE, ".jpg"),
    Kind.BMP: encoded(PICTURE, ".bmp"),
    Kind.TIFF: encoded(PICTURE, ".tiff"),
    Kind.PDF: pdf(PICTURE),
    Kind.DICOM: dicom(PICTURE),
}
HEADER = b"\0" * 128 + b"DICM"
META = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0"


def refusal(data: bytes) -> EdgeReason:
    with pytest.raises(ImageRefused) as refused:
        dicom_walk.walk(BytesIO(data), len(data))
    return refused.value.reason


@pytest.mark.req("TX-02")
@pytest.mark.parametrize("kind", FILES)
def test_known_by_content_and_complete(kind: Kind) -> None:
    """Each format is told by its content, and its structure is complete."""
    found = structure(BytesIO(FILES[kind]), len(FILES[kind]))
    assert (kind, Ending.COMPLETE) == (found.kind, found.ending)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_every_truncation_is_seen(kind: Kind, share: float) -> None:
    """A file of a known format that ends early is never complete."""
    data = FILES[kind][: int(len(FILES[kind]) * share)]
    assert Ending.INCOMPLETE is structure(BytesIO(data), len(data)).ending


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x7fELF" + bytes(200), Kind.UNKNOWN),
        (b"PK\x03\x04" + bytes(200), Kind.UNKNOWN),
        (b"Dear all, BM is not a bitmap", Kind.UNKNOWN),
        (b"GIF89a" + bytes(100), Kind.OTHER_PICTURE),
        (b"RIFF\0\0\0\0WEBPVP8 ", Kind.OTHER_PICTURE),
        (b"%!PS-Adobe-3.0\n", Kind.OTHER_PICTURE),
        (b"II*\0" + bytes(124) + b"DICM", Kind.DICOM),
        (b"", Kind.UNKNOWN),
    ],
)
def test_foreign_content(data: bytes, kind: Kind) -> None:
    """What is no picture is unknown, whatever its name; a DICOM file may start like a TIFF."""
    assert kind is sniff(data)


def test_thumbnail_end_is_not_the_pictures_end() -> None:
    """The end mark of a thumbnail in a JPEG's header does not finish the picture."""
    jpeg = FILES[Kind.JPEG]
    thumbnail = b"\xff\xe1" + struct.pack(">H", 8) + b"Ex\xff\xd8\xff\xd9"
    data = jpeg[:2] + thumbnail + jpeg[2:-2]
    assert Ending.INCOMPLETE is structure(BytesIO(data), len(data)).ending
    assert Ending.COMPLETE is structure(BytesIO(data + b"\xff\xd9"), len(data) + 2).ending


def test_a_million_empty_items_are_too_complex() -> None:
    """The walk ends at the cap of items and costs next to nothing."""
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 1_000_000
    data = HEADER + META + b"\x08\x00\x40\x11SQ\0\0" + struct.pack("<I", len(items)) + items
    assert EdgeReason.TOO_COMPLEX is refusal(data)


def test_deep_sequences_are_too_complex() -> None:
    """Five hundred nested sequences do not recurse anywhere."""
    data = (
        HEADER
        + META
        + (b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 500
    )
    assert EdgeReason.TOO_COMPLEX is refusal(data)


def test_lengths_and_deflation() -> None:
    """A length beyond the end is truncation; a deflated data set is refused before inflating."""
    assert EdgeReason.TRUNCATED is refusal(HEADER + META + b"\x08\x00\x60\x00CS\xff\x00US")
    deflated = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"
    assert EdgeReason.UNSUPPORTED_TRANSFER_SYNTAX is refusal(HEADER + deflated + b"\x78\x9c")
    assert EdgeReason.TOO_COMPLEX is refusal(
        HEADER + META + b"\x08\x00\x10\x40UT\0\0" + struct.pack("<I", 2_000_000) + b"A" * 2_000_000
    )


def test_walk_finds_the_pixels() -> None:
    """The walk says how the pixel data lies and how long it is."""
    found = dicom_walk.walk(BytesIO(FILES[Kind.DICOM]), len(FILES[Kind.DICOM]))
    assert ("native", PICTURE.size, "1.2.840.10008.1.2.1", True) == (
        found.pixel_data, found.pixel_bytes, found.transfer_syntax, found.has_meta,
    )  # fmt: skip


def test_tiff_loops_and_counts() -> None:
    """A loop of directories ends, and a huge directory entry is refused."""
    entry = struct.pack("<HHII", 256, 4, 1, 10) + struct.pack("<HHII", 257, 4, 1, 10)
    strips = struct.pack("<HHII", 273, 4, 1, 8) + struct.pack("<HHII", 279, 4, 1, 4)
    loop = b"II*\0\x08\0\0\0" + struct.pack("<H", 4) + entry + strips + struct.pack("<I", 8)
    with pytest.raises(ImageRefused) as refused:
        tiff_walk.walk(BytesIO(loop), len(loop))
    assert EdgeReason.UNREADABLE is refused.value.reason
