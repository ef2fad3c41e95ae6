"""Steps 2 and 7 to 10: files of series: known from their first word on, never among the prints, always in a series."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cloud.accounts.roles import Role
from sonorelay.ingest.v1 import ingest_service_pb2 as pb
from tests.cloud.series.phantom import AXIAL, centred, even, write_series
from tests.cloud.token import token_of

Get = Callable[[str], Awaitable[Any]]


@pytest.fixture(name="get")
async def _get(running: Any) -> Any:
    """What an address of the console answers."""
    return await getter(running)


async def getter(running: Any, role: Role = Role.RESEARCHER) -> Get:
    """Asks a server's console in a role."""
    bearer = {"Authorization": f"Bearer {await token_of(running.config.data_dir, role)}"}

    async def get(path: str) -> Any:
        async with httpx2.AsyncClient(base_url=f"http://{running.endpoints.http}", headers=bearer) as client:
            answer = await client.get(path)
            assert 200 == answer.status_code, answer.text
            return answer.json()

    return get


def of_series(agent: Any, data: bytes) -> Any:
    """A capture that is a file of a series."""
    made = agent.capture(
        data, image_type="series", media_type="application/dicom", source_format="dicom", width_px=48
    )
    return made


async def announced(agent: Any, made: Any, label: str = "head-1") -> Any:
    """Its first word."""
    word = agent.notification(made)
    word.series.label = label
    return await agent.ingest.PreNotify(word, timeout=10)


async def opened(agent: Any, made: Any, label: str = "head-1") -> Any:
    """Opens its upload."""
    request = agent.opening(made)
    request.series.label = label
    return await agent.ingest.OpenUpload(request, timeout=10)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(40):
        while not await condition():
            await asyncio.sleep(0.05)


async def check_not_shown(get: Get) -> None:
    """Asserts that neither worklist nor examinations nor their counts know of anything."""
    assert [] == (await get("/api/captures"))["items"]
    assert [] == (await get("/api/examinations"))["items"]


async def test_an_order_is_seen_by_its_counts_alone(running: Any, agent: Any, get: Get) -> None:
    """Announced, withdrawn (also before the first word) and overdue files are no rows of the worklist."""
    one, two = of_series(agent, b"one"), of_series(agent, b"two")
    await announced(agent, one)
    gone = pb.WithdrawRequest(
        device_id=agent.device_id,
        capture_id=two.capture_id,
        reason="LOCALIZER",
        series=pb.SeriesOrder(label="head-1"),
    )
    await agent.ingest.Withdraw(gone, timeout=10)
    await announced(agent, two)
    with closing(sqlite3.connect(running.config.data_dir / "state.db")) as db, db:
        db.execute("update capture set deadline_time = '2020-01-01 00:00:00.000000'")
    await agent.deliver(agent.capture(os.urandom(100)))
    (shown,) = (await get("/api/captures"))["items"]
    (order,) = (await get("/api/series/orders"))["items"]
    assert ("head-1", 2, 0) == (order["label"], order["file_count"], order["stored_count"])
    assert [{"reason": "LOCALIZER", "count": 1}] == order["set_aside"]
    assert shown["capture_id"] not in (one.capture_id, two.capture_id)
    (device,) = (await (await getter(running, Role.IT))("/api/devices"))["devices"]
    assert 1 == device["print_count"]


async def test_a_capture_is_of_a_series_from_its_first_word_on(agent: Any, refused: Any) -> None:
    """What was announced as a print does not come as of a series, nor the other way round, nor beside another part."""
    as_print, as_file = of_series(agent, b"one"), agent.capture(b"two")
    await agent.notify(as_print)
    await announced(agent, as_file)
    for call in (opened(agent, as_print), agent.open(as_print), agent.open(as_file), opened(agent, as_file)):
        assert "MANIFEST_INVALID" == (await refused(call)).reason
    both = of_series(agent, b"three")
    both.parts += [agent.capture(b"four").parts[0]]
    for call in (opened(agent, both), agent.open(both)):
        assert "MANIFEST_INVALID" == (await refused(call)).reason


@pytest.mark.parametrize("label", ["Zhang Wei", "张伟", "x" * 33, "a/b"])
async def test_a_label_is_a_code(agent: Any, refused: Any, label: str) -> None:
    """No free text comes in as a label."""
    assert "MANIFEST_INVALID" == (await refused(announced(agent, of_series(agent, b"x"), label))).reason


@pytest.mark.req("MPR-03")
async def test_committed_files_become_a_series_also_after_a_stop(
    serve: Any, cloud_config: Any, tmp_path: Path
) -> None:
    """Files, one of them no DICOM at all and one sent twice under another capture: one series of the rest. A server
    that stopped between commit and filing files them when it starts."""
    paths = write_series(tmp_path / "ct", centred(AXIAL, even(11, 2.0)))
    config = replace(cloud_config, http_address="127.0.0.1:0")

    async def is_filed(get: Get) -> bool:
        items = (await get("/api/series"))["items"]
        return [11] == [each["image_count"] for each in items] and items[0]["mpr"]["ready"]

    async with serve(config) as running:
        agent, get = running.agent(), await getter(running)
        for data in [*(path.read_bytes() for path in paths), b"no DICOM", paths[0].read_bytes() + b"\0\0"]:
            made = of_series(agent, data)
            await announced(agent, made)
            upload = await opened(agent, made)
            await agent.put(agent.fragments(made, upload))
            agent.check_receipts(made, await agent.commit(upload))
        await until(lambda: is_filed(get))
        await check_not_shown(get)
    with closing(sqlite3.connect(config.data_dir / "state.db")) as db, db:
        reasons = [row[0] for row in db.execute("select reason from series_file where reason is not null")]
        assert ["DUPLICATE_INSTANCE", "NOT_DICOM"] == sorted(reasons)
        db.execute(
            "update series_file set series_id = null, facts = null, instance_sha256 = null, reason = null"
        )
        db.execute("delete from series")
    async with serve(config) as running:
        get = await getter(running)
        await until(lambda: is_filed(get))
