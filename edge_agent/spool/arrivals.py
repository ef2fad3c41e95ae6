"""What the spool takes in is handed on at once, to whom it concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge_agent.spool.records import Capture


class Arrivals(Protocol):
    """Takes on what `keep` takes in, without reading it from the spool."""

    def announce(self, capture_id: str) -> None:
        """A capture of this id may stand in the spool from now on; `settle` follows in any case."""
        ...

    def settle(self, capture_id: str, kept: Capture | None) -> None:
        """What was announced is kept, durably; or, with None, was not new or could not be kept."""
        ...


class Woken:
    """For a listener that reads the spool itself: it only hears that something came in."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change

    def announce(self, capture_id: str) -> None:
        """Nothing to do yet."""

    def settle(self, capture_id: str, kept: Capture | None) -> None:
        """Wakes the listener where something new came in."""
        if kept is not None:
            self._on_change()
