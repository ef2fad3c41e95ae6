"""Series: uploads from browsers, their files, and the series that came of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates the three tables."""
    op.create_table(
        "series_upload",
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False, comment="cloud.series.stored.Source"),
        sa.Column("actor", sa.String(length=80), nullable=False, comment="who began it"),
        sa.Column("begun_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ledger_index", sa.BigInteger(), nullable=True, comment="set where it finished and kept a file"
        ),
        sa.PrimaryKeyConstraint("upload_id", name="pk_series_upload"),
    )
    _create_series()
    _create_files()


def _create_series() -> None:
    op.create_table(
        "series",
        sa.Column("series_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False, comment="cloud.series.stored.Source"),
        sa.Column(
            "group_sha256",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="keyed, over name, study and series",
        ),
        sa.Column(
            "series_uid", sa.String(length=64), nullable=False, comment="as it stands in the stored files"
        ),
        sa.Column("study_id", sa.String(length=36), nullable=False),
        sa.Column("patient", sa.String(length=16), nullable=False, comment="pseudonym"),
        sa.Column("modality", sa.String(length=16), nullable=False, comment="empty: not said"),
        sa.Column("body_part", sa.String(length=16), nullable=False, comment="empty: not said"),
        sa.Column("number", sa.BigInteger(), nullable=True, comment="SeriesNumber"),
        sa.Column("version", sa.Integer(), nullable=False, comment="grows with each upload that adds images"),
        sa.Column(
            "received_time", sa.DateTime(timezone=True), nullable=False, comment="of the newest upload"
        ),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="cloud.series.stored.Kind"),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("frame_count", sa.Integer(), nullable=False, comment="of the image that has most"),
        sa.Column("refusal", sa.JSON(), nullable=True, comment="code and values of why there is no volume"),
        sa.PrimaryKeyConstraint("series_id", name="pk_series"),
    )
    op.create_index("ix_series_series_uid", "series", ["series_uid"], unique=False)
    op.create_index("ix_series_study_id", "series", ["study_id"], unique=False)
    op.create_index(
        "ix_series_received_time_series_id", "series", ["received_time", "series_id"], unique=False
    )
    op.create_index("ix_series_group_sha256", "series", ["group_sha256"], unique=False)


def _create_files() -> None:
    op.create_table(
        "series_file",
        sa.Column("file_id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column(
            "path_sha256",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="keyed, over the path in the upload",
        ),
        sa.Column(
            "folder", sa.Text(), nullable=False, comment="keyed hashes of the folders above, outermost first"
        ),
        sa.Column(
            "source_sha256",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="keyed, over the digest as it came",
        ),
        sa.Column(
            "reason",
            sa.String(length=32),
            nullable=True,
            comment="why it is not used; its bytes are in quarantine",
        ),
        sa.Column("series_id", sa.String(length=36), nullable=True, comment="set once the upload finished"),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True, comment="of the stored bytes"),
        sa.Column(
            "size_bytes", sa.BigInteger(), nullable=False, comment="of the stored bytes, or as it came"
        ),
        sa.Column(
            "instance_sha256",
            sa.LargeBinary(length=32),
            nullable=True,
            comment="keyed, over group and instance UID",
        ),
        sa.Column("facts", sa.JSON(), nullable=True, comment="what its series is told by"),
        sa.Column("received_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["upload_id"], ["series_upload.upload_id"], name="fk_series_file_upload_id"),
        sa.PrimaryKeyConstraint("file_id", name="pk_series_file"),
        sa.UniqueConstraint("upload_id", "path_sha256", name="uq_series_file_upload_id_path_sha256"),
    )
    op.create_index("ix_series_file_series_id", "series_file", ["series_id"], unique=False)
    op.create_index("ix_series_file_source_sha256", "series_file", ["source_sha256"], unique=False)
    op.create_index("ix_series_file_instance_sha256", "series_file", ["instance_sha256"], unique=False)
