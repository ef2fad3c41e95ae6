"""INSERT that leaves an existing row as it is, in the words of each database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql, sqlite

from cloud.db import Tx


def insert_once(tx: Tx, table: Table, key: tuple[Column[Any], ...], values: Mapping[str, Any]) -> bool:
    """Inserts `values` unless a row with the same `key` columns (unique) is there; True where it inserted."""
    if tx.dialect.name == "postgresql":
        for_postgresql = postgresql.insert(table).values(**values)
        return tx.execute(for_postgresql.on_conflict_do_nothing(index_elements=key)).rowcount == 1
    for_sqlite = sqlite.insert(table).values(**values)
    return tx.execute(for_sqlite.on_conflict_do_nothing(index_elements=key)).rowcount == 1
