"""The edge's part of the line: the table of its steps, and the threads that take captures through them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from edge_agent.config import Config
from edge_agent.errors import EdgeError, ImageRefused, RetryLater
from edge_agent.items import CaptureState, PrepareReply, PrepareRequest
from edge_agent.link.retry import Backoff, Gate
from edge_agent.log import Log
from edge_agent.prenotify import series_order
from edge_agent.shard import Sharded, ShardOrder, shard, timings
from edge_agent.spool import files, quarantine
from edge_agent.spool.pickup import Pickup
from edge_agent.spool.records import PRIORITY_BATCH, Capture
from edge_agent.spool.spool import Spool
from edge_agent.tidy import Tidier
from edge_agent.upload import Committed, OwnCopyDamaged, Uploader
from sonorelay.contract.digest import trace_id
from sonorelay.contract.notes import Signer
from sonorelay.contract.reasons import EDGE_RULES, EdgeReason
from sonorelay.ingest.v1.ingest_service_pb2 import OpenUploadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the thirteen steps."""

    number: int
    """Place in the line, from 1."""
    name: str
    """Name as in ARCHITECTURE."""
    where: str
    """Module or folder that does it."""
    state_after: str
    """State of the capture when it is done."""


STEPS: Final = (
    Step(number=1, name="capture", where="edge_agent/capture/*.py", state_after="captured"),
    Step(number=2, name="pre-notify", where="edge_agent/prenotify.py", state_after="notified"),
    Step(number=3, name="filter", where="edge_agent/filter.py", state_after="kept"),
    Step(number=4, name="de-identify", where="edge_agent/deidentify/", state_after="deidentified"),
    Step(number=5, name="split by type", where="edge_agent/split.py", state_after="split"),
    Step(number=6, name="shard + hash", where="edge_agent/shard.py", state_after="sharded"),
    Step(number=7, name="upload", where="edge_agent/upload.py", state_after="sent"),
)
_FILTER, _DEIDENTIFY, _SPLIT, _SHARD, _UPLOAD = 3, 4, 5, 6, 7
_SPOOL_RETRY_S: Final = 5.0


class Preparer(Protocol):
    """Steps 3 to 5 on hostile bytes, away from this process."""

    def warm(self) -> None:
        """Hint that work is coming; returns at once."""
        ...

    def prepare(self, request: PrepareRequest) -> PrepareReply:
        """Clean images of one capture, or the reason why there are none; never raises for bad input."""
        ...

    def close(self) -> None:
        """Ends what runs; a `prepare` under way raises RetryLater, never a verdict on its image."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LineParts:
    """What the line works with; chosen in build.py."""

    spool: Spool
    """The spool."""
    preparer: Preparer
    """Steps 3 to 5."""
    uploader: Uploader
    """Step 7."""
    gate: Gate
    """Opens when the cloud can be called."""
    signer: Signer
    """The device's manifest key."""
    site_secret: Path
    """File with the site's secret for keyed hashes."""
    config: Config
    """Settings."""
    log: Log
    """The log."""
    now: Callable[[], datetime]
    """Wall clock, aware UTC."""
    monotonic_s: Callable[[], float]
    """Monotonic clock, seconds."""
    backoff: Backoff
    """How long a capture waits after a failed upload."""
    before_step: Callable[[int, str], None]
    """Called with step number and capture id before each step."""
    on_word_due: Callable[[], None]
    """Called when the cloud is owed a withdrawal."""


Outcome = float | Future[None] | None
"""When a capture still in its state may be handed out again: after seconds, after a move, at once."""


class Line:
    """Takes every capture of the spool to done, refused or held; nothing is left out, nothing sent twice."""

    def __init__(self, parts: LineParts) -> None:
        self._p = parts
        monotonic_s = parts.monotonic_s
        self._tidier = Tidier(
            parts.spool,
            parts.log,
            keep_raw_s=parts.config.keep_raw_s,
            quiet=lambda: self._quiet,
            monotonic_s=monotonic_s,
        )
        self._captured = Pickup(parts.spool, (CaptureState.CAPTURED,), monotonic_s, self._tidier.look)
        self._sharded = Pickup(
            parts.spool,
            (CaptureState.SHARDED, CaptureState.SENT, CaptureState.FAILED),
            monotonic_s,
            self._tidier.look,
        )
        self._threads = [
            threading.Thread(target=self._work, args=(self._captured, self._prepare), name="prepare"),
            *(
                threading.Thread(target=self._work, args=(self._sharded, self._upload), name=f"upload-{n}")
                for n in range(parts.config.upload_threads)
            ),
        ]

    def start(self) -> None:
        """Begins to work; what was under way before a restart first."""
        for thread in self._threads:
            thread.daemon = True
            thread.start()
        self._tidier.start()

    def halt(self) -> None:
        """Hands nothing more out; what is in hand goes on."""
        self._captured.stop()
        self._sharded.stop()

    def stop(self) -> None:
        """Ends the threads after what they have in hand; the rest stays in the spool. Stop the gate first."""
        self.halt()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._tidier.stop()

    def wake(self, *, now: bool = False) -> None:
        """The spool may hold more; `now`: the cloud answers again, nothing need wait longer."""
        self._captured.wake(now=now)
        self._sharded.wake(now=now)

    def announce(self, capture_id: str) -> None:
        """A capture that `settle` will hand over: it is not to be read from the spool before."""
        self._captured.reserve(capture_id)

    def settle(self, capture_id: str, kept: Capture | None) -> None:
        """Takes on what was announced, without reading it again; None: it is not to be waited for."""
        if kept is None:
            self._captured.give_back(capture_id)
        else:
            self._captured.offer(kept)

    @property
    def idle(self) -> bool:
        """Every capture is done, set aside, or waits for its next try."""
        return self._tidier.idle and self._quiet

    @property
    def _quiet(self) -> bool:
        return self._captured.idle and self._sharded.idle

    def _work(self, pickup: Pickup, step: Callable[[Capture, Future[None] | None], Outcome]) -> None:
        while True:
            capture_id = None
            try:
                taken = pickup.take()
                if taken is None:
                    return
                capture_id = taken[0].capture_id
                outcome = step(*taken)
                if isinstance(outcome, Future):
                    outcome.add_done_callback(partial(self._moved, pickup, capture_id))
                else:
                    pickup.give_back(capture_id, outcome)
            except (EdgeError, OSError) as error:
                self._p.log.error("line_waits", problem=str(error), error_type=type(error).__name__)
                self._retry(pickup, capture_id)
            except Exception as error:  # Outermost loop: one capture must not stop the others.
                self._p.log.error("line_failed", error_type=type(error).__name__)
                self._retry(pickup, capture_id)

    @staticmethod
    def _moved(pickup: Pickup, capture_id: str, move: Future[None]) -> None:
        failed = move.exception() is not None
        pickup.give_back(capture_id, _SPOOL_RETRY_S if failed else None)

    def _retry(self, pickup: Pickup, capture_id: str | None) -> None:
        if capture_id is not None:
            pickup.give_back(capture_id, _SPOOL_RETRY_S)
        else:
            threading.Event().wait(_SPOOL_RETRY_S)

    # Steps 3 to 6

    def _prepare(self, capture: Capture, _sealed: Future[None] | None) -> Outcome:
        p = self._p
        raw = p.spool.folders.raw / capture.capture_id
        if not raw.exists() and not quarantine.give_back(p.spool.folders, capture.capture_id):
            # A power cut took a copy whose sender was never told "ok": the file will be handed in again.
            p.log.error("alarm", trace_id=trace_id(capture.capture_id), problem="the captured bytes are gone")
            return p.config.retry_max_s
        work = p.spool.folders.work / capture.capture_id
        files.clear(work)
        work.mkdir(parents=True, mode=0o700)
        for number in (_FILTER, _DEIDENTIFY, _SPLIT):
            p.before_step(number, capture.capture_id)
        reply = p.preparer.prepare(
            PrepareRequest(
                capture_id=capture.capture_id,
                raw_path=raw,
                out_dir=work,
                pixels=capture.pixels or p.config.pixels,
                key_path=p.site_secret,
                received_time=capture.received_time,
                mm_per_pixel=capture.mm_per_pixel,
                is_series=capture.is_series,
            )
        )
        steps_ms = capture.steps_ms | reply.timings_ms
        if reply.outcome != "kept":
            state = CaptureState.HELD if reply.outcome == "held" else CaptureState.REFUSED
            self._set_aside(capture, state, reply.reason or EdgeReason.UNREADABLE, reply.detail, steps_ms)
            return None
        p.before_step(_SHARD, capture.capture_id)
        began_s = time.perf_counter()
        try:
            made = shard(self._shard_order(capture, reply), p.signer)
        except ImageRefused as error:
            self._set_aside(capture, CaptureState.REFUSED, error.reason, error.detail, steps_ms)
            return None
        # The sub-files hold all of it now; gone at once, the images are never written to the disk.
        for image in reply.images:
            image.path.unlink()
        steps_ms["shard + hash"] = _ms_since(began_s)
        return self._hand_on(capture, made, steps_ms)

    def _shard_order(self, capture: Capture, reply: PrepareReply) -> ShardOrder:
        return ShardOrder(
            capture_id=capture.capture_id,
            received_time=capture.received_time,
            images=reply.images,
            batch=capture.priority == PRIORITY_BATCH,
            out_dir=self._p.spool.folders.work / capture.capture_id,
            identity=reply.identity,
            series=series_order(capture),
        )

    def _hand_on(self, capture: Capture, made: Sharded, steps_ms: dict[str, float]) -> Future[None]:
        """Seals the move to sharded beside the upload, which waits for it before it commits."""
        made.manifest.edge_timings.extend(timings(steps_ms))
        manifest = made.manifest.SerializeToString()
        sealed = self._p.spool.sharded(
            capture,
            manifest=manifest,
            priority=made.priority,
            steps_ms=steps_ms,
        )
        changed = replace(
            capture,
            state=CaptureState.SHARDED,
            manifest=manifest,
            priority=made.priority,
            steps_ms=steps_ms,
        )
        self._sharded.offer(changed, sealed)
        # Until it is sealed the spool still calls it captured: it must not be taken again before.
        return sealed

    # Step 7

    def _upload(self, capture: Capture, sealed: Future[None] | None) -> Outcome:
        p = self._p
        if not p.gate.wait():
            return None
        p.before_step(_UPLOAD, capture.capture_id)
        manifest = OpenUploadRequest.FromString(capture.manifest or b"")
        work = p.spool.folders.work / capture.capture_id
        began_s = time.perf_counter()
        try:
            committed = p.uploader.send(manifest, work, sealed or _sealed_before())
        except (EdgeError, OwnCopyDamaged) as error:
            if p.gate.stopped:
                return None  # Cut short by our own stop: no failure of the upload.
            if sealed is not None:
                sealed.result()  # Nothing is recorded of a move that did not last; it raises.
            return self._not_sent(capture, error)
        self._finish(capture, committed, capture.steps_ms | {"upload": _ms_since(began_s)})
        return None

    def _not_sent(self, capture: Capture, error: EdgeError | OwnCopyDamaged) -> float | None:
        p = self._p
        if isinstance(error, ImageRefused):
            self._set_aside(capture, CaptureState.HELD, error.reason, error.detail, capture.steps_ms)
            return None
        if isinstance(error, OwnCopyDamaged):
            p.log.error("alarm", trace_id=trace_id(capture.capture_id), problem="a sub-file is damaged")
            p.spool.make_again(capture.capture_id)
            return None
        return self._upload_failed(capture, error)

    def _finish(self, capture: Capture, committed: Committed, steps_ms: dict[str, float]) -> None:
        p = self._p
        for receipt in committed.response.receipts:
            name = f"{capture.capture_id}.{receipt.part_index}.txt"
            files.replace(p.spool.folders.receipts / name, receipt.tlog_proof)
        p.spool.done(
            capture,
            receipts=committed.response.SerializeToString(),
            ledger_indices=committed.verified.ledger_indices,
            seen=committed.verified.newest,
            steps_ms=steps_ms,
        )
        p.log.info(
            "capture_done",
            trace_id=trace_id(capture.capture_id),
            ledger_index=list(committed.verified.ledger_indices),
            steps_ms=steps_ms,
        )
        self._tidier.later(capture.capture_id)

    def _upload_failed(self, capture: Capture, error: EdgeError) -> float:
        """Records failure point, error, attempts and next try (TX-09); the seconds until that."""
        p = self._p
        attempts = capture.attempts + 1
        given_up = attempts >= p.config.attempts_max
        after_s = p.config.failed_retry_s if given_up else p.backoff.delay_s(attempts)
        if isinstance(error, RetryLater) and error.after_s is not None and not given_up:
            after_s = error.after_s
        p.spool.failed_once(
            capture,
            error=str(error),
            next_try_time=p.now() + timedelta(seconds=after_s),
            given_up=given_up,
        )
        tell = p.log.error if given_up else p.log.warning
        tell(
            "alarm" if given_up else "upload_failed",
            trace_id=trace_id(capture.capture_id),
            problem=str(error),
            attempts=attempts,
            after_s=round(after_s, 1),
        )
        return after_s

    def _set_aside(
        self,
        capture: Capture,
        state: CaptureState,
        reason: EdgeReason,
        detail: str,
        steps_ms: dict[str, float],
    ) -> None:
        self._p.spool.set_aside(capture, state, reason, detail, steps_ms)
        self._p.log.warning(
            "image_held" if state is CaptureState.HELD else "image_refused",
            trace_id=trace_id(capture.capture_id),
            reason=reason.value,
            hint=EDGE_RULES[reason].en,
        )
        self._p.on_word_due()


def _sealed_before() -> Future[None]:
    """For a capture that was read from the spool: its move to sharded is durable."""
    future: Future[None] = Future()
    future.set_result(None)
    return future


def _ms_since(began_s: float) -> float:
    return round((time.perf_counter() - began_s) * 1e3, 3)
