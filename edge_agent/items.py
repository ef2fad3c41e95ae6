"""Values that travel through the edge's steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from sonorelay.contract.reasons import EdgeReason

PixelRule = Literal["guard", "trusted"]
"""guard: the site's rule, doubtful pixels are held. trusted: the pictures are already de-identified."""


class CaptureState(StrEnum):
    """Where a capture stands in the spool."""

    CAPTURED = "captured"
    SHARDED = "sharded"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A whole file in our own copy, not yet in the spool."""

    input_name: str
    """Which input: folder, batch."""
    source_name: str
    """Name at the sender; stays at the edge, never logged."""
    copy_path: Path
    """Our own copy, written and synced, inside `Intake.incoming`."""
    size_bytes: int
    """Length."""
    sha256: bytes
    """SHA-256 of the copy, 32 bytes: the identity of the capture's bytes."""
    received_time: datetime
    """When the file was complete (aware UTC)."""
    monotonic_ns: int
    """Monotonic clock at that moment, nanoseconds."""
    label: str | None = None
    """Label of the transfer instruction, for batch orders."""
    mm_per_pixel: float | None = None
    """Scale given with the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Something in an input that cannot become a capture."""

    input_name: str
    """Which input."""
    source_name: str
    """Name at the sender; stays at the edge, never logged."""
    reason: EdgeReason
    """Why."""
    copy_path: Path | None
    """Our own copy, where bytes could be read; moved into quarantine."""
    sha256: bytes | None
    """SHA-256 of the copy, where there is one."""
    size_bytes: int
    """Length, 0 where unknown."""
    label: str | None = None
    """Label of the transfer instruction, for batch orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """Order to the sandbox: steps 3 to 5 for one capture."""

    capture_id: str
    """UUID; image ids are derived from it, so that a repeat gives the same ids."""
    raw_path: Path
    """The captured bytes."""
    out_dir: Path
    """Empty folder for the clean images."""
    pixels: PixelRule
    """How to treat pixels outside the ultrasound."""
    key_path: Path
    """File with the site's 32-byte secret for keyed hashes; never leaves the site."""
    received_time: datetime
    """When the capture arrived (aware UTC)."""
    mm_per_pixel: float | None
    """Scale given with the order."""
    is_series: bool = False
    """Whether the capture is a file of a series order, which other rules judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanImage:
    """One de-identified image with its type."""

    image_id: str
    """UUID derived from capture id and index."""
    path: Path
    """Bytes to be sent."""
    media_type: Literal["image/png", "application/dicom"]
    """Format of the bytes."""
    size_bytes: int
    """Length."""
    sha256: bytes
    """SHA-256 of the bytes, 32 bytes."""
    width_px: int
    """Width of a frame, pixels."""
    height_px: int
    """Height of a frame, pixels."""
    frame_count: int
    """1 for a still."""
    mm_per_pixel: float | None
    """Scale where known."""
    scale_source: Literal["dicom_region", "pixel_spacing", "given"] | None
    """Where the scale comes from."""
    source_format: Literal["png", "jpeg", "bmp", "tiff", "pdf", "dicom", "avi", "mp4"]
    """Format before de-identification."""
    index_in_capture: int
    """Page or image number in the capture, from 0."""
    image_type: str
    """Most probable type, or unsorted; series for a file of a series."""
    type_probabilities: dict[str, float]
    """Probability per type; sums to 1. Empty for a file of a series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What is sent of an examination's identity; nothing of it can be told back without the site's key."""

    examination_key: str
    """Pseudonym of the study, 64 hexadecimal digits: the same for each of its pictures."""
    patient_key: str | None
    """Pseudonym of the patient, the PatientID of the rebuilt object; None where the header names none."""
    gestational_age_days: float | None
    """Gestational age by the header, days, above 0 and at most 315; None where it gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareReply:
    """Answer of the sandbox."""

    outcome: Literal["kept", "refused", "held"]
    """What becomes of the capture."""
    reason: EdgeReason | None
    """Why refused or held."""
    detail: str
    """Short technical detail without patient data, for the quarantine's note."""
    images: tuple[CleanImage, ...]
    """Clean images; empty unless kept."""
    timings_ms: dict[str, float] = field(default_factory=dict)
    """Duration per step: filter, de-identify, split by type."""
    identity: Identity | None = None
    """Of the examination; None where the format carries none."""
