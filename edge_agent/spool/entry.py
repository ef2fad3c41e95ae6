"""How something enters the spool: the rows of captures and rejections, and when bytes are known already."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from edge_agent.items import Arrival, CaptureState, Rejection
from edge_agent.spool.prepared import Prepared
from edge_agent.spool.records import PRIORITY_BATCH, PRIORITY_STILL, Capture, from_values, to_us
from edge_agent.spool.schema import capture as table
from sonorelay.contract.reasons import EDGE_RULES, EdgeReason


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFacts:
    """What a row holds beside what the input said."""

    request_id: str
    """UUID of the pre-notification."""
    boot_id: str
    """UUID of the machine's boot."""
    now: datetime
    """Wall clock (aware UTC)."""
    monotonic_ns: int
    """Monotonic clock, nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What became of an arrival."""

    capture_id: str
    """The capture, new or known."""
    capture: Capture | None
    """The new capture that holds the bytes; None where they are known already."""


def _common(item: Arrival | Rejection, capture_id: str, facts: EntryFacts) -> dict[str, Any]:
    return {
        "capture_id": capture_id,
        "request_id": facts.request_id,
        "input": item.input_name,
        "source_name": os.fsencode(item.source_name),
        "sha256": item.sha256,
        "size_bytes": item.size_bytes,
        "boot_id": facts.boot_id,
    }


def capture_row(arrival: Arrival, capture_id: str, facts: EntryFacts) -> dict[str, Any]:
    """Row of a new capture, state captured; the cloud is owed a pre-notification."""
    waited_ms = max((facts.monotonic_ns - arrival.monotonic_ns) / 1e6, 0.0)
    return _common(arrival, capture_id, facts) | {
        "received_us": to_us(arrival.received_time),
        "monotonic_ns": arrival.monotonic_ns,
        "copy_name": arrival.copy_path.name,
        "label": arrival.label,
        "mm_per_pixel": arrival.mm_per_pixel,
        "state": CaptureState.CAPTURED,
        "priority": PRIORITY_STILL if arrival.label is None else PRIORITY_BATCH,
        "notify_due": True,
        "withdraw_due": False,
        "steps_ms": json.dumps({"capture": round(waited_ms, 3)}),
    }


_INSERT: Final = Prepared(sa.insert(table))
_SAME_BYTES: Final = Prepared(
    sa.select(table.c.capture_id, table.c.source_name)
    .where(
        table.c.input == sa.bindparam("of_input"),
        table.c.sha256 == sa.bindparam("of_sha256"),
        table.c.duplicate_of.is_(None),
        # What was refused at the door (truncated, unreadable) never was a capture of these bytes.
        table.c.copy_name != "",
    )
    .order_by(table.c.seq)
    .limit(1)
)


def insert_capture(tx: sa.Connection, row: dict[str, Any]) -> Entered:
    """Enters a capture once.

    The same name and bytes at one input: the known capture. The same bytes under another name: a quiet row
    refused/DUPLICATE of which the cloud hears nothing.
    """
    known = _SAME_BYTES.run(tx, {"of_input": row["input"], "of_sha256": row["sha256"]}).fetchone()
    if known is None:
        seq = _INSERT.run(tx, row).lastrowid
        capture = from_values(_INSERT.completed({**row, "seq": seq}))
        return Entered(capture_id=capture.capture_id, capture=capture)
    known_id, known_name = known
    if known_name == row["source_name"]:
        return Entered(capture_id=known_id, capture=None)
    again = tx.execute(
        sa.select(table.c.capture_id).where(
            table.c.duplicate_of == known_id, table.c.source_name == row["source_name"]
        )
    ).first()
    if again is not None:
        return Entered(capture_id=again.capture_id, capture=None)
    duplicate = {
        "state": CaptureState.REFUSED,
        "reason": EdgeReason.DUPLICATE.value,
        "duplicate_of": known_id,
        "copy_name": "",
        "notify_due": False,
        "saved_bytes": row["size_bytes"],
    }
    tx.execute(sa.insert(table).values(row | duplicate))
    return Entered(capture_id=row["capture_id"], capture=None)


def rejection_row(rejection: Rejection, capture_id: str, facts: EntryFacts) -> dict[str, Any]:
    """Row of something that cannot become a capture; the cloud is owed its notice and its withdrawal."""
    held = EDGE_RULES[rejection.reason].status == "held"
    return _common(rejection, capture_id, facts) | {
        "received_us": to_us(facts.now),
        "monotonic_ns": facts.monotonic_ns,
        "copy_name": "",
        "label": rejection.label,
        "state": CaptureState.HELD if held else CaptureState.REFUSED,
        "reason": rejection.reason.value,
        "priority": PRIORITY_BATCH,
        "notify_due": True,
        "withdraw_due": True,
        "saved_bytes": 0 if held else rejection.size_bytes,
    }


def insert_rejection(tx: sa.Connection, row: dict[str, Any]) -> str:
    """Enters a rejection once per name, bytes and reason, and returns its capture id."""
    known = tx.execute(
        sa.select(table.c.capture_id).where(
            table.c.input == row["input"],
            table.c.sha256.is_(None) if row["sha256"] is None else table.c.sha256 == row["sha256"],
            table.c.source_name == row["source_name"],
            table.c.reason == row["reason"],
            table.c.copy_name == "",
        )
    ).first()
    if known is not None:
        return str(known.capture_id)
    tx.execute(sa.insert(table).values(row))
    return str(row["capture_id"])
