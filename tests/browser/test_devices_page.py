"""Step 13: devices under administration in a real browser: revoked and allowed again, with words before it happens."""

from __future__ import annotations

import pytest
from playwright.sync_api import Dialog, Page, expect

from cloud.accounts.roles import Role
from tests.browser.conftest import sign_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import DEVICE, Verdict

pytestmark = pytest.mark.browser


def test_it_revokes_a_device_and_allows_it_again(stranger: Page, console: RunningConsole) -> None:
    """A question says what will happen; refused, nothing does; what was done is in the audit."""
    page, asked = stranger, list[str]()
    console.do(console.world.result(22, Verdict()))
    sign_in(page, console, Role.IT)
    page.goto("/admin/devices")
    row = page.get_by_role("row").filter(has_text=DEVICE)
    expect(row).to_contain_text("allowed")
    expect(page.get_by_text("Enrolment with one-time tokens comes with a later version.")).to_be_visible()

    def dismiss(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", dismiss)
    row.get_by_role("button", name="Revoke").click()
    assert "Its agent stops" in asked[0]
    expect(row).to_contain_text("allowed")
    for button, state in (("Revoke", "revoked"), ("Allow again", "allowed")):
        page.once("dialog", lambda dialog: dialog.accept())
        row.get_by_role("button", name=button).click()
        expect(row).to_contain_text(state)
    page.goto("/admin/audit")
    expect(page.get_by_role("row").filter(has_text="revoked a device")).to_contain_text(DEVICE)
    expect(page.get_by_role("row").filter(has_text="allowed a device again")).to_contain_text("user:it")
