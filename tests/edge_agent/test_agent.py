"""The agent as a whole against a real gRPC cloud in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from edge_agent.build import utc_now
from edge_agent.errors import SpoolFull
from edge_agent.items import CaptureState
from edge_agent.spool import queries
from sonorelay.agent.v1.agent_service_pb2 import Result
from sonorelay.contract.notes import Proof
from tests.edge_agent.agent_bench import Bench
from tests.edge_agent.bench_parts import arrival, data_files, until


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.stop()
    made.cloud.stop()


def test_a_print_becomes_done_with_a_verified_receipt_and_nothing_raw_remains(bench: Bench) -> None:
    """Step 10's receipt is verified and durable first; then, and only then, raw bytes and work files go."""
    agent = bench.start()
    data = b"picture" * 100_000
    capture_id = agent.spool.keep(arrival(agent.spool, data))
    done = bench.wait_state(capture_id, CaptureState.DONE)
    until(lambda: agent.all_sent)
    assert done.ledger_indices == (0,)
    assert bench.cloud.part_bytes(capture_id).endswith(data)
    assert not data_files(agent.spool.folders.raw)
    assert not list(agent.spool.folders.work.iterdir())
    proof = Proof.parse((agent.spool.folders.receipts / f"{capture_id}.0.txt").read_bytes())
    block = bench.cloud.log.entries[0]
    assert proof.verify(block, bench.cloud.log.signer.verifier).size == 1
    assert {"capture", "filter", "de-identify", "split by type", "shard + hash", "upload"} == set(
        done.steps_ms
    )
    assert capture_id in bench.cloud.announced


def test_parts_by_type_are_separate_blocks(bench: Bench) -> None:
    """A capture with two types becomes two parts, each with its own block and receipt (TX-05, TX-07)."""
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"two" + b"x" * 300_000))
    done = bench.wait_state(capture_id, CaptureState.DONE)
    assert done.ledger_indices == (0, 1)
    assert data_files(agent.spool.folders.receipts) == [f"{capture_id}.0.txt", f"{capture_id}.1.txt"]


@pytest.mark.req("TX-03")
def test_a_refused_print_goes_to_quarantine_and_is_withdrawn(bench: Bench) -> None:
    """A refusal keeps bytes and note, counts the saved bytes, and the cloud hears of it."""
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"refuse this", "name.png"))
    refused = bench.wait_state(capture_id, CaptureState.REFUSED)
    until(lambda: agent.all_sent)
    assert (refused.reason, refused.saved_bytes) == ("BLANK", 11)
    quarantine = agent.spool.folders.quarantine
    assert (quarantine / f"{capture_id}.bin").read_bytes() == b"refuse this"
    assert json.loads((quarantine / f"{capture_id}.json").read_text())["source_name"] == "name.png"
    assert bench.cloud.withdrawn[capture_id].reason == "BLANK"
    assert not bench.cloud.withdrawn[capture_id].held
    assert not bench.cloud.uploads


def test_a_held_print_goes_on_when_a_person_releases_it(bench: Bench) -> None:
    """Held is never sent; released, it is sent with its pixels as they are."""
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"hold this"))
    bench.wait_state(capture_id, CaptureState.HELD)
    until(lambda: capture_id in bench.cloud.withdrawn)
    assert bench.cloud.withdrawn[capture_id].held
    assert not bench.cloud.uploads
    agent.spool.release(capture_id)
    bench.wait_state(capture_id, CaptureState.DONE)
    assert bench.preparer.requests[-1].pixels == "trusted"


@pytest.mark.parametrize("way", ["failed, not done", "done, answer lost"])
def test_a_withdrawal_may_break_in_both_ways(bench: Bench, way: str) -> None:
    """A withdrawal that fails is repeated until the cloud has answered it."""
    broken: list[bool] = []

    def break_once(context: grpc.ServicerContext) -> None:
        if not broken:
            broken.append(True)
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken by the test")

    (bench.cloud.before if way == "failed, not done" else bench.cloud.after)["Withdraw"] = break_once
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"refuse"))
    until(lambda: agent.all_sent and capture_id in bench.cloud.withdrawn)
    assert broken
    assert bench.cloud.calls.count("Withdraw") == 2


@pytest.mark.req("TX-09")
def test_an_image_dropped_while_the_network_is_down_is_sent_when_it_is_back(bench: Bench) -> None:
    """Without network everything waits in the spool, announced late, sent once."""
    bench.cloud.stop()
    agent = bench.start()
    ids = [agent.spool.keep(arrival(agent.spool, b"%d" % n * 1000, f"{n}.png")) for n in range(5)]
    until(lambda: any(bench.capture(i).attempts > 0 for i in ids) or bool(agent.link_problem))
    assert not bench.cloud.announced
    bench.cloud.start()
    until(lambda: agent.all_sent)
    assert sorted(bench.cloud.committed_captures()) == sorted(ids)
    assert sorted(bench.cloud.announced) == sorted(ids)
    assert agent.link_problem == ""


def test_a_clock_an_hour_off_changes_nothing(bench: Bench) -> None:
    """Neither an hour ahead nor a jump back of two hours delays or loses an image."""
    bench.cloud.stop()
    offset = [timedelta(hours=1)]
    agent = bench.start(now=lambda: utc_now() + offset[0])
    first = agent.spool.keep(arrival(agent.spool, b"first", "1"))
    until(lambda: bench.capture(first).attempts > 0 or bool(agent.link_problem))
    offset[0] = timedelta(hours=-1)
    second = agent.spool.keep(arrival(agent.spool, b"second", "2"))
    bench.cloud.start()
    bench.wait_state(first, CaptureState.DONE)
    bench.wait_state(second, CaptureState.DONE)


def test_a_full_disk_tells_the_sender_to_wait(bench: Bench) -> None:
    """Below the watermark nothing is taken in, and nothing that was taken is lost."""
    bench.config = replace(bench.config, free_min_bytes=1000)
    free = [100_000]
    agent = bench.start(free_bytes=lambda _: free[0])
    first = agent.spool.keep(arrival(agent.spool, b"first"))
    free[0] = 1003
    copy = arrival(agent.spool, b"second", "2")
    with pytest.raises(SpoolFull):
        agent.spool.keep(copy)
    assert copy.copy_path.exists()
    bench.wait_state(first, CaptureState.DONE)
    free[0] = 100_000
    bench.wait_state(agent.spool.keep(copy), CaptureState.DONE)


@pytest.mark.req("TX-09")
def test_an_agent_that_starts_again_goes_on(bench: Bench) -> None:
    """What was captured under one agent is sent by the next one on the same data folder."""
    bench.cloud.stop()
    agent = bench.start()
    capture_id = agent.spool.keep(arrival(agent.spool, b"picture"))
    bench.stop()
    bench.cloud.start()
    agent = bench.start()
    bench.wait_state(capture_id, CaptureState.DONE)
    until(lambda: agent.all_sent)
    assert bench.cloud.committed_captures() == [capture_id]


def test_results_come_back_once_and_survive_a_restart(bench: Bench) -> None:
    """The cursor is stored with the result: nothing is missed, nothing comes twice."""
    bench.cloud.results.append(
        Result(capture_id="c-1", image_id="i-1", reading_json='{"plane": "brain"}', ok=True)
    )
    agent = bench.start()
    folder = agent.spool.folders.results
    until(lambda: data_files(folder) == ["c-1.i-1.json"])
    stored = json.loads((folder / "c-1.i-1.json").read_text())
    assert stored["reading"] == {"plane": "brain"}
    assert stored["notice"] == "research use, not for diagnosis"
    until(lambda: agent.spool.read(queries.results_cursor) == 1)
    bench.stop()
    (folder / "c-1.i-1.json").unlink()
    bench.cloud.results.append(
        Result(capture_id="c-1", image_id="i-2", reading_json="", ok=False, reason="X")
    )
    agent = bench.start()
    until(lambda: agent.spool.read(queries.results_cursor) == 2)
    assert data_files(folder) == ["c-1.i-2.json"]


def test_a_cloud_that_was_set_back_is_read_from_the_beginning(bench: Bench) -> None:
    """CURSOR_INVALID: the cursor starts again at 0; results replace themselves."""
    agent = bench.start()
    agent.spool.save_result(None, 7)
    bench.stop()
    bench.cloud.results.append(Result(capture_id="c", image_id="i", reading_json="{}", ok=True))
    agent = bench.start()
    until(lambda: data_files(agent.spool.folders.results) == ["c.i.json"])
    until(lambda: agent.spool.read(queries.results_cursor) == 1)
