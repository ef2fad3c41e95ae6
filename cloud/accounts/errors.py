"""Accounts: why something is refused: a code, the HTTP status that goes with it, a sentence for a log reader."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from cloud.errors import CloudError


class Refusal(StrEnum):
    """Reason code of a refused request; the page has words for each in both languages."""

    SIGN_IN_NEEDED = "SIGN_IN_NEEDED"
    SESSION_ENDED = "SESSION_ENDED"
    TOKEN_INVALID = "TOKEN_INVALID"
    SIGN_IN_WRONG = "SIGN_IN_WRONG"
    CODE_NEEDED = "CODE_NEEDED"
    CODE_WRONG = "CODE_WRONG"
    LOCKED = "LOCKED"
    NOT_PERMITTED = "NOT_PERMITTED"
    SESSION_NEEDED = "SESSION_NEEDED"
    CROSS_SITE = "CROSS_SITE"
    PASSWORD_WRONG = "PASSWORD_WRONG"
    LINK_INVALID = "LINK_INVALID"
    TOO_MANY_TRIES = "TOO_MANY_TRIES"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    PASSWORD_WEAK = "PASSWORD_WEAK"
    NAME_INVALID = "NAME_INVALID"
    NAME_TAKEN = "NAME_TAKEN"
    LAST_ADMINISTRATOR = "LAST_ADMINISTRATOR"
    UNKNOWN = "UNKNOWN"
    TENANT_INVALID = "TENANT_INVALID"
    TENANT_TAKEN = "TENANT_TAKEN"
    TENANT_UNKNOWN = "TENANT_UNKNOWN"
    METHOD_UNKNOWN = "METHOD_UNKNOWN"
    OIDC_OFF = "OIDC_OFF"
    OIDC_AWAY = "OIDC_AWAY"
    OIDC_LATE = "OIDC_LATE"
    OIDC_WRONG = "OIDC_WRONG"
    OIDC_DENIED = "OIDC_DENIED"
    OIDC_NOT_ALLOWED = "OIDC_NOT_ALLOWED"
    OIDC_NO_ROLE = "OIDC_NO_ROLE"
    OIDC_NO_TENANT = "OIDC_NO_TENANT"
    OIDC_NAME_TAKEN = "OIDC_NAME_TAKEN"
    OIDC_CLOSED = "OIDC_CLOSED"
    OIDC_OTHER = "OIDC_OTHER"
    OIDC_MANAGED = "OIDC_MANAGED"
    MODEL_CHANGED = "MODEL_CHANGED"
    MODEL_UNUSABLE = "MODEL_UNUSABLE"
    MODELS_ELSEWHERE = "MODELS_ELSEWHERE"


STATUS: Final[Mapping[Refusal, tuple[int, str]]] = {
    Refusal.SIGN_IN_NEEDED: (401, "Sign in first, or send a token as Authorization: Bearer."),
    Refusal.SESSION_ENDED: (401, "The session has ended; sign in again."),
    Refusal.TOKEN_INVALID: (401, "The token is unknown, expired or revoked."),
    Refusal.SIGN_IN_WRONG: (401, "Name or password is wrong."),
    Refusal.CODE_NEEDED: (401, "The account also needs a one-time code."),
    Refusal.CODE_WRONG: (401, "The one-time code is wrong or was used before."),
    Refusal.LOCKED: (423, "The session is locked; unlock it with the password."),
    Refusal.NOT_PERMITTED: (403, "The role does not allow this."),
    Refusal.SESSION_NEEDED: (403, "Only a person who is signed in can do this; a token cannot."),
    Refusal.CROSS_SITE: (403, "The request does not come from a page of this server."),
    Refusal.PASSWORD_WRONG: (403, "The password is wrong."),
    Refusal.LINK_INVALID: (403, "The link was used, has expired, or was replaced by a newer one."),
    Refusal.TOO_MANY_TRIES: (429, "Too many tries; wait, then try again."),
    Refusal.TOO_MANY_REQUESTS: (429, "Too many requests; Retry-After says when the next one is taken."),
    Refusal.PASSWORD_WEAK: (422, "The password breaks a rule: see the description of the field."),
    Refusal.NAME_INVALID: (422, "A name has 2 to 48 letters, digits, dots, hyphens or underscores."),
    Refusal.NAME_TAKEN: (409, "There is a user of this name already."),
    Refusal.LAST_ADMINISTRATOR: (409, "The site would be left without an administrator."),
    Refusal.UNKNOWN: (404, "There is no such thing."),
    Refusal.TENANT_INVALID: (
        422,
        "A tenant has a short name of 1 to 32 letters a-z, digits and hyphens, and a name of 1 to 64 characters.",
    ),
    Refusal.TENANT_TAKEN: (409, "There is a tenant of this short name already."),
    Refusal.TENANT_UNKNOWN: (422, "There is no such tenant, or it is not yours to give."),
    Refusal.METHOD_UNKNOWN: (405, "This address does not take this method."),
    Refusal.OIDC_OFF: (404, "There is no identity provider."),
    Refusal.OIDC_AWAY: (403, "The identity provider gave no answer."),
    Refusal.OIDC_LATE: (
        403,
        "The way through the identity provider was not begun in this browser, or too long ago.",
    ),
    Refusal.OIDC_WRONG: (403, "What the identity provider sent is not valid."),
    Refusal.OIDC_DENIED: (403, "The identity provider did not let the person through."),
    Refusal.OIDC_NOT_ALLOWED: (
        403,
        "The person's e-mail address is not of a domain that may come in, or not verified.",
    ),
    Refusal.OIDC_NO_ROLE: (403, "The person has no role at this site."),
    Refusal.OIDC_NO_TENANT: (403, "The person belongs to no tenant of this site."),
    Refusal.OIDC_NAME_TAKEN: (409, "There is another account of this name, or the provider gives no name."),
    Refusal.OIDC_CLOSED: (403, "The account is closed."),
    Refusal.OIDC_OTHER: (403, "Another person came back than the one whose session is locked."),
    Refusal.OIDC_MANAGED: (409, "The identity provider keeps this account; only closing it is done here."),
    Refusal.MODEL_CHANGED: (409, "The model's versions stand otherwise by now; look at them again."),
    Refusal.MODEL_UNUSABLE: (409, "The version's files are not those that were accepted, or do not load."),
    Refusal.MODELS_ELSEWHERE: (409, "This server keeps no models of its own."),
}
"""HTTP status and English sentence of each code."""


class AccountRefused(CloudError):
    """A request is refused for a stated reason; nothing was done but what the audit and back-off keep."""

    def __init__(self, reason: Refusal, after_s: float | None = None) -> None:
        super().__init__(STATUS[reason][1])
        self.reason = reason
        self.after_s = after_s
