"""Step 13: tenants under administration in a real browser: nothing of them with one, a choice everywhere with two."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from cloud.accounts.roles import Role
from tests.browser.conftest import sign_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import DEVICE, Verdict

pytestmark = pytest.mark.browser


def test_a_second_tenant_brings_the_choice(stranger: Page, console: RunningConsole) -> None:
    """With one tenant users and devices show nothing of it; with two a device and a person are given to one of them."""
    page = stranger
    console.do(console.world.result(22, Verdict()))
    console.do(console.world.add_user("bob", Role.DOCTOR))
    sign_in(page, console, Role.ADMINISTRATOR)
    for place, row in (("users", "bob"), ("devices", DEVICE)):
        page.goto(f"/admin/{place}")
        expect(page.get_by_role("row").filter(has_text=row)).to_be_visible()
        expect(page.get_by_text("Tenant", exact=True)).to_have_count(0)
    page.goto("/admin/tenants")
    expect(page.get_by_text("As long as there is one tenant")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("West clinic")
    page.get_by_label("Short name").fill("west")
    page.get_by_role("button", name="Make a tenant").click()
    expect(page.get_by_role("row").filter(has_text="West clinic")).to_contain_text("west")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/admin/devices")
    page.get_by_label(f"Tenant of {DEVICE}").select_option("West clinic")
    expect(page.get_by_label(f"Tenant of {DEVICE}")).to_have_value("west")
    page.goto("/admin/users")
    page.get_by_label("Tenant of bob").select_option("West clinic")
    expect(page.get_by_label("Tenant of bob")).to_have_value("west")
    page.goto("/admin/audit")
    for words in ("made a tenant", "gave a device to a tenant", "changed whose data a user sees"):
        expect(page.get_by_role("row").filter(has_text=words)).to_be_visible()


def test_who_belongs_to_a_tenant_finds_nothing_of_tenants(stranger: Page, console: RunningConsole) -> None:
    """An administrator of a tenant has no place for tenants and models, and no choice of a tenant."""
    page = stranger
    sign_in(page, console, Role.ADMINISTRATOR, "carla")
    with console.world.database.begin() as tx:
        tx.exec_driver_sql("UPDATE account_user SET tenant_id = 'default' WHERE name = 'carla'")
    page.goto("/admin/users")
    places = page.get_by_role("navigation", name="Administration")
    expect(places.get_by_role("link", name="Devices")).to_be_visible()
    for absent in ("Tenants", "Models"):
        expect(places.get_by_role("link", name=absent)).to_have_count(0)
    expect(page.get_by_text("Tenant", exact=True)).to_have_count(0)
