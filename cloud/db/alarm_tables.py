"""Tables of the monitor: minute means, alarms and their changes, a site's own limits, what is to be sent."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from cloud.db.base import ROW_ID, metadata
from cloud.db.times import UtcTime

system_minute: Final = Table(
    "system_minute",
    metadata,
    Column("minute_time", UtcTime, primary_key=True),
    Column("means", JSON, nullable=False, comment="cloud.monitor.metrics.Metric -> mean of the minute"),
)

alarm: Final = Table(
    "alarm",
    metadata,
    Column("alarm_id", String(36), primary_key=True),
    Column("rule", String(32), nullable=False),
    Column("metric", String(40), nullable=False, comment="cloud.monitor.metrics.Metric"),
    Column("subject", String(80), nullable=False, comment="device, model, core, channel; or empty"),
    Column("severity", String(16), nullable=False, comment="cloud.monitor.rules.Severity"),
    Column("state", String(16), nullable=False, comment="firing, acknowledged, cleared"),
    Column("value", Float, nullable=False, comment="at the last change"),
    Column("threshold", Float, nullable=False),
    Column("en", Text, nullable=False),
    Column("zh", Text, nullable=False),
    Column("began_time", UtcTime, nullable=False, comment="the threshold was passed"),
    Column("fired_time", UtcTime, nullable=False),
    Column("acknowledged_time", UtcTime, nullable=True),
    Column("acknowledged_by", String(80), nullable=True),
    Column("note", Text, nullable=True),
    Column("cleared_time", UtcTime, nullable=True),
    Index("ix_alarm_state", "state"),
    Index("ix_alarm_fired_time", "fired_time"),
)

alarm_change: Final = Table(
    "alarm_change",
    metadata,
    Column("change_id", ROW_ID, primary_key=True, autoincrement=True),
    Column("alarm_id", String(36), ForeignKey("alarm.alarm_id"), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("value", Float, nullable=False),
    Column("actor", String(80), nullable=True, comment="not set where nobody did it"),
    Column("note", Text, nullable=True),
    Column("change_time", UtcTime, nullable=False),
)

alarm_rule: Final = Table(
    "alarm_rule",
    metadata,
    Column("rule", String(32), primary_key=True),
    Column("threshold", Float, nullable=False),
    Column("clear", Float, nullable=False),
    Column("hold_s", Float, nullable=False),
    Column("severity", String(16), nullable=False, comment="cloud.monitor.rules.Severity"),
    Column("enabled", Boolean, nullable=False),
    Column("changed_time", UtcTime, nullable=False),
    Column("changed_by", String(80), nullable=False),
)

alarm_delivery: Final = Table(
    "alarm_delivery",
    metadata,
    Column("delivery_id", String(36), primary_key=True),
    Column("channel", String(16), nullable=False, comment="cloud.monitor.channels.Channel"),
    Column("message", JSON, nullable=False, comment="the alarm as it was at the change"),
    Column("state", String(16), nullable=False, comment="queued, done, given_up"),
    Column("attempts", Integer, nullable=False),
    Column("created_time", UtcTime, nullable=False),
    Column("not_before_time", UtcTime, nullable=False),
    Column("last_reason", String(32), nullable=True, comment="cloud.monitor.errors.SendReason and code"),
    Index("ix_alarm_delivery_channel_state_not_before_time", "channel", "state", "not_before_time"),
)
