"""Paths and bundles of c2sp.org/tlog-tiles."""

from __future__ import annotations

import pytest

from cloud.ledger.layout import decode_bundle, encode_bundle, split_hashes, tile_path, tiles_of


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (1, 999, 7, "tile/1/999.p/7"),
        ("entries", 1000, 1, "tile/entries/x001/000.p/1"),
    ],
)
def test_paths_of_the_specification(level: int | str, number: int, width: int, path: str) -> None:
    """Numbers are groups of three digits, all but the last with an x; partial tiles lie in .p."""
    assert path == tile_path(level, number, width)


def test_the_tiles_of_a_log() -> None:
    """The example of the specification: 70,000 entries have 274 tiles below, 2 above, 1 on top."""
    tiles = tiles_of(70_000)
    assert len([t for t in tiles if t[0] == 0]) == 274
    assert (0, 273, 112) in tiles
    assert [t for t in tiles if t[0] >= 1] == [(1, 0, 256), (1, 1, 17), (2, 0, 1)]


def test_bundles_come_back() -> None:
    """Each entry lies behind its big-endian length."""
    assert encode_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    entries = [b"x" * n for n in (1, 300, 1024)]
    assert entries == decode_bundle(encode_bundle(entries))


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x02a", b"\x00\x01ab"])
def test_a_cut_bundle_is_refused(data: bytes) -> None:
    """A bundle that ends inside a length or an entry is not guessed at."""
    with pytest.raises(ValueError, match="ends inside"):
        decode_bundle(data)


def test_a_cut_tile_is_refused() -> None:
    """Hashes have 32 bytes."""
    with pytest.raises(ValueError, match="multiple of 32"):
        split_hashes(b"x" * 33)
