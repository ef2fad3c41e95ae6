"""Alarms: the course of the day, alarms and their changes, a site's thresholds, messages on their way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Creates the five tables."""
    op.create_table(
        "system_minute",
        sa.Column("minute_time", _TIME, nullable=False),
        sa.Column(
            "means",
            sa.JSON(),
            nullable=False,
            comment="cloud.monitor.metrics.Metric -> mean of the minute",
        ),
        sa.PrimaryKeyConstraint("minute_time", name="pk_system_minute"),
    )
    _create_alarms()
    op.create_table(
        "alarm_rule",
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("clear", sa.Float(), nullable=False),
        sa.Column("hold_s", sa.Float(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False, comment="cloud.monitor.rules.Severity"),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("changed_time", _TIME, nullable=False),
        sa.Column("changed_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("rule", name="pk_alarm_rule"),
    )
    op.create_table(
        "alarm_delivery",
        sa.Column("delivery_id", sa.String(length=36), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False, comment="cloud.monitor.channels.Channel"),
        sa.Column("message", sa.JSON(), nullable=False, comment="the alarm as it was at the change"),
        sa.Column("state", sa.String(length=16), nullable=False, comment="queued, done, given_up"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_time", _TIME, nullable=False),
        sa.Column("not_before_time", _TIME, nullable=False),
        sa.Column(
            "last_reason",
            sa.String(length=32),
            nullable=True,
            comment="cloud.monitor.errors.SendReason and code",
        ),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_alarm_delivery"),
    )
    op.create_index(
        "ix_alarm_delivery_channel_state_not_before_time",
        "alarm_delivery",
        ["channel", "state", "not_before_time"],
        unique=False,
    )


def _create_alarms() -> None:
    op.create_table(
        "alarm",
        sa.Column("alarm_id", sa.String(length=36), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("metric", sa.String(length=40), nullable=False, comment="cloud.monitor.metrics.Metric"),
        sa.Column(
            "subject",
            sa.String(length=80),
            nullable=False,
            comment="device, model, core, channel; or empty",
        ),
        sa.Column("severity", sa.String(length=16), nullable=False, comment="cloud.monitor.rules.Severity"),
        sa.Column("state", sa.String(length=16), nullable=False, comment="firing, acknowledged, cleared"),
        sa.Column("value", sa.Float(), nullable=False, comment="at the last change"),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.Column("zh", sa.Text(), nullable=False),
        sa.Column("began_time", _TIME, nullable=False, comment="the threshold was passed"),
        sa.Column("fired_time", _TIME, nullable=False),
        sa.Column("acknowledged_time", _TIME, nullable=True),
        sa.Column("acknowledged_by", sa.String(length=80), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("cleared_time", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("alarm_id", name="pk_alarm"),
    )
    op.create_index("ix_alarm_state", "alarm", ["state"], unique=False)
    op.create_index("ix_alarm_fired_time", "alarm", ["fired_time"], unique=False)
    op.create_table(
        "alarm_change",
        sa.Column("change_id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("alarm_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=True, comment="not set where nobody did it"),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("change_time", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarm.alarm_id"], name="fk_alarm_change_alarm_id"),
        sa.PrimaryKeyConstraint("change_id", name="pk_alarm_change"),
    )
    op.create_index("ix_alarm_change_alarm_id", "alarm_change", ["alarm_id"], unique=False)
