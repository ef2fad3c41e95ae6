"""Part of steps 2 and 7 to 10: stands before every call: deadlines, errors in the contract's words."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
from google.rpc import error_details_pb2, status_pb2

from cloud.errors import CallRefused, LedgerBusy, RetryLater
from cloud.log import Log, where
from sonorelay.contract.digest import trace_id
from sonorelay.contract.reasons import DOMAIN, WIRE_RULES, WireReason

DETAILS_KEY: Final = "grpc-status-details-bin"
SHUT_DOWN_RETRY_S: Final = 1.0

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Guard(grpc.aio.ServerInterceptor):
    """No call gets past it without a deadline or while the server stops, and no error's text gets out.

    A refusal goes to the agent as its reason; anything else as "internal error, trace ...", with nothing of
    the error in it: gRPC would send the exception's text otherwise. `new_trace` names calls without capture.
    """

    def __init__(self, log: Log, draining: asyncio.Event, new_trace: Callable[[], str]) -> None:
        self._log = log
        self._draining = draining
        self._new_trace = new_trace
        self.calls: Counter[str] = Counter()
        """Ended calls by "Method CODE"."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wraps the method's handler; a method that does not exist is left to gRPC."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method.rpartition("/")[2]
        if handler.response_streaming:
            return self._stream(method, handler)
        return self._unary(method, handler)

    def _unary(self, method: str, handler: Handler) -> Handler:
        behaviour: Any = handler.stream_unary if handler.request_streaming else handler.unary_unary

        async def guarded(request: Any, context: Context) -> Any:
            try:
                # gRPC gives None where the client set no deadline, though its type says otherwise.
                if context.time_remaining() is None:
                    await self._abort(
                        method, context, grpc.StatusCode.INVALID_ARGUMENT, "a deadline is required"
                    )
                self._check_open()
                response = await behaviour(request, context)
            except (grpc.aio.AbortError, asyncio.CancelledError):
                raise
            except Exception as error:  # the outermost loop of a call
                await self._answer(method, context, error, _trace(request) or self._new_trace())
            else:
                self.calls[f"{method} OK"] += 1
                return response

        wrap: Callable[..., Handler] = (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return wrap(guarded, handler.request_deserializer, handler.response_serializer)

    def _stream(self, method: str, handler: Handler) -> Handler:
        behaviour: Any = handler.stream_stream if handler.request_streaming else handler.unary_stream

        async def guarded(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                self._check_open()
                async for response in behaviour(request, context):
                    yield response
            except (grpc.aio.AbortError, asyncio.CancelledError):
                raise
            except Exception as error:  # the outermost loop of a stream
                await self._answer(method, context, error, self._new_trace())
            else:
                self.calls[f"{method} OK"] += 1

        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(
                guarded, handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_stream_rpc_method_handler(
            guarded, handler.request_deserializer, handler.response_serializer
        )

    def _check_open(self) -> None:
        if self._draining.is_set():
            raise CallRefused(WireReason.SHUTTING_DOWN, "the server is stopping", SHUT_DOWN_RETRY_S)

    async def _answer(self, method: str, context: Context, error: Exception, trace: str) -> None:
        """Ends the call with what `error` means to the agent."""
        meant = refusal(error)
        if meant is None:
            self._log.error(
                "call_failed", method=method, trace_id=trace, error=type(error).__name__, where=where(error)
            )
            await self._abort(method, context, grpc.StatusCode.INTERNAL, f"internal error, trace {trace}")
            return
        self._log.info("call_refused", method=method, trace_id=trace, reason=meant.reason.value)
        code = grpc.StatusCode[WIRE_RULES[meant.reason].code]
        metadata = ((DETAILS_KEY, status(meant).SerializeToString()),)
        await self._abort(method, context, code, str(meant), metadata)

    async def _abort(
        self,
        method: str,
        context: Context,
        code: grpc.StatusCode,
        message: str,
        metadata: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        self.calls[f"{method} {code.name}"] += 1
        await context.abort(code, message, metadata)


def refusal(error: Exception) -> CallRefused | None:
    """An error as the contract's refusal; None where the contract has no word for it."""
    if isinstance(error, CallRefused):
        return error
    if isinstance(error, LedgerBusy):
        return CallRefused(WireReason.LEDGER_BUSY, "the ledger is busy", error.after_s)
    if isinstance(error, RetryLater):
        # A full store, a full queue and a busy database are one thing to an agent: it waits and tries again.
        return CallRefused(WireReason.STORE_FULL, "the server cannot take more right now", error.after_s)
    return None


def status(refused: CallRefused) -> status_pb2.Status:
    """The google.rpc.Status of a refusal: ErrorInfo, and RetryInfo where waiting helps."""
    code = grpc.StatusCode[WIRE_RULES[refused.reason].code]
    answer = status_pb2.Status(code=code.value[0], message=str(refused))
    answer.details.add().Pack(error_details_pb2.ErrorInfo(reason=refused.reason.value, domain=DOMAIN))
    if refused.after_s is not None:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(max(1, round(refused.after_s * 1000)))
        answer.details.add().Pack(info)
    return answer


def _trace(request: Any) -> str | None:
    """Trace id of the capture that a request names; only letters and digits of it, at most 32."""
    capture_id = getattr(request, "capture_id", "")
    trace = trace_id(capture_id)[:32]
    return trace if trace.isalnum() and trace.isascii() else None
