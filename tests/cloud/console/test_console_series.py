"""Step 13: series over the API: the list, one series, planes, images and headers."""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from cloud.accounts.roles import Role
from tests.cloud.console.people import ask, person
from tests.cloud.console.planes_asked import SIDE, asked, numbers
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.uploading import send, series_of, upload_folder
from tests.cloud.console.world import brain_shot
from tests.cloud.series.phantom import (
    AXIAL,
    TURNED,
    centred,
    even,
    ramp,
    write,
    write_cine,
    write_enhanced,
    write_series,
)
from tests.cloud.series.phantom import header as phantom_header


@pytest.fixture(name="turned")
def _turned(console: RunningConsole, tmp_path: Path) -> Any:
    """An uploaded series along no axis of the patient, whose value at every place is a formula; its facts."""
    write_series(tmp_path / "files", centred(TURNED, even(24, 1.5)), TURNED)
    series_id = series_of(upload_folder(console, tmp_path / "files"))["series_id"]
    return send(console, "GET", f"/api/series/{series_id}").json


@pytest.mark.req("MPR-07")
def test_a_stored_reconstruction_is_a_series_of_its_own(console: RunningConsole, turned: Any) -> None:
    """Coronal planes 2 mm apart are stored, listed beside their source, and cut again give the body's values."""
    body = {"u": [1, 0, 0], "v": [0, 0, -1], "spacing_mm": 2, "first_mm": -10, "last_mm": 10}
    made = send(
        console, "POST", f"/api/series/{turned['series_id']}/reconstructions", json.dumps(body).encode()
    ).json
    assert ("reconstruction", 11, turned["study_id"], turned["patient"]) == (
        made["source"],
        made["image_count"],
        made["study_id"],
        made["patient"],
    )
    facts = send(console, "GET", f"/api/series/{made['series_id']}").json
    assert 2.0 == pytest.approx(facts["geometry"]["spacing_mm"][2])
    answer = send(console, "GET", f"/api/series/{made['series_id']}/slice?{asked(size=8)}")
    steps = (np.arange(8) - 3.5) * 0.5
    points = np.stack([*np.meshgrid(steps, steps), np.zeros((8, 8))], axis=-1)
    assert np.abs(numbers(answer, 8) - ramp(points)).max() <= 2
    listed = send(console, "GET", "/api/series").json["items"]
    assert [made["series_id"], turned["series_id"]] == [each["series_id"] for each in listed]


@pytest.mark.parametrize(
    "changes",
    [{"u": [0, 0, 0]}, {"v": [1, 0, 0]}, {"first_mm": 900, "last_mm": 901}, {"first_mm": 1, "last_mm": 0},
     {"spacing_mm": 1e-9, "first_mm": 0, "last_mm": 10}, {"spacing_mm": 0}],
)  # fmt: skip
def test_an_impossible_reconstruction_stores_nothing(
    console: RunningConsole, turned: Any, changes: Any
) -> None:
    """It is refused in words; no series is added."""
    body = {"u": [1, 0, 0], "v": [0, 0, -1], "spacing_mm": 2, **changes}
    answer = send(
        console, "POST", f"/api/series/{turned['series_id']}/reconstructions", json.dumps(body).encode()
    )
    known = send(console, "GET", "/api/series").json["items"]
    assert (422, 1) == (answer.status, len(known)), answer.body


@pytest.mark.req("MPR-08")
def test_a_series_without_positions_says_why_and_shows_its_images(
    console: RunningConsole, tmp_path: Path
) -> None:
    """No plane is cut: 409 with code and sentence in both languages; the images are there all the same."""
    for number in range(1, 13):
        write(tmp_path / "f" / f"{number}.dcm", phantom_header(number), np.full((16, 16), number))
    series = series_of(upload_folder(console, tmp_path / "f"))
    assert ("stack", False, "NO_POSITIONS") == (
        series["kind"],
        series["mpr"]["ready"],
        series["mpr"]["reason"]["code"],
    )
    answer = send(console, "GET", f"/api/series/{series['series_id']}/slice?{asked()}")
    assert (409, "NO_POSITIONS") == (answer.status, answer.json["code"])
    assert answer.json["en"]
    assert answer.json["zh"]
    image = send(console, "GET", f"/api/series/{series['series_id']}/images/4")
    assert {5} == set(numbers(image, 16).ravel().tolist())
    facts = send(console, "GET", f"/api/series/{series['series_id']}").json
    assert facts["geometry"] is None


@pytest.mark.req("MPR-06")
def test_too_few_images_are_no_volume(console: RunningConsole, tmp_path: Path) -> None:
    """Nine slices, one below the threshold, are shown as a stack with the reason."""
    write_series(tmp_path / "f", centred(AXIAL, even(9, 2)))
    series = series_of(upload_folder(console, tmp_path / "f"))
    assert ("stack", "TOO_FEW_IMAGES") == (series["kind"], series["mpr"]["reason"]["code"])


def test_an_enhanced_object_is_a_volume(console: RunningConsole, tmp_path: Path) -> None:
    """One multi-frame file whose functional groups say where each frame lies gives planes; de-identification keeps
    them."""
    write_enhanced(tmp_path / "f" / "one.dcm", centred(AXIAL, even(20, 2)))
    series = series_of(upload_folder(console, tmp_path / "f"))
    facts = send(console, "GET", f"/api/series/{series['series_id']}").json
    assert ("volume", 1, 20) == (facts["kind"], facts["image_count"], facts["frames"]["count"])
    answer = send(console, "GET", f"/api/series/{series['series_id']}/slice?{asked()}")
    steps = (np.arange(SIDE) - (SIDE - 1) / 2) * 0.5
    points = np.stack([*np.meshgrid(steps, steps), np.zeros((SIDE, SIDE))], axis=-1)
    assert np.abs(numbers(answer) - ramp(points)).max() <= 2


def test_a_loop_that_an_agent_captured_is_a_series(console: RunningConsole, tmp_path: Path) -> None:
    """It is listed as a loop with its image's id; its frames are read one by one out of the part that holds it."""
    path = write_cine(tmp_path / "cine.dcm", 5)
    ds = pydicom.dcmread(path)
    ds.PixelData = np.repeat(np.arange(5, dtype="<i2") * 10, 16 * 16).tobytes()
    ds.save_as(path)
    world, shot = console.world, brain_shot(3)
    capture_id = console.do(world.announce())
    before = b"another image of this part"
    images = [before, path.read_bytes()]
    still, loop = console.do(
        world.store_images(capture_id, images, [shot, shot], "application/dicom", frame_count=5)
    )
    listed = {each["series_id"]: each for each in send(console, "GET", "/api/series").json["items"]}
    assert {still, loop} == set(listed)
    assert ("loop", "agent", "US", capture_id, None) == tuple(
        listed[loop][name] for name in ("kind", "source", "modality", "study_id", "patient")
    )
    facts = send(console, "GET", f"/api/series/{loop}").json
    assert {"count": 5, "frame_time_ms": pytest.approx(40.0)} == facts["frames"]
    assert "CINE" == facts["mpr"]["reason"]["code"]
    for frame in (4, 0, 2):
        answer = send(console, "GET", f"/api/series/{loop}/images/0?frame={frame}")
        assert {10.0 * frame} == set(numbers(answer, 16).ravel().tolist())
    assert "PatientName" in {
        row["keyword"] for row in send(console, "GET", f"/api/series/{loop}/images/0/tags").json
    }


def test_the_list_comes_page_by_page(console: RunningConsole, tmp_path: Path) -> None:
    """Newest first, no series twice; it can be narrowed by modality and by what lists show; a foreign cursor is
    refused."""
    made = []
    for n, modality in enumerate(("CT", "MR", "CT", "MR", "CT")):
        uid = f"1.2.826.0.1.3680043.10.9.{n}"
        folder = tmp_path / str(n)
        tags = {"SeriesInstanceUID": uid, "SOPInstanceUID": f"{uid}.1", "Modality": modality}
        write(folder / "1.dcm", phantom_header(1, **tags), np.zeros((8, 8)))
        made.append(series_of(upload_folder(console, folder))["series_id"])
    seen, cursor = [], ""
    while cursor is not None:
        answer = send(console, "GET", f"/api/series?limit=2{f'&cursor={cursor}' if cursor else ''}").json
        seen += [each["series_id"] for each in answer["items"]]
        cursor = answer["next_cursor"]
    assert made[::-1] == seen
    found = send(console, "GET", "/api/series?modality=mr").json["items"]
    assert [made[3], made[1]] == [each["series_id"] for each in found]
    assert 5 == len(send(console, "GET", f"/api/series?q={found[0]['patient'][:6]}").json["items"])
    assert 0 == len(send(console, "GET", "/api/series?q=%25").json["items"])
    assert 422 == send(console, "GET", "/api/series?cursor=bm9uZQ").status


def test_looks_and_uploads_are_in_the_audit(console: RunningConsole, turned: Any) -> None:
    """Who saw a series, fetched its files, uploaded and stored stands there with the object's id."""
    doctor = person(console, Role.DOCTOR)
    series_id = turned["series_id"]
    for rest in ("", f"/slice?{asked()}", f"/slice?{asked(size=16)}", "/images/0", "/dicom.zip"):
        ask(console, "GET", f"/api/series/{series_id}{rest}", cookie=doctor)
    body = {"u": [1, 0, 0], "v": [0, 0, -1], "spacing_mm": 5}
    made = ask(console, "POST", f"/api/series/{series_id}/reconstructions", body, cookie=doctor).json
    admin = person(console, Role.ADMINISTRATOR)
    rows = ask(console, "GET", "/api/audit?actor=doctor", cookie=admin).json["rows"][::-1]
    wanted = [(r["act"], r["object_id"]) for r in rows if r["act"].startswith(("series", "reconstruct"))]
    assert [
        ("series_look", series_id),
        ("series_fetch", series_id),
        ("reconstruct", made["series_id"]),
    ] == wanted
    uploads = ask(console, "GET", "/api/audit?act=upload", cookie=admin).json["rows"]
    assert ["done"] == [row["outcome"] for row in uploads]


@pytest.mark.req("MPR-07")
def test_what_is_given_out_conforms(
    console: RunningConsole, turned: Any, tmp_path: Path, program: Any
) -> None:
    """A validator of DICOM's information object definitions finds no error in a stored reconstruction, and in a
    de-identified file none but those of its source, which has only what a slice needs."""
    validator = program("dciodvfy", "dicom3tools")
    body = json.dumps({"u": [1, 0, 0], "v": [0, 0, -1], "spacing_mm": 5}).encode()
    made = send(console, "POST", f"/api/series/{turned['series_id']}/reconstructions", body).json

    def errors(path: Path) -> set[str]:
        done = subprocess.run([validator, str(path)], capture_output=True, text=True, check=False)
        assert "CTImage" in done.stderr
        return {line for line in done.stderr.splitlines() if line.startswith("Error")}

    def first_of(series_id: str) -> Path:
        answer = send(console, "GET", f"/api/series/{series_id}/dicom.zip")
        archive = zipfile.ZipFile(io.BytesIO(answer.body))
        return Path(archive.extract("0001.dcm", tmp_path / series_id))

    assert set() == errors(first_of(made["series_id"]))
    assert errors(first_of(turned["series_id"])) <= errors(tmp_path / "files" / "001.dcm")


SLOW = asked(size=512, px=0.1, slab=40)
"""A plane that takes the worker long: a slab of 41 layers."""


def until_busy(console: RunningConsole, before: int) -> None:
    """Waits until a worker has got a request more than `before`."""
    while console.world.services.series.workers.computed == before:
        time.sleep(0.002)


def test_of_a_dragged_pane_the_newest_plane_is_cut(console: RunningConsole, turned: Any) -> None:
    """While the worker is busy, twenty planes of one pane are asked for: most are answered 409 superseded without
    being cut, the last one is cut; another person's pane of the same name takes no part."""
    base = f"/api/series/{turned['series_id']}/slice?"
    other = console.do(console.world.add_token(Role.DOCTOR, "other"))
    send(console, "GET", base + asked())
    workers = console.world.services.series.workers
    before = workers.computed
    with ThreadPoolExecutor(24) as threads:
        busy = [threads.submit(send, console, "GET", base + SLOW) for _ in range(2)]
        until_busy(console, before)
        theirs = threads.submit(send, console, "GET", f"{base}{asked()}&pane=p", token=other)
        mine = [threads.submit(send, console, "GET", f"{base}{asked()}&pane=p") for _ in range(20)]
        statuses = Counter(each.result().status for each in mine)
        codes = {each.result().json["code"] for each in mine if each.result().status == 409}
        assert [200] * 3 == [each.result().status for each in (*busy, theirs)]
    assert {"superseded"} == codes
    assert statuses[200] >= 1
    assert workers.computed - before == 3 + statuses[200] < 23


def test_a_plane_whose_browser_went_away_is_not_cut(console: RunningConsole, turned: Any) -> None:
    """Connections that are closed while the worker is busy cost it nothing when their turn comes."""
    base = f"/api/series/{turned['series_id']}/slice?"
    send(console, "GET", base + asked())
    workers = console.world.services.series.workers
    before = workers.computed
    with ThreadPoolExecutor(2) as threads:
        busy = [threads.submit(send, console, "GET", base + SLOW) for _ in range(2)]
        until_busy(console, before)
        waiting = [http.client.HTTPConnection("127.0.0.1", console.port) for _ in range(10)]
        for connection in waiting:
            connection.request("GET", base + asked(), headers={"Authorization": f"Bearer {console.token}"})
        for connection in waiting:
            connection.close()
        assert [200, 200] == [each.result().status for each in busy]
    # The queue is in order: when this is answered, those that were closed have had their turn.
    assert 200 == send(console, "GET", base + asked()).status
    assert 3 == workers.computed - before
