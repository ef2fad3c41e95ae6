"""Step 13 of 13: console. Alarms as the page shows them, and as news for its stream."""

from __future__ import annotations

from fastapi.sse import format_sse_event

from cloud.console.api.models import Sentence
from cloud.console.api.system_models import AlarmFacts, Raised
from cloud.monitor.alarm import Alarm
from cloud.monitor.book import AlarmBook
from cloud.monitor.metrics import METRICS
from cloud.policy.sex import SexPolicy


class AlarmNews:
    """Gives the alarms as an event, once for each change."""

    def __init__(self, book: AlarmBook, sex: SexPolicy) -> None:
        self._book = book
        self._sex = sex
        self._told: tuple[int, frozenset[str]] | None = None

    def take(self, elsewhere: frozenset[str]) -> bytes | None:
        """The event to send now, without alarms about the devices `elsewhere`; None where this reader knows already.
        It has no id: captures resume by theirs."""
        told = self._book.version, elsewhere
        if self._told == told:
            return None
        self._told = told
        raised = Raised(alarms=[alarm_facts(alarm, self._sex) for alarm in self._book.raised(elsewhere)])
        return format_sse_event(event="alarm", data_str=raised.model_dump_json(by_alias=True))


def alarm_facts(alarm: Alarm, sex: SexPolicy) -> AlarmFacts:
    """The alarm as the page shows it; a note goes through the site's policy on fetal sex as every free text does."""
    return AlarmFacts(
        alarm_id=alarm.alarm_id,
        rule=alarm.rule,
        metric=alarm.metric,
        unit=METRICS[alarm.metric].unit,
        subject=alarm.subject,
        severity=alarm.severity,
        state=alarm.state,
        value=alarm.value,
        threshold=alarm.threshold,
        text=Sentence(en=alarm.en, zh=alarm.zh),
        began_time=alarm.began_time,
        fired_time=alarm.fired_time,
        acknowledged_time=alarm.acknowledged_time,
        acknowledged_by=alarm.acknowledged_by,
        note=None if alarm.note is None else sex.text(alarm.note),
        cleared_time=alarm.cleared_time,
    )
