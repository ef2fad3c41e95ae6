"""PutShards: fragments, acknowledgements, refusals of single shards, and what ends the stream."""

from __future__ import annotations

import os
from typing import Any

import grpc
import pytest

from cloud.errors import StoreFull
from cloud.ingest.budget import Budget
from cloud.ingest.cache import CachedBlobStore
from cloud.store.disk import DiskBlobStore
from sonorelay.contract.digest import sha256
from sonorelay.ingest.v1 import ingest_service_pb2 as pb


def reasons(responses: list[pb.PutShardsResponse]) -> list[str]:
    """Reasons of every nack."""
    return [nack.reason for response in responses for nack in response.nacks]


def durable(responses: list[pb.PutShardsResponse]) -> list[int]:
    """Every shard that was acknowledged."""
    return sorted(
        index for response in responses for group in response.durable for index in group.shard_indices
    )


async def test_small_fragments_make_shards(agent: Any) -> None:
    """Fragments of any size may be interleaved; credit counts every byte, and each shard becomes durable."""
    made = agent.capture(os.urandom(600_000))
    opened = await agent.open(made)
    pieces: list[pb.Fragment] = []
    for whole in agent.fragments(made, opened):
        for offset in range(0, len(whole.data), 100_000):
            piece = pb.Fragment()
            piece.CopyFrom(whole)
            piece.offset_bytes, piece.data = offset, whole.data[offset : offset + 100_000]
            pieces.append(piece)
    pieces.sort(key=lambda piece: (piece.offset_bytes, piece.shard_index))
    responses = await agent.put(pieces)
    assert [0, 1, 2] == durable(responses)
    assert len(made.parts[0].data) == max(response.received_bytes for response in responses)
    agent.check_receipts(made, await agent.commit(opened))


async def test_wrong_bytes_are_nacked_and_nothing_else(agent: Any, refused: Any) -> None:
    """A shard whose bytes lack its digest is nacked, the others stay; it is missing until it comes right."""
    made = agent.capture(os.urandom(600_000))
    opened = await agent.open(made)
    fragments = agent.fragments(made, opened)
    right = fragments[1].data
    fragments[1].data = bytes(len(right))
    responses = await agent.put(fragments)
    assert ["SHARD_DIGEST_MISMATCH"] == reasons(responses)
    assert [0, 2] == durable(responses)
    answer = await refused(agent.commit(opened))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SHARDS_MISSING")
    missing = await agent.ingest.FindMissing(pb.FindMissingRequest(session_id=opened.session_id), timeout=5)
    assert [(1, 1)] == [(run.first, run.count) for run in missing.missing[0].ranges]
    fragments[1].data = right
    assert [0, 1, 2] == durable(await agent.put(fragments))
    agent.check_receipts(made, await agent.commit(opened))


async def test_older_stream_is_fenced(agent: Any, refused: Any) -> None:
    """After a newer opening, an older token's fragments and commit are refused; the newer one's are taken."""
    made = agent.capture(os.urandom(1000))
    older = await agent.open(made)
    newer = await agent.open(made)
    assert ["FENCED"] == reasons(await agent.put(agent.fragments(made, older)))
    answer = await refused(agent.commit(older))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ABORTED, "FENCED")
    assert [0] == durable(await agent.put(agent.fragments(made, newer)))
    agent.check_receipts(made, await agent.commit(newer))


async def test_unknown_upload_is_turned_away_alone(agent: Any, refused: Any) -> None:
    """On a stream of several uploads an unknown one is nacked and the others go on; unary calls refuse it."""
    made = agent.capture(os.urandom(1000))
    opened = await agent.open(made)
    good = agent.fragments(made, opened)
    stray = pb.Fragment()
    stray.CopyFrom(good[0])
    stray.session_id = "0" * 64
    responses = await agent.put([stray, *good])
    assert ["UPLOAD_UNKNOWN"] == reasons(responses)
    assert [0] == durable(responses)
    unknown = pb.FindMissingRequest(session_id="0" * 64)
    assert (await refused(agent.ingest.FindMissing(unknown, timeout=5))).reason == "UPLOAD_UNKNOWN"


@pytest.mark.parametrize(
    ("field", "value"),
    [("part_index", 1), ("part_index", -1), ("shard_index", 7), ("offset_bytes", 5), ("data", b"")],
)
async def test_fragment_outside_the_manifest_ends_the_stream(
    agent: Any, refused: Any, field: str, value: Any
) -> None:
    """A fragment that no shard of the manifest has is a broken agent: MANIFEST_INVALID."""
    made = agent.capture(os.urandom(1000))
    opened = await agent.open(made)
    (fragment,) = agent.fragments(made, opened)
    setattr(fragment, field, value)
    stream = agent.ingest.PutShards(iter([pb.PutShardsRequest(fragment=fragment)]))
    assert (await refused(stream)).reason == "MANIFEST_INVALID"


async def test_pings_are_answered_in_order(agent: Any) -> None:
    """Every heartbeat comes back, in order."""
    pings = [pb.PutShardsRequest(ping=pb.Ping(nonce=nonce)) for nonce in (5, 6, 7)]
    responses = [response async for response in agent.ingest.PutShards(iter(pings))]
    assert [5, 6, 7] == [response.pong_nonce for response in responses if response.pong_nonce]


async def test_stream_is_told_to_drain(serve: Any, cloud_config: Any) -> None:
    """A stopping server says so on the stream, and what is stored by then stays stored."""
    async with serve(cloud_config) as running:
        agent = running.agent()
        stream = agent.ingest.PutShards()
        await stream.write(pb.PutShardsRequest(ping=pb.Ping(nonce=1)))
        assert (await stream.read()).pong_nonce == 1
        running.stop()
        assert (await stream.read()).drain
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF


async def test_budget_bounds_what_is_out() -> None:
    """Claims beyond the limit wait until enough is given back; a single larger one is let through."""
    budget = Budget(10)
    await budget.claim(8)
    assert budget.used_bytes == 8
    await budget.give_back(8)
    await budget.claim(100)
    assert budget.used_bytes == 100


async def test_cache_answers_from_memory_and_forgets_the_oldest(tmp_path: Any) -> None:
    """What was put last is answered without the disk, within its limit; `missing` asks the disk alone."""
    disk = DiskBlobStore(tmp_path, 0)
    cache = CachedBlobStore(disk, 25)
    blobs = [bytes([n]) * 10 for n in range(3)]
    for blob in blobs:
        await cache.put(sha256(blob), blob)
    for path in tmp_path.rglob("sha256/*/*"):
        path.unlink()
    assert blobs[2] == await cache.get(sha256(blobs[2]))
    assert [sha256(blob) for blob in blobs] == await cache.missing([sha256(blob) for blob in blobs])
    disk.close()


async def test_full_disk_is_store_full_with_a_time(
    serve: Any, cloud_config: Any, changed: Any, refused: Any
) -> None:
    """Below the watermark an opening is refused with STORE_FULL and the time after which to come back."""
    async with serve(changed(cloud_config, free_min_bytes=2**60)) as running:
        agent = running.agent()
        answer = await refused(agent.open(agent.capture(b"x")))
        assert (answer.code, answer.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
        assert answer.retry_s is not None
        assert answer.retry_s > 0


@pytest.mark.parametrize("after", [False, True], ids=["failed, not done", "done, answer lost"])
async def test_store_that_fails_is_asked_again(
    serve: Any, cloud_config: Any, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """A put that fails, before or after it was done, is nacked; sent once more, the capture is whole."""
    put = DiskBlobStore.put
    broken = [True]

    async def once_broken(self: DiskBlobStore, digest: bytes, data: bytes) -> None:
        if broken.pop() if broken else False:
            if after:
                await put(self, digest, data)
            raise StoreFull("full", 1.0)
        await put(self, digest, data)

    monkeypatch.setattr(DiskBlobStore, "put", once_broken)
    async with serve(cloud_config) as running:
        agent = running.agent()
        made = agent.capture(os.urandom(1000))
        opened = await agent.open(made)
        assert ["STORE_FULL"] == reasons(await agent.put(agent.fragments(made, opened)))
        assert [0] == durable(await agent.put(agent.fragments(made, opened)))
        assert [0] == agent.check_receipts(made, await agent.commit(opened))
