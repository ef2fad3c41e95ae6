"""How much may be on the way: credit in bytes from the measured rate and the shortest round trip."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sonorelay.contract.limits import SHARD_SIZE_BYTES, WINDOW_MAX_BYTES, WINDOW_START_BYTES

FRAGMENT_MIN_BYTES: Final = 16 * 1024
FRAGMENT_TIME_S: Final = 0.25
_FRAGMENT_START_BYTES: Final = WINDOW_START_BYTES // 2
_SAMPLES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    sent_bytes: int
    time_s: float
    acked_bytes: int
    acked_time_s: float
    starved: bool


class Window:
    """window = clamp(2 x rate x shortest round trip, 2 fragments, 8 MiB); fragment = clamp(rate x 0.25 s,
    16 KiB, shard). The rate is the best of the last samples, each what was acknowledged over one round trip,
    so that the window doubles per round trip until the line is full and then stays at twice its content.

    Not thread-safe: the stream's lock guards it.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._rates: deque[float] = deque(maxlen=_SAMPLES)
        self._min_rtt_s: float | None = None
        self._limit_bytes = WINDOW_MAX_BYTES
        self.restart()

    def restart(self) -> None:
        """A new stream: nothing is on the way; what is known about the line stays."""
        self._marks: deque[_Mark] = deque()
        self._sent_bytes = 0
        self._acked_bytes = 0
        self._acked_time_s = self._monotonic_s()

    @property
    def rate_bytes_per_s(self) -> float | None:
        """Best measured rate of late; None before the first acknowledgement."""
        return max(self._rates) if self._rates else None

    @property
    def fragment_bytes(self) -> int:
        """Length of the next fragment, at most."""
        rate = self.rate_bytes_per_s
        if rate is None:
            return _FRAGMENT_START_BYTES
        return int(min(max(rate * FRAGMENT_TIME_S, FRAGMENT_MIN_BYTES), SHARD_SIZE_BYTES))

    @property
    def window_bytes(self) -> int:
        """Bytes that may be on the way."""
        rate = self.rate_bytes_per_s
        if rate is None or self._min_rtt_s is None:
            wanted = WINDOW_START_BYTES
        else:
            wanted = int(max(2 * rate * self._min_rtt_s, 2 * self.fragment_bytes))
        return min(wanted, WINDOW_MAX_BYTES, self._limit_bytes)

    def limit(self, window_bytes: int) -> None:
        """The server's bound; 0 leaves it unchanged."""
        if window_bytes > 0:
            self._limit_bytes = window_bytes

    def may_send(self, size_bytes: int) -> bool:
        """Whether that many bytes more may go; one fragment may always be on the way."""
        in_flight = self._sent_bytes - self._acked_bytes
        return in_flight == 0 or in_flight + size_bytes <= self.window_bytes

    def sent(self, size_bytes: int, *, starved: bool) -> None:
        """Bytes went out; `starved`: nothing more waited, so the rate is the work's, not the line's."""
        now_s = self._monotonic_s()
        if self._sent_bytes == self._acked_bytes:
            self._acked_time_s = now_s  # The line was idle: time before this says nothing about it.
        self._sent_bytes += size_bytes
        self._marks.append(
            _Mark(
                sent_bytes=self._sent_bytes,
                time_s=now_s,
                acked_bytes=self._acked_bytes,
                acked_time_s=self._acked_time_s,
                starved=starved,
            )
        )

    def acknowledged(self, received_bytes: int) -> None:
        """The server has received that many bytes on this stream."""
        if received_bytes <= self._acked_bytes:
            return
        now_s = self._monotonic_s()
        self._acked_bytes = min(received_bytes, self._sent_bytes)
        self._acked_time_s = now_s
        newest: _Mark | None = None
        while self._marks and self._marks[0].sent_bytes <= self._acked_bytes:
            newest = self._marks.popleft()
        if newest is None:
            return
        rtt_s = max(now_s - newest.time_s, 1e-5)
        self._min_rtt_s = rtt_s if self._min_rtt_s is None else min(self._min_rtt_s, rtt_s)
        rate = (self._acked_bytes - newest.acked_bytes) / max(now_s - newest.acked_time_s, 1e-5)
        if not newest.starved or rate > (self.rate_bytes_per_s or 0.0):
            self._rates.append(rate)
