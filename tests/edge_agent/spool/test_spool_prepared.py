"""Statements that the driver runs itself mean what they mean to SQLAlchemy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from edge_agent.spool import schema
from edge_agent.spool.prepared import Prepared

PLAIN = (sa.Text, sa.Integer, sa.Float, sa.LargeBinary, sa.Boolean)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = schema.open_engine(tmp_path / "spool.sqlite3", writer=True)
    schema.prepare(made)
    yield made
    made.dispose()


def test_every_column_holds_what_the_driver_takes_as_it_is() -> None:
    """A type that needs a conversion (a time, JSON) would be stored as something else."""
    columns = [column for table in schema.metadata.tables.values() for column in table.c]
    assert [c.name for c in columns if type(c.type) not in PLAIN] == []


def test_an_insert_stores_the_values_and_the_columns_defaults(engine: sa.Engine) -> None:
    """The row is the same as SQLAlchemy's own insert makes."""
    table = schema.capture
    row = {
        "capture_id": "a", "request_id": "r", "input": "folder", "source_name": b"\xff", "size_bytes": 1,
        "received_us": 2, "monotonic_ns": 3, "boot_id": "b", "state": "captured", "priority": 0,
        "notify_due": True, "withdraw_due": False, "mm_per_pixel": 0.5,
    }  # fmt: skip
    with engine.begin() as tx:
        seq = Prepared(sa.insert(table)).run(tx, row).lastrowid
        tx.execute(sa.insert(table).values(row | {"capture_id": "b"}))
        ours, theirs = tx.execute(sa.select(table).order_by(table.c.seq)).mappings().all()
    assert dict(ours) == dict(theirs) | {"seq": seq, "capture_id": "a"}


def test_a_failing_statement_leaves_the_transaction_to_its_owner(engine: sa.Engine) -> None:
    """The driver's error comes out, and what went before it in the transaction is undone."""
    insert = Prepared(sa.insert(schema.setting))

    def twice() -> None:
        with engine.begin() as tx:
            insert.run(tx, {"name": "a", "value": "1"})
            insert.run(tx, {"name": "a", "value": "2"})

    with pytest.raises(sqlite3.IntegrityError):
        twice()
    with engine.begin() as tx:
        assert tx.execute(sa.select(schema.setting)).all() == []
