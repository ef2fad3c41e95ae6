"""The promises of Intake, on the spool that keeps them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from edge_agent.build import build_spool
from edge_agent.capture import Intake
from edge_agent.config import Config
from edge_agent.errors import SpoolFull
from edge_agent.items import CaptureState, Rejection
from edge_agent.spool import queries
from edge_agent.spool.spool import Spool
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.bench_parts import arrival, data_files

OpenSpool = Callable[[], Spool]


@pytest.fixture
def open_spool(tmp_path: Path) -> Iterator[OpenSpool]:
    opened: list[Spool] = []

    def open_one() -> Spool:
        opened.append(build_spool(Config(data=tmp_path / "data", free_min_bytes=0)))
        return opened[-1]

    yield open_one
    for spool in opened:
        spool.close()


def everything(spool: Spool) -> list[tuple[str, str | None]]:
    return [(c.state.value, c.reason) for c in spool.read(queries.captures)]


def test_what_was_kept_is_there_for_another_process(open_spool: OpenSpool) -> None:
    """When keep returns, row and bytes are durable: another connection sees both."""
    first: Intake = open_spool()
    copy = arrival(first, b"bytes", "näme.png")
    capture_id = first.keep(copy)
    second = open_spool()
    capture = second.get_known(capture_id)
    assert (capture.state, capture.source_name, capture.sha256) == (
        CaptureState.CAPTURED,
        "näme.png",
        copy.sha256,
    )
    assert (second.folders.raw / capture_id).read_bytes() == b"bytes"
    assert not copy.copy_path.exists()
    assert capture.notify_due


def test_the_same_name_and_bytes_twice_is_one_capture(open_spool: OpenSpool) -> None:
    """A file that is handed in again, because its sender was not told "ok", is not a second capture."""
    spool = open_spool()
    first = spool.keep(arrival(spool, b"bytes", "a"))
    assert spool.keep(arrival(spool, b"bytes", "a")) == first
    assert everything(spool) == [("captured", None)]
    assert data_files(spool.folders.raw) == [first]
    assert data_files(spool.incoming) == []


def test_the_same_bytes_under_another_name_are_a_quiet_duplicate(open_spool: OpenSpool) -> None:
    """Identity is the content hash: a duplicate is recorded, points to the first, and is neither stored nor sent."""
    spool = open_spool()
    first = spool.keep(arrival(spool, b"bytes", "a"))
    second = spool.keep(arrival(spool, b"bytes", "b"))
    duplicate = spool.get_known(second)
    assert (duplicate.state, duplicate.reason) == (CaptureState.REFUSED, "DUPLICATE")
    assert (duplicate.duplicate_of, duplicate.saved_bytes) == (first, 5)
    assert not duplicate.notify_due
    assert not duplicate.withdraw_due
    assert data_files(spool.folders.raw) == [first]
    assert data_files(spool.folders.quarantine) == []
    assert spool.keep(arrival(spool, b"bytes", "b")) == second


def test_another_input_may_bring_the_same_bytes(open_spool: OpenSpool) -> None:
    """A batch order of images that were printed before is an order, not a duplicate."""
    spool = open_spool()
    spool.keep(arrival(spool, b"bytes", "a"))
    spool.keep(arrival(spool, b"bytes", "a", input_name="batch", label="ward"))
    assert everything(spool) == [("captured", None), ("captured", None)]


def test_many_threads_and_two_processes_worth_of_spools_keep_each_file_once(open_spool: OpenSpool) -> None:
    """Concurrent keeps through two spools on one folder: each bytes one capture, nothing lost."""
    spools = [open_spool(), open_spool()]
    files = [(spools[n % 2], b"%d" % (n // 4)) for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda f: f[0].keep(arrival(f[0], f[1], "same")), files))
    assert len(set(ids)) == 10
    assert everything(spools[0]) == [("captured", None)] * 10
    assert len(data_files(spools[0].folders.raw)) == 10


def test_names_that_are_no_text_are_kept_as_they_are(open_spool: OpenSpool) -> None:
    """A name that is not UTF-8 goes in and comes out the same."""
    spool = open_spool()
    name = os.fsdecode(b"\xff\xfe print.png")
    assert spool.get_known(spool.keep(arrival(spool, b"x", name))).source_name == name


def test_a_rejection_keeps_bytes_and_note_and_owes_both_words(open_spool: OpenSpool) -> None:
    """What cannot become a capture lies in quarantine with its reason; the same again is one row."""
    spool = open_spool()

    def rejection() -> Rejection:
        copy = arrival(spool, b"half", "half.png")
        return Rejection(
            input_name="folder",
            source_name="half.png",
            reason=EdgeReason.TRUNCATED,
            copy_path=copy.copy_path,
            sha256=copy.sha256,
            size_bytes=4,
        )

    capture_id = spool.refuse(rejection())
    assert spool.refuse(rejection()) == capture_id
    capture = spool.get_known(capture_id)
    assert (capture.notify_due, capture.withdraw_due, capture.saved_bytes) == (True, True, 4)
    assert (spool.folders.quarantine / f"{capture_id}.bin").read_bytes() == b"half"
    note = json.loads((spool.folders.quarantine / f"{capture_id}.json").read_text())
    assert (note["reason"], note["source_name"]) == ("TRUNCATED", "half.png")
    assert data_files(spool.incoming) == []
    whole = spool.keep(arrival(spool, b"half", "half.png"))
    assert spool.get_known(whole).state is CaptureState.CAPTURED


def test_a_rejection_without_bytes(open_spool: OpenSpool) -> None:
    """A link or pipe has no bytes: it is noted, and a re-run says that there is nothing to run."""
    spool = open_spool()
    rejection = Rejection(
        input_name="folder",
        source_name="pipe",
        reason=EdgeReason.NOT_A_REGULAR_FILE,
        copy_path=None,
        sha256=None,
        size_bytes=0,
    )
    capture_id = spool.refuse(rejection)
    assert spool.refuse(rejection) == capture_id
    with pytest.raises(ValueError, match="no bytes were kept"):
        spool.rerun(capture_id)


def test_a_full_disk_is_said_and_the_copy_stays_the_inputs(tmp_path: Path) -> None:
    """Below the watermark: SpoolFull, nothing changed."""
    free = [10]
    spool = build_spool(Config(data=tmp_path / "data", free_min_bytes=8), free_bytes=lambda _: free[0])
    try:
        copy = arrival(spool, b"abc")
        with pytest.raises(SpoolFull) as full:
            spool.keep(copy)
        assert full.value.after_s == 5.0
        assert copy.copy_path.exists()
        assert everything(spool) == []
    finally:
        spool.close()


def test_a_database_that_is_full_is_said_and_leaves_nothing(open_spool: OpenSpool) -> None:
    """SQLite refuses the row: SpoolFull, no raw bytes without a row."""
    spool = open_spool()
    pages = spool.read(lambda tx: tx.exec_driver_sql("PRAGMA page_count").scalar_one())
    copy = arrival(spool, b"x", "n" * 100_000)
    spool._journal.move(lambda tx: tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}").close())
    with pytest.raises(SpoolFull):
        spool.keep(copy)
    assert data_files(spool.folders.raw) == []


def test_listeners_hear_of_captures_and_hints(open_spool: OpenSpool) -> None:
    """keep wakes the line, expect warms the sandbox; a duplicate wakes nobody."""
    spool = open_spool()
    heard: list[str] = []
    spool.listen(on_change=lambda: heard.append("change"), on_expect=lambda: heard.append("expect"))
    spool.expect()
    spool.keep(arrival(spool, b"x", "a"))
    spool.keep(arrival(spool, b"x", "b"))
    assert heard == ["expect", "change"]


def test_words_said_are_not_due_any_more(open_spool: OpenSpool) -> None:
    """The flags are durable and independent."""
    spool = open_spool()
    capture_id = spool.keep(arrival(spool, b"x"))
    assert [c.capture_id for c in spool.read(lambda tx: queries.words_due(tx, 9))] == [capture_id]
    assert spool.read(lambda tx: queries.words_due(tx, 9, {capture_id})) == []
    spool.words_said(notified=[capture_id], withdrawn=[])
    assert spool.read(lambda tx: queries.words_due(tx, 9)) == []


def test_a_failing_move_does_not_take_its_neighbours_along(open_spool: OpenSpool) -> None:
    """Moves share a transaction, but each is all or nothing by itself."""
    spool = open_spool()
    good = [spool.keep(arrival(spool, b"%d" % n, str(n))) for n in range(3)]

    def wrong(tx: sa.Connection) -> None:
        tx.execute(sa.text("UPDATE capture SET detail = 'half' "))
        tx.execute(sa.text("INSERT INTO nowhere VALUES (1)"))

    moves = [spool._journal.submit(wrong) for _ in range(3)]
    spool.words_said(notified=good, withdrawn=[])
    assert all(isinstance(move.exception(), sa.exc.OperationalError) for move in moves)
    assert [(c.detail, c.notify_due) for c in spool.read(queries.captures)] == [("", False)] * 3


def test_received_time_survives_to_the_microsecond(open_spool: OpenSpool) -> None:
    """Times go in aware and come out aware and equal."""
    spool = open_spool()
    copy = arrival(spool, b"x")
    kept = spool.get_known(spool.keep(copy)).received_time
    assert kept == copy.received_time
    assert kept.tzinfo is UTC
    assert kept <= datetime.now(UTC)
