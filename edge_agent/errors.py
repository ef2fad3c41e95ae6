"""Errors of the edge, named by what is to be done."""

from __future__ import annotations

from sonorelay.contract.reasons import EdgeReason, WireReason


class EdgeError(Exception):
    """Base of everything the edge raises on purpose."""


class RetryLater(EdgeError):
    """Try again after `after_s` seconds (None: by the caller's own backoff); nothing is lost."""

    def __init__(self, message: str, after_s: float | None = None, reason: WireReason | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s
        self.reason = reason


class SpoolFull(RetryLater):
    """The disk is over its watermark; the sender is told to wait."""


class NeedsPerson(EdgeError):
    """Only a person can help; `hint` says how. No patient data."""

    def __init__(self, hint: str, reason: WireReason | None = None) -> None:
        super().__init__(hint)
        self.hint = hint
        self.reason = reason


class ImageRefused(EdgeError):
    """The image does not go through the line; it goes into quarantine with `reason`."""

    def __init__(self, reason: EdgeReason, detail: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail


class ConfigInvalid(EdgeError):
    """A setting cannot be used; the message names it and what to do."""
