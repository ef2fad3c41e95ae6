"""Series go through the line: a folder of mixed files, sent by the agent's command, is a series of the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import UID

from tests.cloud.series.phantom import AXIAL, NAME, SERIES, STUDY, centred, even, header, write, write_series
from tests.line_machine import Line, wait_for

COUNT = 12
WHERE = "-0.5,-0.5,0"
PLANE = f"c={WHERE}&u=1,0,0&v=0,1,0&size=16&px=1"
STRUCTURED_REPORT = UID("1.2.840.10008.5.1.4.1.1.88.11")
PRESENTATION = UID("1.2.840.10008.5.1.4.1.1.11.1")
SECONDARY_CAPTURE = UID("1.2.840.10008.5.1.4.1.1.7")
REFUSED = {
    "report.dcm": "STRUCTURED_REPORT",
    "state.dcm": "PRESENTATION_STATE",
    "scout.dcm": "LOCALIZER",
    "save.dcm": "DERIVED_SCREEN_SAVE",
    "empty.dcm": "NO_PIXEL_DATA",
    "none.dcm": "ZERO_FRAMES",
    "capture.dcm": "NOT_OF_A_SERIES",
    "picture.png": "NOT_OF_A_SERIES",
    "notes.txt": "NOT_AN_IMAGE",
}


def mixed_folder(folder: Path, line: Line) -> Path:
    """A CT series of COUNT slices, and one file for every reason of REFUSED."""
    write_series(
        folder / "Zhang_Wei" / "ct",
        centred(AXIAL, even(COUNT, 2.0)),
        SeriesDescription="Zhang Wei head",
        PatientBirthDate="19620405",
        FrameOfReferenceUID=f"{SERIES}.99",
        RescaleSlope=1,
        RescaleIntercept=-1024,
    )
    pixels = np.full((48, 48), 700, np.int16)
    other = folder / "other"
    write(other / "report.dcm", header(101, SOPClassUID=STRUCTURED_REPORT, Modality="SR"))
    write(other / "state.dcm", header(102, SOPClassUID=PRESENTATION, Modality="PR"))
    write(other / "scout.dcm", header(103, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), pixels)
    write(other / "save.dcm", header(104, ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"]), pixels + 1)
    write(other / "empty.dcm", header(105, Rows=48, Columns=48))
    write(other / "none.dcm", header(106, NumberOfFrames=0), pixels + 2)
    write(other / "capture.dcm", header(107, SOPClassUID=SECONDARY_CAPTURE), pixels + 3)
    (other / "picture.png").write_bytes(line.png_bytes())
    (other / "notes.txt").write_text("Zhang Wei, notes")
    return folder


def command(line: Line, *arguments: str | Path) -> list[str]:
    """`sonorelay-agent send` with the line's folders."""
    assert line.endpoints is not None
    link = ["--data", line.data / "agent", "--cloud", line.endpoints.grpc, "--device-id", "room-1"]
    return [sys.executable, "-m", "edge_agent", "send", *map(str, [*link, *arguments])]


def series_of(line: Line, count: int) -> list[Any]:
    """The server's series once they hold `count` images."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = line.client.get_json("/api/series")["items"]
        return sum(each["image_count"] for each in found) >= count

    wait_for(look, f"{count} images in series", line)
    return found


def check_untouched(line: Line) -> None:
    """Asserts that neither prints nor examinations show anything of an order."""
    assert [] == line.client.get_json("/api/captures?limit=200")["items"]
    assert [] == line.client.get_json("/api/examinations")["items"]


def check_nothing_left(line: Line) -> None:
    """Asserts that no original identity lies in any file of the cloud."""
    originals = [NAME.split("=")[0], "Zhang", STUDY, SERIES, "P-1", "19620405", "Zhang_Wei"]
    for path in (line.data / "cloud").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert [] == [name for name in originals if len(name) > 4 and name.encode() in data], path


@pytest.mark.req("MPR-05")
def test_a_mixed_folder_is_one_series(tmp_path: Path) -> None:
    """What can be used is one volume, what cannot is named with its reason, and the worklist knows of neither."""
    with Line(tmp_path / "line") as line:
        line.cloud()
        folder = mixed_folder(tmp_path / "mixed", line)
        sent = subprocess.run(
            command(line, "--path", folder, "--series", "--label", "study-7", "--wait"),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert 3 == sent.returncode, sent.stdout + sent.stderr
        for name, reason in REFUSED.items():
            (told,) = [row for row in sent.stdout.splitlines() if name in row]
            assert told.startswith("refused: ")
            assert reason in told
        assert COUNT == sum(row.startswith("sent: ") for row in sent.stdout.splitlines())
        (series,) = series_of(line, COUNT)
        assert (COUNT, "CT", "agent", "volume", "HEAD") == tuple(
            series[name] for name in ("image_count", "modality", "source", "kind", "body_part")
        )
        assert series["mpr"]["ready"]
        facts = line.client.get_json(f"/api/series/{series['series_id']}")
        assert ([], []) == (facts["missing"], facts["left_out"])
        seen = np.frombuffer(line.client.get(f"/api/series/{series['series_id']}/slice?{PLANE}"), "<i2")
        assert abs(float(seen.reshape(16, 16)[8, 8]) - (200 - 1024)) < 12
        (order,) = line.client.get_json("/api/series/orders")["items"]
        assert ("room-1", "study-7", COUNT + len(REFUSED), COUNT) == tuple(
            order[name] for name in ("device_id", "label", "file_count", "stored_count")
        )
        told_reasons = {each["reason"]: each["count"] for each in order["set_aside"]}
        assert (set(REFUSED.values()), 2) == (set(told_reasons), told_reasons["NOT_OF_A_SERIES"])
        check_untouched(line)
        check_nothing_left(line)
        held = line.state()
        assert (COUNT, COUNT, []) == (len(held.part_indices), len(held.ledger_indices), held.results)


def test_killed_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    """kill -9 while files are on their way: the same command again, and each file is there exactly once."""
    count = 60
    folder = tmp_path / "ct"
    write_series(folder, centred(AXIAL, even(count, 1.0)), side_px=128)
    with Line(tmp_path / "line") as line:
        line.cloud()
        arguments = command(line, "--path", folder, "--series", "--wait")
        first = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: line.state().part_indices, "the first file", line, every_s=0.01)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        assert len(line.state().part_indices) < count
        began_s = time.monotonic()
        again = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)
        assert 0 == again.returncode, again.stdout + again.stderr
        assert f"{count} sent" in again.stdout
        assert time.monotonic() - began_s < 60
        (series,) = series_of(line, count)
        assert (count, True) == (series["image_count"], series["mpr"]["ready"])
        held = line.state()
        assert count == len(set(held.images)) == len(set(held.image_digests)) == len(held.ledger_indices)
        check_untouched(line)


@pytest.mark.req("MPR-05")
def test_a_gap_is_found_in_what_came_later(tmp_path: Path) -> None:
    """Slices that a second order brings fill the gap of the first, and the series says where they came from."""
    slices = write_series(tmp_path / "all", centred(AXIAL, even(COUNT, 2.0)))
    for name, some in (("first", slices[:4] + slices[6:]), ("later", slices[4:6])):
        for path in some:
            (tmp_path / name).mkdir(exist_ok=True)
            path.rename(tmp_path / name / path.name)
    with Line(tmp_path / "line") as line:
        line.cloud()
        for name, count in (("first", COUNT - 2), ("later", COUNT)):
            arguments = command(line, "--path", tmp_path / name, "--series", "--label", name, "--wait")
            subprocess.run(arguments, check=True, capture_output=True, timeout=120)
            (series,) = series_of(line, count)
            missing = line.client.get_json(f"/api/series/{series['series_id']}")["missing"]
            found = {each["number"]: each["found"] and each["found"]["code"] for each in missing}
            assert {5: None, 6: None} == found or name == "later"
        assert {5: "OTHER_UPLOAD_NEAR", 6: "OTHER_UPLOAD_NEAR"} == found
