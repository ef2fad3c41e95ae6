"""Beside the thirteen steps: series: how the slices of a series lie. A plan of the stack, or a refusal in words.

Positions decide, numbers never: slices are ordered by where they lie along the normal, uneven distances and a lean of
the stack are found and kept as they are, and what cannot be one volume is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from cloud.series.found import LeftOut
from cloud.series.group import THRESHOLD, too_few
from cloud.series.header import Header, Place, Vector
from cloud.series.reasons import Note, NoteKind, Refusal, RefusalReason, Value
from cloud.series.stack import Array, Placed, choose_stack, is_of, is_square, one_per_position, placed_frames

EVEN_MM: Final = 0.02
"""A stack is even where every slice lies within this of its place in an even one; headers round to 0.01 mm."""
SCATTER_MM: Final = 0.2
SHEAR_MM: Final = 0.1
"""Drift of the slices sideways, over the whole stack, up to which it counts as upright."""
TILT_MAX_DEG: Final = 45.0
HOLE_MAX_STEPS: Final = 3.25
"""The widest hole that is interpolated, in usual steps: two slices missing side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSlice:
    """One slice of a stack."""

    header: Header
    """Of its file."""
    frame_index: int
    """Which frame of the file, from 0."""
    place: Place
    """Where it lies; position, directions and spacing are there."""
    along_mm: float
    """Its place along the normal from the first slice, mm, rising."""
    aside_mm: tuple[float, float]
    """How far its first pixel lies from the first slice's, along a row and along a column, mm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A stack that can become a volume."""

    slices: tuple[StackSlice, ...]
    """In the order of `along_mm`; two at least."""
    origin_mm: Vector
    """Centre of the first pixel of the first slice, LPS, mm."""
    row_direction: Vector
    """Unit vector along a row."""
    column_direction: Vector
    """Unit vector along a column, at a right angle to `row_direction`."""
    normal: Vector
    """Unit vector from the first slice to the last: row_direction x column_direction."""
    pixel_spacing_mm: tuple[float, float]
    """Distance of rows, distance of columns, mm."""
    rows: int
    """Rows of each slice."""
    columns: int
    """Columns of each slice."""
    step_mm: float
    """Distance of the slices of the volume, mm."""
    slice_count: int
    """Slices of the volume; more than `slices` where holes are filled."""
    is_even: bool
    """Whether every slice lies where the volume has one."""
    tilt_deg: float
    """How far the stack leans from its normal, degrees; 0.0 where it counts as upright."""
    notes: tuple[Note, ...]
    """What is to be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """What the positions of a series' images say."""

    result: Plan | Refusal
    """The plan, or why there is none."""
    left_out: tuple[LeftOut, ...]
    """Images of the series that are no slice of the stack."""


def understand(members: Sequence[Header], current: Header, *, threshold: int = THRESHOLD) -> Geometry:
    """A plan of the stack that `current` is in, among the images of its series; where that has too few slices, of
    the series' largest stack."""
    left_out: list[LeftOut] = []

    def refused(reason: RefusalReason, **values: Value) -> Geometry:
        return Geometry(result=Refusal(reason=reason, values=values), left_out=tuple(left_out))

    candidates = placed_frames(members, left_out)
    if not candidates:
        cine = next((each for each in members if each.frame_count > 1 and _is_moving(each)), None)
        if cine is None:
            return refused(RefusalReason.NO_POSITIONS)
        rate = f" ({cine.frame_rate_hz:.1f} Hz)" if cine.frame_rate_hz else ""
        return refused(RefusalReason.CINE, frames=cine.frame_count, rate=rate)
    if not any(is_square(each) for each in candidates):
        return refused(RefusalReason.ORIENTATION_INVALID)
    stack = choose_stack(candidates, current, threshold, left_out)
    if any(each.header.photometric == "PALETTE COLOR" for each in stack):
        return refused(RefusalReason.PALETTE_COLOUR)
    normal = np.cross(stack[0].row, stack[0].column)
    stack.sort(key=lambda each: float(each.position @ normal))
    stack, refusal = one_per_position(stack, current, left_out)
    if refusal is None:
        refusal = (
            Refusal(reason=RefusalReason.ONE_SLICE)
            if len(stack) == 1
            else too_few(len(stack), max(2, threshold))
        )
    result = refusal or _plan(stack, current)
    return _settled(result, left_out)


def _is_moving(header: Header) -> bool:
    """Whether its frames are points of time: ultrasound's are, and those that have a rate."""
    return header.modality == "US" or header.frame_rate_hz is not None


def _settled(result: Plan | Refusal, left_out: Sequence[LeftOut]) -> Geometry:
    """A file is used or left out, not both: of one that is used, frames that are no slices become a note."""
    used = {each.header.path for each in result.slices} if isinstance(result, Plan) else set()
    frames = sum(each.path in used for each in left_out)
    if frames and isinstance(result, Plan):
        note = Note(kind=NoteKind.FRAMES_LEFT_OUT, values={"count": frames})
        result = replace(result, notes=(*result.notes, note))
    return Geometry(result=result, left_out=tuple(each for each in left_out if each.path not in used))


def _plan(stack: Sequence[Placed], current: Header) -> Plan | Refusal:
    """How slices of one kind, ordered along the normal and at least two, become an even, upright grid."""
    row = _unit(stack[0].row)
    column = _unit(stack[0].column - (stack[0].column @ row) * row)
    normal = np.cross(row, column)
    offsets = np.array([each.position - stack[0].position for each in stack])
    along, aside = offsets @ normal, offsets @ np.stack([row, column]).T
    lean, off_mm = _line(along, aside)
    if off_mm > SCATTER_MM:
        return Refusal(reason=RefusalReason.POSITIONS_SCATTERED, values={"off_mm": round(off_mm, 2)})
    drift_mm = float(np.hypot(*lean)) * float(along[-1])
    tilt_deg = float(np.degrees(np.arctan(np.hypot(*lean)))) if drift_mm > SHEAR_MM else 0.0
    if tilt_deg > TILT_MAX_DEG:
        values: dict[str, Value] = {"tilt_deg": round(tilt_deg, 1), "limit_deg": TILT_MAX_DEG}
        return Refusal(reason=RefusalReason.TILT_TOO_STEEP, values=values)
    steps = np.diff(along)
    usual_mm = float(np.median(steps))
    if steps.max() > HOLE_MAX_STEPS * usual_mm:
        values = {"gap_mm": round(float(steps.max()), 2), "step_mm": round(usual_mm, 2)}
        return Refusal(reason=RefusalReason.HOLE_TOO_WIDE, values=values)
    count, is_even = _grid(along)
    step_mm = float(along[-1]) / (count - 1)
    if tilt_deg == 0.0:
        aside = np.zeros_like(aside)
    return Plan(
        slices=tuple(
            StackSlice(
                header=each.header,
                frame_index=each.frame_index,
                place=each.place,
                along_mm=float(at),
                aside_mm=(float(beside[0]), float(beside[1])),
            )
            for each, at, beside in zip(stack, along, aside, strict=True)
        ),
        origin_mm=_vector(stack[0].position),
        row_direction=_vector(row),
        column_direction=_vector(column),
        normal=_vector(normal),
        pixel_spacing_mm=stack[0].spacing,
        rows=stack[0].header.rows,
        columns=stack[0].header.columns,
        step_mm=step_mm,
        slice_count=count,
        is_even=is_even,
        tilt_deg=tilt_deg,
        notes=tuple(_notes(stack, current, steps, step_mm, is_even, tilt_deg, normal)),
    )


def _grid(along: Array) -> tuple[int, bool]:
    """How many slices an even grid over these places has, and whether they are all its own."""
    steps = np.diff(along)
    usual_mm = float(np.median(steps))
    if np.abs(along - along[-1] / (len(along) - 1) * np.arange(len(along))).max() <= EVEN_MM:
        return len(along), True
    counted = np.concatenate([[0.0], np.cumsum(np.maximum(np.round(steps / usual_mm), 1))])
    if np.abs(along - along[-1] / counted[-1] * counted).max() <= EVEN_MM:
        # Even but for holes.
        return int(counted[-1]) + 1, False
    # As fine as the slices lie, but not finer than half of what is usual.
    return round(float(along[-1]) / max(float(steps.min()), usual_mm / 2)) + 1, False


def _line(along: Array, aside: Array) -> tuple[Array, float]:
    """Sideways drift per mm along the normal, by least squares, and how far the worst slice lies off that line, mm."""
    centred = along - along.mean()
    lean = centred @ (aside - aside.mean(axis=0)) / (centred @ centred)
    rest = aside - aside.mean(axis=0) - np.outer(centred, lean)
    return lean, float(np.hypot(rest[:, 0], rest[:, 1]).max())


def _notes(
    stack: Sequence[Placed],
    current: Header,
    steps: Array,
    step_mm: float,
    is_even: bool,
    tilt_deg: float,
    normal: Array,
) -> Iterable[Note]:
    if not is_even:
        values: dict[str, Value] = {
            "least_mm": round(float(steps.min()), 2),
            "most_mm": round(float(steps.max()), 2),
            "step_mm": round(step_mm, 3),
        }
        yield Note(kind=NoteKind.RESAMPLED_EVEN, values=values)
    holes = sum(round(step / float(np.median(steps))) - 1 for step in steps if step > 1.75 * np.median(steps))
    if holes:
        yield Note(kind=NoteKind.SLICES_MISSING_WITHIN, values={"count": holes})
    if tilt_deg:
        yield Note(kind=NoteKind.TILT_SHEARED, values={"tilt_deg": round(tilt_deg, 1)})
    if not any(is_of(each, current) for each in stack):
        yield Note(kind=NoteKind.CURRENT_NOT_IN_STACK)
    yield from _ends(stack, normal)
    if any(each.header.photometric == "MONOCHROME1" for each in stack):
        yield Note(kind=NoteKind.INVERTED)
    if any(each.header.samples_per_pixel > 1 for each in stack):
        yield Note(kind=NoteKind.COLOUR_TO_GRAY)


def _ends(stack: Sequence[Placed], normal: Array) -> Iterable[Note]:
    """What the numbers say of slices beyond either end, where they follow the positions."""
    numbers = [each.header.instance_number for each in stack]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or len(set(known)) < len(known):
        return
    rising = [b > a for a, b in pairwise(known)]
    if any(rising) and not all(rising):
        yield Note(kind=NoteKind.NUMBERS_UNLIKE_POSITIONS)
        return
    towards = normal if all(rising) else -normal
    if min(known) > 1:
        values: dict[str, Value] = {"number": min(known), "end": _letter(-towards)}
        yield Note(kind=NoteKind.FIRST_MISSING, values=values)
    counted = Counter(each.header.images_in_acquisition for each in stack).most_common(1)[0][0]
    if counted and counted > max(known):
        values = {"expected": counted, "number": max(known), "end": _letter(towards)}
        yield Note(kind=NoteKind.LAST_MISSING, values=values)


def _letter(direction: Array) -> str:
    """The patient's side that `direction` points to most: L or R, P or A, H or F."""
    axis = int(np.abs(direction).argmax())
    return ("LR", "PA", "HF")[axis][int(direction[axis] < 0)]


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float64)


def _vector(values: Array) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])
