"""Images of series at the edge: what may leave, and that nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, PositronEmissionTomographyImageStorage, UltrasoundImageStorage

from edge_agent.ferns import Ferns
from edge_agent.filter import Filter
from edge_agent.items import PixelRule, PrepareReply, PrepareRequest
from edge_agent.prepare import Tools, prepare
from edge_agent.sandbox import FERNS_PATH
from sonorelay.contract.reasons import EdgeReason
from tests.cloud.series.phantom import AXIAL, STUDY, TURNED, centred, header, place, write, write_enhanced

ORIGINALS = (b"Zhang", b"P-1", STUDY.encode(), b"SECRET", "张".encode())


def prepared(path: Path, *, pixels: PixelRule = "guard", capture: int = 1) -> PrepareReply:
    """Steps 3 to 5 as the sandbox's child does them for a file of a series."""
    out = path.with_suffix(f".{capture}.out")
    out.mkdir()
    key = path.parent / "key"
    key.write_bytes(b"k" * 32)
    request = PrepareRequest(
        capture_id=f"00000000-0000-0000-0000-{capture:012}",
        raw_path=path,
        out_dir=out,
        pixels=pixels,
        key_path=key,
        received_time=datetime(2026, 1, 1, tzinfo=UTC),
        mm_per_pixel=None,
        is_series=True,
    )
    return prepare(request, Tools(rules=Filter(), classifier=Ferns.load(FERNS_PATH)))


def clean(reply: PrepareReply) -> pydicom.FileDataset:
    """The only image of a reply, and that it holds no original."""
    assert "kept" == reply.outcome, reply
    (image,) = reply.images
    assert ("series", {}, None) == (image.image_type, image.type_probabilities, reply.identity)
    data = image.path.read_bytes()
    assert [] == [name for name in ORIGINALS if name in data]
    return pydicom.dcmread(image.path)


def slice_of(**tags: object) -> Dataset:
    """A header with a place and a few secrets in elements that may not leave."""
    ds = header(7, PatientComments="SECRET", SeriesDescription="SECRET", StationName="SECRET", **tags)
    ds.add_new(0x00091001, "LO", "SECRET")
    place(ds, centred(TURNED, [4.0])[0], TURNED, 0.75)
    return ds


PIXELS = np.arange(48 * 48, dtype=np.int16).reshape(48, 48) - 1000


def test_geometry_and_numbers_stay(tmp_path: Path) -> None:
    """Place, spacing, thickness, tilt, rescale and window are the source's, the pixels bit for bit; two images of a
    series stay together, under other UIDs."""
    tags = {
        "GantryDetectorTilt": "12.5",
        "RescaleSlope": "1",
        "RescaleIntercept": "-1024",
        "WindowCenter": "40",
        "WindowWidth": "80",
        "FrameOfReferenceUID": f"{STUDY}.9",
    }
    first = write(tmp_path / "a.dcm", slice_of(**tags), PIXELS)
    second = write(tmp_path / "b.dcm", slice_of(**tags | {"SOPInstanceUID": f"{STUDY}.8"}), PIXELS + 1)
    made, other, source = clean(prepared(first)), clean(prepared(second, capture=2)), pydicom.dcmread(first)
    for keyword in (
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
        *("GantryDetectorTilt", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"),
        *("SeriesNumber", "InstanceNumber", "Modality", "BodyPartExamined", "SOPClassUID", "BitsStored"),
    ):
        assert source[keyword].value == made[keyword].value, keyword
    np.testing.assert_array_equal(PIXELS, made.pixel_array)
    for keyword in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert source[keyword].value != made[keyword].value == other[keyword].value
    assert made.SOPInstanceUID != other.SOPInstanceUID


def test_frames_of_enhanced_objects_keep_their_places(tmp_path: Path) -> None:
    """Functional groups travel with the frames."""
    positions = centred(AXIAL, [0.0, 2.0, 4.0])
    made = clean(prepared(write_enhanced(tmp_path / "e.dcm", positions)))
    for position, frame in zip(positions, made.PerFrameFunctionalGroupsSequence, strict=True):
        np.testing.assert_allclose(position, frame.PlanePositionSequence[0].ImagePositionPatient)
    (shared,) = made.SharedFunctionalGroupsSequence
    assert 2 == shared.PixelValueTransformationSequence[0].RescaleSlope
    assert (3, 48, 48) == made.pixel_array.shape


def test_comments_and_what_follows_the_pixels_are_gone(tmp_path: Path) -> None:
    """A name in a comment of a compressed frame, bytes behind the last frame, and elements after the pixels."""
    jpeg = b"\xff\xd8\xff\xfe\x00\x08SECRET\xff\xda\x00\x02" + bytes(20) + b"\xff\xd9"
    tags = {
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "Rows": 8,
        "Columns": 8,
    }
    ds = slice_of(SOPClassUID=PositronEmissionTomographyImageStorage, Modality="PT", **tags)
    path = write(tmp_path / "j.dcm", ds, np.zeros((8, 8), np.uint8))
    compressed = pydicom.dcmread(path)
    compressed.PixelData, compressed.file_meta.TransferSyntaxUID = encapsulate([jpeg]), JPEGBaseline8Bit
    compressed["PixelData"].is_undefined_length = True
    compressed.save_as(path)
    made = clean(prepared(path))
    assert JPEGBaseline8Bit == made.file_meta.TransferSyntaxUID
    assert jpeg.replace(b"SECRET", bytes(6)) in made.PixelData
    native = write(tmp_path / "n.dcm", slice_of(), PIXELS)
    behind = pydicom.dcmread(native)
    behind.PixelData += b"SECRET"
    behind.add_new(0xFFFCFFFC, "OB", b"SECRET")
    behind.save_as(native)
    assert PIXELS.nbytes == len(clean(prepared(native, capture=2)).PixelData)


def test_a_declared_text_in_the_pixels_holds_the_image(tmp_path: Path) -> None:
    """Burned-in text is a person's decision; who releases it sends the pixels as they are."""
    path = write(tmp_path / "a.dcm", slice_of(BurnedInAnnotation="YES"), PIXELS)
    held = prepared(path)
    assert ("held", EdgeReason.PIXELS_MAY_IDENTIFY) == (held.outcome, held.reason)
    np.testing.assert_array_equal(PIXELS, clean(prepared(path, pixels="trusted", capture=2)).pixel_array)


def test_a_name_among_the_codes_is_gone(tmp_path: Path) -> None:
    """A code that holds a word of the patient's name does not leave, whatever element it stands in."""
    made = clean(prepared(write(tmp_path / "a.dcm", slice_of(BodyPartExamined="ZHANG HEAD"), PIXELS)))
    assert "BodyPartExamined" not in made


def test_ultrasound_keeps_its_place(tmp_path: Path) -> None:
    """An ultrasound image of a series is rewritten as any print, and says besides where it lies."""
    ds = slice_of(SOPClassUID=UltrasoundImageStorage, Modality="US", FrameOfReferenceUID=f"{STUDY}.9")
    for name, value in (("BitsAllocated", 8), ("BitsStored", 8), ("HighBit", 7), ("PixelRepresentation", 0)):
        setattr(ds, name, value)
    picture = np.random.default_rng(1).integers(20, 200, (96, 96), np.uint8)
    path = write(tmp_path / "u.dcm", ds, picture)
    made = clean(prepared(path, pixels="trusted"))
    np.testing.assert_array_equal(picture, made.pixel_array)
    assert pydicom.dcmread(path).ImagePositionPatient == made.ImagePositionPatient
    assert made.FrameOfReferenceUID.startswith("2.25.")


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_an_image_without_its_uids_belongs_nowhere(tmp_path: Path, keyword: str) -> None:
    """Without the UIDs nobody can tell its series; it is refused, not sent to stand alone."""
    path = write(tmp_path / "a.dcm", slice_of(), PIXELS)
    ds = pydicom.dcmread(path)
    del ds[keyword]
    ds.save_as(path)
    assert EdgeReason.NOT_OF_A_SERIES == prepared(path).reason
