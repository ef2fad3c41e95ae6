"""A monitor over a small real world, and samples made by hand."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cloud.db import Database
from cloud.db.times import Clock
from cloud.ingest.presence import Presence
from cloud.ledger import Ledger
from cloud.log import make_log
from cloud.monitor.all import Monitor, make_monitor
from cloud.monitor.channels import Channel, Sender
from cloud.monitor.checks import Checks
from cloud.monitor.deliveries import Deliveries
from cloud.monitor.gpu import Gpus
from cloud.monitor.loop_lag import LoopLag
from cloud.monitor.machine import Machine
from cloud.monitor.metrics import METRICS, Metric
from cloud.monitor.rules import DEFAULTS, Rule
from cloud.monitor.sample import Readings, Sample
from cloud.monitor.sampler import Watched
from cloud.publish import Bus
from cloud.publish.hub import Hub

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def new_id() -> str:
    """A UUID."""
    return str(uuid.uuid4())


def look(metric: Metric, value: float | Mapping[str, float], after_s: float = 0.0) -> Sample:
    """A look that found this and nothing else, `after_s` seconds past noon."""
    readings = (
        Readings(single={metric: value}) if isinstance(value, int | float) else Readings(each={metric: value})
    )
    assert (METRICS[metric].subject is None) is isinstance(value, int | float)
    return Sample(time=NOON + timedelta(seconds=after_s), readings=readings)


async def made_monitor(
    folder: Path,
    database: Database,
    ledger: Ledger,
    hub: Hub,
    bus: Bus,
    clock: Clock,
    senders: Mapping[Channel, Sender],
    rules: Mapping[str, Rule] = DEFAULTS,
) -> Monitor:
    """An opened monitor whose loops nobody runs; its log goes nowhere."""
    log = make_log(io.StringIO())
    deliveries = Deliveries(database, senders, "test.example/log", clock, new_id, log)
    watched = Watched(
        machine=Machine(folder, time.monotonic),
        gpus=Gpus(),
        lag=LoopLag(time.monotonic),
        checks=Checks(database, folder / "ledger", ledger.verifier, clock, log),
        deliveries=deliveries,
        presence=Presence(clock),
        hub=hub,
        engine=None,
        models=(),
        busy=lambda: 0,
        ledger_dir=folder / "ledger",
        database=database,
        clock=clock,
        log=log,
    )
    monitor = make_monitor(
        watched,
        rules=rules,
        deliveries=deliveries,
        bus=bus,
        new_id=new_id,
        calls=lambda: {"Commit OK": 3},
        version="0.1.0",
    )
    await monitor.open()
    return monitor
