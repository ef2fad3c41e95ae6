"""Step 12 of 13: publish. The hub: every reader gets each change after its cursor once, in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

from cloud.db import Database, Tx
from cloud.items import Event
from cloud.publish import Bus, outbox
from cloud.publish.topic import OUTBOX_TOPIC, RESULTS_TOPIC

_BATCH_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a reader has to know to go on."""

    events: tuple[Event, ...]
    """Changes, oldest first; empty where only time has passed."""
    position: int
    """Cursor after this batch: every change of the reader's up to it has been given out."""


class Hub:
    """Reads the outbox for any number of readers. It keeps nothing: who was away resumes by the cursor.

    Event ids grow in the order of commits, because the embedded database has a single writer.
    """

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._closed = asyncio.Event()
        self.readers = 0
        """Readers of all changes that there are now: open pages."""

    async def newest(self) -> int:
        """Id of the newest event, 0 before the first."""
        return await self._database.read(outbox.newest)

    async def events(self, after: int, results_of: str | None = None) -> AsyncGenerator[Event]:
        """Every event with an id above `after`, oldest first, then each new one as it comes.

        `results_of` names a device: only the results of its images. Ends when the hub is closed.
        """
        async with contextlib.aclosing(self.batches(after, results_of)) as batches:
            async for batch in batches:
                for event in batch.events:
                    yield event

    async def batches(
        self,
        after: int,
        results_of: str | None = None,
        quiet_s: float | None = None,
        also: str | None = None,
    ) -> AsyncGenerator[Batch]:
        """As `events`, many at a time; an empty batch whenever nothing came for `quiet_s` seconds, and at once
        where the topic `also` was published."""
        position = after
        wakes = self._bus.subscribe(OUTBOX_TOPIC if results_of is None else RESULTS_TOPIC)
        others = None if also is None else self._bus.subscribe(also)
        wake: asyncio.Task[None] | None = None
        other: asyncio.Task[None] | None = None
        closed = asyncio.ensure_future(self._closed.wait())
        self.readers += results_of is None
        try:
            while not self._closed.is_set():
                if wake is None:
                    wake = asyncio.ensure_future(_next(wakes))
                if other is None and others is not None:
                    other = asyncio.ensure_future(_next(others))
                waited = {task for task in (wake, other, closed) if task is not None}
                await asyncio.wait(waited, timeout=quiet_s, return_when=asyncio.FIRST_COMPLETED)
                if self._closed.is_set():
                    return
                if not wake.done():
                    if other is not None and other.done():
                        other = None
                    yield Batch(events=(), position=position)
                    continue
                wake = None
                full = True
                while full:
                    batch, full = await self._read(position, results_of)
                    position = batch.position
                    if batch.events:
                        yield batch
        finally:
            self.readers -= results_of is None
            closed.cancel()
            await _ended(wake, wakes)
            await _ended(other, others)

    def close(self) -> None:
        """Ends every reader's iterator."""
        self._closed.set()

    async def _read(self, after: int, results_of: str | None) -> tuple[Batch, bool]:
        """The next batch, and whether there may be more."""

        def work(tx: Tx) -> tuple[list[Event], int]:
            events = outbox.read_after(tx, after, _BATCH_MAX, results_of)
            full = len(events) == _BATCH_MAX
            return events, events[-1].event_id if full else max(after, outbox.newest(tx))

        events, position = await self._database.read(work)
        return Batch(events=tuple(events), position=position), len(events) == _BATCH_MAX


async def _next(wakes: AsyncIterator[None]) -> None:
    await anext(wakes)


async def _ended(wake: asyncio.Task[None] | None, wakes: AsyncIterator[None] | None) -> None:
    """Ends a subscription and what waits for it."""
    if wake is not None:
        wake.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await wake
    if isinstance(wakes, AsyncGenerator):
        await wakes.aclose()
