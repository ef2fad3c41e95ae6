"""Monitor: why something cannot be done, in words for the page and for a settings file's author."""

from __future__ import annotations

from enum import StrEnum

from cloud.errors import CloudError


class RuleInvalid(CloudError):
    """A rule cannot be used; the message names the field and what is wrong."""


class RuleUnknown(CloudError):
    """There is no such rule."""


class AlarmUnknown(CloudError):
    """There is no such alarm, or it is over."""


class ChannelAbsent(CloudError):
    """The settings name no such way out."""


class SendReason(StrEnum):
    """Why a message did not get out."""

    UNREACHABLE = "UNREACHABLE"
    """No connection: name, port or network."""
    TIMED_OUT = "TIMED_OUT"
    """Connected, and no answer in time."""
    TLS_FAILED = "TLS_FAILED"
    """The other side's certificate or its TLS cannot be used."""
    SIGN_IN_REFUSED = "SIGN_IN_REFUSED"
    """Name or password of the mail server are wrong."""
    REFUSED = "REFUSED"
    """The other side answered and did not take it; `code` says with what."""


class SendFailed(CloudError):
    """A message did not get out; trying again may help. Never carries an address, a secret or a foreign text."""

    def __init__(self, reason: SendReason, code: int | None = None) -> None:
        super().__init__(reason.value if code is None else f"{reason.value} {code}")
        self.reason = reason
        self.code = code
