"""When to try again: 0.5 s doubling to 60 s with full jitter; a gate that all calls to the cloud share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge_agent.errors import EdgeError, ImageRefused, NeedsPerson, RetryLater
from sonorelay.contract.reasons import WIRE_RULES

PERSON_RETRY_S: Final = 300.0
"""After an answer that needs a person: seldom, but without being told, so that the cure is noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait after failures in a row."""

    uniform: Callable[[float, float], float]
    """Draws a number between two; random.uniform in earnest."""
    first_s: float = 0.5
    """Ceiling after the first failure, seconds."""
    longest_s: float = 60.0
    """Highest ceiling, seconds."""

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after `failures` (from 1) failures in a row: full jitter below the ceiling."""
        ceiling = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 32))
        return self.uniform(0.0, ceiling)


class Gate:
    """Closes for all callers when the cloud fails or asks to wait; the first success opens it at once.

    So a day without network costs one try a minute, not one for each image.
    """

    def __init__(self, backoff: Backoff, monotonic_s: Callable[[], float], alarm_after: int) -> None:
        self._backoff = backoff
        self._monotonic_s = monotonic_s
        self._alarm_after = alarm_after
        self._changed = threading.Condition()
        self._open_at_s = 0.0
        self._failures = 0
        self._stopped = False
        self._problem = ""
        self._on_open: Callable[[], None] = lambda: None
        self._on_alarm: Callable[[str], None] = lambda _: None

    def listen(self, *, on_open: Callable[[], None], on_alarm: Callable[[str], None]) -> None:
        """`on_open`: the cloud answers again. `on_alarm`: it failed too often, or a person is needed."""
        self._on_open, self._on_alarm = on_open, on_alarm

    @property
    def problem(self) -> str:
        """Why the cloud does not take anything; empty while it does."""
        return self._problem

    @property
    def stopped(self) -> bool:
        """Whether the agent stops."""
        return self._stopped

    def wait(self) -> bool:
        """Returns when a call may be made: True; or the gate was stopped: False."""
        with self._changed:
            while not self._stopped:
                left_s = self._open_at_s - self._monotonic_s()
                if left_s <= 0:
                    return True
                self._changed.wait(left_s)
            return False

    def succeeded(self) -> None:
        """A call was answered."""
        if not self._failures:
            return
        with self._changed:
            self._failures = 0
            self._problem = ""
            self._open_at_s = 0.0
            self._changed.notify_all()
        self._on_open()

    def failed(self, error: EdgeError) -> None:
        """A call failed. Failures of calls that were under way together count once."""
        if isinstance(error, ImageRefused) or (
            isinstance(error, RetryLater) and error.reason and WIRE_RULES[error.reason].action != "wait"
        ):
            self.succeeded()  # It answered; the trouble is with one capture.
            return
        with self._changed:
            now_s = self._monotonic_s()
            if now_s < self._open_at_s:
                return
            self._failures += 1
            self._problem = str(error)
            if isinstance(error, NeedsPerson):
                self._open_at_s = now_s + PERSON_RETRY_S
                alarm = True
            else:
                after_s = error.after_s if isinstance(error, RetryLater) else None
                delay_s = self._backoff.delay_s(self._failures)
                self._open_at_s = now_s + (delay_s if after_s is None else max(after_s, 0.0))
                alarm = self._failures == self._alarm_after
        if alarm:
            self._on_alarm(str(error))

    def stop(self) -> None:
        """Lets every waiting caller go, with False."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
