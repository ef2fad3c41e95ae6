"""SQLite's errors, translated once, at the border, into those of cloud.errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError

from cloud.errors import CloudError, DatabaseUnusable, RetryLater, StoreFull

_FULL_AFTER_S: Final = 30.0
_BUSY_AFTER_S: Final = 0.5

FULL: Final = "full"
BUSY: Final = "busy"
UNUSABLE: Final = "unusable"
OURS: Final = "ours"
"""A fault of the statement or of its caller (a constraint, bad SQL): passes as SQLAlchemy raised it."""

KIND_BY_CODE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_ERROR: OURS,
    sqlite3.SQLITE_INTERNAL: UNUSABLE,
    sqlite3.SQLITE_PERM: UNUSABLE,
    sqlite3.SQLITE_ABORT: BUSY,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_NOMEM: BUSY,
    sqlite3.SQLITE_READONLY: UNUSABLE,
    sqlite3.SQLITE_INTERRUPT: BUSY,
    sqlite3.SQLITE_IOERR: UNUSABLE,
    sqlite3.SQLITE_CORRUPT: UNUSABLE,
    sqlite3.SQLITE_NOTFOUND: UNUSABLE,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_CANTOPEN: UNUSABLE,
    sqlite3.SQLITE_PROTOCOL: BUSY,
    sqlite3.SQLITE_EMPTY: UNUSABLE,
    sqlite3.SQLITE_SCHEMA: BUSY,
    sqlite3.SQLITE_TOOBIG: OURS,
    sqlite3.SQLITE_CONSTRAINT: OURS,
    sqlite3.SQLITE_MISMATCH: OURS,
    sqlite3.SQLITE_MISUSE: OURS,
    sqlite3.SQLITE_NOLFS: UNUSABLE,
    sqlite3.SQLITE_AUTH: UNUSABLE,
    sqlite3.SQLITE_FORMAT: UNUSABLE,
    sqlite3.SQLITE_RANGE: OURS,
    sqlite3.SQLITE_NOTADB: UNUSABLE,
}
"""Every primary result code that is an error."""


def translated(error: DBAPIError) -> CloudError | None:
    """What `error` means to the caller; None where it is the caller's own fault and passes unchanged."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is None:
        return None
    name = getattr(error.orig, "sqlite_errorname", "SQLITE")
    # The low byte is the primary code, the rest says where it happened. Only the code's name goes into the
    # message: SQLAlchemy's text holds the statement's values.
    kind = KIND_BY_CODE.get(code & 0xFF, UNUSABLE)
    if kind == FULL:
        return StoreFull(f"the database's disk is full ({name})", _FULL_AFTER_S)
    if kind == BUSY:
        return RetryLater(f"the database is busy ({name})", _BUSY_AFTER_S)
    if kind == UNUSABLE:
        return DatabaseUnusable(f"the database cannot be used ({name})")
    return None


@contextmanager
def border() -> Iterator[None]:
    """Whatever SQLite raises inside leaves as an error of cloud.errors, or unchanged where it is ours."""
    try:
        yield
    except DBAPIError as error:
        meant = translated(error)
        if meant is None:
            raise
        raise meant from error
