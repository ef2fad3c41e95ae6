"""Versions of models: which are there, which are in use, what was done, how shadows compare."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates the four tables."""
    op.create_table(
        "model_version",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=9), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False, comment="of the weights"),
        sa.Column("card_sha256", sa.LargeBinary(length=32), nullable=False, comment="of the card"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="of the weights"),
        sa.Column("accepted_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name="pk_model_version"),
    )
    op.create_table(
        "model_state",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("live_version", sa.String(length=9), nullable=False),
        sa.Column("previous_version", sa.String(length=9), nullable=True),
        sa.Column("shadow_version", sa.String(length=9), nullable=True),
        sa.Column("updated_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_model_state"),
    )
    op.create_table(
        "model_event",
        sa.Column("event_id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False, comment="cloud.models.rules.Action"),
        sa.Column("version", sa.String(length=9), nullable=True),
        sa.Column("before_version", sa.String(length=9), nullable=True, comment="had the place before"),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "ledger_index",
            sa.BigInteger(),
            nullable=True,
            comment="not set for what a start did itself",
        ),
        sa.PrimaryKeyConstraint("event_id", name="pk_model_event"),
    )
    op.create_index("ix_model_event_model", "model_event", ["model"], unique=False)
    op.create_table(
        "shadow_reading",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("live_version", sa.String(length=9), nullable=False),
        sa.Column("shadow_version", sa.String(length=9), nullable=False),
        sa.Column("capture_id", sa.String(length=36), nullable=False),
        sa.Column("same_label", sa.Boolean(), nullable=True, comment="not set without labels of both"),
        sa.Column("probability_difference", sa.Float(), nullable=True, comment="largest of a class, 0..1"),
        sa.Column("dice", sa.Float(), nullable=True, comment="of both masks, 0..1"),
        sa.Column("hc_difference_mm", sa.Float(), nullable=True, comment="shadow minus live"),
        sa.Column(
            "error",
            sa.String(length=64),
            nullable=True,
            comment="class of the error where the shadow failed",
        ),
        sa.Column("read_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "image_id", "model", "live_version", "shadow_version", name="pk_shadow_reading"
        ),
    )
    op.create_index(
        "ix_shadow_reading_model_read_time", "shadow_reading", ["model", "read_time"], unique=False
    )
