"""Part of step 11: the border to Triton: what its gRPC statuses mean to us. Every status has its meaning."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import grpc


class Meaning(Enum):
    """What a failed call says; the engine makes an error of `cloud.infer.errors` of it."""

    BUSY = "its queue is full, or the call waited in it for too long: nothing was computed"
    LOST = "nobody answered, or the answer was lost"
    LATE = "the deadline passed"
    UNKNOWN_MODEL = "it has no such model or version"
    BAD_INPUT = "it refuses the inputs"
    BAD_MODEL = "the model failed"
    UNUSABLE = "it will not serve us, or is no Triton"


MEANINGS: Final[dict[str, Meaning]] = {
    str(code): meaning
    for code, meaning in {
        # A call of ours that we cancel ends with asyncio.CancelledError; this is the server, which stops.
        grpc.StatusCode.CANCELLED: Meaning.LOST,
        grpc.StatusCode.UNKNOWN: Meaning.BAD_MODEL,
        grpc.StatusCode.INVALID_ARGUMENT: Meaning.BAD_INPUT,
        grpc.StatusCode.DEADLINE_EXCEEDED: Meaning.LATE,
        grpc.StatusCode.NOT_FOUND: Meaning.UNKNOWN_MODEL,
        grpc.StatusCode.ALREADY_EXISTS: Meaning.UNUSABLE,
        grpc.StatusCode.PERMISSION_DENIED: Meaning.UNUSABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED: Meaning.BUSY,
        grpc.StatusCode.FAILED_PRECONDITION: Meaning.UNUSABLE,
        grpc.StatusCode.ABORTED: Meaning.LOST,
        grpc.StatusCode.OUT_OF_RANGE: Meaning.UNUSABLE,
        grpc.StatusCode.UNIMPLEMENTED: Meaning.UNUSABLE,
        grpc.StatusCode.INTERNAL: Meaning.BAD_MODEL,
        grpc.StatusCode.UNAVAILABLE: Meaning.LOST,
        grpc.StatusCode.DATA_LOSS: Meaning.LOST,
        grpc.StatusCode.UNAUTHENTICATED: Meaning.UNUSABLE,
        # tritonclient gives OK only with an answer.
        grpc.StatusCode.OK: Meaning.UNUSABLE,
    }.items()
}
"""By the status as tritonclient spells it: "StatusCode.UNAVAILABLE"."""

# Triton says UNAVAILABLE for these too; only the words tell them from a server that is gone.
_BUSY_WORDS: Final = ("Exceeds maximum queue size", "Request timeout expired")
_UNTRUSTED_WORDS: Final = ("CERTIFICATE_VERIFY_FAILED", "certificate required", "WRONG_VERSION_NUMBER")


def meaning(exc: Any) -> Meaning:
    """What an InferenceServerException of tritonclient says."""
    words = exc.message() or ""
    if any(part in words for part in _BUSY_WORDS):
        return Meaning.BUSY
    if any(part in words for part in _UNTRUSTED_WORDS):
        return Meaning.UNUSABLE
    # Without a status it is tritonclient's own complaint about an answer that it cannot read.
    return MEANINGS.get(exc.status() or "", Meaning.UNUSABLE)
