"""Accounts: the audit's chain, its anchors in the ledger, and the command that checks both."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
from io import StringIO
from pathlib import Path

import pytest

from cloud.accounts import command
from cloud.accounts.anchor import HEADER, Anchors
from cloud.accounts.audit import Act, ChainBroken, Search, append, check_chain, head
from cloud.accounts.errors import Refusal
from cloud.accounts.roles import Role
from cloud.db import Tx
from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.db.times import utc_now
from cloud.ledger.file_log import FileLedger
from cloud.ledger.first_start import open_or_begin
from cloud.ledger.keys import load_key
from cloud.log import make_log
from sonorelay.contract.notes import Signer
from tests.cloud.accounts.conftest import ADDRESS, Site
from tests.cloud.accounts.test_sign_in import reason

ORIGIN = "test.example/log"


class Folder:
    """A data folder with an audit and a ledger."""

    def __init__(self, path: Path) -> None:
        self.path = path
        upgrade(path / "state.db")
        self.database = SqliteDatabase(path / "state.db")
        self.ledger: FileLedger

    async def open(self) -> None:
        """Begins or takes up the log."""
        key = self.path / "log.key"
        self.ledger = await open_or_begin(self.path / "ledger", self.database, ORIGIN, key)
        signer = Signer(ORIGIN, load_key(key))
        self.anchors = Anchors(self.database, self.ledger, signer, make_log(StringIO()), interval_s=0.02)

    async def add(self, count: int) -> None:
        """Adds rows."""

        def work(tx: Tx) -> None:
            for number in range(count):
                append(
                    tx,
                    Act.IMAGE_LOOK,
                    time=utc_now(),
                    actor="user:ada",
                    origin=ADDRESS,
                    object_id=f"i{number}",
                )

        await self.database.write(work)

    def verify(self, *more: str) -> int:
        """The command's exit code."""
        return command.main(["audit", "verify", "--data", str(self.path), *more])

    def alter(self, sql: str) -> None:
        """Somebody with the file and SQLite."""
        with sqlite3.connect(self.path / "state.db") as db:
            db.execute(sql)
        db.close()

    def make_anew(self, keep: int | None = None) -> None:
        """Somebody who knows how rows are chained writes the whole audit again, with another actor."""
        with self.database.begin() as tx:
            rows = list(check_chain(tx))[:keep]
            tx.exec_driver_sql("DELETE FROM audit_entry")
            for row in rows:
                append(
                    tx,
                    Act(row.act),
                    time=row.time,
                    actor="user:eve",
                    origin=row.origin,
                    object_id=row.object_id,
                )


@pytest.fixture
async def folder(tmp_path: Path) -> Folder:
    """Five rows, an anchor over them, two more rows; the log's files are published."""
    made = Folder(tmp_path)
    await made.open()
    await made.add(5)
    await made.anchors.anchor()
    await made.add(2)
    await made.ledger.publish()
    return made


async def test_a_whole_audit_is_found_whole(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says how many rows there are and how many an anchor covers."""
    code = await asyncio.to_thread(folder.verify)
    assert 0 == code
    said = capsys.readouterr().out
    assert "7 rows" in said
    assert "up to 5" in said
    folder.database.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_entry SET actor = 'user:eve' WHERE number = 3",
        "UPDATE audit_entry SET entry_time = '2026-01-01 00:00:00.000000' WHERE number = 7",
        "UPDATE audit_entry SET outcome = 'NOT_PERMITTED' WHERE number = 1",
        "UPDATE audit_entry SET object_id = NULL WHERE number = 2",
        "UPDATE audit_entry SET digest = zeroblob(32) WHERE number = 7",
        "DELETE FROM audit_entry WHERE number = 4",
        "DELETE FROM audit_entry WHERE number = 1",
        "DELETE FROM audit_entry WHERE number >= 5",
        "DELETE FROM audit_entry",
        "UPDATE audit_entry SET number = 9 WHERE number = 7",
    ],
)
async def test_what_is_altered_is_found(folder: Folder, sql: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Any change of a row, a row left out, and an end cut off below the anchor."""
    folder.alter(sql)
    assert 1 == await asyncio.to_thread(folder.verify)
    assert "sonorelay-cloud:" in capsys.readouterr().err
    folder.database.close()


async def test_rows_made_anew_contradict_the_anchor(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """A chain that fits by itself but is not the one that the ledger holds."""
    folder.make_anew()
    with folder.database.begin() as tx:
        assert 7 == len(list(check_chain(tx)))
    assert 1 == await asyncio.to_thread(folder.verify)
    assert "made anew" in capsys.readouterr().err
    folder.database.close()


async def test_a_copy_of_the_log_that_somebody_kept_is_enough(folder: Folder, tmp_path: Path) -> None:
    """Against the anchors of a copy with the log's key; another key is refused."""
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "ledger", copy)
    key = str(folder.ledger.verifier)
    assert 0 == await asyncio.to_thread(folder.verify, "--log", str(copy), "--log-key", key)
    for path in copy.rglob("*"):
        if path.is_file() and HEADER.encode() in path.read_bytes():
            path.write_bytes(path.read_bytes().replace(b"rows 5", b"rows 4"))
    assert 1 == await asyncio.to_thread(folder.verify, "--log", str(copy), "--log-key", key)
    folder.database.close()


async def test_the_same_head_is_anchored_once(folder: Folder) -> None:
    """Where nothing was added since, an anchor adds nothing to the ledger; a stop anchors what is left."""
    size = await folder.ledger.publish()
    running = asyncio.ensure_future(folder.anchors.run())
    await asyncio.sleep(0.2)
    assert size + 1 == await folder.ledger.publish()
    await folder.add(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert size + 2 == await folder.ledger.publish()
    assert 0 == await asyncio.to_thread(folder.verify)
    entry = (await folder.ledger.entry(size + 1)).decode()
    last = await folder.database.read(head)
    assert last is not None
    assert f"{HEADER}\nrows 8\nhead {last.digest.hex()}\n" in entry
    folder.database.close()


async def test_an_empty_audit_has_no_anchor(tmp_path: Path) -> None:
    """Nothing is entered for nothing, and nothing is found wrong."""
    made = Folder(tmp_path)
    await made.open()
    await made.anchors.anchor()
    assert 0 == await made.ledger.publish()
    assert 0 == await asyncio.to_thread(made.verify)
    made.database.close()


async def test_the_chain_is_what_its_description_says(site: Site) -> None:
    """SHA-256 over the digest before and the row as JSON: said once more, by hand, for the first two rows."""
    await site.first()
    first, second = (await site.audit())[:2]
    before = bytes(32)
    for row in (first, second):
        time = row.time.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
        fields = [row.number, time, row.actor, row.act, row.object_id, row.origin, row.outcome]
        text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256(before + text.encode()).digest()
        assert before == row.digest
    assert ["first_administrator", "sign_in"] == [first.act, second.act]


async def test_looks_within_a_minute_are_one_look(site: Site) -> None:
    """A still and its heat map are one look; after a minute, at another object or place it is another."""
    ada = await site.first()
    looks = site.accounts.looks
    for seconds, thing in ((0, "a"), (10, "a"), (10, "b"), (39, "a"), (1, "a")):
        site.clock.forward(seconds=seconds)
        await looks.note(ada.principal, Act.IMAGE_LOOK, thing)
    assert ["a", "b", "a"] == [row.object_id for row in await site.audit(act="image_look")]
    await asyncio.gather(*(looks.note(ada.principal, Act.IMAGE_LOOK, "c") for _ in range(5)))
    assert ["a", "b", "a", "c"] == [row.object_id for row in await site.audit(act="image_look")]


async def test_the_search_narrows_and_is_itself_in_the_audit(site: Site) -> None:
    """By beginning of a name, act, object, outcome, and page by page; no pattern gets through."""
    ada = await site.first()
    await site.user(ada, "bob")
    await reason(site.sign_in("bob", "wrong"))
    await site.sign_in("bob")
    assert {"user:bob"} == {row.actor for row in await site.audit(actor="bo")}
    assert [] == await site.audit(actor="b%")
    assert [Refusal.SIGN_IN_WRONG.value] == [row.outcome for row in await site.audit(refused=True)]
    assert {"done"} == {row.outcome for row in await site.audit(refused=False)}
    everything = await site.audit()
    assert everything[:3] == await site.audit(before=4)
    found = await site.accounts.looks.search(ada.principal, Search(), 5)
    assert "audit_look" == found[0].act


async def test_tokens_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a folder that is not there yet: made, shown once, listed without its value, revoked."""
    data = tmp_path / "new"

    async def run(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(command.main, ["tokens", *arguments, "--data", str(data)])
        said = capsys.readouterr()
        return code, (said.out + said.err).strip()

    code, value = await run("create", "--role", "researcher", "--name", "bench", "--days", "2")
    assert (0, True) == (code, value.startswith("srt_"))
    assert 0o600 == (data / "state.db").stat().st_mode & 0o777
    assert 0o700 == data.stat().st_mode & 0o777
    _, listed = await run("list")
    assert value not in listed
    token_id = listed.split()[0]
    assert ("researcher", "valid") == tuple(listed.split()[1:3])
    assert (0, "") == await run("revoke", token_id)
    assert "not valid" in (await run("list"))[1]
    assert 1 == (await run("create", "--role", Role.IT.value, "--name", "no good name"))[0]


def test_a_broken_chain_names_the_row(tmp_path: Path) -> None:
    """The first row that does not fit is named."""
    upgrade(tmp_path / "state.db")
    database = SqliteDatabase(tmp_path / "state.db")
    for _ in range(3):
        with database.begin() as tx:
            append(tx, Act.LOCK, time=utc_now(), actor="a", origin="b")
    with database.begin() as tx:
        tx.exec_driver_sql("UPDATE audit_entry SET actor = 'c' WHERE number = 2")
        with pytest.raises(ChainBroken, match="row 2"):
            list(check_chain(tx))
    database.close()
