"""Monitor: how long the event loop keeps others waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cloud.monitor.metrics import Metric
from cloud.monitor.sample import Readings


class LoopLag:
    """Sleeps a short time again and again; what a sleep takes longer is what every other task waited too."""

    def __init__(self, stopwatch: Callable[[], float], interval_s: float = 0.25) -> None:
        self._stopwatch = stopwatch
        self._interval_s = interval_s
        self._longest_s = 0.0

    async def run(self) -> None:
        """Measures until it is cancelled."""
        while True:
            began_s = self._stopwatch()
            await asyncio.sleep(self._interval_s)
            late_s = self._stopwatch() - began_s - self._interval_s
            self._longest_s = max(self._longest_s, late_s)

    def read(self) -> Readings:
        """The longest wait since the last call."""
        longest_s, self._longest_s = self._longest_s, 0.0
        return Readings(single={Metric.EVENT_LOOP_LAG_MS: round(longest_s * 1000, 1)})
