"""Step 12 of 13: publish. The outbox: a change and its announcement are one transaction."""

from __future__ import annotations

from datetime import datetime
from functools import cache

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import outbox
from cloud.items import Event


def append(tx: Tx, *, capture_id: str, device_id: str, time: datetime, image_id: str | None = None) -> None:
    """Announces in `tx` that a capture changed; with `image_id`, that this image has a result.

    `time` is the server's, aware UTC. Whoever commits `tx` wakes the topic "outbox" afterwards.
    """
    row = {"capture_id": capture_id, "device_id": device_id, "image_id": image_id, "event_time": time}
    tx.execute(_insert(), row)


def read_after(tx: Tx, after: int, limit: int, device_id: str | None = None) -> list[Event]:
    """Up to `limit` events with an id above `after`, oldest first; of `device_id` only, where given."""
    rows = sa.select(outbox).where(outbox.c.event_id > after).order_by(outbox.c.event_id).limit(limit)
    if device_id is not None:
        rows = rows.where(outbox.c.device_id == device_id)
    return [
        Event(
            event_id=row.event_id, capture_id=row.capture_id, device_id=row.device_id, image_id=row.image_id
        )
        for row in tx.execute(rows)
    ]


@cache
def _insert() -> sa.Insert:
    """Built once: this runs several times for each image."""
    return sa.insert(outbox)


def newest(tx: Tx) -> int:
    """Id of the newest event; 0 before the first."""
    return tx.execute(sa.select(sa.func.max(outbox.c.event_id))).scalar() or 0
