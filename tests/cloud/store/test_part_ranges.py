"""Ranges out of parts that are stored as shards."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cloud.errors import BlobCorrupt, BlobMissing
from cloud.store.parts import iterate_range, read_range
from sonorelay.contract.digest import sha256

_SHARD = 10
_PART = bytes(range(95))
_SHARDS = [_PART[i : i + _SHARD] for i in range(0, len(_PART), _SHARD)]
_DIGESTS = [sha256(shard) for shard in _SHARDS]


class MemoryStore:
    """A blob store in memory that counts what is read."""

    def __init__(self, blobs: dict[bytes, bytes]) -> None:
        self.blobs = blobs
        self.reads = 0

    async def put(self, digest: bytes, data: bytes) -> None:
        self.blobs[digest] = data

    async def get(self, digest: bytes) -> bytes:
        self.reads += 1
        if digest not in self.blobs:
            raise BlobMissing(digest.hex())
        return self.blobs[digest]

    async def missing(self, digests: Sequence[bytes]) -> list[bytes]:
        return [digest for digest in digests if digest not in self.blobs]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(dict(zip(_DIGESTS, _SHARDS, strict=True)))


async def test_every_range_is_what_was_cut(store: MemoryStore) -> None:
    """Every start and size inside the part gives exactly those bytes."""
    for start in range(len(_PART) + 1):
        for size in range(len(_PART) - start + 1):
            assert _PART[start : start + size] == await read_range(store, _DIGESTS, _SHARD, start, size)


async def test_only_the_shards_of_the_range_are_read(store: MemoryStore) -> None:
    """A range inside two shards reads two."""
    await read_range(store, _DIGESTS, _SHARD, 15, 10)
    assert store.reads == 2


@pytest.mark.parametrize(("start", "size"), [(90, 6), (95, 1), (200, 1), (-1, 2), (0, -1)])
async def test_a_range_outside_the_part_is_refused(store: MemoryStore, start: int, size: int) -> None:
    """It is never answered with fewer bytes."""
    with pytest.raises(ValueError, match=r"range"):
        await read_range(store, _DIGESTS, _SHARD, start, size)


async def test_a_missing_shard_is_said(store: MemoryStore) -> None:
    """The store's error passes, at whichever place the shard is."""
    for lost in (1, 2, 3):
        blobs = {digest: data for digest, data in store.blobs.items() if digest != _DIGESTS[lost]}
        with pytest.raises(BlobMissing):
            await read_range(MemoryStore(blobs), _DIGESTS, _SHARD, 15, 25)


async def test_a_shard_of_a_wrong_size_is_said(store: MemoryStore) -> None:
    """A short shard in the middle would shift every later byte."""
    store.blobs[_DIGESTS[2]] = b"short"
    with pytest.raises(BlobCorrupt):
        await read_range(store, _DIGESTS, _SHARD, 15, 30)


async def test_a_reader_may_stop_early(store: MemoryStore) -> None:
    """A long range comes piece by piece; leaving after the first reads at most one more."""
    pieces = iterate_range(store, _DIGESTS, _SHARD, 5, 80)
    assert _PART[5:10] == await anext(pieces)
    await pieces.aclose()  # type: ignore[attr-defined]
    assert store.reads <= 2
