"""Step 13: a person says whether a reading is right, in a real browser, over a real server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from playwright.sync_api import Locator, Page, Route, expect

from cloud.accounts.roles import Role
from cloud.db.tables import image_review, result
from tests.browser.conftest import PATIENCE_MS, address, row, sign_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import PASSWORD, Verdict, brain_shot

pytestmark = pytest.mark.browser


def panel(page: Page) -> Locator:
    """What persons say of the image."""
    return page.get_by_role("region", name="Review")


def ready(page: Page) -> Locator:
    """Waits until the image can be reviewed; the panel."""
    expect(panel(page).get_by_role("button", name=re.compile("^Agree"))).to_be_visible()
    return panel(page)


def reviews(console: RunningConsole) -> list[dict[str, object]]:
    """Every stored review, oldest first."""
    query = sa.select(image_review).order_by(image_review.c.number)
    rows = console.do(console.world.database.read(lambda tx: list(tx.execute(query).mappings())))
    return [dict(each) for each in rows]


def cut_reviews(page: Page) -> list[dict[str, object]]:
    """Lets no review get through; what was tried, in order."""
    tried: list[dict[str, object]] = []

    def cut(route: Route) -> None:
        tried.append(json.loads(route.request.post_data or "{}"))
        route.abort()

    page.route("**/reviews", cut)
    return tried


@pytest.mark.req("BEY-01")
def test_a_doctor_agrees_by_one_key(page: Page, console: RunningConsole) -> None:
    """A stores the agreement with who and when; the row counts it; the receipt can be had."""
    capture_id = console.do(console.world.result(51, Verdict(finding="other")))
    page.goto("/")
    expect(panel(page)).to_contain_text("Nobody has reviewed this image.")
    expect(row(page, console, capture_id)).to_contain_text("0/1")
    page.keyboard.press("a")
    expect(panel(page)).to_contain_text(re.compile("^doctor agrees"))
    expect(row(page, console, capture_id)).to_contain_text("1/1")
    (stored,) = reviews(console)
    assert ("agree", "user:doctor") == (stored["decision"], stored["reviewer"])
    link = panel(page).get_by_role("link", name="ledger entry")
    assert "c2sp.org/tlog-proof@v1" in page.request.get(link.get_attribute("href") or "").text()


@pytest.mark.req("BEY-01")
def test_a_disagreement_by_keyboard_alone(page: Page, console: RunningConsole) -> None:
    """D asks why; reason, right finding, right plane, outline and note without a pointer; the corrected values stand
    beside the model's, the outlines on the still, and the whole examination follows the person."""
    capture_id = console.do(console.world.result(52, Verdict(finding="ventriculomegaly", probability=0.9)))
    page.goto("/")
    expect(row(page, console, capture_id)).to_contain_text("Suspected")
    ready(page)
    page.keyboard.press("d")
    expect(page.get_by_role("radio").first).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Right finding")).to_be_focused()
    page.keyboard.press("n")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Right plane")).to_be_focused()
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Right plane")).to_have_value("trans-thalamic")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("g.grip-centre")).to_be_focused()
    page.keyboard.press("Tab")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Correct again")).to_be_focused()
    expect(page.locator("ellipse.person")).to_be_visible()
    page.get_by_label("Note").focus()
    page.keyboard.type("Calipers on the outer skull")
    page.keyboard.press("Control+Enter")
    expect(panel(page)).to_contain_text("doctor disagrees")
    expect(panel(page)).to_contain_text("There is no anomaly")
    table = panel(page).get_by_role("table")
    expect(table).to_contain_text(re.compile(r"Finding\s*ventriculomegaly\s*normal"))
    expect(table).to_contain_text("trans-thalamic")
    expect(table).to_contain_text(re.compile(r"HC\s*\d+\.\d ± \d\.\d mm\s*\d+\.\d mm"))
    expect(row(page, console, capture_id)).to_contain_text("No anomaly")
    (stored,) = reviews(console)
    assert "FALSE_ALARM" == stored["reason"]
    corrected = stored["corrected"]
    assert isinstance(corrected, dict)
    assert ("normal", "trans-thalamic") == (corrected["finding"], corrected["plane"])
    truth = brain_shot(52).still.truth.ellipse
    assert truth is not None
    assert corrected["ellipse"]["a"] != pytest.approx(truth.a, abs=1.0)


def test_a_disagreement_names_a_reason(page: Page, console: RunningConsole) -> None:
    """The page says what is missing and asks the server for nothing."""
    console.do(console.world.result(53, Verdict()))
    page.goto("/")
    page.get_by_role("button", name="Disagree").click()
    page.get_by_role("button", name="Send").click()
    expect(panel(page).get_by_role("alert")).to_have_text("Choose a reason.")
    page.get_by_label("Something else").check()
    expect(panel(page).get_by_role("alert")).to_have_text("Say in the note what it is.")
    assert [] == reviews(console)


@pytest.mark.req("BEY-06")
def test_a_note_on_the_sex_is_refused_kindly(
    page: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """The page says why in words, and what was typed stays."""
    console.do(console.world.result(53, Verdict()))
    page.goto("/")
    page.get_by_role("button", name="Disagree").click()
    page.get_by_label("The outline is wrong").check()
    page.get_by_label("Note").fill("a healthy boy")
    page.get_by_role("button", name="Send").click()
    expect(panel(page).get_by_role("alert")).to_contain_text("This site does not tell it")
    expect(page.get_by_label("Note")).to_have_value("a healthy boy")
    expect(page.get_by_label("The outline is wrong")).to_be_checked()
    refused(422)
    page.get_by_label("Note").fill("too wide")
    page.get_by_role("button", name="Send").click()
    expect(panel(page)).to_contain_text("too wide")


@pytest.mark.req("BEY-01")
def test_an_unsent_review_survives_the_expired_session_and_is_sent_once(
    page: Page, console: RunningConsole, problems: list[str]
) -> None:
    """Typed, handed in without a connection, over a reload and the end of the session: after the sign-in the same
    review is sent, with the same UUID."""
    capture_id = console.do(console.world.result(54, Verdict()))
    page.goto(address(console, capture_id))
    page.get_by_role("button", name="Disagree").click()
    page.get_by_label("The outline is wrong").check()
    page.get_by_label("Note").fill("half typed")
    page.reload()
    expect(page.get_by_label("Note")).to_have_value("half typed")
    expect(page.get_by_label("The outline is wrong")).to_be_checked()
    tried = cut_reviews(page)
    page.get_by_label("Note").fill("too wide")
    page.get_by_role("button", name="Send").click()
    expect(panel(page)).to_contain_text("Not sent yet.")
    expect(panel(page)).to_contain_text("It is kept on this computer")
    page.get_by_role("button", name="Send now").click()
    expect(panel(page)).to_contain_text("The server gave no answer")
    console.world.clock.forward(hours=12)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("too wide")
    page.unroute("**/reviews")
    page.get_by_label("Name", exact=True).fill("doctor")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(panel(page)).to_contain_text("doctor disagrees")
    expect(panel(page)).to_contain_text("too wide")
    (stored,) = reviews(console)
    assert {str(stored["review_id"])} == {each["review_id"] for each in tried}
    # The stream may tell of the review before its own request is answered; what was kept goes with the answer.
    kept = "Object.keys(localStorage).filter((key) => key.startsWith('sonorelay.reviews'))"
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while page.evaluate(kept) and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert [] == page.evaluate(kept)
    problems[:] = [each for each in problems if "net::ERR_FAILED" not in each and "401" not in each]


def test_another_persons_unsent_review_is_not_shown(
    page: Page, console: RunningConsole, problems: list[str]
) -> None:
    """What is kept on a computer belongs to who typed it."""
    capture_id = console.do(console.world.result(55, Verdict()))
    page.goto(address(console, capture_id))
    cut_reviews(page)
    ready(page)
    page.keyboard.press("a")
    expect(panel(page)).to_contain_text("Not sent yet.")
    page.unroute("**/reviews")
    sign_in(page, console, Role.DOCTOR, "grace")
    page.reload()
    expect(panel(page)).to_contain_text("Nobody has reviewed this image.")
    assert [] == reviews(console)
    problems[:] = [each for each in problems if "net::ERR_FAILED" not in each]


def test_an_unsent_review_can_be_discarded(page: Page, console: RunningConsole, problems: list[str]) -> None:
    """Then it is gone for good."""
    console.do(console.world.result(55, Verdict()))
    page.goto("/")
    cut_reviews(page)
    ready(page)
    page.keyboard.press("a")
    expect(panel(page)).to_contain_text("Not sent yet.")
    page.get_by_role("button", name="Discard").click()
    page.unroute("**/reviews")
    page.reload()
    expect(panel(page)).to_contain_text("Nobody has reviewed this image.")
    assert [] == reviews(console)
    problems[:] = [each for each in problems if "net::ERR_FAILED" not in each]


def test_a_result_that_came_meanwhile_keeps_what_was_typed(
    page: Page, console: RunningConsole, refused: Callable[[int], None]
) -> None:
    """The server refuses a review of a result that is none any more; the page says what changed, the person says
    whether it still holds."""
    world, shot = console.world, brain_shot(56)
    capture_id = console.do(world.result(56, Verdict(finding="other")))
    # The made-up entry of a result is the same each time, and the ledger keeps one of it.
    earlier = sa.update(result).values(ledger_index=result.c.ledger_index + 100)
    console.do(world.database.write(lambda tx: tx.execute(earlier) and None))
    page.goto("/")
    page.get_by_role("button", name="Disagree").click()
    page.get_by_label("Another type of anomaly").check()
    page.get_by_label("Note").fill("look again")
    image_id = console.do(
        world.database.read(lambda tx: tx.execute(sa.select(result.c.image_id)).scalar_one())
    )
    console.do(world.database.write(lambda tx: tx.execute(sa.delete(result)) and None))
    console.do(world.conclude(capture_id, image_id, shot, Verdict(finding="ventriculomegaly")))
    alert = panel(page).get_by_role("alert")
    expect(alert).to_contain_text("The image has another result by now.")
    expect(alert).to_contain_text("Before: Brain, another anomaly. Now: Brain, ventriculomegaly.")
    expect(page.get_by_label("Note")).to_have_value("look again")
    page.get_by_role("button", name="It holds for the new result").click()
    page.get_by_role("button", name="Send").click()
    expect(panel(page)).to_contain_text("look again")
    assert 1 == len(reviews(console))


def test_enter_leads_to_the_next_unreviewed_image(page: Page, console: RunningConsole) -> None:
    """Through the images of the examination, then to the next examination; after A by itself where a person set it."""
    world = console.world
    other = console.do(world.result(57, Verdict(), device_id="us-room-4"))
    first, second = (console.do(world.result(58 + n, Verdict())) for n in range(2))
    page.goto(address(console, first))
    pressed = page.get_by_role("group", name="Images of this examination").locator("[aria-pressed=true]")
    expect(pressed).to_have_accessible_name(re.compile("Image 1 of 2"))
    page.keyboard.press("Enter")
    expect(pressed).to_have_accessible_name(re.compile("Image 2 of 2"))
    page.get_by_label("go on after A").check()
    page.get_by_label("go on after A").blur()
    page.keyboard.press("a")
    expect(pressed).to_have_accessible_name(re.compile("Image 1 of 2"))
    page.keyboard.press("a")
    expect(page).to_have_url(re.compile(f"{address(console, other)}$"))
    expect(row(page, console, second)).to_contain_text("2/2")


@pytest.mark.parametrize("role", [Role.SONOGRAPHER, Role.RESEARCHER])
def test_a_role_without_review_sees_what_was_said(
    stranger: Page, console: RunningConsole, role: Role
) -> None:
    """The decision is there, the buttons and the keys are not."""
    page = stranger
    sign_in(page, console, Role.DOCTOR)
    console.do(console.world.result(59, Verdict(), device_id="us-room-4"))
    page.goto("/")
    ready(page)
    page.keyboard.press("a")
    expect(panel(page)).to_contain_text("doctor agrees")
    console.do(console.world.result(60, Verdict()))
    sign_in(page, console, role)
    page.reload()
    expect(panel(page)).to_contain_text("doctor agrees")
    expect(page.locator("[data-exam]")).to_have_count(2)
    page.keyboard.press("k")
    expect(panel(page)).to_contain_text("Your role does not review.")
    page.keyboard.press("a")
    page.keyboard.press("d")
    for name in ("Agree", "Disagree", "Next unreviewed"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    assert 1 == len(reviews(console))
