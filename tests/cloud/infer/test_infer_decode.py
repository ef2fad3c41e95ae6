"""Bytes become pixels whole, or are refused with a reason."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

from cloud.infer.decode import decode
from cloud.infer.errors import ImageUnreadable

Png = Callable[[NDArray[Any]], bytes]


@pytest.fixture
def ramp() -> NDArray[np.uint8]:
    """A gray still 48 x 64 with every row different."""
    return np.arange(48 * 64, dtype=np.uint32).reshape(48, 64).astype(np.uint8)


def dicom_bytes(pixels: NDArray[Any], **elements: Any) -> bytes:
    """An ultrasound DICOM file; several frames for uint8 of four axes or of three with a last one that is not
    3."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["decode"])
    ds.SOPClassUID = UltrasoundImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID
    colour = pixels.shape[-1] == 3
    frames = pixels.ndim - (3 if colour else 2)
    if frames:
        ds.NumberOfFrames = pixels.shape[0]
    ds.Rows, ds.Columns = pixels.shape[frames : frames + 2]
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = pixels.dtype.itemsize * 8
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = 0
    ds.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def region(delta_x: float, delta_y: float, units: int = 3) -> Dataset:
    """An ultrasound region with its step per pixel."""
    ds = Dataset()
    ds.RegionSpatialFormat = 1
    ds.PhysicalUnitsXDirection = ds.PhysicalUnitsYDirection = units
    ds.PhysicalDeltaX, ds.PhysicalDeltaY = delta_x, delta_y
    return ds


def test_a_gray_png_is_read_exactly(ramp: NDArray[np.uint8], png: Png) -> None:
    """Eight-bit gray comes back bit for bit, and a PNG states no scale."""
    still = decode(png(ramp), "image/png")
    np.testing.assert_array_equal(ramp, still.pixels)
    assert still.scale is None


def test_colour_keeps_its_channels_in_the_order_blue_green_red(ramp: NDArray[np.uint8], png: Png) -> None:
    """A colour PNG stays in colour."""
    bgr = np.dstack([ramp, ramp // 2, ramp // 3])
    np.testing.assert_array_equal(bgr, decode(png(bgr), "image/png").pixels)


def test_what_is_transparent_shows_as_black(ramp: NDArray[np.uint8], png: Png) -> None:
    """A transparent part of a PNG does not show the pixels hidden under it."""
    bgra = np.dstack([ramp, ramp, ramp, np.full_like(ramp, 255)])
    bgra[:24, :, 3] = 0
    pixels = decode(png(bgra), "image/png").pixels
    assert not pixels[:24].any()
    np.testing.assert_array_equal(bgra[24:, :, :3], pixels[24:])


@pytest.mark.parametrize(("bits", "shift"), [(8, 0), (12, 4), (16, 8)])
def test_sixteen_bit_pngs_keep_the_bits_in_use(
    ramp: NDArray[np.uint8], png: Png, bits: int, shift: int
) -> None:
    """A 16-bit PNG becomes 8 bits by dropping the lowest of the bits it uses, so 12-bit values are not
    black."""
    deep = ramp.astype(np.uint16) << (bits - 8)
    assert deep.max() >> shift == 255
    np.testing.assert_array_equal(ramp, decode(png(deep), "image/png").pixels)


def test_a_jpeg_is_read(ramp: NDArray[np.uint8]) -> None:
    """A JPEG comes back at its size and near its values; padding after its end does no harm."""
    smooth = cv2.GaussianBlur(ramp, (9, 9), 4)
    data = cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    for image in (data, data + b"\x00" * 7):
        pixels = decode(image, "image/jpeg; charset=binary").pixels
        assert pixels.shape == smooth.shape
        assert np.abs(pixels.astype(int) - smooth).mean() < 2


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_cut_file_is_refused(kind: str, keep: float) -> None:
    """A file that ends early is never read in part."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    data = cv2.imencode(f".{kind}", noise)[1].tobytes()
    media_type = {"png": "image/png", "jpg": "image/jpeg"}[kind]
    with pytest.raises(ImageUnreadable):
        decode(data[: int(len(data) * keep)], media_type)


def test_a_png_with_damaged_pixels_is_refused(png: Png) -> None:
    """A PNG that is whole in form but whose compressed pixels end early is refused."""
    rows = zlib.compress(b"\x00" * (65 * 10))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(ImageUnreadable, match="damaged"):
        decode(data, "image/png")


@pytest.mark.parametrize(
    ("image", "media_type", "reason"),
    [
        (b"", "image/png", "empty"),
        (b"GIF89a", "image/gif", "media type"),
        (b"\x00" * 100, "image/png", "not a PNG"),
        (b"\x89PNG\r\n\x1a\n", "image/png", "not a PNG"),
        (b"\x00" * 100, "image/jpeg", "not a JPEG"),
        (b"\xff\xd8\xff\xe0\x00\x02", "image/jpeg", "frame header"),
        (b"\xff\xd8\xff\xd8", "image/jpeg", "frame header"),
        (b"\x00" * 200, "application/dicom", "cannot be decoded"),
    ],
)
def test_foreign_bytes_are_refused(image: bytes, media_type: str, reason: str) -> None:
    """Whatever is not a still of the stated type is refused with its reason."""
    with pytest.raises(ImageUnreadable, match=reason):
        decode(image, media_type)


@pytest.mark.parametrize("size_hw", [(1, 1), (31, 400), (400, 31)])
def test_an_image_too_small_to_show_anything_is_refused(size_hw: tuple[int, int], png: Png) -> None:
    """Below 32 pixels on a side nothing is read."""
    with pytest.raises(ImageUnreadable, match="smaller than"):
        decode(png(np.zeros(size_hw, np.uint8)), "image/png")


def test_a_huge_image_is_refused_before_it_is_unpacked(png: Png) -> None:
    """The header's size counts: a small file that would unpack to gigapixels takes no memory."""
    data = bytearray(png(np.zeros((64, 64), np.uint8)))
    struct.pack_into(">II", data, 16, 60_000, 60_000)
    with pytest.raises(ImageUnreadable, match="more than"):
        decode(bytes(data), "image/png")


def test_a_dicom_still_is_read_with_its_scale(ramp: NDArray[np.uint8]) -> None:
    """Gray DICOM pixels come back exactly; regions in centimetres give millimetres per pixel."""
    still = decode(dicom_bytes(ramp, SequenceOfUltrasoundRegions=[region(0.012, 0.012)]), "application/dicom")
    np.testing.assert_array_equal(ramp, still.pixels)
    assert still.scale is not None
    assert still.scale.mm_per_pixel == pytest.approx(0.12)
    assert still.scale.source == "dicom_region"


@pytest.mark.parametrize(
    "regions",
    [
        [],
        [region(0.012, 0.013)],
        [region(0.012, 0.012, units=4)],
        [region(0.012, 0.012), region(0.02, 0.02)],
        [region(0.0, 0.0)],
    ],
)
def test_a_doubtful_dicom_scale_is_no_scale(ramp: NDArray[np.uint8], regions: list[Dataset]) -> None:
    """Unequal steps, other units, regions that differ or no step: the length of a pixel is not known."""
    data = dicom_bytes(ramp, SequenceOfUltrasoundRegions=regions)
    assert decode(data, "application/dicom").scale is None


def test_dicom_colour_is_turned_to_blue_green_red(ramp: NDArray[np.uint8]) -> None:
    """DICOM stores red first; pixels here have blue first."""
    rgb = np.dstack([ramp, ramp // 2, ramp // 3])
    np.testing.assert_array_equal(rgb[:, :, ::-1], decode(dicom_bytes(rgb), "application/dicom").pixels)


def test_of_a_dicom_cine_the_first_frame_is_read(ramp: NDArray[np.uint8]) -> None:
    """Several frames: the first is the still."""
    frames = np.stack([ramp, 255 - ramp, ramp // 2])
    np.testing.assert_array_equal(ramp, decode(dicom_bytes(frames), "application/dicom").pixels)


def test_inverted_dicom_gray_is_turned_round(ramp: NDArray[np.uint8]) -> None:
    """MONOCHROME1 stores white as zero (PS3.3 C.7.6.3.1.2)."""
    data = dicom_bytes(ramp, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(255 - ramp, decode(data, "application/dicom").pixels)


def test_dicom_pixels_that_are_not_finite_are_refused(ramp: NDArray[np.uint8]) -> None:
    """Float pixels may hold NaN; then nothing is read."""
    values = ramp.astype(np.float32)
    values[3, 4] = np.nan
    data = dicom_bytes(ramp, FloatPixelData=values.tobytes(), BitsAllocated=32)
    ds_without_integer_pixels = _without_pixel_data(data)
    with pytest.raises(ImageUnreadable, match="not finite"):
        decode(ds_without_integer_pixels, "application/dicom")


def _without_pixel_data(data: bytes) -> bytes:
    import pydicom

    ds = pydicom.dcmread(io.BytesIO(data))
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


def test_a_dicom_file_without_pixels_is_refused(ramp: NDArray[np.uint8]) -> None:
    """A report or a cut file has no picture; the reason holds no tag value."""
    whole = dicom_bytes(ramp, PatientName="Nobody^Anna")
    for data in (_without_pixel_data(whole), whole[: len(whole) // 2]):
        with pytest.raises(ImageUnreadable, match="cannot be decoded") as refused:
            decode(data, "application/dicom")
        assert "Nobody" not in str(refused.value)


def test_a_window_that_cannot_be_is_passed_over(ramp: NDArray[np.uint8]) -> None:
    """A window width below 1 is none: the deep pixels are shown over their whole range, not refused."""
    deep = (ramp.astype(np.uint16) + 1) * 100
    shown = decode(dicom_bytes(deep, WindowCenter=0, WindowWidth=0), "application/dicom").pixels
    np.testing.assert_array_equal(decode(dicom_bytes(deep), "application/dicom").pixels, shown)
    assert int(shown.max()) >= 128
