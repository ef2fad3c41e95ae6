"""Step 2 of 13: pre-notify. Tells the cloud at once what is coming, and what will not come after all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from edge_agent.errors import EdgeError, ImageRefused, RetryLater
from edge_agent.items import CaptureState
from edge_agent.link.cloud import CloudLink
from edge_agent.log import Log
from edge_agent.spool import queries
from edge_agent.spool.records import Capture
from edge_agent.spool.spool import Spool
from sonorelay.contract.digest import trace_id
from sonorelay.contract.notes import Verifier
from sonorelay.ingest.v1.ingest_service_pb2 import PreNotifyRequest, SeriesOrder, WithdrawRequest

_PAGE: Final = 64
_NOTE_AFTER_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierOptions:
    """What the notifier takes from outside."""

    device: Verifier
    """The device's number and manifest key."""
    now: Callable[[], datetime]
    """Wall clock, aware UTC."""
    before_step: Callable[[int, str], None]
    """Called with 2 and the capture id before a capture is announced."""


def pre_notify_request(capture: Capture, device: Verifier, sent_time: datetime) -> PreNotifyRequest:
    """First word about a capture; but for the time of sending the same in every retry."""
    received, sent = Timestamp(), Timestamp()
    received.FromDatetime(capture.received_time)
    sent.FromDatetime(sent_time)
    return PreNotifyRequest(
        request_id=capture.request_id,
        device_id=device.name,
        capture_id=capture.capture_id,
        received_time=received,
        monotonic_ns=capture.monotonic_ns,
        boot_id=capture.boot_id,
        expected_image_count=1,
        size_bytes=capture.size_bytes,
        sent_time=sent,
        device_verifier_key=str(device),
        series=series_order(capture),
    )


def series_order(capture: Capture) -> SeriesOrder | None:
    """The order by which a file of a series came, for each word about it; None for a print."""
    return SeriesOrder(label=capture.label or "") if capture.is_series else None


class Notifier:
    """Every capture is announced, and every refused or held one withdrawn, however long the cloud is away.

    It has a thread of its own and never blocks another step. What the cloud has answered is stored in
    batches, a moment later: a crash in between repeats words, which changes nothing at the cloud.
    """

    def __init__(self, spool: Spool, link: CloudLink, log: Log, options: NotifierOptions) -> None:
        self._spool = spool
        self._link = link
        self._log = log
        self._options = options
        self._changed = threading.Condition()
        self._dirty = True
        self._offered: list[Capture] = []
        self._stopped = False
        self._notified: set[str] = set()
        self._withdrawn: set[str] = set()
        self.clock_offset_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="pre-notify", daemon=True)

    def start(self) -> None:
        """Begins to send what is due."""
        self._thread.start()

    def wake(self) -> None:
        """Something may be due."""
        with self._changed:
            self._dirty = True
            self._changed.notify_all()

    def offer(self, capture: Capture) -> None:
        """The capture was taken in just now: it is announced without being read from the spool."""
        with self._changed:
            if len(self._offered) >= _PAGE:
                self._dirty = True  # A crowd waits in the spool, not in memory.
            else:
                self._offered.append(capture)
            self._changed.notify_all()

    def stop(self) -> None:
        """Ends the thread; what is due stays in the spool. Call after the gate's stop."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def idle(self) -> bool:
        """Nothing is due, as far as this thread knows."""
        with self._changed:
            return not (self._dirty or self._offered or self._notified or self._withdrawn)

    def _run(self) -> None:
        while not self._stopped:
            with self._changed:
                if not self._dirty and not self._offered:
                    unsaid = bool(self._notified or self._withdrawn)
                    self._changed.wait(_NOTE_AFTER_S if unsaid else None)
                dirty, self._dirty = self._dirty, False
                offered, self._offered = self._offered, []
            try:
                if not (dirty or offered) or len(self._notified) + len(self._withdrawn) >= _PAGE:
                    self._note()
                self._say_offered(offered)
                if dirty and self._say_page():
                    self.wake()
            except RetryLater as error:  # The database: the words are still due.
                self._log.warning("pre_notify_waits", problem=str(error))
                with self._changed:
                    self._dirty = True
                    self._changed.wait(_NOTE_AFTER_S)
        self._note_at_end()

    def _say_offered(self, offered: list[Capture]) -> None:
        for capture in offered:
            if self._stopped:
                return
            self._say(capture)
            if capture.capture_id not in self._notified:
                self.wake()  # The spool knows that it is still due.

    def _say_page(self) -> bool:
        """Says what is due; True where there may be more."""
        page = _PAGE + len(self._withdrawn)
        due = self._spool.read(lambda tx: queries.words_due(tx, page, self._notified))
        spoke = False
        for capture in due:
            if self._stopped:
                return False
            spoke = self._say(capture) or spoke
        return spoke

    def _say(self, capture: Capture) -> bool:
        """Says what is due of one capture; True where a word was said or has to be said again."""
        spoke = False
        if capture.notify_due and capture.capture_id not in self._notified:
            spoke = True
            self._options.before_step(2, capture.capture_id)
            if not self._tell(capture, lambda: self._announce(capture)):
                return True
            self._notified.add(capture.capture_id)
        if capture.withdraw_due and capture.capture_id not in self._withdrawn:
            spoke = True
            request = WithdrawRequest(
                device_id=self._options.device.name,
                capture_id=capture.capture_id,
                reason=capture.reason or "",
                held=capture.state is CaptureState.HELD,
                series=series_order(capture),
            )
            if self._tell(capture, lambda: self._link.withdraw(request)):
                self._withdrawn.add(capture.capture_id)
        return spoke

    def _announce(self, capture: Capture) -> None:
        sent_time = self._options.now()
        answer = self._link.pre_notify(pre_notify_request(capture, self._options.device, sent_time))
        self.clock_offset_s = answer.server_time.ToNanoseconds() / 1e9 - sent_time.timestamp()

    def _tell(self, capture: Capture, call: Callable[[], object]) -> bool:
        """Makes the call when the gate is open; False where it has to be made again."""
        if not self._link.gate.wait():
            return False
        try:
            call()
        except ImageRefused as error:
            # The cloud will not have this word, however often it is said. The upload decides.
            self._log.error("pre_notify_refused", trace_id=trace_id(capture.capture_id), reason=error.detail)
        except EdgeError as error:
            self._log.debug("pre_notify_waits", trace_id=trace_id(capture.capture_id), problem=str(error))
            return False
        return True

    def _note(self) -> None:
        if self._notified or self._withdrawn:
            self._spool.words_said(notified=self._notified, withdrawn=self._withdrawn)
            self._notified, self._withdrawn = set(), set()

    def _note_at_end(self) -> None:
        try:
            self._note()
        except RetryLater as error:
            # Repeated after the next start, which changes nothing at the cloud.
            self._log.warning("pre_notify_waits", problem=str(error))
