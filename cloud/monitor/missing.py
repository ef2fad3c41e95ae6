"""Watches over step 2: a capture that was announced and did not come is shown as missing, with an alarm."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Database, Tx
from cloud.db.tables import capture
from cloud.db.times import Clock
from cloud.items import CaptureState
from cloud.log import Log, where
from cloud.publish import Bus, outbox
from cloud.publish.topic import OUTBOX_TOPIC
from sonorelay.contract.digest import trace_id
from sonorelay.contract.reasons import EdgeReason

_AT_ONCE: Final = 200


class MissingWatch:
    """Looks every `interval_s` seconds for captures past their deadline.

    One that comes later is healed by its upload.
    """

    def __init__(
        self, database: Database, bus: Bus, clock: Clock, log: Log, *, interval_s: float = 1.0
    ) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._log = log
        self._interval_s = interval_s

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            try:
                await self.sweep()
            except Exception as error:  # the outermost loop of the watch: the next look tries again
                self._log.error("missing_watch_failed", error=type(error).__name__, where=where(error))
            await asyncio.sleep(self._interval_s)

    async def sweep(self) -> int:
        """Marks what is overdue now, durably; how many captures."""
        now = self._clock()
        # Most looks find nothing: they must not wait for the writer.
        if not await self._database.read(lambda tx: _overdue(tx, now)):
            return 0
        late = await self._database.write(lambda tx: _mark(tx, now))
        await self._bus.publish(OUTBOX_TOPIC)
        for row in late:
            self._log.warning(
                "capture_missing",
                trace_id=trace_id(row.capture_id),
                device_id=row.device_id,
                slot=row.slot,
                reason=EdgeReason.DID_NOT_COME.value,
            )
        return len(late)


def _overdue(tx: Tx, now: datetime) -> list[sa.Row[Any]]:
    rows = tx.execute(
        sa.select(capture.c.capture_id, capture.c.device_id, capture.c.slot)
        .where(
            capture.c.state == CaptureState.INCOMING.value,
            capture.c.deadline_time < now,
            # A file of a series is no slot that somebody waits for; its order shows how far it is.
            capture.c.series_label.is_(None),
        )
        .limit(_AT_ONCE)
    )
    return list(rows.all())


def _mark(tx: Tx, now: datetime) -> list[sa.Row[Any]]:
    late = _overdue(tx, now)
    missing = {
        "state": CaptureState.MISSING.value,
        "reason": EdgeReason.DID_NOT_COME.value,
        "updated_time": now,
    }
    for row in late:
        tx.execute(sa.update(capture).where(capture.c.capture_id == row.capture_id).values(missing))
        outbox.append(tx, capture_id=row.capture_id, device_id=row.device_id, time=now)
    return late
