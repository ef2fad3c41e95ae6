"""Every page on a tablet held upright, on one that lies, and on a small desk screen: nothing is out of reach."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.browser.pages import PAGES, STAY, filled, path_of
from tests.cloud.console.running import RunningConsole

pytestmark = pytest.mark.browser

SIZES: Final = ((820, 1180), (1180, 820), (1280, 800))

OUT_OF_REACH: Final = """() => {
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const clips = (e) => getComputedStyle(e).overflowX !== 'visible';
  const scrolls = (e) => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
  function lost(control) {
    let { left, right } = control.getBoundingClientRect();
    if (right - left <= 2) return false;
    for (let around = control.parentElement; around; around = around.parentElement) {
      if (!clips(around)) continue;
      const edge = around.getBoundingClientRect();
      if (scrolls(around)) ({ left, right } = edge);
      else if (left < edge.left - 1 || right > edge.right + 1) return true;
    }
    return left < -1 || right > window.innerWidth + 1;
  }
  const controls = [...document.querySelectorAll('a, button, input, select, textarea, summary')];
  const sideways = [...document.querySelectorAll('*')]
    .filter((e) => scrolls(e) && shown(e) && e.scrollWidth > e.clientWidth + 1 && !e.querySelector('table, pre'))
    .filter((e) => !['INPUT', 'SELECT', 'TEXTAREA', 'PRE'].includes(e.tagName));
  return [...controls.filter((e) => shown(e) && lost(e)), ...sideways].map((e) => e.outerHTML.slice(0, 160));
}"""
"""Controls that no scrolling brings into the window, and what scrolls sideways without being a table or text of a
program."""


@pytest.mark.req("READ-09")
@pytest.mark.parametrize("page_address", PAGES)
def test_everything_is_within_reach(
    page_address: str, stranger: Page, console: RunningConsole, tmp_path: Path
) -> None:
    """In both languages and all sizes."""
    visit = PAGES[page_address]
    path = path_of(page_address, filled(console, tmp_path / "files"))
    if visit.role is not None:
        sign_in(stranger, console, visit.role)
    stranger.add_init_script(STAY)
    for language in ("en", "zh"):
        stranger.goto(path)
        stranger.evaluate(f"localStorage['sonorelay.language'] = '{language}'")
        stranger.goto(path)
        expect(stranger.locator(visit.shows).first).to_be_visible()
        visit.first(stranger)
        for width_px, height_px in SIZES:
            stranger.set_viewport_size({"width": width_px, "height": height_px})
            assert [] == stranger.evaluate(OUT_OF_REACH), (language, width_px)
            assert stranger.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")


def test_the_check_can_fail(stranger: Page) -> None:
    """A button beyond the edge of what does not scroll is found, and a row that scrolls sideways."""
    stranger.goto("/login")
    expect(stranger.get_by_role("heading").first).to_be_visible()
    stranger.evaluate(
        """() => {
          const made = (name, style, ...within) => {
            const element = document.createElement(name);
            element.append(...within);
            Object.assign(element.style, style);
            return element;
          };
          document.querySelector('main').append(
            made('button', { position: 'relative', left: '3000px' }, 'far'),
            made('div', { overflow: 'auto', width: '90px' }, made('p', { width: '900px' }, 'broad')));
        }"""
    )
    found = "\n".join(stranger.evaluate(OUT_OF_REACH))
    assert "far" in found
    assert "broad" in found
