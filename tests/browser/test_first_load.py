"""Step 13: what a browser has to load before a person sees an examination."""

from __future__ import annotations

import gzip

import pytest
from playwright.sync_api import Page, Response, expect

from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict

pytestmark = pytest.mark.browser

SCRIPT_MAX_BYTES = 150_000
"""Gzip, of all script together."""


def test_the_first_load_stays_small(page: Page, console: RunningConsole) -> None:
    """All script that /live asks for until a read examination is on the screen; dialogs and charts come later."""
    console.do(console.world.result(91, Verdict()))
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("/live")
    expect(page.locator("ellipse.edge")).to_be_visible()
    scripts = {answer.url: answer.body() for answer in answers if answer.url.endswith(".js")}
    assert scripts
    sizes = {url.rsplit("/", 1)[-1]: len(gzip.compress(body)) for url, body in scripts.items()}
    assert SCRIPT_MAX_BYTES >= sum(sizes.values()), sizes
