"""How SqliteDatabase commits."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import outbox, part
from cloud.db.times import utc_now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    upgrade(tmp_path / "state.db")
    opened = SqliteDatabase(tmp_path / "state.db")
    yield opened
    opened.close()


async def test_the_settings_that_durability_rests_on(database: SqliteDatabase) -> None:
    """WAL, a sync at each commit, foreign keys: on the writer and on the readers."""

    def settings(tx: Tx) -> tuple[str, int, int]:
        journal, synchronous, foreign = (
            tx.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        )
        return journal, synchronous, foreign

    full = 2
    assert ("wal", full, 1) == await database.write(settings) == await database.read(settings)


async def test_a_reference_to_nothing_is_refused(database: SqliteDatabase) -> None:
    """Foreign keys are checked."""
    row = {
        "capture_id": "none", "part_index": 0, "image_type": "t", "size_bytes": 1, "shard_size_bytes": 1,
        "shard_sha256": b"", "root": b"", "ledger_index": 0,
    }  # fmt: skip
    with pytest.raises(sa.exc.IntegrityError):
        await database.write(lambda tx: tx.execute(sa.insert(part), row))


async def test_waiting_works_share_one_commit(database: SqliteDatabase, tmp_path: Path) -> None:
    """Works queued while a commit runs are one transaction: a stranger sees none of them, then all."""
    started, go = threading.Event(), threading.Event()
    stranger = sqlite3.connect(tmp_path / "state.db", check_same_thread=False)
    seen: list[int] = []

    def first(_: Tx) -> None:
        started.set()
        go.wait(10)

    def add(tx: Tx) -> None:
        tx.execute(sa.insert(outbox), {"capture_id": "c", "device_id": "d", "event_time": utc_now()})
        seen.append(stranger.execute("SELECT count(*) FROM outbox").fetchone()[0])

    waiting = asyncio.create_task(database.write(first))
    await asyncio.to_thread(started.wait, 10)
    batch = [asyncio.create_task(database.write(add)) for _ in range(10)]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(waiting, *batch)
    assert seen == [0] * 10
    assert stranger.execute("SELECT count(*) FROM outbox").fetchone() == (10,)
    stranger.close()


async def test_a_caller_that_gave_up_disturbs_nobody(database: SqliteDatabase) -> None:
    """A cancelled write neither stops the writer nor takes its neighbours with it."""

    def work(number: int, _: Tx) -> int:
        return number

    writes = [asyncio.create_task(database.write(partial(work, n))) for n in range(10)]
    await asyncio.sleep(0)
    writes[3].cancel()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(outcomes[3], asyncio.CancelledError)
    assert [n for n in range(10) if n != 3] == [o for n, o in enumerate(outcomes) if n != 3]


async def test_times_come_back_aware(database: SqliteDatabase) -> None:
    """A column of times gives back the same instant in UTC."""
    now = utc_now()
    row = {"capture_id": "c", "device_id": "d", "event_time": now}
    await database.write(lambda tx: tx.execute(sa.insert(outbox), row))
    assert now == await database.read(lambda tx: tx.execute(sa.select(outbox.c.event_time)).scalar_one())
