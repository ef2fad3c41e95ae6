"""Monitor: alarms, a site's changes of rules, and the minutes of the day in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.insert import insert_once
from cloud.db.tables import alarm, alarm_change, alarm_rule, system_minute
from cloud.monitor.alarm import Alarm, AlarmState
from cloud.monitor.metrics import DEVICE_METRICS, HISTORY, Metric
from cloud.monitor.rules import Rule, Severity
from cloud.monitor.sample import DAY, Point

_TIMES: Final = ("began_time", "fired_time", "acknowledged_time", "cleared_time")
_STATE_TIMES: Final[Mapping[AlarmState, str]] = {
    AlarmState.FIRING: "fired_time",
    AlarmState.ACKNOWLEDGED: "acknowledged_time",
    AlarmState.CLEARED: "cleared_time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """What a person changed of a rule."""

    rule: Rule
    """The rule as it is now."""
    changed_time: datetime
    """When (aware UTC)."""
    changed_by: str
    """Who, as the audit names them."""


def store(tx: Tx, changed: Alarm, actor: str | None = None) -> None:
    """Stores an alarm as it is now, and that it changed. A repeat adds nothing but the change."""
    values: dict[str, Any] = {
        "alarm_id": changed.alarm_id,
        "rule": changed.rule,
        "metric": changed.metric.value,
        "subject": changed.subject[:80],
        "severity": changed.severity.value,
        "state": changed.state.value,
        "value": changed.value,
        "threshold": changed.threshold,
        "en": changed.en,
        "zh": changed.zh,
        "acknowledged_by": changed.acknowledged_by,
        "note": changed.note,
        **{name: getattr(changed, name) for name in _TIMES},
    }
    if not insert_once(tx, alarm, (alarm.c.alarm_id,), values):
        tx.execute(sa.update(alarm).where(alarm.c.alarm_id == changed.alarm_id).values(values))
    tx.execute(
        sa.insert(alarm_change).values(
            alarm_id=changed.alarm_id,
            state=changed.state.value,
            value=changed.value,
            actor=actor,
            note=changed.note if actor is not None else None,
            change_time=getattr(changed, _STATE_TIMES[changed.state]),
        )
    )


def open_alarms(tx: Tx) -> list[Alarm]:
    """The alarms that are not over."""
    rows = tx.execute(sa.select(alarm).where(alarm.c.state != AlarmState.CLEARED.value))
    return [found for row in rows if (found := _alarm(row)) is not None]


def past_alarms(tx: Tx, limit: int, before: datetime | None, but: Collection[str] = ()) -> list[Alarm]:
    """Up to `limit` alarms that are over, newest first; those that fired before `before` where given, and none about
    the devices `but`."""
    query = (
        sa.select(alarm)
        .where(alarm.c.state == AlarmState.CLEARED.value)
        .order_by(alarm.c.fired_time.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(alarm.c.fired_time < before)
    if but:
        of_devices = alarm.c.metric.in_([metric.value for metric in DEVICE_METRICS])
        query = query.where(sa.not_(of_devices & alarm.c.subject.in_(but)))
    return [found for row in tx.execute(query) if (found := _alarm(row)) is not None]


def rule_changes(tx: Tx, rules: Mapping[str, Rule]) -> dict[str, RuleChange]:
    """What persons changed of `rules`, by name; changes of rules that are no more are left out."""
    return {
        row.rule: RuleChange(
            rule=replace(
                rules[row.rule],
                threshold=row.threshold,
                clear=row.clear,
                hold_s=row.hold_s,
                severity=Severity(row.severity),
                enabled=row.enabled,
            ),
            changed_time=row.changed_time,
            changed_by=row.changed_by,
        )
        for row in tx.execute(sa.select(alarm_rule))
        if row.rule in rules
    }


def set_rule(tx: Tx, name: str, change: RuleChange | None) -> None:
    """Keeps what a person changed of a rule; None: nothing any more."""
    tx.execute(sa.delete(alarm_rule).where(alarm_rule.c.rule == name))
    if change is not None:
        rule = change.rule
        tx.execute(
            sa.insert(alarm_rule).values(
                rule=name,
                threshold=rule.threshold,
                clear=rule.clear,
                hold_s=rule.hold_s,
                severity=rule.severity.value,
                enabled=rule.enabled,
                changed_time=change.changed_time,
                changed_by=change.changed_by,
            )
        )


def keep_minute(tx: Tx, point: Point) -> None:
    """Keeps the means of a minute, and forgets those older than a day."""
    means = {metric.value: value for metric, value in point.values.items()}
    key = (system_minute.c.minute_time,)
    insert_once(tx, system_minute, key, {"minute_time": point.time, "means": means})
    tx.execute(sa.delete(system_minute).where(system_minute.c.minute_time < point.time - DAY))


def minutes(tx: Tx, now: datetime) -> list[Point]:
    """The minutes of the last day, oldest first; metrics that are no more are left out."""
    rows = tx.execute(
        sa.select(system_minute)
        .where(system_minute.c.minute_time >= now - DAY)
        .order_by(system_minute.c.minute_time)
    )
    known = {metric.value: metric for metric in HISTORY}
    return [
        Point(
            time=row.minute_time,
            values={known[name]: value for name, value in row.means.items() if name in known},
        )
        for row in rows
    ]


def _alarm(row: Any) -> Alarm | None:
    """The alarm of a row; None where its metric is not known any more."""
    if row.metric not in {metric.value for metric in Metric}:
        return None
    return Alarm(
        alarm_id=row.alarm_id,
        rule=row.rule,
        metric=Metric(row.metric),
        subject=row.subject,
        severity=Severity(row.severity),
        state=AlarmState(row.state),
        value=row.value,
        threshold=row.threshold,
        en=row.en,
        zh=row.zh,
        acknowledged_by=row.acknowledged_by,
        note=row.note,
        **{name: getattr(row, name) for name in _TIMES},
    )
