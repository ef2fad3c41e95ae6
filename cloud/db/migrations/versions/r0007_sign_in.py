"""Sign-in through an identity provider: whom it means."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Adds the identity to the users."""
    op.add_column(
        "account_user",
        sa.Column(
            "oidc_sha256",
            sa.LargeBinary(length=32),
            nullable=True,
            comment="of issuer and subject; not set: local",
        ),
    )
    op.create_index("ix_account_user_oidc_sha256", "account_user", ["oidc_sha256"], unique=True)
