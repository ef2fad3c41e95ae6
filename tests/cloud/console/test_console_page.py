"""Step 13: the page's own addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud.console.conftest import Get


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/live", "/live/00000000-0000-0000-0000-000000000000"),
        *("/viewer", "/viewer/00000000-0000-0000-0000-000000000000"),
        *("/login", "/welcome", "/account", "/admin", "/admin/audit"),
    ],
)
def test_the_page_is_asked_for_again_and_its_parts_are_kept(get: Get, static_dir: Path, path: str) -> None:
    """A new version shows at once, because only files named by their content are kept by the browser."""
    page = get(path)
    assert (200, "no-cache") == (page.status, page.headers["cache-control"])
    assert (static_dir / "index.html").read_bytes() == page.body
    assert "immutable" in get("/assets/index-abc.js").headers["cache-control"]


def test_without_a_built_page_it_says_how_to_build_one(get: Get, static_dir: Path) -> None:
    """The server runs, says what to do, bears the mark, and its API works."""
    (static_dir / "index.html").unlink()
    page = get("/")
    assert page.status == 503
    assert b"make setup" in page.body
    assert b"not for diagnosis" in page.body
    assert get("/api/system").status == 200
