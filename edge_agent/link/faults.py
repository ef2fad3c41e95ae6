"""The border to gRPC: every foreign error becomes one of ours here, by its reason, never by its message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from edge_agent.errors import EdgeError, ImageRefused, NeedsPerson, RetryLater
from sonorelay.contract.reasons import DOMAIN, WIRE_RULES, EdgeReason, WireReason

_DETAILS_KEY: Final = "grpc-status-details-bin"

# Codes without a reason of ours come from the transport, a proxy or a newer server.
WAITS: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.OK,
    }
)
PERSON: Final[dict[grpc.StatusCode, str]] = {
    grpc.StatusCode.PERMISSION_DENIED: "The cloud does not let this device in; ask IT.",
    grpc.StatusCode.UNAUTHENTICATED: "The cloud does not accept this device's certificate; ask IT.",
    grpc.StatusCode.UNIMPLEMENTED: "The address answers, but not as a SonoRelay cloud; check it, ask IT.",
}


class LinkDown(RetryLater):
    """The cloud cannot be reached, or did not answer; whether it did the work is not known."""


def wire_reason(error: grpc.RpcError) -> tuple[WireReason | None, float | None]:
    """Reason and waiting time in seconds that the cloud gave, as far as it gave any."""
    reason: WireReason | None = None
    after_s: float | None = None
    metadata: Iterable[tuple[str, str | bytes]] = ()
    if isinstance(error, grpc.Call):
        metadata = error.trailing_metadata() or ()
    for key, value in metadata:
        if key != _DETAILS_KEY or not isinstance(value, bytes):
            continue
        status = status_pb2.Status()
        try:
            status.ParseFromString(value)
        except DecodeError:
            continue  # As good as no details.
        for detail in status.details:
            info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
            if detail.Unpack(info) and info.domain == DOMAIN and info.reason in WireReason.__members__:
                reason = WireReason(info.reason)
            elif detail.Unpack(retry):
                after_s = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, after_s


def by_reason(reason: WireReason, after_s: float | None) -> EdgeError:
    """What a reason means for the edge; complete over WireReason."""
    rule = WIRE_RULES[reason]
    match rule.action:
        case "stop":
            return NeedsPerson(rule.hint, reason)
        case "refuse":
            return ImageRefused(EdgeReason.CLOUD_REFUSED, reason.value)
        case "wait":
            return RetryLater(reason.value, after_s, reason)
        case "reopen" | "send_missing" | "rehash":
            # The caller goes on at once, by the reason.
            return RetryLater(reason.value, after_s or 0.0, reason)


def translate(error: grpc.RpcError, action: str) -> EdgeError:
    """The error of ours for a failed call; `action` names the call. No text of the server's is passed on."""
    reason, after_s = wire_reason(error)
    if reason is not None:
        return by_reason(reason, after_s)
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    if code in PERSON:
        return NeedsPerson(PERSON[code])
    return LinkDown(f"{action}: {code.name}", after_s)
