"""A range of a part as a file: the same bytes as reading it whole, at the cost of the shards that are touched."""

from __future__ import annotations

import asyncio
import os

import pytest

from cloud.errors import BlobMissing
from cloud.store.range_file import range_opener
from tests.cloud.store.test_part_ranges import _DIGESTS, _PART, _SHARD, MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    """Holds the part."""
    shards = [_PART[i : i + _SHARD] for i in range(0, len(_PART), _SHARD)]
    return MemoryStore(dict(zip(_DIGESTS, shards, strict=True)))


async def test_every_range_reads_as_it_was_cut(store: MemoryStore) -> None:
    """Whole, from any place, in pieces and from the end: the bytes of the range and no others."""

    def look(start: int, size: int) -> None:
        expected = _PART[start : start + size]
        with opener() as file:
            assert expected == file.read()
            assert b"" == file.read(1)
            assert size == file.seek(0, os.SEEK_END)
            for at in (0, size // 2, max(0, size - 1)):
                file.seek(at)
                assert expected[at : at + 13] == file.read(13)

    for start, size in ((0, 95), (0, 1), (7, 50), (10, 20), (94, 1), (13, 0)):
        opener = range_opener(store, _DIGESTS, _SHARD, start, size)
        await asyncio.to_thread(look, start, size)


async def test_a_range_outside_the_part_is_refused(store: MemoryStore) -> None:
    """It has no such bytes."""
    for start, size in ((0, 101), (100, 1), (-1, 5), (0, -1)):
        with pytest.raises(ValueError, match="range"):
            range_opener(store, _DIGESTS, _SHARD, start, size)


async def test_a_missing_shard_is_the_store_s_error(store: MemoryStore) -> None:
    """Reading says what the store says."""
    del store.blobs[_DIGESTS[3]]
    opener = range_opener(store, _DIGESTS, _SHARD, 0, 95)
    with pytest.raises(BlobMissing):
        await asyncio.to_thread(lambda: opener().read())
