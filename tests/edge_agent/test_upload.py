"""Step 7: every call broken two ways, nacks, receipts, given-up uploads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from edge_agent.items import CaptureState
from edge_agent.spool import queries
from sonorelay.contract.reasons import WireReason
from tests.edge_agent.agent_bench import Bench
from tests.edge_agent.bench_parts import arrival, data_files, until
from tests.edge_agent.fake_cloud import refuse


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.stop()
    made.cloud.stop()


@pytest.mark.req("TX-09")
@pytest.mark.parametrize("call", ["PreNotify", "OpenUpload", "Commit", "GetCheckpoint"])
@pytest.mark.parametrize("way", ["failed, not done", "done, answer lost"])
def test_every_call_may_break_in_both_ways(bench: Bench, call: str, way: str) -> None:
    """A call that fails is repeated, whether or not the cloud had done it: the effect is exactly once."""
    broken: list[str] = []

    def break_once(context: grpc.ServicerContext) -> None:
        if not broken:
            broken.append(call)
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken by the test")

    hooks = bench.cloud.before if way == "failed, not done" else bench.cloud.after
    hooks[call] = break_once
    if call == "GetCheckpoint":
        bench.cloud.before[call] = break_once
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"x" * 300_000))
    bench.wait_state(capture_id, CaptureState.DONE)
    until(lambda: agent.all_sent)
    assert broken == [call]
    assert bench.cloud.committed_captures() == [capture_id]
    assert len(bench.cloud.log.entries) == 1
    assert bench.cloud.shards_stored == 2
    assert list(bench.cloud.announced) == [capture_id]


@pytest.mark.req("TX-09")
def test_a_lost_stream_goes_on_where_it_was(bench: Bench) -> None:
    """After the loss of the stream only the shards that are missing go again."""
    cut: list[bool] = []

    def cut_once(context: grpc.ServicerContext) -> None:
        if len(bench.cloud.fragment_sizes) >= 5 and not cut:
            cut.append(True)
            context.abort(grpc.StatusCode.UNAVAILABLE, "cut by the test")

    bench.cloud.before["Fragment"] = cut_once
    agent = bench.start()
    data = bytes(range(256)) * 8192
    capture_id = agent.spool.keep(arrival(agent.spool, data))
    bench.wait_state(capture_id, CaptureState.DONE)
    assert cut
    assert "FindMissing" in bench.cloud.calls
    assert bench.cloud.shards_stored == 9  # 2 MiB and the sub-file's head: no shard twice.
    assert bench.cloud.part_bytes(capture_id).endswith(data)


def test_given_up_uploads_are_failed_and_sent_when_the_cloud_answers_again(bench: Bench) -> None:
    """After N tries a capture is failed, with alarm; it is not forgotten."""
    bench.config = replace(bench.config, attempts_max=2)
    bench.cloud.before["OpenUpload"] = lambda c: c.abort(grpc.StatusCode.INTERNAL, "internal error, trace 1")
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"picture"))
    failed = bench.wait_state(capture_id, CaptureState.FAILED)
    assert (failed.attempts, failed.last_error) == (2, "open upload: INTERNAL")
    assert failed.next_try_time is not None
    assert failed.next_try_time > datetime.now(UTC) + timedelta(minutes=50)
    assert '"alarm"' in bench.log.getvalue()
    del bench.cloud.before["OpenUpload"]
    agent.spool.keep(arrival(agent.spool, b"another picture"))
    bench.wait_state(capture_id, CaptureState.DONE)


def test_waiting_is_as_long_as_the_cloud_asks(bench: Bench) -> None:
    """STORE_FULL with RetryInfo: tried again after that time, nothing lost."""
    asked: list[bool] = []

    def full_twice(context: grpc.ServicerContext) -> None:
        if len(asked) < 2:
            asked.append(True)
            refuse(context, WireReason.STORE_FULL, 0.05)

    bench.cloud.before["OpenUpload"] = full_twice
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"picture"))
    bench.wait_state(capture_id, CaptureState.DONE)
    assert len(asked) == 2


def test_an_upload_that_the_cloud_forgot_is_opened_again(bench: Bench) -> None:
    """UPLOAD_UNKNOWN at commit: open again, at once."""
    forgotten: list[bool] = []

    def forget_once(context: grpc.ServicerContext) -> None:
        if not forgotten:
            forgotten.append(True)
            bench.cloud.uploads.clear()

    bench.cloud.before["Commit"] = forget_once
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"picture"))
    bench.wait_state(capture_id, CaptureState.DONE)
    assert bench.cloud.calls.count("OpenUpload") == 2
    assert bench.capture(capture_id).attempts == 0


def test_an_unknown_device_stops_and_calls_a_person(bench: Bench) -> None:
    """DEVICE_UNKNOWN: nothing is lost, an alarm says what to do."""

    def after_the_first_word(context: grpc.ServicerContext) -> None:
        # It is answered; an answer after the refusal would say that the cloud takes calls again.
        until(lambda: not agent.spool.read(lambda tx: queries.words_due(tx, 1)))
        refuse(context, WireReason.DEVICE_UNKNOWN)

    bench.cloud.before["OpenUpload"] = after_the_first_word
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"picture"))
    until(lambda: "ask IT" in agent.link_problem)
    until(lambda: bench.capture(capture_id).attempts == 1)
    assert bench.capture(capture_id).state is CaptureState.SHARDED
    assert "ask IT" in bench.log.getvalue()


def test_what_the_cloud_refuses_is_held_and_kept(bench: Bench) -> None:
    """IMAGE_TOO_LARGE from the cloud: held, raw bytes stay, a person decides."""
    bench.cloud.before["OpenUpload"] = lambda c: refuse(c, WireReason.IMAGE_TOO_LARGE)
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"picture"))
    held = bench.wait_state(capture_id, CaptureState.HELD)
    assert (held.reason, held.detail) == ("CLOUD_REFUSED", "IMAGE_TOO_LARGE")
    assert data_files(agent.spool.folders.raw) == [capture_id]
    del bench.cloud.before["OpenUpload"]
    agent.spool.rerun(capture_id)
    bench.wait_state(capture_id, CaptureState.DONE)


@pytest.mark.parametrize("spoiled", ["block", "index", "proof", "missing"])
def test_a_receipt_that_does_not_verify_deletes_nothing(bench: Bench, spoiled: str) -> None:
    """RECEIPT_INVALID: held, raw bytes and sub-files stay."""

    def spoil(answer: object) -> None:
        receipts = answer.receipts  # type: ignore[attr-defined]
        if spoiled == "block":
            receipts[0].block = receipts[0].block[:-2] + b"x\n"
        elif spoiled == "index":
            receipts[0].ledger_index += 1
        elif spoiled == "proof":
            bench.cloud.log.entries[0] = b"another entry"
            receipts[0].tlog_proof = bench.cloud.log.prove(0)
        else:
            del receipts[:]

    bench.cloud.spoil = spoil
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"picture"))
    held = bench.wait_state(capture_id, CaptureState.HELD)
    assert held.reason == "RECEIPT_INVALID"
    assert data_files(agent.spool.folders.raw) == [capture_id]
    assert (agent.spool.folders.work / capture_id / "part-0.sub").exists()
    assert not data_files(agent.spool.folders.receipts)


def test_a_log_that_was_set_back_is_noticed(bench: Bench) -> None:
    """A checkpoint smaller than one seen before is a rollback: the receipt does not count."""
    agent = bench.start()
    for n in range(3):
        bench.wait_state(agent.spool.keep(arrival(agent.spool, b"%d" % n, f"{n}")), CaptureState.DONE)
    bench.cloud.log.entries.clear()
    capture_id = agent.spool.keep(arrival(agent.spool, b"after"))
    held = bench.wait_state(capture_id, CaptureState.HELD)
    assert (held.reason, held.detail) == ("RECEIPT_INVALID", "the log is smaller than it was")


def test_the_first_log_key_is_pinned(bench: Bench) -> None:
    """Another log key later, even after a restart, does not count."""
    agent = bench.start()
    bench.wait_state(agent.spool.keep(arrival(agent.spool, b"first")), CaptureState.DONE)
    bench.stop()
    entries = bench.cloud.log.entries
    bench.cloud.log = type(bench.cloud.log)()
    bench.cloud.log.entries = entries
    agent = bench.start()
    held = bench.wait_state(agent.spool.keep(arrival(agent.spool, b"second", "2")), CaptureState.HELD)
    assert held.reason == "RECEIPT_INVALID"


def test_a_shard_refused_once_goes_once_more(bench: Bench) -> None:
    """SHARD_DIGEST_MISMATCH: the own copy is hashed again, the shard sent once more."""
    bench.cloud.nack_next = [WireReason.SHARD_DIGEST_MISMATCH]
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"x" * 300_000))
    bench.wait_state(capture_id, CaptureState.DONE)
    assert bench.cloud.shards_stored == 2


def test_a_shard_refused_again_and_again_fails_the_part(bench: Bench) -> None:
    """After three resends the capture is held as SHARDS_REFUSED."""
    bench.cloud.nack_next = [WireReason.SHARD_DIGEST_MISMATCH] * 4
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"picture"))
    held = bench.wait_state(capture_id, CaptureState.HELD)
    assert (held.reason, held.detail) == ("SHARDS_REFUSED", "part 0, shard 0")
    assert bench.cloud.nack_next == []


def test_a_damaged_sub_file_is_made_again(bench: Bench) -> None:
    """Where the own copy has changed, steps 3 to 6 repeat from the raw bytes, with the same manifest."""
    bench.cloud.stop()
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"picture"))
    first = bench.wait_state(capture_id, CaptureState.SHARDED)
    path = agent.spool.folders.work / capture_id / "part-0.sub"
    path.write_bytes(b"y" * path.stat().st_size)
    bench.cloud.start()
    done = bench.wait_state(capture_id, CaptureState.DONE)
    assert bench.cloud.part_bytes(capture_id).endswith(b"picture")
    assert len(bench.preparer.requests) == 2
    assert first.manifest is not None
    assert done.manifest is not None


def test_stills_go_before_batches(bench: Bench) -> None:
    """A still that comes while a batch waits is committed before the rest of the batch."""
    bench.config = replace(bench.config, upload_threads=1)
    bench.cloud.stop()
    agent = bench.start()
    batch = [
        agent.spool.keep(arrival(agent.spool, b"b%d" % n, f"{n}", input_name="batch", label="ward"))
        for n in range(4)
    ]
    until(lambda: all(bench.capture(i).state is CaptureState.SHARDED for i in batch))
    still = agent.spool.keep(arrival(agent.spool, b"still", "still"))
    bench.wait_state(still, CaptureState.SHARDED)
    bench.stop()
    bench.cloud.start()
    agent = bench.start()
    until(lambda: agent.all_sent)
    assert bench.cloud.committed_captures()[0] == still
