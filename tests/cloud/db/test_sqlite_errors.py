"""SQLite's errors leave as errors of the cloud."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloud.db import Tx
from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.db.sqlite_errors import BUSY, FULL, KIND_BY_CODE, OURS, UNUSABLE
from cloud.db.tables import ledger_entry, outbox
from cloud.db.times import utc_now
from cloud.errors import DatabaseUnusable, RetryLater, StoreFull


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    upgrade(tmp_path / "state.db")
    opened = SqliteDatabase(tmp_path / "state.db")
    yield opened
    opened.close()


def test_every_error_code_has_a_meaning() -> None:
    """No primary result code of SQLite is left unmapped."""
    # Authorizer actions and limits share the prefix; result codes are those the driver names in its errors.
    documented = {
        "ERROR", "INTERNAL", "PERM", "ABORT", "BUSY", "LOCKED", "NOMEM", "READONLY", "INTERRUPT", "IOERR",
        "CORRUPT", "NOTFOUND", "FULL", "CANTOPEN", "PROTOCOL", "EMPTY", "SCHEMA", "TOOBIG", "CONSTRAINT",
        "MISMATCH", "MISUSE", "NOLFS", "AUTH", "FORMAT", "RANGE", "NOTADB",
    }  # fmt: skip
    codes = {getattr(sqlite3, f"SQLITE_{name}") for name in documented}
    assert codes == set(KIND_BY_CODE)
    assert set(range(1, 27)) == set(KIND_BY_CODE)
    assert set(KIND_BY_CODE.values()) == {FULL, BUSY, UNUSABLE, OURS}


def _fill(tx: Tx) -> None:
    for _ in range(200):
        tx.execute(
            sa.insert(outbox), {"capture_id": "x" * 3000, "device_id": "fill", "event_time": utc_now()}
        )


def _limit_pages(tx: Tx) -> None:
    pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
    tx.exec_driver_sql(f"PRAGMA max_page_count={pages + 8}")


async def test_a_full_disk_is_store_full_and_spares_the_rest_of_the_batch(database: SqliteDatabase) -> None:
    """Of works that share a commit, the one that fills the disk gets StoreFull; the others are kept."""
    await database.write(_limit_pages)
    started, go = threading.Event(), threading.Event()

    def first(_: Tx) -> None:
        started.set()
        go.wait(10)

    def small(tx: Tx) -> None:
        tx.execute(sa.insert(outbox), {"capture_id": "s", "device_id": "small", "event_time": utc_now()})

    waiting = asyncio.create_task(database.write(first))
    await asyncio.to_thread(started.wait, 10)
    batch = [asyncio.create_task(database.write(work)) for work in (small, small, _fill, small)]
    await asyncio.sleep(0)
    go.set()
    await waiting
    outcomes = await asyncio.gather(*batch, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), StoreFull, type(None)]
    assert (
        await database.read(lambda tx: list(tx.execute(sa.select(outbox.c.device_id)).scalars()))
        == ["small"] * 3
    )


async def test_a_full_disk_alone(database: SqliteDatabase) -> None:
    """A single work that fills the disk gets StoreFull, and the next one goes on."""
    await database.write(_limit_pages)
    with pytest.raises(StoreFull) as caught:
        await database.write(_fill)
    assert caught.value.after_s > 0
    await database.write(
        lambda tx: tx.execute(
            sa.insert(outbox), {"capture_id": "s", "device_id": "small", "event_time": utc_now()}
        )
    )


async def test_a_work_that_hides_a_lost_transaction_is_not_called_written(database: SqliteDatabase) -> None:
    """If SQLite undid the transaction and the work went on all the same, write raises."""

    def work(tx: Tx) -> None:
        tx.exec_driver_sql("ROLLBACK")

    with pytest.raises(RetryLater):
        await database.write(work)
    assert await database.write(lambda _: 1) == 1


async def test_a_stranger_holding_the_file_is_retry_later(tmp_path: Path) -> None:
    """While another process writes, ours is told to come back."""
    upgrade(tmp_path / "state.db")
    database = SqliteDatabase(tmp_path / "state.db", busy_timeout_s=0.05)
    stranger = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(RetryLater):
        await database.write(lambda _: 1)
    with pytest.raises(RetryLater), database.begin():
        pass
    stranger.execute("ROLLBACK")
    assert await database.write(lambda _: 1) == 1
    stranger.close()
    database.close()


def test_a_file_that_is_no_database_needs_a_person(tmp_path: Path) -> None:
    """A foreign or damaged file is DatabaseUnusable."""
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseUnusable):
        SqliteDatabase(tmp_path / "state.db")
    with pytest.raises(DatabaseUnusable):
        SqliteDatabase(tmp_path / "absent" / "state.db")


async def test_a_broken_constraint_passes_and_names_no_values(database: SqliteDatabase) -> None:
    """The caller's own fault stays SQLAlchemy's error, and its text does not hold the row's values."""
    row = {"ledger_index": 1, "entry": b"PATIENT", "leaf_hash": b"h"}
    await database.write(lambda tx: tx.execute(sa.insert(ledger_entry), row))
    with pytest.raises(IntegrityError) as caught:
        await database.write(lambda tx: tx.execute(sa.insert(ledger_entry), row))
    assert "PATIENT" not in str(caught.value)
