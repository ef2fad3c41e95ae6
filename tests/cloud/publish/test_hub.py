"""The hub: every change once, in order, from any cursor; and captures that did not come."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloud.db import Tx, migrate
from cloud.db.sqlite import SqliteDatabase
from cloud.items import CaptureState, Event
from cloud.log import make_log
from cloud.monitor.missing import MissingWatch
from cloud.publish import outbox
from cloud.publish.hub import Hub
from cloud.publish.timings import LateTimings
from cloud.publish.topic import OUTBOX_TOPIC, RESULTS_TOPIC, TopicBus
from cloud.publish.worklist import count_by_state, read_image, read_item, read_items

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """An empty database."""
    migrate.upgrade(tmp_path / "state.db")
    opened = SqliteDatabase(tmp_path / "state.db")
    yield opened
    opened.close()


async def announce(
    database: SqliteDatabase,
    bus: TopicBus,
    count: int,
    device_id: str = "room-1",
    image_id: str | None = None,
) -> None:
    """Writes events and wakes their readers; with `image_id` they are results."""

    def work(tx: Tx) -> None:
        capture_id = str(uuid.uuid4())
        outbox.append(tx, capture_id=capture_id, device_id=device_id, time=NOW, image_id=image_id)

    for _ in range(count):
        await database.write(work)
    await bus.publish(OUTBOX_TOPIC)
    if image_id is not None:
        await bus.publish(RESULTS_TOPIC)


async def take(events: Any, count: int) -> list[Event]:
    """The next `count` events."""
    async with asyncio.timeout(10):
        return [await anext(events) for _ in range(count)]


async def test_reader_gets_what_was_and_what_comes(database: SqliteDatabase) -> None:
    """Old events first, then new ones as they come, each once, in order; a cursor resumes behind it."""
    bus = TopicBus()
    hub = Hub(database, bus)
    await announce(database, bus, 3)
    events = hub.events(0)
    first = await take(events, 3)
    waiting = asyncio.ensure_future(take(events, 2))
    await announce(database, bus, 2)
    seen = [event.event_id for event in first + await waiting]
    assert sorted(set(seen)) == seen
    assert await hub.newest() == seen[-1]
    resumed = hub.events(seen[1])
    assert seen[2:] == [event.event_id for event in await take(resumed, 3)]
    for reader in (events, resumed):
        await reader.aclose()


async def test_device_is_told_of_its_results_and_nothing_else(database: SqliteDatabase) -> None:
    """Results of other devices and changes that are no results wake nobody and are not given out."""
    bus = TopicBus()
    hub = Hub(database, bus)
    image_id = str(uuid.uuid4())
    await announce(database, bus, 1, "room-1")
    for device_id in ("room-2", "room-1"):
        await announce(database, bus, 1, device_id, image_id)
    results = hub.events(0, "room-1")
    assert [(event.device_id, event.image_id) for event in await take(results, 1)] == [("room-1", image_id)]
    later = asyncio.ensure_future(anext(results))
    await announce(database, bus, 1, "room-1")
    await announce(database, bus, 1, "room-1", image_id)
    async with asyncio.timeout(10):
        assert (await later).event_id == await hub.newest()
    await results.aclose()


async def test_reader_of_one_device_goes_on_past_the_others(database: SqliteDatabase) -> None:
    """Other devices' changes move the position, and are not given out."""
    bus = TopicBus()
    hub = Hub(database, bus)
    await announce(database, bus, 2, "room-2")
    batches = hub.batches(0, "room-1", quiet_s=0.01)
    quiet = await anext(batches)
    while not quiet.position:
        quiet = await anext(batches)
    assert quiet.events == ()
    assert quiet.position == await hub.newest()
    await batches.aclose()


async def test_closed_hub_ends_its_readers(database: SqliteDatabase) -> None:
    """Readers end when the hub closes, waiting or not."""
    hub = Hub(database, TopicBus())
    waiting = asyncio.ensure_future(anext(hub.events(0), None))
    await asyncio.sleep(0)
    hub.close()
    async with asyncio.timeout(5):
        assert await waiting is None


def test_late_timings_are_taken_once() -> None:
    """What was noted is given out once; the crowd's oldest are forgotten."""
    timings = LateTimings()
    timings.note("a", "ledger", 1.23456)
    assert timings.take("a") == {"ledger": 1.235}
    assert timings.take("a") == {}
    for n in range(5000):
        timings.note(str(n), "ledger", 1.0)
    assert timings.take("0") == {}
    assert timings.take("4999") == {"ledger": 1.0}


async def test_announced_capture_that_does_not_come_is_missing(serve: Any, cloud_config: Any) -> None:
    """After its deadline, by the server's clock, it is missing with its reason; its upload heals it."""
    offset = timedelta()

    def clock() -> datetime:
        return datetime.now(UTC) + offset

    async with serve(cloud_config, clock=clock) as running:
        agent = running.agent()
        made = agent.capture(b"x")
        await agent.notify(made)
        beside = SqliteDatabase(cloud_config.data_dir / "state.db")
        logged = io.StringIO()
        watch = MissingWatch(beside, TopicBus(), clock, make_log(logged))
        assert await watch.sweep() == 0
        offset = timedelta(seconds=61)
        await watch.sweep()
        assert await watch.sweep() == 0
        found = await beside.read(lambda tx: read_item(tx, made.capture_id))
        assert found is not None
        assert (found.state, found.reason) == (CaptureState.MISSING, "DID_NOT_COME")
        await agent.deliver(made)
        items = await beside.read(
            lambda tx: read_items(tx, tenant_id=None, limit=10, states={CaptureState.ANALYSING})
        )
        assert [made.capture_id] == [item.capture_id for item in items]
        assert items[0].reason is None
        assert (await beside.read(lambda tx: count_by_state(tx, None)))["analysing"] == 1
        source = await beside.read(lambda tx: read_image(tx, made.parts[0].image_ids[0]))
        assert source is not None
        assert source.size_bytes == 1
        beside.close()
