"""Monitor: one alarm and its states: pending, firing, acknowledged, cleared. Pure: time and values come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cloud.monitor.metrics import Metric
from cloud.monitor.rules import Rule, Severity
from cloud.monitor.sample import Sample


class AlarmState(StrEnum):
    """Where an alarm stands."""

    PENDING = "pending"
    """The threshold is passed, not for long enough yet. Only in memory: after a restart it is seen again."""
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    """Somebody has seen it and takes care; it is not over."""
    CLEARED = "cleared"


RAISED: Final = frozenset({AlarmState.FIRING, AlarmState.ACKNOWLEDGED})
"""States in which something is wrong now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm, from the first passing of the threshold to its end."""

    alarm_id: str
    """UUID."""
    rule: str
    """Name of the rule that raised it."""
    metric: Metric
    """What was watched."""
    subject: str
    """Which device, model, core, channel; "" where there is only one."""
    severity: Severity
    """How much hangs on it."""
    state: AlarmState
    """Where it stands."""
    value: float
    """The newest value, in the metric's unit."""
    threshold: float
    """The threshold when it was raised."""
    en: str
    """What has happened and what to do, English."""
    zh: str
    """The same, Chinese."""
    began_time: datetime
    """When the threshold was passed (aware UTC)."""
    fired_time: datetime | None = None
    """When it became an alarm; None while pending."""
    acknowledged_time: datetime | None = None
    """When somebody acknowledged it; None where nobody did."""
    acknowledged_by: str | None = None
    """Who did, as the audit names them."""
    note: str | None = None
    """What they wrote."""
    cleared_time: datetime | None = None
    """When it was over; None while it is not."""


NewId = Callable[[], str]
"""Makes UUIDs."""
Open = Mapping[tuple[str, str], Alarm]
"""Alarms that are not over, by rule and subject."""


def consider(rules: Mapping[str, Rule], open_alarms: Open, sample: Sample, new_id: NewId) -> list[Alarm]:
    """The alarms that `sample` changes, each as it is after it; a pending one that came to nothing is cleared.

    A subject that is gone, or a rule that is, ends its alarms; a metric that could not be read changes nothing.
    """
    changed: list[Alarm] = []
    for rule in rules.values():
        values = sample.readings.of(rule.metric) if rule.enabled else None
        for subject, value in (values or {}).items():
            before = open_alarms.get((rule.name, subject))
            after = _judged(rule, subject, value, before, sample.time, new_id)
            if after is not None and after != before:
                changed.append(after)
    for (name, subject), alarm in open_alarms.items():
        known = rules.get(name)
        if known is None or not known.enabled or known.metric is not alarm.metric:
            changed.append(_ended(alarm, sample.time))
            continue
        values = sample.readings.of(alarm.metric)
        if values is not None and subject not in values:
            changed.append(_ended(alarm, sample.time))
    return changed


def acknowledged(alarm: Alarm, by: str, note: str | None, now: datetime) -> Alarm:
    """The alarm after somebody acknowledged it; a later acknowledgement replaces an earlier one."""
    return replace(alarm, state=AlarmState.ACKNOWLEDGED, acknowledged_time=now, acknowledged_by=by, note=note)


def _judged(
    rule: Rule, subject: str, value: float, before: Alarm | None, now: datetime, new_id: NewId
) -> Alarm | None:
    """The alarm after a value; None where there is none."""
    if before is None:
        return (
            _raised(_begun(rule, subject, value, now, new_id()), rule, now) if rule.is_beyond(value) else None
        )
    if before.state is AlarmState.PENDING:
        if not rule.is_beyond(value):
            return _ended(before, now)
        return _raised(replace(before, value=value), rule, now)
    if rule.is_clear(value):
        return _ended(replace(before, value=value), now)
    return replace(before, value=value)


def _begun(rule: Rule, subject: str, value: float, now: datetime, alarm_id: str) -> Alarm:
    return Alarm(
        alarm_id=alarm_id,
        rule=rule.name,
        metric=rule.metric,
        subject=subject,
        severity=rule.severity,
        state=AlarmState.PENDING,
        value=value,
        threshold=rule.threshold,
        en=rule.en,
        zh=rule.zh,
        began_time=now,
    )


def _raised(alarm: Alarm, rule: Rule, now: datetime) -> Alarm:
    """Fires once it has lasted long enough."""
    if now - alarm.began_time < timedelta(seconds=rule.hold_s):
        return alarm
    # The rule may have been changed while it was pending.
    return replace(
        alarm, state=AlarmState.FIRING, fired_time=now, threshold=rule.threshold, severity=rule.severity
    )


def _ended(alarm: Alarm, now: datetime) -> Alarm:
    return replace(alarm, state=AlarmState.CLEARED, cleared_time=now)
