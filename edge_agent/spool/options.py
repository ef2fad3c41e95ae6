"""Settings of the spool and what it takes from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge_agent.spool import files


def nothing(*_: object) -> None:
    """The default of every hook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolOptions:
    """Settings of the spool and what it takes from outside."""

    free_min_bytes: int
    """Below this many free bytes nothing new is taken in."""
    boot_id: str
    """UUID of the machine's boot."""
    now: Callable[[], datetime]
    """Wall clock, aware UTC."""
    monotonic_ns: Callable[[], int]
    """Monotonic clock, nanoseconds."""
    new_id: Callable[[], str]
    """Makes a UUID, lower case."""
    free_bytes: Callable[[Path], int] = files.free_bytes
    """Free bytes of a folder's file system."""
    before_step: Callable[[int, str], None] = nothing
    """Called with 1 and the capture id before a capture is kept."""
