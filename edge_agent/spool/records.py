"""Values that the spool hands out, and how a row becomes one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import sqlalchemy as sa

from edge_agent.items import CaptureState, PixelRule

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

PRIORITY_STILL: Final = 0
PRIORITY_CINE: Final = 1
PRIORITY_BATCH: Final = 2
SERIES_INPUT: Final = "series"
"""Input of what came by a series order."""


def to_us(time: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Aware UTC time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One capture as the spool holds it."""

    seq: int
    """Place in the order of arrival."""
    capture_id: str
    """UUID; its hex digits are the trace id."""
    request_id: str
    """UUID of the pre-notification, the same in every retry."""
    input_name: str
    """Which input it came by."""
    source_name: str
    """Name at the sender; stays at the edge, never logged."""
    copy_name: str
    """File name of the own copy before the spool took it over."""
    label: str | None
    """Label of the transfer instruction, for batch orders."""
    sha256: bytes | None
    """SHA-256 of the bytes, 32 bytes, where there are bytes."""
    size_bytes: int
    """Length of the captured file."""
    received_time: datetime
    """When the file was complete (aware UTC, edge clock)."""
    monotonic_ns: int
    """Monotonic clock at that moment, nanoseconds."""
    boot_id: str
    """Boot in which monotonic_ns counts."""
    state: CaptureState
    """Where it stands."""
    reason: str | None
    """Why refused or held."""
    detail: str
    """Technical detail without patient data."""
    duplicate_of: str | None
    """Capture id of the first capture of the same bytes."""
    pixels: PixelRule | None
    """Rule a person chose on release; None: the agent's setting."""
    priority: int
    """0 stills, 1 cine loops, 2 batch orders; lower goes first."""
    notify_due: bool
    """The cloud has not yet been told of it."""
    withdraw_due: bool
    """The cloud has not yet been told that it will not come."""
    attempts: int
    """Uploads that failed since the last success."""
    next_try_time: datetime | None
    """When the upload is tried again (aware UTC), where one failed."""
    last_error: str
    """Failure point and error of the last failed upload; no patient data."""
    manifest: bytes | None
    """The serialised OpenUploadRequest, from step 6 on."""
    receipts: bytes | None
    """The serialised, verified CommitResponse, when done."""
    ledger_indices: tuple[int, ...]
    """Ledger index of each part, when done."""
    steps_ms: dict[str, float]
    """Duration of each step, milliseconds."""
    mm_per_pixel: float | None
    """Scale given with the order."""
    saved_bytes: int
    """Bytes that a refusal kept off the network."""
    done_time: datetime | None
    """When the receipt was verified and stored (aware UTC)."""

    @property
    def is_series(self) -> bool:
        """Whether it is a file of a series order."""
        return self.input_name == SERIES_INPUT


def from_row(row: sa.Row[Any]) -> Capture:
    """The capture of a whole row of the table."""
    return from_values(row._mapping)


def from_values(r: Mapping[Any, Any]) -> Capture:
    """The capture of the values of a whole row, by column."""
    return Capture(
        seq=r["seq"],
        capture_id=r["capture_id"],
        request_id=r["request_id"],
        input_name=r["input"],
        source_name=os.fsdecode(r["source_name"]),
        copy_name=r["copy_name"],
        label=r["label"],
        sha256=r["sha256"],
        size_bytes=r["size_bytes"],
        received_time=from_us(r["received_us"]),
        monotonic_ns=r["monotonic_ns"],
        boot_id=r["boot_id"],
        state=CaptureState(r["state"]),
        reason=r["reason"],
        detail=r["detail"],
        duplicate_of=r["duplicate_of"],
        pixels=cast("PixelRule | None", r["pixels"]),
        priority=r["priority"],
        notify_due=r["notify_due"],
        withdraw_due=r["withdraw_due"],
        attempts=r["attempts"],
        next_try_time=None if r["next_try_us"] is None else from_us(r["next_try_us"]),
        last_error=r["last_error"],
        manifest=r["manifest"],
        receipts=r["receipts"],
        ledger_indices=tuple(json.loads(r["ledger_indices"])),
        steps_ms=json.loads(r["steps_ms"]),
        mm_per_pixel=r["mm_per_pixel"],
        saved_bytes=r["saved_bytes"],
        done_time=None if r["done_us"] is None else from_us(r["done_us"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCheckpoint:
    """Newest checkpoint of the log that this agent has verified."""

    size: int
    """Entries in the log."""
    root: bytes
    """Merkle root, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """A result that came back."""

    capture_id: str
    """UUID of the capture."""
    image_id: str
    """UUID of the image."""
    ok: bool
    """False where the image could not be analysed."""
    reason: str
    """Empty, or why not."""
    result_time: datetime
    """When the cloud stored it (aware UTC, server clock)."""
    reading_json: str
    """The reading. Research use, not for diagnosis."""
