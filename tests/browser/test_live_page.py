"""Step 13: the live page in a real browser, over a real server."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from cloud.infer.assess import Context
from cloud.infer.reasons import AbstainReason
from cloud.items import CaptureState
from edge_agent.simulator.exam import draw_examination
from sonorelay.contract.reasons import EDGE_RULES, EdgeReason
from tests.browser.conftest import address, opened, row
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, png_of

pytestmark = pytest.mark.browser

NOTICE_EN, NOTICE_ZH = "research use, not for diagnosis", "仅供研究，不用于诊断"

CUT_OFF = """
[...document.querySelectorAll('nav a, nav button, .filters button, .tools button, .facts, footer *')]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
  .map((e) => e.textContent)
"""
"""Texts that do not fit into their element."""


@pytest.mark.req("READ-09")
def test_the_empty_page_says_what_to_do(page: Page) -> None:
    """Before the first print the page waits, says how to print, and bears the mark."""
    page.goto("/")
    expect(page.get_by_role("heading", name="Waiting for the first print")).to_be_visible()
    expect(page.get_by_text("sonorelay demo")).to_be_visible()
    expect(page.get_by_text(NOTICE_EN)).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Live")


@pytest.mark.req("READ-09")
def test_a_print_is_seen_coming_and_becomes_a_result(page: Page, console: RunningConsole) -> None:
    """Without a reload: announced, then the still, then outline, finding and heat map."""
    world, shot = console.world, brain_shot(21)
    page.goto("/")
    expect(page.get_by_role("status")).to_have_text("Live")
    capture_id = console.do(world.announce())
    expect(row(page, console, capture_id)).to_contain_text("On its way")
    expect(page.get_by_role("heading", name="Image on its way")).to_be_visible()
    (image_id,) = console.do(world.store_images(capture_id, [png_of(shot)], [shot]))
    expect(row(page, console, capture_id)).to_contain_text("Analysing")
    expect(page.locator("image.picture")).to_be_visible()
    verdict = Verdict(finding="ventriculomegaly", probability=0.93)
    console.do(world.conclude(capture_id, image_id, shot, verdict))
    expect(row(page, console, capture_id)).to_contain_text("Suspected")
    expect(page.locator("ellipse.edge")).to_be_visible()
    side = page.get_by_role("complementary")
    for text in (
        "Not normal",
        "Hint, unscored: ventriculomegaly",
        "Demonstration only",
        "Head circumference",
    ):
        expect(side).to_contain_text(text)
    # Step 13 is measured on this screen.
    expect(side.locator("li", has_text="Console")).to_contain_text("ms")


def test_the_outline_is_the_readings_ellipse(page: Page, console: RunningConsole) -> None:
    """Centre, half axes and turn reach the picture unchanged, in the still's pixels."""
    capture_id = console.do(console.world.result(22, Verdict()))
    page.goto(address(console, capture_id))
    edge = page.locator("ellipse.edge")
    expect(edge).to_be_visible()
    truth = brain_shot(22).still.truth
    assert truth.ellipse is not None
    shown = [float(edge.get_attribute(name) or "nan") for name in ("cx", "cy", "rx", "ry")]
    e = truth.ellipse
    assert [e.cx, e.cy, e.a, e.b] == pytest.approx(shown, abs=0.01)
    turn = re.match(r"rotate\(([\d.]+) ", edge.get_attribute("transform") or "")
    assert turn is not None
    assert e.angle_deg % 180 == pytest.approx(float(turn[1]), abs=0.01)
    expect(page.locator("svg.still")).to_have_attribute("viewBox", f"0 0 {truth.width_px} {truth.height_px}")


@pytest.mark.req("READ-09")
def test_every_state_has_its_sign_and_word(page: Page, console: RunningConsole) -> None:
    """Rows differ by icon and word, never by colour alone; the filters count them."""
    world, ids = console.world, {}
    for state, reason in (
        (CaptureState.MISSING, EdgeReason.DID_NOT_COME),
        (CaptureState.REFUSED, EdgeReason.BLANK),
        (CaptureState.HELD, EdgeReason.SECTOR_NOT_FOUND),
    ):
        ids[state.value] = console.do(world.announce(device_id=f"room-{state.value}"))
        console.do(world.stop(ids[state.value], state, reason))
    shot = brain_shot(23)
    ids["failed"] = console.do(world.announce(device_id="room-failed"))
    (image_id,) = console.do(world.store_images(ids["failed"], [b"no image"], [shot]))
    console.do(world.fail(ids["failed"], image_id))
    ids["normal"] = console.do(world.result(23, Verdict(), device_id="room-normal"))
    ids["abnormal"] = console.do(world.result(23, Verdict(finding="other"), device_id="room-abnormal"))
    reasons = (AbstainReason.LOW_CONFIDENCE,)
    ids["review"] = console.do(
        world.result(23, Verdict(finding="other", reasons=reasons), device_id="room-review")
    )
    ids["analysing"] = console.do(world.announce(device_id="room-analysing"))
    console.do(world.store_images(ids["analysing"], [png_of(shot)], [shot]))
    ids["incoming"] = console.do(world.announce(device_id="room-incoming"))
    words = {
        "missing": "Missing",
        "refused": "Refused",
        "held": "Held back",
        "failed": "Not readable",
        "normal": "No anomaly",
        "abnormal": "Suspected",
        "review": "Needs review",
        "analysing": "Analysing",
        "incoming": "On its way",
    }
    page.goto("/")
    signs = set()
    for status, word in words.items():
        expect(row(page, console, ids[status])).to_contain_text(word)
        expect(row(page, console, ids[status])).to_have_class(re.compile(rf"\bs-{status}\b"))
        signs.add(row(page, console, ids[status]).locator(".pill path").get_attribute("d"))
    # The four that stopped share the cross; every other state has its own sign.
    assert len(signs) == 6
    filters = page.get_by_role("group", name="Show").get_by_role("button")
    expect(filters).to_have_text(
        ["9All", "1Suspected", "1To review", "1No anomaly", "2In progress", "4Stopped"]
    )


def test_a_stopped_print_says_why_and_what_to_do(page: Page, console: RunningConsole) -> None:
    """The reason's sentence and the whole trace id are there."""
    capture_id = console.do(console.world.announce())
    console.do(console.world.stop(capture_id, CaptureState.MISSING, EdgeReason.DID_NOT_COME))
    page.goto("/")
    opened(page, console, capture_id)
    stage = page.get_by_role("region", name="Print #1")
    expect(stage).to_contain_text(EDGE_RULES[EdgeReason.DID_NOT_COME].en)
    expect(stage).to_contain_text(capture_id.replace("-", ""))


def test_an_abstained_reading_says_why_in_words(page: Page, console: RunningConsole) -> None:
    """It shows the reasons first and the decision only as the most probable; lengths are in pixels."""
    reasons = (AbstainReason.LOW_CONFIDENCE, AbstainReason.HEAD_CUT_OFF)
    verdict = Verdict(finding="other", probability=0.5, reasons=reasons, scaled=False)
    console.do(console.world.result(24, verdict))
    page.goto("/")
    side = page.get_by_role("complementary")
    expect(side.get_by_role("list", name="Why it needs review").get_by_role("listitem")).to_have_count(2)
    expect(side).to_contain_text("Most probable: Not normal")
    expect(side).to_contain_text("The scale is not known")
    expect(side.locator("table")).not_to_contain_text("mm")


@pytest.mark.req("BEY-07")
@pytest.mark.req("BEY-10")
def test_lengths_have_uncertainty_age_growth_and_limits(page: Page, console: RunningConsole) -> None:
    """Each length with its deviation, both ages, place among the healthy, remarks in words, and the scheme."""
    verdict = Verdict(ventricle_mm=12.4, context=Context(gestational_age_days=168))
    console.do(console.world.result(25, verdict))
    page.goto("/")
    side = page.get_by_role("complementary")
    expect(side.locator("table")).to_contain_text(re.compile(r"Lateral ventricle\s*12\.4 ± \d\.\d mm"))
    remarks = side.get_by_role("list", name="Beyond the limits")
    expect(remarks).to_contain_text("The lateral ventricle is moderately wide: 12 mm or more. (12.4 mm)")
    expect(side).to_contain_text(re.compile(r"Age by the examination\s*24w0d"))
    expect(side).to_contain_text(re.compile(r"Age by HC\s*\d\dw\dd ± \d\.\d d"))
    expect(side).to_contain_text("INTERGROWTH-21st, Papageorghiou et al., Lancet 2014")
    expect(side).to_contain_text(f"SHA-256 {verdict.context.thresholds.sha256[:12]}")


@pytest.mark.req("READ-09")
def test_new_rows_never_steal_the_selection(page: Page, console: RunningConsole) -> None:
    """The newest is opened only where nothing is open; a result that came meanwhile is unread."""
    first = console.do(console.world.announce())
    page.goto("/")
    opened(page, console, first)
    second = console.do(console.world.result(25, Verdict(), device_id="us-room-4"))
    expect(row(page, console, second)).to_contain_text("No anomaly")
    expect(row(page, console, second)).to_contain_text("not looked at yet")
    opened(page, console, first)
    expect(row(page, console, first)).to_have_attribute("aria-current", "true")
    row(page, console, second).click()
    opened(page, console, second)
    expect(row(page, console, second)).not_to_contain_text("not looked at yet")


def test_the_keys_of_the_stage(page: Page, console: RunningConsole) -> None:
    """1 outline, 2 heat map, 3 crop, H held: the bare image, which comes back on release."""
    console.do(console.world.result(26, Verdict()))
    page.goto("/")
    outline, heat = page.locator("ellipse.edge"), page.locator("image.heat")
    still = page.locator("svg.still")
    expect(outline).to_be_visible()
    whole = still.get_attribute("viewBox")
    page.keyboard.press("2")
    expect(heat).to_be_visible()
    expect(page.get_by_role("slider", name="Strength of the heat map")).to_be_visible()
    page.keyboard.down("h")
    expect(outline).to_have_count(0)
    expect(heat).to_have_count(0)
    page.keyboard.up("h")
    expect(outline).to_be_visible()
    expect(heat).to_be_visible()
    page.keyboard.press("1")
    expect(outline).to_have_count(0)
    page.keyboard.press("3")
    expect(still).not_to_have_attribute("viewBox", whole or "")
    page.get_by_role("button", name="Crop").click()
    expect(still).to_have_attribute("viewBox", whole or "")


def test_the_keys_of_the_list_and_of_the_film(page: Page, console: RunningConsole) -> None:
    """J and K go through the prints, left and right through the images of one, ? shows the keys."""
    world = console.world
    older = console.do(world.announce(device_id="us-room-4"))
    shots = [s for s in draw_examination(27, 0, banner=False, cines=False) if s.still.truth.ellipse][:2]
    newer = console.do(world.announce(images=len(shots)))
    image_ids = console.do(world.store_images(newer, [png_of(s) for s in shots], shots))
    for image_id, shot in zip(image_ids, shots, strict=True):
        console.do(world.conclude(newer, image_id, shot, Verdict()))
    page.goto("/")
    opened(page, console, newer)
    picture = page.locator("image.picture")
    expect(picture).to_have_attribute("href", f"/api/images/{image_ids[0]}/still.png")
    page.keyboard.press("ArrowRight")
    expect(picture).to_have_attribute("href", f"/api/images/{image_ids[1]}/still.png")
    page.keyboard.press("ArrowLeft")
    expect(picture).to_have_attribute("href", f"/api/images/{image_ids[0]}/still.png")
    page.keyboard.press("j")
    opened(page, console, older)
    page.keyboard.press("j")
    opened(page, console, older)
    page.keyboard.press("k")
    opened(page, console, newer)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Hold: bare image")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.req("READ-09")
def test_the_language_is_switched_and_kept(page: Page, console: RunningConsole) -> None:
    """Everything is Chinese at once, the mark too, also after a reload; and back."""
    console.do(console.world.result(28, Verdict(reasons=(AbstainReason.NO_HEAD,))))
    page.goto("/")
    page.get_by_role("button", name="切换到中文").click()
    for _ in range(2):
        expect(page.get_by_text(NOTICE_ZH)).to_be_visible()
        expect(page.get_by_role("complementary")).to_contain_text("图像中未找到胎头。")
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        page.reload()
    page.get_by_role("button", name="Switch to English").click()
    expect(page.get_by_text(NOTICE_EN)).to_be_visible()


def test_a_filter_shows_its_rows_and_keeps_what_is_open(page: Page, console: RunningConsole) -> None:
    """Only rows of the chosen group stay, besides the one that is open."""
    world = console.world
    normal, suspected = (
        console.do(world.result(29, Verdict(finding=finding), device_id=f"room-{finding}"))
        for finding in ("normal", "other")
    )
    waiting = console.do(world.announce())
    page.goto(address(console, waiting))
    page.get_by_role("button", name="Suspected").first.click()
    expect(row(page, console, normal)).to_have_count(0)
    expect(row(page, console, suspected)).to_be_visible()
    expect(row(page, console, waiting)).to_be_visible()


def test_a_cut_connection_is_said_and_caught_up(
    page: Page, console: RunningConsole, problems: list[str]
) -> None:
    """While the server is away a banner says so; what happened meanwhile is there after the reconnection."""
    first = console.do(console.world.announce())
    page.goto("/")
    opened(page, console, first)
    console.stop()
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text("No connection to the server")
    expect(page.get_by_text(NOTICE_EN)).to_be_visible()
    console.do(console.world.stop(first, CaptureState.REFUSED, EdgeReason.BLANK))
    second = console.do(console.world.announce(device_id="us-room-4"))
    console.start()
    expect(row(page, console, first)).to_contain_text("Refused")
    expect(row(page, console, second)).to_contain_text("On its way")
    expect(banner).to_have_count(0)
    opened(page, console, first)
    # The browser reports the cut on its own console; nothing else may have gone wrong.
    problems[:] = [problem for problem in problems if "net::ERR_" not in problem]


def test_an_unknown_address_opens_the_newest(
    page: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """A kept address whose examination is gone does not leave an empty page."""
    newest = console.do(console.world.announce())
    page.goto("/live/00000000-0000-0000-0000-000000000000")
    opened(page, console, newest)
    refused(404)


def test_an_address_of_a_print_leads_to_its_examination(
    page: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """Addresses of before named prints: the print's own image is shown."""
    first = console.do(console.world.result(31, Verdict()))
    console.do(console.world.result(32, Verdict(finding="other")))
    page.goto(f"/live/{first}")
    opened(page, console, first)
    expect(page.get_by_role("region", name="Print #1")).to_be_visible()
    expect(page.locator("ellipse.edge")).to_be_visible()
    refused(404)


@pytest.mark.parametrize("width_px", [1280, 1440])
def test_nothing_is_cut_off(page: Page, console: RunningConsole, width_px: int) -> None:
    """In both languages every button's words fit, and the page itself does not scroll."""
    console.do(console.world.result(30, Verdict(finding="ventriculomegaly")))
    page.set_viewport_size({"width": width_px, "height": width_px * 5 // 8})
    page.goto("/")
    page.get_by_role("button", name="Heat map").click()
    for switch in ("切换到中文", "Switch to English"):
        expect(page.locator("image.heat")).to_be_visible()
        assert [] == page.evaluate(CUT_OFF)
        assert page.evaluate("document.scrollingElement.scrollHeight <= window.innerHeight")
        assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
        page.get_by_role("button", name=switch).click()
