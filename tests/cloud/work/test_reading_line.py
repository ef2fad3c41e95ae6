"""Steps 11 and 12 in a running server: what is committed is read, and its result comes back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sonorelay.agent.v1.agent_service_pb2 import WatchResultsRequest, WatchResultsResponse
from sonorelay.contract.notes import Proof, open_note
from sonorelay.ledger.v1.ledger_service_pb2 import GetCheckpointRequest, GetInclusionProofRequest


async def results(agent: Any, count: int, cursor: int = 0) -> list[WatchResultsResponse]:
    """The next `count` results of the device after a cursor."""
    stream = agent.agent.WatchResults(WatchResultsRequest(device_id=agent.device_id, cursor=cursor))
    found: list[WatchResultsResponse] = []
    async with asyncio.timeout(20):
        async for response in stream:
            if response.HasField("result"):
                found.append(response)
            if len(found) == count:
                break
    stream.cancel()
    return found


@pytest.mark.req("READ-05")
async def test_committed_image_comes_back_as_a_result(
    serve: Any, reading_config: Any, head_png: bytes
) -> None:
    """A capture of two images gives two results, each in the ledger, with pictures, timings and its mark."""
    async with serve(reading_config) as running:
        agent = running.agent()
        made = agent.capture(head_png, head_png)
        await agent.notify(made)
        await agent.deliver(made)
        found = await results(agent, 2)
        assert set(made.parts[0].image_ids) == {each.result.image_id for each in found}
        reading = json.loads(found[0].result.reading_json)
        assert reading["finding"] == "ventriculomegaly"
        assert reading["notice"] == "research use, not for diagnosis"
        assert found[0].result.ok
        # Resumed at a cursor, what lies before does not come again.
        assert [found[1]] == await results(agent, 1, cursor=found[0].cursor)
        await _entry_holds(agent, 1, found[0].result.image_id)


async def _entry_holds(agent: Any, index: int, image_id: str) -> None:
    """The ledger entry at `index` is the signed result of the image."""
    answer = await agent.ledger.GetInclusionProof(GetInclusionProofRequest(ledger_index=index), timeout=5)
    checkpoint = Proof.parse(answer.tlog_proof).verify(answer.entry, agent.log)
    assert checkpoint.size == 3
    text, _ = open_note(answer.entry, [agent.log])
    assert text.startswith("sonorelay.org/result@v2\n")
    assert f"image {image_id}\n" in text
    newest = await agent.ledger.GetCheckpoint(GetCheckpointRequest(), timeout=5)
    assert newest.log_verifier_key == str(agent.log)


async def test_unreadable_image_gets_a_result_that_says_so(
    serve: Any, reading_config: Any, head_png: bytes
) -> None:
    """Bytes that are no still are a failed result with its reason, and the next image is read."""
    async with serve(reading_config) as running:
        agent = running.agent()
        await agent.deliver(agent.capture(b"not a picture"))
        await agent.deliver(agent.capture(head_png))
        found = {each.result.reason: each.result.ok for each in await results(agent, 2)}
        assert found == {"IMAGE_UNREADABLE": False, "": True}


async def test_watching_refuses_what_cannot_be(serve: Any, cloud_config: Any, refused: Any) -> None:
    """A cursor beyond the newest event and an unknown device are refused by their reasons."""
    async with serve(cloud_config) as running:
        agent = running.agent()
        request = WatchResultsRequest(device_id=agent.device_id, cursor=0)
        assert (await refused(agent.agent.WatchResults(request))).reason == "DEVICE_UNKNOWN"
        await agent.notify(agent.capture(b"x"))
        request.cursor = 99
        assert (await refused(agent.agent.WatchResults(request))).reason == "CURSOR_INVALID"


async def test_stopping_server_tells_its_watchers(serve: Any, cloud_config: Any, refused: Any) -> None:
    """A watcher of a stopping server hears SHUTTING_DOWN with a time to come back, at once."""
    async with serve(cloud_config) as running:
        agent = running.agent()
        await agent.notify(agent.capture(b"x"))
        stream = agent.agent.WatchResults(WatchResultsRequest(device_id=agent.device_id, cursor=0))
        first = await anext(aiter(stream))
        assert first.HasField("heartbeat")
        ended = asyncio.ensure_future(refused(stream))
    answer = await ended
    assert answer.reason == "SHUTTING_DOWN"
    assert answer.retry_s is not None
