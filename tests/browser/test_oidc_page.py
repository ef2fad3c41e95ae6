"""Step 13: signing in through an identity provider in a real browser; the provider is a program of others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cloud.accounts.oidc import OidcRules
from cloud.accounts.provider import Provider, ProviderSettings
from cloud.accounts.roles import Role
from tests.browser.conftest import address, opened
from tests.cloud.accounts.small_provider import CLIENT, SECRET, SmallProvider
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict

pytestmark = pytest.mark.browser

PEOPLE = (
    {"sub": "mei", "preferred_username": "mei.lin", "groups": ["obstetrics"]},
    {"sub": "guest", "preferred_username": "guest", "groups": ["visitors"]},
)
RULES = OidcRules(
    label="City Hospital",
    role_claim="groups",
    roles=(("obstetrics", Role.DOCTOR),),
    domains=(),
    name_claim="preferred_username",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A provider on another site than the console's: `localhost`, not 127.0.0.1."""

    issuer: str
    """Its address."""


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    """A real provider process."""
    arguments = [option for person in PEOPLE for option in ("--user-claims", json.dumps(person))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            port = next(
                m[1] for line in process.stdout if (m := re.search(r"running on http://\S+:(\d+)", line))
            )
            yield Outside(issuer=f"http://localhost:{port}")
        finally:
            process.terminate()
            process.stdout.read()


def through(issuer: str) -> dict[str, Any]:
    """A world to which people come through this provider."""
    settings = ProviderSettings(issuer=issuer, client_id=CLIENT, client_secret=SECRET)
    return {"provider": (Provider(settings), RULES)}


@pytest.fixture
def console(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningConsole]:
    """The console, to which people come through the provider of the test."""
    used = "small" if "small" in request.fixturenames else "outside"
    running = RunningConsole(tmp_path, **through(request.getfixturevalue(used).issuer))
    running.start()
    yield running
    running.close()


@pytest.fixture
def small() -> Iterator[SmallProvider]:
    """A provider that lets the person through at once, and says when they proved who they are."""
    with SmallProvider("localhost").running() as provider:
        provider.person = dict(PEOPLE[0])
        yield provider


@pytest.fixture
def abroad(stranger: Page, console: RunningConsole, problems: list[str]) -> Iterator[Page]:
    """A browser that may also go to the provider, whose own pages are not what is tested."""
    yield stranger
    theirs = ("http://localhost:", "https://", "Failed to load resource")
    problems[:] = [each for each in problems if not any(mark in each for mark in theirs)]


def go_through(page: Page, sub: str) -> None:
    """The person signs in at the provider."""
    page.get_by_role("button", name=sub, exact=True).click()


def test_through_the_provider_and_back_to_where_one_was(abroad: Page, console: RunningConsole) -> None:
    """The Strict cookie is set on the way back from another site, and the page that was asked for is there."""
    page = abroad
    capture_id = console.do(console.world.result(22, Verdict()))
    page.goto(address(console, capture_id))
    page.get_by_role("link", name="Sign in with City Hospital").click()
    go_through(page, "mei")
    opened(page, console, capture_id)
    expect(page.locator("ellipse.edge")).to_be_visible()
    cookies = {each["name"]: each for each in page.context.cookies()}
    assert "Strict" == cookies["__Host-sonorelay"]["sameSite"]
    assert "__Host-sonorelay-away" not in cookies
    page.get_by_role("button", name="Account of mei.lin").click()
    expect(page.get_by_role("region", name="Account")).to_contain_text("Doctor")
    page.goto("/account")
    expect(page.get_by_text("You come through City Hospital")).to_be_visible()
    expect(page.get_by_label("Present password")).to_have_count(0)


def test_who_has_no_role_is_told_so(abroad: Page, console: RunningConsole) -> None:
    """Refused in words, on the page where one may try again."""
    page = abroad
    page.goto("/login")
    page.get_by_role("link", name="Sign in with City Hospital").click()
    go_through(page, "guest")
    expect(page.get_by_role("alert")).to_contain_text("You have no role at this site yet.")


def test_signing_out_leaves_the_provider_too(abroad: Page, outside: Outside) -> None:
    """Else the next person at this browser would be let in as the one before."""
    page = abroad
    page.goto("/login")
    page.get_by_role("link", name="Sign in with City Hospital").click()
    go_through(page, "mei")
    page.get_by_role("button", name="Account of mei.lin").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(re.escape(f"{outside.issuer}/oauth2/end_session")))


def test_the_lock_opens_by_the_provider_and_the_page_is_as_it_was(abroad: Page, small: SmallProvider) -> None:
    """In a window of its own the person proves anew who they are; what they had typed is still there."""
    page = abroad
    page.goto("/login")
    page.get_by_role("link", name="Sign in with City Hospital").click()
    expect(page.get_by_role("heading", name="Waiting for the first print")).to_be_visible()
    page.goto("/ledger")
    field = page.get_by_label("Number, trace id or image id")
    field.fill("half a numb")
    field.blur()
    page.keyboard.press("l")
    lock = page.get_by_role("dialog", name="Locked")
    unlock = lock.get_by_role("button", name="Unlock with City Hospital")
    expect(unlock).to_be_visible()
    expect(lock.get_by_label("Password")).to_have_count(0)
    unlock.click()
    expect(lock).to_have_count(0)
    expect(field).to_have_value("half a numb")
    assert any("prompt=login" in asked and "max_age=0" in asked for asked in small.asked)
