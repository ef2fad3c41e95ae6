"""Times at the border of the database: aware UTC in the program, without a zone on SQLite's disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator

Clock = Callable[[], datetime]
"""Says the present time, aware."""


def utc_now() -> datetime:
    """The present time of this machine, aware UTC."""
    return datetime.now(UTC)


def to_stored(time: datetime) -> datetime:
    """`time` (aware, any zone) in UTC. Raises ValueError where it has no zone: it could be any hour."""
    if time.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    return time.astimezone(UTC)


def from_stored(time: datetime) -> datetime:
    """A stored time as aware UTC, whether or not the database kept the zone."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


class UtcTime(TypeDecorator[datetime]):
    """A column of aware UTC times: takes aware times only and gives aware UTC back, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database; raises ValueError where the time has no zone."""
        return None if value is None else to_stored(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, aware UTC."""
        return None if value is None else from_stored(value)
