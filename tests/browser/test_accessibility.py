"""Every page can be used by everybody: axe-core finds no serious fault, in both languages and both themes."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from cloud.console.api.access import RULES, Access
from tests.browser.conftest import sign_in
from tests.browser.pages import PAGES, STAY, filled, path_of
from tests.cloud.console.running import RunningConsole

pytestmark = pytest.mark.browser

SERIOUS: Final = {"serious", "critical"}
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FILES: Final = {
    *("/favicon.svg", "/assets/{path:path}", "/metrics"),
    *("/ledger/checkpoint", "/ledger/tile/{path:path}"),
}
"""Addresses outside the API that are no pages."""


def test_every_page_is_looked_at() -> None:
    """A page that comes later has to be looked at too."""
    pages = {path for (method, path) in RULES if method == "GET" and not path.startswith("/api")}
    door = Access()
    found = [door.find("GET", address_of.partition(",")[0]) for address_of in PAGES]
    assert pages - FILES == {each.template for each in found if each is not None}


@pytest.mark.parametrize("page_address", PAGES)
def test_no_serious_fault(page_address: str, stranger: Page, console: RunningConsole, tmp_path: Path) -> None:
    """Contrast, names, roles, order: WCAG 2.2 AA as far as a program can tell, in both languages and themes."""
    visit = PAGES[page_address]
    path = path_of(page_address, filled(console, tmp_path / "files"))
    if visit.role is not None:
        sign_in(stranger, console, visit.role)
    stranger.add_init_script(STAY)
    stranger.goto(path)
    for language, theme in itertools.product(("en", "zh"), ("dark", "light")):
        stranger.evaluate(
            f"localStorage['sonorelay.language'] = '{language}'; localStorage['sonorelay.theme'] = '{theme}'"
        )
        stranger.goto(path)
        expect(stranger.locator("html")).to_have_attribute("lang", re.compile(language))
        expect(stranger.locator(visit.shows).first).to_be_visible()
        visit.first(stranger)
        assert [] == faults(stranger), (language, theme)


@pytest.mark.parametrize("path", ["/live", "/viewer", "/system"])
def test_no_serious_fault_before_anything_came(path: str, page: Page) -> None:
    """Pages that wait for a first print, series or look say so in order."""
    page.goto(path)
    expect(page.locator("main").locator("h1, h2").first).to_be_visible()
    assert [] == faults(page)


def test_the_check_can_fail(stranger: Page) -> None:
    """Grey on grey and a button without a name are found: no finding means something."""
    stranger.goto("/login")
    expect(stranger.get_by_role("heading").first).to_be_visible()
    stranger.evaluate(
        """() => document.querySelector('main').append(
          Object.assign(document.createElement('button'), { type: 'button' }),
          Object.assign(document.createElement('p'), { textContent: 'faint', id: 'faint' }))"""
    )
    # A ground of its own: over the page's gradient the program gives no verdict.
    stranger.evaluate(
        "() => Object.assign(document.getElementById('faint').style, "
        "{ color: '#333', background: '#222', position: 'fixed', top: 0 })"
    )
    found = "\n".join(faults(stranger))
    assert "button-name" in found
    assert "color-contrast" in found


def faults(page: Page) -> list[str]:
    """What axe-core finds serious or critical on the page as it is."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}}).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]
