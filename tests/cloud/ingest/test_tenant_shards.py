"""Step 7: "which shards are missing" tells a tenant's device nothing of what another tenant has stored."""

from __future__ import annotations

import os
from typing import Any

import grpc
import httpx2

from cloud.accounts.roles import Role
from tests.cloud.conftest import SmallAgent, SmallCapture, sub_file
from tests.cloud.token import token_of


def same(agent: SmallAgent, ids: list[str], data: bytes) -> SmallCapture:
    """A capture of these very bytes."""
    made = SmallCapture()
    agent.add_part(made, ids, data, "brain", 1)
    return made


async def test_shards_of_another_tenant_are_missing(running: Any) -> None:
    """The device of the same tenant need not send what is there; that of another must, and then has it too."""
    bearer = {"Authorization": f"Bearer {await token_of(running.config.data_dir, Role.ADMINISTRATOR)}"}
    async with (
        grpc.aio.insecure_channel(running.endpoints.grpc) as channel,
        httpx2.AsyncClient(base_url=f"http://{running.endpoints.http}", headers=bearer) as client,
    ):
        first, beside, elsewhere = (
            SmallAgent(running.endpoints, name, channel) for name in ("room-1", "room-2", "room-3")
        )
        ids, data = sub_file("brain", [os.urandom(300)])
        first.check_receipts(made := same(first, ids, data), await first.deliver(made))
        await elsewhere.notify(elsewhere.capture(b"x"))
        west = {"tenant_id": "west", "name": "West clinic"}
        assert 200 == (await client.post("/api/tenants", json=west)).status_code
        moved = await client.put("/api/devices/room-3/tenant", json={"tenant_id": "west"})
        assert 204 == moved.status_code
        assert [] == list((await beside.open(same(beside, ids, data))).missing)
        opened = await elsewhere.open(made := same(elsewhere, ids, data))
        assert [0] == [missing.part_index for missing in opened.missing]
        await elsewhere.put(elsewhere.fragments(made, opened))
        assert [] == list((await elsewhere.open(same(elsewhere, ids, data))).missing)
        # Whole under its own ids: read back, checked, committed.
        own = elsewhere.capture(os.urandom(300))
        elsewhere.check_receipts(own, await elsewhere.deliver(own))
