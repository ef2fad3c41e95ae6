"""Values that travel through the cloud's steps: states of a capture, worklist items, events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class CaptureState(StrEnum):
    """Where a capture stands, as the console shows it."""

    INCOMING = "incoming"
    ANALYSING = "analysing"
    RESULT = "result"
    REFUSED = "refused"
    HELD = "held"
    MISSING = "missing"


class ImageState(StrEnum):
    """Where one stored image stands."""

    ANALYSING = "analysing"
    RESULT = "result"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkImage:
    """One stored image of a worklist item."""

    image_id: str
    """UUID."""
    part_index: int
    """Part that holds it: names its receipt."""
    index_in_capture: int
    """Place in the capture, from 0."""
    image_type: str
    """Type by the edge's ferns."""
    type_probabilities: dict[str, float]
    """Probability per type by the edge's ferns."""
    width_px: int
    """Width, pixels."""
    height_px: int
    """Height, pixels."""
    frame_count: int
    """1 for a still."""
    mm_per_pixel: float | None
    """Scale, where known."""
    source_format: str
    """Input format."""
    sha256: str
    """Hex digest of the stored bytes."""
    state: ImageState
    """Analysing, result or failed."""
    reason: str | None
    """EdgeReason where failed."""
    reading: dict[str, Any] | None
    """cloud/infer/reading.py's JSON where there is a result."""
    ledger_index: int
    """Index of the part's block."""
    result_ledger_index: int | None
    """Index of the result's entry."""
    timings_ms: dict[str, float]
    """queue, infer; where there is a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One capture on the worklist."""

    capture_id: str
    """UUID."""
    trace_id: str
    """32 hex digits, from print to console."""
    slot: int
    """Place on the console, from 1, newest last."""
    device_id: str
    """Device number."""
    state: CaptureState
    """As shown."""
    reason: str | None
    """EdgeReason where refused, held or missing."""
    expected_image_count: int
    """As pre-notified."""
    size_bytes: int
    """As pre-notified."""
    received_time: datetime
    """Edge clock, aware UTC."""
    notified_time: datetime
    """Server clock, aware UTC."""
    updated_time: datetime
    """Last change, server clock, aware UTC."""
    steps_ms: dict[str, float]
    """Duration per step of the line so far, by ARCHITECTURE's step names."""
    images: tuple[WorkImage, ...]
    """Stored images; empty before the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the outbox: a capture changed."""

    event_id: int
    """Cursor; grows, has gaps."""
    capture_id: str
    """Which."""
    device_id: str
    """Whose."""
    image_id: str | None
    """Set where a result of this image was stored."""
