"""Step 13: signing in, the lock, and the administration in a real browser, over a real server."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyotp
import pytest
from playwright.sync_api import Page, expect

from cloud.accounts.roles import Role
from tests.browser.conftest import address, opened, row, sign_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import PASSWORD, Verdict

pytestmark = pytest.mark.browser

TOO_WIDE = """
[...document.querySelectorAll('button, .card h1, .card p, nav a, th, td strong, .menu *')]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
  .map((e) => e.textContent)
"""
"""Texts that do not fit into their element."""


def fill_in(page: Page, name: str, password: str) -> None:
    """Types name and password and sends them."""
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_the_first_administrator_begins_by_the_link(stranger: Page, console: RunningConsole) -> None:
    """The link leads to a form, its secret leaves the address at once, and the new administrator is signed in."""
    page = stranger
    link = console.do(console.world.accounts.people.begin_first())
    page.goto(f"/welcome#first={link}")
    expect(page.get_by_role("heading", name="First administrator")).to_be_visible()
    expect(page).to_have_url(re.compile("/welcome$"))
    assert link not in page.evaluate("location.href + JSON.stringify(history.state)")
    send = page.get_by_role("button", name="Create and sign in")
    expect(send).to_be_disabled()
    page.get_by_label("Name", exact=True).fill("li.wei")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill("another")
    expect(page.get_by_role("alert")).to_have_text("The two are not the same.")
    expect(send).to_be_disabled()
    page.get_by_label("The same again").fill(PASSWORD)
    send.click()
    expect(page.get_by_role("heading", name="Waiting for the first print")).to_be_visible()
    page.get_by_role("button", name="Account of li.wei").click()
    expect(page.get_by_role("region", name="Account")).to_contain_text("Administrator")
    # Used up: the same link makes nobody any more.
    assert console.do(console.world.accounts.people.begin_first()) is None


def test_sign_in_leads_back_to_where_one_was(
    stranger: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """A kept address asks for a sign-in first; a wrong password is said and nothing is lost; then one is there."""
    page, world = stranger, console.world
    console.do(world.add_user("ada", Role.DOCTOR))
    older = console.do(world.result(22, Verdict()))
    console.do(world.result(23, Verdict(), device_id="us-room-4"))
    page.goto(address(console, older))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.locator("[data-exam]").count() == 0
    fill_in(page, "ada", "wrong")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.get_by_label("Name", exact=True)).to_have_value("ada")
    refused(401)
    fill_in(page, "ada", PASSWORD)
    opened(page, console, older)
    expect(page.locator("ellipse.edge")).to_be_visible()


def test_an_address_of_another_site_is_no_way_back(stranger: Page, console: RunningConsole) -> None:
    """What stands behind `back` is a place of this page or nothing."""
    console.do(console.world.add_user("ada", Role.DOCTOR))
    stranger.goto("/login?back=//evil.example/live")
    fill_in(stranger, "ada", PASSWORD)
    expect(stranger.get_by_role("heading", name="Waiting for the first print")).to_be_visible()
    assert stranger.url.startswith(console.url)


def test_the_lock_hides_the_page_and_keeps_its_state(
    page: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """What was chosen and typed is there after the unlock, and what happened meanwhile too; keys reach nothing."""
    world = console.world
    older = console.do(world.result(22, Verdict()))
    console.do(world.result(23, Verdict(), device_id="us-room-4"))
    page.goto(address(console, older))
    expect(page.locator("ellipse.edge")).to_be_visible()
    page.get_by_role("button", name="Give").click()
    page.get_by_label("Weeks").fill("23")
    page.get_by_label("Weeks").blur()
    page.keyboard.press("l")
    lock = page.get_by_role("dialog", name="Locked")
    expect(lock).to_contain_text("doctor")
    for hidden in (page.locator("ellipse.edge"), page.get_by_text("Head circumference"), page.locator("nav")):
        expect(hidden).not_to_be_visible()
    expect(page.get_by_text("research use, not for diagnosis")).to_be_visible()
    field = lock.get_by_label("Password")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(lock).to_be_visible()
    missed = console.do(world.announce(device_id="us-room-5"))
    field.fill("wrong")
    lock.get_by_role("button", name="Unlock").click()
    expect(lock.get_by_role("alert")).to_have_text("The password is wrong.")
    refused(403)
    field.fill(PASSWORD)
    lock.get_by_role("button", name="Unlock").click()
    expect(lock).to_have_count(0)
    opened(page, console, older)
    expect(page.get_by_label("Weeks")).to_have_value("23")
    expect(page.get_by_role("status")).to_have_text("Live")
    expect(row(page, console, missed)).to_contain_text("On its way")
    # The stream runs again.
    after = console.do(world.announce(device_id="us-room-6"))
    expect(row(page, console, after)).to_be_visible()


def test_an_idle_session_locks_by_itself(
    page: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """After 15 minutes the server ends the stream, the page asks why, and locks; no act of the person is needed."""
    page.goto("/")
    expect(page.get_by_role("status")).to_have_text("Live")
    console.world.clock.forward(minutes=16)
    lock = page.get_by_role("dialog", name="Locked")
    expect(lock).to_be_visible()
    lock.get_by_label("Password").fill(PASSWORD)
    lock.get_by_role("button", name="Unlock").click()
    expect(page.get_by_role("status")).to_have_text("Live")
    refused(423)


def test_a_session_that_ended_leads_to_the_sign_in_and_back(
    page: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """In the middle of something: the page says so, shows nothing any more, and goes on after the sign-in."""
    capture_id = console.do(console.world.result(22, Verdict()))
    page.goto(address(console, capture_id))
    expect(page.locator("ellipse.edge")).to_be_visible()
    console.world.clock.forward(hours=12)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Your session has ended")
    assert page.locator("[data-exam]").count() == 0
    refused(401)
    fill_in(page, "doctor", PASSWORD)
    opened(page, console, capture_id)
    expect(page.locator("ellipse.edge")).to_be_visible()


def test_signing_out_leaves_nothing_behind(page: Page, console: RunningConsole) -> None:
    """The list is gone from the page, and the way back in the browser shows the sign-in."""
    console.do(console.world.result(22, Verdict()))
    page.goto("/")
    expect(page.locator("ellipse.edge")).to_be_visible()
    page.get_by_role("button", name="Account of doctor").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.locator("[data-exam]").count() == 0


@pytest.mark.parametrize("role", Role)
def test_each_role_sees_its_own_pages(stranger: Page, console: RunningConsole, role: Role) -> None:
    """Places of the navigation and tabs are those of the role; an address of another one leads home."""
    page = stranger
    sign_in(page, console, role)
    page.goto("/")
    places = page.get_by_role("navigation", name="Main").get_by_role("link")
    tabs = page.get_by_role("navigation", name="Administration").get_by_role("link")
    if role is Role.IT:
        expect(places).to_have_text(["Ledger", "System", "Admin"])
        page.goto("/admin/audit")
        expect(tabs).to_have_text(["Devices", "Audit"])
    elif role is Role.ADMINISTRATOR:
        expect(places).to_have_text(["Live", "Studies", "Viewer", "Ledger", "System", "Admin"])
        page.goto("/admin")
        expect(tabs).to_have_text(["Users", "Tokens", "Models", "Devices", "Tenants", "Audit"])
    else:
        expect(places).to_have_text(["Live", "Studies", "Viewer", "Ledger", "System"])
    page.goto("/admin/users")
    end = {Role.IT: "/system", Role.ADMINISTRATOR: "/admin/users"}.get(role, "/live")
    expect(page).to_have_url(re.compile(f"{end}$"))


def test_an_administrator_invites_and_the_invited_signs_in(stranger: Page, console: RunningConsole) -> None:
    """Invitation, the link in another session, the password, the sign-in; close, and the audit knows it all."""
    page = stranger
    sign_in(page, console, Role.ADMINISTRATOR)
    page.goto("/admin")
    page.get_by_label("Name", exact=True).fill("zhang.min")
    page.get_by_role("combobox", name="Role", exact=True).select_option("sonographer")
    page.get_by_role("button", name="Invite a user").click()
    shown = page.get_by_role("status", name="Link for zhang.min")
    link = shown.locator("code").inner_text()
    assert link.startswith(f"{console.url}/welcome#set=")
    invited = page.get_by_role("row").filter(has_text="zhang.min")
    expect(invited).to_contain_text("no password yet")
    shown.get_by_role("button", name="I have it").click()
    expect(shown).to_have_count(0)
    page.goto(link)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    # Signed in as the administrator still: the page goes on as that.
    page.goto("/admin/users")
    expect(invited).to_contain_text("active")
    invited.get_by_role("button", name="Close").click()
    expect(invited).to_contain_text("closed")
    page.get_by_role("link", name="Audit").click()
    page.get_by_role("textbox", name="Who").fill("zhang")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("row").nth(1)).to_contain_text("set the password by link")


def test_codes_are_set_up_with_a_picture_and_asked_for(
    stranger: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """QR code and key, one code to turn them on; the next sign-in asks for one after the password."""
    page = stranger
    sign_in(page, console, Role.DOCTOR)
    page.goto("/account")
    codes = page.get_by_role("region", name="One-time codes")
    codes.get_by_label("Password").fill(PASSWORD)
    codes.get_by_role("button", name="Set up").click()
    expect(codes.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()
    totp = pyotp.TOTP(codes.locator("code").inner_text())
    codes.get_by_label("Code").fill(totp.at(console.world.clock()))
    codes.get_by_role("button", name="Turn on").click()
    expect(codes.get_by_role("status")).to_have_text("They are on.")
    page.get_by_role("button", name="Account of doctor").click()
    page.get_by_role("button", name="Sign out").click()
    console.world.clock.forward(seconds=30)
    fill_in(page, "doctor", PASSWORD)
    field = page.get_by_label("One-time code")
    expect(field).to_be_focused()
    expect(page.get_by_role("alert")).to_have_count(0)
    field.fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The code is wrong")
    field.fill(totp.at(console.world.clock()))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Waiting for the first print")).to_be_visible()
    refused(401)


def test_the_pages_speak_both_languages(stranger: Page, console: RunningConsole) -> None:
    """Sign-in, welcome, lock, account and administration in Chinese; nothing is cut off in either language."""
    page = stranger
    page.goto("/login")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert [] == page.evaluate(TOO_WIDE)
    page.get_by_role("button", name="切换到中文").click()
    expect(page.get_by_role("heading", name="登录")).to_be_visible()
    page.goto("/welcome#set=abc")
    expect(page.get_by_role("heading", name="设置密码")).to_be_visible()
    assert [] == page.evaluate(TOO_WIDE)
    sign_in(page, console, Role.ADMINISTRATOR)
    for path, heading in (("/account", "我的账户"), ("/admin/users", "管理"), ("/admin/audit", "管理")):
        page.goto(path)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        for english in ("Password", "Role", "signed in", "Search", "Invite"):
            expect(page.get_by_text(english, exact=True)).to_have_count(0)
        assert [] == page.evaluate(TOO_WIDE)
    page.keyboard.press("l")
    expect(page.get_by_role("dialog", name="已锁定")).to_be_visible()
    expect(page.get_by_text("仅供研究，不用于诊断")).to_be_visible()
    page.get_by_role("dialog").get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="解锁").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Switch to English").click()
    page.goto("/admin/users")
    expect(page.get_by_role("button", name="Invite a user")).to_be_visible()
    assert [] == page.evaluate(TOO_WIDE)
