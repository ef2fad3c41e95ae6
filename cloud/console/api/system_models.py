"""Step 13 of 13: console. The values of /api/system: resources, agents, alarms, rules, ways out."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cloud.console.api.models import Sentence
from cloud.console.api.reading_models import Shown
from cloud.monitor.alarm import AlarmState
from cloud.monitor.book import NOTE_MAX_CHARACTERS
from cloud.monitor.channels import Channel
from cloud.monitor.errors import SendReason
from cloud.monitor.gpu import GpuState
from cloud.monitor.metrics import Metric, Unit
from cloud.monitor.rules import Comparison, Severity


class Span(StrEnum):
    """How far a course goes back."""

    RECENT = "recent"
    """15 minutes, every two seconds."""
    DAY = "day"
    """24 hours, means of minutes."""


class Value(Shown):
    """The newest value of a metric, for one subject."""

    metric: Metric = Field(description="What was read.")
    unit: Unit = Field(description="What it is counted in.")
    subject: str = Field(description="Which device, model, core; empty where there is only one.")
    value: float = Field(description="The value.")


class Agent(Shown):
    """An agent beside an ultrasound machine."""

    device_id: str = Field(description="Its device number.")
    connected: bool = Field(description="Whether it holds a stream now.")
    first_seen_time: datetime = Field(description="When it first spoke.")
    last_seen_time: datetime = Field(description="When it was last heard.")
    clock_offset_ms: float = Field(description="Its clock minus the server's, at its last print.")
    captures_last_day: int = Field(description="Prints of the last 24 hours.")
    captures_missing: int = Field(description="Announced within 24 hours, and did not come.")


class WayOut(Shown):
    """A way out for alarms."""

    channel: Channel = Field(description="Which.")
    waiting: int = Field(description="Messages that wait.")
    failures: int = Field(description="Tries without success in a row.")
    last_reason: str | None = Field(description="Why the last try failed: a SendReason, and a code.")
    last_done_time: datetime | None = Field(description="When a message last got out since the start.")


class SystemNow(Shown):
    """How the server stands now."""

    time: datetime = Field(description="When it was looked at.")
    values: list[Value] = Field(description="What could be read.")
    gpus: GpuState = Field(description="How it is with graphics processors.")
    agents: list[Agent] = Field(description="Agents, last heard first.")
    ways_out: list[WayOut] = Field(description="Ways out for alarms; empty where the settings name none.")
    checked_time: datetime | None = Field(description="When ledger and audit were last checked.")


class Course(Shown):
    """The course of one metric."""

    metric: Metric = Field(description="What was read.")
    unit: Unit = Field(description="What it is counted in.")
    values: list[float | None] = Field(description="One for each time; null where there is none.")


class SystemHistory(Shown):
    """The course of metrics."""

    times: list[datetime] = Field(description="Oldest first.")
    courses: list[Course] = Field(description="One for each metric that was asked for.")


class AlarmFacts(Shown):
    """An alarm."""

    alarm_id: str = Field(description="UUID.")
    rule: str = Field(description="Rule that raised it.")
    metric: Metric = Field(description="What was watched.")
    unit: Unit = Field(description="What it is counted in.")
    subject: str = Field(description="Which device, model, core; empty where there is only one.")
    severity: Severity = Field(description="Warning or critical.")
    state: AlarmState = Field(description="Pending, firing, acknowledged or cleared.")
    value: float = Field(description="The newest value; of one that is over the last one.")
    threshold: float = Field(description="The threshold when it was raised.")
    text: Sentence = Field(description="What has happened and what to do.")
    began_time: datetime = Field(description="When the threshold was passed.")
    fired_time: datetime | None = Field(description="When it became an alarm.")
    acknowledged_time: datetime | None = Field(description="When somebody acknowledged it.")
    acknowledged_by: str | None = Field(description="Who.")
    note: str | None = Field(description="What they wrote.")
    cleared_time: datetime | None = Field(description="When it was over.")


class Raised(Shown):
    """What the event `alarm` carries: every alarm that is not over."""

    alarms: list[AlarmFacts] = Field(description="Critical ones first, then the newest.")


class Alarms(Shown):
    """Alarms and a page of those that are over."""

    raised: list[AlarmFacts] = Field(description="Not over: critical ones first, then the newest.")
    pending: list[AlarmFacts] = Field(description="Beyond a threshold, not for long enough yet.")
    past: list[AlarmFacts] = Field(description="Over, newest first.")
    next_before: datetime | None = Field(description="Ask with this for the next page; null at the end.")


class Asked(BaseModel):
    """What a page sends; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class AcknowledgeAsked(Asked):
    """That somebody takes care of an alarm."""

    note: str = Field("", max_length=NOTE_MAX_CHARACTERS, description="What they want to say; may be empty.")


class RuleFacts(Shown):
    """A rule."""

    name: str = Field(description="Its name.")
    metric: Metric = Field(description="What is watched.")
    unit: Unit = Field(description="What it is counted in.")
    comparison: Comparison = Field(description="Above or below the threshold.")
    threshold: float = Field(description="Beyond this for hold_s it is an alarm.")
    clear: float = Field(description="Here, or farther from the threshold, it is over.")
    hold_s: float = Field(description="How long it must last, seconds.")
    severity: Severity = Field(description="Warning or critical.")
    enabled: bool = Field(description="False: no alarm ever.")
    text: Sentence = Field(description="What is said.")
    changed_by: str | None = Field(description="Who changed it here; null where nobody did.")
    changed_time: datetime | None = Field(description="When.")


class Rules(Shown):
    """Every rule."""

    rules: list[RuleFacts] = Field(description="In their order.")


class RuleAsked(Asked):
    """A rule as somebody wants it."""

    threshold: float = Field(allow_inf_nan=False, description="Beyond this for hold_s it is an alarm.")
    clear: float = Field(allow_inf_nan=False, description="Here, or farther from the threshold, it is over.")
    hold_s: float = Field(ge=0, le=86_400, description="How long it must last, seconds.")
    severity: Severity = Field(description="Warning or critical.")
    enabled: bool = Field(description="False: no alarm ever.")


class Trial(Shown):
    """What came of a test message."""

    sent: bool = Field(description="Whether the other side took it.")
    reason: SendReason | None = Field(description="Why not; null where it did.")
    code: int | None = Field(description="What the other side answered, where it did.")


class NotSo(Shown):
    """Why a change of a rule was not made."""

    reason: Literal["RULE_INVALID"] = Field(description="What is wrong.")
    detail: str = Field(description="Which field, and why.")
