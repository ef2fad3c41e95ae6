"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates every table."""
    op.create_table(
        "device",
        sa.Column("device_id", sa.String(length=63), nullable=False),
        sa.Column(
            "verifier_key", sa.Text(), nullable=False, comment="pinned at the first word of the device"
        ),
        sa.Column("first_seen_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clock_offset_ms", sa.Float(), nullable=False, comment="device clock minus server clock"),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", name="pk_device"),
    )
    op.create_table(
        "image",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("capture_id", sa.String(length=36), nullable=False),
        sa.Column("part_index", sa.Integer(), nullable=False),
        sa.Column("index_in_capture", sa.Integer(), nullable=False),
        sa.Column("image_type", sa.String(length=16), nullable=False),
        sa.Column("type_probabilities", sa.JSON(), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("start_bytes", sa.BigInteger(), nullable=False, comment="first byte inside the sub-file"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("frame_count", sa.Integer(), nullable=False),
        sa.Column("mm_per_pixel", sa.Float(), nullable=True),
        sa.Column("scale_source", sa.String(length=32), nullable=True),
        sa.Column("source_format", sa.String(length=16), nullable=False),
        sa.Column("capture_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_image"),
    )
    op.create_index("ix_image_capture_id", "image", ["capture_id"], unique=False)
    op.create_table(
        "job",
        sa.Column("job_id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.String(length=36), nullable=False, comment="image id"),
        sa.Column("priority", sa.Integer(), nullable=False, comment="lower goes first"),
        sa.Column("state", sa.String(length=16), nullable=False, comment="queued, leased, done, held"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fencing_token", sa.BigInteger(), nullable=False),
        sa.Column("last_reason", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name="pk_job"),
        sa.UniqueConstraint("kind", "subject_id", name="uq_job_kind_subject_id"),
    )
    op.create_index("ix_job_state_priority_job_id", "job", ["state", "priority", "job_id"], unique=False)
    op.create_table(
        "ledger_entry",
        sa.Column("ledger_index", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False, comment="same block, same index"),
        sa.PrimaryKeyConstraint("ledger_index", name="pk_ledger_entry"),
        sa.UniqueConstraint("leaf_hash", name="uq_ledger_entry_leaf_hash"),
    )
    op.create_table(
        "ledger_state",
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("verifier_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_ledger_state"),
    )
    op.create_table(
        "outbox",
        sa.Column("event_id", _ROW_ID, autoincrement=True, nullable=False, comment="SSE id, cursor"),
        sa.Column("capture_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=63), nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=True, comment="set where the event is a result"),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "capture",
        sa.Column(
            "slot", _ROW_ID, autoincrement=True, nullable=False, comment="place on the console, from 1"
        ),
        sa.Column("capture_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=63), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=True),
        sa.Column(
            "request_digest",
            sa.LargeBinary(length=32),
            nullable=True,
            comment="SHA-256 of the pre-notification",
        ),
        sa.Column("state", sa.String(length=16), nullable=False, comment="cloud.items.CaptureState"),
        sa.Column(
            "reason",
            sa.String(length=32),
            nullable=True,
            comment="an EdgeReason where refused, held or missing",
        ),
        sa.Column("expected_image_count", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_time", sa.DateTime(timezone=True), nullable=False, comment="edge clock"),
        sa.Column("notified_time", sa.DateTime(timezone=True), nullable=False, comment="server clock"),
        sa.Column(
            "deadline_time",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="missing when not committed by then",
        ),
        sa.Column("committed_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edge_timings_ms", sa.JSON(), nullable=False),
        sa.Column("cloud_timings_ms", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name="fk_capture_device_id"),
        sa.PrimaryKeyConstraint("slot", name="pk_capture"),
        sa.UniqueConstraint("capture_id", name="uq_capture_capture_id"),
        sa.UniqueConstraint("device_id", "request_id", name="uq_capture_device_id_request_id"),
    )
    op.create_index("ix_capture_state_deadline_time", "capture", ["state", "deadline_time"], unique=False)
    op.create_table(
        "result",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True, comment="EdgeReason where not ok"),
        sa.Column("reading", sa.JSON(), nullable=True),
        sa.Column("pictures", sa.JSON(), nullable=False, comment="name -> hex SHA-256 in the blob store"),
        sa.Column("ledger_index", sa.BigInteger(), nullable=False),
        sa.Column("result_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("timings_ms", sa.JSON(), nullable=False, comment="queue, infer"),
        sa.ForeignKeyConstraint(["image_id"], ["image.image_id"], name="fk_result_image_id"),
        sa.PrimaryKeyConstraint("image_id", name="pk_result"),
    )
    op.create_table(
        "part",
        sa.Column("capture_id", sa.String(length=36), nullable=False),
        sa.Column("part_index", sa.Integer(), nullable=False),
        sa.Column("image_type", sa.String(length=16), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("shard_size_bytes", sa.Integer(), nullable=False),
        sa.Column("shard_sha256", sa.LargeBinary(), nullable=False, comment="32 bytes per shard, in order"),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("ledger_index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["capture.capture_id"], name="fk_part_capture_id"),
        sa.PrimaryKeyConstraint("capture_id", "part_index", name="pk_part"),
    )
    op.create_table(
        "upload",
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("capture_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=63), nullable=False),
        sa.Column("fencing_token", sa.BigInteger(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False, comment="OpenUploadRequest as received"),
        sa.Column(
            "manifest_digest", sa.LargeBinary(length=32), nullable=False, comment="SHA-256 over the parts"
        ),
        sa.Column("opened_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("committed_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["capture_id"], ["capture.capture_id"], name="fk_upload_capture_id"),
        sa.PrimaryKeyConstraint("session_id", name="pk_upload"),
        sa.UniqueConstraint("capture_id", name="uq_upload_capture_id"),
    )
