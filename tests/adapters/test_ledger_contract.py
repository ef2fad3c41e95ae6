"""Contract of the ledger seam, run on every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from cloud.db import Database, Tx
from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.errors import LedgerIndexUnknown
from cloud.ledger import Ledger
from cloud.ledger.first_start import open_or_begin
from sonorelay.contract.merkle import consistency_holds
from sonorelay.contract.notes import Checkpoint, open_note

Opened = tuple[Database, Ledger]


@pytest.fixture(params=["file"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    upgrade(tmp_path / "state.db")
    database = SqliteDatabase(tmp_path / "state.db")
    yield database, await open_or_begin(tmp_path / "log", database, "site.example/log", tmp_path / "log.key")
    database.close()


async def _append(opened: Opened, entries: Sequence[bytes]) -> list[int]:
    database, ledger = opened
    return await database.write(lambda tx: ledger.append(tx, entries))


async def _signed(ledger: Ledger) -> Checkpoint:
    text, _ = open_note(await ledger.checkpoint(), [ledger.verifier])
    return Checkpoint.parse(text)


@pytest.mark.req("TX-07")
async def test_indices_count_from_zero_and_proofs_verify(opened: Opened) -> None:
    """Each entry gets the next index, and its receipt proves it against the log's signature alone."""
    _, ledger = opened
    entries = [f"block {n}".encode() for n in range(20)]
    assert list(range(20)) == await _append(opened, entries)
    for proof, entry in zip(await ledger.prove(range(20)), entries, strict=True):
        assert proof.verify(entry, ledger.verifier).size == 20
    assert entries == [await ledger.entry(n) for n in range(20)]
    assert entries[3:7] == await ledger.entries(3, 7)
    assert entries[18:] == await ledger.entries(18, 99)
    assert [] == await ledger.entries(20, 30)


async def test_the_same_entry_keeps_its_index(opened: Opened) -> None:
    """A repeat, in the same call, in a later one or beside new ones, adds nothing."""
    assert await _append(opened, [b"a", b"b", b"a"]) == [0, 1, 0]
    assert await _append(opened, [b"b"]) == [1]
    assert await _append(opened, [b"c", b"a", b"d"]) == [2, 0, 3]
    assert (await _signed(opened[1])).size == 4


async def test_an_undone_append_never_happened(opened: Opened) -> None:
    """Where the transaction is undone the index goes to the next entry, and only that one can be proved."""
    database, ledger = opened
    await _append(opened, [b"first"])

    def work(tx: Tx) -> None:
        assert ledger.append(tx, [b"undone"]) == [1]
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(work)
    assert (await _signed(ledger)).size == 1
    assert await _append(opened, [b"kept"]) == [1]
    [proof] = await ledger.prove([1])
    assert proof.verify(b"kept", ledger.verifier).size == 2


async def test_appends_at_once_get_different_indices(opened: Opened) -> None:
    """Many writers, some of which fail: the indices have no gap and every receipt verifies."""
    database, ledger = opened

    async def one(number: int) -> int:
        def work(tx: Tx) -> int:
            [index] = ledger.append(tx, [f"n{number}".encode()])
            if number % 5 == 0:
                raise LookupError
            return index

        index = await database.write(work)
        [proof] = await ledger.prove([index])
        proof.verify(f"n{number}".encode(), ledger.verifier)
        return index

    outcomes = await asyncio.gather(*(one(n) for n in range(100)), return_exceptions=True)
    assert list(range(80)) == sorted(o for o in outcomes if isinstance(o, int))
    assert [n % 5 == 0 for n in range(100)] == [isinstance(o, LookupError) for o in outcomes]


async def test_each_log_continues_the_earlier_ones(opened: Opened) -> None:
    """Consistency proofs hold between every two sizes."""
    _, ledger = opened
    roots = [(await _signed(ledger)).root]
    for n in range(40):
        await _append(opened, [str(n).encode()])
        roots.append((await _signed(ledger)).root)
    for new in range(41):
        for old in range(new + 1):
            path = await ledger.consistency(old, new)
            assert consistency_holds(old, roots[old], new, roots[new], path)


async def test_one_size_has_one_checkpoint(opened: Opened) -> None:
    """Asking twice without an append in between gives the same bytes."""
    _, ledger = opened
    await _append(opened, [b"a"])
    assert await ledger.checkpoint() == await ledger.checkpoint()


async def test_what_is_not_there_is_unknown(opened: Opened) -> None:
    """An index or size that the log has not reached is LedgerIndexUnknown."""
    _, ledger = opened
    await _append(opened, [b"a"])
    for index in (-1, 1):
        with pytest.raises(LedgerIndexUnknown):
            await ledger.prove([index])
        with pytest.raises(LedgerIndexUnknown):
            await ledger.entry(index)
    for sizes in ((0, 2), (1, 0), (-1, 1)):
        with pytest.raises(LedgerIndexUnknown):
            await ledger.consistency(*sizes)


@pytest.mark.parametrize("entry", [b"", b"x" * 1025], ids=["empty", "too long"])
async def test_an_entry_has_1_to_1024_bytes(opened: Opened, entry: bytes) -> None:
    """Others are refused and leave nothing."""
    with pytest.raises(ValueError, match="1 to 1024"):
        await _append(opened, [b"good", entry])
    assert (await _signed(opened[1])).size == 0
    assert await _append(opened, [b"x" * 1024]) == [0]
