"""Part of step 9: a range of a part as a seekable file, for what is too large to hold and is read in places."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final, cast

from cloud.errors import BlobCorrupt
from cloud.store import BlobStore

_BUFFER_BYTES: Final = 64 * 1024


def range_opener(
    store: BlobStore, shard_digests: Sequence[bytes], shard_size_bytes: int, start_bytes: int, size_bytes: int
) -> Callable[[], BinaryIO]:
    """Gives what opens `read_range`'s bytes as a file for threads other than the one that calls here.

    Only shards that are read are fetched, each checked against its digest; one at a time is held. Raises
    ValueError where the range is not inside the part; reading raises the errors of `BlobStore.get`.
    """
    if shard_size_bytes <= 0 or start_bytes < 0 or size_bytes < 0:
        raise ValueError("a range and a shard size are not negative")
    if start_bytes + size_bytes > shard_size_bytes * len(shard_digests):
        raise ValueError("the range ends behind the part")
    loop = asyncio.get_running_loop()

    def shard(index: int) -> bytes:
        fetched = asyncio.run_coroutine_threadsafe(store.get(shard_digests[index]), loop).result()
        if index < len(shard_digests) - 1 and len(fetched) != shard_size_bytes:
            raise BlobCorrupt(f"shard {index} has {len(fetched)} bytes, not {shard_size_bytes}")
        return fetched

    def open_range() -> BinaryIO:
        raw = _RangeFile(shard, shard_size_bytes, start_bytes, size_bytes)
        return cast(BinaryIO, io.BufferedReader(raw, _BUFFER_BYTES))

    return open_range


def open_range_of_files(
    shards: Sequence[Path], shard_size_bytes: int, start_bytes: int, size_bytes: int
) -> BinaryIO:
    """As `range_opener` opens it, where the shards are files of this machine; their digests are not checked again."""
    raw = _RangeFile(lambda index: shards[index].read_bytes(), shard_size_bytes, start_bytes, size_bytes)
    return cast(BinaryIO, io.BufferedReader(raw, _BUFFER_BYTES))


class _RangeFile(io.RawIOBase):
    """The bytes between two places of a part."""

    name = "range of a part"
    """Some readers ask every buffered file for its name."""

    def __init__(self, shard: Callable[[int], bytes], shard_size_bytes: int, start: int, size: int) -> None:
        self._shard = shard
        self._shard_size_bytes = shard_size_bytes
        self._start, self._size, self._at = start, size, 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a file has no place before its beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any buffer is given as memoryview
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        index, offset = divmod(self._start + self._at, self._shard_size_bytes)
        if self._held[0] != index:
            self._held = (index, self._shard(index))
        piece = self._held[1][offset : offset + wanted]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
