"""Tables of the accounts: users, sessions, tokens, links, tries, the audit."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from cloud.db.base import ROW_ID, metadata
from cloud.db.tenant_tables import of_tenant_or_site
from cloud.db.times import UtcTime

account_user: Final = Table(
    "account_user",
    metadata,
    Column("user_id", String(36), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("name_key", String(128), nullable=False, unique=True, comment="the name without regard to case"),
    Column("role", String(16), nullable=False, comment="cloud.accounts.roles.Role"),
    Column("password_hash", Text, nullable=True, comment="Argon2id; not set until the person chose one"),
    Column("totp_secret", String(64), nullable=True, comment="not set where one-time codes are off"),
    Column("totp_pending", String(64), nullable=True, comment="offered, not confirmed yet"),
    Column("totp_last_step", BigInteger, nullable=False, comment="newest step whose code was used"),
    Column("disabled", Boolean, nullable=False),
    Column("created_time", UtcTime, nullable=False),
    Column("oidc_sha256", LargeBinary(32), nullable=True, comment="of issuer and subject; not set: local"),
    of_tenant_or_site(),
    Index("ix_account_user_oidc_sha256", "oidc_sha256", unique=True),
)

account_session: Final = Table(
    "account_session",
    metadata,
    Column("token_sha256", LargeBinary(32), primary_key=True, comment="of the cookie's value"),
    Column("session_id", String(36), nullable=False, unique=True),
    Column("user_id", String(36), ForeignKey("account_user.user_id"), nullable=False, index=True),
    Column("created_time", UtcTime, nullable=False),
    Column("seen_time", UtcTime, nullable=False, comment="the person last did something"),
    Column("locked", Boolean, nullable=False),
)

account_token: Final = Table(
    "account_token",
    metadata,
    Column("token_id", String(36), primary_key=True),
    Column("token_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False, comment="cloud.accounts.roles.Role"),
    Column("created_time", UtcTime, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("expires_time", UtcTime, nullable=True),
    Column("last_used_time", UtcTime, nullable=True, comment="to the minute"),
    Column("revoked_time", UtcTime, nullable=True),
    of_tenant_or_site(),
)

account_link: Final = Table(
    "account_link",
    metadata,
    Column("link_sha256", LargeBinary(32), primary_key=True),
    Column(
        "user_id", String(36), ForeignKey("account_user.user_id"), nullable=True, comment="not set: first"
    ),
    Column("created_time", UtcTime, nullable=False),
    Column("expires_time", UtcTime, nullable=True),
)

account_try: Final = Table(
    "account_try",
    metadata,
    Column("counted", String(16), primary_key=True, comment="cloud.accounts.backoff.Counted"),
    Column("key_sha256", LargeBinary(32), primary_key=True, comment="of the name's key or of the address"),
    Column("tries", Integer, nullable=False),
    Column("last_time", UtcTime, nullable=False),
    Column("blocked_until_time", UtcTime, nullable=False),
)

audit_entry: Final = Table(
    "audit_entry",
    metadata,
    Column("number", ROW_ID, primary_key=True, autoincrement=False, comment="from 1, without gaps"),
    Column("entry_time", UtcTime, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("act", String(32), nullable=False, comment="cloud.accounts.audit.Act"),
    Column("object_id", String(64), nullable=True),
    Column("origin", String(64), nullable=False, comment="IP address of the peer, or local"),
    Column("outcome", String(32), nullable=False, comment="done, or a reason code"),
    Column("digest", LargeBinary(32), nullable=False, comment="over the row and the digest before"),
    of_tenant_or_site(),
    Index("ix_audit_entry_actor_number", "actor", "number"),
    Index("ix_audit_entry_object_id_number", "object_id", "number"),
    Index("ix_audit_entry_tenant_id_number", "tenant_id", "number"),
)
