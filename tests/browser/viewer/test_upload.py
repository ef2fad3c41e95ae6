"""Uploading a folder with the viewer's page, in a real browser over a real server."""

from __future__ import annotations

import csv
import itertools
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from cloud.accounts.roles import Role
from tests.browser.conftest import sign_in
from tests.browser.viewer.bodies import volume_files
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import PASSWORD

pytestmark = pytest.mark.browser

_NUMBERS = itertools.count(1)
FOREIGN = {"notes/=readme.txt": b"no image", "preview.png": b"\x89PNG\r\n\x1a\n"}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with twelve slices of a series of its own and foreign files."""
    folder, number = tmp_path / "batch", next(_NUMBERS)
    own = {"SeriesInstanceUID": f"1.2.5.{number}", "StudyInstanceUID": "1.2.5"}
    volume_files(folder / "patient" / "series", count=12, first_number=1000 * number, **own)
    for path, data in FOREIGN.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def choose(page: Page, folder: Path) -> None:
    """Chooses the folder, as a person does in the browser's dialog."""
    page.locator("input[webkitdirectory]").set_input_files(folder)


@pytest.mark.req("MPR-09")
def test_a_mixed_folder_becomes_a_series_and_an_account(page: Page, mixed: Path) -> None:
    """The account names every file that is not used, with its reason, also as a file; the series is on the list."""
    page.goto("/viewer")
    choose(page, mixed)
    panel = page.get_by_role("region", name="Upload")
    expect(panel).to_contain_text("1 series came of it")
    expect(panel).to_contain_text("2 files are not used")
    for path in FOREIGN:
        expect(panel.locator("tbody tr", has_text=path)).to_contain_text("neither the suffix nor")
    with page.expect_download() as coming:
        panel.get_by_role("button", name="List as CSV").click()
    rows = list(csv.reader(coming.value.path().read_text(encoding="utf-8-sig").splitlines()))
    assert ["File", "Code", "Why it is not used"] == rows[0]
    assert {f"batch/{path}" for path in FOREIGN} == {row[0] for row in rows[1:]}
    assert {"FOREIGN_FILE"} == {row[1] for row in rows[1:]}
    row = page.locator("tbody tr[data-series]").first
    expect(row).to_contain_text("12")
    expect(row).to_contain_text("Ready")
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_have_count(0)
    row.get_by_role("link").click()
    expect(page.locator('[data-pane="axial"]')).to_have_attribute("aria-busy", "false")


def test_an_upload_goes_on_after_a_lost_connection(page: Page, mixed: Path, problems: list[str]) -> None:
    """Files that did not arrive are sent again; nothing is lost, and nobody has to do anything."""
    cut = {"left": 4}

    def lose(route: Route) -> None:
        cut["left"] -= 1
        if cut["left"] >= 0:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/api/uploads/*/files*", lose)
    page.goto("/viewer")
    choose(page, mixed)
    panel = page.get_by_role("region", name="Upload")
    expect(panel).to_contain_text("No connection to the server. The upload goes on by itself.")
    expect(panel).to_contain_text("1 series came of it")
    problems[:] = [problem for problem in problems if "net::ERR_" not in problem]


def test_an_upload_waits_for_the_unlocking(page: Page, mixed: Path, problems: list[str]) -> None:
    """A session that is locked meanwhile stops nothing for good: it goes on once it is open."""
    locked = {"done": False}

    def lock_first(route: Route) -> None:
        if not locked["done"]:
            locked["done"] = True
            page.request.post("/api/session/lock", headers={"Sec-Fetch-Site": "same-origin"})
        route.continue_()

    page.route("**/api/uploads/*/files*", lock_first)
    page.goto("/viewer")
    choose(page, mixed)
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    page.locator(".lock input").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Upload")).to_contain_text("1 series came of it")
    problems[:] = [problem for problem in problems if "423" not in problem]


def test_an_upload_is_stopped(page: Page, mixed: Path) -> None:
    """What was sent until then becomes no series."""

    def hold(route: Route) -> None:
        """Never answered."""

    page.goto("/viewer")
    rows = page.locator("tbody tr[data-series]")
    page.route("**/api/uploads/*/files*", hold)
    choose(page, mixed)
    panel = page.get_by_role("region", name="Upload")
    expect(panel).to_contain_text("0 of 14 files")
    expect(panel.get_by_role("progressbar")).to_have_count(4)
    before = rows.count()
    panel.get_by_role("button", name="Stop").click()
    expect(panel).to_have_count(0)
    assert before == rows.count()


def test_the_list_is_searched(page: Page, series: str) -> None:
    """By words and modality, on the server; an empty answer says so."""
    page.goto("/viewer")
    row = page.locator(f'[data-series="{series}"]')
    expect(row).to_be_visible()
    page.get_by_role("searchbox").fill("nothing like this")
    expect(page.get_by_role("heading", name="No series is like this.")).to_be_visible()
    page.get_by_role("searchbox").fill("head")
    expect(row).to_be_visible()
    page.get_by_role("combobox", name="Modality").select_option("MR")
    expect(row).to_have_count(0)


def test_a_role_that_sees_no_images_has_no_viewer(stranger: Page, console: RunningConsole) -> None:
    """IT finds no way there, and the address leads away."""
    sign_in(stranger, console, Role.IT)
    stranger.goto("/viewer")
    expect(stranger.get_by_role("link", name="Viewer")).to_have_count(0)
    expect(stranger).not_to_have_url(re.compile("/viewer"))


def test_a_dropped_folder_is_uploaded(page: Page, mixed: Path) -> None:
    """As the chosen one: with all that lies below it, under its paths."""
    page.goto("/viewer")
    expect(page.get_by_role("heading", name="DICOM viewer")).to_be_visible()
    browser = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(mixed)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": kind, "x": 640, "y": 500, "data": data})
    panel = page.get_by_role("region", name="Upload")
    expect(panel).to_contain_text("1 series came of it")
    for path in FOREIGN:
        expect(panel.locator("tbody tr", has_text=f"batch/{path}")).to_be_visible()
