"""Rows of the log in the database: the sequencer's one row, and the entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import ledger_entry, ledger_state
from cloud.errors import LedgerDamaged
from cloud.ledger.files import TileKey, bundle_key
from cloud.ledger.layout import TILE_WIDTH, encode_bundle
from sonorelay.contract.merkle import EMPTY_ROOT

BUNDLES_AT_ONCE: Final = 16
"""Entry bundles that one query reads."""

_ROWS_AT_ONCE: Final = 4096


_STATE: Final = Prepared(
    sa.select(ledger_state.c.size, ledger_state.c.root, ledger_state.c.verifier_key).where(
        ledger_state.c.origin == sa.bindparam("of_origin")
    )
)
_MOVE: Final = Prepared(
    sa.update(ledger_state)
    .where(
        ledger_state.c.origin == sa.bindparam("of_origin"), ledger_state.c.size == sa.bindparam("from_size")
    )
    .values(size=sa.bindparam("to_size"), root=sa.bindparam("to_root"))
)
_INSERT: Final = prepared.insert(ledger_entry, "ledger_index", "entry", "leaf_hash")
_KNOWN: Final = Prepared(
    sa.select(ledger_entry.c.ledger_index).where(ledger_entry.c.leaf_hash == sa.bindparam("hash"))
)
_BETWEEN: Final = sa.and_(
    ledger_entry.c.ledger_index >= sa.bindparam("lo"), ledger_entry.c.ledger_index < sa.bindparam("hi")
)
_LEAF_HASHES: Final = Prepared(
    sa.select(ledger_entry.c.leaf_hash).where(_BETWEEN).order_by(ledger_entry.c.ledger_index)
)
_ENTRIES: Final = Prepared(
    sa.select(ledger_entry.c.entry).where(_BETWEEN).order_by(ledger_entry.c.ledger_index)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencerRow:
    """How far a log has come; whoever moves it on compares and swaps `size`."""

    size: int
    """Entries in the log."""
    root: bytes
    """Merkle root over them, 32 bytes."""
    verifier_key: str
    """Key that the log was created with."""


def state(tx: Tx, origin: str) -> SequencerRow | None:
    """The sequencer's row of the log `origin`, None where there is none."""
    row = _STATE.first(tx, {"of_origin": origin})
    return None if row is None else SequencerRow(size=row.size, root=row.root, verifier_key=row.verifier_key)


def require_state(tx: Tx, origin: str) -> SequencerRow:
    """As `state`; raises LedgerDamaged where there is none."""
    found = state(tx, origin)
    if found is None:
        raise LedgerDamaged("the database holds no log of this origin; a log is never begun silently")
    return found


def create(tx: Tx, origin: str, verifier_key: str) -> None:
    """Begins a log of size 0."""
    values = {"origin": origin, "size": 0, "root": EMPTY_ROOT, "verifier_key": verifier_key}
    tx.execute(sa.insert(ledger_state).values(values))


def insert(tx: Tx, first: int, new: Sequence[tuple[bytes, bytes]]) -> None:
    """Adds entries and their leaf hashes, from index `first` on."""
    _INSERT.run_many(
        tx,
        [
            {"ledger_index": first + i, "entry": entry, "leaf_hash": leaf}
            for i, (entry, leaf) in enumerate(new)
        ],
    )


def move_on(tx: Tx, origin: str, from_size: int, to_size: int, to_root: bytes) -> bool:
    """Compares and swaps the log's size; False where it is no longer `from_size`."""
    values = {"of_origin": origin, "from_size": from_size, "to_size": to_size, "to_root": to_root}
    return _MOVE.run(tx, values) == 1


def entry(tx: Tx, index: int) -> bytes:
    """The entry at `index`, which must exist."""
    found: bytes = _ENTRIES.one(tx, {"lo": index, "hi": index + 1}).entry
    return found


def entries(tx: Tx, first: int, end: int) -> list[bytes]:
    """The entries `first` up to `end`, without it; fewer where there are not so many."""
    return [row.entry for row in _ENTRIES.all(tx, {"lo": first, "hi": end})]


def next_index(tx: Tx) -> int:
    """One more than the last entry's index."""
    last = tx.execute(sa.select(sa.func.max(ledger_entry.c.ledger_index))).scalar_one()
    return 0 if last is None else int(last) + 1


def known(tx: Tx, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """Indices of those leaf hashes that the log has."""
    found = ((digest, _KNOWN.first(tx, {"hash": digest})) for digest in hashes)
    return {digest: row.ledger_index for digest, row in found if row is not None}


def leaf_hashes(tx: Tx, start: int, end: int) -> Iterator[list[bytes]]:
    """Leaf hashes start (inclusive) to end (exclusive), some at a time.

    Raises LedgerDamaged where one is missing.
    """
    for lo in range(start, end, _ROWS_AT_ONCE):
        hi = min(lo + _ROWS_AT_ONCE, end)
        hashes = [row.leaf_hash for row in _LEAF_HASHES.all(tx, {"lo": lo, "hi": hi})]
        if len(hashes) != hi - lo:
            raise LedgerDamaged(f"entries between {lo} and {hi} are missing in the database")
        yield hashes


def bundles_from(number: int, size: int) -> Callable[[Tx], dict[TileKey, bytes]]:
    """Reads some entry bundles, from bundle `number` on, of a log of `size` entries."""
    lo = number * TILE_WIDTH
    hi = min(size, lo + BUNDLES_AT_ONCE * TILE_WIDTH)

    def work(tx: Tx) -> dict[TileKey, bytes]:
        entries = [row.entry for row in _ENTRIES.all(tx, {"lo": lo, "hi": hi})]
        return {
            bundle_key((lo + i) // TILE_WIDTH, len(entries[i : i + TILE_WIDTH])): encode_bundle(
                entries[i : i + TILE_WIDTH]
            )
            for i in range(0, len(entries), TILE_WIDTH)
        }

    return work
