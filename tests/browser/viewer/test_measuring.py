"""Measuring, windows and pictures in the viewer, in a real browser over a real server."""

from __future__ import annotations

import math
import re

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.viewer.bodies import BALLS, RADIUS_MM
from tests.browser.viewer.panes import (
    ball,
    bright,
    click,
    drag,
    is_dark,
    mm_per_px,
    opened,
    pane,
    spot_of,
    to_balls,
)

pytestmark = pytest.mark.browser


@pytest.mark.req("DATA-09")
def test_lengths_are_millimetres_and_stay_with_their_plane(page: Page, series: str) -> None:
    """From ball to ball as far as they are apart; gone in other planes, there again, and a click leads back."""
    opened(page, series)
    to_balls(page)
    axial = pane(page, "axial")
    first, second = (ball(axial, x, y) for x, y, _ in BALLS)
    page.keyboard.press("m")
    drag(page, axial, first, second)
    mark = axial.locator(".mark text").first
    assert math.dist(*BALLS) == pytest.approx(float((mark.text_content() or "").split()[0]), abs=0.5)
    page.keyboard.press("c")
    page.keyboard.press("PageDown")
    expect(mark).to_have_count(0)
    page.get_by_role("button", name=re.compile("Length · Axial")).click()
    expect(mark).to_be_visible()
    page.get_by_role("button", name="Remove this measurement").click()
    expect(mark).to_have_count(0)


@pytest.mark.req("DATA-09")
def test_angles_and_areas(page: Page, series: str) -> None:
    """An angle of three points, an ellipse with the values in it, a polygon closed at its first point."""
    opened(page, series)
    to_balls(page)
    axial = pane(page, "axial")
    scale = mm_per_px(axial)
    texts = axial.locator(".mark text")
    page.keyboard.press("n")
    for spot in ((250.0, 100.0), (250.0, 200.0), (350.0, 200.0)):
        click(page, axial, spot)
    expect(texts).to_have_text("90.0°")
    page.keyboard.press("Delete")
    expect(texts).to_have_count(0)
    page.keyboard.press("e")
    x, y = ball(axial, *BALLS[0][:2])
    half = 0.5 * RADIUS_MM / scale
    drag(page, axial, (x - half, y - half), (x + half, y + half))
    area, spread = texts.all_text_contents()
    assert math.pi / 4 * RADIUS_MM**2 == pytest.approx(float(area.split()[0]), rel=0.03)
    # All of it lies inside the ball.
    assert re.fullmatch(r"(9\d\d|1000)\.\d ± \d\d?\.\d HU", spread)
    page.keyboard.press("Delete")
    page.keyboard.press("g")
    corners = ((100.0, 60.0), (200.0, 60.0), (200.0, 110.0), (100.0, 110.0))
    for spot in (*corners, corners[0]):
        click(page, axial, spot)
    assert 100 * 50 * scale**2 == pytest.approx(
        float((texts.first.text_content() or "").split()[0]), rel=0.01
    )


@pytest.mark.req("DATA-09")
def test_windows(page: Page, series: str) -> None:
    """Presets, a drag, inversion and reset change what is bright; the value under the pointer stays in HU."""
    opened(page, series)
    axial = pane(page, "axial")
    middle = spot_of(axial, 0, 0)
    assert is_dark(axial, middle, 6)
    page.get_by_role("combobox", name="Window preset").select_option(label="soft tissue")
    expect(axial).to_contain_text("W 400 L 50")
    assert not is_dark(axial, middle, 6)
    page.keyboard.press("r")
    expect(axial).to_contain_text("W 800 L 500")
    page.keyboard.press("v")
    expect(axial).to_contain_text("W 80 L 40")
    page.keyboard.press("r")
    page.keyboard.press("i")
    *_, white = bright(axial, middle, 6)
    page.keyboard.press("i")
    assert white > 100
    assert is_dark(axial, middle, 6)
    page.keyboard.press("w")
    drag(page, axial, (200, 150), (260, 110))
    expect(axial).not_to_contain_text("W 800 L 500")
    box = axial.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + middle[0] + 12, box["y"] + middle[1] + 12)
    expect(axial).to_contain_text("100 HU")


@pytest.mark.req("BEY-10")
def test_a_picture_bears_the_notice_and_the_scale(page: Page, series: str) -> None:
    """The file is the pane at two pixels to one, with words at its foot that are not in the pane's picture."""
    opened(page, series)
    axial = pane(page, "axial")
    box = axial.locator("canvas").bounding_box()
    assert box is not None
    with page.expect_download() as coming:
        page.get_by_role("button", name="This pane as PNG").click()
    picture = cv2.imdecode(np.fromfile(coming.value.path(), dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    height, width = picture.shape
    assert (2 * box["width"], 2 * box["height"]) == pytest.approx((width, height), abs=1)
    foot = picture[height - 40 : height - 8]
    columns = np.flatnonzero(foot.max(axis=0) > 200)
    # A line of words, in the middle.
    assert columns[-1] - columns[0] > 300
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(width / 2, abs=12)
