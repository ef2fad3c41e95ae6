"""Monitor: what is read of this very machine, and the course that it makes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread

import psutil

from cloud.errors import StoreFull
from cloud.monitor.machine import Machine
from cloud.monitor.metrics import Metric
from cloud.monitor.sample import DAY, INTERVAL_S, RECENT, History, Point, Readings, Sample
from tests.cloud.console.world import World
from tests.cloud.monitor.made import NOON


def in_another_thread(machine: Machine) -> Readings:
    """A look from a thread of its own."""
    found: list[Readings] = []
    thread = Thread(target=lambda: found.append(machine.read()))
    thread.start()
    thread.join()
    return found[0]


def test_looks_from_different_threads_are_one_course(tmp_path: Path) -> None:
    """A busy processor is busy in every look, whichever thread takes it."""
    machine = Machine(tmp_path, time.monotonic)
    for _ in range(3):
        end_s = time.process_time() + 0.15
        while time.process_time() < end_s:
            pass
        readings = in_another_thread(machine)
        assert readings.single[Metric.CPU_PERCENT] > 0
        assert readings.single[Metric.PROCESS_CPU_PERCENT] > 0
    assert psutil.cpu_count() == len(readings.each[Metric.CPU_CORE_PERCENT])


def test_rates_are_per_second_and_never_negative(tmp_path: Path) -> None:
    """Over the stopwatch's time; the first look has none."""
    times: Iterator[float] = iter([0.0, 2.0, 4.0])
    machine = Machine(tmp_path, lambda: next(times))
    assert Metric.NETWORK_SENT_BYTES_PER_S not in machine.read().single
    for _ in range(2):
        assert machine.read().single[Metric.NETWORK_SENT_BYTES_PER_S] >= 0


def cpu(after_s: float, percent: float) -> Sample:
    """A look at the processor."""
    readings = Readings(single={Metric.CPU_PERCENT: percent})
    return Sample(time=NOON + timedelta(seconds=after_s), readings=readings)


def test_a_minute_is_kept_as_its_mean() -> None:
    """The look that begins the next minute ends the one before; the one under way is shown as it is so far."""
    history = History()
    ended = [history.add(cpu(after_s, percent)) for after_s, percent in ((0, 10.0), (30, 20.0), (60, 90.0))]
    assert [None, None, Point(time=NOON, values={Metric.CPU_PERCENT: 15.0})] == ended
    assert [15.0, 90.0] == [point.values[Metric.CPU_PERCENT] for point in history.day()]


def test_the_course_is_bounded() -> None:
    """However long the server runs: 15 minutes of looks, a day of minutes."""
    history = History()
    for look in range(int((DAY + timedelta(hours=1)).total_seconds() / 20)):
        history.add(cpu(look * 20, 1.0))
    assert RECENT.total_seconds() / INTERVAL_S == len(history.recent())
    assert DAY.total_seconds() / 60 + 1 >= len(history.day())


async def test_the_day_survives_a_restart(world: World) -> None:
    """Minutes lie in the database; a new monitor begins with them, and what is older than a day is gone."""
    sampler = world.services.monitor.sampler
    await sampler.look()
    world.clock.forward(minutes=1)
    await sampler.look()
    kept = sampler.history.day()[0]
    await sampler.open()
    assert [kept] == sampler.history.day()
    world.clock.forward(hours=25)
    await sampler.open()
    assert [] == sampler.history.day()


async def test_a_minute_that_could_not_be_kept_is_kept_later(world: World) -> None:
    """A database that takes nothing for a while costs no minute."""
    sampler, write = world.services.monitor.sampler, world.database.write

    async def full(_: object) -> None:
        raise StoreFull("full", 1.0)

    await sampler.look()
    world.clock.forward(minutes=1)
    world.database.write = full  # type: ignore[assignment]  # a full disk
    await sampler.look()
    world.database.write = write  # type: ignore[method-assign]  # room again
    world.clock.forward(minutes=1)
    await sampler.look()
    await sampler.open()
    assert 2 == len(sampler.history.day())
