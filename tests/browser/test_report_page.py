"""The report on the screen and on paper: white, whole, marked, in the language that it was asked in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pytest
from playwright.sync_api import Page, expect

from cloud.items import CaptureState
from cloud.publish.worklist import read_item
from sonorelay.contract.reasons import EdgeReason
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict

pytestmark = pytest.mark.browser

NOTICE = "Researchuse,notfordiagnosis"


@pytest.fixture
def examination_id(console: RunningConsole) -> str:
    """An examination with two images and a refused print."""
    world = console.world
    first = console.do(world.result(8, Verdict(ventricle_mm=9.1)))
    console.do(world.result(5, Verdict(finding="ventriculomegaly", probability=0.94, ventricle_mm=12.6)))
    refused = console.do(world.announce())
    console.do(world.stop(refused, CaptureState.REFUSED, EdgeReason.NOT_AN_IMAGE))
    item = console.do(world.database.read(lambda tx: read_item(tx, first)))
    assert item is not None
    assert item.examination is not None
    return item.examination.examination_id


def test_the_report_is_read_on_white_paper(page: Page, examination_id: str) -> None:
    """Head, findings, lengths, images with their lines, receipt; the pictures have come."""
    page.goto(f"/report/{examination_id}")
    paper = page.get_by_role("article")
    expect(paper.get_by_role("heading", level=1)).to_have_text("Fetal ultrasound report: head and brain")
    expect(paper).to_contain_text("suspected anomaly, hint: ventriculomegaly")
    expect(
        paper.get_by_role("img", name="Image 2: brain", exact=True).locator("polygon.outline")
    ).to_have_count(1)
    expect(paper.get_by_role("img", name='Image 2: evidence for "ventriculomegaly"')).to_be_visible()
    assert "rgb(255, 255, 255)" == paper.evaluate("node => getComputedStyle(node).backgroundColor")


def test_the_language_of_the_report_is_its_own(page: Page, examination_id: str) -> None:
    """A Chinese report may be made on an English page, and back."""
    page.goto(f"/report/{examination_id}")
    paper = page.get_by_role("article")
    page.get_by_role("radio", name="中文").check()
    expect(paper.get_by_role("heading", level=1)).to_have_text("胎儿超声检查报告（头颅）")
    assert "zh-CN" == paper.get_attribute("lang")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    page.get_by_role("radio", name="English").check()
    expect(paper.get_by_role("heading", level=1)).to_have_text("Fetal ultrasound report: head and brain")


def test_every_heat_map_on_demand(page: Page, examination_id: str) -> None:
    """The normal image's too."""
    page.goto(f"/report/{examination_id}")
    heats = page.get_by_role("img", name="evidence for")
    expect(heats).to_have_count(1)
    page.get_by_label("All heat maps").check()
    expect(heats).to_have_count(2)


def test_the_pdf_is_taken_away(page: Page, examination_id: str) -> None:
    """By a button, under its name, in the language that is shown."""
    page.goto(f"/report/{examination_id}")
    page.get_by_role("radio", name="中文").check()
    expect(page.get_by_role("article")).to_contain_text("超声提示")
    with page.expect_download() as coming:
        page.get_by_role("button", name="PDF").click()
    assert "report-1-zh.pdf" == coming.value.suggested_filename
    assert Path(coming.value.path()).read_bytes().startswith(b"%PDF-1.7")


def test_print_leaves_the_page_alone_on_paper(page: Page, examination_id: str) -> None:
    """No rail, no tools, no dark ground; the mark and the draft's word on every printed page."""
    page.goto(f"/report/{examination_id}")
    expect(page.get_by_role("article")).to_contain_text("Receipt")
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation")).to_have_count(0)
    expect(page.get_by_role("toolbar")).to_have_count(0)
    marked = printed(page)
    # The mark lies over other words, and its letters among theirs.
    page.locator(".mark").evaluate("node => node.remove()")
    texts = printed(page)
    assert 2 <= len(texts) <= 4
    assert all(NOTICE in text for text in texts)
    assert [len("DRAFT")] * len(texts) == [len(m) - len(t) for m, t in zip(marked, texts, strict=True)]
    assert "Worklist" not in "".join(texts)


def printed(page: Page) -> list[str]:
    """The text of each printed page, without spaces and breaks."""
    document = pypdfium2.PdfDocument(page.pdf(prefer_css_page_size=True, print_background=True))
    texts = ["".join(each.get_textpage().get_text_range().split()) for each in document]
    document.close()
    return texts


def test_an_unknown_examination_is_named(page: Page, refused: Callable[[int], None]) -> None:
    """The page says so instead of staying empty."""
    page.goto("/report/00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("alert")).to_contain_text("There is no such examination")
    refused(404)


def test_a_failed_pdf_is_told(page: Page, examination_id: str, refused: Callable[[int], None]) -> None:
    """The report stays, and can be printed."""
    page.route(
        "**/report.pdf*", lambda route: route.fulfill(status=503, json={"detail": "The fonts are missing."})
    )
    page.goto(f"/report/{examination_id}")
    page.get_by_role("button", name="PDF").click()
    expect(page.get_by_role("alert")).to_contain_text("The PDF could not be made.")
    expect(page.get_by_role("article")).to_be_visible()
    refused(503)
