"""The command `sonorelay-cloud mpr`, as a person on the client uses it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pydicom
import pytest

from cloud.__main__ import main
from tests.cloud.series import phantom


@pytest.fixture(name="patient")
def _patient(tmp_path: Path) -> Path:
    """batch/Zhang_Wei/series with slices 1 to 12 without 7, which lies in a neighbouring folder; foreign files too."""
    positions = phantom.centred(phantom.AXIAL, phantom.even(12, 2.0))
    patient = tmp_path / "batch" / "Zhang_Wei"
    paths = phantom.write_series(patient / "series", positions)
    (patient / "lost").mkdir()
    paths[6].rename(patient / "lost" / "007.dcm")
    phantom.write_series(
        patient / "series" / "strangers", positions[:1], PatientName="Li^Na", SOPInstanceUID="1.8"
    )
    (patient / "series" / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (patient / "series" / "cut.dcm").write_bytes(paths[0].read_bytes()[:700])
    return patient


def run(patient: Path, out: Path, *more: str, plane: str = "coronal") -> tuple[int, dict[str, Any]]:
    """Exit code and account."""
    series = patient / "series"
    given = [
        "mpr",
        "--folder",
        str(series),
        "--current",
        str(series / "002.dcm"),
        "--plane",
        plane,
        "--out",
        str(out),
    ]
    code = main([*given, *more])
    path = out / "account.json"
    return code, json.loads(path.read_text()) if path.is_file() else {}


@pytest.mark.req("MPR-07")
@pytest.mark.req("MPR-09")
def test_pictures_and_an_account(patient: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PNG files, a DICOM series and an account of every file: used, or left out with its reason."""
    out = tmp_path / "out"
    code, told = run(patient, out, "--top", str(patient), "--dicom", "--slab", "4", "--step", "8")
    assert 0 == code
    names = [f"coronal-{number:04}" for number in range(1, 7)]
    assert [f"{name}.png" for name in names] == sorted(path.name for path in out.glob("*.png"))
    assert [f"{name}.dcm" for name in names] == sorted(path.name for path in (out / "dicom").iterdir())
    assert (
        "MPR coronal, slab 4 mm mean" == pydicom.dcmread(out / "dicom" / "coronal-0001.dcm").SeriesDescription
    )
    assert list(range(1, 13)) == [each["instance_number"] for each in told["used"]]
    assert {
        "cut.dcm": "HEADER_DAMAGED",
        "photo.jpg": "FOREIGN_FILE",
        "strangers/001.dcm": "OTHER_PATIENT",
    } == {each["file"]: each["reason"] for each in told["left_out"]}
    assert [7] == [each["instance_number"] for each in told["gaps"]["found_elsewhere"]]
    assert 6 == len(told["pictures"])
    assert {"left": "R", "right": "L", "top": "H", "bottom": "F"} == told["pictures"][0]["edges"]
    assert 0o600 == (out / "account.json").stat().st_mode & 0o777
    said = capsys.readouterr()
    assert "12 slices used" in said.out
    assert "1 of them found in" in said.err


@pytest.mark.req("MPR-05")
def test_no_patients_name_is_printed(
    patient: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed names neither the patient nor a folder, which is often named after one; nor does a failure."""
    run(patient, tmp_path / "out")
    (tmp_path / "Zhang_Wei_out").write_text("a file where the folder should be")
    code, _ = run(patient, tmp_path / "Zhang_Wei_out")
    assert 1 == code
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert "Zhang" not in text
        assert "张" not in text
    assert "writing failed" in said.err


@pytest.mark.req("MPR-05")
@pytest.mark.req("MPR-08")
def test_a_gap_that_stays_is_told(patient: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a search the missing number is in the account, and the hole in the notes."""
    code, told = run(patient, tmp_path / "out")
    assert 0 == code
    assert [7] == told["gaps"]["missing_instance_numbers"]
    assert "SLICES_MISSING_WITHIN" in [note["kind"] for note in told["geometry"]["notes"]]
    assert "missing by number: 7" in capsys.readouterr().out


@pytest.mark.req("MPR-09")
def test_names_of_files_that_are_no_utf8(patient: Path, tmp_path: Path) -> None:
    """A folder named in GB 18030, as older systems do, is in the account with its bytes written out."""
    strange = os.fsencode(patient / "series") + b"/" + "张".encode("gb18030") + b".txt"
    Path(os.fsdecode(strange)).write_bytes(b"")
    code, told = run(patient, tmp_path / "out")
    assert 0 == code
    assert "\\xd5\\xc5.txt" in [each["file"] for each in told["left_out"]]


@pytest.mark.req("MPR-06")
def test_too_few_images_are_refused_in_words(
    patient: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below the threshold there is no picture; the account and the output say why, in the language asked for."""
    code, told = run(patient, tmp_path / "out", "--threshold", "12", "--language", "zh")
    assert 1 == code
    assert "TOO_FEW_IMAGES" == told["geometry"]["refusal"]
    assert [] == list((tmp_path / "out").glob("*.png"))
    assert "重建至少需要 12 幅" in capsys.readouterr().out


@pytest.mark.req("MPR-08")
def test_a_slice_with_damaged_pixels_is_left_out(patient: Path, tmp_path: Path) -> None:
    """One file whose pixels cannot be decoded costs one slice, said in the account, not the reconstruction."""
    path = patient / "series" / "005.dcm"
    ds = pydicom.dcmread(path)
    ds.PixelData = ds.PixelData[:100]
    ds.save_as(path)
    code, told = run(patient, tmp_path / "out")
    assert 0 == code
    assert {"005.dcm": "PIXELS_UNREADABLE"}.items() <= {
        each["file"]: each["reason"] for each in told["left_out"]
    }.items()
    assert 10 == len(told["used"])


@pytest.mark.req("MPR-08")
def test_memory_has_a_cap(patient: Path, tmp_path: Path) -> None:
    """A volume above --memory is refused, and the account says by how much."""
    code, told = run(patient, tmp_path / "out", "--memory", "0.1")
    assert 1 == code
    assert "TOO_LARGE" == told["geometry"]["refusal"]


@pytest.mark.req("MPR-07")
def test_an_oblique_plane_through_a_point(patient: Path, tmp_path: Path) -> None:
    """Any angle, one cut where asked."""
    code, told = run(
        patient,
        tmp_path / "out",
        "--angles=45,0,0",
        "--at=3,-2,1",
        "--mode",
        "mip",
        "--slab",
        "2",
        plane="oblique",
    )
    assert 0 == code
    (picture,) = told["pictures"]
    assert {"left": "R", "right": "L"}.items() <= picture["edges"].items()
    assert picture["edges"]["bottom"] in {"PH", "HP"}


@pytest.mark.parametrize(
    "wrong",
    [
        ["--plane", "oblique"],
        ["--plane", "axial", "--angles=1,2,3"],
        ["--plane", "axial", "--slab=-1"],
        ["--plane", "axial", "--window=40,0"],
        ["--plane", "axial", "--threshold=1"],
        ["--plane", "axial", "--at=1,2"],
        ["--plane", "askew"],
        ["--plane", "axial", "--top=/nonexistent"],
    ],
)
def test_wrong_usage(patient: Path, tmp_path: Path, wrong: list[str]) -> None:
    """What cannot be meant is wrong usage, before anything is read or written."""
    series = patient / "series"
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "mpr",
                *(
                    "--folder",
                    str(series),
                    "--current",
                    str(series / "002.dcm"),
                    "--out",
                    str(tmp_path / "out"),
                ),
                *wrong,
            ]
        )
    assert 2 == ended.value.code
    assert not (tmp_path / "out").exists()


def test_a_current_image_that_is_none(
    patient: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the image now read is not readable, that is the answer."""
    code = main(
        [
            "mpr",
            *("--folder", str(patient), "--current", str(patient / "series" / "photo.jpg")),
            *("--plane", "axial", "--out", str(tmp_path / "out")),
        ]
    )
    assert 1 == code
    assert "FOREIGN_FILE" in capsys.readouterr().err
