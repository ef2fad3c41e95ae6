"""Examinations: captures of an earlier version get theirs when the server starts, by the same functions as new ones."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cloud.db import Database, Tx
from cloud.db.tables import capture, examination_capture
from cloud.examinations.binding import join
from cloud.examinations.refresh import refresh_of_capture

_AT_ONCE: Final = 200


async def adopt(database: Database, gap_s: float) -> int:
    """Puts every capture that has no examination into one by device and time; how many. A repeat changes nothing."""
    adopted = 0
    while True:
        count = await database.write(lambda tx: _adopt_some(tx, gap_s))
        adopted += count
        if count < _AT_ONCE:
            return adopted


def _adopt_some(tx: Tx, gap_s: float) -> int:
    rows = tx.execute(
        sa.select(
            capture.c.capture_id,
            capture.c.slot,
            capture.c.device_id,
            capture.c.tenant_id,
            capture.c.notified_time,
        )
        .outerjoin(examination_capture, examination_capture.c.capture_id == capture.c.capture_id)
        .where(examination_capture.c.capture_id.is_(None))
        .order_by(capture.c.slot)
        .limit(_AT_ONCE)
    ).all()
    for row in rows:
        known = {"capture_id": row.capture_id, "slot": row.slot, "device_id": row.device_id}
        join(tx, **known, tenant_id=row.tenant_id, now=row.notified_time, gap_s=gap_s)
        refresh_of_capture(tx, row.capture_id, row.notified_time)
    return len(rows)
