"""Step 13: the page is on the screen soon: what the reading page needs at first is little."""

from __future__ import annotations

import gzip

import pytest
from playwright.sync_api import Page, Response, expect

from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict

pytestmark = pytest.mark.browser

SCRIPT_MAX_BYTES = 150_000


def test_the_reading_page_needs_little_script(page: Page, console: RunningConsole) -> None:
    """Compressed, all scripts until a whole reading with its chart is seen; dialogs and the large chart come later."""
    console.do(console.world.result(31, Verdict(ventricle_mm=6.6)))
    scripts: list[Response] = []
    page.on("response", lambda got: scripts.append(got) if got.url.endswith(".js") else None)
    page.goto("/")
    expect(page.get_by_role("figure", name="Growth chart").locator("path.curve")).to_have_count(5)
    sizes = {script.url.rpartition("/")[2]: len(gzip.compress(script.body())) for script in scripts}
    assert sizes
    assert sum(sizes.values()) <= SCRIPT_MAX_BYTES, sizes
    assert not any("Dialog" in name for name in sizes)
