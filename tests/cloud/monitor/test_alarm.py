"""Monitor: when an alarm begins and ends: hold times, hysteresis, subjects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.monitor.alarm import Alarm, AlarmState, acknowledged, consider
from cloud.monitor.metrics import METRICS, Metric
from cloud.monitor.rules import DEFAULTS, Comparison, Rule, Severity
from cloud.monitor.sample import Readings, Sample
from tests.cloud.monitor.made import NOON, look, new_id

CPU = replace(DEFAULTS["cpu_high"], threshold=90.0, clear=75.0, hold_s=60.0)
FREE = replace(DEFAULTS["disk_full"], comparison=Comparison.BELOW, threshold=10.0, clear=20.0, hold_s=0.0)
SILENT = replace(DEFAULTS["agent_silent"], threshold=600.0, clear=120.0, hold_s=0.0)


class Course:
    """Judges look after look by one rule."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.open: dict[tuple[str, str], Alarm] = {}

    def see(self, sample: Sample, rule: Rule | None = None) -> list[tuple[str, AlarmState]]:
        """Subject and state of each alarm that the look changed."""
        used = rule or self.rule
        changed = consider({used.name: used}, self.open, sample, new_id)
        for alarm in changed:
            self.open[alarm.rule, alarm.subject] = alarm
            if alarm.state is AlarmState.CLEARED:
                del self.open[alarm.rule, alarm.subject]
        return [(alarm.subject, alarm.state) for alarm in changed]

    @property
    def only(self) -> Alarm:
        """The one open alarm."""
        (alarm,) = self.open.values()
        return alarm


@pytest.mark.req("DATA-11")
def test_an_alarm_needs_its_hold_time() -> None:
    """Beyond the threshold it is pending; once that has lasted long enough it fires, not a second earlier."""
    course = Course(CPU)
    states = [
        course.see(look(Metric.CPU_PERCENT, value, after_s))
        for value, after_s in ((90.0, 0), (91.0, 2), (95.0, 61.9), (93.0, 62), (94.0, 64))
    ]
    pending, firing = AlarmState.PENDING, AlarmState.FIRING
    assert [[], [("", pending)], [("", pending)], [("", firing)], [("", firing)]] == states
    assert (NOON.replace(second=2), NOON.replace(minute=1, second=2)) == (
        course.only.began_time,
        course.only.fired_time,
    )
    assert 94.0 == course.only.value


def test_a_short_peak_is_no_alarm() -> None:
    """A value that comes back within the hold time leaves nothing behind, and the time begins anew."""
    course = Course(CPU)
    for value, after_s in ((99.0, 0), (99.0, 58), (89.0, 60), (99.0, 62), (99.0, 120)):
        course.see(look(Metric.CPU_PERCENT, value, after_s))
    assert AlarmState.PENDING is course.only.state
    course.see(look(Metric.CPU_PERCENT, 99.0, 122))
    assert AlarmState.FIRING is course.only.state


@pytest.mark.parametrize(
    ("rule", "fires", "stays", "ends"),
    [(CPU, 91.0, (90.0, 80.0, 75.1), 75.0), (FREE, 9.9, (10.0, 15.0, 19.9), 20.0)],
    ids=["above", "below"],
)
def test_between_threshold_and_clear_nothing_changes(
    rule: Rule, fires: float, stays: tuple[float, ...], ends: float
) -> None:
    """Hysteresis: an alarm ends only at the clear value; a value in between also raises none."""
    course, rule = Course(replace(rule, hold_s=0.0)), replace(rule, hold_s=0.0)
    assert [[]] * 3 == [course.see(look(rule.metric, value, 0)) for value in stays]
    assert [("", AlarmState.FIRING)] == course.see(look(rule.metric, fires, 1))
    for after_s, value in enumerate(stays, 2):
        course.see(look(rule.metric, value, after_s))
        assert AlarmState.FIRING is course.only.state
    assert [("", AlarmState.CLEARED)] == course.see(look(rule.metric, ends, 9))
    assert {} == course.open


def test_an_acknowledged_alarm_stays_acknowledged_until_it_is_over() -> None:
    """New values beyond the threshold do not fire it again; after its end the next one fires anew."""
    course = Course(SILENT)
    course.see(look(Metric.AGENT_SILENT_S, {"room-1": 700.0}))
    key = ("agent_silent", "room-1")
    course.open[key] = acknowledged(course.open[key], "user:li", "on my way", NOON)
    course.see(look(Metric.AGENT_SILENT_S, {"room-1": 900.0}, 2))
    assert (AlarmState.ACKNOWLEDGED, 900.0, "on my way") == (
        course.only.state,
        course.only.value,
        course.only.note,
    )
    assert [("room-1", AlarmState.CLEARED)] == course.see(look(Metric.AGENT_SILENT_S, {"room-1": 5.0}, 4))
    assert [("room-1", AlarmState.FIRING)] == course.see(look(Metric.AGENT_SILENT_S, {"room-1": 601.0}, 6))
    assert course.only.acknowledged_by is None


def test_each_subject_has_an_alarm_of_its_own() -> None:
    """Two agents are two alarms; one that is gone ends its own and leaves the other alone."""
    course = Course(SILENT)
    course.see(look(Metric.AGENT_SILENT_S, {"room-1": 700.0, "room-2": 800.0, "room-3": 1.0}))
    assert {"room-1", "room-2"} == {subject for _, subject in course.open}
    assert ("room-1", AlarmState.CLEARED) in course.see(look(Metric.AGENT_SILENT_S, {"room-2": 802.0}, 2))
    assert "room-2" == course.only.subject


def test_what_could_not_be_read_changes_nothing() -> None:
    """A look without the metric neither ends an alarm nor lets a pending one fire."""
    course = Course(CPU)
    course.see(look(Metric.CPU_PERCENT, 99.0))
    assert [] == course.see(Sample(time=NOON.replace(hour=13), readings=Readings()))
    assert AlarmState.PENDING is course.only.state


def test_a_rule_that_is_switched_off_ends_its_alarms() -> None:
    """Off is off: what it raised is over, and nothing new comes."""
    course = Course(replace(CPU, hold_s=0.0))
    course.see(look(Metric.CPU_PERCENT, 99.0))
    off = replace(course.rule, enabled=False)
    assert [("", AlarmState.CLEARED)] == course.see(look(Metric.CPU_PERCENT, 99.0, 2), off)
    assert [] == course.see(look(Metric.CPU_PERCENT, 99.0, 4), off)


def test_every_metric_has_its_facts() -> None:
    """The table is complete, and no two metrics have one exported name."""
    assert set(Metric) == set(METRICS)
    assert len(METRICS) == len({facts.exported for facts in METRICS.values()})


def test_the_programs_rules_can_be_used() -> None:
    """Each is whole, speaks both languages, and what the requirement names is watched."""
    watched = {rule.metric for rule in DEFAULTS.values()}
    assert {Metric.CPU_PERCENT, Metric.MEMORY_PERCENT, Metric.DISK_USED_PERCENT} <= watched
    assert {Metric.NETWORK_RECEIVED_BYTES_PER_S, Metric.CAPTURES_MISSING, Metric.AGENT_SILENT_S} <= watched
    for name, rule in DEFAULTS.items():
        assert name == rule.check().name
        assert not rule.zh.isascii()
    assert {Severity.WARNING, Severity.CRITICAL} == {rule.severity for rule in DEFAULTS.values()}
