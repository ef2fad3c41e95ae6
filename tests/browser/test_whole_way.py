"""Everything at once, with real programs: from the first administrator over a print, its reading, the correction, the
signature and the report to an uploaded volume, and to what the audit says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from cloud.report.words import ENGLISH
from tests.browser.conftest import PATIENCE_MS, first_administrator
from tests.browser.viewer.bodies import volume_files
from tests.browser.viewer.panes import letters, pane, settled
from tests.cloud.console.world import PASSWORD
from tests.cloud.report.test_pdf import bare, whole
from tests.line_machine import Line

pytestmark = pytest.mark.browser

DOCTOR = "wang.fang"
NOTE = "Calipers on the outer skull"
PRINTS, SLICES = 3, 16
WEEKS, DAYS = 22, 3

CORRECTED_HC = re.compile(r"HC\s*[\d.]+ ± [\d.]+ mm\s*([\d.]+) mm")
"""The model's and the person's, side by side."""
DONE = {
    "became first administrator": "ada",
    "invited a user": "ada",
    **dict.fromkeys(
        (
            "followed the worklist",
            "looked at an examination",
            "reviewed an image",
            "set a gestational age",
            "signed an examination",
            "looked at a report",
            "downloaded a report",
            "uploaded files",
            "looked at a series",
        ),
        DOCTOR,
    ),
}
"""What the audit must know of it, in its own words, and of whom."""


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Opens another browser; whatever goes wrong in any of them fails the test."""
    problems: list[str] = []
    contexts = []

    def open_one() -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [] == problems


@pytest.mark.req("BEY-01")
@pytest.mark.req("READ-03")
@pytest.mark.req("MPR-07")
def test_the_whole_way(line: Line, opened: Callable[[], Page], tmp_path: Path) -> None:
    """Two persons, one after the other at every page that the work needs; nothing is put in by hand."""
    administrator, doctor = opened(), opened()
    first_administrator(administrator, line)
    invited(administrator, doctor)
    expect(doctor.get_by_role("heading", name="Waiting for the first print")).to_be_visible()

    line.print(PRINTS, formats=("dicom",), seed=8)
    expect(doctor.locator("[data-exam]")).to_have_count(1)
    items = line.finals(PRINTS)
    doctor.locator("[data-exam] button").click()
    images = [image for item in items for image in item["images"]]
    corrected_hc = disagreed(doctor, next(image for image in images if image["reading"]["head"]))
    agreed(doctor, len(images) - 1)
    aged_and_signed(doctor)
    reported(doctor, corrected_hc)
    turned(doctor, tmp_path / "volume")
    audited(administrator)


def invited(administrator: Page, doctor: Page) -> None:
    """The administrator makes a doctor, who sets a password by the link and signs in."""
    administrator.goto("/".join((*administrator.url.split("/")[:3], "admin/users")))
    administrator.get_by_label("Name", exact=True).fill(DOCTOR)
    administrator.get_by_role("combobox", name="Role", exact=True).select_option("doctor")
    administrator.get_by_role("button", name="Invite a user").click()
    doctor.goto(administrator.get_by_role("status", name=f"Link for {DOCTOR}").locator("code").inner_text())
    for field in ("New password", "The same again"):
        doctor.get_by_label(field).fill(PASSWORD)
    doctor.get_by_role("button", name="Set the password").click()
    doctor.get_by_label("Name", exact=True).fill(DOCTOR)
    doctor.get_by_label("Password", exact=True).fill(PASSWORD)
    doctor.get_by_role("button", name="Sign in").click()


def review(page: Page) -> Locator:
    """What persons say of the image."""
    return page.get_by_role("region", name="Review")


def disagreed(page: Page, image: dict[str, Any]) -> str:
    """By keyboard: the outline is wrong, another finding, the outline moved, a note. The corrected head
    circumference as the page says it."""
    page.locator(f'[data-frame="{image["image_id"]}"]').click()
    expect(page.locator("ellipse.edge")).to_be_visible()
    expect(review(page).get_by_role("button", name=re.compile("^Agree"))).to_be_visible()
    page.keyboard.press("d")
    expect(page.get_by_role("radio").first).to_be_focused()
    page.keyboard.press("Space")
    while not page.get_by_label("The outline is wrong").is_checked():
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Right finding")).to_be_focused()
    page.keyboard.press("v" if image["reading"]["finding"] != "ventriculomegaly" else "n")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("g.grip-centre")).to_be_focused()
    page.keyboard.press("Tab")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("ellipse.person")).to_be_visible()
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.get_by_label("Note")).to_be_focused()
    page.keyboard.type(NOTE)
    page.keyboard.press("Control+Enter")
    expect(review(page)).to_contain_text(f"{DOCTOR} disagrees")
    table = review(page).get_by_role("table")
    expect(table).to_contain_text(CORRECTED_HC)
    found = CORRECTED_HC.search(table.inner_text())
    assert found is not None
    return found[1]


def agreed(page: Page, count: int) -> None:
    """With every other image, by keyboard."""
    for _ in range(count):
        page.keyboard.press("n")
        expect(review(page)).to_contain_text("Nobody has reviewed this image.")
        page.keyboard.press("a")
        expect(review(page)).to_contain_text(f"{DOCTOR} agrees")


def aged_and_signed(page: Page) -> None:
    """Another age than the machine says, for the whole examination, then its signature: nothing is left to review."""
    page.get_by_role("tab", name="Examination").click()
    page.get_by_role("button", name="Change", exact=True).click()
    form = page.get_by_role("form", name="Gestational age")
    form.get_by_label("Weeks").fill(str(WEEKS))
    form.get_by_label("Days").fill(str(DAYS))
    form.get_by_role("button", name="Apply").click()
    expect(form).to_have_count(0)
    panel = page.get_by_role("tabpanel", name="Examination")
    expect(panel).to_contain_text("Every image with a result is reviewed.")
    panel.get_by_role("button", name="Sign the examination").click()
    expect(panel).to_contain_text(f"Signed by {DOCTOR}")


def reported(page: Page, corrected_hc: str) -> None:
    """The report on the screen and as a PDF: correction, age and signature stand in it, and no draft's mark."""
    page.get_by_role("link", name="Report").click()
    paper = page.get_by_role("article")
    expect(paper).to_contain_text(f"Signed by {DOCTOR}")
    with page.expect_download() as coming:
        page.get_by_role("button", name="PDF").click()
    text = whole(coming.value.path().read_bytes())
    for part in (
        f"Signed by {DOCTOR}",
        f"{DOCTOR} disagrees",
        NOTE,
        f"{corrected_hc} mm",
        "Research use, not for diagnosis",
    ):
        assert bare(part) in text, part
    assert bare(ENGLISH["mark.draft"]) not in text


def turned(page: Page, folder: Path) -> None:
    """A folder of slices becomes a volume; a plane that is turned shows it by its letters."""
    volume_files(folder, count=SLICES)
    page.get_by_role("link", name="Viewer").click()
    page.locator("input[webkitdirectory]").set_input_files(folder)
    panel = page.get_by_role("region", name="Upload")
    expect(panel).to_contain_text("1 series came of it")
    panel.get_by_role("button", name="Close").click()
    page.locator("tbody tr[data-series]").get_by_role("link").click()
    settled(page)
    before = letters(pane(page, "coronal"))
    page.keyboard.press("2")
    page.keyboard.press("o")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    settled(page)
    expect(pane(page, "coronal")).to_have_attribute("aria-label", re.compile("turned"))
    assert before != letters(pane(page, "coronal"))


def audited(administrator: Page) -> None:
    """Every act of the way is found by the administrator, under the name of who did it."""
    administrator.get_by_role("link", name="Audit").click()
    for act, actor in DONE.items():
        administrator.get_by_label("What").select_option(label=act)
        administrator.get_by_role("button", name="Search").click()
        row = administrator.get_by_role("row").filter(has=administrator.get_by_role("cell", name=act)).first
        expect(row).to_contain_text(f"user:{actor}")
