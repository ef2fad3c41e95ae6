"""Printed files hold the pixels, the truth and the made-up patient."""

import hashlib
import io
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pypdfium2
import pytest
from pydicom.uid import UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from edge_agent.simulator.__main__ import main
from edge_agent.simulator.exam import Shot, cine, draw_examination, examinations, shots
from edge_agent.simulator.head import TRANS_VENTRICULAR
from edge_agent.simulator.patients import draw_patient
from edge_agent.simulator.pdf import one_page_pdf
from edge_agent.simulator.phantom import (
    NORMAL,
    THORAX,
    VENTRICULOMEGALY,
    brain_phantom,
    draw_fetus,
    other_phantom,
)
from edge_agent.simulator.printer import Printer
from edge_agent.simulator.screen import LAYOUTS, MARK, Scan
from edge_agent.simulator.write import FORMATS, encode

# The first picture of this seed's first examination is a cine of ten frames.
CINE_SEED = 29


@pytest.fixture(scope="module")
def gray() -> Shot:
    """A still of a gray machine."""
    return _shot(0)


@pytest.fixture(scope="module")
def colour() -> Shot:
    """A still of a colour machine."""
    return _shot(1)


def _shot(layout: int) -> Shot:
    rng = np.random.default_rng(layout)
    first = next(shots(1, cines=False))
    frame = Scan(
        brain_phantom(rng, TRANS_VENTRICULAR, draw_fetus(rng, NORMAL)), LAYOUTS[layout], None, rng
    ).frame()
    return replace(first, frames=(frame,), machine=LAYOUTS[layout].machine)


@pytest.fixture(scope="module")
def moving() -> Shot:
    """A cine of a beating heart."""
    rng = np.random.default_rng(3)
    scan = Scan(other_phantom(rng, THORAX, draw_fetus(rng, NORMAL)), LAYOUTS[0], None, rng)
    return replace(next(shots(2, cines=False)), frames=cine(scan, 10, rng))


@pytest.mark.parametrize("name", ["png", "bmp", "tiff"])
def test_lossless_files_hold_the_pixels(name: str, gray: Shot, colour: Shot) -> None:
    """PNG, BMP and TIFF give back exactly the pixels, colour in the right order."""
    for shot in (gray, colour):
        read = cv2.imdecode(np.frombuffer(encode(shot, name), np.uint8), cv2.IMREAD_UNCHANGED)
        assert read is not None
        if read.ndim == 3:
            read = cv2.cvtColor(read, cv2.COLOR_BGR2RGB)
        assert np.array_equal(read, shot.still.pixels)


def test_jpeg_is_close_to_the_pixels(gray: Shot) -> None:
    """JPEG loses less than two gray values on average."""
    read = cv2.imdecode(np.frombuffer(encode(gray, "jpeg"), np.uint8), cv2.IMREAD_UNCHANGED)
    assert read is not None
    assert np.abs(read.astype(int) - gray.still.pixels.astype(int)).mean() < 2.0


def test_pdf_embeds_the_pixels(gray: Shot, colour: Shot) -> None:
    """The image inside the PDF is the still, pixel for pixel, and the page bears the standing mark."""
    for shot in (gray, colour):
        document = pypdfium2.PdfDocument(encode(shot, "pdf"))
        assert len(document) == 1
        page = document[0]
        images = [found for found in page.get_objects() if isinstance(found, pypdfium2.PdfImage)]
        assert len(images) == 1
        read = images[0].get_bitmap(render=False).to_numpy()
        expected = shot.still.pixels
        if read.ndim == 3:
            # pdfium hands out blue first, and gray as three equal channels.
            expected = np.atleast_3d(expected)[..., ::-1]
        assert read.shape[:2] == expected.shape[:2]
        assert (read == expected).all()
        assert MARK in page.get_textpage().get_text_bounded()
        document.close()


def test_pdf_escapes_its_caption() -> None:
    """Brackets and backslashes of a caption neither end the string nor vanish."""
    document = pypdfium2.PdfDocument(one_page_pdf(np.zeros((4, 4), np.uint8), r"a (b) \c"))
    assert r"a (b) \c" in document[0].get_textpage().get_text_bounded()
    document.close()


def test_dicom_still_is_a_calibrated_ultrasound_image(gray: Shot, colour: Shot) -> None:
    """SOP class, pixels, region and its centimetres per pixel are those of the still."""
    for shot, kind in ((gray, "MONOCHROME2"), (colour, "RGB")):
        ds = pydicom.dcmread(io.BytesIO(encode(shot, "dicom")))
        assert ds.SOPClassUID == UltrasoundImageStorage
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert kind == ds.PhotometricInterpretation
        assert np.array_equal(ds.pixel_array, shot.still.pixels)
        region = ds.SequenceOfUltrasoundRegions[0]
        assert (region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection) == (3, 3)
        assert shot.still.truth.mm_per_pixel == pytest.approx(10.0 * region.PhysicalDeltaX)
        x0, y0, x1, y1 = shot.still.truth.sector_box
        found = (region.RegionLocationMinX0, region.RegionLocationMinY0)
        assert (x0, y0) == found
        assert (x1 - 1, y1 - 1) == (region.RegionLocationMaxX1, region.RegionLocationMaxY1)
        assert MARK in ds.ImageComments


def test_dicom_carries_identity_that_a_deidentifier_must_find(gray: Shot) -> None:
    """The made-up name stands in the standard elements, in a private block and in a description."""
    ds = pydicom.dcmread(io.BytesIO(encode(gray, "dicom")))
    assert gray.patient.patient_id == ds.PatientID
    assert gray.patient.latin == ds.private_block(0x0019, "SONORELAY SIM")[0x01].value
    assert gray.patient.latin in ds.StudyDescription
    assert str(ds.PatientName).startswith(gray.patient.person_name.split("^")[0])


def test_dicom_chinese_names_read_back(gray: Shot) -> None:
    """Names in GB18030 and UTF-8 give back their ideographs."""
    patients = [draw_patient(np.random.default_rng(seed)) for seed in range(40)]
    assert {one.character_set for one in patients} == {"", "GB18030", "ISO_IR 192"}
    for patient in patients:
        if patient.character_set:
            ds = pydicom.dcmread(io.BytesIO(encode(replace(gray, patient=patient), "dicom")))
            assert patient.person_name.split("=")[1] == ds.PatientName.ideographic


def test_dicom_cine_holds_every_frame(moving: Shot) -> None:
    """A cine is an Ultrasound Multi-frame image with all frames in order, and they differ."""
    ds = pydicom.dcmread(io.BytesIO(encode(moving, "dicom")))
    assert ds.SOPClassUID == UltrasoundMultiFrameImageStorage
    assert ds.NumberOfFrames == 10
    assert np.array_equal(ds.pixel_array, np.stack([frame.pixels for frame in moving.frames]))
    assert float(ds.FrameTime) == pytest.approx(40.0)
    assert not np.array_equal(moving.frames[0].pixels, moving.frames[5].pixels)


@pytest.mark.parametrize("name", list(FORMATS))
def test_same_shot_same_bytes(name: str, gray: Shot) -> None:
    """No format stamps time or chance into a file."""
    assert encode(gray, name) == encode(gray, name)


def test_pictures_of_one_examination_share_study_and_series(gray: Shot) -> None:
    """Two instances have one study, one series and two instance UIDs."""
    other = replace(gray, instance=gray.instance + 1)
    first, second = (pydicom.dcmread(io.BytesIO(encode(shot, "dicom"))) for shot in (gray, other))
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_examinations_repeat_by_seed_and_keep_one_finding() -> None:
    """The same seed gives the same pixels; brain pictures of one examination agree on the finding."""
    first, again = (next(examinations(5, cines=False)) for _ in range(2))
    assert first.patient == again.patient
    for one, two in zip(first.shots, again.shots, strict=True):
        assert np.array_equal(one.still.pixels, two.still.pixels)
    found = {shot.still.truth.finding for shot in first.shots} - {None}
    assert found == {first.finding}
    # One fetus: its age and its head are the same in every picture.
    assert len({shot.still.truth.weeks for shot in first.shots}) == 1
    heads = [shot.still.truth.hc_mm for shot in first.shots if shot.still.truth.hc_mm is not None]
    assert heads == pytest.approx([heads[0]] * len(heads))
    assert [shot.instance for shot in first.shots] == list(range(1, len(first.shots) + 1))


def test_the_mix_holds_every_type_and_both_findings() -> None:
    """Six examinations show all types, normal heads and wide ventricles."""
    seen = [shot.still.truth for number in range(6) for shot in draw_examination(0, number, cines=False)]
    assert {truth.type for truth in seen} == {"brain", "abdomen", "femur", "thorax"}
    assert {NORMAL, VENTRICULOMEGALY} <= {truth.finding for truth in seen}


def _printer(folder: Path, sleep: Callable[[float], None], **options: object) -> Printer:
    folder.mkdir()
    return Printer(folder, seed=3, formats=("png", "jpeg"), cines=False, sleep=sleep, **options)  # type: ignore[arg-type]


def test_printer_prints_the_same_bytes_for_the_same_seed(tmp_path: Path) -> None:
    """Two runs into two folders give the same names and digests, which are those of the files."""
    one = _printer(tmp_path / "a", lambda _: None).print(4)
    two = _printer(tmp_path / "b", lambda _: None).print(4)
    assert [(p.name, p.sha256) for p in one] == [(p.name, p.sha256) for p in two]
    assert [p.name for p in one[:2]] == ["PRINT_0001.png", "PRINT_0002.jpg"]
    for printed in one:
        data = (tmp_path / "a" / printed.name).read_bytes()
        assert (printed.sha256, printed.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert {p.name for p in (tmp_path / "a").iterdir()} == {p.name for p in one}


def test_printer_spools_both_ways(tmp_path: Path) -> None:
    """Some files grow under their final name in pieces, others appear whole by renaming."""
    folder = tmp_path / "out"
    grown: set[str] = set()

    def watch(_: float) -> None:
        grown.update(entry.name for entry in folder.iterdir())

    printed = _printer(folder, watch).print(6)
    assert {p.spooling for p in printed} == {"rename", "pieces"}
    last_slow = max(i for i, p in enumerate(printed) if p.spooling == "pieces")
    assert printed[last_slow].name in grown
    assert not any(name.startswith(".") for name in grown)


def test_printer_keeps_its_rate(tmp_path: Path) -> None:
    """At two files a second, a printer whose files cost no time sleeps half a second between them."""
    now = [100.0]
    long: list[float] = []

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if seconds > 0.1:
            long.append(seconds)

    _printer(tmp_path / "out", sleep, rate_per_s=2.0, clock=lambda: now[0]).print(3)
    # Slow writing eats into the half second; together they make up the rate.
    assert len(long) == 2
    assert now[0] - 100.0 == pytest.approx(1.0, abs=0.11)


def test_printer_overwrites_nothing(tmp_path: Path) -> None:
    """A second printer on the same folder goes on after the highest number."""
    first = _printer(tmp_path / "out", lambda _: None).print(1)
    again = Printer(tmp_path / "out", seed=3, sleep=lambda _: None).print(1)
    assert (first[0].name, again[0].name) == ("PRINT_0001.png", "PRINT_0002.png")


@pytest.mark.parametrize(
    "options", [{"formats": ("gif",)}, {"formats": ()}, {"rate_per_s": -1.0}], ids=["gif", "none", "rate"]
)
def test_printer_refuses_what_it_cannot_do(tmp_path: Path, options: dict[str, object]) -> None:
    """An unknown format, no format and a negative rate are errors before anything is printed."""
    with pytest.raises(ValueError, match=r"formats|rate"):
        Printer(tmp_path, **options)  # type: ignore[arg-type]


def test_leaving_cines_out_changes_no_still() -> None:
    """With cines, the same pictures are taken: a cine's first frame is the still that it replaces."""
    with_cine, without = (
        list(islice(draw_examination(CINE_SEED, 0, cines=allowed), 2)) for allowed in (True, False)
    )
    assert [len(shot.frames) for shot in with_cine] == [10, 1]
    for one, two in zip(with_cine, without, strict=True):
        assert one.still.truth.ellipse == two.still.truth.ellipse
        assert one.still.truth.mm_per_pixel == two.still.truth.mm_per_pixel
        assert len(two.frames) == 1


def test_cines_are_printed_as_dicom_only(tmp_path: Path) -> None:
    """Where dicom is among the formats a cine goes out as dicom, whatever format is next in turn."""
    printer = Printer(tmp_path, seed=CINE_SEED, formats=("png", "dicom"), sleep=lambda _: None)
    (printed,) = printer.print(1)
    assert (printed.format, printed.frame_count) == ("dicom", 10)
    assert pydicom.dcmread(tmp_path / printed.name).NumberOfFrames == 10


def test_command_prints_and_writes_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--out --count --formats --truth --no-banner` print, show progress and leave a matching truth file."""
    out, truth = tmp_path / "prints", tmp_path / "truth.json"
    arguments = ["--out", str(out), "--count", "2", "--formats", "pdf,png", "--seed", "4"]
    assert main([*arguments, "--truth", str(truth), "--no-banner"]) == 0
    entries = json.loads(truth.read_text(encoding="utf-8"))
    assert [entry["name"] for entry in entries] == ["PRINT_0001.pdf", "PRINT_0002.png"]
    for entry in entries:
        assert entry["sha256"] == hashlib.sha256((out / entry["name"]).read_bytes()).hexdigest()
        assert entry["truth"]["burned_texts"] == []
    assert "[2/2] PRINT_0002.png" in capsys.readouterr().err


def test_command_refuses_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown format ends with code 2 and names the formats that exist."""
    with pytest.raises(SystemExit) as ended:
        main(["--out", str(tmp_path), "--formats", "gif"])
    assert ended.value.code == 2
    assert "png, jpeg" in capsys.readouterr().err


def test_command_says_when_the_folder_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file where the folder should be ends with code 1 and a sentence."""
    (tmp_path / "file").write_bytes(b"")
    assert main(["--out", str(tmp_path / "file"), "--count", "1"]) == 1
    assert "cannot print into" in capsys.readouterr().err


def test_dicom_conforms(tmp_path: Path, program: Callable[[str, str], str]) -> None:
    """A validator of DICOM's information object definitions finds no error in printed stills and loops."""
    validator = program("dciodvfy", "dicom3tools")
    kinds: set[str] = set()
    for each in Printer(tmp_path, formats=("dicom",), seed=CINE_SEED).print(3):
        done = subprocess.run(
            [validator, str(tmp_path / each.name)], capture_output=True, text=True, check=False
        )
        kinds.update(line for line in done.stderr.splitlines() if line.startswith("US"))
        assert not [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert kinds == {"USImage", "USMultiFrameImage"}


@pytest.mark.req("READ-11")
def test_only_cines_whose_probe_slides_away(tmp_path: Path) -> None:
    """With `--cine` every file is a DICOM loop that begins on its plane and at whose end the head is gone."""
    truth = tmp_path / "truth.json"
    assert 0 == main(
        ["--out", str(tmp_path / "a"), "--count", "1", "--seed", "3", "--cine", "--truth", str(truth)]
    )
    (one,) = json.loads(truth.read_text())
    assert ("dicom", True) == (one["format"], one["frame_count"] >= 10)
    frames = pydicom.dcmread(tmp_path / "a" / one["name"]).pixel_array
    assert one["frame_count"] == len(frames)
    ellipse = one["truth"]["ellipse"]
    outline = np.zeros(frames.shape[1:], np.uint8)
    box = ((ellipse["cx"], ellipse["cy"]), (2 * ellipse["a"], 2 * ellipse["b"]), ellipse["angle_deg"])
    cv2.ellipse(outline, box, 255, 9)
    on_skull = [float(frame[outline > 0].mean()) for frame in frames]
    held = round(0.75 * len(frames))
    assert min(on_skull[:held]) > 0.8 * on_skull[0]
    assert on_skull[-1] < 0.8 * on_skull[0]


def test_an_examination_can_begin_with_the_first_format(tmp_path: Path) -> None:
    """With `by_examination` the formats are taken in turn within each examination: its first print names the study,
    and says when the pregnancy began."""
    printed = Printer(
        tmp_path, formats=("dicom", "png", "jpeg"), seed=4, cines=False, by_examination=True
    ).print(9)
    turns: dict[str, list[str]] = {}
    for one in printed:
        turns.setdefault(one.patient_id, []).append(one.format)
    assert len(turns) > 1
    for formats in turns.values():
        assert ["dicom", "png", "jpeg", "dicom", "png"][: len(formats)] == formats
    first = pydicom.dcmread(tmp_path / printed[0].name)
    begin = datetime.strptime(first.LastMenstrualDate, "%Y%m%d")
    days = (datetime.strptime(first.StudyDate, "%Y%m%d") - begin).days
    assert round(7 * printed[0].truth.weeks) == days
