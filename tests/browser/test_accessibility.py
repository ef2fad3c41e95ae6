"""Every page can be used by everybody: axe-core finds no serious fault, in both languages and both themes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from cloud.accounts.roles import Role
from cloud.console.api.access import RULES
from cloud.publish.worklist import read_item
from tests.browser.conftest import address, sign_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict

pytestmark = pytest.mark.browser

SERIOUS: Final = {"serious", "critical"}
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FILES: Final = {"/favicon.svg", "/assets/{path:path}", "/ledger/checkpoint", "/ledger/tile/{path:path}"}
"""Open addresses outside the API that are no pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One page as one person sees it."""

    path: str
    """Where it is."""
    role: Role | None = Role.ADMINISTRATOR
    """Who looks; None: nobody is signed in."""


def _live(console: RunningConsole) -> str:
    capture = console.do(console.world.result(21, Verdict(finding="ventriculomegaly", probability=0.93)))
    return address(console, capture)


def _report(console: RunningConsole) -> str:
    world = console.world
    capture = console.do(
        world.result(21, Verdict(finding="ventriculomegaly", probability=0.93, ventricle_mm=12.6))
    )
    item = console.do(world.database.read(lambda tx: read_item(tx, capture)))
    assert item is not None
    assert item.examination is not None
    return f"/report/{item.examination.examination_id}"


PAGES: Final[Mapping[str, Callable[[RunningConsole], Visit]]] = {
    "/": lambda console: Visit(path="/"),
    "/live": lambda console: Visit(path="/live"),
    "/live/{examination_id}": lambda console: Visit(path=_live(console), role=Role.DOCTOR),
    "/report/{examination_id}": lambda console: Visit(path=_report(console), role=Role.DOCTOR),
    "/login": lambda console: Visit(path="/login", role=None),
    "/welcome": lambda console: Visit(path="/welcome", role=None),
    "/account": lambda console: Visit(path="/account"),
    "/admin": lambda console: Visit(path="/admin"),
    "/admin/{part}": lambda console: Visit(path="/admin/audit"),
}
"""The pages by their address in the door's table."""


def test_every_page_is_looked_at() -> None:
    """A page that comes later has to be looked at too."""
    pages = {path for (method, path) in RULES if method == "GET" and not path.startswith("/api")}
    assert PAGES.keys() == pages - FILES


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("page_address", PAGES)
def test_no_serious_fault(
    page_address: str, language: str, theme: str, stranger: Page, console: RunningConsole
) -> None:
    """Contrast, names, roles, order: WCAG 2.2 AA as far as a program can tell."""
    visit = PAGES[page_address](console)
    if visit.role is not None:
        sign_in(stranger, console, visit.role)
    stranger.add_init_script(
        f"localStorage['sonorelay.language'] = '{language}'; localStorage['sonorelay.theme'] = '{theme}'"
    )
    stranger.goto(visit.path)
    expect(stranger.locator("main").locator("h1, h2, h3, table").first).to_be_visible()
    assert [] == faults(stranger)


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
