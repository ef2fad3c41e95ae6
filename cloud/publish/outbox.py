"""Step 12 of 13: publish. The outbox: a change and its announcement are one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import outbox
from cloud.examinations.refresh import refresh, refresh_of_capture
from cloud.items import Event

_EVENTS: Final = (
    sa.select(
        outbox.c.event_id,
        outbox.c.capture_id,
        outbox.c.device_id,
        outbox.c.image_id,
        outbox.c.examination_id,
    )
    .where(outbox.c.event_id > sa.bindparam("after"))
    .order_by(outbox.c.event_id)
    .limit(sa.bindparam("most"))
)
_AFTER: Final = Prepared(_EVENTS)
_RESULTS_AFTER: Final = Prepared(
    _EVENTS.where(outbox.c.device_id == sa.bindparam("device"), outbox.c.image_id.is_not(None))
)
_NEWEST: Final = Prepared(sa.select(sa.func.max(outbox.c.event_id).label("newest")))


def append(
    tx: Tx,
    *,
    capture_id: str,
    device_id: str,
    time: datetime,
    image_id: str | None = None,
    examination_id: str | None = None,
) -> None:
    """Announces in `tx` that a capture changed, and its examination with it, which is brought up to date here.

    With `image_id`: this image has a result. With `examination_id`: this examination, which is not the capture's
    own, changed too, or is gone. `time` is the server's, aware UTC. Whoever commits `tx` wakes the topic "outbox"
    afterwards.
    """
    refresh_of_capture(tx, capture_id, time)
    if examination_id is not None:
        refresh(tx, examination_id, time)
    row = {
        "capture_id": capture_id,
        "device_id": device_id,
        "image_id": image_id,
        "event_time": time,
        "examination_id": examination_id,
    }
    prepared.insert(outbox, *row).run(tx, row)


def read_after(tx: Tx, after: int, limit: int, results_of: str | None = None) -> list[Event]:
    """Up to `limit` events with an id above `after`, oldest first; of the device `results_of` its results alone."""
    rows = _AFTER if results_of is None else _RESULTS_AFTER
    return [
        Event(
            event_id=row.event_id,
            capture_id=row.capture_id,
            device_id=row.device_id,
            image_id=row.image_id,
            examination_id=row.examination_id,
        )
        for row in rows.all(tx, {"after": after, "most": limit, "device": results_of})
    ]


def newest(tx: Tx) -> int:
    """Id of the newest event; 0 before the first."""
    found: int | None = _NEWEST.one(tx).newest
    return found or 0
