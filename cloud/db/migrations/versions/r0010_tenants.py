"""Tenants: whose each device, print, examination, upload, series, user and token is.

All that is there belongs to the one tenant that a server has from the start. Who kept the whole server running,
administrators and IT, goes on doing so: they belong to the site.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None

_DEFAULT = "default"
_OWNED = ("device", "capture", "examination", "series_upload", "series")
_ACCOUNTS = ("account_user", "account_token")
_INDEXES = {
    "ix_capture_tenant_id_slot": ("capture", ["tenant_id", "slot"]),
    "ix_capture_tenant_id_state": ("capture", ["tenant_id", "state"]),
    "ix_examination_tenant_id_newest_slot": ("examination", ["tenant_id", "newest_slot"]),
    "ix_examination_tenant_id_state_newest_slot": ("examination", ["tenant_id", "state", "newest_slot"]),
    "ix_series_tenant_id_received_time_series_id": ("series", ["tenant_id", "received_time", "series_id"]),
    "ix_audit_entry_tenant_id_number": ("audit_entry", ["tenant_id", "number"]),
}


def upgrade() -> None:
    """Creates the table with its first row, and the column in every table of what is somebody's."""
    created = op.create_table(
        "tenant",
        sa.Column("tenant_id", sa.String(length=32), nullable=False, comment="short name, never changed"),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenant"),
    )
    op.bulk_insert(created, [{"tenant_id": _DEFAULT, "name": _DEFAULT, "created_time": datetime.now(UTC)}])
    for table in _OWNED:
        column = sa.Column("tenant_id", sa.String(length=32), server_default=_DEFAULT, nullable=False)
        op.add_column(table, column)
    for table in (*_ACCOUNTS, "audit_entry"):
        column = sa.Column(
            "tenant_id", sa.String(length=32), nullable=True, comment="not set: the whole site"
        )
        op.add_column(table, column)
    for name in _ACCOUNTS:
        accounts = sa.table(name, sa.column("tenant_id"), sa.column("role"))
        others = accounts.c.role.not_in(["administrator", "it"])
        op.execute(sa.update(accounts).where(others).values(tenant_id=_DEFAULT))
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns, unique=False)
