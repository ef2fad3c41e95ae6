"""Monitor: all of it together, as `build.py` makes it and the console uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from cloud.errors import CloudError
from cloud.monitor.alarm import NewId
from cloud.monitor.book import AlarmBook
from cloud.monitor.deliveries import Deliveries
from cloud.monitor.exposition import Exposition, StepTimes
from cloud.monitor.rules import Rule
from cloud.monitor.sample import INTERVAL_S
from cloud.monitor.sampler import SLOW_EVERY, Sampler, Watched
from cloud.publish import Bus


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """All that the console and the server need of it."""

    sampler: Sampler
    """Looks, and what they found."""
    watched: Watched
    """What is looked at."""
    book: AlarmBook
    """Alarms and rules."""
    deliveries: Deliveries
    """Ways out."""
    exposition: Exposition
    """The metrics for Prometheus."""

    async def open(self) -> None:
        """Takes up what is stored; before the loops run."""
        await self.book.open()
        await self.sampler.open()

    def loops(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """Run until they are cancelled."""
        return (
            self.watched.lag.run,
            self.sampler.run,
            self.deliveries.run,
            self.watched.checks.run,
            self._follow_steps,
        )

    async def _follow_steps(self) -> None:
        steps = StepTimes(self.watched.database, self.exposition.steps)
        while True:
            try:
                await steps.follow()
            except CloudError as error:
                # The database is busy: what has come since waits for the next time.
                self.watched.log.warning("steps_not_followed", error=type(error).__name__)
            await asyncio.sleep(INTERVAL_S * SLOW_EVERY)


def make_monitor(
    watched: Watched,
    *,
    rules: Mapping[str, Rule],
    deliveries: Deliveries,
    bus: Bus,
    new_id: NewId,
    calls: Callable[[], Mapping[str, int]],
    version: str,
) -> Monitor:
    """The monitor on what is watched; nothing is read or written."""
    book = AlarmBook(watched.database, rules, deliveries, bus, watched.clock, new_id, watched.log)
    sampler = Sampler(watched, book)
    return Monitor(
        sampler=sampler,
        watched=watched,
        book=book,
        deliveries=deliveries,
        exposition=Exposition(version, lambda: sampler.latest, book.raised, calls),
    )
