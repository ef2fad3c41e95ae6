"""Prepared statements against the same statements through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import capture, device, metadata, outbox

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
DEVICE = {
    "device_id": "room-1",
    "verifier_key": "key",
    "first_seen_time": NOW,
    "last_seen_time": NOW.astimezone(timezone(timedelta(hours=8))),
    "clock_offset_ms": -1.5,
    "revoked": False,
}
CAPTURE: dict[str, Any] = {
    "capture_id": "a",
    "device_id": "room-1",
    "request_digest": b"\0\xff",
    "state": "incoming",
    "expected_image_count": 2,
    "size_bytes": 2**40,
    "received_time": NOW,
    "notified_time": NOW,
    "updated_time": NOW,
    "deadline_time": NOW,
    "edge_timings_ms": {"filter": 1.25},
    "cloud_timings_ms": {},
}


@pytest.fixture
def tx() -> Iterator[Tx]:
    """A transaction on an empty database with one device."""
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        prepared.insert(device, *DEVICE).run(connection, DEVICE)
        yield connection
    engine.dispose()


def test_rows_are_those_that_sqlalchemy_gives(tx: Tx) -> None:
    """Every type of column goes in and comes out as through SQLAlchemy: times, JSON, bytes, booleans, NULL."""
    assert prepared.insert(capture, *CAPTURE, returning="slot").one(tx, CAPTURE).slot == 1
    for table in (device, capture):
        (ours,) = Prepared(sa.select(table)).all(tx)
        theirs = tx.execute(sa.select(table)).one()
        assert ours._asdict() == dict(theirs._mapping)
    assert ours.edge_timings_ms == {"filter": 1.25}
    assert ours.committed_time is None


def test_statement_is_run_again_with_other_values(tx: Tx) -> None:
    """Values belong to one run; constants of the statement to all of them."""
    rows = [{"capture_id": name, "device_id": "room-1", "event_time": NOW} for name in "abc"]
    prepared.insert(outbox, *rows[0]).run_many(tx, rows)
    after = Prepared(
        sa.select(outbox.c.capture_id)
        .where(outbox.c.event_id > sa.bindparam("after"), outbox.c.device_id == "room-1")
        .limit(sa.bindparam("most"))
    )
    assert [row.capture_id for row in after.all(tx, {"after": 0, "most": 2})] == ["a", "b"]
    assert [row.capture_id for row in after.all(tx, {"after": 2, "most": 2})] == ["c"]
    assert after.first(tx, {"after": 3, "most": 1}) is None
    with pytest.raises(LookupError, match="2 rows"):
        after.one(tx, {"after": 0, "most": 2})


def test_change_counts_what_it_changed(tx: Tx) -> None:
    """Columns are set in the named row; a name that no row has changes nothing and says so."""
    assert prepared.change(tx, device.c.device_id, "room-1", {"revoked": True, "clock_offset_ms": 2.0}) == 1
    assert prepared.change(tx, device.c.device_id, "room-2", {"revoked": True}) == 0
    assert tx.execute(sa.select(device.c.revoked, device.c.clock_offset_ms)).one() == (True, 2.0)


def test_errors_are_sqlalchemys_without_the_values(tx: Tx) -> None:
    """What the driver refuses comes as SQLAlchemy's error, which names no value of the statement."""
    with pytest.raises(sa.exc.IntegrityError) as caught:
        prepared.insert(device, *DEVICE).run(tx, DEVICE)
    assert "room-1" not in str(caught.value)


def test_an_error_at_a_later_row_is_sqlalchemys_too(tx: Tx) -> None:
    """The driver may fail while rows are fetched: that is translated like an error at the start."""

    def fails_at_b(value: str) -> str:
        if value == "b":
            raise ValueError
        return value

    tx.connection.driver_connection.create_function("fails_at_b", 1, fails_at_b)
    rows = [{"capture_id": name, "device_id": "room-1", "event_time": NOW} for name in "ab"]
    prepared.insert(outbox, *rows[0]).run_many(tx, rows)
    chosen = Prepared(
        sa.select(sa.func.fails_at_b(outbox.c.capture_id).label("one")).order_by(outbox.c.event_id)
    )
    with pytest.raises(sa.exc.OperationalError):
        chosen.all(tx)


def test_missing_value_is_an_error(tx: Tx) -> None:
    """A value that the statement needs and nobody gives is named."""
    with pytest.raises(KeyError, match="capture_id"):
        prepared.insert(outbox, "capture_id", "device_id").run(tx, {"device_id": "room-1"})
