"""The viewer's images one by one, loops, and headers, in a real browser over a real server."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.viewer.bodies import BALLS, REGION_MM, SLICE_COUNT, loop_files, uploaded, volume_files
from tests.browser.viewer.panes import bright, drag, letters, mm_per_px, opened
from tests.cloud.console.running import RunningConsole

pytestmark = pytest.mark.browser

HOSTILE = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)>"


def shown(page: Page, index: int) -> Locator:
    """The pane, once it shows this image or frame."""
    pane = page.locator("[data-index]")
    expect(pane).to_have_attribute("data-index", str(index))
    return pane


@pytest.fixture
def few(console: RunningConsole, tmp_path: Path) -> str:
    """Four images: too few for planes."""
    own = {"SeriesInstanceUID": "1.2.4", "first_number": 501, "BodyPartExamined": "HEAD"}
    return uploaded(console, volume_files(tmp_path / "few", count=4, from_slice=22, **own))


@pytest.fixture
def loop(console: RunningConsole, tmp_path: Path) -> str:
    """Twelve frames in colour, 25 a second."""
    return uploaded(console, loop_files(tmp_path / "loop"))


@pytest.mark.req("DATA-09")
def test_images_are_gone_through(page: Page, series: str) -> None:
    """By keys, wheel and slider; each says its number of how many, its place and its sides."""
    page.goto(f"/viewer/{series}")
    page.get_by_role("button", name="Images").click()
    pane = shown(page, 0)
    # The first slice lies 1.5 mm x 47 / 2 from the middle.
    expect(pane).to_contain_text(f"Image 1 of {SLICE_COUNT} · F 35.3 mm")
    assert {"left": "R", "right": "L", "top": "A", "bottom": "P"} == letters(pane)
    page.keyboard.press("ArrowDown")
    shown(page, 1)
    box = pane.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.wheel(0, 120)
    shown(page, 2)
    page.keyboard.press("End")
    shown(page, SLICE_COUNT - 1)
    slider = page.get_by_role("slider", name="Image number")
    slider.fill("33")
    pane = shown(page, 33)
    expect(pane).to_contain_text("H 14.3 mm")
    # Both balls are cut: they are as far apart as they are in the patient.
    scale = mm_per_px(pane)
    size = pane.locator("canvas").bounding_box()
    assert size is not None
    middle = size["width"] / 2, size["height"] / 2
    spots = [bright(pane, (middle[0] + x / scale, middle[1] + y / scale), 8 / scale)[:2] for x, y, _ in BALLS]
    assert math.dist(*BALLS) == pytest.approx(math.dist(*spots) * scale, abs=0.5)


@pytest.mark.req("MPR-06")
def test_without_planes_it_says_why_and_shows_the_images(page: Page, few: str) -> None:
    """On the list and above the images, in both languages; there is no way to planes."""
    page.goto("/viewer")
    row = page.locator(f'[data-series="{few}"]')
    expect(row).to_contain_text("The series has 4 usable images; a reconstruction needs 10.")
    row.get_by_role("link").click()
    shown(page, 0)
    expect(page.get_by_text("No planes can be cut through this series.")).to_be_visible()
    expect(page.get_by_role("button", name="Planes", exact=True)).to_have_count(0)
    page.get_by_role("button", name="切换到中文").click()
    expect(page.get_by_text("该序列有 4 幅可用图像，重建至少需要 10 幅。").first).to_be_visible()
    page.get_by_role("button", name="Switch to English").click()


@pytest.mark.req("DATA-09")
def test_a_loop_plays_at_its_rate(page: Page, loop: str) -> None:
    """In colour, frame by frame, at the rate of its header, which can be changed; lengths by the region's scale."""
    page.goto(f"/viewer/{loop}")
    pane = shown(page, 0)
    expect(pane).to_contain_text("Frame 1 of 12")
    expect(page.get_by_text("25 per second")).to_be_visible()
    expect(page.get_by_role("button", name="Window", exact=True)).to_be_disabled()
    # Reds of the frames rise by 20; the first has none.
    assert red(pane) == 0
    page.keyboard.press("ArrowDown")
    assert red(shown(page, 1)) == 20
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    seen = played(pane, 30)
    assert [(seen[0] + step) % 12 for step in range(30)] == seen
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_role("slider", name="Images per second").fill("5")
    expect(page.get_by_text("5 per second", exact=True)).to_be_visible()
    expect(pane.locator("text.said")).to_contain_text("mm")
    page.keyboard.press("m")
    drag(page, pane, (200, 200), (400, 200))
    length = float((pane.locator(".mark text").first.text_content() or "").split()[0])
    zoom = re.search(r"×([\d.]+)", pane.inner_text())
    assert zoom is not None
    assert 200 / float(zoom[1]) * REGION_MM == pytest.approx(length, rel=0.01)


def played(pane: Locator, count: int) -> list[int]:
    """The next `count` frames that the pane shows, in their order."""
    script = """
    (pane, count) => new Promise((done) => {
      const seen = [];
      const watcher = new MutationObserver(() => {
        seen.push(Number(pane.dataset.index));
        if (seen.length < count) return;
        watcher.disconnect();
        done(seen);
      });
      watcher.observe(pane, { attributeFilter: ['data-index'] });
    })
    """
    found: list[int] = pane.evaluate(script, count)
    return found


def red(pane: Locator) -> int:
    """Red of the middle of the picture."""
    script = """
    (pane) => new Promise((done) => requestAnimationFrame(() => {
      const canvas = pane.querySelector('canvas');
      const copy = new OffscreenCanvas(1, 1).getContext('2d');
      copy.drawImage(canvas, -canvas.width >> 1, -canvas.height >> 1);
      done(copy.getImageData(0, 0, 1, 1).data[0]);
    }))
    """
    return int(pane.evaluate(script))


def test_tags_are_searched(page: Page, series: str) -> None:
    """The header's elements with keyword and value; words of the search narrow them."""
    opened(page, series)
    page.keyboard.press("t")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("DICOM tags of image 1")
    expect(dialog.locator("tbody tr").nth(10)).to_be_visible()
    dialog.get_by_role("searchbox").fill("pixel spac")
    expect(dialog.locator("tbody tr")).to_have_count(1)
    expect(dialog.locator("tbody tr")).to_contain_text("PixelSpacing")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_what_stands_in_a_header_stays_text(page: Page, series: str) -> None:
    """A script or an image in a value is shown as its letters, and does nothing."""

    def answer(route: Route) -> None:
        rows = [{"tag": "(0008,0060)", "vr": "CS", "keyword": "Modality", "value": HOSTILE}]
        route.fulfill(content_type="application/json", body=json.dumps(rows))

    page.route("**/tags*", answer)
    opened(page, series)
    page.keyboard.press("t")
    cell = page.get_by_role("dialog").locator("td.value")
    expect(cell).to_have_text(HOSTILE)
    assert cell.locator("*").count() == 0
    expect(page).not_to_have_title("owned")
