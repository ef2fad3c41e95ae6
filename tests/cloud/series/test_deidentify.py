"""De-identification on arrival: what stays of a header is listed, checked and enough to see and reconstruct."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cloud.series.arrival import Arrivals, Taken
from cloud.series.errors import HeaderRefused
from cloud.series.header import Header
from cloud.series.keys import SeriesKey
from cloud.series.pixel_copy import PixelElement, copied
from cloud.series.read_header import read_header
from cloud.series.reasons import LeftOutReason
from cloud.series.upload_reasons import UPLOAD_REASONS, UploadReason, reason_of, words
from sonorelay.contract.series import without_comments
from tests.cloud.series.phantom import AXIAL, centred, even, header, place, write, write_cine, write_enhanced

KEY = SeriesKey(secret=bytes(range(32)))
ARRIVALS = Arrivals(key=KEY, trusts_pictures=True)


def arrived(path: Path, name: str = "a.dcm", by: Arrivals = ARRIVALS) -> Taken:
    """What a file becomes."""
    taken = by.take(path, name)
    assert isinstance(taken, Taken), taken
    return taken


def stored(path: Path) -> Dataset:
    """The new file's data set."""
    return pydicom.dcmread(arrived(path).path)


def test_what_a_series_needs_is_kept(tmp_path: Path) -> None:
    """Geometry, meaning of numbers, window, numbers and pixels of the new file are those of the old one."""
    ds = header(
        7, RescaleSlope="1.5", RescaleIntercept="-1024", WindowCenter="40", WindowWidth="80", KVP="120"
    )
    place(ds, np.array([1.25, -2.5, 3.75]), AXIAL, 0.703125)
    path = write(tmp_path / "1", ds, np.arange(64).reshape(8, 8))
    old, new = read_header(path), read_header(arrived(path).path)
    same = [name for name in Header.__dataclass_fields__ if name not in ("path", "patient_name")]
    uids = {"study_uid", "series_uid", "sop_instance_uid"}
    assert all(getattr(old, name) == getattr(new, name) for name in same if name not in uids)
    assert all(getattr(new, name) == KEY.uid(getattr(old, name)) for name in uids)
    assert np.array_equal(pydicom.dcmread(path).pixel_array, stored(path).pixel_array)


def test_only_what_is_listed_is_there(tmp_path: Path) -> None:
    """Every element of the standard's identifying attributes that the source has is gone or empty; the new file says
    that identity was removed."""
    ds = header(1, PatientBirthDate="19710213", StudyDate="20240519", InstitutionName="Klinik", StudyID="S1")
    ds.add_new(0x00331001, "LO", "private")
    new = stored(write(tmp_path / "1", ds, np.zeros((8, 8))))
    for keyword in ("PatientBirthDate", "StudyDate", "StudyID", "ReferringPhysicianName"):
        assert not new.get(keyword), keyword
    assert "InstitutionName" not in new
    assert not any(element.tag.is_private for element in new)
    assert "YES" == new.PatientIdentityRemoved


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_plain_encoding_keeps_its_pixels(tmp_path: Path, syntax: Any) -> None:
    """Implicit and explicit, little and big endian."""
    pixels = np.arange(64, dtype="i2").reshape(8, 8) * 257
    path = write(tmp_path / "1", header(1), pixels)
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = pixels.astype(">i2").tobytes()
    pydicom.dcmwrite(path, ds, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    assert np.array_equal(pixels, stored(path).pixel_array)


def test_a_file_without_a_meta_header_is_taken(tmp_path: Path) -> None:
    """Old files begin with the data set itself; their suffix says what they are."""
    path = write(tmp_path / "1", header(1), np.ones((8, 8)))
    ds = pydicom.dcmread(path)
    del ds.file_meta
    ds.preamble = None
    pydicom.dcmwrite(path, ds, implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert np.array_equal(np.ones((8, 8)), stored(path).pixel_array)


def test_frames_of_enhanced_objects_keep_their_places(tmp_path: Path) -> None:
    """Places of every frame, and what their numbers mean, are those of the source."""
    path = write_enhanced(tmp_path / "1", centred(AXIAL, even(5, 3.0)))
    assert read_header(path).places == read_header(arrived(path).path).places


def test_codes_with_a_word_of_the_name_are_dropped(tmp_path: Path) -> None:
    """A body part that is the patient's name in capitals is no body part."""
    ds = header(1, PatientName="Zhang^Wei", BodyPartExamined="ZHANG WEI", ImageType=["ORIGINAL", "PRIMARY"])
    new = stored(write(tmp_path / "1", ds, np.zeros((8, 8))))
    assert "BodyPartExamined" not in new
    assert ["ORIGINAL", "PRIMARY"] == new.ImageType


def test_free_text_where_a_code_belongs_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small letters, markup and long texts are no code."""
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    ds = header(
        1, BodyPartExamined="<b>Head</b>", PatientPosition="call 555", RescaleType="Hounsfield of Mrs Li"
    )
    new = stored(write(tmp_path / "1", ds, np.zeros((8, 8))))
    assert not {"BodyPartExamined", "PatientPosition", "RescaleType"} & set(new.dir())


def test_the_key_decides_the_hashes(tmp_path: Path) -> None:
    """The same original gives the same hashes with one key, others with another; the pseudonym goes by the id."""
    first = write(tmp_path / "1", header(1, PatientName="Li^Na"), np.zeros((8, 8)))
    second = write(tmp_path / "2", header(2, PatientName="LI^NA"), np.zeros((8, 8)))
    other = Arrivals(key=SeriesKey(secret=bytes(32)), trusts_pictures=True)
    facts = [arrived(path).facts for path in (first, second)]
    assert (facts[0].group, facts[0].patient) == (facts[1].group, facts[1].patient)
    assert facts[0].group != arrived(first, by=other).facts.group


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"Modality": "US"}, UploadReason.TEXT_MAY_BE_BURNED_IN),
        ({"Modality": "US", "BurnedInAnnotation": "NO"}, None),
        ({"Modality": "US", "BurnedInAnnotation": "YES"}, UploadReason.TEXT_IS_BURNED_IN),
        ({"Modality": "CT"}, None),
        ({"Modality": "MR", "BurnedInAnnotation": "YES"}, UploadReason.TEXT_IS_BURNED_IN),
        ({"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, UploadReason.TEXT_MAY_BE_BURNED_IN),
        ({"Modality": None}, UploadReason.TEXT_MAY_BE_BURNED_IN),
    ],
)
@pytest.mark.parametrize("trusts", [False, True])
def test_pictures_that_may_bear_names(
    tmp_path: Path, tags: Any, expected: UploadReason | None, trusts: bool
) -> None:
    """Where text may be in the pixels, a file passes only if it says that none is; a site that declares its uploads
    clean takes all."""
    path = write(tmp_path / "1", header(1, **tags), np.zeros((8, 8)))
    outcome = Arrivals(key=KEY, trusts_pictures=trusts).take(path, "1.dcm")
    assert (None if trusts else expected) == (None if isinstance(outcome, Taken) else outcome)


def test_what_follows_the_pixels_is_left_behind(tmp_path: Path) -> None:
    """Bytes behind the pixel data, where programs append trailers, do not come along."""
    path = write(tmp_path / "1", header(1), np.zeros((8, 8)))
    path.write_bytes(path.read_bytes() + b"appended by Zhang Wei")
    assert b"appended" not in arrived(path).path.read_bytes()


def test_comments_inside_of_jpegs_become_zeros() -> None:
    """JPEG: COM and the application segments that hold no colour space; JPEG 2000: COM. All else stays, in place."""
    jpeg = b"\xff\xd8\xff\xe0\x00\x04JF\xff\xfe\x00\x06name\xff\xe1\x00\x06exif\xff\xee\x00\x04Ad\xff\xda\x00\x04xxname"
    clean = without_comments(jpeg)
    assert (
        b"\xff\xd8\xff\xe0\x00\x04JF\xff\xfe\x00\x06" + bytes(4) + b"\xff\xe1\x00\x06" + bytes(4)
        == clean[:24]
    )
    assert jpeg[24:] == clean[24:]
    codestream = b"\xff\x4f\xff\x51\x00\x04ss\xff\x64\x00\x06name\xff\x90\x00\x04name"
    assert codestream.replace(b"name", bytes(4), 1) == without_comments(codestream)
    assert b"plain name" == without_comments(b"plain name")


@pytest.mark.parametrize("kept", [4, 11, 12, 30])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, kept: int) -> None:
    """Wherever the pixel element is cut, the copy ends with the reason."""
    whole = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\x08\x00\x00\x00" + bytes(8)
    path = tmp_path / "1"
    path.write_bytes(whole[:kept])
    with path.open("rb") as file, pytest.raises(HeaderRefused) as refused:
        list(copied(file, PixelElement(start=0, is_implicit=False, is_little=True)))
    assert LeftOutReason.PIXELS_CUT_SHORT is refused.value.reason


def test_a_loop_is_copied_in_pieces(tmp_path: Path) -> None:
    """However long a loop is, at most about a mebibyte of it is held at once."""
    path = write_cine(tmp_path / "1", 4000)
    with path.open("rb") as file:
        start = path.stat().st_size - 2 * 4000 * 16 * 16 - 12
        pieces = list(copied(file, PixelElement(start=start, is_implicit=False, is_little=True)))
    assert 2 * 4000 * 16 * 16 + 12 == sum(map(len, pieces))
    assert max(map(len, pieces)) <= 1024**2


def test_every_reason_has_its_sentences() -> None:
    """Both languages; codes of both kinds differ and are found again."""
    assert set(UploadReason) == set(UPLOAD_REASONS)
    assert not set(UploadReason) & set(LeftOutReason)
    for reason in (*UploadReason, *LeftOutReason):
        assert reason is reason_of(reason.value)
        assert {"en", "zh"} == set(words(reason))
