"""Step 13: what the stage draws, pixel by pixel, against drawings made here from the stored files and numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import address
from tests.browser.stage import PAINTED
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, png_of

pytestmark = pytest.mark.browser

Pixels = NDArray[np.float64]

SEED = 21
EXACT, BLENDED = 1, 2
"""Grey levels by which a colour may be off: drawn as it is, or mixed of two."""
STROKE = 70
"""The same for a thin line's middle, whose edge is smoothed."""
ASIDE_PX = 8
"""So far beside the outline nothing of it is left."""
OVER = """svg => {
  const painted = (e) => {
    const { backgroundColor, borderStyle } = getComputedStyle(e);
    const clear = e.children.length && backgroundColor === 'rgba(0, 0, 0, 0)' && borderStyle === 'none';
    return clear ? [...e.children].flatMap(painted) : [e.getBoundingClientRect()];
  };
  const over = [...svg.parentElement.children].filter((e) => e !== svg).flatMap(painted);
  return over.map(({ x, y, width, height }) => [x, y, width, height]);
}"""
"""Boxes of what the page lays over the still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A still at one screen pixel for each of its own."""

    page: Page
    """Shows it."""
    still: Pixels
    """Its stored pixels: rows x columns x 3 (blue, green, red)."""
    reading: dict[str, dict[str, float]]
    """What the server says of it."""
    image_id: str
    """Names it."""

    @property
    def svg(self) -> Locator:
        """Where it is drawn."""
        return self.page.locator("svg.still")

    def resize(self, width: int, height: int) -> None:
        """Gives the window the size at which the drawing has this one."""
        for _ in range(6):
            box, window = self.svg.bounding_box(), self.page.viewport_size
            assert box is not None
            assert window is not None
            if (width, height) == (box["width"], box["height"]):
                return
            missing = round(width - box["width"]), round(height - box["height"])
            self.page.set_viewport_size(
                {"width": window["width"] + missing[0], "height": window["height"] + missing[1]}
            )
            self.page.evaluate(PAINTED)
        raise AssertionError("the drawing does not get this size")

    def drawn(self) -> tuple[Pixels, NDArray[np.bool_]]:
        """The drawing's pixels, and which of them nothing of the page lies over."""
        self.page.evaluate(PAINTED)
        box = self.svg.bounding_box()
        assert box is not None
        png = self.page.screenshot(clip=box)  # type: ignore[arg-type]  # the same four numbers
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        free = np.ones(pixels.shape[:2], np.bool_)
        for x, y, width, height in self.svg.evaluate(OVER):
            left, top = int(x - box["x"]), int(y - box["y"])
            free[max(0, top) : top + int(height) + 2, max(0, left) : left + int(width) + 2] = False
        return np.asarray(pixels, np.float64), free

    def bare(self) -> tuple[Pixels, NDArray[np.bool_]]:
        """The drawing while its bare image is asked for."""
        self.page.keyboard.down("h")
        expect(self.page.locator("svg.still g, svg.still .box, svg.still .heat")).to_have_count(0)
        found = self.drawn()
        self.page.keyboard.up("h")
        return found


@pytest.fixture(params=["dark", "light"])
def stage(request: pytest.FixtureRequest, page: Page, console: RunningConsole) -> Stage:
    """An abnormal reading on the stage, in either theme."""
    verdict = Verdict(finding="ventriculomegaly", probability=0.93)
    capture_id = console.do(console.world.result(SEED, verdict))
    page.add_init_script(f"localStorage['sonorelay.theme'] = '{request.param}'")
    page.goto(address(console, capture_id))
    expect(page.locator("ellipse.edge")).to_be_visible()
    (image,) = page.request.get(f"/api/captures/{capture_id}").json()["images"]
    pixels = cv2.imdecode(np.frombuffer(png_of(brain_shot(SEED)), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    shown = Stage(
        page=page,
        still=np.asarray(pixels, np.float64),
        reading=image["reading"],
        image_id=image["image_id"],
    )
    shown.resize(pixels.shape[1], pixels.shape[0])
    return shown


def off(expected: Pixels, drawn: Pixels) -> Pixels:
    """By how much each pixel's farthest colour is off."""
    return np.asarray(np.abs(expected - drawn).max(axis=-1))


@pytest.mark.req("READ-09")
def test_the_bare_still_is_the_stored_one(stage: Stage) -> None:
    """Every pixel that nothing lies over has the stored file's colour, within one level."""
    drawn, free = stage.bare()
    assert 0.8 < free.mean()
    assert EXACT >= off(stage.still, drawn)[free].max()


@pytest.mark.req("READ-09")
def test_the_outline_is_drawn_on_the_ellipse(stage: Stage) -> None:
    """Places worked out from the scanner's own ellipse have the line's colour; beside it the still is untouched."""
    truth = brain_shot(SEED).still.truth.ellipse
    assert truth is not None
    colour = stage.page.locator("ellipse.edge").evaluate(
        "e => getComputedStyle(e).stroke.match(/[\\d.]+/g).slice(0, 3).map(Number).reverse()"
    )
    drawn, free = stage.drawn()
    around, turn = np.linspace(0, 2 * np.pi, 720, endpoint=False), np.radians(truth.angle_deg)

    def at(further_px: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of places so much farther out than the ellipse."""
        along, across = (truth.a + further_px) * np.cos(around), (truth.b + further_px) * np.sin(around)
        x = truth.cx + along * np.cos(turn) - across * np.sin(turn)
        y = truth.cy + along * np.sin(turn) + across * np.cos(turn)
        rows, columns = np.floor(y).astype(int), np.floor(x).astype(int)
        inside = (rows >= 0) & (rows < free.shape[0]) & (columns >= 0) & (columns < free.shape[1])
        rows, columns = rows[inside], columns[inside]
        seen = free[rows, columns]
        return rows[seen], columns[seen]

    on = at(0)
    assert 500 < len(on[0])
    assert 0.98 < (off(np.asarray(colour, np.float64), drawn[on]) <= STROKE).mean()
    for further_px in (-ASIDE_PX, ASIDE_PX):
        beside = at(further_px)
        # The axes and the crop's box cross it in a few places.
        assert 0.93 < (off(stage.still[beside], drawn[beside]) <= EXACT).mean()


@pytest.mark.req("READ-09")
@pytest.mark.parametrize("percent", [60, 25, 100])
def test_the_heat_map_has_the_stored_colours_at_its_strength(stage: Stage, percent: int) -> None:
    """Still and stored heat picture mixed by the picture's alpha times the strength; outside of the crop the still."""
    page, crop = stage.page, stage.reading["crop"]
    page.keyboard.press("1")
    page.keyboard.press("2")
    expect(page.locator("image.heat")).to_be_visible()
    page.get_by_label("Strength of the heat map").fill(str(percent))
    stored = page.request.get(f"/api/images/{stage.image_id}/heatmap.png").body()
    heat = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED)
    assert heat is not None
    x0, y0, size_px = (int(crop[name]) for name in ("x0", "y0", "size_px"))
    assert (size_px, size_px, 4) == heat.shape
    height, width = stage.still.shape[:2]
    rows, columns = slice(max(0, y0), min(height, y0 + size_px)), slice(max(0, x0), min(width, x0 + size_px))
    over = heat[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0].astype(np.float64)
    share = over[..., 3:] / 255 * percent / 100
    expected = stage.still.copy()
    expected[rows, columns] = expected[rows, columns] * (1 - share) + over[..., :3] * share
    drawn, free = stage.drawn()
    ruler = page.locator("g.ruler").bounding_box()
    frame = stage.svg.bounding_box()
    assert ruler is not None
    assert frame is not None
    left, top = int(ruler["x"] - frame["x"]), int(ruler["y"] - frame["y"])
    free[top - 4 : top + int(ruler["height"]) + 8, left - 4 : left + int(ruler["width"]) + 8] = False
    assert BLENDED >= off(expected, drawn)[free].max()
    assert 20 < off(stage.still, drawn)[free].max()


@pytest.mark.req("READ-09")
def test_the_crop_view_shows_what_the_classifier_saw(stage: Stage) -> None:
    """The square of the reading fills the stage, and each of its pixels is the stored still's."""
    page, crop = stage.page, stage.reading["crop"]
    x0, y0, size_px = (int(crop[name]) for name in ("x0", "y0", "size_px"))
    page.keyboard.press("1")
    page.keyboard.press("3")
    expect(stage.svg).to_have_attribute("viewBox", f"{x0} {y0} {size_px} {size_px}")
    # As high as the square; wider by an even number of pixels, half of them on either side.
    aside_px = 40
    stage.resize(size_px + 2 * aside_px, size_px)
    drawn, free = stage.drawn()
    height, width = stage.still.shape[:2]
    rows, columns = np.mgrid[max(0, y0) : min(height, y0 + size_px), max(0, x0) : min(width, x0 + size_px)]
    there = rows - y0, columns - x0 + aside_px
    seen = free[there] & (rows < y0 + 0.88 * size_px)
    assert 0.6 < seen.mean()
    assert EXACT >= off(stage.still[rows, columns], drawn[there])[seen].max()
