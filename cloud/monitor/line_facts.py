"""Monitor: how the line stands, as the database and the published ledger tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.job_table import JobState
from cloud.db.prepared import Prepared
from cloud.db.tables import capture, device, job, ledger_state, outbox, upload
from cloud.items import CaptureState
from cloud.ledger.layout import CHECKPOINT_PATH
from cloud.monitor.metrics import Metric
from cloud.monitor.sample import Readings

STALLED_AFTER: Final = timedelta(minutes=1)
"""An upload that began this long ago and did not end has stalled."""
FORGOTTEN_AFTER: Final = timedelta(days=30)
"""An agent that was not heard for so long has gone: it raises no alarm any more."""
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_COUNTED_MAX: Final = 5000
_DEVICES_MAX: Final = 200

_BY_STATE: Final = {
    JobState.QUEUED: Metric.QUEUE_DEPTH,
    JobState.LEASED: Metric.JOBS_LEASED,
    JobState.HELD: Metric.JOBS_HELD,
}
_JOBS: Final = Prepared(
    sa.select(sa.func.count().label("count")).select_from(job).where(job.c.state == sa.bindparam("of_state"))
)
# Jobs are numbered as they come: the lowest number has waited longest. Both by the index over state.
_OLDEST: Final = Prepared(
    sa.select(job.c.not_before_time).where(
        job.c.job_id
        == sa.select(sa.func.min(job.c.job_id)).where(job.c.state == JobState.QUEUED).scalar_subquery()
    )
)
_NEWEST_EVENT: Final = Prepared(sa.select(sa.func.max(outbox.c.event_id).label("newest")))
_LEDGER_SIZE: Final = Prepared(sa.select(sa.func.sum(ledger_state.c.size).label("size")))
_NEWEST_CAPTURES: Final = (
    sa.select(capture.c.notified_time)
    .where(capture.c.series_label.is_(None))
    .order_by(capture.c.slot.desc())
    .limit(_COUNTED_MAX)
    .subquery()
)
_LAST_HOUR: Final = Prepared(
    sa.select(sa.func.count().label("count"))
    .select_from(_NEWEST_CAPTURES)
    .where(_NEWEST_CAPTURES.c.notified_time > sa.bindparam("since", type_=capture.c.notified_time.type))
)
_SINCE: Final = sa.bindparam("since", type_=capture.c.deadline_time.type)
_MISSING: Final = Prepared(
    sa.select(capture.c.device_id, sa.func.count().label("count"))
    .where(capture.c.state == CaptureState.MISSING.value, capture.c.deadline_time > _SINCE)
    .group_by(capture.c.device_id)
)
_STALLED: Final = Prepared(
    sa.select(sa.func.count().label("count"))
    .select_from(capture.join(upload, upload.c.capture_id == capture.c.capture_id))
    .where(
        sa.or_(*(capture.c.state == s.value for s in (CaptureState.INCOMING, CaptureState.MISSING))),
        capture.c.deadline_time > _SINCE,
        upload.c.committed_time.is_(None),
        upload.c.opened_time < sa.bindparam("before", type_=upload.c.opened_time.type),
    )
)
_DEVICES: Final = Prepared(
    sa.select(device.c.device_id, device.c.first_seen_time, device.c.last_seen_time, device.c.clock_offset_ms)
    .where(device.c.revoked == sa.false())
    .order_by(device.c.last_seen_time.desc())
    .limit(_DEVICES_MAX)
)
_PRINTS: Final = Prepared(
    sa.select(capture.c.device_id, sa.func.count().label("count"))
    .select_from(capture)
    .where(
        capture.c.slot
        > sa.select(sa.func.coalesce(sa.func.max(capture.c.slot), 0) - _COUNTED_MAX).scalar_subquery(),
        capture.c.notified_time > _SINCE,
        capture.c.series_label.is_(None),
    )
    .group_by(capture.c.device_id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFacts:
    """What is known of an agent."""

    device_id: str
    """Its device number."""
    first_seen_time: datetime
    """When it first spoke (aware UTC)."""
    last_seen_time: datetime
    """When it was last heard (aware UTC)."""
    connected: bool
    """Whether it holds a stream now."""
    clock_offset_ms: float
    """Its clock minus ours, milliseconds, at its last announcement."""
    captures_last_day: int
    """Captures of the last day, counted among the newest 5000 of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFacts:
    """How the line stands."""

    readings: Readings
    """Its metrics."""
    agents: tuple[AgentFacts, ...]
    """The agents, last heard first."""


def queue(tx: Tx, now: datetime) -> Readings:
    """Queue and outbox: quick, for every look."""
    single: dict[Metric, float] = {
        metric: float(_JOBS.one(tx, {"of_state": state.value}).count) for state, metric in _BY_STATE.items()
    }
    oldest = _OLDEST.first(tx)
    waited_s = 0.0 if oldest is None else (now - oldest.not_before_time).total_seconds()
    single[Metric.QUEUE_OLDEST_S] = round(max(0.0, waited_s), 1)
    single[Metric.OUTBOX_POSITION] = float(_NEWEST_EVENT.one(tx).newest or 0)
    single[Metric.LEDGER_SIZE] = float(_LEDGER_SIZE.one(tx).size or 0)
    return Readings(single=single)


def line(tx: Tx, now: datetime) -> LineFacts:
    """Captures, uploads and agents: for every fifth look."""
    prints = {row.device_id: row.count for row in _PRINTS.all(tx, {"since": now - _DAY})}
    missing = {row.device_id: float(row.count) for row in _MISSING.all(tx, {"since": now - _DAY})}
    stalled = _STALLED.one(tx, {"since": now - _DAY, "before": now - STALLED_AFTER}).count
    agents = tuple(
        AgentFacts(
            device_id=row.device_id,
            first_seen_time=row.first_seen_time,
            last_seen_time=row.last_seen_time,
            connected=False,
            clock_offset_ms=row.clock_offset_ms,
            captures_last_day=prints.get(row.device_id, 0),
        )
        for row in _DEVICES.all(tx)
    )
    readings = Readings(
        single={
            Metric.CAPTURES_LAST_HOUR: float(_LAST_HOUR.one(tx, {"since": now - _HOUR}).count),
            Metric.UPLOADS_STALLED: float(stalled),
        },
        each={
            Metric.CAPTURES_MISSING: {agent.device_id: missing.get(agent.device_id, 0.0) for agent in agents},
            Metric.CLOCK_OFFSET_MS: {agent.device_id: abs(agent.clock_offset_ms) for agent in agents},
        },
    )
    return LineFacts(readings=readings, agents=agents)


def with_presence(
    facts: LineFacts, heard: Mapping[str, datetime], connected: frozenset[str], now: datetime
) -> LineFacts:
    """The facts with what is known of open streams: an agent that prints nothing is there all the same."""
    agents = tuple(
        replace(
            agent,
            connected=agent.device_id in connected,
            last_seen_time=max(agent.last_seen_time, heard.get(agent.device_id, agent.last_seen_time)),
        )
        for agent in facts.agents
    )
    silent = {
        agent.device_id: round(max(0.0, (now - agent.last_seen_time).total_seconds()), 1)
        for agent in agents
        if now - agent.last_seen_time < FORGOTTEN_AFTER
    }
    return LineFacts(
        readings=facts.readings.with_(Readings(each={Metric.AGENT_SILENT_S: silent})), agents=agents
    )


def published(ledger_dir: Path, size: float | None, now: datetime) -> Readings:
    """How far the published checkpoint is behind a log of `size` entries (None: not known), and how old it is."""
    file = ledger_dir / CHECKPOINT_PATH
    try:
        # The second line of a checkpoint is its size (c2sp.org/tlog-checkpoint).
        covered = int(file.read_bytes().split(b"\n", 2)[1])
        written_s = file.stat().st_mtime
    except (OSError, ValueError, IndexError):
        return Readings()
    single = {Metric.CHECKPOINT_AGE_S: round(max(0.0, now.timestamp() - written_s), 1)}
    if size is not None:
        single[Metric.LEDGER_UNPUBLISHED] = max(0.0, size - covered)
    return Readings(single=single)
