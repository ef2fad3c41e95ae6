"""Part of step 11: one still on its way through the reader, and its pictures on theirs into the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cloud.infer.pipeline import Reader, ReadResult
from cloud.infer.source import Image
from cloud.store import BlobStore
from sonorelay.contract.digest import sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class StillKey:
    """All that a reading depends on: equal keys, equal readings."""

    sha256: bytes
    """SHA-256 of the still's bytes, 32 bytes."""
    media_type: str
    """Media type of the bytes."""
    mm_per_pixel: float | None
    """Scale, millimetres per pixel, where known."""
    scale_source: str | None
    """Where the scale comes from."""


class StillReading:
    """Reads one still once. Nothing of it leaves the memory before `store_in`; from then on each picture goes
    into the store as soon as it is made, while the reading goes on, which may use all cores now."""

    def __init__(self, reader: Reader, stopwatch: Callable[[], float]) -> None:
        self._reader = reader
        self._stopwatch = stopwatch
        self._loop = asyncio.get_running_loop()
        self._store: BlobStore | None = None
        self._made: dict[str, tuple[bytes, bytes]] = {}
        self._puts: list[asyncio.Task[None]] = []
        self.began_s = stopwatch()
        """When it began, by the stopwatch."""
        self.ended_s = self.began_s
        """When it had ended, by the stopwatch."""

    async def read(self, image: Image, key: StillKey) -> ReadResult:
        """Reads the still's bytes. Errors as `Reader.read`."""
        try:
            return await self._reader.read(
                image,
                key.media_type,
                key.mm_per_pixel,
                key.scale_source,
                self._take_picture,
                self._is_claimed,
            )
        finally:
            self.ended_s = self._stopwatch()

    def store_in(self, store: BlobStore) -> None:
        """Stores what is made and what will be."""
        self._store = store
        for digest, png in self._made.values():
            self._put(store, digest, png)

    async def stored(self) -> dict[str, bytes]:
        """SHA-256 of each picture by name, once all are durable. Errors as `BlobStore.put`."""
        await asyncio.gather(*self._puts)
        return {name: digest for name, (digest, _) in self._made.items()}

    def _is_claimed(self) -> bool:
        """Until then the steps before want the other core: the image is waited for by them first."""
        return self._store is not None

    def _take_picture(self, name: str, png: bytes) -> None:
        """Runs on the reading thread."""
        self._loop.call_soon_threadsafe(self._keep, name, sha256(png), png)

    def _keep(self, name: str, digest: bytes, png: bytes) -> None:
        self._made[name] = (digest, png)
        if self._store is not None:
            self._put(self._store, digest, png)

    def _put(self, store: BlobStore, digest: bytes, png: bytes) -> None:
        put = self._loop.create_task(store.put(digest, png))
        # Where the reading itself fails nobody asks what became of its pictures.
        put.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._puts.append(put)
