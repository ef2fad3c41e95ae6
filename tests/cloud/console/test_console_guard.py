"""Step 13: what stands in front of every answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.console.api.guard import CONTENT_SECURITY_POLICY, host_name
from tests.cloud.console.conftest import Get, built_page, getter, running_console

EXPECTED = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
PATHS = (
    *("/", "/live", "/live/x", "/favicon.svg", "/assets/index-abc.js", "/nothing"),
    *("/api/captures", "/api/captures/x", "/api/reasons", "/api/system", "/api/openapi.json"),
    *("/api/health/live", "/ledger/checkpoint", "/ledger/tile/x"),
)


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """One server for all: nothing here changes its state."""
    folder = tmp_path_factory.mktemp("guard")
    with running_console(folder, built_page(folder)) as console:
        yield getter(console)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_security_headers(get: Get, path: str) -> None:
    """Found or not, page or data: the same strict headers; answers of the API are not stored."""
    answer = get(path)
    assert EXPECTED == {name: answer.headers.get(name) for name in EXPECTED}
    if path.startswith("/api"):
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[::2]"])
def test_a_foreign_host_name_gets_nothing(get: Get, host: str) -> None:
    """A name that a foreign site made to point here (DNS rebinding) is refused, page and API alike."""
    for path in ("/", "/api/captures"):
        answer = get(path, {"Host": host})
        assert (421, b"captures" in answer.body) == (answer.status, False)
        assert CONTENT_SECURITY_POLICY == answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:8080", "[::1]:8080", "[::1]"])
def test_loopback_names_are_answered(get: Get, host: str) -> None:
    """The names of this machine itself work, with any port."""
    assert get("/api/health/live", {"Host": host}).status == 200


def test_host_name() -> None:
    """The port goes, brackets stay, letters are made small."""
    shown = [host_name(h) for h in ("A.example:1", "[::1]:80", "b", "", "[bad")]
    assert ["a.example", "[::1]", "b", "", "[bad"] == shown
