"""Step 13: how often somebody may ask: per person and address, tighter for changes and exports, never for health."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.accounts.roles import Role
from cloud.console.api.limits import Kind, Limits, Rates
from deploy.local.console_client import ConsoleClient
from tests.cloud.console.conftest import built_page
from tests.cloud.console.people import ask, person, reason
from tests.cloud.console.running import RunningConsole

FEW = Rates(
    of_one={Kind.READ: 6, Kind.CHANGE: 3, Kind.EXPORT: 2},
    of_address={Kind.READ: 20, Kind.CHANGE: 20, Kind.EXPORT: 20},
)


class Stopwatch:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def watch() -> Stopwatch:
    """The time of the limits."""
    return Stopwatch()


@pytest.fixture
def console(tmp_path: Path, watch: Stopwatch) -> Iterator[RunningConsole]:
    """A console at which one may ask a few times a minute."""
    running = RunningConsole(tmp_path, static_dir=built_page(tmp_path), limits=Limits(FEW, watch))
    running.start()
    yield running
    running.close()


def test_a_bucket_holds_a_minute_and_fills_by_itself(watch: Stopwatch) -> None:
    """All of a minute's requests may come at once; then one each time that a share of the minute has passed."""
    limits = Limits(FEW, watch)
    assert [0.0] * 6 == [limits.by_person("user:ada", Kind.READ) for _ in range(6)]
    assert 10 == pytest.approx(limits.by_person("user:ada", Kind.READ))
    watch.now_s += 9.9
    assert 0.1 == pytest.approx(limits.by_person("user:ada", Kind.READ))
    watch.now_s += 0.1
    assert 0 == limits.by_person("user:ada", Kind.READ)
    assert limits.by_person("user:ada", Kind.READ) > 0
    # Another kind, another person, an address: buckets of their own.
    assert 0 == limits.by_person("user:ada", Kind.CHANGE)
    assert 0 == limits.by_person("user:bob", Kind.READ)
    assert 0 == limits.by_address("user:ada", Kind.READ)
    watch.now_s += 3600
    assert [0.0] * 6 == [limits.by_person("user:ada", Kind.READ) for _ in range(6)]


def test_no_limit_is_no_limit(watch: Stopwatch) -> None:
    """0 lifts it."""
    free = dict.fromkeys(Kind, 0)
    limits = Limits(Rates(of_one=free, of_address=free), watch)
    assert {0.0} == {limits.by_person("user:ada", Kind.EXPORT) for _ in range(5000)}


def test_who_asks_too_often_is_told_when(console: RunningConsole, watch: Stopwatch) -> None:
    """429 with its reason and Retry-After; another person goes on, and after the wait so does the first."""
    bob = console.do(console.world.add_token(Role.DOCTOR, "bob"))
    for token in (console.token, bob):
        assert [200] * 6 == [ask(console, "GET", "/api/captures", token=token).status for _ in range(6)]
        refused = ask(console, "GET", "/api/captures", token=token)
        assert (429, "TOO_MANY_REQUESTS") == reason(refused)
        assert "10" == refused.headers["retry-after"]
    watch.now_s += 10
    assert 200 == ask(console, "GET", "/api/captures", token=bob).status


def test_changes_and_exports_are_tighter(console: RunningConsole) -> None:
    """Each kind has a bucket of its own: who may change no more may still read."""
    cookie = person(console, Role.ADMINISTRATOR)
    seen = [ask(console, "POST", "/api/session/seen", cookie=cookie).status for _ in range(4)]
    assert [204, 204, 204, 429] == seen
    receipts = [ask(console, "GET", "/api/ledger/entries/9/receipt", cookie=cookie).status for _ in range(3)]
    assert [404, 404, 429] == receipts
    assert 200 == ask(console, "GET", "/api/users", cookie=cookie).status


def test_a_folders_files_are_no_changes_each(console: RunningConsole) -> None:
    """More files than changes are allowed may come in a minute; as many as looks."""
    cookie, nowhere = (
        person(console, Role.DOCTOR),
        "/api/uploads/00000000-0000-4000-8000-000000000000/files?path=a",
    )
    answers = [ask(console, "PUT", nowhere, cookie=cookie).status for _ in range(5)]
    assert 429 not in answers


def test_an_address_has_its_limit_before_anybody_is_known(console: RunningConsole) -> None:
    """Wrong tokens and open addresses count too; health and the page's files always answer."""
    answers = [ask(console, "GET", "/api/captures", token="srt_x").status for _ in range(25)]
    assert [401] * 20 + [429] * 5 == answers
    assert 429 == ask(console, "GET", "/ledger/checkpoint").status
    for path in ("/api/health/live", "/api/health/ready", "/assets/index-abc.js"):
        assert {200} == {ask(console, "GET", path).status for _ in range(30)}


def test_the_own_client_comes_again_when_it_is_told(console: RunningConsole, watch: Stopwatch) -> None:
    """What `sonorelay process` asks too fast it asks again after Retry-After, and gets."""
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        watch.now_s += seconds

    client = ConsoleClient(f"{console.url}/", console.token, wait)
    assert 9 == len([client.get_json("/api/captures") for _ in range(9)])
    assert [10.0] * 3 == waited
