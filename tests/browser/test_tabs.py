"""Step 13: many tabs of one browser: one of them holds the stream, all of them see every change."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import row
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict

pytestmark = pytest.mark.browser

TABS = 7
"""More than the six connections that HTTP/1.1 gives a host."""


def streams(pages: list[Page], counted: dict[Page, int]) -> list[Page]:
    """Pages that have asked for the stream."""
    return [page for page in pages if counted.get(page)]


@pytest.mark.req("READ-09")
def test_seven_tabs_share_one_stream_and_outlive_its_holder(page: Page, console: RunningConsole) -> None:
    """A result reaches every tab; when the tab that holds the stream closes, another takes over without a gap."""
    pages = [page, *(page.context.new_page() for _ in range(TABS - 1))]
    counted: dict[Page, int] = {}

    def count(tab: Page) -> None:
        def asked(url: str) -> None:
            if url.endswith("/api/events"):
                counted[tab] = counted.get(tab, 0) + 1

        tab.on("request", lambda request: asked(request.url))

    for tab in pages:
        count(tab)
        tab.goto("/")
        expect(tab.get_by_role("status")).to_have_text("Live")
    assert 1 == len(streams(pages, counted))
    first = console.do(console.world.result(81, Verdict(), device_id="room-a"))
    for tab in pages:
        expect(row(tab, console, first)).to_contain_text("No anomaly")
    holder = streams(pages, counted)[0]
    holder.close()
    rest = [tab for tab in pages if tab is not holder]
    second = console.do(console.world.result(82, Verdict(finding="other"), device_id="room-b"))
    for tab in rest:
        expect(row(tab, console, second)).to_contain_text("Suspected")
        expect(tab.get_by_role("status")).to_have_text("Live")
    assert 1 == len(streams(rest, counted))


def test_a_silent_holder_loses_the_stream(page: Page, console: RunningConsole) -> None:
    """A tab that the browser has frozen still holds the lock; a tab that is looked at takes it away."""
    page.goto("/")
    expect(page.get_by_role("status")).to_have_text("Live")
    other = page.context.new_page()
    other.goto("/")
    expect(other.get_by_role("status")).to_have_text("Live")
    frozen = page.context.new_cdp_session(page)
    frozen.send("Emulation.setScriptExecutionDisabled", {"value": False})
    frozen.send("Debugger.enable")
    frozen.send("Debugger.pause")
    with other.expect_request("**/api/events"):
        # Anything that makes the paused tab run stops it there.
        page.context.request.get("/api/health/live")
    made = console.do(console.world.result(83, Verdict()))
    expect(row(other, console, made)).to_contain_text("No anomaly")
    frozen.send("Debugger.resume")
    frozen.detach()
    expect(row(page, console, made)).to_contain_text("No anomaly")
