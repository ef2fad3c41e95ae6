"""Real series through a real server: uploaded as folders, de-identified, each cut where it was, or refused with the
reason."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pydicom
import pytest
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import pixel_array

from cloud.series.arrival import Arrivals, Taken
from cloud.series.keys import SeriesKey
from cloud.series.read_header import read_header
from cloud.series.upload_reasons import words
from tests.cloud.console.conftest import built_page, running_console
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.uploading import send, upload_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

INNER = (slice(8, -8), slice(8, -8))
SERIES = ("ct_phantom_5mm_28", "ct_phantom_tilt_28", "mr_papaya_pd_axial_20")


@pytest.fixture(name="console", scope="module")
def _console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """One server for all."""
    folder = tmp_path_factory.mktemp("real")
    with running_console(folder, built_page(folder)) as running:
        yield running


@pytest.fixture(name="account", scope="module")
def _account(console: RunningConsole, unpacked: Path) -> Any:
    """What became of the whole set, uploaded as one folder."""
    return upload_folder(console, unpacked / "mpr")


def facts_of(console: RunningConsole, account: Any, folder: Path) -> Any:
    """Facts of the series that the files of a folder became: told apart by modality and count."""
    headers = [read_header(path) for path in sorted(folder.glob("*"))]
    for each in account["series"]:
        facts = send(console, "GET", f"/api/series/{each['series']['series_id']}").json
        if (facts["modality"], facts["image_count"]) != (headers[0].modality, len(headers)):
            continue
        if facts["geometry"] and (facts["geometry"]["tilt_deg"] > 1) == ("tilt" in folder.name):
            return facts
    raise AssertionError("no series of this kind")


def seen_at(console: RunningConsole, series_id: str, ds: pydicom.Dataset, away_mm: float) -> np.ndarray:
    """The server's plane where this slice lies, or so far along its normal."""
    directions = np.array(ds.ImageOrientationPatient, float)
    u, v, px, side = directions[:3], directions[3:], float(ds.PixelSpacing[0]), int(ds.Rows)
    assert int(ds.Columns) == side
    middle = (
        np.array(ds.ImagePositionPatient, float) + px / 2 * (side - 1) * (u + v) + away_mm * np.cross(u, v)
    )
    query = {name: ",".join(map(repr, map(float, at))) for name, at in (("c", middle), ("u", u), ("v", v))}
    answer = send(
        console, "GET", f"/api/series/{series_id}/slice?{urlencode({**query, 'size': side, 'px': px})}"
    )
    assert 200 == answer.status, answer.body
    stored = np.frombuffer(answer.body, "<i2").reshape(side, side)[INNER]
    return np.asarray(stored * float(answer.headers["x-scale"]) + float(answer.headers["x-offset"]))


@pytest.mark.req("MPR-08")
@pytest.mark.req("MPR-07")
@pytest.mark.parametrize("name", SERIES)
def test_planes_lie_where_the_slices_were(
    console: RunningConsole, account: Any, unpacked: Path, name: str
) -> None:
    """Through upload, de-identification, worker and HTTP: a plane at the place of each fourth source slice differs from
    it by a shift of less than 0.5 mm in any direction (least squares, Lucas and Kanade 1981)."""
    facts = facts_of(console, account, unpacked / "mpr" / name)
    step_mm = facts["geometry"]["spacing_mm"][2]
    for path in sorted((unpacked / "mpr" / name).glob("*"))[2:-2:4]:
        ds = pydicom.dcmread(path)
        source = (ds.pixel_array * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0)))[
            INNER
        ]
        before, here, after = (
            seen_at(console, facts["series_id"], ds, share * step_mm / 4) for share in (-1, 0, 1)
        )
        down, right = np.gradient(source.astype(float), float(ds.PixelSpacing[0]))
        slopes = np.stack(
            [slope.ravel() for slope in (down, right, (after - before) / (step_mm / 2))], axis=1
        )
        shift, *_ = np.linalg.lstsq(slopes, (here - source).ravel(), rcond=1e-3)
        assert float(np.linalg.norm(shift)) < 0.5, path.name


@pytest.mark.req("MPR-08")
def test_every_series_is_a_volume_or_says_why(console: RunningConsole, account: Any) -> None:
    """No series of the set is without planes and without a reason; no file is without its account."""
    assert account["file_count"] == account["used_count"] + len(account["not_used"])
    states = Counter(
        "ready" if each["series"]["mpr"]["ready"] else each["series"]["mpr"]["reason"]["code"]
        for each in account["series"]
    )
    assert states["ready"] >= len(SERIES)
    assert all(each["reason"]["zh"] for each in account["not_used"])
    assert sum(states.values()) == len(account["series"])


@pytest.mark.parametrize("name", ["us_dicom", "malformed", "mpr"])
def test_every_real_file_arrives_or_is_refused(unpacked: Path, tmp_path: Path, name: str) -> None:
    """Fuzzed, cut, odd and compressed files: each comes out or is refused in words, nothing is raised; what comes out
    names no one, is one file with the same picture, and gives the same hashes again."""
    by = Arrivals(key=SeriesKey(secret=bytes(32)), trusts_pictures=True)
    taken_count = 0
    for path in sorted(path for path in (unpacked / name).rglob("*") if path.is_file()):
        copy = tmp_path / "file"
        copy.write_bytes(path.read_bytes())
        outcome = by.take(copy, path.name)
        if not isinstance(outcome, Taken):
            assert words(outcome)["en"]
            continue
        taken_count += 1
        new = pydicom.dcmread(outcome.path)
        assert new.PatientName == by.key.name(read_header(path).patient_name)
        assert "YES" == new.PatientIdentityRemoved
        # What could not be decoded for a fault of the header may be decodable under a new one.
        assert frame_of(path) in (None, frame_of(outcome.path)), path.name
    assert taken_count >= {"us_dicom": 24, "malformed": 100, "mpr": 70}[name]


def frame_of(path: Path) -> bytes | None:
    """The first frame's pixels as they are stored; None where they cannot be decoded."""
    try:
        with warnings.catch_warnings():
            # These files are wrong in many ways: what the reader assumes of them is its own affair.
            warnings.simplefilter("ignore")
            return bytes(pixel_array(path, index=0, raw=True).tobytes())
    except (
        AttributeError,
        InvalidDicomError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
    ):
        return None
