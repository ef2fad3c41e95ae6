"""Step 11 when something fails: busy, broken before, broken after, lost leases, poison jobs."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import Any

import pytest

from cloud.db.job_table import JobTable
from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import job, ledger_entry, result
from cloud.infer.errors import EngineBusy, ImageUnreadable, ModelInvalid
from cloud.infer.pipeline import Reader
from cloud.work import worker


def rows(data: Path, table: Any) -> list[Any]:
    """Rows of a table, read beside the server."""
    database = SqliteDatabase(data / "state.db")
    with database.begin() as tx:
        found = tx.execute(table.select()).all()
    database.close()
    return list(found)


@pytest.mark.parametrize(
    ("error", "after"),
    [
        (EngineBusy(0.05), False),
        (ModelInvalid("m", "failed"), False),
        (ModelInvalid("m", "answer lost"), True),
    ],
    ids=["busy", "failed, not done", "done, answer lost"],
)
async def test_engine_that_fails_once_is_asked_again(
    serve: Any,
    reading_config: Any,
    head_png: bytes,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    after: bool,
) -> None:
    """A reading that fails once, before or after the models ran, is repeated: one result, one entry."""
    read = Reader.read
    # One for the reading ahead, whose error is dropped, and one for the job.
    failures = [error, error]

    async def once_broken(self: Reader, *arguments: Any) -> Any:
        if after:
            await read(self, *arguments)
        if failures:
            raise failures.pop()
        return await read(self, *arguments)

    monkeypatch.setattr(Reader, "read", once_broken)
    monkeypatch.setattr(worker, "_RETRY_MAX_S", 0.01)
    async with serve(reading_config) as running:
        agent = running.agent()
        await agent.deliver(agent.capture(head_png))
        assert (await agent.first_result()).ok
    assert len(rows(reading_config.data_dir, result)) == 1
    assert len(rows(reading_config.data_dir, ledger_entry)) == 2


async def test_poison_image_is_held_with_a_result_that_says_so(
    serve: Any, reading_config: Any, head_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image on which reading fails every time ends as a failed result; its job is held for a person."""

    async def always_broken(self: Reader, *arguments: Any) -> Any:
        raise ModelInvalid("m", "always")

    monkeypatch.setattr(Reader, "read", always_broken)
    monkeypatch.setattr(worker, "_RETRY_MAX_S", 0.01)
    async with serve(reading_config) as running:
        agent = running.agent()
        await agent.deliver(agent.capture(head_png))
        found = await agent.first_result()
        assert (found.ok, found.reason) == (False, "IMAGE_UNREADABLE")
    held = rows(reading_config.data_dir, job)
    assert [("held", "ModelInvalid")] == [(row.state, row.last_reason) for row in held]


async def test_lost_lease_stores_nothing(
    serve: Any, reading_config: Any, head_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that no longer holds the lease when it is done stores no result and appends no entry."""
    asked = asyncio.Event()

    def lost(*_: Any) -> bool:
        asked.set()
        return False

    async def unreadable(self: Reader, *arguments: Any) -> Any:
        raise ImageUnreadable("none")

    monkeypatch.setattr(JobTable, "done", lost)
    monkeypatch.setattr(Reader, "read", unreadable)
    async with serve(reading_config) as running:
        agent = running.agent()
        await agent.deliver(agent.capture(head_png))
        async with asyncio.timeout(20):
            await asked.wait()
    assert rows(reading_config.data_dir, result) == []
    assert len(rows(reading_config.data_dir, ledger_entry)) == 1


async def test_lease_lost_while_reading_stops_the_reading(
    serve: Any, reading_config: Any, head_png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that hears from a renewal that its lease is lost stops reading, stores nothing and says so."""
    stopped = asyncio.Event()

    async def endless(self: Reader, *arguments: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    monkeypatch.setattr(Reader, "read", endless)
    monkeypatch.setattr(worker.InferenceWorker, "offer", lambda *_: None)
    monkeypatch.setattr(JobTable, "heartbeat", lambda *_: False)
    quick = functools.partialmethod(worker.InferenceWorker.__init__, heartbeat_s=0.02)
    monkeypatch.setattr(worker.InferenceWorker, "__init__", quick)
    async with serve(reading_config) as running:
        agent = running.agent()
        await agent.deliver(agent.capture(head_png))
        async with asyncio.timeout(20):
            await stopped.wait()
            while "lease_lost" not in running.logged.getvalue():
                await asyncio.sleep(0.005)
    assert rows(reading_config.data_dir, result) == []
