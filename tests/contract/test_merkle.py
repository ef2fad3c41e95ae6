"""Contract: Merkle trees of RFC 6962."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from sonorelay.contract import merkle

# RFC 6962 test vectors as published with the certificate-transparency reference implementation.
ENTRIES = [bytes.fromhex(h) for h in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOT_OF_EIGHT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]


def subtree(lo: int, hi: int) -> bytes:
    """Hash of LEAVES[lo:hi]."""
    return merkle.root_of_hashes(LEAVES[lo:hi])


def test_root_is_the_published_one() -> None:
    """The root over the reference entries is the published one; of none it is SHA-256 of nothing."""
    assert ROOT_OF_EIGHT == subtree(0, 8).hex()
    assert hashlib.sha256(b"").digest() == merkle.root_of_hashes([])


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=40))
def test_root_equals_an_independent_implementation(entries: list[bytes]) -> None:
    """An implementation that is not ours gives the same root."""
    tree = InmemoryTree(algorithm="sha256")
    for entry in entries:
        tree.append_entry(entry)
    assert tree.get_state() == merkle.root_of_hashes([merkle.leaf_hash(e) for e in entries])


@pytest.mark.parametrize("size", range(1, 9))
def test_every_inclusion_proof_verifies_and_no_other_leaf_does(size: int) -> None:
    """A path proves its own leaf only, at its own index only."""
    for index in range(size):
        path = merkle.inclusion_path(index, size, subtree)
        assert subtree(0, size) == merkle.root_from_inclusion(index, size, LEAVES[index], path)
        for other in set(range(8)) - {index}:
            assert subtree(0, size) != merkle.root_from_inclusion(index, size, LEAVES[other], path)
        with pytest.raises(ValueError, match="too long"):
            merkle.root_from_inclusion(index, size, LEAVES[index], [*path, LEAVES[0]])


@given(st.data())
def test_consistency_holds_exactly_for_a_beginning(data: st.DataObject) -> None:
    """A proof shows that the old tree begins the new one; with any hash altered it does not."""
    leaves = [merkle.leaf_hash(bytes([i])) for i in range(data.draw(st.integers(2, 70)))]
    new_size = len(leaves)
    old_size = data.draw(st.integers(1, new_size - 1))

    def sub(lo: int, hi: int) -> bytes:
        return merkle.root_of_hashes(leaves[lo:hi])

    path = merkle.consistency_path(old_size, new_size, sub)
    old_root, new_root = sub(0, old_size), sub(0, new_size)
    assert merkle.consistency_holds(old_size, old_root, new_size, new_root, path)
    assert not merkle.consistency_holds(old_size, sub(1, old_size + 1), new_size, new_root, path)
    place = data.draw(st.integers(0, len(path) - 1))
    altered = [*path[:place], bytes(32), *path[place + 1 :]]
    assert not merkle.consistency_holds(old_size, old_root, new_size, new_root, altered)
    assert not merkle.consistency_holds(old_size, old_root, new_size, new_root, path[:-1])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_an_index_outside_the_tree_is_refused(index: int, size: int) -> None:
    """Proofs exist only for leaves of the tree."""
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion_path(index, size, subtree)
