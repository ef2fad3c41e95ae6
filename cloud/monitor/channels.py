"""Monitor: ways out for alarms. Seam: a sender takes one message, or says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from cloud.monitor.alarm import Alarm, AlarmState
from cloud.monitor.metrics import METRICS

NOTICE: Final = "research use, not for diagnosis"


class Channel(StrEnum):
    """A way out."""

    WEBHOOK = "webhook"
    MAIL = "mail"


TOLD: Final[Mapping[Channel, frozenset[AlarmState]]] = {
    Channel.WEBHOOK: frozenset({AlarmState.FIRING, AlarmState.ACKNOWLEDGED, AlarmState.CLEARED}),
    Channel.MAIL: frozenset({AlarmState.FIRING, AlarmState.CLEARED}),
}
"""Which changes go out by which way: a machine wants all, a person what begins and what ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. It holds no patient data: alarms are about machines."""

    delivery_id: str
    """UUID; the same for every try."""
    body: Mapping[str, Any]
    """JSON: kind (alarm or test), site, notice, and the alarm where it is one."""


class Sender(Protocol):
    """When `send` returns, the other side has taken the message. A repeat may reach it twice."""

    async def send(self, message: Message) -> None:
        """Sends once, within half a minute. Errors: SendFailed."""
        ...


def alarm_body(alarm: Alarm, site: str) -> dict[str, Any]:
    """What is told of an alarm."""
    times = {
        name: None if time is None else time.isoformat()
        for name, time in (
            ("began_time", alarm.began_time),
            ("fired_time", alarm.fired_time),
            ("acknowledged_time", alarm.acknowledged_time),
            ("cleared_time", alarm.cleared_time),
        )
    }
    return {
        "kind": "alarm",
        "site": site,
        "notice": NOTICE,
        "alarm": {
            "alarm_id": alarm.alarm_id,
            "rule": alarm.rule,
            "subject": alarm.subject,
            "severity": alarm.severity.value,
            "state": alarm.state.value,
            "metric": alarm.metric.value,
            "unit": METRICS[alarm.metric].unit.value,
            "value": alarm.value,
            "threshold": alarm.threshold,
            "text": {"en": alarm.en, "zh": alarm.zh},
            "acknowledged_by": alarm.acknowledged_by,
            **times,
        },
    }


def trial_body(site: str) -> dict[str, Any]:
    """What a message holds that a person sends to try a way out."""
    return {"kind": "test", "site": site, "notice": NOTICE}
