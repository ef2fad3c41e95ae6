"""Step 13: a person measures on the still: millimetres where the header says so, pixels and the reason elsewhere."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import address, row
from tests.browser.stage import (
    SEED,
    Point,
    dicom_of,
    drag,
    figures,
    on_screen,
    own,
    points,
    region,
    stored,
    take,
)
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot

pytestmark = pytest.mark.browser

TRUTH = brain_shot(SEED).still.truth
X0, Y0, X1, Y1 = TRUTH.sector_box
INSIDE: tuple[Point, Point] = ((X0 + 120.0, Y0 + 150.0), (X0 + 420.0, Y0 + 310.0))


def opened(page: Page, console: RunningConsole, data: bytes | None = None) -> None:
    """The stage with the scanner's still, or another one."""
    stored(console, data or dicom_of(SEED))
    page.goto("/")
    expect(page.locator("image.picture")).to_be_visible()


def ramanujan(a: float, b: float) -> float:
    """Circumference of an ellipse."""
    return float(np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b))))


@pytest.mark.req("DATA-09")
def test_a_length_inside_the_region_is_millimetres(page: Page, console: RunningConsole) -> None:
    """Its ends' distance times the scanner's own millimetres per pixel; no reason is given, for there is none."""
    opened(page, console)
    take(page, "m")
    drag(page, *INSIDE)
    expect(own(page)).to_contain_text("Length 1")
    ends = points(page)
    assert np.array(INSIDE) == pytest.approx(ends, abs=1.0)
    expected = np.linalg.norm(ends[1] - ends[0]) * TRUTH.mm_per_pixel
    expect(own(page)).to_contain_text("mm")
    assert [expected] == pytest.approx(figures(own(page).inner_text()), abs=0.051)
    expect(own(page)).not_to_contain_text("Pixels")


def test_a_length_that_leaves_the_region_is_pixels_and_says_why(page: Page, console: RunningConsole) -> None:
    """One end beyond the region's edge is enough; moved back inside, it is millimetres again."""
    opened(page, console)
    take(page, "m")
    inside, beyond = (X1 - 100.0, Y1 - 60.0), (X1 - 100.0, Y1 + 8.0)
    drag(page, inside, beyond)
    expect(own(page)).to_contain_text("Pixels: not wholly inside the calibrated region.")
    ends = points(page)
    assert [np.linalg.norm(ends[1] - ends[0])] == pytest.approx(figures(own(page).inner_text()), abs=0.051)
    expect(own(page)).to_contain_text(re.compile(r"\d px"))
    drag(page, (float(ends[1][0]), float(ends[1][1])), (X1 - 100.0, Y1 - 10.0))
    expect(own(page)).not_to_contain_text("Pixels")
    expect(own(page)).to_contain_text(re.compile(r"\d mm"))


STEPS = (0.12, 0.2)


def test_an_ellipse_respects_unequal_steps(page: Page, console: RunningConsole) -> None:
    """HC, BPD and OFD are those of the ellipse in millimetres: the singular values of its axes, stretched."""
    whole = (0, 0, TRUTH.width_px, TRUTH.height_px)
    opened(page, console, dicom_of(SEED, [region(whole, STEPS)]))
    take(page, "e")
    drag(page, *INSIDE)
    expect(own(page)).to_contain_text("Ellipse 1")
    centre, long, short, _ = points(page)
    axes = np.diag(STEPS) @ np.column_stack([long - centre, short - centre])
    a, b = np.linalg.svd(axes, compute_uv=False)
    expected = [ramanujan(a, b), 2 * b, 2 * a]
    assert expected == pytest.approx(figures(own(page).inner_text()), abs=0.06)
    expect(own(page)).to_contain_text(re.compile(r"HC \d+\.\d mm\s*BPD \d+\.\d mm\s*OFD \d+\.\d mm"))


def test_an_angle_respects_unequal_steps(page: Page, console: RunningConsole) -> None:
    """The angle is the one between its arms in millimetres."""
    whole = (0, 0, TRUTH.width_px, TRUTH.height_px)
    opened(page, console, dicom_of(SEED, [region(whole, STEPS)]))
    take(page, "g")
    drag(page, *INSIDE)
    expect(own(page)).to_contain_text("Angle 1")
    vertex, *ends = points(page)
    first, second = (np.array(STEPS) * (end - vertex) for end in ends)
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert [np.degrees(np.arccos(cosine))] == pytest.approx(figures(own(page).inner_text()), abs=0.06)


@pytest.mark.parametrize(
    ("regions", "why"),
    [
        (((0, 0, 300, 720), (0.1, 0.1)), "not wholly inside the calibrated region"),
        (((0, 0, 300, 720), (0.1, 0.1), (300, 0, 960, 720), (0.1, 0.1)), "reaches over more than one region"),
        (((0, 0, 960, 720), (0.1, 0.1), (0, 0, 960, 700), (0.2, 0.2)), "have different scales"),
    ],
)
def test_why_a_length_is_not_millimetres(
    page: Page, console: RunningConsole, regions: tuple[tuple[int, ...], ...], why: str
) -> None:
    """Half outside, over two regions even of one scale, or where two regions contradict each other."""
    pairs = zip(regions[::2], regions[1::2], strict=True)
    made = [region(edges, steps) for edges, steps in pairs]  # type: ignore[arg-type]  # four edges, two steps
    opened(page, console, dicom_of(SEED, made))
    take(page, "m")
    drag(page, (250.0, 300.0), (350.0, 320.0))
    expect(own(page)).to_contain_text(why)
    expect(page.locator("rect.region")).to_have_count(len(made))


def test_without_a_scale_everything_is_pixels(page: Page, console: RunningConsole) -> None:
    """An image whose scale nobody knows: the reason stands beside each figure, an angle too."""
    capture_id = console.do(console.world.result(SEED, Verdict(scaled=False)))
    with console.world.database.begin() as tx:
        tx.exec_driver_sql("UPDATE image SET mm_per_pixel = NULL, scale_source = NULL")
    page.goto(address(console, capture_id))
    expect(page.locator("image.picture")).to_be_visible()
    for key in ("m", "g"):
        page.keyboard.press(key)
        expect(page.locator("rect.paper")).to_be_visible()
        page.keyboard.press("Enter")
    expect(own(page).get_by_role("listitem")).to_have_count(2)
    expect(own(page)).to_contain_text("Pixels: the scale of this image is not known.")
    expect(own(page)).to_contain_text("As if pixels were square: the scale of this image is not known.")


def test_measuring_needs_no_pointer(page: Page, console: RunningConsole) -> None:
    """M, Enter: a length with its first end in focus; arrows move it by 1 pixel, with Shift by 10; Tab goes on to the
    other end; Escape lets go; Delete removes; Ctrl+Z brings back."""
    opened(page, console)
    take(page, "m")
    page.keyboard.press("Enter")
    focused = page.locator(".handle:focus")
    expect(focused).to_have_attribute("aria-label", "Length 1, first end")
    before = points(page)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    expect(page.locator(".handle:focus .knob")).to_have_attribute("cy", f"{before[0][1] - 10:g}")
    page.keyboard.press("Tab")
    expect(focused).to_have_attribute("aria-label", "Length 1, second end")
    page.keyboard.press("Shift+ArrowRight")
    after = points(page)
    assert [[-1, -10], [10, 0]] == pytest.approx(after - before)
    expected = np.linalg.norm(after[1] - after[0]) * TRUTH.mm_per_pixel
    expect(focused).to_have_attribute("aria-valuetext", re.compile(rf"; {expected:.1f} mm$"))
    page.keyboard.press("Escape")
    expect(page.locator(".handle")).to_have_count(0)
    own(page).get_by_role("button", name="Length 1").first.press("Enter")
    expect(focused).to_have_count(1)
    page.keyboard.press("Delete")
    expect(own(page).get_by_role("listitem")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(own(page)).to_contain_text(f"{expected:.1f} mm")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(own(page)).to_contain_text(f"{np.linalg.norm(before[1] - before[0]) * TRUTH.mm_per_pixel:.1f} mm")
    page.keyboard.press("Control+z")
    expect(own(page)).to_have_count(0)


def test_several_shapes_are_kept_with_their_image(page: Page, console: RunningConsole) -> None:
    """Each has its number and its own delete; another print has none of them; back again they are there."""
    older = stored(console, dicom_of(SEED), device_id="us-room-4")
    opened(page, console)
    take(page, "m")
    drag(page, *INSIDE)
    page.keyboard.press("e")
    drag(page, (X0 + 380.0, Y0 + 350.0), (X0 + 150.0, Y0 + 380.0))
    expect(own(page).get_by_role("listitem")).to_have_count(2)
    row(page, console, older).click()
    expect(own(page)).to_have_count(0)
    page.keyboard.press("k")
    expect(own(page).get_by_role("listitem")).to_have_count(2)
    own(page).get_by_role("button", name="Delete Length 1").click()
    expect(own(page).get_by_role("listitem")).to_have_text(re.compile("^Ellipse 2"))
    # A click on its line takes a shape that is not selected.
    page.keyboard.press("Escape")
    expect(page.locator(".handle")).to_have_count(0)
    page.locator("ellipse.reach").dispatch_event("pointerdown", {"button": 0})
    expect(page.locator(".handle")).to_have_count(4)


def test_the_found_outline_is_corrected_and_measured(page: Page, console: RunningConsole) -> None:
    """The editor begins as the reading's ellipse, says HC, BPD and OFD while a handle moves, and only "Done" leaves a
    measurement; cancelled, nothing has happened."""
    opened(page, console)
    start = page.get_by_role("button", name="Correct the found head")
    start.click()
    editor = page.locator("g.editor")
    expect(editor.locator(".handle")).to_have_count(4)
    assert TRUTH.ellipse is not None
    e, mm = TRUTH.ellipse, TRUTH.mm_per_pixel
    assert (e.cx, e.cy) == pytest.approx(points(page)[0], abs=0.01)
    first = [ramanujan(e.a, e.b) * mm, 2 * e.b * mm, 2 * e.a * mm]
    expect(editor.locator("text")).to_contain_text("OFD")
    assert first == pytest.approx(figures(editor.locator("text").inner_html()), abs=0.06)
    page.keyboard.press("Escape")
    expect(editor).to_have_count(0)
    expect(own(page)).to_have_count(0)
    start.click()
    _, long, *_ = points(page)
    shorter = (e.cx + (long[0] - e.cx) * 0.9, e.cy + (long[1] - e.cy) * 0.9)
    drag(page, (float(long[0]), float(long[1])), shorter)
    expected = [ramanujan(0.9 * e.a, e.b) * mm, 2 * e.b * mm, 1.8 * e.a * mm]
    assert expected == pytest.approx(figures(editor.locator("text").inner_html()), abs=0.3)
    page.get_by_role("button", name="Done").click()
    expect(editor).to_have_count(0)
    assert expected == pytest.approx(figures(own(page).inner_text()), abs=0.3)
    x, y = on_screen(page, (e.cx, e.cy))
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('.handle') !== null", [x, y])
