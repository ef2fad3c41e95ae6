"""Files of a log as c2sp.org/tlog-tiles lays them out: paths, tiles, entry bundles."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
HASH_SIZE_BYTES: Final = 32
CHECKPOINT_PATH: Final = "checkpoint"
ENTRIES: Final = "entries"

_LENGTH: Final = struct.Struct(">H")


def tile_path(level: int | str, number: int, width: int = TILE_WIDTH) -> str:
    """Path of tile `number` of `level` ("entries" for a bundle) with `width` (1 to 256) elements.

    `number` is cut into groups of three digits, all but the last with an x: 1234067 is x001/x234/067.
    """
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03d}")
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{suffix}"


def tiles_of(size: int) -> list[tuple[int, int, int]]:
    """Level, number and width of every hash tile of a log of `size` entries, lowest level first."""
    tiles: list[tuple[int, int, int]] = []
    level, count = 0, size
    while count:
        full, rest = divmod(count, TILE_WIDTH)
        tiles.extend((level, number, TILE_WIDTH) for number in range(full))
        if rest:
            tiles.append((level, full, rest))
        level, count = level + 1, full
    return tiles


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry behind its length (uint16 big-endian)."""
    return b"".join(_LENGTH.pack(len(entry)) + entry for entry in entries)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle; raises ValueError where it ends in the middle of one."""
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        if position + _LENGTH.size > len(data):
            raise ValueError("an entry bundle ends inside a length")
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        if position + length > len(data):
            raise ValueError("an entry bundle ends inside an entry")
        entries.append(data[position : position + length])
        position += length
    return entries


def split_hashes(data: bytes) -> list[bytes]:
    """The hashes of a tile; raises ValueError where its size is not a multiple of 32 bytes."""
    if len(data) % HASH_SIZE_BYTES:
        raise ValueError("a tile's size is not a multiple of 32 bytes")
    return [data[i : i + HASH_SIZE_BYTES] for i in range(0, len(data), HASH_SIZE_BYTES)]
