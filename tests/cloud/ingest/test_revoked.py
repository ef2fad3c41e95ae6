"""Steps 2 and 7 to 10: a device that was revoked on the console is refused from its next call on."""

from __future__ import annotations

import os
from typing import Any

import httpx2
import pytest

from cloud.accounts.roles import Role
from sonorelay.agent.v1.agent_service_pb2 import WatchResultsRequest
from tests.cloud.token import token_of


@pytest.fixture
async def revoke(running: Any) -> Any:
    """Revokes the device of the tests on the console, as IT, or allows it again."""

    bearer = {"Authorization": f"Bearer {await token_of(running.config.data_dir, Role.IT)}"}

    async def change(revoked: bool) -> Any:
        async with httpx2.AsyncClient(base_url=f"http://{running.endpoints.http}", headers=bearer) as client:
            answer = await client.patch("/api/devices/room-1", json={"revoked": revoked})
            assert 204 == answer.status_code
            unknown = await client.patch("/api/devices/room-9", json={"revoked": revoked})
            assert (404, "UNKNOWN") == (unknown.status_code, unknown.json()["reason"])
            listed = (await client.get("/api/devices")).json()["devices"]
            rows = (await client.get("/api/audit", params={"object_id": "room-1"})).json()["rows"]
            return listed[0], [row["act"] for row in rows]

    return change


async def test_a_revoked_device_is_refused_at_every_call(agent: Any, refused: Any, revoke: Any) -> None:
    """First word, opening, commit of an upload that was open, results; allowed again, it goes on where it was."""
    made = agent.capture(os.urandom(100))
    await agent.notify(made)
    opened = await agent.open(made)
    await agent.put(agent.fragments(made, opened))
    shown, acts = await revoke(True)
    assert (True, 1) == (shown["revoked"], shown["print_count"])
    assert ["device_revoke"] == acts
    watching = agent.agent.WatchResults(WatchResultsRequest(device_id="room-1", cursor=0))
    for call in (agent.notify(agent.capture(b"x")), agent.open(made), agent.commit(opened), watching):
        assert "DEVICE_REVOKED" == (await refused(call)).reason
    _, acts = await revoke(True)
    assert ["device_revoke"] == acts
    _, acts = await revoke(False)
    assert ["device_allow", "device_revoke"] == acts
    agent.check_receipts(made, await agent.commit(await agent.open(made)))


async def test_an_open_stream_of_results_ends(running: Any, agent: Any, refused: Any, revoke: Any) -> None:
    """It ends with the next thing that it would have sent."""
    await agent.notify(agent.capture(b"x"))
    stream = agent.agent.WatchResults(WatchResultsRequest(device_id="room-1", cursor=0))
    await revoke(True)
    assert "DEVICE_REVOKED" == (await refused(stream)).reason
