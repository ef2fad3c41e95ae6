"""Step 13: the system page in a real browser: resources, the alarm's bar, acknowledging by keyboard, limits."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from cloud.accounts.roles import Role
from cloud.monitor.metrics import Metric
from tests.browser.conftest import sign_in
from tests.browser.test_sign_in_page import TOO_WIDE
from tests.cloud.console.running import RunningConsole
from tests.cloud.monitor.made import look

pytestmark = pytest.mark.browser


def looked(console: RunningConsole, times: int = 1) -> None:
    """The server looks at itself so many times."""
    for _ in range(times):
        console.do(console.world.services.monitor.sampler.look())


def tile(page: Page, name: str) -> Locator:
    """A tile by its name."""
    return page.get_by_role("list", name="Resources").get_by_role("listitem").filter(has_text=name)


def tab_to(page: Page, wanted: Locator) -> None:
    """Presses Tab until it has the focus."""
    for _ in range(60):
        if wanted.evaluate("e => e === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("the keyboard does not get there")


@pytest.mark.req("DATA-11")
def test_a_lowered_limit_raises_an_alarm_that_is_acknowledged_by_keyboard(
    stranger: Page, console: RunningConsole
) -> None:
    """The IT lowers a limit, the next look fires, the bar stands above the page, and keys alone acknowledge it."""
    page = stranger
    sign_in(page, console, Role.IT)
    looked(console, 2)
    page.goto("/system")
    expect(tile(page, "Memory")).to_contain_text("in order")
    expect(page.get_by_text("Nothing is wrong.")).to_be_visible()
    page.get_by_role("button", name="Change the limit of Memory", exact=True).click()
    for label, value in (("Limit %", "0.2"), ("Over at %", "0.1"), ("For s", "0")):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("changed by it")).to_be_visible()
    looked(console)
    bar = page.get_by_role("alert", name="Alarms")
    expect(bar).to_contain_text("Memory is nearly used up")
    expect(page.get_by_role("link", name="System")).to_contain_text("1 alarm not acknowledged")
    expect(tile(page, "Memory")).to_contain_text("warning")
    page.locator("body").focus()
    tab_to(page, bar.get_by_role("button", name="Acknowledge"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Note (what is being done)")).to_be_focused()
    page.keyboard.type("l stopped the backup")
    page.keyboard.press("Enter")
    expect(bar).to_have_count(0)
    alarms = page.get_by_role("region", name="Alarms")
    expect(alarms).to_contain_text("acknowledged")
    expect(alarms).to_contain_text("l stopped the backup")
    page.get_by_role("button", name="Change the limit of Memory", exact=True).click()
    page.get_by_role("button", name="Back to default").click()
    expect(page.get_by_text("changed by it")).to_have_count(0)
    looked(console)
    expect(page.get_by_text("Nothing is wrong.")).to_be_visible()
    expect(alarms.get_by_text("l stopped the backup")).to_be_visible()


def test_the_bar_stands_above_every_page(page: Page, console: RunningConsole) -> None:
    """A doctor at the worklist sees it at once, without asking, and it goes by itself once it is over."""
    page.goto("/live")
    expect(page.get_by_role("heading", name="Waiting for the first print")).to_be_visible()
    console.do(console.world.services.monitor.book.consider(look(Metric.AGENT_SILENT_S, {"room-1": 900.0})))
    bar = page.get_by_role("alert", name="Alarms")
    expect(bar).to_contain_text("An agent has not been heard")
    expect(bar).to_contain_text("room-1")
    bar.get_by_role("link", name="Look").click()
    expect(page).to_have_url(re.compile("/system$"))
    console.do(console.world.services.monitor.book.consider(look(Metric.AGENT_SILENT_S, {"room-1": 1.0}, 10)))
    expect(bar).to_have_count(0)


def test_charts_have_a_table_beside_them(page: Page, console: RunningConsole) -> None:
    """The course is drawn and can be read as a table; the day's course is asked for by its button."""
    looked(console, 3)
    page.goto("/system")
    chart = page.get_by_role("region", name="Processor", exact=True)
    expect(chart.get_by_role("img", name="Processor, chart").locator("canvas")).to_be_visible()
    chart.get_by_role("button", name="Processor: As a table").click()
    expect(chart.get_by_role("row").nth(2)).to_contain_text("%")
    with page.expect_response(lambda answer: "span=day" in answer.url):
        page.get_by_role("button", name="24 hours").click()
    expect(page.get_by_role("button", name="24 hours")).to_have_attribute("aria-pressed", "true")


def test_an_impossible_limit_is_refused_in_words(
    stranger: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """What the server says stands beside the form, and nothing was changed."""
    sign_in(stranger, console, Role.ADMINISTRATOR)
    looked(console)
    stranger.goto("/system")
    stranger.get_by_role("button", name="Change the limit of Processor", exact=True).click()
    stranger.get_by_label("Over at %").fill("99")
    stranger.get_by_role("button", name="Save").click()
    expect(stranger.get_by_role("alert").filter(has_text="clear")).to_be_visible()
    refused(422)


def test_who_only_looks_changes_nothing(stranger: Page, console: RunningConsole) -> None:
    """A sonographer sees everything and has no button that would be refused."""
    sign_in(stranger, console, Role.SONOGRAPHER)
    looked(console)
    console.do(console.world.services.monitor.book.consider(look(Metric.JOBS_HELD, 2.0)))
    stranger.goto("/system")
    expect(stranger.get_by_role("alert", name="Alarms")).to_be_visible()
    for name in ("Acknowledge", "Change the limit of Processor", "Send a test"):
        expect(stranger.get_by_role("button", name=name)).to_have_count(0)


def test_the_page_speaks_both_languages(stranger: Page, console: RunningConsole) -> None:
    """No English word is left in Chinese, and nothing is cut off in either."""
    sign_in(stranger, console, Role.ADMINISTRATOR)
    looked(console, 2)
    console.do(console.world.services.monitor.book.consider(look(Metric.JOBS_HELD, 2.0)))
    stranger.goto("/system")
    expect(tile(stranger, "Processor")).to_be_visible()
    assert [] == stranger.evaluate(TOO_WIDE)
    stranger.get_by_role("button", name="切换到中文").click()
    expect(stranger.get_by_role("heading", name="系统", exact=True)).to_be_visible()
    expect(stranger.get_by_role("alert", name="告警")).to_contain_text("有图像无法判读")
    for english in ("Processor", "Alarms", "in order", "Limits", "Agents", "warning"):
        expect(stranger.get_by_text(english, exact=True)).to_have_count(0)
    assert [] == stranger.evaluate(TOO_WIDE)
