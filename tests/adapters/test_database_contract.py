"""Contract of the database seam, run on every implementation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.db import Database, Tx
from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import outbox
from cloud.db.times import utc_now
from cloud.errors import RetryLater


def _open_sqlite(folder: Path) -> Database:
    path = folder / "state.db"
    upgrade(path)
    return SqliteDatabase(path)


@pytest.fixture(params=[_open_sqlite], ids=["sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    opened: Database = request.param(tmp_path)
    yield opened
    opened.close()


def _add(tx: Tx, capture_id: str) -> None:
    tx.execute(sa.insert(outbox), {"capture_id": capture_id, "device_id": "d", "event_time": utc_now()})


def _all(tx: Tx) -> list[str]:
    return list(tx.execute(sa.select(outbox.c.capture_id).order_by(outbox.c.event_id)).scalars())


async def test_what_was_written_is_read(database: Database) -> None:
    """A write that returned is seen by every later read, and gives back its work's value."""

    def work(tx: Tx) -> int:
        _add(tx, "a")
        return 7

    assert await database.write(work) == 7
    assert await database.read(_all) == ["a"]


async def test_a_work_that_raises_leaves_nothing(database: Database) -> None:
    """When write raises, nothing of its work happened."""

    def work(tx: Tx) -> None:
        _add(tx, "half")
        raise LookupError("in the middle")

    with pytest.raises(LookupError, match="in the middle"):
        await database.write(work)
    assert await database.read(_all) == []


async def test_one_bad_work_among_many_is_undone_alone(database: Database) -> None:
    """Works that share a commit do not share their failures."""

    def work(number: int, tx: Tx) -> None:
        _add(tx, str(number))
        if number % 3 == 0:
            raise LookupError(str(number))

    outcomes = await asyncio.gather(
        *(database.write(partial(work, n)) for n in range(60)), return_exceptions=True
    )
    assert [n % 3 == 0 for n in range(60)] == [isinstance(o, LookupError) for o in outcomes]
    assert sorted(str(n) for n in range(60) if n % 3) == sorted(await database.read(_all))


async def test_concurrent_read_modify_write_loses_nothing(database: Database) -> None:
    """Writes act one after the other: each sees what the one before did."""

    def work(tx: Tx) -> None:
        _add(tx, str(len(_all(tx))))

    await asyncio.gather(*(database.write(work) for _ in range(50)))
    assert [str(n) for n in range(50)] == await database.read(_all)


async def test_begin_commits_on_leaving_and_undoes_on_an_exception(database: Database) -> None:
    """Leaving `begin` commits; leaving it by an exception undoes all."""
    with database.begin() as tx:
        _add(tx, "kept")

    def fail() -> None:
        with database.begin() as tx:
            _add(tx, "undone")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert await database.read(_all) == ["kept"]


async def test_a_read_cannot_write(database: Database) -> None:
    """A work given to `read` that writes fails and leaves nothing."""
    with pytest.raises(Exception, match=r"readonly|read-only|cannot be used"):
        await database.read(lambda tx: _add(tx, "x"))
    assert await database.read(_all) == []


async def test_a_read_sees_one_moment(database: Database) -> None:
    """A read's snapshot does not move while others write."""
    written, looked = threading.Event(), threading.Event()

    def work(tx: Tx) -> tuple[int, int]:
        before = len(_all(tx))
        looked.set()
        written.wait(10)
        return before, len(_all(tx))

    reading = asyncio.create_task(database.read(work))
    await asyncio.to_thread(looked.wait, 10)
    await database.write(lambda tx: _add(tx, "a"))
    written.set()
    assert await reading == (0, 0)
    assert await database.read(_all) == ["a"]


async def test_queued_works_are_finished_by_close_and_later_ones_refused(tmp_path: Path) -> None:
    """close finishes what is queued; a write or read after it is told to come back later."""
    database = _open_sqlite(tmp_path)
    writes = [asyncio.create_task(database.write(partial(_add, capture_id=str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(database.close)
    await asyncio.gather(*writes)
    with pytest.raises(RetryLater):
        await database.write(lambda tx: _add(tx, "late"))
    with pytest.raises(RetryLater):
        await database.read(_all)
    again = SqliteDatabase(tmp_path / "state.db")
    assert len(await again.read(_all)) == 20
    again.close()
