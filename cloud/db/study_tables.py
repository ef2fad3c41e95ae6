"""Tables of the search through all examinations: what it looks at, what people note, and results of earlier models."""

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
    String,
    Table,
    Text,
)

from cloud.db.base import ROW_ID, metadata
from cloud.db.times import UtcTime

study: Final = Table(
    "study",
    metadata,
    Column("number", ROW_ID, primary_key=True, autoincrement=False, comment="the examination's"),
    Column("examination_id", String(36), nullable=False, unique=True),
    Column("planes", String(255), nullable=False, comment="each between spaces"),
    Column("probability", Float, nullable=True, comment="largest of an anomaly among its images, 0..1"),
    Column("disagreed_count", Integer, nullable=False, comment="images whose newest review disagrees"),
    Column("text", Text, nullable=False, comment="folded: cloud.examinations.study_text"),
)

study_note: Final = Table(
    "study_note",
    metadata,
    Column("number", ROW_ID, primary_key=True, autoincrement=True),
    Column("note_id", String(36), nullable=False, unique=True, comment="made by the client"),
    Column("examination_id", String(36), nullable=False, index=True),
    Column("note", Text, nullable=False, comment="free text"),
    Column("written_by", String(80), nullable=False, comment="actor"),
    Column("written_time", UtcTime, nullable=False),
)

study_tag: Final = Table(
    "study_tag",
    metadata,
    Column("examination_id", String(36), primary_key=True),
    Column("tag", String(40), primary_key=True),
    Column("tagged_by", String(80), nullable=False, comment="actor"),
    Column("tagged_time", UtcTime, nullable=False),
)

result_earlier: Final = Table(
    "result_earlier",
    metadata,
    Column("ledger_index", BigInteger, primary_key=True, autoincrement=False),
    Column("image_id", String(36), ForeignKey("image.image_id"), nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("reason", String(32), nullable=True, comment="EdgeReason where not ok"),
    Column("reading", JSON, nullable=True),
    Column("pictures", JSON, nullable=False, comment="name -> hex SHA-256 in the blob store"),
    Column("result_time", UtcTime, nullable=False),
    Column("timings_ms", JSON, nullable=False, comment="queue, infer"),
    Index("ix_result_earlier_image_id_ledger_index", "image_id", "ledger_index"),
)
