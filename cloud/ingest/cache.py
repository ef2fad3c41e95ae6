"""Part of steps 7 to 11: a blob store that remembers what was put last and need not read it back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Self

from cloud.store import BlobStore


class _Memory:
    """Blobs that were put lately, at most `limit_bytes`; the oldest go first."""

    def __init__(self, limit_bytes: int) -> None:
        self.blobs: OrderedDict[bytes, bytes] = OrderedDict()
        self._limit_bytes = limit_bytes
        self._size_bytes = 0

    def keep(self, digest: bytes, data: bytes) -> None:
        """Remembers a blob, unless it is larger than everything may be."""
        if digest in self.blobs or len(data) > self._limit_bytes:
            return
        self.blobs[digest] = data
        self._size_bytes += len(data)
        while self._size_bytes > self._limit_bytes:
            _, oldest = self.blobs.popitem(last=False)
            self._size_bytes -= len(oldest)


class CachedBlobStore:
    """Puts go through to the store behind; `get` answers from memory what was put lately.

    It keeps the store's promise: bytes enter the memory only after `put` behind has returned, checked and
    durable. At most `limit_bytes` are remembered; the oldest go first.
    """

    def __init__(self, behind: BlobStore, limit_bytes: int) -> None:
        self._behind = behind
        self._memory = _Memory(limit_bytes)

    def beside(self, behind: BlobStore) -> Self:
        """Another store, remembered in the same memory."""
        other = type(self)(behind, 0)
        other._memory = self._memory
        return other

    async def put(self, digest: bytes, data: bytes) -> None:
        """Keeps `data` under its SHA-256; errors as the store behind."""
        await self._behind.put(digest, data)
        self._memory.keep(digest, data)

    async def get(self, digest: bytes) -> bytes:
        """The bytes, from memory or checked again from the store behind."""
        data = self._memory.blobs.get(digest)
        return data if data is not None else await self._behind.get(digest)

    async def missing(self, digests: Sequence[bytes]) -> list[bytes]:
        """Those that the store behind does not hold: memory is never a witness of what is on disk."""
        return await self._behind.missing(digests)


_cached: type[BlobStore] = CachedBlobStore
