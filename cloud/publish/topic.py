"""Step 12 of 13: publish. The bus inside one process: topics that wake waiting tasks."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final

from cloud.publish import Bus

OUTBOX_TOPIC: Final = "outbox"
"""The outbox has new rows."""
RESULTS_TOPIC: Final = "results"
"""The outbox has new rows that are results: a device waits for nothing else."""
JOBS_TOPIC: Final = "jobs"
"""The job table has new jobs."""


class TopicBus:
    """Wakes every subscriber of a topic; wakes that come while one is busy become a single wake.

    It works within one event loop, whose thread alone may call it.
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def publish(self, topic: str) -> None:
        """Wakes the subscribers of `topic`; never waits for them."""
        for event in self._waiting.get(topic, ()):
            event.set()

    async def subscribe(self, topic: str) -> AsyncIterator[None]:
        """Yields at once, then after each `publish`; messages in between are merged."""
        event = asyncio.Event()
        self._waiting[topic].add(event)
        try:
            # The first look is due at once: what was published before is never announced again.
            event.set()
            while True:
                await event.wait()
                # Cleared before the reader looks, so that a publish during its look wakes it once more.
                event.clear()
                yield
        finally:
            self._waiting[topic].discard(event)


_topic: type[Bus] = TopicBus
