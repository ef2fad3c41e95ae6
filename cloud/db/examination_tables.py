"""Tables of the examinations: which capture belongs to which, what a list needs of each, what persons said."""

from __future__ import annotations

from typing import Final

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
)

from cloud.db.base import ROW_ID, metadata
from cloud.db.tenant_tables import of_tenant
from cloud.db.times import UtcTime

examination: Final = Table(
    "examination",
    metadata,
    Column(
        "number", ROW_ID, primary_key=True, autoincrement=True, comment="in the order of beginning, from 1"
    ),
    Column("examination_id", String(36), nullable=False, unique=True),
    Column("device_id", String(63), nullable=False, comment="device of the first capture"),
    Column("bound_by", String(16), nullable=False, comment="cloud.examinations.items.BoundBy"),
    Column("examination_key", String(64), nullable=True, unique=True, comment="pseudonym of the study"),
    Column("patient_key", String(16), nullable=True, comment="pseudonym of the patient"),
    Column("age_days", Float, nullable=True, comment="gestational age at age_time"),
    Column("age_time", UtcTime, nullable=True),
    Column("age_source", String(16), nullable=True, comment="cloud.examinations.items.AgeSource"),
    Column("age_by", String(80), nullable=True, comment="actor; not set where a header gave it"),
    Column("began_time", UtcTime, nullable=False, comment="server clock at the first capture"),
    Column("updated_time", UtcTime, nullable=False),
    Column("newest_slot", BigInteger, nullable=False, comment="of its newest capture: the order of the list"),
    Column("capture_count", Integer, nullable=False),
    Column("image_count", Integer, nullable=False),
    Column("read_count", Integer, nullable=False, comment="images with a result"),
    Column("reviewed_count", Integer, nullable=False, comment="images that a person reviewed"),
    Column("state", String(16), nullable=False, comment="cloud.items.Status"),
    Column("findings", String(255), nullable=False, comment="each between spaces"),
    Column("signed_time", UtcTime, nullable=True, comment="of the newest signature"),
    Column("signed_by", String(80), nullable=True),
    Column("signed_digest", LargeBinary(32), nullable=True, comment="over what was signed"),
    Column("changed_after_signing", Boolean, nullable=False),
    Column("deleted_time", UtcTime, nullable=True),
    Column("deleted_by", String(80), nullable=True, comment="actor"),
    Column("deleted_reason", Text, nullable=True, comment="free text"),
    Column("deleted_key", String(64), nullable=True, comment="examination_key while it is deleted"),
    Index("ix_examination_deleted_time_number", "deleted_time", "number"),
    of_tenant(),
    Index("ix_examination_newest_slot", "newest_slot"),
    Index("ix_examination_state_newest_slot", "state", "newest_slot"),
    Index("ix_examination_device_id_state_newest_slot", "device_id", "state", "newest_slot"),
    Index("ix_examination_patient_key_newest_slot", "patient_key", "newest_slot"),
    Index("ix_examination_tenant_id_newest_slot", "tenant_id", "newest_slot"),
    Index("ix_examination_tenant_id_state_newest_slot", "tenant_id", "state", "newest_slot"),
    # A number that a person has read never names another examination.
    sqlite_autoincrement=True,
)

examination_capture: Final = Table(
    "examination_capture",
    metadata,
    Column("capture_id", String(36), ForeignKey("capture.capture_id"), primary_key=True),
    Column(
        "examination_id", String(36), ForeignKey("examination.examination_id"), nullable=False, index=True
    ),
    Column("device_id", String(63), nullable=False),
    Column("slot", BigInteger, nullable=False, comment="the capture's"),
    Column("bound_by", String(16), nullable=False, comment="cloud.examinations.items.BoundBy"),
    Column("joined_time", UtcTime, nullable=False, comment="server clock at the first word"),
    Index("ix_examination_capture_device_id_slot", "device_id", "slot"),
)

image_brief: Final = Table(
    "image_brief",
    metadata,
    Column("image_id", String(36), ForeignKey("image.image_id"), primary_key=True),
    Column("capture_id", String(36), nullable=False, index=True),
    Column("status", String(16), nullable=False, comment="cloud.items.Status, after the newest review"),
    Column("read_status", String(16), nullable=False, comment="as the reading alone gives it"),
    Column("finding", String(32), nullable=True, comment="after the newest review; not set where abstained"),
    Column("plane", String(32), nullable=True),
    Column("subplane", String(32), nullable=True, comment="only where sure, or said by a person"),
    Column(
        "measured", JSON, nullable=False, comment="names of the lengths in millimetres that are relied on"
    ),
    Column("ledger_index", BigInteger, nullable=False, comment="of the result"),
    Column("review_index", BigInteger, nullable=True, comment="in the ledger, of the newest review"),
    Column("probability", Float, nullable=True, comment="of an anomaly, as the reading alone gives it"),
)

image_review: Final = Table(
    "image_review",
    metadata,
    Column("number", ROW_ID, primary_key=True, autoincrement=True),
    Column("review_id", String(36), nullable=False, unique=True, comment="made by the client"),
    Column("image_id", String(36), ForeignKey("image.image_id"), nullable=False, index=True),
    Column("result_ledger_index", BigInteger, nullable=False, comment="the result that was judged"),
    Column("decision", String(16), nullable=False, comment="cloud.examinations.review_items.Decision"),
    Column("reason", String(32), nullable=True, comment="cloud.examinations.review_items.Reason"),
    Column("note", Text, nullable=True, comment="free text"),
    Column("corrected", JSON, nullable=True, comment="plane, finding, ellipse"),
    Column("reviewer", String(80), nullable=False, comment="actor"),
    Column("reviewer_id", String(36), nullable=False),
    Column("review_time", UtcTime, nullable=False),
    Column("ledger_index", BigInteger, nullable=False),
)

examination_signature: Final = Table(
    "examination_signature",
    metadata,
    Column("number", ROW_ID, primary_key=True, autoincrement=True),
    Column("signature_id", String(36), nullable=False, unique=True, comment="made by the client"),
    Column("examination_id", String(36), nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False, comment="over what was signed"),
    Column("image_count", Integer, nullable=False),
    Column("reviewed_count", Integer, nullable=False),
    Column("override", Text, nullable=True, comment="why not every image needed a review"),
    Column("signer", String(80), nullable=False, comment="actor"),
    Column("signer_id", String(36), nullable=False),
    Column("signed_time", UtcTime, nullable=False),
    Column("ledger_index", BigInteger, nullable=False),
)

protocol_tick: Final = Table(
    "protocol_tick",
    metadata,
    Column("examination_id", String(36), primary_key=True),
    Column("item", String(64), primary_key=True, comment="key of the protocol's item"),
    Column("ticked_by", String(80), nullable=False, comment="actor"),
    Column("ticked_time", UtcTime, nullable=False),
)
