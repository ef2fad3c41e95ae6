"""Step 13 of 13: console. The API's values of a report: the sheet as the page lays it out, every word of it here.

The page's TypeScript types are generated from these, so every name here is a name there.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from cloud.console.api.reading_models import Shown
from cloud.report.sheet import Language, Tone


class Laid(Shown):
    """Taken from a value of `cloud.report.sheet` field by field."""

    model_config = ConfigDict(
        frozen=True, json_schema_serialization_defaults_required=True, from_attributes=True
    )


class SheetPair(Laid):
    """A labelled value."""

    label: str = Field(description="What it is.")
    value: str = Field(description="The value.")
    mono: bool = Field(description="Whether it is a code that is compared letter by letter.")


class SheetLine(Laid):
    """A sentence."""

    text: str = Field(description="The sentence.")
    tone: Tone = Field(description="How it is to be seen.")


class SheetRow(Laid):
    """A row of a table."""

    cells: list[str] = Field(description="One text a column.")
    tone: Tone = Field(description="How it is to be seen.")
    repeats: bool = Field(description="Whether its first cell is that of the row above.")


class SheetTable(Laid):
    """A table; without rows it is its notes alone."""

    title: str = Field(description="What it shows.")
    columns: list[str] = Field(description="Heads of the columns.")
    rows: list[SheetRow] = Field(description="The rows.")
    notes: list[str] = Field(description="What stands below it.")


class SheetTick(Laid):
    """A mark on an axis."""

    at: float = Field(description="Share of the axis, 0..1 from the left or from the top.")
    text: str = Field(description="Its number.")


class SheetCurve(Laid):
    """A centile over the gestational age."""

    label: str = Field(description="The centile.")
    points: list[list[float]] = Field(description="Each [x, y], shares of the chart.")


class SheetMark(Laid):
    """A measured value on a chart."""

    x: float = Field(description="Share of the width from the left.")
    y: float = Field(description="Share of the height from the top.")
    bar: float | None = Field(description="Half the 1 sigma bar, share of the height; null where not known.")
    by_person: bool = Field(description="Whether a person drew what it was reckoned from.")


class SheetChart(Laid):
    """A growth chart with what this examination measured."""

    title: str = Field(description="Measure and unit.")
    alt: str = Field(description="The same for those who do not see it.")
    x_ticks: list[SheetTick] = Field(description="Weeks.")
    y_ticks: list[SheetTick] = Field(description="Lengths.")
    curves: list[SheetCurve] = Field(description="Centiles, lowest first.")
    marks: list[SheetMark] = Field(description="What was measured.")


class SheetStroke(Laid):
    """A line drawn over a still."""

    kind: str = Field(description="outline, corrected, axis, caliper, midline or crop.")
    points: list[list[float]] = Field(description="Each [x, y], shares of the still.")
    closed: bool = Field(description="Whether the last point is joined to the first.")


class SheetImage(Laid):
    """A still with what is drawn over it."""

    image_id: str = Field(description="UUID; names the pictures under /api/images.")
    number: int = Field(description="Place in the report, from 1.")
    width_px: int = Field(description="Width of the still, pixels.")
    height_px: int = Field(description="Height of the still, pixels.")
    caption: str = Field(description="What it shows.")
    alt: str = Field(description="The same for those who do not see it.")
    strokes: list[SheetStroke] = Field(description="What is drawn over it.")
    tone: Tone = Field(description="How its outline is to be seen.")
    heat_caption: str | None = Field(description="Caption of its fused heat map; null where none is shown.")


class SheetCode(Laid):
    """A QR code."""

    alt: str = Field(description="What it is.")
    text: str = Field(description="What it says.")
    modules: int = Field(description="Modules along its side, with the quiet zone.")
    path: str = Field(description="Its dark modules as an SVG path, one unit a module.")


class Report(Laid):
    """An examination's report, worded. Research use, not for diagnosis."""

    language: Language = Field(description="Of every word.")
    title: str = Field(description="What the document is.")
    site_name: str = Field(description="Who made it.")
    notice: str = Field(description="The standing mark of every page.")
    software: str = Field(description="What made it.")
    running: str = Field(description="Which report it is.")
    mark: str | None = Field(description="Across every page; null for one that is signed and unchanged.")
    standing: SheetLine = Field(description="Draft, signed or changed, in a sentence.")
    identity_title: str = Field(description="Head of the box for the patient's sticker.")
    identity_lines: list[str] = Field(description="What is filled in by hand.")
    identity_note: str = Field(description="Why nothing stands in it.")
    head: list[SheetPair] = Field(description="Examination, device, age.")
    summary_title: str = Field(description="Head of the summary.")
    summary: list[SheetLine] = Field(description="What was found, in sentences.")
    measurements: SheetTable = Field(description="Every length.")
    charts: list[SheetChart] = Field(description="Growth charts.")
    charts_note: str = Field(description="What the charts' axes and lines are.")
    images_title: str = Field(description="Head of the images.")
    images: list[SheetImage] = Field(description="Key images.")
    images_note: str = Field(description="How they were chosen, and what is drawn.")
    checklist: SheetTable | None = Field(description="Completeness; null where there is no protocol.")
    reviews: SheetTable = Field(description="What persons decided.")
    signature_title: str = Field(description="Head of the signature.")
    signature: list[SheetPair] = Field(description="Who, when, what.")
    signature_hand: str = Field(description="Label of the line that is signed by hand.")
    models: SheetTable = Field(description="Which weights took part.")
    proof_title: str = Field(description="Head of the receipt.")
    proof: list[SheetPair] = Field(description="What a verifier needs.")
    proof_note: str = Field(description="What to do with it.")
    code: SheetCode = Field(description="The same as a QR code.")
    file_name: str = Field(description="Name of the PDF.")
