"""Monitor: how the line stands: agents, captures, uploads, queue, the published ledger."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa

from cloud.db.tables import capture, job, upload
from cloud.items import CaptureState
from cloud.monitor.metrics import Metric
from cloud.monitor.sample import Readings
from cloud.monitor.sampler import SLOW_EVERY
from sonorelay.contract.reasons import EdgeReason
from tests.cloud.console.world import DEVICE, World


async def read(world: World) -> Readings:
    """The readings of a look at which the slow facts are due."""
    sampler = world.services.monitor.sampler
    for _ in range(SLOW_EVERY):
        sample = await sampler.look()
    return sample.readings


async def test_a_capture_that_did_not_come_counts_until_it_is_healed(world: World) -> None:
    """By device; the rule raises one alarm for it, and it ends when the capture comes after all."""
    book = world.services.monitor.book
    capture_id = await world.announce()
    await read(world)
    assert [] == book.raised()
    await world.stop(capture_id, CaptureState.MISSING, EdgeReason.DID_NOT_COME)
    assert {DEVICE: 1.0} == (await read(world)).each[Metric.CAPTURES_MISSING]
    assert [("capture_missing", DEVICE)] == [(alarm.rule, alarm.subject) for alarm in book.raised()]
    await world.stop(capture_id, CaptureState.ANALYSING, EdgeReason.DID_NOT_COME)
    assert {DEVICE: 0.0} == (await read(world)).each[Metric.CAPTURES_MISSING]
    assert [] == book.raised()


async def test_an_agent_that_holds_a_stream_is_heard(world: World) -> None:
    """Silent it is only once its stream has ended and time has passed; who was there is kept for a restart."""
    monitor = world.services.monitor
    await world.announce()
    with monitor.watched.presence.stream(DEVICE):
        world.clock.forward(hours=2)
        assert 0.0 == (await read(world)).each[Metric.AGENT_SILENT_S][DEVICE]
        assert [True] == [agent.connected for agent in monitor.sampler.agents]
    assert (await read(world)).each[Metric.AGENT_SILENT_S][DEVICE] < 60
    world.clock.forward(minutes=11)
    assert 660 <= (await read(world)).each[Metric.AGENT_SILENT_S][DEVICE] < 720
    assert ["agent_silent"] == [alarm.rule for alarm in monitor.book.raised()]
    assert [False] == [agent.connected for agent in monitor.sampler.agents]
    with world.database.begin() as tx:
        (seen,) = tx.exec_driver_sql("SELECT last_seen_time > first_seen_time FROM device").one()
    assert seen


async def test_an_agent_that_has_gone_for_good_raises_nothing(world: World) -> None:
    """After a month without a word it is no alarm any more."""
    await world.announce()
    world.clock.forward(days=31)
    assert {} == (await read(world)).each[Metric.AGENT_SILENT_S]


async def test_an_upload_that_does_not_end_has_stalled(world: World) -> None:
    """It began a minute ago and is not committed; a finished one does not count."""
    for committed in (False, True):
        capture_id = await world.announce()
        now = world.clock()
        values: dict[str, Any] = {
            "session_id": capture_id,
            "capture_id": capture_id,
            "device_id": DEVICE,
            "fencing_token": 1,
            "manifest": b"",
            "manifest_digest": bytes(32),
            "opened_time": now,
            "committed_time": now if committed else None,
        }
        with world.database.begin() as tx:
            tx.execute(sa.insert(upload).values(values))
    assert 0 == (await read(world)).single[Metric.UPLOADS_STALLED]
    world.clock.forward(seconds=61)
    assert 1 == (await read(world)).single[Metric.UPLOADS_STALLED]


async def test_queue_and_its_oldest(world: World) -> None:
    """What waits, is read, is held; how long the first of those that wait does."""
    now = world.clock()
    for number, state in enumerate(("queued", "queued", "leased", "held", "done")):
        row = {"kind": "read", "subject_id": str(number), "state": state, "not_before_time": now}
        with world.database.begin() as tx:
            tx.execute(sa.insert(job).values(**row, priority=0, attempts=0, fencing_token=0))
    world.clock.forward(seconds=90)
    single = (await read(world)).single
    metrics = (Metric.QUEUE_DEPTH, Metric.JOBS_LEASED, Metric.JOBS_HELD)
    assert (2.0, 1.0, 1.0) == tuple(single[metric] for metric in metrics)
    assert 90 <= single[Metric.QUEUE_OLDEST_S] < 120


async def test_what_is_not_published_yet_counts(world: World) -> None:
    """Entries beyond the published checkpoint; nothing once it was published."""
    ledger: Any = world.services.ledger
    await ledger.publish()
    with world.database.begin() as tx:
        ledger.append(tx, [b"one\n", b"two\n"])
    assert 2 == (await read(world)).single[Metric.LEDGER_UNPUBLISHED]
    await ledger.publish()
    single = (await read(world)).single
    assert (0, 2) == (single[Metric.LEDGER_UNPUBLISHED], single[Metric.LEDGER_SIZE])


async def test_open_pages_are_counted(world: World) -> None:
    """A reader of the changes counts while it reads."""
    batches = world.services.hub.batches(0, quiet_s=0.01)
    reading = asyncio.ensure_future(anext(batches))
    await reading
    assert 1 == (await read(world)).single[Metric.READERS]
    await batches.aclose()
    assert 0 == (await read(world)).single[Metric.READERS]


async def test_captures_of_the_last_hour(world: World) -> None:
    """Older ones do not count."""
    await world.announce()
    world.clock.forward(minutes=61)
    await world.announce()
    assert 1 == (await read(world)).single[Metric.CAPTURES_LAST_HOUR]
    with world.database.begin() as tx:
        assert 2 == tx.execute(sa.select(sa.func.count()).select_from(capture)).scalar_one()
