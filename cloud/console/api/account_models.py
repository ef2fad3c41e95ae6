"""Step 13 of 13: console. The API's values of accounts: sessions, users, tokens, the audit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from cloud.accounts.audit import Act
from cloud.accounts.errors import Refusal
from cloud.accounts.passwords import LENGTH_MAX
from cloud.accounts.roles import Action, Role
from cloud.accounts.tokens import DAYS_MAX
from cloud.console.api.reading_models import Shown

_WORDS = (
    "12 to 256 characters, at least 5 different ones, without the name in it."
    " Stored as an Argon2id hash and nowhere else."
)
_WHOSE = "Short name of the tenant whose data is seen; null: of the whole site."
_WHOSE_ASKED = (
    "As in the list. Left out: your own tenant; for who belongs to the whole site, the site for administrators and IT,"
    " the first tenant for everybody else."
)
Password = Annotated[SecretStr, Field(min_length=1, max_length=LENGTH_MAX)]


class Asked(BaseModel):
    """A request's body: an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Refused(BaseModel):
    """Why a request was refused."""

    reason: Refusal = Field(description="Code; the page has the words.")
    detail: str = Field(description="A sentence, English; never patient data.")


class SignInAsked(Asked):
    """A sign-in."""

    name: str = Field(min_length=1, max_length=256, description="Name of the user.")
    password: Password = Field(description="Password.")
    code: str = Field(default="", max_length=16, description="One-time code, where the account asks for one.")


class FirstAsked(Asked):
    """The first administrator."""

    link: str = Field(min_length=1, max_length=128, description="What stands behind # in the one-time link.")
    name: str = Field(
        min_length=1, max_length=256, description="2 to 48 letters, digits, dots, hyphens, underscores."
    )
    password: Password = Field(description=_WORDS)


class PasswordAsked(Asked):
    """A password by a one-time link."""

    link: str = Field(min_length=1, max_length=128, description="What stands behind # in the one-time link.")
    password: Password = Field(description=_WORDS)


class PasswordGiven(Asked):
    """The person's password, asked again."""

    password: Password = Field(description="Password.")


class PasswordChangeAsked(Asked):
    """A change of one's own password."""

    password: Password = Field(description="The present one.")
    new_password: Password = Field(description=_WORDS)


class CodeGiven(Asked):
    """A one-time code."""

    code: str = Field(min_length=1, max_length=16, description="Six digits.")


class SessionFacts(Shown):
    """Who is signed in."""

    name: str = Field(description="Name of the user.")
    role: Role = Field(description="What the person is to the site.")
    may: list[Action] = Field(description="What the role allows.")
    locked: bool = Field(
        description="Whether the session is locked; then only unlock and sign-out are answered."
    )
    codes: bool = Field(description="Whether the account asks for one-time codes.")
    tenant_id: str | None = Field(description=_WHOSE)
    provider: str | None = Field(
        description="Name of the identity provider where the person comes through it; then there is no password here."
    )
    provider_sign_out: str | None = Field(description="Where such a person signs out at the provider too.")
    locks_in_s: float = Field(description="Seconds until it is locked where nothing is done; 0 where it is.")
    ends_in_s: float = Field(description="Seconds until the session ends in any case.")


class WhoIsThere(Shown):
    """Whose session it is. Without one this is no error: the page asks before anybody has signed in."""

    session: SessionFacts | None = Field(description="The session; null where nobody is signed in.")
    ended: bool = Field(description="Whether the browser came with a session that has ended.")
    provider: str | None = Field(description="Name of the identity provider, where there is one.")


class NameToSignIn(Shown):
    """Whose password was set."""

    name: str = Field(description="Name to sign in with.")


class CodesOffered(Shown):
    """What an authenticator app needs. Codes are asked for only after one was confirmed."""

    secret: str = Field(description="Base32, to type.")
    uri: str = Field(description="otpauth address, to open.")
    qr: str = Field(description="The same as a QR code: SVG in a data address, made by this server.")


class UserFacts(Shown):
    """A user, as administrators see them."""

    user_id: str = Field(description="UUID.")
    name: str = Field(description="Name to sign in with.")
    role: Role = Field(description="What the person is to the site.")
    disabled: bool = Field(description="Whether the account is closed.")
    has_password: bool = Field(description="False until the one-time link was used.")
    codes: bool = Field(description="Whether the account asks for one-time codes.")
    by_provider: bool = Field(description="Whether the person comes through the identity provider.")
    tenant_id: str | None = Field(description=_WHOSE)
    created_time: datetime = Field(description="When it was made.")


class Users(Shown):
    """All users."""

    users: list[UserFacts] = Field(description="By name.")


class UserLink(Shown):
    """A user and a one-time link to set the password."""

    user: UserFacts = Field(description="The user.")
    link: str = Field(description="Goes behind /welcome#set=; shown once, good for one use and 72 hours.")


class UserAsked(Asked):
    """A new user."""

    name: str = Field(
        min_length=1, max_length=256, description="2 to 48 letters, digits, dots, hyphens, underscores."
    )
    role: Role = Field(description="What the person is to the site.")
    tenant_id: str | None = Field(default=None, description=_WHOSE_ASKED)


class UserChangeAsked(Asked):
    """A change of a user; what is left out stays."""

    role: Role | None = Field(default=None, description="New role.")
    disabled: bool | None = Field(default=None, description="Close or open the account.")
    tenant_id: str | None = Field(default=None, description=_WHOSE)


class TokenFacts(Shown):
    """A machine's token, without its value."""

    token_id: str = Field(description="UUID.")
    name: str = Field(description="What the machine is called.")
    role: Role = Field(description="What the machine may do.")
    valid: bool = Field(description="Whether it is taken now.")
    created_time: datetime = Field(description="When it was made.")
    created_by: str = Field(description="Who made it.")
    expires_time: datetime | None = Field(description="From when on it is refused; null for never.")
    last_used_time: datetime | None = Field(description="To the minute; null for never.")
    revoked_time: datetime | None = Field(description="When it was revoked; null where it is not.")
    tenant_id: str | None = Field(description=_WHOSE)


class TokenList(Shown):
    """All tokens."""

    tokens: list[TokenFacts] = Field(description="Newest first.")


class TokenMade(Shown):
    """A new token."""

    token: TokenFacts = Field(description="Facts about it.")
    value: str = Field(description="Goes behind Authorization: Bearer; shown once.")


class TokenAsked(Asked):
    """A new token for a machine."""

    name: str = Field(
        min_length=1, max_length=256, description="2 to 48 letters, digits, dots, hyphens, underscores."
    )
    role: Role = Field(description="What the machine may do.")
    days: int | None = Field(
        default=None, ge=1, le=DAYS_MAX, description="Valid for so many days; null: until it is revoked."
    )
    tenant_id: str | None = Field(default=None, description=_WHOSE_ASKED)


class AuditRow(Shown):
    """A row of the audit."""

    number: int = Field(description="Place in the chain, from 1.")
    time: datetime = Field(description="When, UTC.")
    actor: str = Field(description='Who: "user:" or "token:" and the name, "command", "unknown".')
    act: Act = Field(description="What.")
    object_id: str | None = Field(description="To what: an id; null where there is nothing.")
    origin: str = Field(description="From where: IP address, or local.")
    outcome: str = Field(description='"done", or the code of the refusal.')
    digest: str = Field(description="SHA-256 over this row and the digest before, hexadecimal.")


class AuditPage(Shown):
    """A page of the audit, newest first."""

    rows: list[AuditRow] = Field(description="Rows.")
    next_before: int | None = Field(description="Ask with this for the next page; null at the end.")
