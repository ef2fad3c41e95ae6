"""The tree against RFC 6962, an independent implementation, and itself."""

from __future__ import annotations

import pytest
from pymerkle import InmemoryTree  # type: ignore[import-untyped]

from cloud.errors import LedgerDamaged
from cloud.ledger.layout import tiles_of
from cloud.ledger.tree import Frontier, TileTree
from sonorelay.contract.merkle import (
    EMPTY_ROOT,
    consistency_holds,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_from_inclusion,
    root_of_hashes,
)

# The reference test tree of Certificate Transparency: eight entries and the root after each.
_ENTRIES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def _no_disk(level: int, number: int, width: int) -> list[bytes]:
    raise LedgerDamaged(f"tile {level}/{number}/{width} was not expected to be read")


class Disk:
    """Tiles of a whole log, kept in memory."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.tiles: dict[tuple[int, int, int], list[bytes]] = {}
        hashes, level = leaves, 0
        while hashes:
            for lo in range(0, len(hashes), 256):
                self.tiles[level, lo // 256, len(hashes[lo : lo + 256])] = hashes[lo : lo + 256]
            full = len(hashes) // 256
            hashes = [root_of_hashes(hashes[n * 256 : (n + 1) * 256]) for n in range(full)]
            level += 1

    def load(self, level: int, number: int, width: int) -> list[bytes]:
        return self.tiles[level, number, width]


def _leaves(count: int) -> list[bytes]:
    return [leaf_hash(n.to_bytes(4, "big")) for n in range(count)]


def test_reference_roots_of_rfc_6962() -> None:
    """Roots after each of the reference entries, by tree and by frontier."""
    tree, frontier = TileTree(_no_disk), Frontier(size=0, peaks=())
    assert EMPTY_ROOT == tree.root() == frontier.root()
    for entry, root in zip(_ENTRIES, _ROOTS, strict=True):
        leaf = leaf_hash(bytes.fromhex(entry))
        tree.extend([leaf])
        frontier = frontier.extended([leaf])
        assert root == tree.root().hex() == frontier.root().hex()
        assert frontier == tree.frontier()


def test_roots_agree_with_an_independent_implementation() -> None:
    """pymerkle gives the same root at every size to 700: across two borders of tiles."""
    theirs, tree = InmemoryTree(algorithm="sha256"), TileTree(_no_disk)
    for n in range(700):
        theirs.append_entry(n.to_bytes(4, "big"))
        tree.extend([leaf_hash(n.to_bytes(4, "big"))])
        if n % 7 == 0 or n % 256 in (254, 255, 0, 1):
            assert theirs.get_state() == tree.root()


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 65535, 65536, 65537, 66000])
def test_a_tree_restored_from_tiles_is_the_same_tree(size: int) -> None:
    """From the tiles on disk: same root, same frontier, same growth, valid proofs of old and new entries."""
    leaves = _leaves(size + 300)
    disk = Disk(leaves[:size])
    assert set(disk.tiles) == set(tiles_of(size))
    tree = TileTree.restored(size, disk.load)
    root = root_of_hashes(leaves[:size])
    assert root == tree.root()
    assert tree.frontier() == Frontier(size=0, peaks=()).extended(leaves[:size])
    for index in {0, size // 2, size - 1}:
        path = inclusion_path(index, size, tree.subtree)
        assert root == root_from_inclusion(index, size, leaves[index], path)
    tree.extend(leaves[size:])
    grown = root_of_hashes(leaves)
    assert grown == tree.root()
    assert root == tree.root(size)
    assert consistency_holds(
        size, root, len(leaves), grown, consistency_path(size, len(leaves), tree.subtree)
    )


def test_full_tiles_wait_until_they_are_written() -> None:
    """A full tile is handed out for writing and is read back from the disk only after `written`."""
    leaves = _leaves(600)
    disk = Disk(leaves)
    tree = TileTree(_no_disk)
    tree.extend(leaves)
    assert set(tree.unwritten) == {(0, 0), (0, 1)}
    assert b"".join(disk.tiles[0, 1, 256]) == tree.unwritten[0, 1]
    assert [(level, number, len(data) // 32) for level, number, data in tree.edge_tiles()] == [
        (0, 2, 88),
        (1, 0, 2),
    ]
    tree.written([(0, 0), (0, 1)])
    assert tree.unwritten == {}


def test_an_altered_tile_is_never_believed() -> None:
    """A full tile that does not fit the hash above it is LedgerDamaged, not a wrong proof."""
    leaves = _leaves(700)
    disk = Disk(leaves)
    tree = TileTree.restored(700, disk.load)
    disk.tiles[0, 0, 256] = [*disk.tiles[0, 0, 256][:5], b"\0" * 32, *disk.tiles[0, 0, 256][6:]]
    with pytest.raises(LedgerDamaged, match="tile 0 of level 0"):
        tree.leaf(3)
    assert leaves[300] == tree.leaf(300)
