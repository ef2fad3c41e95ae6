"""Monitor: looks at everything every two seconds, keeps the course, and has the alarms judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud.db import Database, Tx
from cloud.db.times import Clock
from cloud.errors import CloudError
from cloud.infer import DescribingEngine
from cloud.ingest.devices import note_heard
from cloud.ingest.presence import Presence
from cloud.log import Log, where
from cloud.monitor import alarm_rows, line_facts
from cloud.monitor.book import AlarmBook
from cloud.monitor.checks import Checks
from cloud.monitor.deliveries import Deliveries
from cloud.monitor.gpu import Gpus
from cloud.monitor.line_facts import AgentFacts, LineFacts
from cloud.monitor.loop_lag import LoopLag
from cloud.monitor.machine import Machine
from cloud.monitor.metrics import Metric
from cloud.monitor.sample import INTERVAL_S, History, Point, Readings, Sample
from cloud.publish.hub import Hub

SLOW_EVERY: Final = 5
"""Captures, uploads, agents and models are asked at every so many looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Everything that is looked at."""

    machine: Machine
    """Processor, memory, disk, network."""
    gpus: Gpus
    """Graphics processors."""
    lag: LoopLag
    """The event loop."""
    checks: Checks
    """Checks of ledger and audit."""
    deliveries: Deliveries
    """Ways out for alarms."""
    presence: Presence
    """Agents that hold a stream."""
    hub: Hub
    """Open pages."""
    engine: DescribingEngine | None
    """Runs the models; None where this server reads no images."""
    models: tuple[str, ...]
    """Models that must be ready."""
    busy: Callable[[], int]
    """How many images are in the models now."""
    ledger_dir: Path
    """Folder of the published ledger."""
    database: Database
    """How the line stands."""
    clock: Clock
    """Now, aware UTC."""
    log: Log
    """Where events are written."""


class Sampler:
    """The newest look is in `latest`; the course survives a restart, to the minute."""

    def __init__(self, watched: Watched, book: AlarmBook) -> None:
        self._watched = watched
        self._book = book
        self._looks = 0
        self._slow = LineFacts(readings=Readings(), agents=())
        self._unkept: list[Point] = []
        self.history = History()
        self.latest = Sample(time=watched.clock(), readings=Readings())

    @property
    def agents(self) -> tuple[AgentFacts, ...]:
        """The agents, as the newest look at them found."""
        return self._slow.agents

    async def open(self) -> None:
        """Takes up the course of the last day."""
        now = self._watched.clock()
        self.history = History(await self._watched.database.read(lambda tx: alarm_rows.minutes(tx, now)))

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # the outermost loop of the monitor: the next look tries again
                self._watched.log.error("look_failed", error=type(error).__name__, where=where(error))
            await asyncio.sleep(INTERVAL_S)

    async def look(self) -> Sample:
        """Looks once, now; what cannot be read is left out, and the alarms are judged by the rest."""
        readings = await asyncio.to_thread(self._system)
        for part in (self._watched.lag, self._watched.checks, self._watched.deliveries):
            readings = readings.with_(part.read())
        single = {Metric.READERS: self._watched.hub.readers, Metric.MODELS_BUSY: self._watched.busy()}
        readings = readings.with_(Readings(single={metric: float(n) for metric, n in single.items()}))
        readings = readings.with_(await self._line())
        sample = Sample(time=self._watched.clock(), readings=readings)
        self.latest = sample
        await self._book.consider(sample)
        minute = self.history.add(sample)
        if minute is not None:
            await self._keep(minute)
        return sample

    def _system(self) -> Readings:
        try:
            return self._watched.machine.read().with_(self._watched.gpus.read())
        except OSError as error:
            self._watched.log.warning("machine_not_read", error=type(error).__name__)
            return Readings()

    async def _line(self) -> Readings:
        """Quick facts now, slow ones as they are or were."""
        watched, now = self._watched, self._watched.clock()
        slow_is_due = self._looks % SLOW_EVERY == 0
        self._looks += 1
        try:
            quick = await watched.database.read(lambda tx: line_facts.queue(tx, now))
            if slow_is_due:
                self._slow = await watched.database.read(lambda tx: line_facts.line(tx, now))
                self._slow = LineFacts(
                    readings=self._slow.readings.with_(await self._models()), agents=self._slow.agents
                )
        except CloudError as error:
            watched.log.warning("line_not_read", error=type(error).__name__)
            return self._slow.readings
        presence = watched.presence
        self._slow = line_facts.with_presence(self._slow, presence.heard(now), presence.connected, now)
        size = quick.single.get(Metric.LEDGER_SIZE)
        return self._slow.readings.with_(quick).with_(line_facts.published(watched.ledger_dir, size, now))

    async def _models(self) -> Readings:
        engine = self._watched.engine
        if engine is None:
            return Readings()
        models = self._watched.models
        ready = await asyncio.gather(*(engine.ready(model) for model in models), return_exceptions=True)
        states = {model: float(state is not True) for model, state in zip(models, ready, strict=True)}
        return Readings(each={Metric.MODEL_NOT_READY: states})

    async def _keep(self, minute: Point) -> None:
        """Keeps a minute and who was there; what the database does not take now waits for the next minute."""
        now = self._watched.clock()
        heard = self._watched.presence.heard(now)
        self._unkept.append(minute)
        waiting = self._unkept[-60:]

        def work(tx: Tx) -> None:
            for each in waiting:
                alarm_rows.keep_minute(tx, each)
            note_heard(tx, heard)

        try:
            await self._watched.database.write(work)
        except CloudError as error:
            self._watched.log.warning("minute_not_kept", error=type(error).__name__)
            self._unkept = waiting
            return
        self._unkept = []
