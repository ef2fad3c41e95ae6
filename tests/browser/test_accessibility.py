"""Every page can be used by everybody: axe-core finds no serious fault, in both languages and both themes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from cloud.accounts.roles import Role
from cloud.console.api.access import RULES, Access
from cloud.monitor.metrics import Metric
from tests.browser.conftest import address, examination, sign_in
from tests.browser.viewer.bodies import uploaded, volume_files
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict
from tests.cloud.monitor.made import look

pytestmark = pytest.mark.browser

SERIOUS: Final = {"serious", "critical"}
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FILES: Final = {
    *("/favicon.svg", "/assets/{path:path}", "/metrics"),
    *("/ledger/checkpoint", "/ledger/tile/{path:path}"),
}
"""Addresses outside the API that are no pages."""
TABLE: Final = "main table tbody tr"
SLICES: Final = 12
"""Of the body in the viewer: enough for a volume."""


def _straight(page: Page) -> None:
    """Nothing has to be done first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One page as one person sees it."""

    to: Callable[[RunningConsole, Path], str]
    """Makes what the page shows, with a folder for files; where the page is."""
    shows: str
    """CSS selector of what is seen once the page has all it shows."""
    role: Role | None = Role.ADMINISTRATOR
    """Who looks; None: nobody is signed in."""
    first: Callable[[Page], None] = _straight
    """What the person does before the look."""


def _at(path: str) -> Callable[[RunningConsole, Path], str]:
    """A page over one abnormal result, and a server that has looked at itself."""

    def to(console: RunningConsole, _: Path) -> str:
        _result(console)
        monitor = console.world.services.monitor
        for _look in range(2):
            console.do(monitor.sampler.look())
        console.do(monitor.book.consider(look(Metric.JOBS_HELD, 2.0)))
        return path

    return to


def _result(console: RunningConsole) -> str:
    verdict = Verdict(finding="ventriculomegaly", probability=0.93, ventricle_mm=12.6)
    return console.do(console.world.result(21, verdict))


def _live(console: RunningConsole, _: Path) -> str:
    return address(console, _result(console))


def _report(console: RunningConsole, _: Path) -> str:
    return f"/report/{examination(console, _result(console))}"


def _viewer(console: RunningConsole, folder: Path) -> str:
    return f"/viewer/{uploaded(console, volume_files(folder, SLICES))}"


def _viewer_list(console: RunningConsole, folder: Path) -> str:
    _viewer(console, folder)
    return "/viewer"


def _ledger_entry(console: RunningConsole, _: Path) -> str:
    _result(console)
    return "/ledger?entry=0"


def _whole_examination(page: Page) -> None:
    page.keyboard.press("x")


def _disagree(page: Page) -> None:
    page.keyboard.press("d")
    expect(page.locator("main form")).to_be_visible()


PAGES: Final[Mapping[str, Visit]] = {
    "/": Visit(to=_at("/"), shows="ellipse.edge"),
    "/live": Visit(to=lambda *_: "/live", shows="main h1, main h2"),
    "/live/{examination_id}": Visit(to=_live, shows="ellipse.edge", role=Role.DOCTOR),
    "/live/{examination_id}, disagreeing": Visit(
        to=_live, shows="ellipse.edge", role=Role.DOCTOR, first=_disagree
    ),
    "/live/{examination_id}, the examination": Visit(
        to=_live, shows="ellipse.edge", role=Role.DOCTOR, first=_whole_examination
    ),
    "/viewer": Visit(to=_viewer_list, shows=TABLE, role=Role.DOCTOR),
    "/viewer/{series_id}": Visit(
        to=_viewer, shows='[data-pane="oblique"][aria-busy="false"]', role=Role.DOCTOR
    ),
    "/report/{examination_id}": Visit(to=_report, shows="article polygon.outline", role=Role.DOCTOR),
    "/login": Visit(to=_at("/login"), shows="main form", role=None),
    "/welcome": Visit(to=_at("/welcome"), shows="main h1, main h2", role=None),
    "/unlocked": Visit(to=_at("/unlocked"), shows="main h1", role=None),
    "/account": Visit(to=_at("/account"), shows="main form"),
    "/ledger": Visit(to=_at("/ledger"), shows=TABLE, role=Role.RESEARCHER),
    "/ledger, an entry": Visit(to=_ledger_entry, shows="main [role=status]"),
    "/system": Visit(to=_at("/system"), shows="main canvas", role=Role.IT),
    "/admin": Visit(to=_at("/admin"), shows=TABLE),
    "/admin/tokens": Visit(to=_at("/admin/tokens"), shows=TABLE),
    "/admin/models": Visit(to=_at("/admin/models"), shows="main section.part p"),
    "/admin/devices": Visit(to=_at("/admin/devices"), shows=TABLE, role=Role.IT),
    "/admin/audit": Visit(to=_at("/admin/audit"), shows=TABLE),
}
"""The pages by their address, some in more than one state."""


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
    path = visit.to(console, tmp_path / "files")
    if visit.role is not None:
        sign_in(stranger, console, visit.role)
    # A page that would close its window stays to be looked at.
    stranger.add_init_script("window.close = () => undefined")
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
