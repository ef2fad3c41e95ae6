"""Files of the spool: durable writing, shredding, recovery at start, ownership of the folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.build import build_spool
from edge_agent.config import Config
from edge_agent.errors import ConfigInvalid
from edge_agent.items import CaptureState
from edge_agent.link.identity import load_signer
from edge_agent.spool import files, recovery, schema
from edge_agent.spool.files import Folders
from edge_agent.spool.owner import Bell, OwnerLock, ring
from edge_agent.spool.records import SeenCheckpoint
from edge_agent.spool.spool import Spool
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.bench_parts import arrival, data_files


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = build_spool(Config(data=tmp_path / "data", free_min_bytes=0))
    yield made
    made.close()


def finish(spool: Spool, capture_id: str) -> None:
    spool.done(
        spool.get_known(capture_id),
        receipts=b"",
        ledger_indices=(0,),
        seen=SeenCheckpoint(size=1, root=b"\0" * 32),
        steps_ms={},
    )


def make_old(path: Path) -> None:
    os.utime(path, (1.0, 1.0))


def test_write_leaves_the_new_file_or_the_old_one(tmp_path: Path) -> None:
    """A write replaces whole files; a failure leaves the old one and no temporary."""
    path = tmp_path / "file"
    files.write(path, b"old")
    files.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write(tmp_path / "folder", b"x")
    assert data_files(tmp_path) == ["file"]


def test_shred_overwrites_before_it_unlinks(tmp_path: Path) -> None:
    """The blocks are zero: another name of the same file shows it."""
    path, other = tmp_path / "raw", tmp_path / "other"
    path.write_bytes(b"patient" * 300_000)
    os.link(path, other)
    files.shred(path)
    assert not path.exists()
    assert other.read_bytes() == bytes(2_100_000)
    files.shred(path)


def test_sweep_shreds_what_is_done_and_keeps_what_is_not(spool: Spool) -> None:
    """A crash between the receipt and the shredding: the next start shreds."""
    done, waiting = (spool.keep(arrival(spool, name.encode(), name)) for name in "ab")
    finish(spool, done)
    swept = recovery.sweep(spool, 0.0)
    assert data_files(spool.folders.raw) == [waiting]
    assert swept.tidied == 2


def test_sweep_honours_the_sites_retention(spool: Spool) -> None:
    """keep_raw_days: raw bytes stay for that long after the receipt."""
    done = spool.keep(arrival(spool, b"x"))
    finish(spool, done)
    recovery.sweep(spool, 3600.0)
    assert data_files(spool.folders.raw) == [done]


def test_sweep_quarantines_what_was_refused(spool: Spool) -> None:
    """A crash between the refusal and its quarantine: the next start finishes it."""
    refused = spool.keep(arrival(spool, b"x"))
    spool.set_aside(spool.get_known(refused), CaptureState.REFUSED, EdgeReason.BLANK, "", {})
    os.rename(spool.folders.quarantine / f"{refused}.bin", spool.folders.raw / refused)
    recovery.sweep(spool, 0.0)
    assert data_files(spool.folders.quarantine) == [f"{refused}.bin", f"{refused}.json"]
    assert data_files(spool.folders.raw) == []


def test_sweep_finds_a_copy_under_its_old_name(spool: Spool) -> None:
    """A power cut may undo the rename though the row survived: the copy is found by the row."""
    copy = arrival(spool, b"x")
    capture_id = spool.keep(copy)
    os.rename(spool.folders.raw / capture_id, copy.copy_path)
    assert recovery.sweep(spool, 0.0).found == 1
    assert (spool.folders.raw / capture_id).read_bytes() == b"x"


def test_a_lost_copy_is_taken_again_from_its_sender(spool: Spool) -> None:
    """Where neither name survived, the sender was not told "ok": the file comes again and fills the row."""
    capture_id = spool.keep(arrival(spool, b"x", "a"))
    (spool.folders.raw / capture_id).unlink()
    assert spool.keep(arrival(spool, b"x", "a")) == capture_id
    assert (spool.folders.raw / capture_id).read_bytes() == b"x"


def test_sweep_shreds_old_copies_without_a_row_and_leaves_young_ones(spool: Spool) -> None:
    """A copy that nobody has taken over is patient data without an owner; a young one may have an owner."""
    old, young = arrival(spool, b"old").copy_path, arrival(spool, b"young").copy_path
    orphan = spool.folders.raw / ("0" * 36)
    orphan.write_bytes(b"orphan")
    make_old(old)
    make_old(orphan)
    assert recovery.sweep(spool, 0.0).shredded == 2
    assert data_files(spool.incoming) == [young.name]
    assert data_files(spool.folders.raw) == []


@pytest.mark.req("TX-03")
def test_rerun_takes_a_refused_capture_through_the_line_again(spool: Spool) -> None:
    """After a change of the rules a refused capture can run again; its saved bytes no longer count."""
    refused = spool.keep(arrival(spool, b"x"))
    spool.set_aside(spool.get_known(refused), CaptureState.REFUSED, EdgeReason.BLANK, "", {})
    again = spool.rerun(refused)
    assert (again.state, again.reason, again.saved_bytes) == (CaptureState.CAPTURED, None, 0)
    assert (spool.folders.raw / refused).read_bytes() == b"x"
    with pytest.raises(ValueError, match="only refused, held or failed"):
        spool.rerun(refused)
    with pytest.raises(KeyError):
        spool.rerun("nothing")


def test_only_held_captures_are_released(spool: Spool) -> None:
    """Release means that a person has looked; a refused capture is not released but re-run."""
    refused = spool.keep(arrival(spool, b"x"))
    spool.set_aside(spool.get_known(refused), CaptureState.REFUSED, EdgeReason.BLANK, "", {})
    with pytest.raises(ValueError, match="only a held capture"):
        spool.release(refused)


def test_a_spool_of_another_version_is_not_touched(tmp_path: Path) -> None:
    """user_version says what the file is; an unknown one is an error that says what to do."""
    config = Config(data=tmp_path / "data", free_min_bytes=0)
    build_spool(config).close()
    engine = schema.open_engine(tmp_path / "data" / "spool.sqlite3", writer=True)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 99")
        connection.commit()
    engine.dispose()
    with pytest.raises(ConfigInvalid, match="version 99"):
        build_spool(config)


def test_every_transaction_is_synced(spool: Spool) -> None:
    """SQLite runs with WAL and synchronous=FULL (2): a commit survives a power cut."""
    modes = spool.read(
        lambda tx: [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    )
    assert modes == ["wal", 2]


def test_one_agent_owns_a_data_folder(tmp_path: Path) -> None:
    """A second agent on the folder is told so."""
    with (
        OwnerLock(tmp_path / "lock"),
        pytest.raises(ConfigInvalid, match="already runs"),
        OwnerLock(tmp_path / "lock"),
    ):
        pass
    with OwnerLock(tmp_path / "lock"):
        pass


def test_the_bell_wakes_at_once_and_is_silent_without_an_agent(tmp_path: Path) -> None:
    """Another process rings, the agent hears; rings are never lost nor do they block."""
    path = tmp_path / "bell"
    assert not ring(path)
    bell = Bell(path)
    heard: list[bool | None] = []
    thread = threading.Thread(target=lambda: heard.append(bell.wait(30.0)))
    thread.start()
    assert ring(path)
    thread.join(10)
    assert heard == [True]
    assert bell.wait(0.0) is False
    for _ in range(70_000):  # More than the pipe holds.
        ring(path)
    bell.stop()
    assert bell.wait(30.0) is None
    bell.close()
    assert not ring(path)


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    """The device key and the site's secret are 0600, survive a restart, and name the device."""
    folders = Folders(data=tmp_path)
    folders.create()
    first = load_signer(folders, "")
    assert str(first.verifier) == str(load_signer(folders, "").verifier)
    assert first.verifier.name.startswith("edge-")
    assert load_signer(folders, "room-1").verifier.name == "room-1"
    assert [p.stat().st_mode & 0o777 for p in sorted(folders.keys.iterdir())] == [0o600, 0o600]
    assert len((folders.keys / "site.secret").read_bytes()) == 32
    (folders.keys / "device.key").chmod(0o644)
    with pytest.raises(ConfigInvalid, match="chmod 600"):
        load_signer(folders, "")
