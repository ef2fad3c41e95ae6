"""Files of finished captures are destroyed off the way of the next capture, in a moment of quiet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from edge_agent.errors import EdgeError
from edge_agent.log import Log
from edge_agent.spool.spool import Spool
from sonorelay.contract.digest import trace_id

_WITHIN_S: Final = 5.0


class Tidier:
    """Clears up after every capture that is done, seconds later at most; on a thread of its own.

    What a stop or a failing disk leaves over is done by the sweep at the next start or within the hour.
    """

    def __init__(
        self,
        spool: Spool,
        log: Log,
        *,
        keep_raw_s: float,
        quiet: Callable[[], bool],
        monotonic_s: Callable[[], float],
    ) -> None:
        """`keep_raw_s`: how long raw bytes stay after the receipt. `quiet`: no capture is under way."""
        self._spool = spool
        self._log = log
        self._keep_raw_s = keep_raw_s
        self._quiet = quiet
        self._monotonic_s = monotonic_s
        self._finished: deque[tuple[str, float]] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="tidy", daemon=True)

    def start(self) -> None:
        """Begins to tidy."""
        self._thread.start()

    def stop(self) -> None:
        """Finishes what was handed in, then ends the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def later(self, capture_id: str) -> None:
        """The capture is done: its files may go."""
        with self._changed:
            self._finished.append((capture_id, self._monotonic_s()))
            self._changed.notify()

    def look(self) -> None:
        """It may be quiet now."""
        with self._changed:
            if self._finished:
                self._changed.notify()

    @property
    def idle(self) -> bool:
        """Nothing is left to tidy."""
        with self._changed:
            return not self._finished

    def _run(self) -> None:
        while (capture_id := self._next()) is not None:
            try:
                self._spool.clear_done(capture_id, self._keep_raw_s)
            except (EdgeError, OSError) as error:
                self._log.error("alarm", trace_id=trace_id(capture_id), error_type=type(error).__name__)
            with self._changed:
                self._finished.popleft()

    def _next(self) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._finished)
            if not self._finished:
                return None
            capture_id, finished_s = self._finished[0]
            # Overwriting raw bytes takes the disk from captures under way: a moment of quiet is better.
            left_s = finished_s + _WITHIN_S - self._monotonic_s()
            self._changed.wait_for(lambda: self._stopped or self._quiet(), max(left_s, 0.0))
            return capture_id
