"""Captures that are files of series: which order brought them, and where a series' file lies that an agent sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Adds a column to the captures and one to the files of series."""
    op.add_column(
        "capture",
        sa.Column(
            "series_label",
            sa.String(length=32),
            nullable=True,
            comment="label of the series order; not set: a print",
        ),
    )
    op.create_index("ix_capture_series_label", "capture", ["series_label"], unique=False)
    op.add_column(
        "series_file",
        sa.Column(
            "image_id",
            sa.String(length=36),
            nullable=True,
            comment="where an agent sent it: lies in that image's part",
        ),
    )
    op.create_index("ix_series_file_image_id", "series_file", ["image_id"], unique=False)
