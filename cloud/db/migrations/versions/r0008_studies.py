"""Search through all examinations, notes and tags, deletion that can be taken back, results of earlier models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cloud.db.base import ROW_ID
from cloud.db.times import UtcTime

revision = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Adds the columns and tables; the start fills `study` for what is there."""
    for column in (
        sa.Column("deleted_time", UtcTime(), nullable=True),
        sa.Column("deleted_by", sa.String(length=80), nullable=True, comment="actor"),
        sa.Column("deleted_reason", sa.Text(), nullable=True, comment="free text"),
        sa.Column(
            "deleted_key", sa.String(length=64), nullable=True, comment="examination_key while it is deleted"
        ),
    ):
        op.add_column("examination", column)
    op.create_index("ix_examination_deleted_time_number", "examination", ["deleted_time", "number"])
    op.add_column(
        "image_brief",
        sa.Column(
            "probability", sa.Float(), nullable=True, comment="of an anomaly, as the reading alone gives it"
        ),
    )
    _study()
    _notes()
    _results()


def _study() -> None:
    op.create_table(
        "study",
        sa.Column("number", ROW_ID, autoincrement=False, nullable=False, comment="the examination's"),
        sa.Column("examination_id", sa.String(length=36), nullable=False),
        sa.Column("planes", sa.String(length=255), nullable=False, comment="each between spaces"),
        sa.Column(
            "probability", sa.Float(), nullable=True, comment="largest of an anomaly among its images, 0..1"
        ),
        sa.Column(
            "disagreed_count", sa.Integer(), nullable=False, comment="images whose newest review disagrees"
        ),
        sa.Column("text", sa.Text(), nullable=False, comment="folded: cloud.examinations.study_text"),
        sa.PrimaryKeyConstraint("number", name="pk_study"),
        sa.UniqueConstraint("examination_id", name="uq_study_examination_id"),
    )


def _notes() -> None:
    op.create_table(
        "study_note",
        sa.Column("number", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("note_id", sa.String(length=36), nullable=False, comment="made by the client"),
        sa.Column("examination_id", sa.String(length=36), nullable=False),
        sa.Column("note", sa.Text(), nullable=False, comment="free text"),
        sa.Column("written_by", sa.String(length=80), nullable=False, comment="actor"),
        sa.Column("written_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_study_note"),
        sa.UniqueConstraint("note_id", name="uq_study_note_note_id"),
    )
    op.create_index("ix_study_note_examination_id", "study_note", ["examination_id"])
    op.create_table(
        "study_tag",
        sa.Column("examination_id", sa.String(length=36), nullable=False),
        sa.Column("tag", sa.String(length=40), nullable=False),
        sa.Column("tagged_by", sa.String(length=80), nullable=False, comment="actor"),
        sa.Column("tagged_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("examination_id", "tag", name="pk_study_tag"),
    )


def _results() -> None:
    op.create_table(
        "result_earlier",
        sa.Column("ledger_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True, comment="EdgeReason where not ok"),
        sa.Column("reading", sa.JSON(), nullable=True),
        sa.Column("pictures", sa.JSON(), nullable=False, comment="name -> hex SHA-256 in the blob store"),
        sa.Column("result_time", UtcTime(), nullable=False),
        sa.Column("timings_ms", sa.JSON(), nullable=False, comment="queue, infer"),
        sa.ForeignKeyConstraint(["image_id"], ["image.image_id"], name="fk_result_earlier_image_id"),
        sa.PrimaryKeyConstraint("ledger_index", name="pk_result_earlier"),
    )
    op.create_index("ix_result_earlier_image_id_ledger_index", "result_earlier", ["image_id", "ledger_index"])
