"""Accounts: users, sessions, tokens and the one who makes a request, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cloud.accounts.roles import SITE_ACTIONS, Action, Role, may

IDLE: Final = timedelta(minutes=15)
"""A session in which a person does nothing for this long is locked."""
ABSOLUTE: Final = timedelta(hours=12)
"""A session ends this long after the sign-in, whatever happens in it."""
LINK_LIFE: Final = timedelta(hours=72)
"""A link to set a password is valid for this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person's account."""

    user_id: str
    """UUID."""
    name: str
    """Name to sign in with, as it was given; unique without regard to case."""
    role: Role
    """What the person is to the site."""
    password_hash: str | None
    """Argon2id, encoded; None until the person has set a password."""
    totp_secret: str | None
    """Secret of the one-time codes, sealed; None where they are off."""
    totp_pending: str | None
    """Secret that was offered and not yet confirmed by a code, sealed."""
    totp_last_step: int
    """Step (30 s each since 1970) of the newest code that was used; 0 where none was."""
    disabled: bool
    """Whether the account is closed."""
    created_time: datetime
    """When it was made (aware UTC)."""
    oidc_sha256: bytes | None = None
    """SHA-256 of issuer, LF and subject, 32 bytes: whom the identity provider means; None for a local account."""
    tenant_id: str | None = None
    """Whose data the person sees; None: the whole site's."""


class SessionState(StrEnum):
    """What a session is at a moment."""

    LIVE = "live"
    LOCKED = "locked"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person's sign-in at one browser."""

    session_id: str
    """UUID; names the session in the audit. It gives no access."""
    token_sha256: bytes
    """SHA-256 of the cookie's value, 32 bytes."""
    user_id: str
    """Whose it is."""
    created_time: datetime
    """When the person signed in (aware UTC)."""
    seen_time: datetime
    """When the person last did something (aware UTC)."""
    locked: bool
    """Whether it was locked and not unlocked since."""

    def state(self, now: datetime) -> SessionState:
        """What the session is at `now` (aware)."""
        if now >= self.created_time + ABSOLUTE:
            return SessionState.ENDED
        if self.locked or now >= self.seen_time + IDLE:
            return SessionState.LOCKED
        return SessionState.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A machine's right to the API."""

    token_id: str
    """UUID; names the token in lists and in the audit. It gives no access."""
    name: str
    """What the machine is called."""
    role: Role
    """What the machine may do."""
    created_time: datetime
    """When it was made (aware UTC)."""
    created_by: str
    """Actor who made it."""
    expires_time: datetime | None
    """From when on it is refused; None for never."""
    last_used_time: datetime | None
    """When it was last used, to the minute; None for never."""
    revoked_time: datetime | None
    """When it was revoked; None where it is not."""
    tenant_id: str | None = None
    """Whose data the machine sees; None: the whole site's."""

    def is_valid(self, now: datetime) -> bool:
        """Whether it is taken at `now` (aware)."""
        return self.revoked_time is None and (self.expires_time is None or now < self.expires_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who makes a request: a signed-in person or a machine with a token."""

    actor: str
    """As the audit names it: "user:" or "token:" and the name."""
    name: str
    """Name of the user or of the token."""
    role: Role
    """What they may do."""
    address: str
    """Where the request comes from: the peer's IP address."""
    user: User | None
    """The person; None for a machine."""
    session: Session | None
    """The person's session; None for a machine."""
    token_id: str | None
    """The machine's token; None for a person."""
    locked: bool
    """Whether the session is locked; only unlocking and signing out are left then."""
    tenant_id: str | None
    """Whose data they see; None: the whole site's."""

    def may(self, action: Action) -> bool:
        """Whether they may do `action`: the role allows it, and what concerns the whole site only the site's own do."""
        return may(self.role, action) and (self.tenant_id is None or action not in SITE_ACTIONS)
