"""The agent in numbers: for `status`, for the running agent's status file, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from edge_agent.items import CaptureState
from edge_agent.spool import files, queries
from edge_agent.spool.records import Capture
from edge_agent.spool.spool import Spool
from sonorelay.contract.reasons import EDGE_RULES, EdgeReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A snapshot. No patient data."""

    time: str
    """When it was taken, ISO 8601 UTC."""
    version: str
    """Version of the agent."""
    device_id: str
    """Device number."""
    cloud: str
    """Address of the cloud."""
    link_problem: str
    """Why the cloud takes nothing; empty while it does, or nothing was tried."""
    clock_offset_s: float | None
    """Server's clock less ours, seconds; None before the first answer."""
    captures: dict[str, int]
    """Captures per state."""
    open_count: int
    """Captures that still have to reach the cloud."""
    words_due: int
    """Captures of which the cloud is owed a word."""
    oldest_open_s: float | None
    """Age of the oldest open capture, seconds."""
    saved_bytes: int
    """Bytes that refusals kept off the network."""
    result_count: int
    """Results that came back."""
    free_bytes: int
    """Free bytes on the data disk."""


def snapshot(
    spool: Spool,
    *,
    now: datetime,
    version: str,
    device_id: str,
    cloud: str,
    link_problem: str,
    clock_offset_s: float | None,
) -> Health:
    """The agent's state now. Raises RetryLater (database busy), OSError."""
    counts = spool.read(queries.counts)
    oldest = counts.oldest_open_time
    return Health(
        time=now.isoformat(timespec="milliseconds"),
        version=version,
        device_id=device_id,
        cloud=cloud,
        link_problem=link_problem,
        clock_offset_s=None if clock_offset_s is None else round(clock_offset_s, 3),
        captures=counts.by_state,
        open_count=counts.open_count,
        words_due=counts.words_due,
        oldest_open_s=None if oldest is None else round((now - oldest).total_seconds(), 1),
        saved_bytes=counts.saved_bytes,
        result_count=counts.result_count,
        free_bytes=files.free_bytes(spool.folders.data),
    )


def to_json(health: Health) -> bytes:
    """The snapshot as it lies in the status file."""
    return json.dumps(asdict(health), indent=2).encode() + b"\n"


def describe_capture(spool: Spool, capture: Capture) -> dict[str, Any]:
    """A capture for programs on this machine; holds the sender's file name, so it must not leave it."""
    results = spool.read(lambda tx: queries.results(tx, capture.capture_id))
    return {
        "capture_id": capture.capture_id,
        "source_name": capture.source_name,
        "input": capture.input_name,
        "label": capture.label,
        "sha256": capture.sha256.hex() if capture.sha256 else None,
        "size_bytes": capture.size_bytes,
        "received_time": capture.received_time.isoformat(),
        "state": capture.state.value,
        "reason": capture.reason,
        "detail": capture.detail,
        "duplicate_of": capture.duplicate_of,
        "attempts": capture.attempts,
        "next_try_time": capture.next_try_time.isoformat() if capture.next_try_time else None,
        "last_error": capture.last_error,
        "steps_ms": capture.steps_ms,
        "ledger_indices": list(capture.ledger_indices),
        "results": [
            {
                "image_id": r.image_id,
                "ok": r.ok,
                "reason": r.reason or None,
                "reading": _reading(r.reading_json),
            }
            for r in results
        ],
    }


def _reading(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def as_text(health: dict[str, Any], running: bool) -> str:
    """The snapshot for a person."""
    lines = [
        f"agent        {'running' if running else 'not running'}, version {health['version']}",
        f"device       {health['device_id']}",
        f"cloud        {health['cloud']}"
        + (f"  PROBLEM: {health['link_problem']}" if health["link_problem"] else ""),
        "captures     " + ", ".join(f"{n} {state}" for state, n in health["captures"].items() if n),
        f"to be sent   {health['open_count']}"
        + (
            f", the oldest {health['oldest_open_s']:.0f} s ago" if health["oldest_open_s"] is not None else ""
        ),
        f"results      {health['result_count']}",
        f"kept off the network  {health['saved_bytes'] / 1e6:.1f} MB",
        f"free disk    {health['free_bytes'] / 1e9:.1f} GB",
        "research use, not for diagnosis",
    ]
    return "\n".join(lines)


def what_to_do(capture: Capture) -> str:
    """One line about a refused or held capture: why, and what a person can do."""
    sentence = EDGE_RULES[EdgeReason(capture.reason)].en if capture.reason else capture.last_error
    hint = " Release it when you have looked." if capture.state is CaptureState.HELD else ""
    return f"{sentence}{hint}"
