"""Debian's Chromium on the console's page: no download. Any error in the browser fails the test.

The fixtures end the browser's event loop with each module: the plugin's own keep one running for the whole
session, and then no asyncio test could start its loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from cloud.accounts.roles import Role
from cloud.console.api.page import STATIC_DIR
from cloud.examinations.refresh import examination_of
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import PASSWORD

PATIENCE_MS = 20_000
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--font-render-hinting=none", "--force-color-profile=srgb"),
)


@pytest.fixture(scope="module")
def browser(program: Callable[[str, str], str]) -> Iterator[Browser]:
    """Chromium without a window."""
    chromium = program("chromium", "chromium")
    if not (STATIC_DIR / "index.html").is_file():
        pytest.fail("the page has not been built: run make setup")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[RunningConsole]:
    """The console with the built page over an empty world."""
    running = RunningConsole(tmp_path)
    running.start()
    yield running
    running.close()


@pytest.fixture
def problems() -> list[str]:
    """What went wrong in the browser; a test that breaks something on purpose takes it out again."""
    return []


def sign_in(page: Page, console: RunningConsole, role: Role, name: str = "") -> None:
    """Makes a user of this role, named after it, and signs them in at this browser, as the page would."""
    known = name or role.value
    console.do(console.world.add_user(known, role))
    body = {"name": known, "password": PASSWORD}
    answer = page.request.post("/api/session", data=body, headers={"Sec-Fetch-Site": "same-origin"})
    assert 200 == answer.status


def examination(console: RunningConsole, capture_id: str) -> str:
    """The examination that a print belongs to."""
    found = console.do(console.world.database.read(lambda tx: examination_of(tx, capture_id)))
    assert found is not None
    return found


def row(page: Page, console: RunningConsole, capture_id: str) -> Locator:
    """The row of the print's examination on the worklist."""
    return page.locator(f'[data-exam="{examination(console, capture_id)}"] button')


def address(console: RunningConsole, capture_id: str) -> str:
    """Where the print's examination is shown."""
    return f"/live/{examination(console, capture_id)}"


def opened(page: Page, console: RunningConsole, capture_id: str) -> None:
    """Waits until the print's examination is the one that is shown."""
    expect(page).to_have_url(re.compile(f"{address(console, capture_id)}$"))


@pytest.fixture
def stranger(browser: Browser, console: RunningConsole, problems: list[str]) -> Iterator[Page]:
    """A page at 1280 x 800, English, nobody signed in. Console errors, policy violations, failed or foreign requests
    fail."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        locale="en-GB",
        timezone_id="Asia/Shanghai",
        color_scheme="dark",
        reduced_motion="reduce",
        service_workers="block",
        base_url=console.url,
    )
    context.set_default_timeout(PATIENCE_MS)
    opened = context.new_page()
    opened.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    opened.on("console", lambda said: _said(said, problems))
    opened.on("request", lambda asked: _local(asked.url, console, problems))
    yield opened
    context.close()
    assert [] == problems


@pytest.fixture
def page(stranger: Page, console: RunningConsole) -> Page:
    """The same page with a doctor signed in."""
    sign_in(stranger, console, Role.DOCTOR)
    return stranger


@pytest.fixture
def refused(problems: list[str]) -> Callable[[int], None]:
    """Takes the browser's own words about answers of this status out of the problems; there must be some."""

    def take_out(status: int) -> None:
        mark = f"the server responded with a status of {status}"
        assert any(mark in problem for problem in problems), problems
        problems[:] = [problem for problem in problems if mark not in problem]

    return take_out


def _said(message: ConsoleMessage, problems: list[str]) -> None:
    if message.type in ("error", "warning"):
        problems.append(f"{message.text} ({message.location['url']})")


def _local(url: str, console: RunningConsole, problems: list[str]) -> None:
    if not url.startswith((console.url, "data:", "blob:")):
        problems.append(f"a request left this machine: {url}")
