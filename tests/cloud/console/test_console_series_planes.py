"""Step 13: planes through one uploaded series, its images, its facts: what only reads."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest

from cloud.accounts.roles import Role
from cloud.series.stored import Kind
from tests.cloud.console.conftest import built_page, running_console
from tests.cloud.console.people import ask, person
from tests.cloud.console.planes_asked import SIDE, asked, numbers
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.uploading import send, series_of, upload_folder
from tests.cloud.series.phantom import (
    TURNED,
    centred,
    even,
    ramp,
    sampled,
    write_series,
)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """One server for all."""
    folder = tmp_path_factory.mktemp("planes")
    with running_console(folder, built_page(folder)) as running:
        yield running


@pytest.fixture(name="turned", scope="module")
def _turned(console: RunningConsole, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An uploaded series along no axis of the patient, whose value at every place is a formula; its facts."""
    folder = tmp_path_factory.mktemp("files")
    write_series(folder, centred(TURNED, even(24, 1.5)), TURNED)
    series_id = series_of(upload_folder(console, folder))["series_id"]
    return send(console, "GET", f"/api/series/{series_id}").json


@pytest.mark.req("MPR-07")
@pytest.mark.parametrize(
    ("u", "v"),
    [((1, 0, 0), (0, 1, 0)), ((1, 0, 0), (0, 0, -1)), ((0, 1, 0), (0, 0, -1)), ((0.6, 0, 0.8), (0, 1, 0))],
    ids=["axial", "coronal", "sagittal", "oblique"],
)
def test_a_plane_holds_what_lies_there(console: RunningConsole, turned: Any, u: Any, v: Any) -> None:
    """Each pixel of a plane at any angle is the body's value at its place in the patient, to the rounding of two
    interpolations."""
    middle = [1.0, -2.0, 0.5]
    query = asked(c=",".join(map(str, middle)), u=",".join(map(str, u)), v=",".join(map(str, v)))
    answer = send(console, "GET", f"/api/series/{turned['series_id']}/slice?{query}")
    assert (200, "application/octet-stream") == (answer.status, answer.headers["content-type"])
    assert answer.headers["cache-control"].startswith("private")
    steps = (np.arange(SIDE) - (SIDE - 1) / 2) * 0.5
    points = (
        np.array(middle)
        + steps[None, :, None] * np.array(u, float)
        + steps[:, None, None] * np.array(v, float)
    )
    assert np.abs(numbers(answer) - ramp(points)).max() <= 1.5


def test_facts_say_where_the_volume_lies(turned: Any) -> None:
    """Axes, spacing, size, middle and bounds are those with which the series was written."""
    geometry = turned["geometry"]
    assert np.allclose([*TURNED, np.cross(*TURNED)], geometry["axes"])
    assert ([1.0, 1.0, 1.5], [48, 48, 24]) == (geometry["spacing_mm"], geometry["size"])
    assert np.allclose(0, geometry["center_mm"], atol=1e-6)
    half = np.array([24, 24, 18]) @ np.abs(np.array([*TURNED, np.cross(*TURNED)]))
    assert np.allclose(np.stack([-half, half], axis=1).ravel(), geometry["bounding_mm"])
    assert (Kind.VOLUME, "HU", True) == (turned["kind"], turned["unit"], turned["mpr"]["ready"])
    assert {"brain", "bone"} <= {preset["name_en"] for preset in turned["presets"]}


def test_outside_of_the_volume_is_background(console: RunningConsole, turned: Any) -> None:
    """Where no voxel lies, pixels have the number that the header names."""
    answer = send(console, "GET", f"/api/series/{turned['series_id']}/slice?{asked(c='0,0,500')}")
    assert {int(answer.headers["x-background"])} == set(np.frombuffer(answer.body, "<i2").tolist())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"u": "2,0,0"}, "length"),
        ({"v": "0.8,0.6,0"}, "right angle"),
        ({"u": "nan,0,0"}, "finite"),
        ({"c": "0,0"}, "three|3"),
        ({"c": "0,inf,0"}, "finite"),
        ({"px": "nan"}, "wide"),
        ({"px": 0}, "wide"),
        ({"slab": -1}, "slab"),
        ({"slab": "1e9"}, "slab"),
        ({"size": 100_000}, "2048"),
        ({"mode": "sum"}, "mean"),
    ],
)
def test_an_impossible_plane_is_refused_in_words(
    console: RunningConsole, turned: Any, changes: Any, named: str
) -> None:
    """What cannot be cut is answered 422 with the parameter's rule."""
    answer = send(console, "GET", f"/api/series/{turned['series_id']}/slice?{asked(**changes)}")
    assert 422 == answer.status
    assert any(word in answer.body.decode() for word in named.split("|"))


def test_slabs_show_mean_highest_and_lowest(console: RunningConsole, turned: Any) -> None:
    """Across a slab of a ramp the highest lies above the mean by as much as the lowest below."""
    found = {
        mode: numbers(
            send(console, "GET", f"/api/series/{turned['series_id']}/slice?{asked(slab=4, mode=mode)}")
        ).mean()
        for mode in ("mean", "mip", "minip")
    }
    # 8 per mm along z, 2 mm to either side.
    assert found["mip"] - found["mean"] == pytest.approx(16, abs=1)
    assert found["mean"] - found["minip"] == pytest.approx(16, abs=1)


def test_a_png_is_the_same_plane(console: RunningConsole, turned: Any) -> None:
    """The picture is the plane's numbers through the window."""
    base = f"/api/series/{turned['series_id']}"
    answer = send(console, "GET", f"{base}/slice.png?{asked(window='200,401')}")
    picture = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_UNCHANGED)
    values = numbers(send(console, "GET", f"{base}/slice?{asked()}"))
    expected = np.clip((values - 199.5) / 400 + 0.5, 0, 1) * 255
    assert np.abs(picture - expected).max() <= 1


def test_images_of_a_volume_are_its_slices(console: RunningConsole, turned: Any) -> None:
    """Image n is the slice of instance number n + 1, in Hounsfield units."""
    answer = send(console, "GET", f"/api/series/{turned['series_id']}/images/3")
    expected = sampled(centred(TURNED, even(24, 1.5))[3], TURNED, 48, 1.0, ramp)
    assert ("48", "48", "int16") == tuple(
        answer.headers[f"x-{name}"] for name in ("width", "height", "format")
    )
    assert np.array_equal(expected, numbers(answer, 48))
    assert 404 == send(console, "GET", f"/api/series/{turned['series_id']}/images/24").status
    assert 422 == send(console, "GET", f"/api/series/{turned['series_id']}/images/0?frame=1").status


def test_an_unknown_series_is_not_found(console: RunningConsole) -> None:
    """Every address says so."""
    for rest in (
        "",
        f"/slice?{asked()}",
        f"/slice.png?{asked()}",
        "/images/0",
        "/images/0/tags",
        "/dicom.zip",
    ):
        assert 404 == send(console, "GET", f"/api/series/{uuid.uuid4()}{rest}").status


def test_the_archive_holds_the_stored_files(console: RunningConsole, turned: Any) -> None:
    """Its files are whole DICOM objects of one series, as many as the series has images."""
    answer = send(console, "GET", f"/api/series/{turned['series_id']}/dicom.zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    objects = [pydicom.dcmread(archive.open(name)) for name in archive.namelist()]
    assert 24 == len({ds.SOPInstanceUID for ds in objects})
    assert 1 == len({ds.SeriesInstanceUID for ds in objects})
    assert (48, 48) == objects[0].pixel_array.shape


def test_it_officers_see_no_series(console: RunningConsole, turned: Any) -> None:
    """The role that keeps the machines running neither sees nor uploads series."""
    cookie = person(console, Role.IT)
    for method, path in (
        ("GET", "/api/series"),
        ("GET", f"/api/series/{turned['series_id']}"),
        ("POST", "/api/uploads"),
    ):
        assert 403 == ask(console, method, path, cookie=cookie).status
