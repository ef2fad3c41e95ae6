"""Beside the thirteen steps: series: which images of a series are slices of one stack, each position once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cloud.series.found import LeftOut
from cloud.series.header import Header, Place
from cloud.series.reasons import LeftOutReason, Refusal, RefusalReason, Value

SAME_POSITION_MM: Final = 0.01
_SAME_DIRECTION: Final = 2e-3
_RIGHT_ANGLE: Final = 1e-3
_UNIT: Final = 1e-2
# A file can claim thousands of frames, each in a direction of its own.
_STACKS_MAX: Final = 32
_SAME_SPACING: Final = 1e-3

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A frame that says where it lies."""

    header: Header
    """Of its file."""
    frame_index: int
    """Which frame of the file, from 0."""
    place: Place
    """As the header has it."""
    position: Array
    """Centre of the first pixel, LPS, mm; shape (3,)."""
    row: Array
    """Direction of a row, shape (3,)."""
    column: Array
    """Direction of a column, shape (3,)."""
    directions: tuple[float, ...]
    """Both directions as six numbers."""
    spacing: tuple[float, float]
    """Distance of rows, distance of columns, mm."""


def placed_frames(members: Iterable[Header], left_out: list[LeftOut]) -> list[Placed]:
    """Frames with position, orientation and pixel size; files without are left out."""
    found: list[Placed] = []
    for header in members:
        placed = [_placed(header, index, place) for index, place in enumerate(header.places)]
        # One position for many frames says where the object lies, not where its frames do.
        if len(header.places) != header.frame_count or None in placed:
            left_out.append(LeftOut(path=header.path, reason=LeftOutReason.NO_POSITION))
        else:
            found += [each for each in placed if each is not None]
    return found


def _placed(header: Header, index: int, place: Place) -> Placed | None:
    if place.position_mm is None or place.row_direction is None or place.column_direction is None:
        return None
    if place.pixel_spacing_mm is None:
        return None
    return Placed(
        header=header,
        frame_index=index,
        place=place,
        position=np.array(place.position_mm),
        row=np.array(place.row_direction),
        column=np.array(place.column_direction),
        directions=(*place.row_direction, *place.column_direction),
        spacing=place.pixel_spacing_mm,
    )


def is_square(each: Placed) -> bool:
    lengths = np.linalg.norm(each.row), np.linalg.norm(each.column)
    return bool(np.abs(np.array(lengths) - 1).max() < _UNIT and abs(each.row @ each.column) < _RIGHT_ANGLE)


_LIKE: Final[tuple[tuple[LeftOutReason, Callable[[Placed, Placed], bool]], ...]] = (
    (
        LeftOutReason.OTHER_ORIENTATION,
        # Plain numbers: arrays of three cost ten times as much, and there can be many thousand frames.
        lambda a, b: (
            all(abs(x - y) < _SAME_DIRECTION for x, y in zip(a.directions, b.directions, strict=True))
            and is_square(b)
        ),
    ),
    (
        LeftOutReason.OTHER_SIZE,
        lambda a, b: (a.header.rows, a.header.columns) == (b.header.rows, b.header.columns),
    ),
    (
        LeftOutReason.OTHER_PIXEL_SPACING,
        lambda a, b: bool(np.allclose(a.spacing, b.spacing, rtol=_SAME_SPACING, atol=0)),
    ),
)


def _unlike(one: Placed, other: Placed) -> LeftOutReason | None:
    """The first rule by which two slices are not of one stack."""
    return next((reason for reason, like in _LIKE if not like(one, other)), None)


def choose_stack(
    candidates: Sequence[Placed], current: Header, threshold: int, left_out: list[LeftOut]
) -> list[Placed]:
    """Slices alike in direction, size and pixel size: the current image's, or the most, where those are too few."""
    stacks: list[list[Placed]] = []
    for each in candidates:
        home = next((stack for stack in stacks if _unlike(stack[0], each) is None), None)
        if home is None and len(stacks) < _STACKS_MAX and is_square(each):
            stacks.append([each])
        elif home is not None:
            home.append(each)
    chosen = max(stacks, key=len)
    for stack in stacks:
        if len(stack) >= threshold and any(is_of(each, current) for each in stack):
            chosen = stack
    used = {id(each) for each in chosen}
    for each in candidates:
        if id(each) not in used:
            reason = _unlike(chosen[0], each) or LeftOutReason.OTHER_ORIENTATION
            left_out.append(LeftOut(path=each.header.path, reason=reason))
    return list(chosen)


def is_of(each: Placed, header: Header) -> bool:
    return each.header.sop_instance_uid == header.sop_instance_uid


def one_per_position(
    stack: list[Placed], current: Header, left_out: list[LeftOut]
) -> tuple[list[Placed], Refusal | None]:
    """Leaves out second images of a position, the current one last; where most positions have several, refuses."""
    groups: list[list[Placed]] = []
    normal = np.cross(stack[0].row, stack[0].column)
    for each in stack:
        if groups and abs(float((each.position - groups[-1][0].position) @ normal)) < SAME_POSITION_MM:
            groups[-1].append(each)
        else:
            groups.append([each])
    several = sum(len(group) > 1 for group in groups)
    # Two images at one place and nothing else are a pair of copies; two at each of many places are two volumes.
    if several > 1 and 2 * several >= len(groups):
        values: dict[str, Value] = {"positions": len(groups), "count": len(stack)}
        return stack, Refusal(reason=RefusalReason.SEVERAL_PER_POSITION, values=values)
    kept: list[Placed] = []
    for group in groups:
        first = next((each for each in group if is_of(each, current)), group[0])
        kept.append(first)
        left_out += [
            LeftOut(path=each.header.path, reason=LeftOutReason.DUPLICATE_POSITION)
            for each in group
            if each is not first
        ]
    return kept, None
