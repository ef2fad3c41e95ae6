"""Every page tried by everybody: who may see it sees it, everybody else is led home, and nothing breaks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from cloud.accounts.roles import Role
from tests.browser.conftest import sign_in
from tests.browser.pages import PAGES, STAY, filled, path_of
from tests.cloud.console.running import RunningConsole

pytestmark = pytest.mark.browser

PERSONS: Final = [None, *Role]
HOMES: Final = {None: r"/login(\?back=.*)?", Role.IT: "/system"}
"""Where a person is led who may not see a page; everybody else to the worklist."""


def test_somebody_may_see_every_page_and_nobody_all() -> None:
    """A table without refusals would prove nothing."""
    for visit in PAGES.values():
        assert visit.role in visit.seen_by
    for person in PERSONS:
        assert 0 < sum(person in visit.seen_by for visit in PAGES.values()) < len(PAGES)


@pytest.mark.parametrize("person", PERSONS)
def test_every_page_by_everybody(
    person: Role | None, stranger: Page, console: RunningConsole, tmp_path: Path
) -> None:
    """Pages of the role show what they hold, the others lead home; no error, no request to anywhere else."""
    page = stranger
    if person is not None:
        sign_in(page, console, person)
    page.add_init_script(STAY)
    ids = filled(console, tmp_path / "files")
    for name, visit in PAGES.items():
        if "," in name:
            continue
        path = path_of(name, ids)
        page.goto(path)
        if person in visit.seen_by:
            expect(page).to_have_url(re.compile(re.escape(console.url + path)))
            expect(page.locator(visit.shows).first).to_be_visible()
        else:
            expect(page).to_have_url(re.compile(console.url + HOMES.get(person, "/live/.*")))
            expect(page.locator("main").first).to_be_visible()
