"""The one upload stream: priorities between fragments, credit, loss, end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from edge_agent.errors import RetryLater
from edge_agent.link.faults import LinkDown
from edge_agent.link.stream import Load, ShardStream
from sonorelay.contract.reasons import WireReason
from sonorelay.ingest.v1 import ingest_service_pb2 as ingest


class Wire:
    """A cloud's end of the stream in this process: acknowledges a fragment when the test says so."""

    def __init__(self, requests: Iterator[ingest.PutShardsRequest]) -> None:
        self.requests = requests
        self.may_answer = threading.Semaphore(0)
        self.seen: list[ingest.Fragment] = []
        self.cancelled = threading.Event()
        self.drain = False

    def cancel(self) -> None:
        self.cancelled.set()
        self.may_answer.release(1000)

    def __iter__(self) -> Iterator[ingest.PutShardsResponse]:
        received = 0
        for request in self.requests:
            fragment = request.fragment
            self.seen.append(fragment)
            self.may_answer.acquire()
            if self.cancelled.is_set():
                return
            received += len(fragment.data)
            answer = ingest.PutShardsResponse(received_bytes=received, drain=self.drain)
            if fragment.data.endswith(b"!"):
                answer.durable.append(
                    ingest.DurableShards(
                        session_id=fragment.session_id,
                        part_index=fragment.part_index,
                        shard_indices=[fragment.shard_index],
                    )
                )
            if fragment.data.endswith(b"?"):
                answer.nacks.append(
                    ingest.Nack(session_id=fragment.session_id, reason="SHARD_DIGEST_MISMATCH")
                )
            yield answer


class Bench:
    """A stream on wires of this process."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.stream = ShardStream(self._open, time.monotonic)
        self.outcomes: dict[str, Any] = {}
        self.threads: list[threading.Thread] = []

    def _open(self, requests: Iterator[ingest.PutShardsRequest]) -> Wire:
        self.wires.append(Wire(requests))
        return self.wires[-1]

    def carry(self, name: str, data: bytes, priority: int = 0, shards: int = 1) -> None:
        load = Load(
            session_id=name,
            fencing_token=1,
            priority=priority,
            sizes_bytes={(0, n): len(data) for n in range(shards)},
            read=lambda _shard, offset, size: data[offset : offset + size],
        )

        def run() -> None:
            try:
                self.outcomes[name] = self.stream.carry(load, 0)
            except (RetryLater, OSError) as error:
                self.outcomes[name] = error

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def until(self, condition: Any) -> None:
        ends_s = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < ends_s
            time.sleep(0.002)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.stream.close()
    for thread in made.threads:
        thread.join(10)


@pytest.mark.req("TX-08")
def test_a_still_overtakes_a_batch_between_fragments(bench: Bench) -> None:
    """The order is chosen per fragment: an urgent still does not wait for the batch before it."""
    bench.carry("batch", bytes(200_000) + b"!", priority=2, shards=4)
    bench.until(lambda: bench.wires and bench.wires[0].seen)
    bench.carry("still", bytes(1000) + b"!", priority=0)
    bench.until(lambda: "still" in bench.stream._carriages)
    bench.wires[0].may_answer.release(1000)
    bench.until(lambda: len(bench.outcomes) == 2)
    names = [fragment.session_id for fragment in bench.wires[0].seen]
    assert names.index("still") <= 3
    assert names[-1] == "batch"
    assert bench.outcomes == {"still": {}, "batch": {}}


def test_fragments_of_a_shard_come_in_order_and_whole(bench: Bench) -> None:
    """Offsets follow each other without gap."""
    data = bytes(range(256)) * 1000 + b"!"
    bench.carry("one", data)
    bench.until(lambda: bench.wires)
    bench.wires[0].may_answer.release(1000)
    bench.until(lambda: "one" in bench.outcomes)
    assert b"".join(fragment.data for fragment in bench.wires[0].seen) == data
    offsets = [fragment.offset_bytes for fragment in bench.wires[0].seen]
    assert offsets == sorted(offsets)
    assert len(offsets) > 1


def test_refused_shards_are_returned_with_their_reason(bench: Bench) -> None:
    """A nack is an answer, not a failure of the stream."""
    bench.carry("one", b"bad?")
    bench.until(lambda: bench.wires)
    bench.wires[0].may_answer.release()
    bench.until(lambda: "one" in bench.outcomes)
    assert bench.outcomes["one"] == {(0, 0): WireReason.SHARD_DIGEST_MISMATCH}


def test_a_lost_stream_fails_what_it_carried_and_the_next_load_opens_another(bench: Bench) -> None:
    """Loss is told to every upload; nothing waits for ever."""
    bench.carry("a", b"a!")
    bench.carry("b", b"b!")
    bench.until(lambda: len(bench.stream._carriages) == 2)
    bench.wires[0].cancel()
    bench.until(lambda: len(bench.outcomes) == 2)
    assert all(isinstance(error, LinkDown) for error in bench.outcomes.values())
    bench.carry("c", b"c!")
    bench.until(lambda: len(bench.wires) == 2)
    bench.wires[1].may_answer.release()
    bench.until(lambda: "c" in bench.outcomes)
    assert bench.outcomes["c"] == {}


def test_a_draining_cloud_gets_no_more_fragments(bench: Bench) -> None:
    """drain: the stream ends, and what is left goes later."""
    bench.carry("a", bytes(300_000) + b"!")
    bench.until(lambda: bench.wires and bench.wires[0].seen)
    bench.wires[0].drain = True
    bench.wires[0].may_answer.release(1000)
    bench.until(lambda: "a" in bench.outcomes)
    error = bench.outcomes["a"]
    assert isinstance(error, RetryLater)
    assert error.reason is WireReason.SHUTTING_DOWN
    assert sum(len(f.data) for f in bench.wires[0].seen) < 300_001


def test_a_closed_stream_takes_nothing(bench: Bench) -> None:
    """The agent stops: what is under way and what comes later is told so."""
    bench.carry("a", b"a!")
    bench.until(lambda: bench.wires and bench.wires[0].seen)
    bench.stream.close()
    bench.until(lambda: "a" in bench.outcomes)
    bench.carry("b", b"b!")
    bench.until(lambda: "b" in bench.outcomes)
    assert [str(bench.outcomes[name]) for name in "ab"] == ["the agent stops", "the agent stops"]


def test_a_shard_that_cannot_be_read_fails_its_upload_only(bench: Bench) -> None:
    """OSError goes to the upload it belongs to; the stream lives on."""

    def broken(_shard: Any, _offset: int, _size: int) -> bytes:
        raise OSError("gone")

    load = Load(session_id="x", fencing_token=1, priority=0, sizes_bytes={(0, 0): 5}, read=broken)
    with pytest.raises(OSError, match="gone"):
        bench.stream.carry(load, 0)
    bench.carry("ok", b"ok!")
    bench.until(lambda: bench.wires)
    bench.wires[0].may_answer.release()
    bench.until(lambda: "ok" in bench.outcomes)
    assert (bench.outcomes["ok"], len(bench.wires)) == ({}, 1)
