"""Step 13: the examination as a whole: its film, protocol, signature, prints, and the search for it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from cloud.accounts.roles import Role
from cloud.examinations.binding import Identity
from cloud.items import CaptureState
from sonorelay.contract.reasons import EDGE_RULES, EdgeReason
from tests.browser.conftest import address, opened, row, sign_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, png_of

pytestmark = pytest.mark.browser

PATIENT = "S00000000000000A"


def of(study: int) -> Identity:
    """A study of one patient."""
    return Identity(examination_key=f"{study:064}", patient_key=PATIENT, age_days=150.0)


def film(page: Page) -> Locator:
    """The examination's images and places for images."""
    return page.get_by_role("group", name="Images of this examination").get_by_role("button")


def whole(page: Page) -> Locator:
    """The panel of the whole examination."""
    page.get_by_role("tab", name="Examination").click()
    return page.get_by_role("tabpanel", name="Examination")


@pytest.mark.req("BEY-01")
def test_one_film_over_all_prints(page: Page, console: RunningConsole) -> None:
    """Images and places of what has none; left and right pass through all; it opens with what gives the state."""
    world = console.world
    normal = console.do(world.result(61, Verdict()))
    suspected = console.do(world.result(62, Verdict(finding="other")))
    held = console.do(world.announce())
    console.do(world.stop(held, CaptureState.HELD, EdgeReason.SECTOR_NOT_FOUND))
    page.goto("/")
    opened(page, console, normal)
    expect(film(page)).to_have_count(3)
    expect(page.get_by_role("region", name="Print #2")).to_be_visible()
    expect(page.locator("[data-exam]")).to_have_count(1)
    expect(row(page, console, suspected)).to_contain_text("another anomaly")
    page.keyboard.press("ArrowRight")
    stage = page.get_by_role("region", name="Print #3")
    expect(stage).to_contain_text(EDGE_RULES[EdgeReason.SECTOR_NOT_FOUND].en)
    page.keyboard.press("ArrowRight")
    expect(stage).to_be_visible()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("region", name="Print #1")).to_be_visible()


@pytest.mark.req("READ-09")
def test_what_is_looked_at_stays_and_a_place_becomes_its_image(page: Page, console: RunningConsole) -> None:
    """A graver image of the same examination does not push the present one away; the place of a print on its way
    becomes its image where it stands."""
    world, shot = console.world, brain_shot(63)
    first = console.do(world.result(64, Verdict()))
    page.goto("/")
    expect(page.get_by_role("region", name="Print #1")).to_be_visible()
    console.do(world.result(65, Verdict(finding="other")))
    expect(row(page, console, first)).to_contain_text("Suspected")
    expect(film(page)).to_have_count(2)
    expect(page.get_by_role("region", name="Print #1")).to_be_visible()
    coming = console.do(world.announce())
    expect(film(page).last).to_have_accessible_name("Image 3 of 3, On its way")
    film(page).last.click()
    expect(page.get_by_role("heading", name="Image on its way")).to_be_visible()
    (image_id,) = console.do(world.store_images(coming, [png_of(shot)], [shot]))
    expect(page.locator("image.picture")).to_have_attribute("href", f"/api/images/{image_id}/still.png")
    console.do(world.conclude(coming, image_id, shot, Verdict()))
    expect(page.locator("ellipse.edge")).to_be_visible()
    expect(page.get_by_role("region", name="Print #3")).to_be_visible()


def test_search_and_filter_are_the_servers(page: Page, console: RunningConsole) -> None:
    """Number, pseudonym and a finding in Chinese find their examinations; the counts follow; / and Esc by keyboard."""
    world = console.world
    keyed = console.do(world.result(66, Verdict(), device_id="room-a", identity=of(1)))
    wide = console.do(world.result(67, Verdict(finding="ventriculomegaly"), device_id="room-b"))
    page.goto("/")
    expect(page.locator("[data-exam]")).to_have_count(2)
    opened(page, console, wide)
    page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Search the worklist")
    expect(search).to_be_focused()
    page.keyboard.type(PATIENT[:8])
    expect(page.get_by_role("button", name="All")).to_have_text("1All")
    # What is open stays to be seen.
    expect(row(page, console, keyed)).to_be_visible()
    search.fill("脑室")
    expect(page.get_by_role("button", name="All")).to_have_text("1All")
    expect(page.locator("[data-exam]")).to_have_count(1)
    search.fill("zzz")
    expect(page.get_by_role("button", name="All")).to_have_text("0All")
    page.keyboard.press("Escape")
    expect(page.locator("[data-exam]")).to_have_count(2)
    expect(search).to_have_value("")


def test_older_examinations_are_loaded_on_demand(page: Page, console: RunningConsole) -> None:
    """The first page has the newest hundred; a pill counts what comes while the list is scrolled, and nothing moves."""
    world = console.world
    for n in range(104):
        console.do(world.announce(device_id=f"room-{n}"))
    page.goto("/")
    rows = page.locator("[data-exam]")
    expect(rows).to_have_count(100)
    page.get_by_role("button", name="Show older").click()
    expect(rows).to_have_count(104)
    expect(page.get_by_role("button", name="Show older")).to_have_count(0)
    selected = page.locator("[aria-current=true]").get_attribute("class")
    console.do(world.announce(device_id="room-new"))
    pill = page.get_by_role("button", name="1 new")
    expect(pill).to_be_visible()
    expect(page.get_by_role("button", name="All")).to_have_text("105All")
    assert page.locator(".rows").evaluate("(rows) => rows.scrollTop") > 8
    assert selected == page.locator("[aria-current=true]").get_attribute("class")
    pill.click()
    expect(pill).to_have_count(0)


@pytest.mark.req("BEY-05")
def test_the_protocol_says_what_is_missing(page: Page, console: RunningConsole) -> None:
    """What an image shows leads to it; what only a person can see is ticked by hand, with who."""
    console.do(console.world.result(68, Verdict()))
    console.do(console.world.result(69, Verdict(finding=None, plane="femur")))
    page.goto("/")
    panel = whole(page)
    seen = panel.get_by_role("listitem").filter(has_text="Head circumference")
    seen.get_by_role("button", name="Show").click()
    expect(page.get_by_role("region", name="Print #1")).to_be_visible()
    counted = page.locator("[data-exam] [title='items of the protocol that were seen']")
    before = int((counted.inner_text()).split("/")[0])
    tick = panel.get_by_label("Seen by hand: Both kidneys")
    tick.check()
    expect(panel.get_by_role("listitem").filter(has_text="Both kidneys")).to_contain_text("doctor")
    expect(counted).to_contain_text(f"{before + 1}/")
    tick.uncheck()
    expect(counted).to_contain_text(f"{before}/")


@pytest.mark.req("BEY-01")
def test_a_doctor_signs_and_a_change_shows(page: Page, console: RunningConsole) -> None:
    """What is missing is said before; unreviewed images need a reason; a new image makes it changed after signing."""
    capture_id = console.do(console.world.result(70, Verdict()))
    page.goto("/")
    panel = whole(page)
    expect(panel).to_contain_text("1 image is not reviewed.")
    sign = panel.get_by_role("button", name="Sign the examination")
    expect(sign).to_be_disabled()
    panel.get_by_label("Why it is signed all the same").fill("seen at the machine")
    sign.click()
    expect(panel).to_contain_text("Because: seen at the machine")
    expect(row(page, console, capture_id)).to_contain_text("Signed")
    link = panel.get_by_role("link", name="ledger entry")
    assert "c2sp.org/tlog-proof@v1" in page.request.get(link.get_attribute("href") or "").text()
    console.do(console.world.result(71, Verdict()))
    expect(panel).to_contain_text("Changed after signing")
    expect(row(page, console, capture_id)).to_contain_text("Changed")
    expect(panel.get_by_role("button", name="Sign as it is now")).to_be_visible()


def test_who_may_not_sign_sees_what_is_missing(stranger: Page, console: RunningConsole) -> None:
    """A sonographer ticks and moves, but does not sign."""
    sign_in(stranger, console, Role.SONOGRAPHER)
    console.do(console.world.result(72, Verdict()))
    stranger.goto("/")
    panel = whole(stranger)
    expect(panel).to_contain_text("1 image is not reviewed.")
    expect(panel.get_by_role("button", name="Sign the examination")).to_have_count(0)
    expect(panel.get_by_label("Seen by hand: Both kidneys")).to_be_enabled()


@pytest.mark.req("BEY-01")
def test_a_print_is_moved_and_split_off(page: Page, console: RunningConsole) -> None:
    """Into a new examination of its own, then into another one; the emptied one leaves the list."""
    world = console.world
    other = console.do(world.result(73, Verdict(), device_id="room-b"))
    first, second = (console.do(world.result(74 + n, Verdict())) for n in range(2))
    page.goto(address(console, first))
    panel = whole(page)
    panel.get_by_role("button", name="Move print #3").click()
    dialog = page.get_by_role("dialog", name="Move print #3")
    dialog.get_by_role("button", name="Move").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("[data-exam]")).to_have_count(3)
    opened(page, console, first)
    expect(panel.get_by_role("button", name="Move print")).to_have_count(1)
    row(page, console, second).click()
    opened(page, console, second)
    expect(panel).to_contain_text("put here by a person")
    panel.get_by_role("button", name="Move print #3").click()
    dialog.get_by_label("To").select_option(index=2)
    dialog.get_by_role("button", name="Move").click()
    expect(page.locator("[data-exam]")).to_have_count(2)
    expect(row(page, console, other)).to_contain_text("2 images")


@pytest.mark.req("BEY-01")
def test_earlier_examinations_of_the_patient_lead_there(page: Page, console: RunningConsole) -> None:
    """They are listed with age and state, the newest first."""
    earlier = console.do(console.world.result(76, Verdict(finding="other"), device_id="a", identity=of(1)))
    console.do(console.world.result(77, Verdict(), device_id="b", identity=of(2)))
    page.goto("/")
    panel = whole(page)
    line = panel.get_by_role("listitem").filter(has_text="another anomaly")
    expect(line).to_contain_text("21w3d")
    expect(line).to_contain_text("Suspected")
    line.get_by_role("link", name="#1").click()
    opened(page, console, earlier)
    # The panel that a person has chosen stays; X turns to the image.
    expect(panel).to_contain_text("There is no earlier one")
    page.keyboard.press("x")
    expect(page.get_by_role("tabpanel", name="Image")).to_be_visible()


def test_the_help_names_the_keys(page: Page, console: RunningConsole) -> None:
    """Every key of the page stands in it."""
    capture = console.do(console.world.result(78, Verdict()))
    page.goto("/")
    opened(page, console, capture)
    page.keyboard.press("?")
    text = page.get_by_role("dialog").inner_text()
    for key in ("J", "K", "A", "D", "N", "X", "/", "H", "W", "Z", "P", "R", "F", "L"):
        assert re.search(rf"^{re.escape(key)}$", text, re.M), key
