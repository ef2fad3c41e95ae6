"""Errors of the cloud, named by what is to be done."""

from __future__ import annotations

from sonorelay.contract.reasons import WireReason


class CloudError(Exception):
    """Base of everything the cloud raises on purpose."""


class RetryLater(CloudError):
    """Try again after `after_s` seconds; nothing was done."""

    def __init__(self, message: str, after_s: float) -> None:
        super().__init__(message)
        self.after_s = after_s


class StoreFull(RetryLater):
    """The disk is over its watermark."""


class LedgerBusy(RetryLater):
    """Another sequencer moved the log on."""


class DatabaseUnusable(CloudError):
    """The database file is damaged, read-only or out of reach; retrying does not help; a person must look."""


class BlobMissing(CloudError):
    """The store holds no bytes of this digest."""


class BlobCorrupt(CloudError):
    """Bytes do not have the digest they are named by."""


class LedgerIndexUnknown(CloudError):
    """The log has no such index or size."""


class LedgerDamaged(CloudError):
    """The log and the database contradict each other; the server does not start; a person must look."""


class CallRefused(CloudError):
    """A call breaks the contract; answered to the agent as `reason`. The message carries no patient data."""

    def __init__(self, reason: WireReason, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.after_s = after_s


class ConfigInvalid(CloudError):
    """A setting cannot be used; the message names it and what to do."""
