"""Step 4: a DICOM object is rebuilt from an allow-list; nothing of the patient is left in its bytes."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from edge_agent.deidentify.keys import SiteKey
from edge_agent.items import CleanImage, PixelRule, PrepareReply
from edge_agent.prepare import prepare
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.deidentify.synthetic import NAME, Pixels, dicom, region, request, screen, tools

PICTURE = screen().pixels
BOX = (40, 58, 790, 530)
KEY = SiteKey(secret=b"k" * 32)


def run(folder: Path, data: bytes, rule: PixelRule = "guard", mm: float | None = None) -> PrepareReply:
    return prepare(request(folder, data, rule, mm), tools(folder))


def clean(
    folder: Path, frames: Pixels = PICTURE, rule: PixelRule = "guard", mm: float | None = None, **changes: Any
) -> tuple[CleanImage, Dataset]:
    reply = run(folder, dicom(frames, **changes), rule, mm)
    assert "kept" == reply.outcome, (reply.reason, reply.detail)
    return reply.images[0], pydicom.dcmread(reply.images[0].path)


@pytest.mark.req("TX-03")
def test_no_planted_value_survives(tmp_path: Path) -> None:
    """No name, number, date, institution, description, private value, preamble or UID is in the bytes."""
    planted: dict[str, Any] = {
        "OtherPatientIDs": "ALIAS-99", "PatientComments": "comment of a person",
        "OperatorsName": "OPERATOR^ONE",
        "DeviceSerialNumber": "SERIAL-77", "StationName": "STATION-5", "PatientAddress": "Street 12",
        "Manufacturer": "Somebody's own words", "TransducerType": "WHISPER",
        "ImageType": ["ORIGINAL", "SECRETCODE"],
        "StudyID": "STUDY-8", "AccessionNumber": "ACC-9", "PatientSex": "F", "StudyTime": "112233",
        "ReferencedSOPInstanceUID": "1.2.3.4.5.6.7",
    }  # fmt: skip
    item = region(*BOX)
    item.add_new(0x00111010, "LO", "PRIVATEINREGION")
    image, ds = clean(tmp_path, SequenceOfUltrasoundRegions=[item], **planted)
    data = image.path.read_bytes()
    for value in (
        NAME, "TESTPERSON", "MRN-00417", "19900102", "Hospital of Nowhere", "seen by", "20240229", "1.2.3.4.",
        "ALIAS-99",
        "comment", "OPERATOR", "SERIAL", "STATION-5", "Street", "Somebody", "WHISPER", "SECRETCODE", "STUDY-8",
        "ACC-9", "112233", "PRIVATEINREGION",
    ):  # fmt: skip
        assert value.encode() not in data, value
    assert bytes(128) == data[:128]
    assert not any(element.tag.is_private for element in ds.iterall())
    assert "" == ds.PatientSex


def test_the_rebuilt_object_is_whole(tmp_path: Path) -> None:
    """Type, size, pixels, regions and the statements of de-identification are there and true."""
    image, ds = clean(tmp_path, SequenceOfUltrasoundRegions=[region(*BOX)])
    assert ("application/dicom", 800, 540, 1, "dicom") == (
        image.media_type, image.width_px, image.height_px, image.frame_count, image.source_format,
    )  # fmt: skip
    assert "1.2.840.10008.1.2.1" == ds.file_meta.TransferSyntaxUID
    assert ("YES", "NO", "MODIFIED") == (
        ds.PatientIdentityRemoved, ds.BurnedInAnnotation, ds.LongitudinalTemporalInformationModified,
    )  # fmt: skip
    assert ["113100", "113101", "113107"] == [
        code.CodeValue for code in ds.DeidentificationMethodCodeSequence
    ]
    assert BOX[0] == ds.SequenceOfUltrasoundRegions[0].RegionLocationMinX0
    pixels, sector = ds.pixel_array, screen().sector
    assert not pixels[:56].any()
    assert np.mean(pixels[sector] == PICTURE[sector]) > 0.99


def test_ids_are_the_same_for_the_same_patient_and_key(tmp_path: Path) -> None:
    """Same UID, same new UID; dates of a patient move together; another key gives other ids."""
    _, first = clean(tmp_path)
    _, second = clean(tmp_path, SOPInstanceUID="1.2.3.4.9")
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert (first.PatientID, first.StudyDate) == (second.PatientID, second.StudyDate)
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert KEY.uid("1.2.3.4.2") == first.StudyInstanceUID
    assert KEY.uid("1.2.3.4.2") != SiteKey(secret=b"x" * 32).uid("1.2.3.4.2")
    assert "20240229" > first.StudyDate >= "20230301"


@pytest.mark.parametrize("day", ["", "2024", "20241399", "abcdefgh", "00010101"])
def test_no_date_stays_no_date(day: str) -> None:
    """What is no date gives an empty date, not an error and not itself."""
    assert "" == KEY.shifted(day, "p")


@pytest.mark.req("READ-02")
@pytest.mark.parametrize(
    ("regions", "spacing", "given", "expected"),
    [
        ([region(*BOX, spacing_cm=0.02)], [0.5, 0.5], 0.9, (0.2, "dicom_region")),
        ([], [0.5, 0.5], 0.9, (0.5, "pixel_spacing")),
        ([], [0.5, 0.7], 0.9, (0.9, "given")),
        ([], None, 0.9, (0.9, "given")),
        ([], None, None, (None, None)),
        ([region(40, 58, 400, 530), region(401, 58, 790, 530, spacing_cm=0.03)], None, None, (None, None)),
    ],
)
def test_scale_sources_in_order(
    tmp_path: Path,
    regions: list[Dataset],
    spacing: list[float] | None,
    given: float | None,
    expected: tuple[float | None, str | None],
) -> None:
    """Region, then PixelSpacing, then the order's scale; regions that disagree give none."""
    changes: dict[str, Any] = {"SequenceOfUltrasoundRegions": regions} if regions else {}
    if spacing:
        changes["PixelSpacing"] = spacing
    image, _ = clean(tmp_path, rule="trusted", mm=given, **changes)
    assert expected[0] == pytest.approx(image.mm_per_pixel)
    assert expected[1] == image.scale_source


def test_pixels_outside_the_regions_are_black(tmp_path: Path) -> None:
    """Tissue-like pixels outside the stated region go as well."""
    _, ds = clean(tmp_path, SequenceOfUltrasoundRegions=[region(200, 100, 600, 450)])
    pixels = ds.pixel_array
    assert pixels[110:440, 210:590].any()
    pixels[100:451, 200:601] = 0
    assert not pixels.any()


def test_trusted_keeps_every_pixel(tmp_path: Path) -> None:
    """Under `trusted` the pixels stay, the data set is rebuilt, and nothing is claimed of the pixels."""
    _, ds = clean(tmp_path, rule="trusted")
    assert np.array_equal(PICTURE, ds.pixel_array)
    assert "BurnedInAnnotation" not in ds
    assert ["113100", "113107"] == [code.CodeValue for code in ds.DeidentificationMethodCodeSequence]
    assert NAME not in str(ds)


def test_a_loop_keeps_its_frames(tmp_path: Path) -> None:
    """Every frame of a loop is masked by one mask; frame time and count stay."""
    loop = np.stack([screen(seed).pixels for seed in range(4)])
    image, ds = clean(tmp_path, loop)
    assert 4 == image.frame_count == ds.NumberOfFrames
    assert 40 == ds.FrameTime
    assert not ds.pixel_array[:, :56].any()
    assert ds.pixel_array[3][screen(3).sector].mean() > 30


def test_text_in_one_frame_holds_the_loop(tmp_path: Path) -> None:
    """A name that stands on the sector in one sampled frame holds the whole loop."""
    import cv2

    loop = np.stack([screen(seed, banner=False).pixels for seed in range(3)])
    cv2.putText(loop[1], "DOE JOHN 1990", (330, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 0, 6, cv2.LINE_AA)
    cv2.putText(loop[1], "DOE JOHN 1990", (330, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2, cv2.LINE_AA)
    reply = run(tmp_path, dicom(loop))
    assert ("held", EdgeReason.PIXELS_MAY_IDENTIFY) == (reply.outcome, reply.reason)
    assert [] == list((tmp_path / "out").iterdir())


def test_same_capture_gives_the_same_bytes(tmp_path: Path) -> None:
    """A repeat after a crash gives the same id and the same bytes."""
    first, _ = clean(tmp_path)
    second, _ = clean(tmp_path)
    assert (first.image_id, first.sha256) == (second.image_id, second.sha256)


def test_missing_uids_are_made(tmp_path: Path) -> None:
    """An object without study and series gets ids of its own that stay the same on a repeat."""
    _, ds = clean(tmp_path, StudyInstanceUID="", SeriesInstanceUID="")
    assert ds.StudyInstanceUID.startswith("2.25.")
    assert ds.StudyInstanceUID != ds.SeriesInstanceUID


def test_dcmtk_reads_what_is_written(tmp_path: Path, program: Any) -> None:
    """A reader that we did not write takes the object."""
    image, _ = clean(tmp_path, SequenceOfUltrasoundRegions=[region(*BOX)])
    done = subprocess.run(
        [program("dcmdump", "dcmtk"), "-q", str(image.path)], capture_output=True, check=True
    )
    assert b"PixelData" in done.stdout


@pytest.mark.parametrize("frame_count", [1, 4])
def test_what_is_written_conforms(tmp_path: Path, program: Any, frame_count: int) -> None:
    """A validator of DICOM's information object definitions finds no error: from a whole object, from one without
    optional facts, from a still and from a loop."""
    frames = PICTURE if frame_count == 1 else np.stack([PICTURE] * frame_count)
    validator = program("dciodvfy", "dicom3tools")
    for name, changes in (("whole", {"SequenceOfUltrasoundRegions": [region(*BOX)]}), ("bare", {})):
        folder = tmp_path / name
        folder.mkdir()
        image, _ = clean(folder, frames, **changes)
        done = subprocess.run([validator, str(image.path)], capture_output=True, text=True, check=False)
        assert "USMultiFrameImage" in done.stderr if frame_count > 1 else "USImage" in done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        assert not errors, name


def test_explicit_scan_reads_back(tmp_path: Path) -> None:
    """Our own walk finds the written object whole."""
    from edge_agent.formats.ends import Ending, structure

    image, _ = clean(tmp_path)
    data = image.path.read_bytes()
    assert Ending.COMPLETE is structure(BytesIO(data), len(data)).ending
