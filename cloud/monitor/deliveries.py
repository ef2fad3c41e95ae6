"""Monitor: messages on their way: a durable queue for each way out, tried again until taken or given up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Database, Tx
from cloud.db.tables import alarm_delivery
from cloud.db.times import Clock
from cloud.errors import CloudError
from cloud.log import Log, where
from cloud.monitor.alarm import Alarm, NewId
from cloud.monitor.channels import TOLD, Channel, Message, Sender, alarm_body, trial_body
from cloud.monitor.errors import ChannelAbsent, SendFailed
from cloud.monitor.metrics import Metric
from cloud.monitor.sample import Readings

FIRST_WAIT_S: Final = 2.0
LONGEST_WAIT_S: Final = 300.0
GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""A message that nobody took for so long is given up: what it says is old."""
KEPT_FOR: Final = timedelta(days=30)
QUEUE_MAX: Final = 2000
"""Messages that wait for one way out; those beyond are not kept."""
_LOOK_S: Final = 30.0


class DeliveryState(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    DONE = "done"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """How a way out stands."""

    channel: Channel
    """Which."""
    waiting: int
    """Messages that wait."""
    failures: int
    """Tries without success in a row; 0 where the last one succeeded, or there was none."""
    last_reason: str | None
    """Why the last try failed: a SendReason, with the other side's code; None where it did not."""
    last_done_time: datetime | None
    """When a message last got out since the start (aware UTC)."""


@dataclass(slots=True)
class _Standing:
    failures: int = 0
    last_reason: str | None = None
    last_done_time: datetime | None = None


def wait_s(attempts: int) -> float:
    """How long to wait after so many tries without success, seconds."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - 1, 20))


class Deliveries:
    """A message that is queued survives a restart and goes out once its way is open. Nobody waits for it."""

    def __init__(
        self,
        database: Database,
        senders: Mapping[Channel, Sender],
        site: str,
        clock: Clock,
        new_id: NewId,
        log: Log,
    ) -> None:
        self._database = database
        self._senders = senders
        self._site = site
        self._clock = clock
        self._new_id = new_id
        self._log = log
        self._standing = {channel: _Standing() for channel in senders}
        self._wakes = {channel: asyncio.Event() for channel in senders}

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The ways out that the settings name."""
        return tuple(self._senders)

    def queue(self, tx: Tx, changed: Iterable[Alarm]) -> None:
        """Queues what is told of these changes, in the caller's transaction; then call `wake`."""
        now = self._clock()
        for alarm in changed:
            for channel in self._senders:
                # A way out that fails is not told so by itself.
                about_itself = alarm.metric is Metric.DELIVERY_FAILURES and alarm.subject == channel.value
                if alarm.state not in TOLD[channel] or about_itself or _waiting(tx, channel) >= QUEUE_MAX:
                    continue
                row = {
                    "delivery_id": self._new_id(),
                    "channel": channel.value,
                    "message": alarm_body(alarm, self._site),
                    "state": DeliveryState.QUEUED.value,
                    "attempts": 0,
                    "created_time": now,
                    "not_before_time": now,
                }
                tx.execute(sa.insert(alarm_delivery).values(row))

    def wake(self) -> None:
        """Something was queued."""
        for wake in self._wakes.values():
            wake.set()

    async def trial(self, channel: Channel) -> None:
        """Sends a test message now. Errors: ChannelAbsent, SendFailed."""
        sender = self._senders.get(channel)
        if sender is None:
            raise ChannelAbsent(channel.value)
        await sender.send(Message(delivery_id=self._new_id(), body=trial_body(self._site)))

    async def facts(self) -> list[ChannelFacts]:
        """How the ways out stand."""

        def work(tx: Tx) -> dict[Channel, int]:
            return {channel: _waiting(tx, channel) for channel in self._senders}

        waiting = await self._database.read(work)
        return [
            ChannelFacts(
                channel=channel,
                waiting=waiting[channel],
                failures=standing.failures,
                last_reason=standing.last_reason,
                last_done_time=standing.last_done_time,
            )
            for channel, standing in self._standing.items()
        ]

    def read(self) -> Readings:
        """Tries without success in a row, by way out."""
        failures = {channel.value: float(each.failures) for channel, each in self._standing.items()}
        return Readings(each={Metric.DELIVERY_FAILURES: failures})

    async def run(self) -> None:
        """Sends what is queued until it is cancelled; each way out has a task of its own."""
        async with asyncio.TaskGroup() as tasks:
            for channel in self._senders:
                tasks.create_task(self._run(channel))
            # Without any way out there is nothing to do, and a loop of the server never ends by itself.
            tasks.create_task(asyncio.Event().wait())

    async def _run(self, channel: Channel) -> None:
        wake = self._wakes[channel]
        while True:
            wake.clear()
            pause_s = _LOOK_S
            try:
                pause_s = await self._deliver(channel)
            except CloudError as error:
                # The database is busy or full: what is queued stays queued.
                self._log.warning("delivery_delayed", reason=channel.value, error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await wake.wait()

    async def _deliver(self, channel: Channel) -> float:
        """Sends what is due, one after the other; seconds until the next one is."""
        while True:
            row = await self._database.read(lambda tx: _next(tx, channel))
            if row is None:
                return _LOOK_S
            early_s: float = (row.not_before_time - self._clock()).total_seconds()
            if early_s > 0:
                return min(early_s, _LOOK_S)
            await self._keep(row.delivery_id, await self._tried(channel, row))

    async def _keep(self, delivery_id: str, values: Mapping[str, Any]) -> None:
        await self._database.write(lambda tx: _set(tx, delivery_id, values, self._clock()))

    async def _tried(self, channel: Channel, row: Any) -> dict[str, Any]:
        """What is stored after one try."""
        standing, attempts = self._standing[channel], row.attempts + 1
        try:
            await self._senders[channel].send(Message(delivery_id=row.delivery_id, body=row.message))
        except SendFailed as error:
            standing.failures += 1
            standing.last_reason = str(error)
            self._log.warning(
                "alarm_not_sent",
                reason=str(error),
                method=channel.value,
                attempt=attempts,
                where=where(error),
            )
            now = self._clock()
            given_up = now - row.created_time >= GIVEN_UP_AFTER
            return {
                "state": (DeliveryState.GIVEN_UP if given_up else DeliveryState.QUEUED).value,
                "attempts": attempts,
                "not_before_time": now + timedelta(seconds=wait_s(attempts)),
                "last_reason": str(error),
            }
        standing.failures, standing.last_reason, standing.last_done_time = 0, None, self._clock()
        return {"state": DeliveryState.DONE.value, "attempts": attempts, "last_reason": None}


def _next(tx: Tx, channel: Channel) -> Any | None:
    d = alarm_delivery.c
    return tx.execute(
        sa.select(alarm_delivery)
        .where(d.channel == channel.value, d.state == DeliveryState.QUEUED.value)
        # Whoever refuses one message for ever must not keep those behind it waiting.
        .order_by(d.not_before_time, d.created_time)
        .limit(1)
    ).first()


def _waiting(tx: Tx, channel: Channel) -> int:
    d = alarm_delivery.c
    queued = sa.select(sa.func.count()).where(
        d.channel == channel.value, d.state == DeliveryState.QUEUED.value
    )
    return int(tx.execute(queued).scalar_one())


def _set(tx: Tx, delivery_id: str, values: Mapping[str, Any], now: datetime) -> None:
    """Stores what came of a try; forgets messages that ended long ago."""
    d = alarm_delivery.c
    tx.execute(sa.update(alarm_delivery).where(d.delivery_id == delivery_id).values(values))
    tx.execute(
        sa.delete(alarm_delivery).where(
            d.state != DeliveryState.QUEUED.value, d.created_time < now - KEPT_FOR
        )
    )
