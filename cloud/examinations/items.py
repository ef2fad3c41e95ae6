"""Examinations: their values: how one is bound, how it stands, what a list shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloud.items import Status


class BoundBy(StrEnum):
    """Who says that captures belong together."""

    STUDY = "study"
    """The machine: they carry the same study."""
    DEVICE_AND_TIME = "device_and_time"
    """Nobody: a guess by the device and by the pause between prints."""
    PERSON = "person"
    """A person moved or split."""


class AgeSource(StrEnum):
    """Where a gestational age comes from."""

    HEADER = "header"
    """The machine's header: last menstrual period and day of the examination."""
    DAYS = "days"
    """A person gave the age itself."""
    LMP = "lmp"
    """A person gave the first day of the last menstrual period."""
    EDD = "edd"
    """A person gave the expected day of delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAge:
    """A gestational age that an examination has."""

    days: float
    """Days, above 0 and at most 315, at `time`."""
    time: datetime
    """The moment for which it was reckoned (aware UTC): the examination's begin."""
    source: AgeSource
    """Where it comes from."""
    by: str | None
    """Actor who gave it; None where a header did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The newest signature under an examination."""

    time: datetime
    """When (aware UTC)."""
    by: str
    """Actor."""
    changed_after: bool
    """Whether an image, a result, a review or the age came or changed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One examination as a list shows it."""

    examination_id: str
    """UUID."""
    number: int
    """In the order of beginning, from 1; never given twice."""
    device_id: str
    """Device of the first print."""
    bound_by: BoundBy
    """Who says that its captures belong together."""
    patient_key: str | None
    """The site's pseudonym of the patient; None where no print named one."""
    age: GivenAge | None
    """Gestational age, where one is known."""
    began_time: datetime
    """First word about its first print, server clock (aware UTC)."""
    updated_time: datetime
    """Last change, server clock (aware UTC)."""
    newest_slot: int
    """Slot of its newest capture; lists are in this order."""
    capture_count: int
    """Captures."""
    image_count: int
    """Stored images."""
    read_count: int
    """Images with a result."""
    reviewed_count: int
    """Images that a person reviewed."""
    state: Status
    """See `cloud.examinations.states`."""
    findings: tuple[str, ...]
    """Findings of its images after reviews, without those that abstained, in the alphabet's order."""
    signed: Signed | None
    """The newest signature."""
    seen_count: int
    """Items of the protocol that were seen."""
    item_count: int
    """Items of the protocol."""
