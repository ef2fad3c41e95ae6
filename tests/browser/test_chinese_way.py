"""A doctor who reads Chinese: from the print's result over the correction and the signature to the report."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import row
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict
from tests.cloud.report.test_pdf import bare, whole

pytestmark = pytest.mark.browser

NOTE = "颅骨外缘未完全包括"
ENGLISH = re.compile(r"[A-Za-z]{4,} [A-Za-z]{4,}")
"""Two words of it beside each other."""


@pytest.mark.req("BEY-01")
def test_the_way_in_chinese(page: Page, console: RunningConsole) -> None:
    """No English sentence stands on the way, and the note's letters reach the PDF."""
    capture_id = console.do(console.world.result(52, Verdict(finding="ventriculomegaly", probability=0.9)))
    page.goto("/")
    page.get_by_role("button", name="切换到中文").click()
    expect(row(page, console, capture_id)).to_contain_text("疑似异常")
    side = page.get_by_role("complementary")
    expect(side).to_contain_text("此图像尚无人复核。")
    page.keyboard.press("d")
    page.get_by_label("没有异常").check()
    page.get_by_label("备注").fill(NOTE)
    page.get_by_role("button", name="提交").click()
    expect(side).to_contain_text("doctor 不同意")
    expect(row(page, console, capture_id)).to_contain_text("未见异常")

    page.get_by_role("tab", name="检查").click()
    panel = page.get_by_role("tabpanel", name="检查")
    expect(panel).to_contain_text("所有带结果的图像均已复核。")
    panel.get_by_role("button", name="签署检查").click()
    expect(panel).to_contain_text("doctor 签署")
    assert not ENGLISH.search(page.locator("body").inner_text())

    page.get_by_role("link", name="报告").click()
    paper = page.get_by_role("article")
    expect(paper.get_by_role("heading", level=1)).to_have_text("胎儿超声检查报告（头颅）")
    expect(paper).to_contain_text(NOTE)
    with page.expect_download() as coming:
        page.get_by_role("button", name="PDF").click()
    text = whole(coming.value.path().read_bytes())
    for part in (NOTE, "仅供研究，不用于诊断", "doctor 不同意"):
        assert bare(part) in text, part
    assert not ENGLISH.search("|".join(page.locator("nav, header, footer").all_inner_texts()))
