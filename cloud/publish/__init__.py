"""Step 12 of 13: publish. Bus seam: tells readers that the outbox has grown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Bus(Protocol):
    """A lost message costs nothing: a message only says "look again"; readers resume by their cursor."""

    async def publish(self, topic: str) -> None:
        """Wakes the subscribers of `topic`; never waits for them."""
        ...

    def subscribe(self, topic: str) -> AsyncIterator[None]:
        """Yields at once, then once or more after each `publish`; messages in between may be merged."""
        ...
