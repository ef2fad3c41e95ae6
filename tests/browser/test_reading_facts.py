"""Step 13: what a reading says beside its outline: the decision, planes, calipers, loops, growth at a given age."""

from __future__ import annotations

import re
from datetime import timedelta

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from cloud.infer.reading import SubPlane
from cloud.infer.reasons import AbstainReason
from cloud.infer.ventricle import NO_WIDTH_SENTENCES, NoWidth
from tests.browser.conftest import address, row
from tests.cloud.console.made import loop_lengths, made_loop
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, made_reading
from tests.cloud.infer.loops import dicom_loop

pytestmark = pytest.mark.browser

SHARES = {"trans-thalamic": 0.5, "trans-ventricular": 0.45, "trans-cerebellar": 0.05}


def side(page: Page) -> Locator:
    """The panel beside the still."""
    return page.get_by_role("complementary")


def to_chinese(page: Page) -> None:
    """Switches the language."""
    page.get_by_role("button", name="切换到中文").click()


@pytest.mark.req("READ-07")
@pytest.mark.parametrize(
    ("finding", "probability", "decision", "share"),
    [
        ("normal", 0.93, ("Normal", "正常"), "7.0%"),
        ("ventriculomegaly", 0.81, ("Not normal", "不正常"), "87.3%"),
    ],
)
def test_the_decision_has_one_probability_and_the_type_none(
    page: Page,
    console: RunningConsole,
    finding: str,
    probability: float,
    decision: tuple[str, str],
    share: str,
) -> None:
    """Normal or not normal with 1 minus the probability of normal; the type is named as an unscored hint, and its
    own probability is nowhere on the page."""
    console.do(console.world.result(31, Verdict(finding=finding, probability=probability)))
    page.goto("/")
    card = page.get_by_role("region", name="Finding")
    expect(card.locator("strong")).to_have_text(decision[0])
    expect(card).to_contain_text(f"Probability of not normal{share}")
    expect(card.get_by_role("meter")).to_have_count(1)
    hint = card.get_by_text("Hint, unscored: ventriculomegaly")
    expect(hint).to_have_count(0 if finding == "normal" else 1)
    if finding != "normal":
        expect(page.locator("body")).not_to_contain_text(f"{probability:.0%}")
        expect(page.locator("body")).not_to_contain_text(f"{probability:.1%}")
        expect(page.locator("[data-exam]")).to_contain_text("87%")
        assert re.search(r"\d", hint.inner_text()) is None
    to_chinese(page)
    card = page.get_by_role("region", name="判读")
    expect(card.locator("strong")).to_have_text(decision[1])
    expect(card).to_contain_text(f"不正常的概率{share}")
    expect(card.get_by_text("提示（不计分）：脑室扩张")).to_have_count(0 if finding == "normal" else 1)


def test_a_probability_is_never_rounded_to_a_certainty(page: Page, console: RunningConsole) -> None:
    """99.97 % is more than 99.9 %, on the worklist more than 99 %; 0.03 % is less than 0.1 %."""
    console.do(console.world.result(31, Verdict(probability=0.9997), device_id="us-room-4"))
    console.do(console.world.result(31, Verdict(finding="other", probability=0.9998)))
    page.goto("/")
    expect(page.get_by_role("region", name="Finding")).to_contain_text("> 99.9%")
    expect(page.locator("[data-exam]").first).to_contain_text("Suspected> 99%")
    page.locator("[data-exam] button").last.click()
    expect(page.get_by_role("region", name="Finding")).to_contain_text("< 0.1%")


def test_an_abstained_decision_stands_behind_its_reasons(page: Page, console: RunningConsole) -> None:
    """First why it needs review, then what is most probable; no headline says a decision."""
    verdict = Verdict(finding="other", probability=0.6, reasons=(AbstainReason.LOW_CONFIDENCE,))
    console.do(console.world.result(32, verdict))
    page.goto("/")
    card = page.get_by_role("region", name="Finding")
    expect(card.locator("strong")).to_have_count(0)
    text = card.inner_text()
    order = [
        "No class is probable enough",
        "Most probable: Not normal",
        "73.3%",
        "Hint, unscored: another anomaly",
    ]
    assert sorted(order, key=text.index) == order
    expect(page.locator("[data-exam]")).not_to_contain_text("%")


@pytest.mark.parametrize("sure", [True, False])
def test_the_sub_plane_is_named_where_it_is_sure(page: Page, console: RunningConsole, sure: bool) -> None:
    """Otherwise "not sure" comes first and the most probable one is a weak hint, in both languages."""
    subplane = SubPlane(label="trans-thalamic", probabilities=SHARES, sure=sure)
    console.do(console.world.result(33, Verdict(subplane=subplane)))
    page.goto("/")
    plane = side(page).locator("section", has_text="Plane").first
    words = "trans-thalamic" if sure else r"not sure\s*weak hint: trans-thalamic"
    expect(side(page)).to_contain_text(re.compile(rf"Sub-plane\s*{words}"))
    expect(plane).not_to_contain_text("50")
    to_chinese(page)
    words = "丘脑水平横切面" if sure else r"不确定\s*弱提示：丘脑水平横切面"
    expect(side(page)).to_contain_text(re.compile(rf"颅脑切面类型\s*{words}"))


@pytest.mark.req("BEY-07")
def test_the_measured_ventricle_is_drawn_where_it_was_measured(page: Page, console: RunningConsole) -> None:
    """The first caliper is the measured one, with its width; 4 and 5 or their buttons show and hide the lines, and
    the bare image has none."""
    made = made_reading(brain_shot(34), Verdict(ventricle_mm=8.2))[0].ventricles
    assert made is not None
    console.do(console.world.result(34, Verdict(ventricle_mm=8.2)))
    page.goto("/")
    calipers, midline = page.locator("g.caliper"), page.locator("g.midline")
    expect(calipers).to_have_count(2)
    expect(page.locator("g.caliper.measured")).to_have_count(1)
    expect(calipers.first).to_have_class(re.compile("measured"))
    expect(page.locator("svg.still text", has_text="8.2 mm")).to_be_visible()
    drawn = [
        float(n) for n in re.findall(r"-?[\d.]+", calipers.first.locator(".stroke").get_attribute("d") or "")
    ]
    assert made.ventricles[0].line == pytest.approx(drawn[:4], abs=0.051)
    expect(side(page).locator("table")).to_contain_text(re.compile(r"Lateral ventricle\s*8\.2 ± \d\.\d mm"))
    expect(midline).to_have_count(0)
    page.keyboard.press("5")
    assert made.midline is not None
    line = midline.locator("line.stroke")
    shown = [float(line.get_attribute(name) or "nan") for name in ("x1", "y1", "x2", "y2")]
    assert made.midline.line == pytest.approx(shown, abs=0.051)
    page.keyboard.down("h")
    expect(calipers).to_have_count(0)
    expect(midline).to_have_count(0)
    page.keyboard.up("h")
    expect(midline).to_have_count(1)
    page.keyboard.press("4")
    expect(calipers).to_have_count(0)
    page.get_by_role("button", name="Ventricle").click()
    expect(calipers).to_have_count(2)
    page.get_by_role("button", name="Midline").click()
    expect(midline).to_have_count(0)
    page.keyboard.press("?")
    help_text = page.get_by_role("dialog")
    expect(help_text).to_contain_text(re.compile(r"4\s*Ventricle caliper on or off\s*5\s*Midline on or off"))


@pytest.mark.parametrize("no_width", list(NoWidth))
def test_why_no_ventricle_is_measured_is_said(page: Page, console: RunningConsole, no_width: NoWidth) -> None:
    """What was found is drawn, but as not measured and without a width; the reason stands in words."""
    console.do(console.world.result(35, Verdict(ventricle_mm=8.2, no_width=no_width)))
    page.goto("/")
    expect(page.locator("g.caliper")).to_have_count(2)
    expect(page.locator("g.caliper.measured")).to_have_count(0)
    expect(page.locator("svg.still text", has_text="8.2")).to_have_count(0)
    sentences = NO_WIDTH_SENTENCES[no_width]
    expect(side(page)).to_contain_text(f"Lateral ventricle not measured. {sentences['en']}")
    expect(side(page).locator("table")).not_to_contain_text("Lateral ventricle")
    to_chinese(page)
    expect(side(page)).to_contain_text(f"未测量侧脑室宽度：{sentences['zh']}")


def test_without_ventricles_there_is_nothing_to_toggle(page: Page, console: RunningConsole) -> None:
    """Their buttons cannot be pressed, and no reason is made up."""
    console.do(console.world.result(36, Verdict()))
    page.goto("/")
    for name in ("Ventricle", "Midline"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    expect(side(page)).not_to_contain_text("Lateral ventricle")


@pytest.mark.req("READ-11")
def test_a_loop_says_which_frame_stands_for_it_and_why(page: Page, console: RunningConsole) -> None:
    """The best frame with its reasons in words, how far the frames agree, and HC over them, in both languages."""
    world, shot = console.world, brain_shot(37)
    gray = np.ascontiguousarray(shot.still.pixels.reshape(*shot.still.pixels.shape[:2], -1)[:, :, 0])
    data = dicom_loop([np.roll(gray, 3 * index, axis=0) for index in range(6)])
    capture_id = console.do(world.announce())
    stored = world.store_images(capture_id, [data], [shot], media_type="application/dicom", frame_count=6)
    (image_id,) = console.do(stored)
    loop = made_loop(6, loop_lengths()).to_json()
    reading = made_reading(shot, Verdict())[0].to_json() | {"loop": loop, "heat": None}
    console.do(world._conclude(capture_id, image_id, {"ok": True, "reading": reading, "pictures": {}}))
    page.goto("/")
    expect(page.get_by_role("toolbar")).to_contain_text("frame 3 of 6")
    expect(page.locator("image.picture")).to_have_attribute(
        "href", f"/api/images/{image_id}/still.png?frame=2"
    )
    section = side(page).locator("section", has_text="Loop")
    expect(section).to_contain_text("1 of 6 frames looked at")
    expect(section).to_contain_text(
        "Frame 3 of 6, chosen because: its plane is certain, it is among the sharpest."
    )
    expect(section).to_contain_text(re.compile(r"Frames of this plane\s*100%\s*Frames of this finding\s*75%"))
    expect(section).to_contain_text(re.compile(r"HC over 4 frames\s*172\.4 ± 1\.3 mm"))
    to_chinese(page)
    section = side(page).locator("section", has_text="动态图像")
    expect(section).to_contain_text("第 3 帧（共 6 帧），选择理由：切面明确，画面最为清晰。")
    expect(section).to_contain_text(re.compile(r"4 帧头围\s*172\.4 ± 1\.3 mm"))


def give_age(page: Page, weeks: str, days: str = "") -> None:
    """Opens the form of the examination's age, fills it in and sends it."""
    page.get_by_role("button", name="Give").or_(page.get_by_role("button", name="Change")).click()
    page.get_by_label("Weeks").fill(weeks)
    page.get_by_label("Days").fill(days)
    page.get_by_label("Days").press("Enter")


@pytest.mark.req("BEY-07")
def test_a_person_gives_the_age_and_sees_growth(page: Page, console: RunningConsole) -> None:
    """Weeks and days go in, z-scores and centiles with their source come out; the age is the examination's and stays
    after a reload, until it is removed."""
    console.do(console.world.result(38, Verdict(ventricle_mm=6.6)))
    page.goto("/")
    expect(side(page)).to_contain_text("A gestational age of the examination places the lengths")
    expect(side(page)).not_to_contain_text("centile")
    give_age(page, "22", "3")
    expect(page.get_by_role("form", name="Gestational age")).to_have_count(0)
    for _ in range(2):
        expect(side(page)).to_contain_text(re.compile(r"Gestational age\s*22w3d"))
        expect(side(page)).to_contain_text("given as an age, doctor")
        for name in ("HC", "BPD", "OFD", "Ventricle"):
            expect(side(page)).to_contain_text(re.compile(rf"{name}\s*z -?\d+\.\d\d ± \d\.\d\d, centile "))
        for source in ("Lancet 2014; 384: 869-879", "Napolitano et al.", "z = (x - mean) / SD"):
            expect(side(page)).to_contain_text(source)
        expect(page.locator("[data-exam]")).to_contain_text("22w3d")
        page.reload()
    to_chinese(page)
    expect(side(page)).to_contain_text(re.compile(r"孕周\s*22周3天"))
    page.get_by_role("button", name="修改").click()
    page.get_by_role("button", name="删除孕周").click()
    expect(side(page)).not_to_contain_text("百分位")
    expect(side(page)).to_contain_text(re.compile(r"孕周\s*未知"))


def test_an_age_by_dates_keeps_no_date(page: Page, console: RunningConsole) -> None:
    """The last menstrual period is reckoned into days at once; only how it was reckoned is told."""
    console.do(console.world.result(38, Verdict()))
    page.goto("/")
    begun = (console.world.clock() - timedelta(days=150)).date()
    page.get_by_role("button", name="Give").click()
    page.get_by_text("Last period").click()
    page.get_by_label("Last period").and_(page.locator("[type=date]")).fill(begun.isoformat())
    page.get_by_role("button", name="Apply").click()
    expect(side(page)).to_contain_text("by the last menstrual period, doctor")
    expect(side(page)).to_contain_text(re.compile(r"Gestational age\s*21w[234]d"))
    expect(page.locator("body")).not_to_contain_text(begun.isoformat())


def test_an_age_belongs_to_its_examination(page: Page, console: RunningConsole) -> None:
    """Another examination has its own."""
    older, newer = (console.do(console.world.result(39, Verdict(), device_id=f"room-{n}")) for n in range(2))
    page.goto(address(console, newer))
    give_age(page, "21")
    expect(side(page)).to_contain_text(re.compile(r"Gestational age\s*21w0d"))
    row(page, console, older).click()
    expect(side(page)).to_contain_text(re.compile(r"Gestational age\s*not known"))
    row(page, console, newer).click()
    expect(side(page)).to_contain_text(re.compile(r"Gestational age\s*21w0d"))


@pytest.mark.parametrize(
    ("weeks", "days"), [("", "3"), ("0", "0"), ("20", "7"), ("45", "1"), ("-3", "0"), ("20.5", "")]
)
def test_what_is_no_age_is_said_and_not_asked(
    page: Page, console: RunningConsole, weeks: str, days: str
) -> None:
    """The page says what an age is; the server is not troubled (a 422 would be an error of this test)."""
    console.do(console.world.result(40, Verdict()))
    page.goto("/")
    give_age(page, weeks, days)
    expect(page.get_by_role("alert")).to_contain_text("above 0 and at most 315 days (45 weeks)")
    expect(side(page)).not_to_contain_text("centile")


def test_an_age_outside_of_the_standards_gets_weeks_instead_of_numbers(
    page: Page, console: RunningConsole
) -> None:
    """A possible age that no standard covers is taken, and what the standards cover is said."""
    console.do(console.world.result(41, Verdict()))
    page.goto("/")
    give_age(page, "12")
    expect(side(page)).to_contain_text("The standards cover 14 to 40 weeks.")
    expect(side(page)).to_contain_text(re.compile(r"HC\s*standard: 14 to 40 weeks only"))


def test_doubtful_and_unscaled_lengths_say_why_they_have_no_place(
    page: Page, console: RunningConsole
) -> None:
    """Where the lengths are not judged or have no millimetres, no age helps."""
    doubtful = console.do(console.world.result(42, Verdict(reasons=(AbstainReason.HEAD_CUT_OFF,))))
    unscaled = console.do(console.world.result(42, Verdict(scaled=False), device_id="us-room-4"))
    for capture_id, words in (
        (doubtful, "The lengths are not judged"),
        (unscaled, "Without a scale the lengths have no millimetres"),
    ):
        page.goto(address(console, capture_id))
        expect(side(page)).to_contain_text(words)
        expect(side(page)).not_to_contain_text("A gestational age of the examination places")


def test_a_server_that_does_not_answer_is_said(
    page: Page, console: RunningConsole, problems: list[str]
) -> None:
    """The age stays in the fields, and nothing is shown as if it had been judged."""
    console.do(console.world.result(43, Verdict()))

    def cut(route: Route) -> None:
        if route.request.method == "PATCH":
            route.abort()
        else:
            route.continue_()

    page.route("**/api/examinations/*", cut)
    page.goto("/")
    give_age(page, "22")
    expect(page.get_by_role("alert")).to_have_text("The server gave no answer. Try again.")
    expect(page.get_by_label("Weeks")).to_have_value("22")
    expect(side(page)).not_to_contain_text("centile")
    page.unroute("**/api/examinations/*")
    page.get_by_role("button", name="Apply").click()
    expect(side(page)).to_contain_text("centile")
    expect(page.get_by_role("alert")).to_have_count(0)
    problems[:] = [problem for problem in problems if "net::ERR_FAILED" not in problem]
