"""Part of step 7: how many bytes the server holds in memory for shards that are not yet on disk."""

from __future__ import annotations

import asyncio


class Budget:
    """At most `limit_bytes` are out at any time, save for a single larger claim; who comes later waits."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._changed = asyncio.Condition()

    @property
    def used_bytes(self) -> int:
        """Bytes that are out."""
        return self._used_bytes

    async def claim(self, size_bytes: int) -> None:
        """Returns when there is room for `size_bytes`; they must be given back."""
        if not self._fits(size_bytes):
            async with self._changed:
                await self._changed.wait_for(lambda: self._fits(size_bytes))
        self._used_bytes += size_bytes

    async def give_back(self, size_bytes: int) -> None:
        """Frees what was claimed and wakes who waits."""
        self._used_bytes -= size_bytes
        async with self._changed:
            self._changed.notify_all()

    def _fits(self, size_bytes: int) -> bool:
        return self._used_bytes == 0 or self._used_bytes + size_bytes <= self._limit_bytes
