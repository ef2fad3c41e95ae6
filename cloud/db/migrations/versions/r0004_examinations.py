"""Examinations: which captures belong together, what a list needs of each, reviews, signatures, ticks.

Captures that are there already get their examinations when the server starts (`cloud.examinations.adopt`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates the six tables; the outbox can name an examination."""
    op.create_table(
        "examination",
        sa.Column(
            "number", _ROW_ID, autoincrement=True, nullable=False, comment="in the order of beginning, from 1"
        ),
        sa.Column("examination_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=63), nullable=False, comment="device of the first capture"),
        sa.Column(
            "bound_by", sa.String(length=16), nullable=False, comment="cloud.examinations.items.BoundBy"
        ),
        sa.Column("examination_key", sa.String(length=64), nullable=True, comment="pseudonym of the study"),
        sa.Column("patient_key", sa.String(length=16), nullable=True, comment="pseudonym of the patient"),
        sa.Column("age_days", sa.Float(), nullable=True, comment="gestational age at age_time"),
        sa.Column("age_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "age_source", sa.String(length=16), nullable=True, comment="cloud.examinations.items.AgeSource"
        ),
        sa.Column(
            "age_by", sa.String(length=80), nullable=True, comment="actor; not set where a header gave it"
        ),
        sa.Column(
            "began_time",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="server clock at the first capture",
        ),
        sa.Column("updated_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "newest_slot",
            sa.BigInteger(),
            nullable=False,
            comment="of its newest capture: the order of the list",
        ),
        sa.Column("capture_count", sa.Integer(), nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("read_count", sa.Integer(), nullable=False, comment="images with a result"),
        sa.Column("reviewed_count", sa.Integer(), nullable=False, comment="images that a person reviewed"),
        sa.Column("state", sa.String(length=16), nullable=False, comment="cloud.items.Status"),
        sa.Column("findings", sa.String(length=255), nullable=False, comment="each between spaces"),
        sa.Column(
            "signed_time", sa.DateTime(timezone=True), nullable=True, comment="of the newest signature"
        ),
        sa.Column("signed_by", sa.String(length=80), nullable=True),
        sa.Column("signed_digest", sa.LargeBinary(length=32), nullable=True, comment="over what was signed"),
        sa.Column("changed_after_signing", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_examination"),
        sa.UniqueConstraint("examination_id", name="uq_examination_examination_id"),
        sa.UniqueConstraint("examination_key", name="uq_examination_examination_key"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_examination_device_id_state_newest_slot",
        "examination",
        ["device_id", "state", "newest_slot"],
        unique=False,
    )
    op.create_index("ix_examination_newest_slot", "examination", ["newest_slot"], unique=False)
    op.create_index(
        "ix_examination_patient_key_newest_slot", "examination", ["patient_key", "newest_slot"], unique=False
    )
    op.create_index("ix_examination_state_newest_slot", "examination", ["state", "newest_slot"], unique=False)
    op.create_table(
        "examination_signature",
        sa.Column("number", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("signature_id", sa.String(length=36), nullable=False, comment="made by the client"),
        sa.Column("examination_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False, comment="over what was signed"),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("reviewed_count", sa.Integer(), nullable=False),
        sa.Column("override", sa.Text(), nullable=True, comment="why not every image needed a review"),
        sa.Column("signer", sa.String(length=80), nullable=False, comment="actor"),
        sa.Column("signer_id", sa.String(length=36), nullable=False),
        sa.Column("signed_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ledger_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_examination_signature"),
        sa.UniqueConstraint("signature_id", name="uq_examination_signature_signature_id"),
    )
    op.create_index(
        "ix_examination_signature_examination_id", "examination_signature", ["examination_id"], unique=False
    )
    op.create_table(
        "protocol_tick",
        sa.Column("examination_id", sa.String(length=36), nullable=False),
        sa.Column("item", sa.String(length=64), nullable=False, comment="key of the protocol's item"),
        sa.Column("ticked_by", sa.String(length=80), nullable=False, comment="actor"),
        sa.Column("ticked_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("examination_id", "item", name="pk_protocol_tick"),
    )
    op.create_table(
        "image_brief",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("capture_id", sa.String(length=36), nullable=False),
        sa.Column(
            "status",
            sa.String(length=16),
            nullable=False,
            comment="cloud.items.Status, after the newest review",
        ),
        sa.Column(
            "read_status", sa.String(length=16), nullable=False, comment="as the reading alone gives it"
        ),
        sa.Column(
            "finding",
            sa.String(length=32),
            nullable=True,
            comment="after the newest review; not set where abstained",
        ),
        sa.Column("plane", sa.String(length=32), nullable=True),
        sa.Column(
            "subplane", sa.String(length=32), nullable=True, comment="only where sure, or said by a person"
        ),
        sa.Column(
            "measured",
            sa.JSON(),
            nullable=False,
            comment="names of the lengths in millimetres that are relied on",
        ),
        sa.Column("ledger_index", sa.BigInteger(), nullable=False, comment="of the result"),
        sa.Column(
            "review_index", sa.BigInteger(), nullable=True, comment="in the ledger, of the newest review"
        ),
        sa.ForeignKeyConstraint(["image_id"], ["image.image_id"], name="fk_image_brief_image_id"),
        sa.PrimaryKeyConstraint("image_id", name="pk_image_brief"),
    )
    op.create_index("ix_image_brief_capture_id", "image_brief", ["capture_id"], unique=False)
    op.create_table(
        "image_review",
        sa.Column("number", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("review_id", sa.String(length=36), nullable=False, comment="made by the client"),
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column(
            "result_ledger_index", sa.BigInteger(), nullable=False, comment="the result that was judged"
        ),
        sa.Column(
            "decision",
            sa.String(length=16),
            nullable=False,
            comment="cloud.examinations.review_items.Decision",
        ),
        sa.Column(
            "reason", sa.String(length=32), nullable=True, comment="cloud.examinations.review_items.Reason"
        ),
        sa.Column("note", sa.Text(), nullable=True, comment="free text"),
        sa.Column("corrected", sa.JSON(), nullable=True, comment="plane, finding, ellipse"),
        sa.Column("reviewer", sa.String(length=80), nullable=False, comment="actor"),
        sa.Column("reviewer_id", sa.String(length=36), nullable=False),
        sa.Column("review_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ledger_index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.image_id"], name="fk_image_review_image_id"),
        sa.PrimaryKeyConstraint("number", name="pk_image_review"),
        sa.UniqueConstraint("review_id", name="uq_image_review_review_id"),
    )
    op.create_index("ix_image_review_image_id", "image_review", ["image_id"], unique=False)
    op.create_table(
        "examination_capture",
        sa.Column("capture_id", sa.String(length=36), nullable=False),
        sa.Column("examination_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=63), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False, comment="the capture's"),
        sa.Column(
            "bound_by", sa.String(length=16), nullable=False, comment="cloud.examinations.items.BoundBy"
        ),
        sa.Column(
            "joined_time",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="server clock at the first word",
        ),
        sa.ForeignKeyConstraint(
            ["capture_id"], ["capture.capture_id"], name="fk_examination_capture_capture_id"
        ),
        sa.ForeignKeyConstraint(
            ["examination_id"], ["examination.examination_id"], name="fk_examination_capture_examination_id"
        ),
        sa.PrimaryKeyConstraint("capture_id", name="pk_examination_capture"),
    )
    op.create_index(
        "ix_examination_capture_device_id_slot", "examination_capture", ["device_id", "slot"], unique=False
    )
    op.create_index(
        "ix_examination_capture_examination_id", "examination_capture", ["examination_id"], unique=False
    )
    op.add_column(
        "outbox",
        sa.Column(
            "examination_id",
            sa.String(length=36),
            nullable=True,
            comment="another one that changed, or is gone",
        ),
    )
