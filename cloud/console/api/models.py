"""Step 13 of 13: console. The API's values: what the page gets, typed and described once.

The page's TypeScript types are generated from these, so every name here is a name there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from cloud.console.api.reading_models import Reading, Shown
from cloud.console.api.review_models import Review
from cloud.examinations.items import BoundBy
from cloud.items import Status as Status


class WorkImage(Shown):
    """One stored image of a capture."""

    image_id: str = Field(description="UUID; names the pictures under /api/images.")
    part_index: int = Field(description="Part that holds it; names the receipt.")
    index_in_capture: int = Field(description="Place in the capture, from 0.")
    status: Status = Field(description="What the film strip shows: after the newest review.")
    read_status: Status = Field(description="What the reading alone gives.")
    reason: str | None = Field(description="Why it failed; see /api/reasons.")
    image_type: str = Field(description="Type by the edge.")
    type_probabilities: dict[str, float] = Field(description="Probability per type by the edge.")
    width_px: int = Field(description="Width, pixels.")
    height_px: int = Field(description="Height, pixels.")
    frame_count: int = Field(description="1 for a still.")
    mm_per_pixel: float | None = Field(description="Scale, where known.")
    scale_source: str | None = Field(description="Where the scale comes from.")
    source_format: str = Field(description="Format that the machine printed.")
    sha256: str = Field(description="SHA-256 of the stored bytes, hexadecimal.")
    reading: Reading | None = Field(description="The reading, where there is one.")
    ledger_index: int = Field(description="Index of the part's block in the ledger.")
    result_ledger_index: int | None = Field(description="Index of the result in the ledger.")
    timings_ms: dict[str, float] = Field(description="Waiting and reading, where there is a result.")
    review: Review | None = Field(description="The newest review by a person.")


class StepTime(Shown):
    """Duration of one step of the line."""

    number: int = Field(description="1 to 13.")
    name: str = Field(description="The step's name.")
    ms: float | None = Field(description="Milliseconds; null where the step was not timed (yet).")


class Belonging(Shown):
    """The examination that a capture belongs to."""

    examination_id: str = Field(description="UUID.")
    number: int = Field(description="In the order of beginning, from 1.")
    bound_by: BoundBy = Field(description="Who says that its prints belong together.")
    capture_bound_by: BoundBy = Field(
        description="Who says that this print belongs to it; device_and_time is a guess by device and pause."
    )
    patient_key: str | None = Field(description="The site's pseudonym of the patient, where known.")
    gestational_age_days: float | None = Field(description="Gestational age that it has, days.")


class WorkItem(Shown):
    """One capture on the worklist."""

    capture_id: str = Field(description="UUID.")
    trace_id: str = Field(description="32 hexadecimal digits, in every log from print to console.")
    slot: int = Field(description="Place on the console, from 1, newest highest.")
    device_id: str = Field(description="Device that printed.")
    status: Status = Field(description="What the row shows.")
    reason: str | None = Field(description="Why it was refused, held or is missing; see /api/reasons.")
    expected_image_count: int = Field(description="Images announced.")
    size_bytes: int = Field(description="Size announced.")
    received_time: datetime = Field(description="When the edge had it, by the edge's clock.")
    notified_time: datetime = Field(description="When the server heard of it.")
    updated_time: datetime = Field(description="Last change.")
    steps: list[StepTime] = Field(description="The thirteen steps, in order.")
    waited_ms: float | None = Field(description="Time in the queue before step 11.")
    images: list[WorkImage] = Field(description="Stored images; empty before the commit.")
    examination_id: str | None = Field(description="UUID of its examination.")
    examination: Belonging | None = Field(description="Its examination.")


class WorkList(Shown):
    """A page of the worklist, newest first."""

    items: list[WorkItem] = Field(description="Captures.")
    next_before_slot: int | None = Field(description="Ask with this for the next page; null at the end.")
    cursor: int = Field(description="Everything up to this event id is in the items.")


class Sentence(Shown):
    """A text in both languages."""

    en: str = Field(description="English.")
    zh: str = Field(description="Chinese.")


class EdgeReasonText(Shown):
    """Why an image did not get through."""

    status: Literal["refused", "held", "missing"] = Field(description="What becomes of the capture.")
    text: Sentence = Field(description="What is wrong and what to do.")


class WireReasonText(Shown):
    """Why a call between agent and cloud failed."""

    code: str = Field(description="gRPC status.")
    action: str = Field(description="What the agent does.")
    hint: str = Field(description="A sentence for a person, English.")


class Reasons(Shown):
    """Every reason code that the console can show."""

    edge: dict[str, EdgeReasonText] = Field(description="Refused, held, missing.")
    wire: dict[str, WireReasonText] = Field(description="Calls between agent and cloud.")
    abstain: dict[str, Sentence] = Field(description="Why a reading gives nothing to rely on.")
    no_width: dict[str, Sentence] = Field(description="Why no ventricle is measured.")
    best_frame: dict[str, Sentence] = Field(description="What speaks for the frame that stands for a loop.")
    remark: dict[str, Sentence] = Field(description="Lengths beyond a limit; {limit} is the limit's place.")


class ModelFacts(Shown):
    """A model that this server runs."""

    name: str = Field(description="Its folder in the repository.")
    version: str = Field(description="Version that answers.")
    sha256: str = Field(description="SHA-256 of the weights, hexadecimal.")
    labels: list[str] = Field(description="Classes in the order of the outputs.")


class System(Shown):
    """Facts about this server."""

    version: str = Field(description="Version of the software.")
    uptime_s: float = Field(description="Seconds since the console started.")
    counts: dict[str, int] = Field(description="Captures by state.")
    log_verifier_key: str = Field(description="Checks the ledger's checkpoints.")
    models: list[ModelFacts] = Field(description="Models that are loaded; empty where none are.")
    notice: str = Field(description="The standing mark.")


class Health(Shown):
    """Whether the server can do its work."""

    status: Literal["ok", "not ready"] = Field(description="In one word.")
    failing: list[str] = Field(description="What is not ready: database, models.")


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str = Field(description="A sentence; never patient data.")
