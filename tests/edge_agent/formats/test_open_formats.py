"""Step 3: each format opened for its pixels, or refused with the precise reason."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.errors import ImageRefused
from edge_agent.filter import Filter
from edge_agent.formats.dicom import open_dicom
from edge_agent.formats.pdf import open_pdf
from edge_agent.formats.raster import open_raster
from edge_agent.formats.sniff import Kind
from edge_agent.formats.tiff import open_tiff
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.deidentify.synthetic import dicom, encoded, pdf, screen

PICTURE = screen().pixels
COLOUR = cv2.applyColorMap(PICTURE, cv2.COLORMAP_JET)
RULES = Filter()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def reason_of(data: bytes, kind: Kind) -> EdgeReason:
    with pytest.raises(ImageRefused) as refused:
        open_raster(data, kind, RULES)
    return refused.value.reason


@pytest.mark.parametrize(("suffix", "kind"), [(".png", Kind.PNG), (".bmp", Kind.BMP)])
def test_lossless_rasters_give_the_same_pixels(suffix: str, kind: Kind) -> None:
    """Gray stays gray even where the file repeats it in three channels; colour stays as it is."""
    assert np.array_equal(PICTURE, open_raster(encoded(PICTURE, suffix), kind, RULES))
    assert np.array_equal(PICTURE, open_raster(encoded(np.dstack([PICTURE] * 3), suffix), kind, RULES))
    assert np.array_equal(COLOUR, open_raster(encoded(np.asarray(COLOUR, np.uint8), suffix), kind, RULES))


def test_sixteen_bits_and_alpha() -> None:
    """Sixteen bits keep their upper byte; alpha is dropped, so that nothing hides under it."""
    wide = PICTURE.astype(np.uint16) << 8 | 0x17
    done, data = cv2.imencode(".png", wide)
    assert done
    assert np.array_equal(PICTURE, open_raster(data.tobytes(), Kind.PNG, RULES))
    hidden = np.dstack([np.asarray(COLOUR, np.uint8), np.zeros_like(PICTURE)])
    assert np.array_equal(COLOUR, open_raster(encoded(hidden, ".png"), Kind.PNG, RULES))


def test_header_bomb_is_refused_before_decoding() -> None:
    """A small file that announces billions of pixels costs nothing."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )
    assert EdgeReason.TOO_MANY_PIXELS is reason_of(bomb, Kind.PNG)


def test_damage_truncation_size_and_blankness() -> None:
    """Each fault of a raster has its own reason."""
    data = encoded(PICTURE, ".png")
    middle = len(data) // 2
    damaged = data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
    assert EdgeReason.UNREADABLE is reason_of(damaged, Kind.PNG)
    assert EdgeReason.TRUNCATED is reason_of(data[:-12], Kind.PNG)
    assert EdgeReason.TRUNCATED is reason_of(encoded(PICTURE, ".jpg")[:-900], Kind.JPEG)
    assert EdgeReason.TOO_SMALL is reason_of(encoded(PICTURE[:40], ".png"), Kind.PNG)
    assert EdgeReason.BLANK is reason_of(encoded(np.full((200, 200), 255, np.uint8), ".png"), Kind.PNG)


def test_tiff_pages() -> None:
    """A TIFF gives its page pixel for pixel; a cut one is truncated."""
    data = encoded(PICTURE, ".tiff")
    assert [True] == [np.array_equal(PICTURE, page) for page in open_tiff(data, RULES)]
    with pytest.raises(ImageRefused) as refused:
        open_tiff(data[: len(data) // 2], RULES)
    assert EdgeReason.TRUNCATED is refused.value.reason


def test_pdf_gives_the_embedded_image() -> None:
    """Each page's own image comes out pixel for pixel, not a drawing of the page."""
    pages = list(open_pdf(pdf(PICTURE, pages=3), RULES))
    assert [True] * 3 == [np.array_equal(PICTURE, page) for page in pages]


def test_pdf_without_an_image_is_drawn_or_blank() -> None:
    """A page without an image is drawn; an empty one is blank."""
    import pypdfium2

    document = pypdfium2.PdfDocument.new()
    document.new_page(300, 200)
    out = BytesIO()
    document.save(out)
    document.close()
    with pytest.raises(ImageRefused) as refused:
        list(open_pdf(out.getvalue(), RULES))
    assert EdgeReason.BLANK is refused.value.reason


@pytest.mark.parametrize("data", [b"%PDF-1.7\n%%EOF", b"%PDF-1.7\nxref garbage trailer %%EOF"])
def test_broken_pdf_is_unreadable(data: bytes) -> None:
    """What only looks like a document is refused, not thrown."""
    with pytest.raises(ImageRefused) as refused:
        list(open_pdf(data, RULES))
    assert EdgeReason.UNREADABLE is refused.value.reason


def frames(folder: Path, data: bytes) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    (folder / "object").write_bytes(data)
    return list(open_dicom(folder / "object", RULES).frames())


def test_dicom_photometric_interpretations(tmp_path: Path) -> None:
    """MONOCHROME1 is turned, planes become pixels, a palette is applied: black is zero everywhere."""
    turned = dicom(255 - PICTURE, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(PICTURE, frames(tmp_path, turned)[0])
    rgb = np.ascontiguousarray(np.asarray(COLOUR, np.uint8)[..., ::-1])
    planes = dicom(rgb, PlanarConfiguration=1, PixelData=rgb.transpose(2, 0, 1).tobytes())
    assert np.array_equal(rgb, frames(tmp_path, planes)[0])
    ramp = np.arange(256, dtype=np.uint16)
    tables = {
        f"{name}PaletteColorLookupTable{part}": [256, 0, 16]
        if part == "Descriptor"
        else (values << 8).tobytes()
        for name, values in (("Red", ramp[::-1]), ("Green", ramp), ("Blue", ramp * 0))
        for part in ("Descriptor", "Data")
    }
    coloured = frames(tmp_path, dicom(PICTURE, PhotometricInterpretation="PALETTE COLOR", **tables))[0]
    assert np.array_equal(np.dstack([255 - PICTURE, PICTURE, PICTURE * 0]), coloured)


@pytest.mark.req("TX-03")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PixelData": None}, EdgeReason.NO_PIXEL_DATA),
        ({"Rows": 0}, EdgeReason.NO_PIXEL_DATA),
        ({"NumberOfFrames": 0}, EdgeReason.ZERO_FRAMES),
        ({"NumberOfFrames": 6000}, EdgeReason.TOO_MANY_FRAMES),
        ({"NumberOfFrames": 2}, EdgeReason.TRUNCATED),
        ({"Rows": 60_000, "Columns": 60_000}, EdgeReason.TOO_MANY_PIXELS),
        ({"BitsAllocated": 32}, EdgeReason.UNSUPPORTED_FORMAT),
        ({"SamplesPerPixel": 4}, EdgeReason.UNSUPPORTED_FORMAT),
        ({"BitsStored": 0}, EdgeReason.UNREADABLE),
        ({"BitsAllocated": None}, EdgeReason.UNREADABLE),
    ],
)
def test_dicom_faults_have_reasons(tmp_path: Path, changes: dict[str, object], reason: EdgeReason) -> None:
    """Tags that do not fit the bytes are refused before a frame is decoded."""
    with pytest.raises(ImageRefused) as refused:
        frames(tmp_path, dicom(PICTURE, **changes))
    assert reason is refused.value.reason
