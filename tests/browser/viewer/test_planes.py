"""The viewer's four planes in a real browser, over a real server, on a body with balls at known places."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Locator, Page, Route, expect

from cloud.series.planes import letters as letters_of
from tests.browser.viewer.bodies import BALLS, RADIUS_MM, uploaded, volume_files
from tests.browser.viewer.panes import (
    PANES,
    away_mm,
    ball,
    bright,
    click,
    crosshair,
    drag,
    is_dark,
    letters,
    mm_per_px,
    opened,
    pane,
    settled,
    spot_of,
    to_balls,
)
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import PASSWORD

pytestmark = pytest.mark.browser

NEAR_MM = 0.5
CUT_OFF = """
[...document.querySelectorAll('[role=toolbar] *, aside button, aside a, .corner')]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
  .map((e) => e.outerHTML)
"""
"""What does not fit into its element."""


def growing(page: Page, console: RunningConsole, folder: Path, **own: Any) -> Callable[[], None]:
    """Opens a series of 40 of the body's slices; the call that brings the other eight."""
    series = uploaded(console, volume_files(folder / "first", count=40, **own))
    opened(page, series)

    def grow() -> None:
        assert series == uploaded(console, volume_files(folder / "rest", count=8, from_slice=40, **own))

    return grow


@pytest.mark.req("MPR-07")
def test_a_landmark_is_under_the_crosshair_in_every_pane(page: Page, series: str) -> None:
    """Placed on a ball's middle in two panes, all four show this ball under the crosshair, within 0.5 mm."""
    opened(page, series)
    x, y, z = BALLS[0]
    to_balls(page)
    axial, coronal = pane(page, "axial"), pane(page, "coronal")
    expect(axial).to_have_attribute("aria-label", re.compile(r"H 13\.5 mm$"))
    seen = ball(axial, x, y)
    assert away_mm(axial, seen, spot_of(axial, x, y)) < NEAR_MM
    click(page, axial, seen)
    settled(page)
    click(page, coronal, ball(coronal, x, -z))
    settled(page)
    reach_mm = 1.6 * RADIUS_MM
    for name in PANES:
        shown = pane(page, name)
        here = crosshair(shown)
        found = bright(shown, here, reach_mm / mm_per_px(shown))
        assert away_mm(shown, here, (found[0], found[1])) < NEAR_MM, name
        # The plane cuts the ball through its middle: as large as it gets.
        area_mm2 = found[2] * mm_per_px(shown) ** 2
        assert area_mm2 == pytest.approx(math.pi * RADIUS_MM**2, rel=0.12), name


@pytest.mark.req("MPR-07")
def test_the_letters_are_those_of_the_planes(page: Page, series: str) -> None:
    """R left, A above, H above; both sides where a plane is oblique; they follow when a plane is turned."""
    opened(page, series)
    expected = {"axial": "RLAP", "coronal": "RLHF", "sagittal": "APHF"}
    for name, sides in expected.items():
        assert dict(zip(("left", "right", "top", "bottom"), sides, strict=True)) == letters(pane(page, name))
    assert {"left": "RA", "right": "LP", "top": "H", "bottom": "F"} == letters(pane(page, "oblique"))
    page.keyboard.press("2")
    page.keyboard.press("o")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    settled(page)
    right = math.cos(math.radians(30)), math.sin(math.radians(30)), 0.0
    shown = letters(pane(page, "coronal"))
    assert (letters_of([-value for value in right]), letters_of(right)) == (shown["left"], shown["right"])
    assert ("H", "F") == (shown["top"], shown["bottom"])


@pytest.mark.req("MPR-07")
def test_line_ends_turn_planes(page: Page, series: str) -> None:
    """Dragging a line's end turns the triad's others together, by the angle dragged; with Shift this one alone."""
    opened(page, series)
    axial = pane(page, "axial")
    middle = crosshair(axial)
    end = axial.locator('[data-plane="coronal"] .end').last
    start = float(end.get_attribute("cx") or 0), float(end.get_attribute("cy") or 0)
    long = math.dist(start, middle)
    turned = (middle[0] + long * math.cos(math.radians(20)), middle[1] + long * math.sin(math.radians(20)))
    drag(page, axial, start, turned)
    settled(page)
    assert angle_deg(axial, "coronal") == pytest.approx(20, abs=0.5)
    assert angle_deg(axial, "sagittal") == pytest.approx(110, abs=0.5)
    expect(pane(page, "coronal")).to_have_attribute("aria-label", re.compile("Coronal, turned"))
    expect(axial).not_to_have_attribute("aria-label", re.compile("turned"))
    page.keyboard.down("Shift")
    drag(page, axial, turned, start)
    page.keyboard.up("Shift")
    assert angle_deg(axial, "coronal") == pytest.approx(0, abs=0.5)
    assert angle_deg(axial, "sagittal") == pytest.approx(110, abs=0.5)
    page.keyboard.press("r")
    settled(page)
    assert angle_deg(axial, "sagittal") == pytest.approx(90, abs=0.01)


def angle_deg(shown: Locator, plane: str) -> float:
    """How far a plane's line leans in a pane, from the horizontal, clockwise, 0 to 180."""
    path = shown.locator(f'[data-plane="{plane}"] path.line').get_attribute("d") or ""
    x1, y1, x2, y2, *_ = (float(value) for value in re.findall(r"-?[\d.]+(?:e-?\d+)?", path))
    return math.degrees(math.atan2(y2 - y1, x2 - x1)) % 180


def test_a_slab_shows_what_lies_beside_the_plane(page: Page, series: str) -> None:
    """A plane that misses the balls shows them by the highest value of a thick slab."""
    opened(page, series)
    axial = pane(page, "axial")
    near = spot_of(axial, *BALLS[0][:2])
    assert is_dark(axial, near, 10)
    page.get_by_label("Slab").first.fill("40")
    page.get_by_role("combobox", name=re.compile("MIP")).select_option("mip")
    settled(page)
    assert not is_dark(axial, near, 10)


def test_one_pane_fills_the_view_and_gives_it_back(page: Page, series: str) -> None:
    """By double click and by key."""
    opened(page, series)
    pane(page, "sagittal").dblclick(position={"x": 60, "y": 60})
    for name in ("axial", "coronal", "oblique"):
        expect(pane(page, name)).to_have_count(0)
    settled(page, "sagittal")
    page.keyboard.press("x")
    settled(page)


@pytest.mark.req("MPR-07")
def test_planes_are_stored_as_a_series_that_opens(page: Page, series: str) -> None:
    """The new series is a volume of its own, of as many images as were said."""
    opened(page, series)
    page.keyboard.press("2")
    page.get_by_role("button", name="Store planes as series").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Coronal")
    page.get_by_label("Distance, mm").fill("4")
    said = re.search(r"(\d+) images", dialog.inner_text())
    assert said is not None
    page.get_by_role("button", name="Store", exact=True).click()
    expect(page).not_to_have_url(re.compile(series))
    settled(page)
    expect(page.get_by_role("complementary")).to_contain_text(re.compile(rf"Images\s*{said[1]}"))
    page.get_by_role("link", name="All series").click()
    expect(page.locator("tbody tr").first).to_contain_text("Reconstruction")


def test_a_series_that_grew_says_so_and_keeps_the_view(
    page: Page, console: RunningConsole, tmp_path: Path, problems: list[str]
) -> None:
    """New images are told at the next move; loading them leaves crosshair, zoom and measurements as they were."""
    grow = growing(page, console, tmp_path, SeriesInstanceUID="1.2.9", first_number=2001)
    axial = pane(page, "axial")
    click(page, axial, (200, 150))
    page.keyboard.press("+")
    page.keyboard.press("m")
    drag(page, axial, (180, 120), (260, 160))
    page.keyboard.press("c")
    settled(page)
    place = page.get_by_role("complementary").locator("p.num").first.inner_text()
    grow()
    page.keyboard.press("PageDown")
    told = page.get_by_role("alert")
    expect(told).to_contain_text("New images of this series have come.")
    page.keyboard.press("PageUp")
    told.get_by_role("button", name="Load them").click()
    expect(told).to_have_count(0)
    settled(page)
    side = page.get_by_role("complementary")
    expect(side).to_contain_text(re.compile(r"Images\s*48"))
    expect(side.locator("p.num").first).to_have_text(place)
    expect(axial.locator(".mark")).to_have_count(1)
    expect(axial).to_contain_text("×1.25")
    problems[:] = [problem for problem in problems if "409" not in problem]


def test_a_late_answer_does_not_bring_the_notice_back(
    page: Page, console: RunningConsole, tmp_path: Path, problems: list[str]
) -> None:
    """What the server says of the images of before comes after the new ones were loaded: nothing is to be told."""
    growing(page, console, tmp_path, SeriesInstanceUID="1.2.10", first_number=3001)()
    page.keyboard.press("PageDown")
    told = page.get_by_role("alert")
    expect(told).to_be_visible()
    late: list[Route] = []
    page.route(re.compile(r"/slice\?.*version=1&"), lambda route: late.append(route))
    # No call takes too long any more, so none is given up.
    page.evaluate("performance.now = () => 0")
    with page.expect_request(lambda asked: "/slice?" in asked.url and "size=256" not in asked.url):
        page.keyboard.press("PageUp")
    with page.expect_response(re.compile(r"/api/series/[^/]+$")):
        told.get_by_role("button", name="Load them").click()
    expect(told).to_have_count(0)
    assert late
    for route in late:
        # What the page itself has given up by now cannot go on.
        with contextlib.suppress(Error):
            route.continue_()
    settled(page)
    expect(page.get_by_role("complementary")).to_contain_text(re.compile(r"Images\s*48"))
    expect(told).to_have_count(0)
    problems[:] = [problem for problem in problems if "409" not in problem]


def test_the_lock_takes_nothing_away(page: Page, series: str) -> None:
    """Under the lock nothing is to be seen; after it everything is as it was."""
    opened(page, series)
    axial = pane(page, "axial")
    page.keyboard.press("m")
    drag(page, axial, (180, 120), (260, 160))
    page.keyboard.press("l")
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    expect(axial).to_be_hidden()
    page.locator(".lock input").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(axial.locator(".mark")).to_be_visible()
    page.keyboard.press("c")
    page.keyboard.press("PageDown")
    settled(page)


def test_everything_goes_by_keys(page: Page, series: str) -> None:
    """From the list into a series, over the panes, through the planes, and a length from point to point."""
    page.goto("/viewer")
    link = page.locator(f'[data-series="{series}"]').get_by_role("link")
    expect(link).to_be_visible()
    for _ in range(30):
        page.keyboard.press("Tab")
        if link.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")
    settled(page)
    page.keyboard.press("3")
    sagittal = pane(page, "sagittal")
    expect(sagittal).to_be_focused()
    before = sagittal.get_attribute("aria-label")
    page.keyboard.press("PageDown")
    expect(sagittal).not_to_have_attribute("aria-label", before or "")
    was = crosshair(sagittal)
    page.keyboard.press("Shift+ArrowRight")
    expect(sagittal.locator("circle.place")).not_to_have_attribute("cx", str(was[0]))
    page.keyboard.press("m")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    text = sagittal.locator(".mark text").first
    assert 60 * mm_per_px(sagittal) == pytest.approx(float((text.text_content() or "").split()[0]), abs=0.1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Crosshair, turn planes")


def test_two_fingers_zoom(page: Page, series: str) -> None:
    """Twice as far apart: twice as large, and what lay between them stays there."""
    opened(page, series)
    axial = pane(page, "axial")
    box = axial.locator("canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    browser = page.context.new_cdp_session(page)
    browser.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})

    def touch(kind: str, half_px: float | None) -> None:
        spots = () if half_px is None else (x - half_px, x + half_px)
        points = [{"x": spot, "y": y, "id": number} for number, spot in enumerate(spots)]
        browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 40)
    for half_px in range(44, 81, 4):
        touch("touchMove", half_px)
    touch("touchEnd", None)
    expect(axial).to_contain_text("×2.00")
    assert crosshair(axial) == pytest.approx((box["width"] / 2, box["height"] / 2), abs=1)
    settled(page)


@pytest.mark.parametrize("width_px", [1280, 1440])
def test_nothing_is_cut_off(page: Page, series: str, width_px: int) -> None:
    """In both languages the tools fit into their row, also with those of a slab, and the page does not scroll."""
    page.set_viewport_size({"width": width_px, "height": width_px * 5 // 8})
    opened(page, series)
    page.get_by_label("Slab").first.fill("20")
    expect(page.get_by_role("combobox", name=re.compile("MIP"))).to_be_visible()
    for switch in ("切换到中文", "Switch to English"):
        assert [] == page.evaluate(CUT_OFF)
        assert page.evaluate("document.querySelector('[role=toolbar]').clientHeight") < 40
        assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
        page.get_by_role("button", name=switch).click()
