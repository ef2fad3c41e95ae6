"""Every page of the console with what it shows: who may see it, how to get there, and what is there then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

from cloud.accounts.roles import Role
from cloud.monitor.metrics import Metric
from tests.browser.conftest import examination
from tests.browser.viewer.bodies import uploaded, volume_files
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict
from tests.cloud.monitor.made import look

TABLE: Final = "main table tbody tr"
SLICES: Final = 12
"""Of the body in the viewer: enough for a volume."""
STAY: Final = "window.close = () => undefined"
"""A page that would close its window stays to be looked at."""

NOBODY: Final[frozenset[Role | None]] = frozenset({None})
SIGNED_IN: Final[frozenset[Role | None]] = frozenset(Role)
READERS: Final = SIGNED_IN - {Role.IT}
KEEPERS: Final[frozenset[Role | None]] = frozenset({Role.IT, Role.ADMINISTRATOR})
ADMINISTRATORS: Final[frozenset[Role | None]] = frozenset({Role.ADMINISTRATOR})


def _straight(page: Page) -> None:
    """Nothing has to be done first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One page as one person sees it."""

    seen_by: frozenset[Role | None]
    """Who may see it; None: somebody who is not signed in."""
    shows: str
    """CSS selector of what is seen once the page has all it shows."""
    role: Role | None = Role.ADMINISTRATOR
    """Who looks where one look is enough."""
    query: str = ""
    """What follows the address."""
    first: Callable[[Page], None] = _straight
    """What the person does before the look."""


def filled(console: RunningConsole, folder: Path) -> dict[str, str]:
    """Makes what the pages show, once: an abnormal result, a series with files in `folder`, a server that has looked
    at itself, an alarm. The ids of what can be opened, by their names in the addresses."""
    verdict = Verdict(finding="ventriculomegaly", probability=0.93, ventricle_mm=12.6)
    capture_id = console.do(console.world.result(21, verdict))
    monitor = console.world.services.monitor
    for _ in range(2):
        console.do(monitor.sampler.look())
    console.do(monitor.book.consider(look(Metric.JOBS_HELD, 2.0)))
    return {
        "examination_id": (shown := examination(console, capture_id)),
        "study_id": shown,
        "series_id": uploaded(console, volume_files(folder, SLICES)),
    }


def path_of(name: str, ids: Mapping[str, str]) -> str:
    """Where a page of `PAGES` is."""
    return name.partition(",")[0].format(**ids) + PAGES[name].query


def _whole_examination(page: Page) -> None:
    page.keyboard.press("x")


def _disagree(page: Page) -> None:
    page.keyboard.press("d")
    expect(page.locator("main form")).to_be_visible()


PAGES: Final[Mapping[str, Visit]] = {
    "/": Visit(seen_by=READERS, shows="ellipse.edge"),
    "/live": Visit(seen_by=READERS, shows="ellipse.edge"),
    "/live/{examination_id}": Visit(seen_by=READERS, shows="ellipse.edge", role=Role.DOCTOR),
    "/live/{examination_id}, disagreeing": Visit(
        seen_by=READERS, shows="ellipse.edge", role=Role.DOCTOR, first=_disagree
    ),
    "/live/{examination_id}, the examination": Visit(
        seen_by=READERS, shows="ellipse.edge", role=Role.DOCTOR, first=_whole_examination
    ),
    "/viewer": Visit(seen_by=READERS, shows=TABLE, role=Role.DOCTOR),
    "/viewer/{series_id}": Visit(
        seen_by=READERS, shows='[data-pane="oblique"][aria-busy="false"]', role=Role.DOCTOR
    ),
    "/report/{examination_id}": Visit(seen_by=READERS, shows="article polygon.outline", role=Role.DOCTOR),
    "/studies": Visit(seen_by=READERS, query="?signing=unsigned", shows=TABLE, role=Role.DOCTOR),
    "/studies/{study_id}": Visit(
        seen_by=READERS, query="?tab=results", shows="main h2, main h3", role=Role.DOCTOR
    ),
    "/login": Visit(seen_by=NOBODY, shows="main form", role=None),
    "/welcome": Visit(seen_by=SIGNED_IN | NOBODY, shows="main h1, main h2", role=None),
    "/unlocked": Visit(seen_by=SIGNED_IN | NOBODY, shows="main h1", role=None),
    "/account": Visit(seen_by=SIGNED_IN, shows="main form"),
    "/ledger": Visit(seen_by=SIGNED_IN, shows=TABLE, role=Role.RESEARCHER),
    "/ledger, an entry": Visit(seen_by=SIGNED_IN, query="?entry=0", shows="main [role=status]"),
    "/system": Visit(seen_by=SIGNED_IN, shows="main canvas", role=Role.IT),
    "/admin": Visit(seen_by=KEEPERS, shows=TABLE),
    "/admin/users": Visit(seen_by=ADMINISTRATORS, shows=TABLE),
    "/admin/tokens": Visit(seen_by=ADMINISTRATORS, shows=TABLE),
    "/admin/models": Visit(seen_by=ADMINISTRATORS, shows="main section.part p"),
    "/admin/devices": Visit(seen_by=KEEPERS, shows=TABLE, role=Role.IT),
    "/admin/tenants": Visit(seen_by=ADMINISTRATORS, shows=TABLE),
    "/admin/audit": Visit(seen_by=KEEPERS, shows=TABLE),
}
"""The pages by their address, some in more than one state."""
