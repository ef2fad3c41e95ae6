"""Questions to the spool's database, and its small tables: settings, results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as upsert

from edge_agent.items import CaptureState
from edge_agent.spool.prepared import Prepared
from edge_agent.spool.records import Capture, SeenCheckpoint, StoredResult, from_row, from_us, to_us
from edge_agent.spool.schema import capture, result, setting

_IDS_MAX: Final = 500
LOG_KEY: Final = "log_verifier_key"
_CHECKPOINT_SIZE: Final = "checkpoint_size"
_CHECKPOINT_ROOT: Final = "checkpoint_root"
_RESULTS_CURSOR: Final = "results_cursor"
OPEN_STATES: Final = (CaptureState.CAPTURED, CaptureState.SHARDED, CaptureState.SENT, CaptureState.FAILED)


def get(tx: sa.Connection, capture_id: str) -> Capture | None:
    """The capture, or None."""
    row = tx.execute(sa.select(capture).where(capture.c.capture_id == capture_id)).first()
    return None if row is None else from_row(row)


def waiting(tx: sa.Connection, states: Sequence[CaptureState], limit: int) -> list[Capture]:
    """Captures in these states, stills first, then in the order of arrival."""
    rows = tx.execute(
        sa.select(capture)
        .where(capture.c.state.in_(list(states)))
        .order_by(capture.c.priority, capture.c.seq)
        .limit(limit)
    )
    return [from_row(row) for row in rows]


def words_due(tx: sa.Connection, limit: int, but: Collection[str] = ()) -> list[Capture]:
    """Captures of which the cloud is owed a pre-notification or a withdrawal, in the order of arrival.

    `but`: captures to leave out unless their withdrawal is due.
    """
    rows = tx.execute(
        sa.select(capture)
        .where(
            sa.or_(capture.c.notify_due == sa.true(), capture.c.withdraw_due == sa.true()),
            sa.or_(capture.c.capture_id.not_in(but), capture.c.withdraw_due == sa.true()),
        )
        .order_by(capture.c.seq)
        .limit(limit)
    )
    return [from_row(row) for row in rows]


def captures(
    tx: sa.Connection, states: Sequence[CaptureState] | None = None, limit: int | None = None
) -> list[Capture]:
    """Captures in the order of arrival; all, or those in `states`; of many the newest `limit`."""
    question = sa.select(capture).order_by(capture.c.seq.desc())
    if states is not None:
        question = question.where(capture.c.state.in_(list(states)))
    if limit is not None:
        question = question.limit(limit)
    return [from_row(row) for row in reversed(tx.execute(question).all())]


def by_ids(tx: sa.Connection, capture_ids: Iterable[str]) -> list[Capture]:
    """The captures with these ids, in the order of arrival."""
    ids = list(capture_ids)
    found: list[Capture] = []
    # SQLite takes a bounded number of values in one statement.
    for first in range(0, len(ids), _IDS_MAX):
        some = ids[first : first + _IDS_MAX]
        rows = tx.execute(sa.select(capture).where(capture.c.capture_id.in_(some)))
        found.extend(from_row(row) for row in rows)
    return sorted(found, key=lambda one: one.seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The spool in numbers."""

    by_state: dict[str, int]
    """Captures per state; every state is a key."""
    open_count: int
    """Captures that still have to reach the cloud."""
    words_due: int
    """Captures of which the cloud is owed a word."""
    oldest_open_time: datetime | None
    """When the oldest open capture arrived (aware UTC)."""
    saved_bytes: int
    """Bytes that refusals kept off the network (TX-03)."""
    result_count: int
    """Results that came back."""


def counts(tx: sa.Connection) -> Counts:
    """The spool in numbers."""
    by_state = {state.value: 0 for state in CaptureState}
    by_state |= {
        row.state: row.n
        for row in tx.execute(
            sa.select(capture.c.state, sa.func.count().label("n")).group_by(capture.c.state)
        )
    }
    oldest = tx.execute(
        sa.select(sa.func.min(capture.c.received_us)).where(capture.c.state.in_(OPEN_STATES))
    ).scalar()
    due = sa.or_(capture.c.notify_due == sa.true(), capture.c.withdraw_due == sa.true())
    return Counts(
        by_state=by_state,
        open_count=sum(by_state[state.value] for state in OPEN_STATES),
        words_due=tx.execute(sa.select(sa.func.count()).select_from(capture).where(due)).scalar_one(),
        oldest_open_time=None if oldest is None else from_us(oldest),
        saved_bytes=tx.execute(
            sa.select(sa.func.coalesce(sa.func.sum(capture.c.saved_bytes), 0))
        ).scalar_one(),
        result_count=tx.execute(sa.select(sa.func.count()).select_from(result)).scalar_one(),
    )


_SETTING: Final = Prepared(sa.select(setting.c.value).where(setting.c.name == sa.bindparam("of_name")))
_REMEMBER: Final = Prepared(upsert(setting).on_conflict_do_nothing())


def _or_replace(table: sa.Table) -> Prepared:
    """Inserts a row; one with its key takes the new values."""
    statement = upsert(table)
    values = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    return Prepared(statement.on_conflict_do_update(index_elements=table.primary_key, set_=values))


_SET: Final = _or_replace(setting)
_SAVE: Final = _or_replace(result)


def read_setting(tx: sa.Connection, name: str) -> str | None:
    """A stored setting, or None."""
    row = _SETTING.run(tx, {"of_name": name}).fetchone()
    return None if row is None else str(row[0])


def remember(tx: sa.Connection, name: str, value: str) -> str:
    """Stores a setting unless it has a value; the value that stands."""
    _REMEMBER.run(tx, {"name": name, "value": value})
    return read_setting(tx, name) or value


def _set(tx: sa.Connection, name: str, value: str) -> None:
    _SET.run(tx, {"name": name, "value": value})


def seen_checkpoint(tx: sa.Connection) -> SeenCheckpoint | None:
    """Newest checkpoint verified so far."""
    size, root = read_setting(tx, _CHECKPOINT_SIZE), read_setting(tx, _CHECKPOINT_ROOT)
    return None if size is None or root is None else SeenCheckpoint(size=int(size), root=bytes.fromhex(root))


def note_checkpoint(tx: sa.Connection, seen: SeenCheckpoint) -> None:
    """Stores a verified checkpoint unless a larger one is stored."""
    known = read_setting(tx, _CHECKPOINT_SIZE)
    if known is None or seen.size > int(known):
        _set(tx, _CHECKPOINT_SIZE, str(seen.size))
        _set(tx, _CHECKPOINT_ROOT, seen.root.hex())


def results_cursor(tx: sa.Connection) -> int:
    """Last cursor of the result stream; 0 at first."""
    return int(read_setting(tx, _RESULTS_CURSOR) or "0")


def save_result(tx: sa.Connection, stored: StoredResult | None, cursor: int) -> None:
    """Stores a result (a repeat replaces itself) and the cursor after it."""
    _set(tx, _RESULTS_CURSOR, str(cursor))
    if stored is None:
        return
    _SAVE.run(
        tx,
        {
            "capture_id": stored.capture_id,
            "image_id": stored.image_id,
            "ok": stored.ok,
            "reason": stored.reason,
            "result_us": to_us(stored.result_time),
            "reading_json": stored.reading_json,
        },
    )


def results(tx: sa.Connection, capture_id: str) -> list[StoredResult]:
    """Results of a capture's images."""
    rows = tx.execute(sa.select(result).where(result.c.capture_id == capture_id).order_by(result.c.image_id))
    return [
        StoredResult(
            capture_id=row.capture_id,
            image_id=row.image_id,
            ok=row.ok,
            reason=row.reason,
            result_time=from_us(row.result_us),
            reading_json=row.reading_json,
        )
        for row in rows
    ]
