"""Beside the thirteen steps: report: the sheet: a report in words, as it is laid out; equal for PDF and page.

Layouts add no word of their own: what stands here is what is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloud.report.facts import Point, Stroke


class Language(StrEnum):
    """What a report is written in."""

    ENGLISH = "en"
    CHINESE = "zh"


class Tone(StrEnum):
    """How a line is to be seen; a word or sign always says the same."""

    PLAIN = "plain"
    NORMAL = "normal"
    REVIEW = "review"
    ABNORMAL = "abnormal"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A labelled value."""

    label: str
    """What it is."""
    value: str
    """The value."""
    mono: bool = False
    """Whether it is a code that is compared letter by letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A sentence of the report."""

    text: str
    """The sentence."""
    tone: Tone
    """How it is to be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table."""

    cells: tuple[str, ...]
    """One text a column."""
    tone: Tone = Tone.PLAIN
    """How it is to be seen."""
    repeats: bool = False
    """Whether its first cell is that of the row above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; without rows it is its notes alone."""

    title: str
    """What it shows."""
    columns: tuple[str, ...]
    """Heads of the columns."""
    rows: tuple[Row, ...]
    """The rows."""
    notes: tuple[str, ...]
    """What stands below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    at: float
    """Share of the axis, 0..1 from the left or from the top."""
    text: str
    """Its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A centile over the gestational age."""

    label: str
    """The centile."""
    points: tuple[Point, ...]
    """Shares of the chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A measured value on a chart."""

    x: float
    """Share of the width from the left."""
    y: float
    """Share of the height from the top."""
    bar: float | None
    """Half the length of its 1 sigma bar, as a share of the height; None where it is not known."""
    by_person: bool
    """Whether a person drew what it was reckoned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A growth chart with this examination's point."""

    title: str
    """Measure and unit."""
    alt: str
    """The same for those who do not see it, with the point's numbers."""
    x_ticks: tuple[Tick, ...]
    """Weeks."""
    y_ticks: tuple[Tick, ...]
    """Lengths."""
    curves: tuple[Curve, ...]
    """Centiles, lowest first."""
    marks: tuple[Mark, ...]
    """What was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyImage:
    """A still with what is drawn over it."""

    image_id: str
    """UUID: names its pictures."""
    number: int
    """Place in the report, from 1."""
    width_px: int
    """Width of the still, pixels."""
    height_px: int
    """Height of the still, pixels."""
    caption: str
    """What it shows."""
    alt: str
    """The same for those who do not see it."""
    strokes: tuple[Stroke, ...]
    """What is drawn over it."""
    tone: Tone
    """How its outline is to be seen."""
    heat_caption: str | None
    """Caption of the fused heat map beside it; None where none is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A QR code."""

    alt: str
    """What it is."""
    text: str
    """What it says."""
    modules: int
    """Modules along its side, with the quiet zone."""
    path: str
    """Its dark modules as an SVG path, one unit a module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A report, worded."""

    language: Language
    """Of every word."""
    title: str
    """What the document is."""
    site_name: str
    """Who made it."""
    notice: str
    """The standing mark of every page."""
    software: str
    """What made it."""
    page_of: str
    """Page number with the places {page} and {pages}."""
    running: str
    """Which report a page belongs to, from the second page on."""
    mark: str | None
    """Written across every page; None for a report that is signed and unchanged."""
    standing: Line
    """Draft, signed or changed, in a sentence."""
    identity_title: str
    """Head of the box for the patient's sticker."""
    identity_lines: tuple[str, ...]
    """What is filled in by hand."""
    identity_note: str
    """Why nothing stands in it."""
    head: tuple[Pair, ...]
    """Examination, device, age."""
    summary_title: str
    """Head of the summary."""
    summary: tuple[Line, ...]
    """What was found, in sentences."""
    measurements: Table
    """Every length."""
    charts: tuple[Chart, ...]
    """Growth charts."""
    charts_note: str
    """What the charts' axes and lines are."""
    images_title: str
    """Head of the images."""
    images: tuple[KeyImage, ...]
    """Key images."""
    images_note: str
    """How they were chosen, and what is drawn."""
    checklist: Table | None
    """Completeness; None where the site has no protocol."""
    reviews: Table
    """What persons decided."""
    signature_title: str
    """Head of the signature."""
    signature: tuple[Pair, ...]
    """Who, when, what."""
    signature_hand: str
    """Label of the line that is signed by hand."""
    models: Table
    """Which weights took part."""
    proof_title: str
    """Head of the receipt."""
    proof: tuple[Pair, ...]
    """What a verifier needs."""
    proof_note: str
    """What to do with it."""
    code: Code
    """The same as a QR code."""
    file_name: str
    """Name of the PDF: letters, digits and hyphens."""
    made_time_s: int
    """When the facts were put together, seconds since 1970."""
