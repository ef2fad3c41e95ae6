"""A small spool's door in memory for the tests of inputs."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from edge_agent.errors import SpoolFull
from edge_agent.items import Arrival, Rejection


class MemoryIntake:
    """Keeps what it is given; `full` makes it refuse to."""

    def __init__(self, incoming: Path) -> None:
        incoming.mkdir(exist_ok=True)
        self._incoming = incoming
        self._changed = threading.Condition()
        self.kept: list[Arrival] = []
        self.refused: list[Rejection] = []
        self.expected_count = 0
        self.refusal_count = 0
        self.full = False

    @property
    def incoming(self) -> Path:
        return self._incoming

    def keep(self, arrival: Arrival) -> str:
        with self._changed:
            if self.full:
                self.refusal_count += 1
                self._changed.notify_all()
                raise SpoolFull("full", 0.05)
            self.kept.append(arrival)
            self._changed.notify_all()
            return f"capture-{len(self.kept)}"

    def refuse(self, rejection: Rejection) -> str:
        with self._changed:
            self.refused.append(rejection)
            self._changed.notify_all()
            return f"refused-{len(self.refused)}"

    def expect(self) -> None:
        with self._changed:
            self.expected_count += 1
            self._changed.notify_all()

    def wait(self, *, kept: int = 0, refused: int = 0, refusals: int = 0, timeout_s: float = 20.0) -> None:
        """Waits until so many were kept, refused and turned away."""

        def enough() -> bool:
            return len(self.kept) >= kept and len(self.refused) >= refused and self.refusal_count >= refusals

        with self._changed:
            assert self._changed.wait_for(enough, timeout_s), (self.kept, self.refused, self.refusal_count)

    def holds_still(self, seconds: float) -> bool:
        """Whether nothing more comes for a while."""
        with self._changed:
            before = (len(self.kept), len(self.refused))
            self._changed.wait_for(lambda: (len(self.kept), len(self.refused)) != before, seconds)
            return (len(self.kept), len(self.refused)) == before


def until(condition: object, timeout_s: float = 10.0) -> None:
    """Waits until the function `condition` gives true."""
    assert callable(condition)
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
