"""Step 13: uploads over the API: what is taken, what is not and why, and what remains of the originals."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from cloud.accounts.roles import Role
from cloud.series.upload_entry import HEADER
from sonorelay.contract.merkle import part_root
from sonorelay.contract.notes import open_note
from tests.cloud.console.planes_asked import asked
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.uploading import begin, put, send, series_of, upload, upload_folder
from tests.cloud.series.phantom import (
    AXIAL,
    NAME,
    SERIES,
    STUDY,
    centred,
    even,
    write,
    write_cine,
    write_series,
)
from tests.cloud.series.phantom import header as phantom_header
from tests.cloud.series_site import SETTINGS

OTHER = "1.2.826.0.1.3680043.10.7"


def hostile_folder(folder: Path) -> dict[str, str]:
    """A series of 12 slices with all kinds of other files around it; by path, why each of these is not used."""
    series = folder / "batch 1" / "Zhang Wei" / "CT"
    write_series(series, centred(AXIAL, even(12, 2)))
    odd: dict[str, str] = {}

    def add(path: str, reason: str, data: bytes) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        odd[path] = reason

    whole = (series / "003.dcm").read_bytes()
    add("batch 1/photo.png", "FOREIGN_FILE", b"\x89PNG\r\n\x1a\n" + bytes(100))
    add("batch 1/scan.jpg", "FOREIGN_FILE", b"\xff\xd8\xff\xe0" + bytes(100))
    add("batch 1/empty.dcm", "FILE_EMPTY", b"")
    add("batch 1/text.dcm", "NOT_DICOM", b"This is a letter, not an image.\n" * 20)
    add("batch 1/Zhang Wei/CT/cut.dcm", "PIXELS_CUT_SHORT", whole[:-100])
    add("batch 1/Zhang Wei/CT/z copy of 003.dcm", "SAME_FILE", whole)
    add("batch 1/Zhang Wei/CT/z 003 again.dcm", "DUPLICATE_INSTANCE", whole + bytes(2))
    no_uid = phantom_header(70, SeriesInstanceUID=None)
    add("batch 1/no uid.dcm", "UID_MISSING", write(folder / "x", no_uid, np.zeros((8, 8))).read_bytes())
    report = phantom_header(71, SOPInstanceUID=f"{OTHER}.9")
    add("batch 1/report.dcm", "NOT_AN_IMAGE", write(folder / "x", report).read_bytes())
    random.seed(3)
    add("batch 1/noise.dcm", "NOT_DICOM", random.randbytes(5000))
    add("batch 1/cine.dcm", "TEXT_MAY_BE_BURNED_IN", write_cine(folder / "x", 3).read_bytes())
    (folder / "x").unlink()
    return odd


@pytest.mark.req("MPR-09")
@pytest.mark.req("MPR-03")
def test_a_hostile_folder_is_sorted_out(console: RunningConsole, tmp_path: Path) -> None:
    """Every file that is not used is named with its reason in both languages; the others become their series, also
    those of other patients, examinations and series."""
    folder = tmp_path / "folder"
    odd = hostile_folder(folder)
    strangers = {
        "other patient.dcm": {"PatientName": "Li^Na=李^娜", "SOPInstanceUID": f"{OTHER}.1"},
        "other study.dcm": {"StudyInstanceUID": f"{OTHER}.2", "SOPInstanceUID": f"{OTHER}.3"},
        "other series.dcm": {"SeriesInstanceUID": f"{OTHER}.4", "SOPInstanceUID": f"{OTHER}.5"},
        "wrongly typed uid.dcm": {"SeriesNumber": 99, "SOPInstanceUID": f"{OTHER}.6"},
    }
    for name, tags in strangers.items():
        write(folder / "batch 1" / name, phantom_header(1, **tags), np.ones((8, 8)))
    account = upload_folder(console, folder)
    assert odd == {each["path"]: each["reason"]["code"] for each in account["not_used"]}
    assert all(each["reason"]["en"] and each["reason"]["zh"] for each in account["not_used"])
    assert (16 + len(odd), 16) == (account["file_count"], account["used_count"])
    assert [1, 1, 1, 1, 12] == sorted(each["added_count"] for each in account["series"])
    largest = max((each["series"] for each in account["series"]), key=lambda each: each["image_count"])
    assert largest["mpr"]["ready"]
    facts = send(console, "GET", f"/api/series/{largest['series_id']}").json
    told = {each["reason"]["code"]: each["count"] for each in facts["left_out"]}
    assert {"OTHER_PATIENT": 1, "OTHER_STUDY": 1, "OTHER_SERIES_NUMBER": 1} == told


def bytes_below(folder: Path, but: str = "quarantine") -> dict[Path, bytes]:
    """Every file below a folder, without those below `but`."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in paths if but not in path.relative_to(folder).parts}


def test_nothing_of_the_original_identity_remains(console: RunningConsole, tmp_path: Path) -> None:
    """No name, id, UID, date, description, comment, private value or folder name of what was uploaded is anywhere in
    the data folder but in quarantine; there it is the owner's alone."""
    secret = {
        "PatientID": "MRN-778-Q",
        "PatientBirthDate": "19710213",
        "PatientAddress": "Lotusweg 9",
        "OtherPatientIDs": "MRN-OLD-1",
        "StudyDate": "20240519",
        "StudyTime": "112233.445566",
        "AccessionNumber": "ACC-5521",
        "StudyDescription": "Kopf Verlaufskontrolle",
        "SeriesDescription": "axial nach Sturz",
        "ProtocolName": "Schaedel Zhang",
        "InstitutionName": "Klinik am Teich",
        "ReferringPhysicianName": "Doe^Jane",
        "OperatorsName": "Tech^Tom",
        "DeviceSerialNumber": "SN-00991",
        "StationName": "RAUM7",
        "ImageComments": "Tel. 0171 555",
        "FrameOfReferenceUID": "1.2.826.0.1.3680043.10.77.5",
    }
    folder = tmp_path / "folder"
    for number, position in enumerate(centred(AXIAL, even(12, 2)), 1):
        ds = phantom_header(number, **secret)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "ZHANG"]
        ds.add_new(0x00091001, "LO", "private Zhang")
        ds.add_new(0x60003000, "OW", b"overlay text")
        ds.ImagePositionPatient = [str(round(float(value), 3)) for value in position]
        ds.ImageOrientationPatient, ds.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
        write(folder / "Zhang Wei Klinik" / f"{number}.dcm", ds, np.full((16, 16), number))
    (folder / "Zhang Wei Klinik" / "notes about Zhang.txt").write_text("private")
    account = upload_folder(console, folder)
    assert series_of(account)["mpr"]["ready"]
    data = tmp_path / "world"
    gone = [
        *secret.values(),
        *NAME.replace("=", "^").split("^"),
        STUDY,
        SERIES,
        "private Zhang",
        "overlay text",
        "Klinik",
    ]
    for path, found in bytes_below(data).items():
        lowered = found.lower()
        for text in gone:
            for encoding in ("utf-8", "utf-16-le"):
                assert text.lower().encode(encoding) not in lowered, (path.relative_to(data), text)
    kept = [path for path in (data / "quarantine").rglob("*") if path.is_file()]
    assert [0o600] * 2 == [path.stat().st_mode & 0o777 for path in kept]
    assert any("notes about Zhang.txt" in path.read_text() for path in kept)


def test_a_repeat_changes_nothing(console: RunningConsole, tmp_path: Path) -> None:
    """The same file again, and finishing again, give the same account; other bytes under the same path are refused."""
    (path,) = write_series(tmp_path / "f", centred(AXIAL, even(1, 2)))
    upload_id = begin(console)
    first, again = (put(console, upload_id, "a/1.dcm", path.read_bytes()) for _ in range(2))
    assert (200, first.json) == (again.status, again.json)
    assert 409 == put(console, upload_id, "a/1.dcm", b"other").status
    done = [send(console, "POST", f"/api/uploads/{upload_id}/finish").json for _ in range(2)]
    assert done[0] == done[1]
    assert 1 == done[0]["file_count"]
    assert done[0] == send(console, "GET", f"/api/uploads/{upload_id}").json
    assert 409 == put(console, upload_id, "a/2.dcm", path.read_bytes()).status


@pytest.mark.parametrize(
    "path", ["../x.dcm", "/etc/x.dcm", "a/../../x.dcm", "a\\..\\x.dcm", "x" * 1025, "a/\0.dcm"]
)
def test_a_path_that_leaves_the_folder_is_refused(console: RunningConsole, path: str) -> None:
    """422, and nothing is written."""
    assert 422 == put(console, begin(console), path, b"x").status


def test_only_who_began_goes_on(console: RunningConsole) -> None:
    """Another person's or machine's upload looks as if it were none."""
    upload_id = begin(console)
    other = console.do(console.world.add_token(Role.DOCTOR, "other"))
    for method, rest in (("GET", ""), ("POST", "/finish"), ("PUT", "/files?path=a.dcm")):
        assert 404 == send(console, method, f"/api/uploads/{upload_id}{rest}", b"", token=other).status
    assert 404 == send(console, "GET", f"/api/uploads/{uuid.uuid4()}").status


def test_a_finished_upload_is_one_ledger_entry(console: RunningConsole, tmp_path: Path) -> None:
    """It names the upload, counts, and the root over the stored files' digests; it is signed and without patient data.
    An upload that kept nothing has none."""
    write_series(tmp_path / "f", centred(AXIAL, even(3, 2)))
    (tmp_path / "f" / "x.txt").write_text("x")
    account = upload_folder(console, tmp_path / "f")
    world = console.world
    raw = console.do(world.services.ledger.entry(account["ledger_index"]))
    text, _ = open_note(raw, [world.services.ledger.verifier])
    lines = dict(line.split(" ", 1) for line in text.splitlines()[1:])
    blobs = [path for path in (tmp_path / "world" / "blobs" / "sha256").rglob("*") if path.is_file()]
    root = part_root(sorted(bytes.fromhex(path.name) for path in blobs)).hex()
    assert text.startswith(HEADER + "\n")
    assert len(raw) <= 1024
    expected = {
        "upload": account["upload_id"],
        "source": "browser",
        "files": "3",
        "refused": "1",
        "series": "1",
    }
    assert {**expected, "root": root} == {name: lines[name] for name in (*expected, "root")}
    empty = upload(console, [("x.txt", b"y")])
    assert (None, []) == (empty["ledger_index"], empty["series"])


@pytest.mark.req("MPR-05")
def test_missing_images_are_found_where_they_are(console: RunningConsole, tmp_path: Path) -> None:
    """Slices that lie in another folder, and others that a later upload brings, complete the series: both are said
    with the place; what is nowhere is named by its number. The volume changes its version."""
    paths = write_series(tmp_path / "f", centred(AXIAL, even(24, 2)))
    files = [("disc/CT/" + path.name, path.read_bytes()) for path in paths[:16]]
    files += [("disc/lost/" + path.name, path.read_bytes()) for path in paths[16:18]]
    first = series_of(upload(console, files))
    facts = send(console, "GET", f"/api/series/{first['series_id']}").json
    assert {17: "OTHER_FOLDER", 18: "OTHER_FOLDER"} == {
        each["number"]: each["found"]["code"] for each in facts["missing"]
    }
    later = [("other/" + path.name, path.read_bytes()) for path in (*paths[18:20], *paths[22:])]
    second = series_of(upload(console, later))
    assert (first["series_id"], 1, 2, 22) == (
        second["series_id"],
        first["version"],
        second["version"],
        second["image_count"],
    )
    facts = send(console, "GET", f"/api/series/{first['series_id']}").json
    near = dict.fromkeys((19, 20, 23, 24), "OTHER_UPLOAD_NEAR")
    found = {each["number"]: each["found"] and each["found"]["code"] for each in facts["missing"]}
    assert {17: "OTHER_FOLDER", 18: "OTHER_FOLDER", **near, 21: None, 22: None} == found
    assert "SLICES_MISSING_WITHIN" in {each["code"] for each in facts["geometry"]["remarks"]}
    outdated = send(console, "GET", f"/api/series/{first['series_id']}/slice?{asked(version=1)}")
    assert (409, "changed") == (outdated.status, outdated.json["code"])
    assert 200 == send(console, "GET", f"/api/series/{first['series_id']}/slice?{asked(version=2)}").status


def test_the_same_patient_keeps_one_pseudonym(console: RunningConsole, tmp_path: Path) -> None:
    """Series of one patient and study in several uploads share pseudonym and study; another patient has another."""
    found = []
    for n, tags in enumerate(({}, {}, {"PatientID": "P-2", "PatientName": "Li^Na"})):
        uid = f"{OTHER}.{n}"
        whole: dict[str, Any] = {"SeriesInstanceUID": uid, "SOPInstanceUID": f"{uid}.1", **tags}
        write(tmp_path / str(n) / "1.dcm", phantom_header(1, **whole), np.zeros((8, 8)))
        found.append(series_of(upload_folder(console, tmp_path / str(n))))
    assert found[0]["patient"] == found[1]["patient"] != found[2]["patient"]
    assert found[0]["study_id"] == found[1]["study_id"] != found[2]["study_id"]


def test_a_restart_keeps_everything(console: RunningConsole, tmp_path: Path) -> None:
    """Files of an upload that was under way, finished series and their planes are there when the server is back."""
    paths = write_series(tmp_path / "f", centred(AXIAL, even(12, 2)))
    upload_id = begin(console)
    for path in paths[:6]:
        put(console, upload_id, path.name, path.read_bytes())
    console.restart()
    for path in paths:
        assert 200 == put(console, upload_id, path.name, path.read_bytes()).status
    account = send(console, "POST", f"/api/uploads/{upload_id}/finish").json
    assert (12, 12) == (account["file_count"], account["used_count"])
    series_id = series_of(account)["series_id"]
    before = send(console, "GET", f"/api/series/{series_id}/slice?{asked()}")
    console.restart()
    assert before.body == send(console, "GET", f"/api/series/{series_id}/slice?{asked()}").body


def test_hostile_text_reaches_no_page(
    console: RunningConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markup, long and turned texts in any element are gone or plain text in JSON; the answer is no page."""
    hostile = "<script>alert(1)</script>"
    tags = {"BodyPartExamined": hostile, "SeriesDescription": "\u202egpj.exe", "PatientName": "A" * 60_000}
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    ds = phantom_header(1)
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    path = write(tmp_path / "f" / "1.dcm", ds, np.zeros((8, 8)))
    upload_id = begin(console)
    answer = put(console, upload_id, f"{hostile}/\u202e1.dcm", path.read_bytes())
    assert "VALUE_TOO_LONG" == answer.json["reason"]["code"]
    assert answer.headers["content-type"] == "application/json"
    ds.PatientName = "A"
    path = write(tmp_path / "f" / "2.dcm", ds, np.zeros((8, 8)))
    series = series_of(upload(console, [("2.dcm", path.read_bytes())]))
    assert "" == series["body_part"]
    tags_shown = send(console, "GET", f"/api/series/{series['series_id']}/images/0/tags")
    assert "script" not in json.dumps(tags_shown.json)


def test_a_compressed_file_loses_its_comments(console: RunningConsole, tmp_path: Path) -> None:
    """A JPEG's comment, where converters note names, is gone from the stored file; the picture is the same."""
    picture = (np.add.outer(np.arange(32), np.arange(32)) * 4).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    comment = b"converted for Zhang Wei"
    with_comment = jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
    ds = phantom_header(1, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0)
    ds.Rows, ds.Columns = 32, 32
    path = tmp_path / "f" / "1.dcm"
    write(path, ds)
    whole = pydicom.dcmread(path)
    whole.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    whole.PixelData = encapsulate([with_comment])
    whole["PixelData"].VR = "OB"
    whole.save_as(path)
    series = series_of(upload_folder(console, tmp_path / "f"))
    assert not any(comment in data for data in bytes_below(tmp_path / "world").values())
    image = send(console, "GET", f"/api/series/{series['series_id']}/images/0")
    shown = np.frombuffer(image.body, "<i2").reshape(32, 32)
    assert np.abs(shown - cv2.imdecode(np.frombuffer(jpeg, np.uint8), 0).astype(int)).max() <= 1


def test_a_full_disk_takes_no_file(tmp_path: Path, static_dir: Path) -> None:
    """Below the site's watermark a file is refused for now, with the time to come again, and nothing of it is kept."""
    (tmp_path / "full").mkdir()
    console = RunningConsole(
        tmp_path / "full", static_dir=static_dir, settings=replace(SETTINGS, free_min_bytes=2**62)
    )
    console.start()
    upload_id = begin(console)
    answer = put(console, upload_id, "1.dcm", b"x" * 1000)
    assert (503, True) == (answer.status, int(answer.headers["retry-after"]) >= 1)
    assert [] == list((tmp_path / "full" / "incoming").iterdir())
    assert 0 == send(console, "GET", f"/api/uploads/{upload_id}").json["file_count"]
    console.close()


def test_a_file_above_the_limit_is_named(
    console: RunningConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is larger than the server takes is cut off and said in the account; no part of it stays."""
    monkeypatch.setattr("cloud.series.uploads.FILE_MAX_BYTES", 1000)
    upload_id = begin(console)
    assert "FILE_TOO_LARGE" == put(console, upload_id, "large.dcm", b"x" * 1001).json["reason"]["code"]
    assert "NOT_DICOM" == put(console, upload_id, "small.dcm", b"x" * 1000).json["reason"]["code"]
    kept = [path.suffix for path in (tmp_path / "world" / "quarantine").rglob("*.*")]
    assert [".bin", ".json", ".json"] == sorted(kept)


def test_a_series_that_ends_its_reader_is_kept_with_the_reason(
    console: RunningConsole, tmp_path: Path
) -> None:
    """Where the worker dies on the headers, and its successor too, the upload is filed all the same: the series says
    that it could not be read; nothing is lost. Once it is opened, the list says what was seen."""
    write_series(tmp_path / "f", centred(AXIAL, even(12, 2)))
    workers = console.world.services.series.workers
    killed: set[int] = set()

    def kill_two() -> None:
        while len(killed) < 2:
            for pid in set(workers.pids) - killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)

    killer = threading.Thread(target=kill_two)
    killer.start()
    account = upload_folder(console, tmp_path / "f")
    killer.join()
    assert (12, "READING_FAILED") == (account["used_count"], series_of(account)["mpr"]["reason"]["code"])
    facts = send(console, "GET", f"/api/series/{series_of(account)['series_id']}").json
    (listed,) = send(console, "GET", "/api/series").json["items"]
    for shown in (facts, listed):
        assert ("volume", True, 12) == (shown["kind"], shown["mpr"]["ready"], shown["image_count"])
