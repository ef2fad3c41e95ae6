"""How captures get from the spool to the threads of the line."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from edge_agent.errors import RetryLater
from edge_agent.items import CaptureState
from edge_agent.spool import queries
from edge_agent.spool.records import Capture
from edge_agent.spool.spool import Spool

_PAGE: Final = 64


class Pickup:
    """Hands captures in certain states to worker threads, each capture to one of them at a time.

    The spool is the queue: what is handed out stands in it or was read from it, so that a restart needs no
    second path. The most urgent capture goes first, then the one that came first.
    """

    def __init__(
        self,
        spool: Spool,
        states: Sequence[CaptureState],
        monotonic_s: Callable[[], float],
        on_idle: Callable[[], None],
    ) -> None:
        """`on_idle` is called when the last capture under way was given back."""
        self._spool = spool
        self._states = states
        self._monotonic_s = monotonic_s
        self._changed = threading.Condition()
        self._on_idle = on_idle
        self._ready: list[tuple[int, int, Capture, Future[None] | None]] = []
        self._active: set[str] = set()
        self._not_before_s: dict[str, float] = {}
        self._dirty = True
        self._stopped = False

    def wake(self, *, now: bool = False) -> None:
        """The spool may hold more; `now`: what was to wait need not wait longer."""
        with self._changed:
            self._dirty = True
            if now:
                self._not_before_s.clear()
            self._changed.notify_all()

    def reserve(self, capture_id: str) -> None:
        """The capture is not to be read from the spool: it will be offered or given back."""
        with self._changed:
            self._active.add(capture_id)

    def offer(self, capture: Capture, sealed: Future[None] | None = None) -> None:
        """Hands on a capture in this pickup's state, or whose move to it is under way until `sealed`."""
        with self._changed:
            if sealed is None and len(self._ready) >= _PAGE:
                # A crowd waits in the spool, not in memory.
                self._active.discard(capture.capture_id)
                self._dirty = True
                return
            self._active.add(capture.capture_id)
            self._push(capture, sealed)
            self._changed.notify()

    def stop(self) -> None:
        """Lets every worker go."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Nothing is under way or due now."""
        with self._changed:
            return self._nothing_due

    def take(self) -> tuple[Capture, Future[None] | None] | None:
        """The next capture, or None when stopped. Raises RetryLater (the database is busy)."""
        with self._changed:
            while not self._stopped:
                if self._ready:
                    return heapq.heappop(self._ready)[2:]
                due_s = min(self._not_before_s.values(), default=None)
                wait_s = None if due_s is None else due_s - self._monotonic_s()
                if self._dirty or (wait_s is not None and wait_s <= 0):
                    self._dirty = False
                    self._refill()
                else:
                    self._changed.wait(wait_s)
            return None

    def give_back(self, capture_id: str, after_s: float | None = None) -> None:
        """Ends the work on a capture; with `after_s` it is handed out again then, if still in its state."""
        with self._changed:
            self._active.discard(capture_id)
            if after_s is not None:
                self._not_before_s[capture_id] = self._monotonic_s() + after_s
                self._changed.notify()
            idle = self._nothing_due
        if idle:
            self._on_idle()

    @property
    def _nothing_due(self) -> bool:
        return not (self._dirty or self._ready or self._active)

    def _refill(self) -> None:
        now_s = self._monotonic_s()
        self._not_before_s = {k: v for k, v in self._not_before_s.items() if v > now_s}
        limit = _PAGE + len(self._active) + len(self._not_before_s)
        try:
            found = self._spool.read(lambda tx: queries.waiting(tx, self._states, limit))
        except RetryLater:
            self._dirty = True
            raise
        self._dirty = len(found) == limit
        for capture in found:
            if capture.capture_id not in self._active and capture.capture_id not in self._not_before_s:
                self._active.add(capture.capture_id)
                self._push(capture, None)
        if self._ready:
            self._changed.notify_all()

    def _push(self, capture: Capture, sealed: Future[None] | None) -> None:
        heapq.heappush(self._ready, (capture.priority, capture.seq, capture, sealed))
