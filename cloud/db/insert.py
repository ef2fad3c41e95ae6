"""INSERT that leaves an existing row as it is, in the words of each database."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from cloud.db import Tx
from cloud.db.prepared import Prepared


def insert_once(tx: Tx, table: Table, key: tuple[Column[Any], ...], values: Mapping[str, Any]) -> bool:
    """Inserts `values` unless a row with the same `key` columns (unique) is there; True where it inserted."""
    return _statement(tx.dialect.name, table, key, *values).run(tx, values) == 1


@functools.cache
def _statement(dialect: str, table: Table, key: tuple[Column[Any], ...], *names: str) -> Prepared:
    values = {name: bindparam(name, type_=table.c[name].type) for name in names}
    if dialect == "postgresql":
        for_postgresql = postgresql.insert(table).values(values)
        return Prepared(for_postgresql.on_conflict_do_nothing(index_elements=key))
    for_sqlite = sqlite.insert(table).values(values)
    return Prepared(for_sqlite.on_conflict_do_nothing(index_elements=key))
