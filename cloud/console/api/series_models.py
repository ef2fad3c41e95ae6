"""Step 13 of 13: console. The API's values of series and uploads.

The page's TypeScript types are generated from these, so every name here is a name there.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from cloud.console.api.reading_models import Shown
from cloud.series.messages import SlabMode
from cloud.series.stored import Kind, Source


class Said(Shown):
    """A code and its sentence in both languages."""

    code: str = Field(description="Does not change with the language.")
    en: str = Field(description="The sentence in English.")
    zh: str = Field(description="The sentence in Chinese.")


class MprState(Shown):
    """Whether planes can be cut through a series."""

    ready: bool = Field(description="Whether they can.")
    reason: Said | None = Field(description="Why not.")


class SeriesItem(Shown):
    """One series, as the list shows it."""

    series_id: str = Field(description="UUID; of an agent's loop, the image's.")
    modality: str = Field(description="Modality, such as CT; empty: not said.")
    kind: Kind = Field(description="Volume: planes can be cut; stack: stills; loop: moving images.")
    image_count: int = Field(description="Images, each under /images/{index}.")
    frame_count: int = Field(description="Frames of the image that has most; 1 for stills.")
    body_part: str = Field(description="Body part examined; empty: not said.")
    number: int | None = Field(description="Series number; null: not said.")
    study_id: str = Field(description="UUID that series of one examination share.")
    patient: str | None = Field(description="Pseudonym; null for an agent's loop: see its tags.")
    received_time: datetime = Field(description="When its newest image came.")
    version: int = Field(description="Grows with each upload that adds images.")
    mpr: MprState = Field(description="Whether planes can be cut.")
    source: Source = Field(description="Where it comes from.")


class SeriesList(Shown):
    """A part of the list of series."""

    items: list[SeriesItem] = Field(description="Newest first.")
    next_cursor: str | None = Field(description="Ask with it for what follows; null: nothing does.")


class Geometry(Shown):
    """Where a volume lies in the patient: x to the left, y to the back, z to the head; mm."""

    origin_mm: list[float] = Field(description="Centre of the first voxel; three numbers.")
    center_mm: list[float] = Field(description="Middle of the volume; three numbers.")
    axes: list[list[float]] = Field(
        description="Unit vectors along a row, along a column, from slice to slice."
    )
    spacing_mm: list[float] = Field(description="Distance of voxels along these.")
    size: list[int] = Field(description="Voxels along these.")
    bounding_mm: list[float] = Field(description="Lowest and highest x, y, z of all corners; six numbers.")
    tilt_deg: float = Field(description="How far the stack leaned and was straightened, degrees.")
    resampled: bool = Field(description="Whether uneven slices were resampled by their true positions.")
    remarks: list[Said] = Field(description="What is to be known.")


class WindowPreset(Shown):
    """A usual window."""

    name_en: str = Field(description="Name in English.")
    name_zh: str = Field(description="Name in Chinese.")
    center: float = Field(description="Centre, in the unit.")
    width: float = Field(description="Width, in the unit.")


class Window(Shown):
    """A window."""

    center: float = Field(description="Centre, in the unit.")
    width: float = Field(description="Width, in the unit.")


class ValueRange(Shown):
    """Lowest and highest value."""

    low: float = Field(description="Lowest, in the unit.")
    high: float = Field(description="Highest, in the unit.")


class Frames(Shown):
    """Frames of the images."""

    count: int = Field(description="Of the image that has most; ask with ?frame=, from 0.")
    frame_time_ms: float | None = Field(description="From frame to frame; null: not said, or stills.")


class LeftOut(Shown):
    """Stored images that take no part."""

    reason: Said = Field(description="Why.")
    count: int = Field(description="How many.")


class Missing(Shown):
    """An image that must exist by the numbers of its series, and is not where the others are."""

    number: int = Field(description="Instance number.")
    found: Said | None = Field(description="Where it was found, and is used; null: nowhere.")


class SeriesFacts(SeriesItem):
    """All that is known of a series. Numbers of slices: value = stored x scale + offset."""

    geometry: Geometry | None = Field(description="Where the volume lies; null where there is none.")
    presets: list[WindowPreset] = Field(description="Usual windows.")
    default_window: Window = Field(description="The window to begin with.")
    value_range: ValueRange = Field(description="Of the volume; of its default window where there is none.")
    unit: str = Field(description="HU, or empty.")
    scale: float = Field(description="What stored numbers of slices are multiplied with; 1 for CT.")
    offset: float = Field(description="What is added to them then; 0 for CT.")
    frames: Frames = Field(description="How many frames its images have, and how fast they follow.")
    left_out: list[LeftOut] = Field(description="Stored images that take no part.")
    missing: list[Missing] = Field(description="Gaps of the instance numbers.")


class TagRow(Shown):
    """One element of a header."""

    tag: str = Field(description="(gggg,eeee); inside of a sequence after its place there.")
    vr: str = Field(description="Value representation.")
    keyword: str = Field(description="DICOM keyword; empty: unknown.")
    value: str = Field(description="Plain text, at most 256 characters and how many more there are.")


class ReconstructionAsked(BaseModel):
    """Parallel planes to be stored as a new series."""

    u: list[float] = Field(min_length=3, max_length=3, description="To the right of the pictures; LPS.")
    v: list[float] = Field(
        min_length=3, max_length=3, description="Down the pictures, at a right angle to u."
    )
    spacing_mm: float = Field(gt=0, le=1000, description="Distance of neighbouring planes.")
    first_mm: float | None = Field(
        default=None, allow_inf_nan=False, description="First place along u x v; null: whole volume."
    )
    last_mm: float | None = Field(
        default=None, allow_inf_nan=False, description="Last place along u x v; null: whole volume."
    )
    slab_mm: float = Field(default=0, ge=0, le=200, description="Thickness of each.")
    mode: SlabMode = Field(default=SlabMode.MEAN, description="What of the slab is shown.")


class UploadSeries(Shown):
    """A series to which an upload added images."""

    added_count: int = Field(description="Images that the upload added.")
    series: SeriesItem = Field(description="The series.")


class FileAccount(Shown):
    """What became of one file."""

    path: str | None = Field(description="Its path in the upload; null: the site removed its record.")
    reason: Said | None = Field(description="Why it is not used; null: it is.")


class UploadAccount(Shown):
    """An upload, and what came of it."""

    upload_id: str = Field(description="UUID.")
    begun_time: datetime = Field(description="When it was begun.")
    finished_time: datetime | None = Field(description="When it was finished; null: it is open.")
    ledger_index: int | None = Field(
        description="Of its entry in the ledger; null: open, or nothing was kept."
    )
    file_max_bytes: int = Field(description="The largest file that is taken.")
    file_count: int = Field(description="Files that came.")
    used_count: int = Field(description="Files that are used.")
    series: list[UploadSeries] = Field(description="Series that it added to; empty while it is open.")
    not_used: list[FileAccount] = Field(description="Every file that is not used, and why.")
