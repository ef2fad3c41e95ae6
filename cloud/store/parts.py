"""Reads a range of bytes (one image) out of a part that is stored as shards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from cloud.errors import BlobCorrupt
from cloud.store import BlobStore


async def read_range(
    store: BlobStore, shard_digests: Sequence[bytes], shard_size_bytes: int, start_bytes: int, size_bytes: int
) -> bytes:
    """Bytes `start_bytes` up to `start_bytes + size_bytes` of a part.

    `shard_digests`: SHA-256 of each shard, 32 bytes, in order; every shard but the last has
    `shard_size_bytes`. Raises ValueError where the range is not inside the part; errors of `BlobStore.get`.
    """
    pieces = [
        piece
        async for piece in iterate_range(store, shard_digests, shard_size_bytes, start_bytes, size_bytes)
    ]
    return b"".join(pieces)


async def iterate_range(
    store: BlobStore, shard_digests: Sequence[bytes], shard_size_bytes: int, start_bytes: int, size_bytes: int
) -> AsyncIterator[bytes]:
    """As `read_range`, piece by piece, for what is too large to hold: at most two shards are in memory."""
    if shard_size_bytes <= 0 or start_bytes < 0 or size_bytes < 0:
        raise ValueError("a range and a shard size are not negative")
    if size_bytes == 0:
        return
    end_bytes = start_bytes + size_bytes
    first, last = start_bytes // shard_size_bytes, (end_bytes - 1) // shard_size_bytes
    if last >= len(shard_digests):
        raise ValueError(f"the range ends in shard {last}, the part has {len(shard_digests)}")
    ahead = asyncio.create_task(store.get(shard_digests[first]))
    try:
        for index in range(first, last + 1):
            shard = await ahead
            if index < last:
                ahead = asyncio.create_task(store.get(shard_digests[index + 1]))
            if index < len(shard_digests) - 1 and len(shard) != shard_size_bytes:
                raise BlobCorrupt(f"shard {index} has {len(shard)} bytes, not {shard_size_bytes}")
            base_bytes = index * shard_size_bytes
            if index == last and end_bytes > base_bytes + len(shard):
                raise ValueError("the range ends behind the part")
            yield shard[max(0, start_bytes - base_bytes) : end_bytes - base_bytes]
    finally:
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)
