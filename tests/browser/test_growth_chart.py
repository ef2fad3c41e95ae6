"""Step 13: a measured length on the curves of healthy growth, small beside the reading and enlarged."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from cloud.infer.biometry import REFERENCES, Measure, centile_value
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, made_reading

pytestmark = pytest.mark.browser

SEED = 38


def chart(page: Page) -> Locator:
    """The small chart."""
    return page.get_by_role("figure", name="Growth chart")


def give_age(page: Page, weeks: int) -> None:
    """A person gives the examination's age."""
    page.get_by_role("button", name="Give").or_(page.get_by_role("button", name="Change")).click()
    page.get_by_label("Weeks").fill(str(weeks))
    page.get_by_role("button", name="Apply").click()


@pytest.mark.req("BEY-07")
def test_a_length_is_placed_on_its_curves(page: Page, console: RunningConsole) -> None:
    """Five curves; without an age a line across them, with one a point at that week whose bar is one sigma; an age that
    the standard does not cover has no point and is said."""
    console.do(console.world.result(SEED, Verdict()))
    page.goto("/")
    expect(chart(page).locator("path.curve")).to_have_count(5)
    expect(chart(page).locator("circle.point")).to_have_count(0)
    expect(chart(page)).to_contain_text("an age places it on the curves")
    give_age(page, 30)
    measured = made_reading(brain_shot(SEED), Verdict())[0].measurements
    assert measured is not None
    assert measured.hc_mm is not None
    assert measured.hc_mm_sd is not None
    expect(chart(page)).to_contain_text(f"{measured.hc_mm:.1f} ± {measured.hc_mm_sd:.1f} mm at 30w0d")
    point = chart(page).locator("circle.point")
    x, y = (float(point.get_attribute(name) or "nan") for name in ("cx", "cy"))
    # The median curve is drawn from the same weeks and millimetres: it says where a pixel is.
    drawn = chart(page).locator(".median path.curve").get_attribute("d") or ""
    places = [[float(n) for n in pair.split()] for pair in drawn[1:].split("L")]
    weeks = list(range(14, 41))
    median = [centile_value(Measure.HC, 50, week * 7) for week in weeks]
    assert places[weeks.index(30)][0] == pytest.approx(x, abs=0.06)
    px_per_mm = (places[-1][1] - places[0][1]) / (median[-1] - median[0])
    assert places[0][1] + (measured.hc_mm - median[0]) * px_per_mm == pytest.approx(y, abs=0.2)
    bar = re.findall(r"-?[\d.]+", chart(page).locator("path.bar").get_attribute("d") or "")
    assert 2 * measured.hc_mm_sd * abs(px_per_mm) == pytest.approx(
        abs(float(bar[2]) - float(bar[1])), abs=0.1
    )
    give_age(page, 12)
    expect(chart(page).locator("circle.point")).to_have_count(0)
    expect(chart(page)).to_contain_text("outside of the standard's weeks")


def test_the_length_is_chosen(page: Page, console: RunningConsole) -> None:
    """BPD, OFD and the ventricle have their own curves; what was not measured is not offered."""
    console.do(console.world.result(SEED, Verdict(ventricle_mm=6.6)))
    page.goto("/")
    choice = chart(page).get_by_role("radiogroup", name="Length")
    expect(choice.locator("label")).to_have_text(["HC", "BPD", "OFD", "Ventricle"])
    choice.get_by_role("radio", name="HC").press("ArrowLeft")
    expect(choice.get_by_role("radio", name="Ventricle")).to_be_checked()
    expect(chart(page)).to_contain_text("6.6 ±")
    expect(chart(page).get_by_role("button", name="Enlarge the growth chart of Ventricle")).to_be_enabled()


@pytest.mark.parametrize("measure", [Measure.HC, Measure.ATRIUM])
def test_the_table_is_the_standard(page: Page, console: RunningConsole, measure: Measure) -> None:
    """Enlarged, the chart can be read as a table: each week and centile as the server's formulas reckon them, with
    the publication and the mark."""
    console.do(console.world.result(SEED, Verdict(ventricle_mm=6.6)))
    page.goto("/")
    give_age(page, 24)
    word = {"hc": "HC", "ventricle_width": "Ventricle"}[measure.value]
    chart(page).get_by_text(word, exact=True).click()
    chart(page).get_by_role("button", name="Enlarge").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("canvas")).to_be_visible()
    dialog.get_by_role("button", name="Table").click()
    rows = dialog.locator("tbody tr")
    reference = REFERENCES[measure]
    expected = [
        [str(week), *(f"{centile_value(measure, p, week * 7):.1f}" for p in (3, 10, 50, 90, 97))]
        for week in range(reference.first_week, reference.last_week + 1)
    ]
    assert expected == [row.locator("th, td").all_inner_texts() for row in rows.all()]
    expect(dialog.locator("tr.nearest th")).to_have_text("24")
    expect(dialog).to_contain_text(reference.citation)
    expect(dialog).to_contain_text("research use, not for diagnosis")
    dialog.get_by_role("button", name="Curves").click()
    expect(dialog.get_by_role("img", name=re.compile("Growth chart.*at 24w0d"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_reading_without_millimetres_has_no_chart(page: Page, console: RunningConsole) -> None:
    """Pixels have no place on the curves."""
    console.do(console.world.result(SEED, Verdict(scaled=False)))
    page.goto("/")
    expect(page.get_by_role("complementary")).to_contain_text("Without a scale")
    expect(chart(page)).to_have_count(0)


def test_curves_that_do_not_come_are_said(page: Page, console: RunningConsole, problems: list[str]) -> None:
    """A cut is said in words, and a person can ask again."""
    console.do(console.world.result(SEED, Verdict()))

    def cut(route: Route) -> None:
        route.abort()

    page.route("**/api/growth/*", cut)
    page.goto("/")
    expect(chart(page).get_by_role("alert")).to_contain_text("The server did not give the curves.")
    page.unroute("**/api/growth/*")
    chart(page).get_by_role("button", name="Try again").click()
    expect(chart(page).locator("path.curve")).to_have_count(5)
    problems[:] = [problem for problem in problems if "net::ERR_FAILED" not in problem]
