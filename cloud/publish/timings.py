"""Part of step 12: durations that are known only after the transaction that they describe."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_CAPTURES_MAX: Final = 4096


class LateTimings:
    """Keeps the last step durations of the newest captures until a later transaction stores them.

    They are for people to look at: a crash or a crowd loses them, and nothing else depends on them.
    """

    def __init__(self) -> None:
        self._by_capture: OrderedDict[str, dict[str, float]] = OrderedDict()

    def note(self, capture_id: str, step: str, duration_ms: float) -> None:
        """Remembers how long `step` took, milliseconds."""
        self._by_capture.setdefault(capture_id, {})[step] = round(duration_ms, 3)
        while len(self._by_capture) > _CAPTURES_MAX:
            self._by_capture.popitem(last=False)

    def take(self, capture_id: str) -> dict[str, float]:
        """Durations noted for a capture, milliseconds by step; they are forgotten here."""
        return self._by_capture.pop(capture_id, {})
