"""Results from the cloud: each is stored once, with the cursor after it. Research use, not for diagnosis."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Final

import grpc

from edge_agent.errors import RetryLater
from edge_agent.link.cloud import CloudLink, Streaming
from edge_agent.link.faults import LinkDown, translate, wire_reason
from edge_agent.link.retry import Gate
from edge_agent.log import Log
from edge_agent.spool import files, queries
from edge_agent.spool.records import StoredResult
from edge_agent.spool.spool import Spool
from sonorelay.agent.v1.agent_service_pb2 import Result, WatchResultsResponse
from sonorelay.contract.digest import trace_id
from sonorelay.contract.limits import HEARTBEAT_INTERVAL_S
from sonorelay.contract.reasons import WireReason

NOTICE: Final = "research use, not for diagnosis"
SILENCE_MAX_S: Final = 3 * HEARTBEAT_INTERVAL_S


class ResultWatcher:
    """Misses no result and stores none twice, over restarts of both sides; on a thread of its own.

    It has its own gate, since a cloud that gives no results may still take images.
    """

    def __init__(
        self,
        spool: Spool,
        link: CloudLink,
        gate: Gate,
        log: Log,
        device_id: str,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._link = link
        self._gate = gate
        self._log = log
        self._device_id = device_id
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._call: Streaming[WatchResultsResponse] | None = None
        self._heard_s = 0.0
        self._thread = threading.Thread(target=self._run, name="results", daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the stream and the thread."""
        self._gate.stop()
        with self._lock:
            call = self._call
        if call is not None:
            call.cancel()
        if self._thread.is_alive():
            self._thread.join()

    def check_silence(self) -> None:
        """Breaks a stream without a heartbeat, so that it is opened again. Call every few seconds."""
        with self._lock:
            call = self._call
            silent = self._monotonic_s() - self._heard_s > SILENCE_MAX_S
        if call is not None and silent:
            call.cancel()

    def _run(self) -> None:
        while self._gate.wait():
            try:
                self._watch()
            except RetryLater as error:
                self._gate.failed(error)
            except OSError as error:
                self._log.error("alarm", action="results", error_type=type(error).__name__)
                self._gate.failed(RetryLater("results cannot be written"))

    def _watch(self) -> None:
        """One stream from open to end. Raises RetryLater, OSError."""
        cursor = self._spool.read(queries.results_cursor)
        try:
            call = self._link.watch_results(self._device_id, cursor)
            with self._lock:
                self._call, self._heard_s = call, self._monotonic_s()
            if self._gate.stopped:
                call.cancel()
            for response in call:
                self._take(response)
            raise LinkDown("results: the cloud ended the stream")
        except grpc.RpcError as error:
            reason, _ = wire_reason(error)
            if reason is WireReason.CURSOR_INVALID:
                # The cloud was set back, perhaps from a backup: all is read again, nothing doubles.
                self._log.warning("alarm", action="results", reason=reason.value)
                self._spool.save_result(None, 0)
            failure = translate(error, "results")
            raise RetryLater(str(failure), getattr(failure, "after_s", None)) from error
        finally:
            with self._lock:
                self._call = None

    def _take(self, response: WatchResultsResponse) -> None:
        with self._lock:
            self._heard_s = self._monotonic_s()
        self._gate.succeeded()
        self._link.gate.succeeded()
        if response.WhichOneof("event") != "result":
            return
        stored = _stored(response.result)
        files.replace(_path(self._spool, stored), _as_json(stored))
        self._spool.save_result(stored, response.cursor)
        self._log.info(
            "result_received", trace_id=trace_id(stored.capture_id), ok=stored.ok, reason=stored.reason
        )


def _path(spool: Spool, stored: StoredResult) -> Path:
    # Both ids come from the cloud: only what a UUID may hold becomes part of a path.
    names = ("".join(c for c in i if c.isalnum() or c == "-") for i in (stored.capture_id, stored.image_id))
    return spool.folders.results / (".".join(names) + ".json")


def _stored(result: Result) -> StoredResult:
    return StoredResult(
        capture_id=result.capture_id,
        image_id=result.image_id,
        ok=result.ok,
        reason=result.reason,
        result_time=result.result_time.ToDatetime(tzinfo=UTC),
        reading_json=result.reading_json,
    )


def _as_json(stored: StoredResult) -> bytes:
    try:
        reading = json.loads(stored.reading_json) if stored.reading_json else None
    except ValueError:
        reading = stored.reading_json
    value = {
        "notice": NOTICE,
        "capture_id": stored.capture_id,
        "image_id": stored.image_id,
        "ok": stored.ok,
        "reason": stored.reason or None,
        "result_time": stored.result_time.isoformat(),
        "reading": reading,
    }
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
