"""Values that travel through the cloud's steps: states of a capture, worklist items, events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloud.examinations.review_items import Review


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


class Status(StrEnum):
    """What a row shows: the capture's state, and for a result what the reading says."""

    INCOMING = "incoming"
    ANALYSING = "analysing"
    NORMAL = "normal"
    ABNORMAL = "abnormal"
    REVIEW = "review"
    REFUSED = "refused"
    HELD = "held"
    MISSING = "missing"
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
    scale_source: str | None
    """Where the scale comes from."""
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
    review: Review | None
    """The newest review by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """The examination that a capture belongs to."""

    examination_id: str
    """UUID."""
    number: int
    """In the order of beginning, from 1."""
    bound_by: str
    """Who says that its captures belong together: study, device_and_time or person."""
    capture_bound_by: str
    """Who says that this capture belongs to it, in the same words."""
    patient_key: str | None
    """The site's pseudonym of the patient, where known."""
    age_days: float | None
    """Gestational age that the examination has, days."""


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
    examination: Belonging | None
    """Which examination it belongs to; None only for rows of an earlier version that no start has adopted yet."""


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
    examination_id: str | None
    """Another examination than the capture's own that changed with it, or is gone."""
