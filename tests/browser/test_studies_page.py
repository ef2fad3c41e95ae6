"""Step 13: studies in a real browser: filters in the address, tags and deletion of several, results of two versions."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from cloud.accounts.roles import Role
from tests.browser.conftest import sign_in
from tests.cloud.console.people import ask, signed_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.test_console_studies import made, read_again
from tests.cloud.console.world import Verdict

pytestmark = pytest.mark.browser


@pytest.fixture
def doctor(stranger: Page, console: RunningConsole) -> Page:
    """A doctor's browser; two studies are there."""
    sign_in(stranger, console, Role.DOCTOR)
    made(console, Verdict(finding="normal"))
    made(console, Verdict(finding="ventriculomegaly", probability=0.93))
    return stranger


def test_filters_stand_in_the_address(doctor: Page) -> None:
    """What is searched can be shared, and back and forward lead through what was asked."""
    doctor.goto("/studies")
    rows = doctor.locator("tbody tr")
    expect(rows).to_have_count(2)
    doctor.get_by_role("searchbox").fill("nǎo shì kuò zhāng")
    doctor.get_by_role("searchbox").press("Enter")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("#2")
    assert "text=" in doctor.url
    doctor.get_by_label("Finding", exact=True).select_option("normal")
    expect(doctor.get_by_role("heading", name="Nothing matches these filters")).to_be_visible()
    doctor.go_back()
    expect(rows).to_have_count(1)
    expect(doctor.get_by_role("searchbox")).to_have_value("nǎo shì kuò zhāng")
    shared = doctor.url
    doctor.goto("/studies")
    expect(rows).to_have_count(2)
    doctor.goto(shared)
    expect(rows).to_have_count(1)
    doctor.get_by_role("link", name="Clear filters").click()
    expect(rows).to_have_count(2)
    doctor.get_by_role("link", name="Not normal").click()
    expect(doctor).to_have_url(re.compile("sort=probability"))
    expect(rows.first).to_contain_text("#2")
    doctor.get_by_role("link", name="Not normal").click()
    expect(rows.first).to_contain_text("#1")


def test_several_are_tagged_deleted_and_restored(doctor: Page) -> None:
    """With the keyboard alone; a deleted one is found only where deleted ones are asked for."""
    doctor.goto("/studies")
    rows = doctor.locator("tbody tr")
    doctor.get_by_role("checkbox", name="Select all on this page").press("Space")
    expect(doctor.get_by_text("2 selected")).to_be_visible()
    doctor.get_by_label("Tag for the selected studies").fill("<img src=x onerror=alert(1)>")
    doctor.get_by_label("Tag for the selected studies").press("Enter")
    expect(rows.first).to_contain_text("<img src=x onerror=alert(1)>")
    doctor.get_by_role("checkbox", name="Select study 1").uncheck()
    doctor.get_by_role("button", name="Delete…").press("Enter")
    doctor.get_by_label("Reason").fill("printed twice")
    doctor.get_by_label("Reason").press("Enter")
    expect(rows).to_have_count(1)
    doctor.goto("/studies?deleted=true")
    doctor.get_by_role("link", name="#2").click()
    expect(doctor.get_by_text("printed twice")).to_be_visible()
    doctor.get_by_role("button", name="Restore").click()
    expect(doctor.get_by_role("link", name="Report")).to_be_visible()
    doctor.goto("/studies")
    expect(rows).to_have_count(2)


def test_results_of_two_versions_stand_beside_each_other(doctor: Page, console: RunningConsole) -> None:
    """Read again it says so, the new result comes by itself, and what differs is told in numbers."""
    cookie = signed_in(console, "doctor")
    listed = ask(console, "GET", "/api/studies", cookie=cookie).json
    study = listed["items"][0]["examination"]["examination_id"]
    image = ask(console, "GET", f"/api/studies/{study}", cookie=cookie).json["images"][0]["image_id"]
    doctor.goto(f"/studies/{study}")
    tab = doctor.get_by_role("tab", name="Overview")
    tab.focus()
    tab.press("ArrowRight")
    doctor.get_by_role("tab", name="Images").press("ArrowRight")
    expect(doctor.get_by_role("tab", name="Results by model")).to_be_focused()
    doctor.get_by_role("button", name="Read again", exact=True).click()
    expect(doctor.get_by_role("status").filter(has_text="Waiting to be read")).to_be_visible()
    read_again(console, image, Verdict(finding="normal", probability=0.71), "2")
    rows = doctor.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("counts now")
    expect(rows.first).to_contain_text("fetal_brain_cls 2")
    expect(rows.first).to_contain_text(re.compile(r"\(−\d+\.\d points\)"))
    expect(rows.last).to_contain_text("earlier")
