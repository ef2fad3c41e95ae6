"""Examinations: values of the search through all of them: what is asked for, one as it is found, a page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cloud.examinations.items import Examination
from cloud.items import Status


class SortBy(StrEnum):
    """In which order studies come."""

    NUMBER = "number"
    """The order of beginning: it never changes, so that paging through it skips and repeats nothing."""
    AGE = "age"
    """Gestational age; those without one as below all others."""
    PROBABILITY = "probability"
    """Largest probability of an anomaly; those without one as below all others."""


class Signing(StrEnum):
    """How a study stands with signatures."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    CHANGED = "changed"
    """Signed, and changed since."""


class Reviewing(StrEnum):
    """How a study stands with reviews."""

    NONE = "none"
    SOME = "some"
    """Some of its images with a result, not all."""
    ALL = "all"


class Agreement(StrEnum):
    """What the newest reviews of a study's images say."""

    AGREES = "agrees"
    """There is one, and none disagrees."""
    DISAGREES = "disagrees"
    """At least one disagrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFilter:
    """Which studies are asked for; a field that is not set narrows nothing."""

    tenant_id: str | None = None
    """Only this tenant's."""
    text: str = ""
    """Words of number, pseudonym, device, findings, planes, notes or tags; in Chinese, or its pinyin."""
    states: Collection[Status] = ()
    """Only these states."""
    finding: str | None = None
    """Only with an image of this finding."""
    plane: str | None = None
    """Only with an image of this plane, or plane of the brain."""
    device_id: str | None = None
    """Only those that began on this device."""
    tag: str | None = None
    """Only with this tag."""
    reviewing: Reviewing | None = None
    """Only those that stand so with reviews."""
    signing: Signing | None = None
    """Only those that stand so with signatures."""
    agreement: Agreement | None = None
    """Only those whose reviews say so."""
    begun_from: datetime | None = None
    """Begun at this moment or later (aware UTC)."""
    begun_before: datetime | None = None
    """Begun before this moment (aware UTC)."""
    age_from_days: float | None = None
    """Gestational age of at least this, days."""
    age_to_days: float | None = None
    """Gestational age of at most this, days."""
    deleted: bool = False
    """True: only deleted ones; False: only those that are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """That a study was deleted; it can be restored."""

    time: datetime
    """When (aware UTC)."""
    by: str
    """Actor."""
    reason: str
    """Free text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One examination as it is found."""

    examination: Examination
    """As the worklist shows it."""
    planes: tuple[str, ...]
    """Planes of its images, and planes of the brain, in the alphabet's order."""
    probability: float | None
    """Largest probability of an anomaly among its images, 0..1; None where no brain was classified."""
    disagreed_count: int
    """Images whose newest review disagrees."""
    tags: tuple[str, ...]
    """In the alphabet's order."""
    deleted: Deleted | None
    """Set where it was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a sorted list, behind or before which a page begins."""

    value: float
    """What it is sorted by; 0 where that is the number alone."""
    number: int
    """The study's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where a page lies."""

    limit: int
    """Studies at most."""
    sort: SortBy = SortBy.NUMBER
    """Order."""
    ascending: bool = False
    """The smallest first; else the largest."""
    after: Place | None = None
    """Only what comes behind this place."""
    before: Place | None = None
    """Only what comes before this place: the page that ends there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a person noted; never altered."""

    note_id: str
    """UUID, made by the client."""
    note: str
    """Free text."""
    by: str
    """Actor."""
    time: datetime
    """When (aware UTC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """A result of an image: the one that counts, or an earlier one."""

    image_id: str
    """UUID of the image."""
    ledger_index: int
    """Its entry in the ledger."""
    is_current: bool
    """Whether it is the one that counts."""
    reason: str | None
    """EdgeReason where the image could not be read."""
    reading: dict[str, Any] | None
    """The reading's JSON; None where there is a reason."""
    time: datetime
    """When (aware UTC)."""
