"""Tables of the server's state. Migrations (cloud/db/migrations) create them; a test compares both."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cloud.db.account_tables import account_link as account_link
from cloud.db.account_tables import account_session as account_session
from cloud.db.account_tables import account_token as account_token
from cloud.db.account_tables import account_try as account_try
from cloud.db.account_tables import account_user as account_user
from cloud.db.account_tables import audit_entry as audit_entry
from cloud.db.alarm_tables import alarm as alarm
from cloud.db.alarm_tables import alarm_change as alarm_change
from cloud.db.alarm_tables import alarm_delivery as alarm_delivery
from cloud.db.alarm_tables import alarm_rule as alarm_rule
from cloud.db.alarm_tables import system_minute as system_minute
from cloud.db.base import ROW_ID
from cloud.db.base import metadata as metadata
from cloud.db.examination_tables import examination as examination
from cloud.db.examination_tables import examination_capture as examination_capture
from cloud.db.examination_tables import examination_signature as examination_signature
from cloud.db.examination_tables import image_brief as image_brief
from cloud.db.examination_tables import image_review as image_review
from cloud.db.examination_tables import protocol_tick as protocol_tick
from cloud.db.series_tables import series as series
from cloud.db.series_tables import series_file as series_file
from cloud.db.series_tables import series_upload as series_upload
from cloud.db.study_tables import result_earlier as result_earlier
from cloud.db.study_tables import study as study
from cloud.db.study_tables import study_note as study_note
from cloud.db.study_tables import study_tag as study_tag
from cloud.db.tenant_tables import of_tenant
from cloud.db.tenant_tables import tenant as tenant
from cloud.db.times import UtcTime

device = Table(
    "device",
    metadata,
    Column("device_id", String(63), primary_key=True),
    Column("verifier_key", Text, nullable=False, comment="pinned at the first word of the device"),
    Column("first_seen_time", UtcTime, nullable=False),
    Column("last_seen_time", UtcTime, nullable=False),
    Column("clock_offset_ms", Float, nullable=False, comment="device clock minus server clock"),
    Column("revoked", Boolean, nullable=False, default=False),
    of_tenant(),
)

capture = Table(
    "capture",
    metadata,
    Column("slot", ROW_ID, primary_key=True, autoincrement=True, comment="place on the console, from 1"),
    Column("capture_id", String(36), nullable=False, unique=True),
    Column("device_id", String(63), ForeignKey("device.device_id"), nullable=False),
    Column("request_id", String(36), nullable=True),
    Column("request_digest", LargeBinary(32), nullable=True, comment="SHA-256 of the pre-notification"),
    Column("state", String(16), nullable=False, comment="cloud.items.CaptureState"),
    Column("reason", String(32), nullable=True, comment="an EdgeReason where refused, held or missing"),
    Column("expected_image_count", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_time", UtcTime, nullable=False, comment="edge clock"),
    Column("notified_time", UtcTime, nullable=False, comment="server clock"),
    Column("deadline_time", UtcTime, nullable=False, comment="missing when not committed by then"),
    Column("committed_time", UtcTime, nullable=True),
    Column("updated_time", UtcTime, nullable=False),
    Column("edge_timings_ms", JSON, nullable=False, default=dict),
    Column("cloud_timings_ms", JSON, nullable=False, default=dict),
    Column("series_label", String(32), nullable=True, comment="label of the series order; not set: a print"),
    of_tenant(),
    UniqueConstraint("device_id", "request_id"),
    Index("ix_capture_state_deadline_time", "state", "deadline_time"),
    Index("ix_capture_series_label", "series_label"),
    Index("ix_capture_tenant_id_slot", "tenant_id", "slot"),
    Index("ix_capture_tenant_id_state", "tenant_id", "state"),
)

upload = Table(
    "upload",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("capture_id", String(36), ForeignKey("capture.capture_id"), nullable=False, unique=True),
    Column("device_id", String(63), nullable=False),
    Column("fencing_token", BigInteger, nullable=False),
    Column("manifest", LargeBinary, nullable=False, comment="OpenUploadRequest as received"),
    Column("manifest_digest", LargeBinary(32), nullable=False, comment="SHA-256 over the parts"),
    Column("opened_time", UtcTime, nullable=False),
    Column("committed_time", UtcTime, nullable=True),
)

part = Table(
    "part",
    metadata,
    Column("capture_id", String(36), ForeignKey("capture.capture_id"), primary_key=True),
    Column("part_index", Integer, primary_key=True),
    Column("image_type", String(16), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("shard_size_bytes", Integer, nullable=False),
    Column("shard_sha256", LargeBinary, nullable=False, comment="32 bytes per shard, in order"),
    Column("root", LargeBinary(32), nullable=False),
    Column("ledger_index", BigInteger, nullable=False),
)

image = Table(
    "image",
    metadata,
    Column("image_id", String(36), primary_key=True),
    Column("capture_id", String(36), nullable=False, index=True),
    Column("part_index", Integer, nullable=False),
    Column("index_in_capture", Integer, nullable=False),
    Column("image_type", String(16), nullable=False),
    Column("type_probabilities", JSON, nullable=False),
    Column("media_type", String(32), nullable=False),
    Column("start_bytes", BigInteger, nullable=False, comment="first byte inside the sub-file"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("frame_count", Integer, nullable=False),
    Column("mm_per_pixel", Float, nullable=True),
    Column("scale_source", String(32), nullable=True),
    Column("source_format", String(16), nullable=False),
    Column("capture_time", UtcTime, nullable=False),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("ledger_index", ROW_ID, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary(32), nullable=False, unique=True, comment="same block, same index"),
)

ledger_state = Table(
    "ledger_state",
    metadata,
    Column("origin", String(255), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("verifier_key", Text, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("job_id", ROW_ID, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("subject_id", String(36), nullable=False, comment="image id"),
    Column("priority", Integer, nullable=False, comment="lower goes first"),
    Column("state", String(16), nullable=False, comment="queued, leased, done, held"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before_time", UtcTime, nullable=False),
    Column("lease_until_time", UtcTime, nullable=True),
    Column("fencing_token", BigInteger, nullable=False, default=0),
    Column("last_reason", String(64), nullable=True),
    UniqueConstraint("kind", "subject_id"),
    Index("ix_job_state_priority_job_id", "state", "priority", "job_id"),
)

result = Table(
    "result",
    metadata,
    Column("image_id", String(36), ForeignKey("image.image_id"), primary_key=True),
    Column("ok", Boolean, nullable=False),
    Column("reason", String(32), nullable=True, comment="EdgeReason where not ok"),
    Column("reading", JSON, nullable=True),
    Column("pictures", JSON, nullable=False, comment="name -> hex SHA-256 in the blob store"),
    Column("ledger_index", BigInteger, nullable=False),
    Column("result_time", UtcTime, nullable=False),
    Column("timings_ms", JSON, nullable=False, comment="queue, infer"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("event_id", ROW_ID, primary_key=True, autoincrement=True, comment="SSE id, cursor"),
    Column("capture_id", String(36), nullable=False),
    Column("device_id", String(63), nullable=False),
    Column("image_id", String(36), nullable=True, comment="set where the event is a result"),
    Column("event_time", UtcTime, nullable=False),
    Column("examination_id", String(36), nullable=True, comment="another one that changed, or is gone"),
    sqlite_autoincrement=True,
)

model_version = Table(
    "model_version",
    metadata,
    Column("model", String(63), primary_key=True),
    Column("version", String(9), primary_key=True),
    Column("sha256", LargeBinary(32), nullable=False, comment="of the weights"),
    Column("card_sha256", LargeBinary(32), nullable=False, comment="of the card"),
    Column("size_bytes", BigInteger, nullable=False, comment="of the weights"),
    Column("accepted_time", UtcTime, nullable=False),
    Column("actor", String(64), nullable=False),
)

model_state = Table(
    "model_state",
    metadata,
    Column("model", String(63), primary_key=True),
    Column("live_version", String(9), nullable=False),
    Column("previous_version", String(9), nullable=True),
    Column("shadow_version", String(9), nullable=True),
    Column("updated_time", UtcTime, nullable=False),
)

model_event = Table(
    "model_event",
    metadata,
    Column("event_id", ROW_ID, primary_key=True, autoincrement=True),
    Column("model", String(63), nullable=False, index=True),
    Column("action", String(16), nullable=False, comment="cloud.models.rules.Action"),
    Column("version", String(9), nullable=True),
    Column("before_version", String(9), nullable=True, comment="had the place before"),
    Column("actor", String(64), nullable=False),
    Column("event_time", UtcTime, nullable=False),
    Column("ledger_index", BigInteger, nullable=True, comment="not set for what a start did itself"),
)

shadow_reading = Table(
    "shadow_reading",
    metadata,
    Column("image_id", String(36), primary_key=True),
    Column("model", String(63), primary_key=True),
    Column("live_version", String(9), primary_key=True),
    Column("shadow_version", String(9), primary_key=True),
    Column("capture_id", String(36), nullable=False),
    Column("same_label", Boolean, nullable=True, comment="not set without labels of both"),
    Column("probability_difference", Float, nullable=True, comment="largest of a class, 0..1"),
    Column("dice", Float, nullable=True, comment="of both masks, 0..1"),
    Column("hc_difference_mm", Float, nullable=True, comment="shadow minus live"),
    Column("error", String(64), nullable=True, comment="class of the error where the shadow failed"),
    Column("read_time", UtcTime, nullable=False),
    Index("ix_shadow_reading_model_read_time", "model", "read_time"),
)
