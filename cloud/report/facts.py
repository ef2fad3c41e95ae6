"""Beside the thirteen steps: report: the facts of a report: codes and numbers, no words of any language.

Whatever a report says comes from these. Units are in the names; times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from cloud.examinations.items import AgeSource, BoundBy
from cloud.items import Status

Point: TypeAlias = tuple[float, float]
"""From the left and from the top, as shares of a picture's or a chart's width and height, 0..1 inside of it."""


class Author(StrEnum):
    """Who says something."""

    MODEL = "model"
    PERSON = "person"


class Standing(StrEnum):
    """What the report is worth as a document."""

    DRAFT = "draft"
    """Nobody has signed."""
    SIGNED = "signed"
    """Signed, and unchanged since."""
    CHANGED = "changed"
    """Signed, and changed afterwards."""


class Seen(StrEnum):
    """What became of an item of the examination's protocol."""

    SEEN = "seen"
    MISSING = "missing"
    BY_HAND = "by_hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAge:
    """The gestational age that the examination gives."""

    days: float
    """Days, above 0 and at most 315."""
    source: AgeSource
    """Where it comes from."""
    given_by: str | None
    """Name of the person who gave it; None where nobody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthFacts:
    """One measured value."""

    measure: str
    """hc, bpd, ofd, ci, ventricle_width or midline_shift."""
    author: Author
    """Who drew what it was reckoned from."""
    value: float
    """In `unit`."""
    sd: float | None
    """1 sigma, in `unit`; None where it is not known."""
    unit: str
    """mm, px, or empty for a ratio."""
    z_score: float | None
    """Standard deviations from the mean at the given age; None without an age or outside the standard."""
    z_score_sd: float | None
    """1 sigma of it from the value's uncertainty."""
    centile: float | None
    """Percent of healthy fetuses below; None with `z_score`."""
    reference: str | None
    """The standard, with its publication; None where there is no standard or no age."""
    outside_weeks: tuple[int, int] | None
    """First and last week of the standard where the age lies outside of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemarkFacts:
    """A length beyond one of the site's limits."""

    code: str
    """Of `cloud.infer.thresholds.RemarkCode`."""
    value: float
    """What was measured, in `unit`."""
    limit: float
    """The limit, in `unit`."""
    unit: str
    """mm, centile or SD."""
    author: Author
    """Whose outline the length was reckoned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line drawn over a still."""

    kind: str
    """outline, corrected, axis, caliper, midline or crop."""
    points: tuple[Point, ...]
    """Its points, as shares of the still."""
    closed: bool
    """Whether the last point is joined to the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFacts:
    """What a person decided about an image; the newest counts."""

    agreed: bool
    """Whether they agree with the model."""
    reason_code: str | None
    """Why not; None where they agree."""
    reason_text: str
    """In their own words; may be empty."""
    finding: str | None
    """Corrected finding; None where it stays."""
    plane: str | None
    """Corrected plane; None where it stays."""
    reviewer: str
    """Who."""
    time: datetime
    """When."""
    ledger_index: int
    """Index of its entry in the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """One image that was read."""

    number: int
    """Place in the report, from 1."""
    image_id: str
    """UUID."""
    sha256: str
    """SHA-256 of the stored bytes, hexadecimal."""
    received_time: datetime
    """When the edge had it."""
    width_px: int
    """Width of the still, pixels."""
    height_px: int
    """Height of the still, pixels."""
    frame_count: int
    """1 for a still."""
    best_frame: int
    """Place of the frame that is shown, from 0."""
    status: Status
    """normal, abnormal or review: what it counts as, after the review."""
    plane: str
    """Most probable plane."""
    subplane: str | None
    """The brain's; None for another plane, and where the model does not say."""
    subplane_sure: bool
    """Whether it reaches the model's threshold."""
    finding: str | None
    """"normal", or the type as a hint; None where no brain was classified."""
    not_normal_probability: float | None
    """1 minus the probability of normal, 0..1; None with `finding`."""
    abstain_codes: tuple[str, ...]
    """Why the reading is not to be relied on; empty where it is."""
    lengths_judged: bool
    """Whether the model's lengths are relied on."""
    lengths: tuple[LengthFacts, ...]
    """The model's, then a person's."""
    remarks: tuple[RemarkFacts, ...]
    """Lengths beyond a limit."""
    strokes: tuple[Stroke, ...]
    """What is drawn over the still."""
    has_heat: bool
    """Whether there is a fused heat map."""
    models: Mapping[str, tuple[str, str]]
    """Version and SHA-256 (hexadecimal) of each model that took part, by name."""
    ledger_index: int
    """Index of the image's block in the ledger."""
    result_ledger_index: int | None
    """Index of its result."""
    review: ReviewFacts | None
    """The newest; None where nobody reviewed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadFacts:
    """A print or an image of which there is no reading."""

    status: Status
    """incoming, analysing, refused, held, missing or failed."""
    reason: str | None
    """Code of the reason, where there is one."""
    count: int
    """How many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFacts:
    """One item of the examination's protocol."""

    group_en: str
    """Its group in English."""
    group_zh: str
    """Its group in Chinese."""
    name_en: str
    """Its name in English."""
    name_zh: str
    """Its name in Chinese."""
    seen: Seen
    """What became of it."""
    images: tuple[int, ...]
    """Numbers of the report's images that show it."""
    ticked_by: str | None
    """Who ticked it by hand; None where nobody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistFacts:
    """What an examination of its kind shows, and what this one does."""

    name_en: str
    """The protocol's name in English."""
    name_zh: str
    """The protocol's name in Chinese."""
    version: str
    """Its edition."""
    items: tuple[ItemFacts, ...]
    """In the protocol's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFacts:
    """Who signed, and what."""

    signer: str
    """Name."""
    time: datetime
    """When."""
    digest: str
    """SHA-256 over what was signed, hexadecimal."""
    override_reason: str
    """Why it was signed though not every image was reviewed; empty where every one was."""
    ledger_index: int
    """Index of its entry in the ledger."""
    changed: bool
    """Whether the examination changed afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemeFacts:
    """The limits that the lengths were judged by."""

    name: str
    """The site's name for them."""
    version: str
    """Their edition."""
    sha256: str
    """SHA-256 of name, version and limits, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """The ledger as it stood when the report was made."""

    origin: str
    """Name of the log."""
    verifier_key: str
    """Checks its checkpoints."""
    size: int
    """Entries of the checkpoint."""
    root: str
    """Its root, base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """Everything that stands in an examination's report."""

    site_name: str
    """What the site calls itself."""
    time_zone: str
    """IANA name of the zone that times are printed in."""
    number: str
    """The examination's number on the worklist."""
    examination_id: str
    """UUID."""
    pseudonym: str | None
    """The patient's, made by the edge; None where the images carry no identity."""
    device_id: str
    """Device that printed."""
    began_time: datetime
    """First image."""
    active_time: datetime
    """Last image."""
    bound_by: BoundBy
    """Who says that its prints belong together."""
    capture_count: int
    """Prints."""
    guessed_count: int
    """How many of them only device and time put there."""
    age: GivenAge | None
    """Gestational age by the examination; None where none is given."""
    images: tuple[ImageFacts, ...]
    """Those that were read, in the order of their arrival."""
    unread: tuple[UnreadFacts, ...]
    """What there is no reading of."""
    checklist: ChecklistFacts | None
    """Completeness; None where the site has no protocol."""
    signature: SignatureFacts | None
    """None where nobody signed."""
    scheme: SchemeFacts
    """The site's limits."""
    log: LogFacts
    """The ledger."""
    software: str
    """Version of the software."""
    made_time: datetime
    """When these facts were put together."""

    @property
    def standing(self) -> Standing:
        """Draft, signed, or changed since."""
        if self.signature is None:
            return Standing.DRAFT
        return Standing.CHANGED if self.signature.changed else Standing.SIGNED
