"""Accounts: users, sessions, tokens, one-time links, tries; and the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates the six tables."""
    op.create_table(
        "account_user",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column(
            "name_key", sa.String(length=128), nullable=False, comment="the name without regard to case"
        ),
        sa.Column("role", sa.String(length=16), nullable=False, comment="cloud.accounts.roles.Role"),
        sa.Column(
            "password_hash", sa.Text(), nullable=True, comment="Argon2id; not set until the person chose one"
        ),
        sa.Column(
            "totp_secret", sa.String(length=64), nullable=True, comment="not set where one-time codes are off"
        ),
        sa.Column("totp_pending", sa.String(length=64), nullable=True, comment="offered, not confirmed yet"),
        sa.Column(
            "totp_last_step", sa.BigInteger(), nullable=False, comment="newest step whose code was used"
        ),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_account_user"),
        sa.UniqueConstraint("name_key", name="uq_account_user_name_key"),
    )
    op.create_table(
        "account_session",
        sa.Column("token_sha256", sa.LargeBinary(length=32), nullable=False, comment="of the cookie's value"),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("created_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "seen_time",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the person last did something",
        ),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["account_user.user_id"], name="fk_account_session_user_id"),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_account_session"),
        sa.UniqueConstraint("session_id", name="uq_account_session_session_id"),
    )
    op.create_index("ix_account_session_user_id", "account_session", ["user_id"], unique=False)
    op.create_table(
        "account_token",
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False, comment="cloud.accounts.roles.Role"),
        sa.Column("created_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("expires_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_time", sa.DateTime(timezone=True), nullable=True, comment="to the minute"),
        sa.Column("revoked_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token_id", name="pk_account_token"),
        sa.UniqueConstraint("token_sha256", name="uq_account_token_token_sha256"),
    )
    op.create_table(
        "account_link",
        sa.Column("link_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True, comment="not set: first"),
        sa.Column("created_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["account_user.user_id"], name="fk_account_link_user_id"),
        sa.PrimaryKeyConstraint("link_sha256", name="pk_account_link"),
    )
    op.create_table(
        "account_try",
        sa.Column("counted", sa.String(length=16), nullable=False, comment="cloud.accounts.backoff.Counted"),
        sa.Column(
            "key_sha256",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="of the name's key or of the address",
        ),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("counted", "key_sha256", name="pk_account_try"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("number", _ROW_ID, autoincrement=False, nullable=False, comment="from 1, without gaps"),
        sa.Column("entry_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False, comment="cloud.accounts.audit.Act"),
        sa.Column("object_id", sa.String(length=64), nullable=True),
        sa.Column("origin", sa.String(length=64), nullable=False, comment="IP address of the peer, or local"),
        sa.Column("outcome", sa.String(length=32), nullable=False, comment="done, or a reason code"),
        sa.Column(
            "digest",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="over the row and the digest before",
        ),
        sa.PrimaryKeyConstraint("number", name="pk_audit_entry"),
    )
    op.create_index("ix_audit_entry_actor_number", "audit_entry", ["actor", "number"], unique=False)
    op.create_index("ix_audit_entry_object_id_number", "audit_entry", ["object_id", "number"], unique=False)
