"""Steps 1 to 13 in a browser: a print lands in the watched folder, is seen coming, and its result appears."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.line_machine import Line

pytestmark = pytest.mark.browser


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """Cloud and agent as real processes."""
    with Line(tmp_path) as machine:
        machine.cloud()
        machine.agent()
        yield machine


def first_administrator(page: Page, line: Line) -> None:
    """Opens the link that the server left for the first administrator, and becomes it."""
    link = line.first_link()
    assert link is not None
    page.goto(link)
    page.get_by_label("Name", exact=True).fill("ada")
    for field in ("New password", "The same again"):
        page.get_by_label(field).fill("a quiet room with a view")
    page.get_by_role("button", name="Create and sign in").click()
    page.wait_for_url("**/live**")
    assert line.first_link() is None


@pytest.mark.req("READ-03")
@pytest.mark.req("READ-09")
def test_a_print_appears_and_becomes_a_result(browser: Browser, line: Line) -> None:
    """Without any act but the print: the row comes, then the outlined still, the finding, the receipt's place; then
    a person agrees with one image and disagrees with the next."""
    problems: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    first_administrator(page, line)
    expect(page.get_by_role("heading", name="Waiting for the first print")).to_be_visible()
    # A watcher that sees the row before its result: the first status that the page ever showed.
    page.evaluate(
        """() => { window.__first = null;
        new MutationObserver(() => { const row = document.querySelector('[data-exam]');
          if (row && !window.__first) window.__first = row.textContent; })
        .observe(document.body, { childList: true, subtree: true, characterData: true }); }"""
    )
    printed = next(one for one in line.print(3, seed=8) if one.truth.type == "brain")
    assert printed.truth.hc_mm is not None
    # Prints without an identity, one after the other on one device: one examination.
    expect(page.locator("[data-exam]")).to_have_count(1)
    line.finals(3)
    first = page.evaluate("window.__first")
    assert "On its way" in first or "Analysing" in first
    expect(page.locator("image.picture")).to_be_visible()
    expect(page.locator("ellipse").first).to_be_visible()
    expect(page.get_by_text("research use, not for diagnosis")).to_be_visible()
    review = page.get_by_role("region", name="Review")
    page.keyboard.press("a")
    expect(review).to_contain_text("ada agrees")
    page.keyboard.press("n")
    expect(review).to_contain_text("Nobody has reviewed this image.")
    page.keyboard.press("d")
    page.get_by_label("Not fit to be read").check()
    page.get_by_label("Not fit to be read").press("Enter")
    expect(review).to_contain_text("ada disagrees")
    (examination,) = line.client.get_json("/api/examinations")["items"]
    assert 2 == examination["reviewed_count"]
    context.close()
    assert [] == problems
