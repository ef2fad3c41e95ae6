"""The log's Merkle tree: its right edge in memory, older tiles loaded when a proof needs them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.errors import LedgerDamaged
from cloud.ledger.layout import TILE_HEIGHT, TILE_WIDTH
from sonorelay.contract.merkle import EMPTY_ROOT, node_hash

_CACHE_TILES: Final = 512
"""Full tiles kept in memory, about 35 KB each with their inner nodes."""

LoadTile = Callable[[int, int, int], Sequence[bytes]]
"""Hashes of the tile (level, number, width) from the disk; raises LedgerDamaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """All that is needed to append to a tree and to know its root: a few hashes, never the tree."""

    size: int
    """Leaves in the tree."""
    peaks: tuple[bytes, ...]
    """Roots of its perfect subtrees, largest first, 32 bytes each: one per bit set in `size`."""

    def extended(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The frontier after these leaf hashes."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaf_hashes:
            node, carry = leaf, size
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size=size, peaks=tuple(peaks))

    def root(self) -> bytes:
        """The tree's root, 32 bytes (RFC 6962, 2.1)."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


class HashTile:
    """Up to 256 hashes of one level (row 0) with the nodes above them; row 8 has the root of a full tile."""

    __slots__ = ("rows",)

    def __init__(self, hashes: Iterable[bytes] = ()) -> None:
        self.rows: list[list[bytes]] = [[] for _ in range(TILE_HEIGHT + 1)]
        for value in hashes:
            self.push(value)

    def push(self, value: bytes) -> None:
        """Adds a hash on the right."""
        row = 0
        self.rows[0].append(value)
        while row < TILE_HEIGHT and len(self.rows[row]) % 2 == 0:
            left, right = self.rows[row][-2:]
            row += 1
            self.rows[row].append(node_hash(left, right))

    def __len__(self) -> int:
        return len(self.rows[0])

    def data(self) -> bytes:
        """The tile's file."""
        return b"".join(self.rows[0])


class TileTree:
    """A tree that only grows; proofs over any earlier size. Not safe for two threads at once.

    Full tiles wait in `unwritten` until the publisher has them on the disk and says `written`; then they
    come back through `load_tile`, each checked against the hash one level up before it is believed.
    """

    def __init__(self, load_tile: LoadTile) -> None:
        self._load_tile = load_tile
        self._edge: list[HashTile] = []
        self._cache: OrderedDict[tuple[int, int], HashTile] = OrderedDict()
        self.size = 0
        self.unwritten: dict[tuple[int, int], bytes] = {}

    @classmethod
    def restored(cls, size: int, load_tile: LoadTile) -> TileTree:
        """The tree of `size` leaves from the partial tiles at its right edge.

        The caller compares `root()` with a signed one: it depends on every hash that was loaded.
        """
        tree = cls(load_tile)
        tree.size = size
        level, count = 0, size
        while count:
            full, rest = divmod(count, TILE_WIDTH)
            tree._edge.append(HashTile(load_tile(level, full, rest) if rest else ()))
            level, count = level + 1, full
        return tree

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Appends leaf hashes (32 bytes each)."""
        for leaf in leaf_hashes:
            self._push(0, leaf)
            self.size += 1

    def _push(self, level: int, value: bytes) -> None:
        if level == len(self._edge):
            self._edge.append(HashTile())
        tile = self._edge[level]
        tile.push(value)
        if len(tile) == TILE_WIDTH:
            number = self.size >> (TILE_HEIGHT * (level + 1))
            self.unwritten[level, number] = tile.data()
            self._keep(level, number, tile)
            self._edge[level] = HashTile()
            self._push(level + 1, tile.rows[TILE_HEIGHT][0])

    def edge_tiles(self) -> list[tuple[int, int, bytes]]:
        """Level, number and bytes of the partial tiles at the right edge."""
        return [
            (level, self.size >> (TILE_HEIGHT * (level + 1)), tile.data())
            for level, tile in enumerate(self._edge)
            if len(tile)
        ]

    def written(self, tiles: Iterable[tuple[int, int]]) -> None:
        """These full tiles are on the disk now."""
        for key in tiles:
            self.unwritten.pop(key, None)

    def root(self, size: int | None = None) -> bytes:
        """Root over the first `size` leaves, or over all."""
        wanted = self.size if size is None else size
        return self.subtree(0, wanted) if wanted else EMPTY_ROOT

    def frontier(self) -> Frontier:
        """The frontier of the whole tree."""
        peaks: list[bytes] = []
        start = 0
        for bit in range(self.size.bit_length() - 1, -1, -1):
            if self.size >> bit & 1:
                peaks.append(self._node(bit, start >> bit))
                start += 1 << bit
        return Frontier(size=self.size, peaks=tuple(peaks))

    def subtree(self, lo: int, hi: int) -> bytes:
        """Hash over the leaves lo (inclusive) to hi (exclusive), as RFC 6962 splits them."""
        count = hi - lo
        if count & (count - 1) == 0 and lo % count == 0:
            return self._node(count.bit_length() - 1, lo // count)
        middle = lo + (1 << ((count - 1).bit_length() - 1))
        return node_hash(self.subtree(lo, middle), self.subtree(middle, hi))

    def leaf(self, index: int) -> bytes:
        """The leaf hash at `index`."""
        return self._node(0, index)

    def _node(self, height: int, index: int) -> bytes:
        """Root of the perfect subtree of 2^height leaves that begins at leaf index * 2^height."""
        level, row = divmod(height, TILE_HEIGHT)
        number, place = divmod(index << row, TILE_WIDTH)
        return self._tile(level, number).rows[row][place >> row]

    def _tile(self, level: int, number: int) -> HashTile:
        if number == self.size >> (TILE_HEIGHT * (level + 1)):
            return self._edge[level]
        tile = self._cache.get((level, number))
        if tile is not None:
            self._cache.move_to_end((level, number))
            return tile
        data = self.unwritten.get((level, number))
        if data is not None:
            tile = HashTile(data[i : i + 32] for i in range(0, len(data), 32))
        else:
            tile = HashTile(self._load_tile(level, number, TILE_WIDTH))
            if tile.rows[TILE_HEIGHT] != [self._node(TILE_HEIGHT * (level + 1), number)]:
                raise LedgerDamaged(f"tile {number} of level {level} was altered on the disk")
        self._keep(level, number, tile)
        return tile

    def _keep(self, level: int, number: int, tile: HashTile) -> None:
        self._cache[level, number] = tile
        while len(self._cache) > _CACHE_TILES:
            self._cache.popitem(last=False)
