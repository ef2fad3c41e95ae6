"""Database seam: units of work on the server's state. SQLite by default, PostgreSQL beyond one machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")

Tx = Connection
"""An open transaction. Whoever gets one never commits it; leaving `begin()` does."""


class Database(Protocol):
    """When `write` returns, what its work did survives a power cut; when it raises, nothing of it happened.

    Work is a plain function of an open transaction: no waiting inside, no other outside world, may run twice.
    """

    def begin(self) -> AbstractContextManager[Tx]:
        """A unit of work on the calling thread: commits on leaving, leaving by an exception undoes all."""
        ...

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in a transaction off the event loop. Concurrent writes may share one commit (group
        commit, a savepoint each): one that raises is undone alone."""
        ...

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Runs `work`, which only reads, off the event loop on a consistent snapshot."""
        ...

    def close(self) -> None:
        """Finishes what is running and closes every connection."""
        ...
