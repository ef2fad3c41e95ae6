"""Beside the thirteen steps: series: what is stored of a series, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloud.series.reasons import Refusal, RefusalReason, Value


class Source(StrEnum):
    """Where a series comes from."""

    BROWSER = "browser"
    """Uploaded by a person, or by a machine over the same addresses."""
    AGENT = "agent"
    """Sent by an agent: a series, or a loop that it captured."""
    RECONSTRUCTION = "reconstruction"
    """Cut out of another series here."""


class Kind(StrEnum):
    """What a series is shown as."""

    VOLUME = "volume"
    """Planes can be cut through it."""
    STACK = "stack"
    """Stills, one after the other."""
    LOOP = "loop"
    """Moving images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRow:
    """One series, as lists show it."""

    series_id: str
    """UUID; of a loop that an agent captured, the image's."""
    source: Source
    """Where it comes from."""
    kind: Kind
    """What it is shown as."""
    modality: str
    """Modality, such as CT; empty: not said."""
    body_part: str
    """BodyPartExamined; empty: not said."""
    number: int | None
    """SeriesNumber; None: not said."""
    study_id: str
    """UUID of its examination; of an agent's loop, the capture's."""
    patient: str | None
    """Pseudonym of the patient; None for an agent's loop, whose file alone holds it."""
    received_time: datetime
    """When its newest image came (aware UTC)."""
    version: int
    """Grows with each upload that adds images."""
    image_count: int
    """Images."""
    frame_count: int
    """Frames of the image that has most."""
    refusal: Refusal | None
    """Why there is no volume; None where there is one."""

    @property
    def is_captured_loop(self) -> bool:
        """Whether it is a loop that an agent captured as a print; such a one has no row of its own."""
        return self.patient is None


def refusal_to_json(refusal: Refusal | None) -> dict[str, object] | None:
    """As the database keeps it."""
    return None if refusal is None else {"reason": refusal.reason.value, "values": dict(refusal.values)}


def refusal_from_json(kept: Mapping[str, object] | None) -> Refusal | None:
    """What `refusal_to_json` made."""
    if kept is None:
        return None
    values = kept["values"]
    assert isinstance(values, dict)
    numbers: dict[str, Value] = values
    return Refusal(reason=RefusalReason(str(kept["reason"])), values=numbers)
