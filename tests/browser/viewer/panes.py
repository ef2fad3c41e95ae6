"""What a test sees in a viewer's pane, and does there."""

from __future__ import annotations

import math
import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.viewer.bodies import RADIUS_MM

PANES = ("axial", "coronal", "sagittal", "oblique")
STEPS_TO_BALLS = 9
"""Axial steps of 1.5 mm from the middle of the volume until a plane cuts both balls."""
Spot = tuple[float, float]
"""CSS pixels from a pane's upper left corner."""

_MIDDLE_OF_BRIGHT = """
(pane, [x, y, reach]) => new Promise((done) => requestAnimationFrame(() => {
  const canvas = pane.querySelector('canvas');
  const ratio = canvas.width / canvas.clientWidth;
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data, width, height } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let [sum, across, down] = [0, 0, 0];
  for (let row = 0; row < height; row += 1)
    for (let column = 0; column < width; column += 1) {
      const [at, to] = [(column + 0.5) / ratio, (row + 0.5) / ratio];
      if (Math.hypot(at - x, to - y) > reach) continue;
      const light = data[(row * width + column) * 4];
      sum += light;
      across += light * at;
      down += light * to;
    }
  done(sum ? [across / sum, down / sum, sum / 255] : null);
}))
"""
"""The middle of what is bright on the canvas, weighed by brightness, within `reach` of (x, y); and how much it is."""


def pane(page: Page, name: str) -> Locator:
    """One of the four panes."""
    return page.locator(f'[data-pane="{name}"]')


def opened(page: Page, series_id: str) -> None:
    """Opens a volume and waits for its four planes."""
    page.goto(f"/viewer/{series_id}")
    settled(page)


def settled(page: Page, *names: str) -> None:
    """Waits until the panes show what is wished, as fine as it gets."""
    for name in names or PANES:
        expect(pane(page, name)).to_have_attribute("aria-busy", "false")


def bright(shown: Locator, near: Spot | None = None, reach_px: float = 1e9) -> tuple[float, float, float]:
    """Middle of what is bright in a pane, and how many pixels it fills."""
    x, y = near or (0.0, 0.0)
    found = shown.evaluate(_MIDDLE_OF_BRIGHT, [x, y, reach_px])
    assert found is not None, "nothing is bright there"
    return float(found[0]), float(found[1]), float(found[2])


def is_dark(shown: Locator, near: Spot, reach_px: float) -> bool:
    """Whether nothing bright lies there."""
    return shown.evaluate(_MIDDLE_OF_BRIGHT, [*near, reach_px]) is None


def crosshair(shown: Locator) -> Spot:
    """Where the crosshair is."""
    place = shown.locator("circle.place")
    return float(place.get_attribute("cx") or "nan"), float(place.get_attribute("cy") or "nan")


def mm_per_px(shown: Locator) -> float:
    """By the scale bar."""
    length = re.match(r"([\d.]+) mm", (shown.locator("text.said").text_content() or "").strip())
    drawn = re.search(r"h([\d.]+)v", shown.locator("path.bar").get_attribute("d") or "")
    assert length is not None
    assert drawn is not None
    return float(length[1]) / float(drawn[1])


def letters(shown: Locator) -> dict[str, str]:
    """The letters at a pane's edges."""
    return {
        side: shown.locator(f'.letter[data-side="{side}"]').inner_text()
        for side in ("left", "right", "top", "bottom")
    }


def drag(page: Page, shown: Locator, start: Spot, end: Spot, *, steps: int = 8) -> None:
    """Presses at `start`, moves, and lets go at `end`."""
    box = shown.locator("canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=steps)
    page.mouse.up()


def click(page: Page, shown: Locator, at: Spot) -> None:
    """Presses and lets go at one place."""
    drag(page, shown, at, at, steps=1)


def spot_of(shown: Locator, right_mm: float, down_mm: float) -> Spot:
    """Where a place lies in a pane that shows the volume's middle in its middle."""
    box = shown.locator("canvas").bounding_box()
    assert box is not None
    scale = mm_per_px(shown)
    return box["width"] / 2 + right_mm / scale, box["height"] / 2 + down_mm / scale


def to_balls(page: Page) -> None:
    """Scrolls the axial plane until it cuts both balls."""
    page.keyboard.press("1")
    for _ in range(STEPS_TO_BALLS):
        page.keyboard.press("PageDown")
    settled(page)


def ball(shown: Locator, right_mm: float, down_mm: float) -> Spot:
    """Where a ball is seen, looked for around the place where it must be."""
    near = spot_of(shown, right_mm, down_mm)
    x, y, _ = bright(shown, near, 1.6 * RADIUS_MM / mm_per_px(shown))
    return x, y


def away_mm(shown: Locator, a: Spot, b: Spot) -> float:
    """How far two spots of a pane are apart."""
    return math.dist(a, b) * mm_per_px(shown)
