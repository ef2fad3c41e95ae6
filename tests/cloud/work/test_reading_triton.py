"""Steps 11 and 12 with a real Triton: what it does to the server's jobs when it comes late, dies and returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import job, ledger_entry, result
from sonorelay.agent.v1.agent_service_pb2 import WatchResultsRequest
from tests.interop.triton.server import TritonServer

pytestmark = pytest.mark.timeout(300)


async def results(agent: Any, count: int) -> list[Any]:
    """The first results of the device."""
    stream = agent.agent.WatchResults(WatchResultsRequest(device_id=agent.device_id, cursor=0))
    found: list[Any] = []
    async with asyncio.timeout(60):
        async for response in stream:
            if response.HasField("result"):
                found.append(response.result)
            if len(found) == count:
                break
    stream.cancel()
    return found


async def logged(running: Any, event: str) -> None:
    """Waits until the server has logged an event."""
    async with asyncio.timeout(30):
        while event not in running.logged.getvalue():
            await asyncio.sleep(0.02)


@pytest.mark.req("READ-05")
async def test_a_triton_that_dies_in_a_reading_loses_nothing(
    serve: Any,
    reading_config: Any,
    head_png: bytes,
    changed: Callable[..., Any],
    tiny_models: Path,
    triton: Callable[..., TritonServer],
) -> None:
    """Images whose reading Triton's death breaks, and those that come while it is away, are each read exactly
    once when it is back, at their first attempt; none is held."""
    server = triton(tiny_models)
    config = changed(reading_config, engine="triton", triton_address=server.grpc)
    async with serve(config) as running:
        agent = running.agent()
        await agent.deliver(agent.capture(head_png))
        assert [True] == [each.ok for each in await results(agent, 1)]
        server.pause()
        await agent.deliver(agent.capture(head_png, head_png))
        # The worker has the images and waits for an answer when the server dies.
        await asyncio.sleep(0.5)
        server.kill()
        await logged(running, "EngineUnreachable")
        await agent.deliver(agent.capture(head_png))
        await asyncio.to_thread(server.start)
        found = await results(agent, 4)
    assert [True] * 4 == [each.ok for each in found]
    database = SqliteDatabase(config.data_dir / "state.db")
    with database.begin() as tx:
        assert 4 == tx.execute(sa.select(sa.func.count()).select_from(result)).scalar_one()
        # Three captures and four results.
        assert 7 == tx.execute(sa.select(sa.func.count()).select_from(ledger_entry)).scalar_one()
        assert {("done", 1)} == {(row.state, row.attempts) for row in tx.execute(sa.select(job))}
    database.close()


async def test_the_server_starts_before_its_triton(
    serve: Any,
    reading_config: Any,
    head_png: bytes,
    changed: Callable[..., Any],
    tiny_models: Path,
    triton: Callable[..., TritonServer],
) -> None:
    """Images are taken while Triton is not there yet, and read once it comes."""
    server = triton(tiny_models)
    server.kill()
    async with serve(changed(reading_config, engine="triton", triton_address=server.grpc)) as running:
        agent = running.agent()
        await agent.deliver(agent.capture(head_png))
        await logged(running, "EngineUnreachable")
        await asyncio.to_thread(server.start)
        assert [True] == [each.ok for each in await results(agent, 1)]
