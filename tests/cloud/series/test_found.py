"""DICOM files of a folder: by suffix, by identifier; and no file ends the search."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cloud.series.errors import HeaderRefused
from cloud.series.found import Way, find, look
from cloud.series.header import Header
from cloud.series.read_header import HEADER_MAX_BYTES, read_header
from cloud.series.reasons import LeftOutReason
from tests.cloud.series import phantom

PIXELS = np.arange(16).reshape(4, 4)


def image(path: Path, number: int = 1, **tags: object) -> Path:
    """A sound small image."""
    return phantom.write(path, phantom.header(number, **tags), PIXELS)


def reason_of(path: Path, way: Way = Way.EITHER) -> LeftOutReason | None:
    """Why the file is left out; None: it is not."""
    seen = look(path, way)
    return None if isinstance(seen, Header) else seen.reason


@pytest.mark.req("MPR-02")
@pytest.mark.parametrize(
    ("way", "with_both", "only_suffix", "only_identifier"),
    [
        (Way.EITHER, None, None, None),
        (Way.SUFFIX, None, None, LeftOutReason.NO_SUFFIX),
        (Way.IDENTIFIER, None, LeftOutReason.NO_IDENTIFIER, None),
        (Way.BOTH, None, LeftOutReason.NO_IDENTIFIER, LeftOutReason.NO_SUFFIX),
    ],
)
def test_suffix_and_identifier_either_or_both(
    tmp_path: Path,
    way: Way,
    with_both: LeftOutReason | None,
    only_suffix: LeftOutReason | None,
    only_identifier: LeftOutReason | None,
) -> None:
    """A file is DICOM by its suffix, by preamble and DICM, by either or only by both, as asked for."""
    whole = image(tmp_path / "a.dcm")
    bare = tmp_path / "b.DCM"
    bare.write_bytes(_without_preamble(whole))
    unnamed = tmp_path / "IM000001"
    unnamed.write_bytes(whole.read_bytes())
    assert with_both == reason_of(whole, way)
    assert only_suffix == reason_of(bare, way)
    assert only_identifier == reason_of(unnamed, way)


def _without_preamble(whole: Path) -> bytes:
    """As old systems wrote: the bare data set, without preamble and meta group."""
    data = whole.read_bytes()
    (group_size,) = struct.unpack("<I", data[140:144])
    return data[144 + group_size :]


@pytest.mark.req("MPR-09")
def test_foreign_files_are_left_out_with_the_reason(tmp_path: Path) -> None:
    """In a folder of mixed files at any depth each file comes back once: as a header or with its reason."""
    image(tmp_path / "batch" / "patient" / "examination" / "series" / "1.dcm")
    expected = {
        "photo.png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 300, LeftOutReason.FOREIGN_FILE),
        "batch/photo.jpg": (b"\xff\xd8\xff" + b"\0" * 300, LeftOutReason.FOREIGN_FILE),
        "batch/patient/note.txt": (b"", LeftOutReason.FOREIGN_FILE),
        "batch/patient/letter.dcm": (b"Dear colleague, " * 40, LeftOutReason.NOT_DICOM),
        "empty.dcm": (b"", LeftOutReason.NOT_DICOM),
    }
    for name, (data, _) in expected.items():
        (tmp_path / name).write_bytes(data)
    found = find(tmp_path)
    assert ["1.dcm"] == [each.path.name for each in found.headers]
    assert {name: reason for name, (_, reason) in expected.items()} == {
        str(each.path.relative_to(tmp_path)): each.reason for each in found.left_out
    }
    assert found.is_whole


@pytest.mark.req("MPR-09")
def test_links_and_devices_are_not_opened(tmp_path: Path) -> None:
    """A pipe would never end, a link leads out of the folder: neither is opened, links to folders are not followed."""
    inside, outside = tmp_path / "inside", image(tmp_path / "outside" / "1.dcm")
    inside.mkdir()
    os.mkfifo(inside / "pipe.dcm")
    (inside / "link.dcm").symlink_to(outside)
    (inside / "circle").symlink_to(inside, target_is_directory=True)
    found = find(inside)
    assert () == found.headers
    assert {LeftOutReason.NOT_A_FILE} == {each.reason for each in found.left_out}


@pytest.mark.req("MPR-02")
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"StudyInstanceUID": None}, LeftOutReason.UID_MISSING),
        ({"SeriesInstanceUID": ""}, LeftOutReason.UID_MISSING),
        ({"SOPInstanceUID": None}, LeftOutReason.UID_MISSING),
    ],
)
def test_an_image_without_uids_is_left_out(
    tmp_path: Path, tags: dict[str, object], expected: LeftOutReason
) -> None:
    """Without the UIDs of examination, series and image nothing tells where a file belongs."""
    assert expected == reason_of(image(tmp_path / "1.dcm", **tags))


@pytest.mark.req("MPR-02")
@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PatientName", b"A" * 65_000, LeftOutReason.VALUE_TOO_LONG),
        ("SeriesInstanceUID", b"1." * 5_000, LeftOutReason.VALUE_TOO_LONG),
        ("SeriesInstanceUID", b"../../etc/passwd", LeftOutReason.UID_INVALID),
        ("StudyInstanceUID", b"1" * 66, LeftOutReason.UID_INVALID),
        ("PatientName", b"\xff\xfe\xfd\xfc", LeftOutReason.CHARACTERS_UNREADABLE),
        ("InstanceNumber", b"twelve", None),
        ("ImagesInAcquisition", b"9" * 64, None),
        ("BitsStored", b"\0\0\0", None),
        ("Rows", b"\0\0", LeftOutReason.NOT_AN_IMAGE),
    ],
)
def test_hostile_values(tmp_path: Path, keyword: str, value: bytes, expected: LeftOutReason | None) -> None:
    """Values too long, of wrong characters or no numbers give a reason, or count as not said where that is enough."""
    path = image(tmp_path / "1.dcm", ImagesInAcquisition="16")
    path.write_bytes(_replaced(path.read_bytes(), keyword, value))
    assert expected == reason_of(path)


def _replaced(data: bytes, keyword: str, value: bytes) -> bytes:
    """The file with the raw bytes of one element (short form, explicit VR little endian) replaced."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    assert tag is not None
    at = data.index(struct.pack("<HH", tag >> 16, tag & 0xFFFF), 132)
    (size,) = struct.unpack("<H", data[at + 6 : at + 8])
    return data[: at + 6] + struct.pack("<H", len(value)) + value + data[at + 8 + size :]


@pytest.mark.req("MPR-02")
def test_a_file_cut_anywhere_gives_a_reason(tmp_path: Path) -> None:
    """However much of a file is there, the search gives a header or a reason; only the whole file gives a header."""
    data = image(tmp_path / "whole.dcm").read_bytes()
    cut = tmp_path / "cut.dcm"
    for size in range(0, len(data), 7):
        cut.write_bytes(data[:size])
        assert reason_of(cut) is not None, size
    cut.write_bytes(data)
    assert reason_of(cut) is None


@pytest.mark.req("MPR-02")
def test_lengths_are_not_taken_on_trust(tmp_path: Path) -> None:
    """An element that claims 4 GB, and a header larger than any, are left out without being read whole."""
    path = image(tmp_path / "1.dcm")
    data = path.read_bytes()
    claim = struct.pack("<HH2sHI", 0x0008, 0x2111, b"UT", 0, 0xFFFFFFF0)
    at = data.index(struct.pack("<HH", 0x0008, 0x0060))
    path.write_bytes(data[:at] + claim + data[at:])
    assert LeftOutReason.HEADER_DAMAGED == reason_of(path)
    real = struct.pack("<HH2sHI", 0x0008, 0x0005, b"UT", 0, HEADER_MAX_BYTES) + b"A" * HEADER_MAX_BYTES
    path.write_bytes(data[:at] + real + data[at:])
    assert LeftOutReason.HEADER_TOO_LARGE == reason_of(path)


@pytest.mark.req("MPR-02")
def test_a_header_of_countless_items_is_not_read_to_its_end(tmp_path: Path) -> None:
    """Empty items cost few bytes and much time each: their number is limited, not only their size."""

    def reason() -> LeftOutReason:
        with pytest.raises(HeaderRefused) as refused:
            read_header(path, reads_max=2_000, items_max=2_000)
        return refused.value.reason

    path = image(tmp_path / "1.dcm")
    data = path.read_bytes()
    at = data.index(struct.pack("<HH", 0x0008, 0x0060))
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 3_000
    path.write_bytes(
        data[:at] + struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + items + data[at:]
    )
    assert LeftOutReason.HEADER_TOO_LARGE == reason()
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    known = struct.pack("<HH2sHI", 0x5200, 0x9230, b"SQ", 0, len(items))
    path.write_bytes(data[:at] + known + items + data[at:])
    assert LeftOutReason.HEADER_TOO_LARGE == reason()


@pytest.mark.req("MPR-02")
def test_nothing_is_unpacked_for_a_header(tmp_path: Path) -> None:
    """A deflated data set, which may grow a thousandfold, is left out unread."""
    path = tmp_path / "1.dcm"
    ds = phantom.header()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    FileDataset(path, ds, preamble=b"\0" * 128, file_meta=meta).save_as(path, enforce_file_format=True)
    assert LeftOutReason.HEADER_DEFLATED == reason_of(path)


@pytest.mark.req("MPR-02")
def test_a_directory_is_no_image(tmp_path: Path) -> None:
    """A DICOMDIR has the identifier of a DICOM file; it is left out as what it is."""
    path = image(tmp_path / "DICOMDIR", SOPClassUID="1.2.840.10008.1.3.10")
    assert LeftOutReason.DICOM_DIRECTORY == reason_of(path)


@pytest.mark.req("MPR-03")
@pytest.mark.parametrize("name", ["Zhang^Wei=张^伟", "ZHANG^WEI=张^伟^^", "Zhang^Wei =张^伟="])
def test_a_name_has_one_form(tmp_path: Path, name: str) -> None:
    """Case, padding and empty components do not make another patient; the name is never in a repr."""
    seen = read_header(image(tmp_path / "1.dcm", PatientName=name))
    assert "zhang^wei=张^伟" == seen.patient_name
    assert "zhang" not in repr(seen).lower()
    assert "张" not in repr(seen)


@pytest.mark.req("MPR-03")
def test_the_same_name_in_two_character_sets_is_the_same(tmp_path: Path) -> None:
    """A name in GB18030 and in UTF-8 is one name."""
    first = read_header(image(tmp_path / "1.dcm"))
    second = read_header(image(tmp_path / "2.dcm", SpecificCharacterSet="GB18030"))
    assert first.patient_name == second.patient_name


@pytest.mark.req("MPR-02")
def test_no_error_names_a_patient_or_a_path(tmp_path: Path) -> None:
    """The text of a refusal holds neither the value that caused it nor the path."""
    path = image(tmp_path / "Zhang_Wei" / "1.dcm")
    path.write_bytes(_replaced(path.read_bytes(), "SeriesInstanceUID", b"Zhang Wei"))
    with pytest.raises(HeaderRefused) as refused:
        read_header(path)
    assert LeftOutReason.UID_INVALID == refused.value.reason
    assert "Zhang" not in str(refused.value)
