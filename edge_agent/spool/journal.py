"""The spool's only writer: moves that wait together share one transaction, hence one sync of the disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import sqlalchemy as sa

T = TypeVar("T")
Move = Callable[[sa.Connection], T]

_BATCH_MAX: Final = 256


class Journal:
    """When a move's future has its result, the move survives a power cut. Each move is all or nothing.

    One thread writes. Moves that came while it waited for the disk go into the next transaction together;
    where one of them fails, all are undone and each is made alone. So a move may run twice: it must have no
    effect but on the database.
    """

    def __init__(self, engine: sa.Engine) -> None:
        # One for good: fetching a connection for each transaction costs more than the transaction.
        self._connection = engine.connect()
        self._moves: queue.SimpleQueue[tuple[Move[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="spool-journal", daemon=True)
        self._thread.start()

    def submit(self, move: Move[T]) -> Future[T]:
        """Hands a move in and returns at once; its future may raise what `prepared.TROUBLE` names."""
        future: Future[T] = Future()
        self._moves.put((move, future))
        return future

    def move(self, move: Move[T]) -> T:
        """Makes the move and waits until it is durable. Raises what `prepared.TROUBLE` names."""
        return self.submit(move).result()

    def close(self) -> None:
        """Finishes every move handed in before; later ones are never made."""
        self._moves.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        open_ = True
        while open_:
            first = self._moves.get()
            batch = []
            while first is not None:
                batch.append(first)
                if len(batch) == _BATCH_MAX or self._moves.empty():
                    break
                first = self._moves.get()
            else:
                open_ = False
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[tuple[Move[Any], Future[Any]]]) -> None:
        try:
            with self._connection.begin():
                values = [move(self._connection) for move, _ in batch]
        except Exception as error:  # Outermost loop of this thread: the callers wait for it and raise it.
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            # One of them failed and took the others with it: each alone.
            for one in batch:
                self._commit([one])
            return
        for (_, future), value in zip(batch, values, strict=True):
            future.set_result(value)
