"""Examinations: what an earlier version left gets its place at a start, by the same functions as what is new."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cloud.db import Database, Tx
from cloud.db.tables import capture, examination, examination_capture, study
from cloud.examinations.binding import join
from cloud.examinations.refresh import refresh_of_capture
from cloud.examinations.study_row import write_row

_AT_ONCE: Final = 200


async def adopt(database: Database, gap_s: float) -> int:
    """Puts every capture that has no examination into one by device and time, and makes every examination one that
    is found; how many captures. A repeat changes nothing."""
    adopted = 0
    while True:
        count = await database.write(lambda tx: _adopt_some(tx, gap_s))
        adopted += count
        if count < _AT_ONCE:
            break
    while await database.write(_make_found) == _AT_ONCE:
        pass
    return adopted


def _make_found(tx: Tx) -> int:
    rows = tx.execute(
        sa.select(examination.c.examination_id)
        .outerjoin(study, study.c.number == examination.c.number)
        .where(study.c.number.is_(None))
        .limit(_AT_ONCE)
    ).all()
    for row in rows:
        write_row(tx, row.examination_id)
    return len(rows)


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
        .where(examination_capture.c.capture_id.is_(None), capture.c.series_label.is_(None))
        .order_by(capture.c.slot)
        .limit(_AT_ONCE)
    ).all()
    for row in rows:
        known = {"capture_id": row.capture_id, "slot": row.slot, "device_id": row.device_id}
        join(tx, **known, tenant_id=row.tenant_id, now=row.notified_time, gap_s=gap_s)
        refresh_of_capture(tx, row.capture_id, row.notified_time)
    return len(rows)
