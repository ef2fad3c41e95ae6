"""The reading stage in a browser: stills of known scale, and hands that draw in the still's own pixels."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect
from pydicom import Dataset, dcmread

from edge_agent.simulator.write import encode
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import DEVICE, Verdict, brain_shot

Point = tuple[float, float]
SEED = 25

TO_SCREEN = """([x, y]) => {
  const at = new DOMPoint(x, y).matrixTransform(document.querySelector('svg.still').getScreenCTM());
  return [at.x, at.y];
}"""
TO_STILL = """([x, y]) => {
  const matrix = document.querySelector('svg.still').getScreenCTM().inverse();
  const at = new DOMPoint(x, y).matrixTransform(matrix);
  return [at.x, at.y];
}"""

PAINTED = """async () => {
  const still = new Image();
  still.src = document.querySelector('image.picture').getAttribute('href');
  await still.decode();
  for (let n = 0; n < 3; n += 1) await new Promise(requestAnimationFrame);
}"""
"""Waits until the still's pixels are on the screen."""


def region(edges: tuple[int, int, int, int], mm_per_pixel: tuple[float, float]) -> Dataset:
    """A calibrated region: left, top, right and bottom edge, and the steps in both directions."""
    x0, y0, x1, y1 = edges
    ds = Dataset()
    ds.RegionSpatialFormat, ds.RegionDataType, ds.RegionFlags = 1, 1, 0
    ds.RegionLocationMinX0, ds.RegionLocationMinY0 = x0, y0
    ds.RegionLocationMaxX1, ds.RegionLocationMaxY1 = x1 - 1, y1 - 1
    ds.PhysicalUnitsXDirection = ds.PhysicalUnitsYDirection = 3
    ds.PhysicalDeltaX, ds.PhysicalDeltaY = (step / 10 for step in mm_per_pixel)
    return ds


def dicom_of(seed: int, regions: Sequence[Dataset] | None = None) -> bytes:
    """The virtual scanner's DICOM still, with other regions where given."""
    data = encode(brain_shot(seed), "dicom")
    if regions is None:
        return data
    ds = dcmread(io.BytesIO(data))
    ds.SequenceOfUltrasoundRegions = list(regions)
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def stored(console: RunningConsole, data: bytes, seed: int = SEED, device_id: str = DEVICE) -> str:
    """A print of one DICOM still with a reading; the capture's id."""
    world, shot = console.world, brain_shot(seed)
    capture_id = console.do(world.announce(device_id=device_id))
    images = world.store_images(capture_id, [data], [shot], media_type="application/dicom")
    (image_id,) = console.do(images)
    console.do(world.conclude(capture_id, image_id, shot, Verdict()))
    return capture_id


def on_screen(page: Page, at: Point) -> Point:
    """Where a place of the still is on the screen."""
    x, y = page.evaluate(TO_SCREEN, list(at))
    return x, y


def on_still(page: Page, at: Point) -> Point:
    """Which place of the still is at a place of the screen."""
    x, y = page.evaluate(TO_STILL, list(at))
    return x, y


def drag(page: Page, start: Point, end: Point, button: str = "left") -> None:
    """Drags from one place of the still to another."""
    (x0, y0), (x1, y1) = on_screen(page, start), on_screen(page, end)
    drag_on_screen(page, (x0, y0), (x1, y1), button)


def drag_on_screen(page: Page, start: Point, end: Point, button: str = "left") -> None:
    """Drags from one place of the screen to another."""
    page.mouse.move(*start)
    page.mouse.down(button=button)  # type: ignore[arg-type]  # one of the three buttons
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up(button=button)  # type: ignore[arg-type]  # one of the three buttons


def take(page: Page, key: str) -> None:
    """Chooses a measuring tool; returns when it can draw."""
    page.keyboard.press(key)
    expect(page.locator("rect.paper")).to_be_visible()
    expect(page.locator("rect.region").first).to_be_attached()


def own(page: Page) -> Locator:
    """The list of what is drawn."""
    return page.get_by_role("region", name="Own measurements")


def points(page: Page) -> NDArray[np.float64]:
    """Places of the handles that are shown, as they lie on the still: Nx2."""
    knobs = page.locator(".handle .knob").all()
    return np.array([[float(k.get_attribute(a) or "nan") for a in ("cx", "cy")] for k in knobs])


def figures(text: str) -> list[float]:
    """Every number with one decimal in a text."""
    return [float(n) for n in re.findall(r"\d+\.\d", text)]


def screenshot(page: Page, clip: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """A part of the screen as gray levels: left, top, width, height."""
    x, y, width, height = clip
    png = page.screenshot(clip={"x": x, "y": y, "width": width, "height": height})
    gray = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert gray is not None
    return np.asarray(gray, np.uint8)
