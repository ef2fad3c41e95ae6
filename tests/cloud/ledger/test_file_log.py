"""Restart, crash, loss and damage of the file ledger."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.errors import LedgerBusy, LedgerDamaged
from cloud.ledger import rows
from cloud.ledger.file_log import FileLedger
from cloud.ledger.publisher import publish_until
from cloud.ledger.verify import check_log
from sonorelay.contract.merkle import consistency_holds
from sonorelay.contract.notes import Checkpoint, open_note

_FIRST = [f"first {n}".encode() for n in range(300)]


async def _with_300(site: Any) -> FileLedger:
    ledger: FileLedger = await site.start()
    await site.append(ledger, _FIRST)
    await ledger.publish()
    return ledger


def _published(site: Any, ledger: FileLedger) -> Checkpoint:
    text, _ = open_note((site.log / "checkpoint").read_bytes(), [ledger.verifier])
    return Checkpoint.parse(text)


async def test_a_new_log_publishes_its_empty_checkpoint(site: Any) -> None:
    """From the first moment readers find a signed checkpoint of size 0."""
    ledger = await site.start()
    assert _published(site, ledger).size == 0
    assert check_log(site.log, ledger.verifier).checkpoint.size == 0


async def test_a_restart_goes_on_where_it_was(site: Any) -> None:
    """The same log, the same indices, and old receipts stay true under the new checkpoints."""
    ledger = await _with_300(site)
    [receipt] = await ledger.prove([7])
    before = await ledger.checkpoint()
    again = await site.start()
    assert before == await again.checkpoint()
    assert await site.append(again, [b"next", _FIRST[7]]) == [300, 7]
    old = receipt.verify(_FIRST[7], again.verifier)
    text, _ = open_note(await again.checkpoint(), [again.verifier])
    new = Checkpoint.parse(text)
    path = await again.consistency(old.size, new.size)
    assert consistency_holds(old.size, old.root, new.size, new.root, path)


async def test_killed_between_commit_and_publish(site: Any) -> None:
    """What was committed but not published is in the files after the next start, and its receipt is true."""
    ledger = await _with_300(site)
    more = [f"more {n}".encode() for n in range(400)]
    await site.append(ledger, more)
    [receipt] = await ledger.prove([650])
    again = await site.start()
    assert _published(site, again).size == 700
    assert check_log(site.log, again.verifier).uncovered == ()
    signed = receipt.verify(more[350], again.verifier)
    assert signed == _published(site, again)


async def test_killed_while_publishing(site: Any) -> None:
    """Next tiles already written, a file half-written: the next start finishes the job."""
    ledger = await _with_300(site)
    old = (site.log / "checkpoint").read_bytes()
    await site.append(ledger, [f"more {n}".encode() for n in range(400)])
    await ledger.publish()
    site.kill()
    # As if the process had died just before the checkpoint; tlog-tiles lets a full tile replace a partial
    # one, which the log removes only after the checkpoint, so the old partial tile is still there.
    (site.log / "checkpoint").write_bytes(old)
    partial = site.log / "tile/0/001.p/44"
    partial.parent.mkdir(exist_ok=True)
    partial.write_bytes((site.log / "tile/0/001").read_bytes()[: 44 * 32])
    (site.log / "tile/0/002.p/188.0badcafe.tmp").write_bytes(b"half")
    again = await site.start()
    assert _published(site, again).size == 700
    assert check_log(site.log, again.verifier).uncovered == ()


async def test_lost_files_are_built_again_from_the_database(site: Any) -> None:
    """Without its public files the log is whole; it publishes the same checkpoint again, byte for byte."""
    await _with_300(site)
    before = (site.log / "checkpoint").read_bytes()
    site.kill()
    shutil.rmtree(site.log)
    again = await site.start()
    assert before == (site.log / "checkpoint").read_bytes()
    assert check_log(site.log, again.verifier).uncovered == ()


async def test_a_database_that_was_set_back_stops_the_server(site: Any) -> None:
    """If readers know a longer log than the database, going on would fork it."""
    ledger = await _with_300(site)
    site.kill()
    shutil.copy(site.database_path, site.folder / "backup.db")
    ledger = await site.start()
    await site.append(ledger, [b"later"])
    await ledger.publish()
    site.kill()
    shutil.copy(site.folder / "backup.db", site.database_path)
    with pytest.raises(LedgerDamaged, match="covers 301 entries, the database holds 300"):
        await site.start()


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/001.p/44", "tile/1/000.p/1"])
async def test_an_altered_file_at_the_edge_stops_the_server(site: Any, name: str) -> None:
    """Files that contradict the signed root are found when the log is opened."""
    await _with_300(site)
    site.kill()
    data = bytearray((site.log / name).read_bytes())
    data[20] ^= 1
    (site.log / name).write_bytes(data)
    with pytest.raises(LedgerDamaged):
        await site.start()


async def test_a_missing_edge_tile_stops_the_server(site: Any) -> None:
    """A checkpoint without its tiles is damage, and the message names the file."""
    await _with_300(site)
    site.kill()
    (site.log / "tile/0/001.p/44").unlink()
    with pytest.raises(LedgerDamaged, match=r"tile/0/001\.p/44"):
        await site.start()


async def test_an_altered_old_tile_gives_no_proof(site: Any) -> None:
    """A full tile is read when a proof needs it; altered, it raises instead of giving a wrong proof."""
    await _with_300(site)
    site.kill()
    data = bytearray((site.log / "tile/0/000").read_bytes())
    data[99] ^= 1
    (site.log / "tile/0/000").write_bytes(data)
    ledger = await site.start()
    with pytest.raises(LedgerDamaged, match="tile 0 of level 0"):
        await ledger.prove([17])


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger_entry WHERE ledger_index = 299",
        "UPDATE ledger_state SET root = zeroblob(32)",
        "UPDATE ledger_state SET size = 299",
        "UPDATE ledger_state SET verifier_key = 'other'",
        "DELETE FROM ledger_state",
    ],
)
async def test_an_altered_database_stops_the_server(site: Any, statement: str) -> None:
    """Row, entries, key and files must agree; the log is never begun anew over what is there."""
    await _with_300(site)
    site.kill()
    with sqlite3.connect(site.database_path) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(LedgerDamaged):
        await site.start()


async def test_an_altered_unpublished_entry_stops_the_server(site: Any) -> None:
    """The leaf hashes that continue the published log must give the root in the database."""
    ledger = await _with_300(site)
    await site.append(ledger, [b"unpublished"])
    site.kill()
    with sqlite3.connect(site.database_path) as connection:
        connection.execute("UPDATE ledger_entry SET leaf_hash = zeroblob(32) WHERE ledger_index = 300")
    connection.close()
    with pytest.raises(LedgerDamaged, match="do not continue"):
        await site.start()


async def test_an_altered_entry_is_not_handed_out(site: Any) -> None:
    """entry() checks the bytes against the tree."""
    ledger = await _with_300(site)
    with sqlite3.connect(site.database_path) as connection:
        connection.execute("UPDATE ledger_entry SET entry = x'00' WHERE ledger_index = 5")
    connection.close()
    with pytest.raises(LedgerDamaged, match="entry 5"):
        await ledger.entry(5)


async def test_another_key_is_refused(site: Any) -> None:
    """A log keeps the key it was created with."""
    await _with_300(site)
    other = FileLedger(site.log, site.database, site.ORIGIN, Ed25519PrivateKey.generate())
    with pytest.raises(LedgerDamaged, match="key"):
        await other.open()


async def test_a_log_is_not_created_twice(site: Any) -> None:
    """Neither over an existing row, nor in a folder that was published from, nor under another name."""
    await _with_300(site)
    key = Ed25519PrivateKey.generate()
    for folder, origin in (
        (site.log, "b"),
        (site.folder / "elsewhere", "b"),
        (site.folder / "x", site.ORIGIN),
    ):
        with pytest.raises(LedgerDamaged):
            await FileLedger(folder, site.database, origin, key).create()


async def test_a_lost_key_is_never_replaced(site: Any) -> None:
    """A log with entries and no key file stops the server."""
    await _with_300(site)
    site.kill()
    site.key.unlink()
    with pytest.raises(LedgerDamaged, match="missing"):
        await site.start()


async def test_a_first_start_that_was_killed_is_begun_again(site: Any) -> None:
    """Killed after the row was written but before the key was kept: nothing was signed yet, so begin anew."""
    upgrade(site.database_path)
    database = SqliteDatabase(site.database_path)
    await FileLedger(site.log, database, site.ORIGIN, Ed25519PrivateKey.generate()).create()
    database.close()
    ledger = await site.start()
    assert await site.append(ledger, [b"a"]) == [0]
    assert (await site.start()).verifier == ledger.verifier


async def test_a_lost_key_of_an_empty_log_is_not_replaced_either(site: Any) -> None:
    """Once a checkpoint was signed, even that of size 0, the log has its key for ever."""
    await site.start()
    site.kill()
    site.key.unlink()
    with pytest.raises(LedgerDamaged, match="published here already"):
        await site.start()


async def test_another_sequencer_in_between_is_busy(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the row moves between being read and swapped, nothing is appended and the caller comes back."""
    ledger = await _with_300(site)
    look = rows.known

    def other_moves_first(tx: Any, hashes: Any) -> dict[bytes, int]:
        tx.exec_driver_sql("UPDATE ledger_state SET size = size + 1")
        return look(tx, hashes)

    def work(tx: Any) -> list[int]:
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(rows, "known", other_moves_first)
            return ledger.append(tx, [b"new"])

    with pytest.raises(LedgerBusy) as caught:
        await site.database.write(work)
    assert caught.value.after_s > 0
    assert await site.append(ledger, [b"new"]) == [300]


async def test_the_publisher_publishes_while_running_and_at_its_end(site: Any) -> None:
    """What is committed reaches the files by itself, and the last of it when the server stops."""
    ledger = await site.start()
    stop = asyncio.Event()
    running = asyncio.create_task(publish_until(stop, ledger, interval_s=0.01))
    await site.append(ledger, [b"a"])
    async with asyncio.timeout(20):
        while _published(site, ledger).size < 1:
            await asyncio.sleep(0.01)
    stop.set()
    await running
    await site.append(ledger, [b"b"])
    await publish_until(stop, ledger)
    assert _published(site, ledger).size == 2


async def test_every_published_checkpoint_has_all_its_files(site: Any) -> None:
    """After each of many small publishes, across the border of a tile, the whole log verifies."""
    ledger = await site.start()
    for size in (1, 2, 254, 255, 256, 257, 300, 511, 512, 513):
        await site.append(ledger, [f"e{n}".encode() for n in range(size)])
        assert await ledger.publish() == size
        found = check_log(site.log, ledger.verifier)
        assert (found.checkpoint.size, found.uncovered) == (size, ())
    assert not (site.log / "tile/0/001.p").exists()
