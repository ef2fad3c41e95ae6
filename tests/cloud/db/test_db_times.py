"""Times at the database's border."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cloud.db.times import from_stored, to_stored


def test_any_zone_is_stored_as_utc() -> None:
    """14:00 in a zone two hours ahead is 12:00 UTC."""
    there = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert to_stored(there).isoformat() == "2026-03-01T12:00:00+00:00"


def test_a_time_without_a_zone_is_refused() -> None:
    """It could be any hour."""
    with pytest.raises(ValueError, match="without a zone"):
        to_stored(datetime(2026, 3, 1))


def test_a_database_without_zones_gives_utc() -> None:
    """What SQLite kept without a zone was UTC; what PostgreSQL kept with one is the same instant."""
    expected = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert expected == from_stored(datetime(2026, 3, 1, 12))
    assert expected == from_stored(datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1))))
