"""Examinations: tells readers of the outbox that something changed that is no change of a capture by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.prepared import Prepared
from cloud.db.tables import examination_capture
from cloud.publish import outbox

_CAPTURES: Final = Prepared(
    sa.select(examination_capture.c.capture_id, examination_capture.c.device_id)
    .where(examination_capture.c.examination_id == sa.bindparam("of_examination"))
    .order_by(examination_capture.c.slot.desc())
)


def announce(
    tx: Tx, examination_id: str, now: datetime, *, every_capture: bool = False, gone: bool = False
) -> None:
    """Brings the examination up to date and announces it by its newest capture; or, where each capture is shown
    otherwise now, by all of them. `gone`: it is not shown any more."""
    rows = _CAPTURES.all(tx, {"of_examination": examination_id})
    for row in rows if every_capture else rows[:1]:
        named = examination_id if gone else None
        outbox.append(tx, capture_id=row.capture_id, device_id=row.device_id, time=now, examination_id=named)
