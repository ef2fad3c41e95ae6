"""Step 13: window and level, zoom and pan, two stills side by side, full screen."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import address, row
from tests.browser.stage import SEED, dicom_of, drag_on_screen, on_screen, on_still, screenshot, stored
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot

pytestmark = pytest.mark.browser

TRUTH = brain_shot(SEED).still.truth
PAINTED = """async () => {
  const still = new Image();
  still.src = document.querySelector('image.picture').getAttribute('href');
  await still.decode();
  for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
}"""
"""Waits until the still's pixels are on the screen."""
MIDDLE = (TRUTH.width_px / 2, TRUTH.height_px / 2)


def opened(page: Page, console: RunningConsole) -> str:
    """The stage with the scanner's still and nothing over it; the capture's id."""
    capture_id = stored(console, dicom_of(SEED))
    page.goto("/")
    expect(page.locator("ellipse.edge")).to_be_visible()
    page.keyboard.press("1")
    expect(page.locator("ellipse.edge")).to_have_count(0)
    page.evaluate(PAINTED)
    return capture_id


def number(page: Page, name: str) -> float:
    """Window width, level or zoom as the page says it."""
    return float(page.get_by_label(name).input_value())


def inside(page: Page) -> tuple[float, float, float, float]:
    """A part of the screen that shows tissue only."""
    x, y = on_screen(page, MIDDLE)
    return x - 120, y - 60, 240, 120


@pytest.mark.req("DATA-09")
@pytest.mark.parametrize("by", ["tool", "right button"])
def test_window_and_level_change_the_grey_of_each_pixel(page: Page, console: RunningConsole, by: str) -> None:
    """Brightness is (grey - level) / width + 1/2, as the numbers in the corner say; R brings back every pixel."""
    opened(page, console)
    part = inside(page)
    before = screenshot(page, part)
    x, y = on_screen(page, MIDDLE)
    if by == "tool":
        page.keyboard.press("w")
    drag_on_screen(page, (x, y), (x - 100, y - 50), "left" if by == "tool" else "right")
    width, level = number(page, "Window width"), number(page, "Window level")
    assert (155, 77.5) == pytest.approx((width, level), abs=1)
    expected = np.clip((before.astype(float) - 77.5) * 255 / 155 + 127.5, 0, 255)
    shown = screenshot(page, part)
    assert np.abs(expected - shown).max() <= 3
    assert np.abs(before.astype(float) - shown).mean() > 10
    page.keyboard.press("r")
    expect(page.get_by_label("Window width")).to_have_value("255")
    np.testing.assert_array_equal(before, screenshot(page, part))


def test_the_wheel_zooms_about_the_pointer(page: Page, console: RunningConsole) -> None:
    """The place of the still under the pointer stays there, in and out; wholly out, all is seen as before."""
    opened(page, console)
    # A wheel's place is a whole pixel of the screen.
    x, y = (float(round(n)) for n in on_screen(page, (TRUTH.width_px * 0.3, TRUTH.height_px * 0.6)))
    page.mouse.move(x, y)
    place, whole = on_still(page, (x, y)), page.locator("svg.still").get_attribute("viewBox")
    for turn, zoomed in ((-500, True), (200, True), (-300, True), (2000, False)):
        page.mouse.wheel(0, turn)
        expect(page.get_by_label("Zoom, percent")).to_have_value(
            re.compile(r"[1-9]\d\d" if zoomed else "^100$")
        )
        if zoomed:
            assert place == pytest.approx(on_still(page, (x, y)), abs=0.05)
            assert number(page, "Zoom, percent") > 150
    expect(page.locator("svg.still")).to_have_attribute("viewBox", whole or "")


@pytest.mark.parametrize("by", ["tool", "middle button", "space"])
def test_the_picture_follows_the_hand_that_moves_it(page: Page, console: RunningConsole, by: str) -> None:
    """What was under the pointer stays under it; a double click fits the whole again."""
    opened(page, console)
    page.get_by_label("Zoom, percent").fill("200")
    page.get_by_label("Zoom, percent").press("Enter")
    page.locator("svg.still").focus()
    x, y = on_screen(page, MIDDLE)
    place = on_still(page, (x, y))
    if by == "tool":
        page.keyboard.press("p")
    if by == "space":
        page.keyboard.down(" ")
    drag_on_screen(page, (x, y), (x + 80, y - 40), "middle" if by == "middle button" else "left")
    if by == "space":
        page.keyboard.up(" ")
    assert place == pytest.approx(on_still(page, (x + 80, y - 40)), abs=0.05)
    page.keyboard.press("Escape")
    page.mouse.dblclick(x, y)
    expect(page.get_by_label("Zoom, percent")).to_have_value("100")


def test_the_view_tools_need_no_pointer(page: Page, console: RunningConsole) -> None:
    """With W, Z or P chosen the arrows change window and level, zoom, and move the picture; + and - zoom."""
    opened(page, console)
    page.keyboard.press("w")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert (245, 118) == (number(page, "Window width"), number(page, "Window level"))
    page.keyboard.press("z")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("+")
    assert 156 == number(page, "Zoom, percent")
    page.keyboard.press("p")
    before = on_still(page, (640, 400))
    page.keyboard.press("ArrowRight")
    expect(page.locator("svg.still")).not_to_have_attribute("viewBox", re.compile("^172.8 "))
    assert before[0] > on_still(page, (640, 400))[0]
    page.keyboard.press("-")
    assert 125 == number(page, "Zoom, percent")


def test_each_image_keeps_its_view(page: Page, console: RunningConsole) -> None:
    """Another print begins as it is; the first one is as it was left."""
    older = console.do(console.world.result(24, Verdict(), device_id="us-room-4"))
    newer = opened(page, console)
    page.keyboard.press("+")
    expect(page.get_by_label("Zoom, percent")).to_have_value("125")
    row(page, console, older).click()
    expect(page.get_by_label("Zoom, percent")).to_have_value("100")
    row(page, console, newer).click()
    expect(page.get_by_label("Zoom, percent")).to_have_value("125")


def test_two_stills_beside_each_other(page: Page, console: RunningConsole) -> None:
    """Pinned, the still waits for another one; each side has its own view and overlays, and tools are meant for the
    one that was touched last, unless the zoom is linked. Escape leaves with the chosen one."""
    older = console.do(console.world.result(24, Verdict(), device_id="us-room-4"))
    newer = opened(page, console)
    page.get_by_role("button", name="Pin this still").click()
    expect(page.get_by_text("Choose another still")).to_be_visible()
    page.keyboard.press("j")
    stills = page.locator("svg.still")
    expect(stills).to_have_count(2)
    expect(page.get_by_role("heading", name="Print #2")).to_have_count(1)
    left, right = (page.locator(".pane").nth(n) for n in (0, 1))
    page.keyboard.press("+")
    expect(right.get_by_label("Zoom, percent")).to_have_value("125")
    expect(left.get_by_label("Zoom, percent")).to_have_value("100")
    left.locator("svg.still").click()
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(left.get_by_label("Zoom, percent")).to_have_value("156")
    expect(right.get_by_label("Zoom, percent")).to_have_value("125")
    expect(left.locator("ellipse.edge")).to_have_count(0)
    page.keyboard.press("1")
    expect(left.locator("ellipse.edge")).to_have_count(1)
    right.get_by_label("Zoom both").check()
    expect(left.get_by_label("Zoom, percent")).to_have_value("125")
    right.locator("svg.still").click()
    page.keyboard.press("-")
    for side in (left, right):
        expect(side.get_by_label("Zoom, percent")).to_have_value("100")
    right.get_by_label("Zoom both").uncheck()
    right.locator("svg.still").click()
    page.keyboard.press("+")
    expect(right.get_by_label("Zoom, percent")).to_have_value("125")
    expect(left.get_by_label("Zoom, percent")).to_have_value("100")
    row(page, console, newer).click()
    expect(stills).to_have_count(1)
    row(page, console, older).click()
    expect(stills).to_have_count(2)
    page.keyboard.press("Escape")
    expect(stills).to_have_count(1)
    expect(page).to_have_url(re.compile(f"{address(console, older)}$"))
    expect(page.get_by_label("Zoom, percent")).to_have_value("125")


def test_full_screen_bears_the_mark_and_ends_with_the_lock(page: Page, console: RunningConsole) -> None:
    """F fills the screen with the stage, which says what it is for; a lock leaves nothing in sight."""
    opened(page, console)
    page.keyboard.press("f")
    stage = page.get_by_role("region", name="Print #1")
    expect(stage.get_by_text("research use, not for diagnosis")).to_be_visible()
    assert page.evaluate("document.fullscreenElement !== null")
    page.keyboard.press("l")
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    page.wait_for_function("document.fullscreenElement === null")
    expect(stage.get_by_text("research use, not for diagnosis")).to_have_count(0)


def test_the_help_names_every_key(page: Page, console: RunningConsole) -> None:
    """View and measuring have their keys in the help, in both languages."""
    opened(page, console)
    for words in (("Window and level", "Ellipse", "Ctrl Z"), ("窗宽窗位", "椭圆", "Ctrl Z")):
        page.keyboard.press("?")
        for word in words:
            expect(page.get_by_role("dialog")).to_contain_text(word)
        for key in ("W", "Z", "P", "R", "S", "F", "M", "E", "G"):
            expect(page.get_by_role("dialog").locator("kbd", has_text=re.compile(f"^{key}$"))).to_have_count(
                1
            )
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.get_by_role("button", name=re.compile("切换到中文|Switch to English")).click()
