"""SQLite implementation of the database seam: one writer with group commit, a few readers, WAL."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool, StaticPool

from cloud.db import Database, Tx
from cloud.db.sqlite_errors import border, translated
from cloud.errors import RetryLater

T = TypeVar("T")

_BATCH_MAX: Final = 256
_READERS: Final = 4
_BUSY_TIMEOUT_S: Final = 5.0
_CLOSING_AFTER_S: Final = 1.0
_BUSY_AFTER_S: Final = 0.5


class _Pending:
    """One queued work and the caller that waits for it."""

    __slots__ = ("error", "future", "loop", "value", "work")

    def __init__(self, work: Callable[[Tx], Any]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.value: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Answers the caller; runs on its loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class SqliteDatabase:
    """When `write` returns, what its work did survives a power cut (WAL, synchronous=FULL).

    Works that wait at the same time share one commit, each in a savepoint of its own; a work that waits
    alone is committed at once. The tables must exist: see cloud/db/migrate.py. While another process
    writes to the file, waits `busy_timeout_s` seconds for it.
    """

    def __init__(self, path: Path, busy_timeout_s: float = _BUSY_TIMEOUT_S) -> None:
        self._write_engine = _engine(path, busy_timeout_s, readers=0)
        self._read_engine = _engine(path, busy_timeout_s, readers=_READERS)
        with border():
            self._write_connection = self._write_engine.connect()
        self._write_lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._read_threads = ThreadPoolExecutor(_READERS, thread_name_prefix="db-read")
        self._writer = threading.Thread(target=self._write_until_closed, name="db-write", daemon=True)
        self._writer.start()

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """A unit of work on the calling thread: commits on leaving, leaving by an exception undoes all.

        Waits for the batch that is being written. Never call it from inside a work: it would wait for itself.
        """
        with self._write_lock, border(), self._write_connection.begin():
            yield self._write_connection

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in a transaction on the writer thread; concurrent writes share one commit.

        Errors: StoreFull, RetryLater, DatabaseUnusable of cloud.errors; whatever `work` raises.
        """
        pending = _Pending(work)
        with self._closing:
            if self._closed:
                raise RetryLater("the database is closing", _CLOSING_AFTER_S)
            self._queue.put(pending)
        value: T = await pending.future
        return value

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Runs `work`, which only reads, on a snapshot in a reader thread. Errors: as for `write`."""
        if self._closed:
            raise RetryLater("the database is closing", _CLOSING_AFTER_S)
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self._read, work)

    def close(self) -> None:
        """Commits what is queued, waits for the readers, closes every connection. A repeat does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._read_threads.shutdown()
        self._read_engine.dispose()
        # Last, so that this connection folds the write-ahead log into the file.
        self._write_connection.close()
        self._write_engine.dispose()

    def _read(self, work: Callable[[Tx], T]) -> T:
        with border(), self._read_engine.connect() as connection, connection.begin():
            return work(connection)

    def _write_until_closed(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            last = False
            while not last and len(batch) < _BATCH_MAX:
                try:
                    pending = self._queue.get_nowait()
                except queue.Empty:
                    break
                if pending is None:
                    last = True
                else:
                    batch.append(pending)
            with self._write_lock:
                self._run(batch)
            _answer(batch)
            if last:
                return

    def _run(self, batch: Sequence[_Pending]) -> None:
        """Runs the works of a batch in one transaction; fills in each one's value or error."""
        if len(batch) == 1:
            self._run_alone(batch[0])
            return
        try:
            with self._write_connection.begin():
                for pending in batch:
                    self._run_in_savepoint(pending)
        except _TransactionLost:
            for pending in batch:
                pending.error = None
                self._run_alone(pending)
        except SQLAlchemyError as error:
            meant = translated(error) if isinstance(error, DBAPIError) else None
            for pending in batch:
                pending.error = pending.error or meant or error

    def _run_alone(self, pending: _Pending) -> None:
        try:
            with border(), self._write_connection.begin():
                pending.value = pending.work(self._write_connection)
                if not self._driver.in_transaction:
                    # SQLite undid it and the work went on: a commit now would promise what is not there.
                    raise RetryLater("the database undid the transaction", _BUSY_AFTER_S)
        except BaseException as error:  # not handled here: it belongs to the caller, who gets it
            pending.error = error

    def _run_in_savepoint(self, pending: _Pending) -> None:
        # Straight on the driver: SQLAlchemy's nested transactions cost more than a work's own statements.
        driver: sqlite3.Connection = self._driver
        driver.execute("SAVEPOINT work")
        try:
            with border():
                pending.value = pending.work(self._write_connection)
        except BaseException as error:  # not handled here: it belongs to the caller, who gets it
            pending.error = error
        if not driver.in_transaction:
            # On a full disk or an I/O error SQLite may undo the whole transaction, and with it the other
            # works of the batch (sqlite.org/lang_transaction.html, 3): each is run again by itself.
            raise _TransactionLost
        if pending.error is not None:
            driver.execute("ROLLBACK TO work")
        driver.execute("RELEASE work")

    @property
    def _driver(self) -> sqlite3.Connection:
        driver = self._write_connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return driver


class _TransactionLost(Exception):
    """SQLite undid the transaction of a whole batch on its own."""


def _answer(batch: Sequence[_Pending]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Pending]] = {}
    for pending in batch:
        by_loop.setdefault(pending.loop, []).append(pending)
    for loop, answered in by_loop.items():
        # A loop that has ended has nobody left to tell; what was committed stays.
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, answered)


def _resolve(answered: Sequence[_Pending]) -> None:
    for pending in answered:
        pending.resolve()


def _engine(path: Path, busy_timeout_s: float, *, readers: int) -> Engine:
    """An engine whose transactions begin when SQLAlchemy says so: the driver's own habit of beginning late
    breaks savepoints and snapshots (SQLAlchemy 2.0, SQLite dialect, "Serializable isolation / Savepoints").
    """
    url = sa.URL.create("sqlite", database=str(path))
    connect_args = {"timeout": busy_timeout_s, "check_same_thread": False}
    if readers:
        engine = sa.create_engine(
            url, connect_args=connect_args, poolclass=QueuePool, pool_size=readers, hide_parameters=True
        )
    else:
        engine = sa.create_engine(url, connect_args=connect_args, poolclass=StaticPool, hide_parameters=True)
    begin = "BEGIN" if readers else "BEGIN IMMEDIATE"

    def prepare(connection: Any, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        if readers:
            connection.execute("PRAGMA query_only=ON")

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", start)
    return engine


_sqlite: type[Database] = SqliteDatabase
