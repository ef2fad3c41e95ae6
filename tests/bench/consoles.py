"""Consoles before a real server: a result on its way to pixels in Chromium, and what fifty of them cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from deploy.local.console_client import READ, Item
from deploy.local.machine import Program
from tests.bench.line import drawn_stills, hand_over
from tests.bench.outcome import Row, row
from tests.browser.conftest import FLAGS
from tests.line_machine import Line, wait_for, watching

PRINTS, WARM_PRINTS = 30, 5
PAUSE_S = 0.5
PIXELS_P95_MAX_MS = 250.0
CONSOLES = 50
SPREAD_PRINTS = 10
SPREAD_MAX_MS = 1000.0
SERVER_MAX_MB, TAB_MAX_MB = 1.0, 300.0
CHROMIUM = "/usr/bin/chromium"

PAINTED_BY_IMAGE = """() => {
  window.painted = {};
  let places = 0;
  const look = async () => {
    const film = document.querySelectorAll('[data-frame]');
    if (film.length > places) film[film.length - 1].click();
    places = film.length;
    const picture = document.querySelector('image.picture')?.getAttribute('href');
    if (!picture || !document.querySelector('ellipse.edge') || picture in window.painted) return;
    window.painted[picture] = null;
    const still = new Image();
    still.src = picture;
    await still.decode();
    // A message that is sent by the frame's own callback is read once the frame has been drawn.
    requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = () => (window.painted[picture] = Date.now() / 1000);
      after.port2.postMessage(0);
    });
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributes: true });
}"""
"""Opens the place of each new print at once, and keeps the time, seconds, of the frame with the outline over its
decoded still, by the still's address."""

PAINTED_COUNT = "Object.values(window.painted).filter(Boolean).length"


def result_to_pixels(folder: Path) -> list[Row]:
    """From the result's own time, taken in the transaction that stores it, to the frame with its outline."""
    stills = drawn_stills(folder, PRINTS + WARM_PRINTS)
    with Line(folder / "line") as line, _chromium() as browser:
        line.cloud()
        line.agent()
        hand_over(stills[0], line.prints)
        line.finals(1)
        page = _administrator(browser, line)
        page.evaluate(PAINTED_BY_IMAGE)
        for still in stills[1:]:
            known = page.evaluate(PAINTED_COUNT)
            hand_over(still, line.prints)
            wait_for(
                lambda known=known: page.evaluate(PAINTED_COUNT) > known, "an outline", line, every_s=0.2
            )
            page.wait_for_timeout(1000 * PAUSE_S)
        painted: Mapping[str, float] = page.evaluate("window.painted")
        spent_ms = [
            1000 * (painted[f"/api/images/{image_id}/still.png"] - stored_s)
            for image_id, stored_s in _results(line)
            if f"/api/images/{image_id}/still.png" in painted
        ][-PRINTS:]
        tab_mb = _tab_mb(browser)
    p95_ms = statistics.quantiles(spent_ms, n=20)[-1]
    return [
        row(
            "result to pixels in a browser, p95", p95_ms, PIXELS_P95_MAX_MS, "ms", p95_ms / PIXELS_P95_MAX_MS,
            "<=", 1.0, notes=f"peer: the limit; median {statistics.median(spent_ms):.0f} ms, {len(spent_ms)} prints",
        ),
        row(
            "memory of a browser tab", tab_mb, TAB_MAX_MB, "MB", tab_mb / TAB_MAX_MB, "<=", 1.0,
            notes=f"peer: the limit; its own memory after {PRINTS + WARM_PRINTS} images were opened",
        ),
    ]  # fmt: skip


def fifty_consoles(folder: Path) -> list[Row]:
    """A result at the last of fifty event streams, and the server's memory for each of them."""
    stills = drawn_stills(folder, SPREAD_PRINTS + WARM_PRINTS)
    with Line(folder / "line") as line, ExitStack() as streams:
        cloud = line.cloud()
        line.agent()
        for count, still in enumerate(stills[:WARM_PRINTS], 1):
            hand_over(still, line.prints)
            line.finals(count)
        before_mb = _resident_mb(cloud)
        wall_s = time.time() - time.monotonic()
        consoles = [streams.enter_context(watching(line.client)) for _ in range(CONSOLES)]
        wait_for(lambda: all(len(_arrivals(seen)) == WARM_PRINTS for seen in consoles), "every console", line)
        for count, still in enumerate(stills[WARM_PRINTS:], WARM_PRINTS + 1):
            hand_over(still, line.prints)
            wait_for(
                lambda count=count: all(len(_arrivals(seen)) == count for seen in consoles), "a result", line
            )
            time.sleep(PAUSE_S)
        each_mb = (_resident_mb(cloud) - before_mb) / CONSOLES
        arrivals = [_arrivals(seen) for seen in consoles]
        last_ms = [
            1000 * (max(each[image_id] for each in arrivals) + wall_s - stored_s)
            for image_id, stored_s in _results(line)[WARM_PRINTS:]
        ]
    return [
        row(
            f"result at the last of {CONSOLES} consoles", max(last_ms), SPREAD_MAX_MS, "ms",
            max(last_ms) / SPREAD_MAX_MS, "<=", 1.0,
            notes=f"peer: the limit; slowest of {SPREAD_PRINTS} results, median {statistics.median(last_ms):.0f} ms",
        ),
        row(
            "server memory for an open console", each_mb, SERVER_MAX_MB, "MB", each_mb / SERVER_MAX_MB, "<=", 1.0,
            notes=f"peer: the limit; {CONSOLES} event streams, after {SPREAD_PRINTS} results",
        ),
    ]  # fmt: skip


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def _administrator(browser: Browser, line: Line) -> Page:
    """The live page, opened by the first administrator."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB").new_page()
    page.goto(line.first_link() or "")
    page.get_by_label("Name", exact=True).fill("ada")
    for field in ("New password", "The same again"):
        page.get_by_label(field).fill("a quiet room with a view")
    page.get_by_role("button", name="Create and sign in").click()
    page.locator("ellipse.edge").wait_for()
    return page


def _results(line: Line) -> list[tuple[str, float]]:
    """Image and time, seconds since 1970, of every result, oldest first."""
    return [
        (image_id, datetime.fromisoformat(stored).timestamp())
        for image_id, stored in line.rows("select image_id, result_time from result order by result_time")
    ]


def _arrivals(seen: list[tuple[float, Item]]) -> dict[str, float]:
    """When each image's result came first, by the image."""
    found: dict[str, float] = {}
    for arrived, item in list(seen):
        if item["status"] in READ:
            for image in item["images"]:
                found.setdefault(image["image_id"], arrived)
    return found


def _resident_mb(program: Program) -> float:
    """Resident memory of the server's own process."""
    return float(psutil.Process(program.pid).memory_info().rss) / 1e6


def _tab_mb(browser: Browser) -> float:
    """Memory that belongs to the page's process alone."""
    session: CDPSession = browser.new_browser_cdp_session()
    processes: list[dict[str, Any]] = session.send("SystemInfo.getProcessInfo")["processInfo"]
    pids = [process["id"] for process in processes if process["type"] == "renderer"]
    return max(float(psutil.Process(pid).memory_full_info().uss) for pid in pids) / 1e6
