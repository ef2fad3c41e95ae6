"""Part of steps 7 to 11: a blob store that remembers what was put last and need not read it back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from cloud.store import BlobStore


class CachedBlobStore:
    """Puts go through to the store behind; `get` answers from memory what was put lately.

    It keeps the store's promise: bytes enter the memory only after `put` behind has returned, checked and
    durable. At most `limit_bytes` are remembered; the oldest go first.
    """

    def __init__(self, behind: BlobStore, limit_bytes: int) -> None:
        self._behind = behind
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._blobs: OrderedDict[bytes, bytes] = OrderedDict()

    async def put(self, digest: bytes, data: bytes) -> None:
        """Keeps `data` under its SHA-256; errors as the store behind."""
        await self._behind.put(digest, data)
        if digest in self._blobs or len(data) > self._limit_bytes:
            return
        self._blobs[digest] = data
        self._size_bytes += len(data)
        while self._size_bytes > self._limit_bytes:
            _, oldest = self._blobs.popitem(last=False)
            self._size_bytes -= len(oldest)

    async def get(self, digest: bytes) -> bytes:
        """The bytes, from memory or checked again from the store behind."""
        data = self._blobs.get(digest)
        return data if data is not None else await self._behind.get(digest)

    async def missing(self, digests: Sequence[bytes]) -> list[bytes]:
        """Those that the store behind does not hold: memory is never a witness of what is on disk."""
        return await self._behind.missing(digests)


_cached: type[BlobStore] = CachedBlobStore
