"""Worker processes: series stick to one, die and are replaced, and memory stays below the cap."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import pytest_asyncio

from cloud.series.errors import SeriesRefused, SliceInvalid
from cloud.series.messages import Cut, CutMade, Key, SlabMode, StoredBytes, StoredSeries
from cloud.series.workers import Superseded, WorkerDied, Workers
from tests.cloud.series.phantom import AXIAL, centred, even, ramp, write_series

CAP_BYTES = 64 * 1024**2
COUNT, SIDE = 16, 48
KEPT_BYTES = 2 * COUNT * SIDE * SIDE
NEED_BYTES = 9 * COUNT * SIDE * SIDE


def cut_of(size_px: int = 8, **changes: Any) -> Cut:
    """An axial plane through the patient's origin, 1 mm pixels."""
    whole = {
        "centre_mm": (0.0, 0.0, 0.0),
        "u": (1.0, 0.0, 0.0),
        "v": (0.0, 1.0, 0.0),
        "size_px": size_px,
        "pixel_mm": 1.0,
        "slab_mm": 0.0,
        "mode": SlabMode.MEAN,
    }
    return Cut(**{**whole, **changes})


SLOW = cut_of(512, slab_mm=60.0, pixel_mm=0.1)
"""A plane that takes the worker long: a slab of 61 layers."""


class Site:
    """Stored series, each of the same phantom, and workers."""

    def __init__(self, folder: Path, workers: Workers) -> None:
        paths = write_series(folder, centred(AXIAL, even(COUNT, 1.0)))
        self.images = tuple(
            StoredBytes(
                shards=(str(path),), shard_size_bytes=1, start_bytes=0, size_bytes=path.stat().st_size
            )
            for path in paths
        )
        self.workers = workers
        self.loads = 0

    def key(self, on: int = 0) -> Key:
        """A new series that sticks to this one of two workers."""
        return str(uuid.UUID(int=2 * uuid.uuid4().int % 2**127 + on)), 1

    async def load(self) -> StoredSeries:
        """Where any of the series lies."""
        self.loads += 1
        return StoredSeries(images=self.images, threshold=10, cap_bytes=CAP_BYTES)

    async def cut(self, key: Key, asked: Cut | None = None, **more: Any) -> CutMade:
        """A plane through the series."""
        made: CutMade = await self.workers.ask(key, self.load, "cut", asked or cut_of(), **more)
        return made


@pytest_asyncio.fixture(name="site")
async def _site(tmp_path: Path) -> AsyncIterator[Site]:
    workers = Workers(2, CAP_BYTES)
    yield Site(tmp_path, workers)
    await workers.close()


def right(made: CutMade) -> bool:
    """Whether the plane holds the body's values."""
    steps = np.arange(8) - 3.5
    points = np.stack([*np.meshgrid(steps, steps), np.zeros((8, 8))], axis=-1)
    return bool(np.abs(np.frombuffer(made.data, "<i2").reshape(8, 8) - ramp(points)).max() <= 1.5)


async def test_nothing_is_started_before_it_is_needed(site: Site) -> None:
    """A server whose people look at no series has no worker; the first plane starts one, not both."""
    assert [] == site.workers.pids
    assert right(await site.cut(site.key()))
    assert 1 == len(site.workers.pids)


async def test_each_series_sticks_to_one_worker(site: Site) -> None:
    """Many planes of a series are cut where its one volume is: where it lies is asked once."""
    keys = [site.key(on) for on in (0, 1)]
    for _ in range(3):
        assert all(map(right, await asyncio.gather(*(site.cut(key) for key in keys))))
    assert (2, 2) == (len(site.workers.pids), site.loads)
    assert 2 * KEPT_BYTES == site.workers.kept_bytes


async def test_a_worker_killed_in_the_middle_is_replaced(site: Site) -> None:
    """The request that it worked on is answered by its successor, which opens the series again; others go on."""
    key = site.key()
    await site.cut(key)
    (before,) = site.workers.pids
    under_way = asyncio.create_task(site.cut(key, SLOW))
    await working(before)
    os.kill(before, signal.SIGKILL)
    assert 2 * 512 * 512 == len((await under_way).data)
    assert [before] != site.workers.pids
    assert right(await site.cut(key))
    assert 2 == site.loads


async def working(pid: int) -> None:
    """Waits until the process computes."""
    process = psutil.Process(pid)
    begin_s = process.cpu_times().user
    while process.cpu_times().user < begin_s + 0.05:
        await asyncio.sleep(0.005)


async def test_a_request_that_kills_twice_is_told_to_come_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No endless circle: after the second death the asker gets WorkerDied with a time, and the next request works."""
    deaths: list[int] = []
    workers = Workers(1, CAP_BYTES, lambda: deaths.append(1))
    site.workers = workers
    key = site.key()
    await site.cut(key)

    async def kill_each() -> None:
        seen: set[int] = set()
        while len(seen) < 2:
            for pid in set(workers.pids) - seen:
                seen.add(pid)
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.001)

    killer = asyncio.create_task(kill_each())
    with pytest.raises(WorkerDied) as died:
        await site.cut(key, SLOW)
    await killer
    assert died.value.after_s > 0
    assert 2 == len(deaths)
    assert right(await site.cut(key))
    await workers.close()


async def test_of_one_pane_only_the_newest_is_computed(site: Site) -> None:
    """Of fifty requests that come while the worker is busy, 49 are dropped before it sees them; the newest is
    answered."""
    key = site.key()
    await site.cut(key)
    busy = asyncio.create_task(site.cut(key, SLOW, pane="other"))
    await asyncio.sleep(0)
    before = site.workers.computed
    waiting = [asyncio.create_task(site.cut(key, pane="mine")) for _ in range(50)]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    await busy
    assert [Superseded] * 49 == [type(each) for each in answers[:-1]]
    assert right(answers[-1])  # type: ignore[arg-type]  # the newest is no error
    assert before + 2 >= site.workers.computed


async def test_whose_asker_went_away_is_not_computed(site: Site) -> None:
    """A request that nobody waits for any more is dropped when its turn comes."""
    key = site.key()
    await site.cut(key)

    async def gone() -> bool:
        return False

    before = site.workers.computed
    with pytest.raises(Superseded):
        await site.cut(key, wanted=gone)
    assert before == site.workers.computed


async def test_a_cancelled_request_leaves_no_answer_behind(site: Site) -> None:
    """The answer to a request whose asker was cancelled is not given to the next one."""
    key = site.key()
    await site.cut(key)
    under_way = asyncio.create_task(site.cut(key, SLOW))
    await working(site.workers.pids[0])
    under_way.cancel()
    assert right(await site.cut(key))


async def test_memory_of_all_workers_stays_below_the_cap(tmp_path: Path) -> None:
    """With room for three volumes and the building of one, the least recently used is let go, also in the other
    worker; it is built again when it is asked for."""
    cap = 2 * KEPT_BYTES + NEED_BYTES
    workers = Workers(2, cap)
    site = Site(tmp_path, workers)
    first, second, third, fourth = (site.key(on) for on in (0, 1, 0, 1))
    for key in (first, second, third):
        await site.cut(key)
        assert workers.kept_bytes <= cap
    await site.cut(first)
    loads = site.loads
    await site.cut(fourth)
    assert 3 * KEPT_BYTES == workers.kept_bytes
    assert right(await site.cut(first))
    assert loads + 1 == site.loads
    assert right(await site.cut(second))
    assert loads + 2 == site.loads
    await workers.close()


async def test_a_volume_above_the_cap_is_refused(tmp_path: Path) -> None:
    """Before a pixel is read, with the numbers; the worker goes on."""
    workers = Workers(1, CAP_BYTES)
    site = Site(tmp_path, workers)

    async def load() -> StoredSeries:
        return StoredSeries(images=site.images, threshold=10, cap_bytes=NEED_BYTES - 1)

    with pytest.raises(SeriesRefused) as refused:
        await workers.ask(site.key(), load, "cut", cut_of())
    assert "TOO_LARGE" == refused.value.refusal.reason
    assert right(await site.cut(site.key()))
    await workers.close()


async def test_an_error_of_a_request_leaves_the_worker_alive(site: Site) -> None:
    """A wrong plane is refused in words; the same process cuts the next one."""
    key = site.key()
    await site.cut(key)
    pids = site.workers.pids
    with pytest.raises(SliceInvalid, match="right angle"):
        await site.cut(key, cut_of(v=(1.0, 0.0, 0.0)))
    assert right(await site.cut(key))
    assert pids == site.workers.pids


async def test_closing_ends_what_is_under_way(site: Site) -> None:
    """Closing while a worker computes ends it at once; the request is told; no process is left."""
    key = site.key()
    await site.cut(key)
    (pid,) = site.workers.pids
    under_way = asyncio.create_task(site.cut(key, SLOW))
    await working(pid)
    await site.workers.close()
    with pytest.raises(WorkerDied):
        await under_way
    assert not psutil.pid_exists(pid)
