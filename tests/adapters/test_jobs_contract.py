"""Contract of the jobs seam, run on every implementation and database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.db import Database
from cloud.db.job_table import LEASE_LOST, JobTable
from cloud.db.jobs import Jobs, Lease
from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import job

_ATTEMPTS_MAX = 3
_LEASE_S = 60.0


class FakeClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Bench:
    """A queue, its database and its clock, each call in a transaction of its own."""

    def __init__(self, database: Database, clock: FakeClock, jobs: Jobs) -> None:
        self.database, self.clock, self.jobs = database, clock, jobs

    def do(self, call: Callable[..., Any], *arguments: Any) -> Any:
        with self.database.begin() as tx:
            return call(tx, *arguments)

    def enqueue(self, subject_id: str, priority: int = 0) -> None:
        self.do(self.jobs.enqueue, "read", subject_id, priority)

    def claim(self, limit: int = 1) -> list[Lease]:
        leases: list[Lease] = self.do(self.jobs.claim, "read", limit)
        return leases

    def row(self, subject_id: str) -> sa.Row[Any]:
        with self.database.begin() as tx:
            return tx.execute(sa.select(job).where(job.c.subject_id == subject_id)).one()


@pytest.fixture(params=["sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    upgrade(tmp_path / "state.db")
    database = SqliteDatabase(tmp_path / "state.db")
    clock = FakeClock()
    yield Bench(database, clock, JobTable(clock, lease_s=_LEASE_S, attempts_max=_ATTEMPTS_MAX))
    database.close()


def test_lowest_priority_number_goes_first_then_the_oldest(bench: Bench) -> None:
    """claim gives urgent jobs first, and the older of two equal ones."""
    for subject, priority in (("old", 5), ("young", 5), ("urgent", 0)):
        bench.enqueue(subject, priority)
    assert [lease.subject_id for lease in bench.claim(3)] == ["urgent", "old", "young"]


def test_a_job_is_queued_once(bench: Bench) -> None:
    """A repeat of enqueue changes nothing, also when the job is leased or done."""
    bench.enqueue("a")
    bench.enqueue("a", priority=9)
    [lease] = bench.claim(5)
    bench.enqueue("a")
    assert bench.claim(5) == []
    assert bench.do(bench.jobs.done, lease)
    bench.enqueue("a")
    assert bench.claim(5) == []
    assert bench.row("a").priority == 0


def test_a_job_that_ended_is_queued_again(bench: Bench) -> None:
    """Done, held or never queued: it runs once more; one that waits or runs is not queued twice."""
    again = bench.jobs.enqueue_again
    assert bench.do(again, "read", "a", 5)
    assert not bench.do(again, "read", "a", 5)
    [lease] = bench.claim()
    assert not bench.do(again, "read", "a", 5)
    assert bench.do(bench.jobs.done, lease)
    assert bench.do(again, "read", "a", 5)
    [second] = bench.claim()
    assert (1, True) == (second.attempt, second.fencing_token > lease.fencing_token)
    assert not bench.do(bench.jobs.done, lease)
    bench.do(bench.jobs.hold, second, "BROKEN")
    assert bench.do(again, "read", "a", 5)
    assert bench.row("a").last_reason is None


def test_other_kinds_are_left_alone(bench: Bench) -> None:
    """A worker gets jobs of its kind only."""
    bench.do(bench.jobs.enqueue, "other", "a", 0)
    assert bench.claim() == []


def test_two_workers_never_have_the_same_job(bench: Bench) -> None:
    """What one worker has leased the other does not get."""
    for n in range(10):
        bench.enqueue(str(n))
    first, second = bench.claim(6), bench.claim(6)
    assert len(first) == 6
    assert len(second) == 4
    assert not {lease.job_id for lease in first} & {lease.job_id for lease in second}


def test_an_ended_lease_passes_on_and_the_older_holder_is_refused(bench: Bench) -> None:
    """After the lease ends another worker gets the job; the first one's result must not be stored."""
    bench.enqueue("a")
    [old] = bench.claim()
    bench.clock.forward(_LEASE_S - 1)
    assert bench.claim() == []
    bench.clock.forward(1)
    [new] = bench.claim()
    assert new.fencing_token > old.fencing_token
    assert (old.attempt, new.attempt) == (1, 2)
    assert not bench.do(bench.jobs.heartbeat, old)
    assert not bench.do(bench.jobs.done, old)
    bench.do(bench.jobs.retry, old, "LATE", 0.0)
    bench.do(bench.jobs.hold, old, "LATE")
    assert bench.row("a").state == "leased"
    assert bench.do(bench.jobs.done, new)
    assert not bench.do(bench.jobs.done, new)


def test_a_heartbeat_keeps_the_lease(bench: Bench) -> None:
    """A renewed lease ends later."""
    bench.enqueue("a")
    [lease] = bench.claim()
    bench.clock.forward(_LEASE_S - 1)
    assert bench.do(bench.jobs.heartbeat, lease)
    bench.clock.forward(_LEASE_S - 1)
    assert bench.claim() == []
    assert bench.do(bench.jobs.done, lease)


def test_done_counts_after_the_lease_ended_if_nobody_took_over(bench: Bench) -> None:
    """Good work that was late, but that nobody repeated, is not thrown away."""
    bench.enqueue("a")
    [lease] = bench.claim()
    bench.clock.forward(_LEASE_S * 10)
    assert bench.do(bench.jobs.done, lease)
    assert bench.claim() == []


def test_retry_waits_and_the_last_attempt_holds(bench: Bench) -> None:
    """A failed job comes back after its delay; after attempts_max it is held with its reason."""
    bench.enqueue("a")
    for attempt in range(1, _ATTEMPTS_MAX + 1):
        [lease] = bench.claim()
        assert lease.attempt == attempt
        bench.do(bench.jobs.retry, lease, "ENGINE_FAILED", 10.0)
        bench.clock.forward(9)
        assert bench.claim() == []
        bench.clock.forward(1)
    assert bench.claim() == []
    assert (bench.row("a").state, bench.row("a").last_reason) == ("held", "ENGINE_FAILED")


def test_a_job_that_kills_its_workers_is_held(bench: Bench) -> None:
    """A poison job whose workers vanish without a word is held, never dropped, never tried for ever."""
    bench.enqueue("a")
    bench.enqueue("b", priority=1)
    for _ in range(_ATTEMPTS_MAX):
        assert [lease.subject_id for lease in bench.claim()] == ["a"]
        bench.clock.forward(_LEASE_S)
    assert [lease.subject_id for lease in bench.claim()] == ["b"]
    assert (bench.row("a").state, bench.row("a").last_reason) == ("held", LEASE_LOST)


def test_hold_takes_a_job_out(bench: Bench) -> None:
    """A held job is not claimed and keeps its reason, cut to what the column holds."""
    bench.enqueue("a")
    [lease] = bench.claim()
    bench.do(bench.jobs.hold, lease, "X" * 100)
    bench.clock.forward(_LEASE_S * 10)
    assert bench.claim() == []
    assert bench.row("a").last_reason == "X" * 64


def test_what_is_undone_was_not_claimed(bench: Bench) -> None:
    """A claim whose transaction is undone leaves the job for others with its attempts unspent."""
    bench.enqueue("a")

    def claim_and_fail() -> None:
        with bench.database.begin() as tx:
            assert len(bench.jobs.claim(tx, "read", 1)) == 1
            raise LookupError

    with pytest.raises(LookupError):
        claim_and_fail()
    [lease] = bench.claim()
    assert lease.attempt == 1
