"""Beside the thirteen steps: series: which images a series lacks by its numbers, and the search for them.

Two strategies say which folders to look through, in turn: first the folders above, each with all below it, up to a top
folder; then the folders of an archive that came into being at about the same time, in a widening interval. A search
ends when all is found, when nothing is left to look through, or when its time is up, and says which.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from cloud.series.found import LeftOut, ReadHeader, Way, look
from cloud.series.group import mismatch
from cloud.series.header import Header
from cloud.series.read_header import read_header

MISSING_MAX: Final = 10_000
INTERVALS_S: Final = (3_600.0, 86_400.0, 7 * 86_400.0, 31 * 86_400.0)
"""How far from the series' folder in time, before or after, others may have been created: step by step wider."""
LIMIT_S: Final = 60.0
FOLDERS_MAX: Final = 200_000

Clock = Callable[[], float]
CreatedAt = Callable[[Path], float]
Folders = Iterable[Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingHeader:
    """An image that must exist by the numbers of its series, and is not here."""

    patient_name: str = field(repr=False)
    """As in `Header`; never shown."""
    study_uid: str
    """StudyInstanceUID."""
    series_uid: str
    """SeriesInstanceUID."""
    instance_number: int
    """InstanceNumber."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search for missing images came to."""

    found: tuple[Header, ...]
    """Images that fill gaps, each number once."""
    missing: tuple[MissingHeader, ...]
    """What is still missing."""
    left_out: tuple[LeftOut, ...]
    """Images of other folders that bear this series' UID and do not match it."""
    folder_count: int
    """Folders looked through."""
    is_timed_out: bool
    """Whether the time was up before all was looked through."""


def missing(members: Sequence[Header]) -> tuple[MissingHeader, ...]:
    """What the instance numbers of a series show to be missing: below the highest, and up to the number of images
    that a header counts. At most MISSING_MAX: a series that jumps further does not number its images one by one.
    """
    numbers = {each.instance_number for each in members if each.instance_number is not None}
    if not numbers:
        return ()
    counted = [each.images_in_acquisition for each in members if each.images_in_acquisition]
    last = max(numbers)
    if counted and min(numbers) >= 1:
        last = max(last, min(counted))
    first = min(1, *numbers)
    if last + 1 - first - len(numbers) > MISSING_MAX:
        return ()
    named = members[0]
    return tuple(
        MissingHeader(
            patient_name=named.patient_name,
            study_uid=named.study_uid,
            series_uid=named.series_uid,
            instance_number=number,
        )
        for number in range(first, last + 1)
        if number not in numbers
    )


def folders_above(folder: Path, top: Path) -> Iterator[Path]:
    """First strategy: the parent of `folder` with all folders below it, then the parent's parent, up to `top`.

    A folder that does not lie below `top` has nothing above it to look through.
    """
    folder, top = folder.resolve(), top.resolve()
    if not folder.is_relative_to(top):
        return
    if folder == top:
        yield from _with_all_below(top)
        return
    for above in folder.parents:
        yield from _with_all_below(above)
        if above == top:
            return


def folders_by_time(
    folder: Path, archive: Path, *, created_at: CreatedAt, intervals_s: Sequence[float] = INTERVALS_S
) -> Iterator[Path]:
    """Second strategy: folders of `archive` created within the first interval around the creation of `folder`, the
    nearest in time first, then those within the next; those beyond the last are not looked through. Of a larger
    archive the first FOLDERS_MAX folders are considered."""
    origin_s = created_at(folder)
    folders = islice(_with_all_below(archive.resolve()), FOLDERS_MAX)
    apart = sorted((abs(created_at(each) - origin_s), each) for each in folders)
    within_s = -1.0
    for interval_s in intervals_s:
        yield from (each for apart_s, each in apart if within_s < apart_s <= interval_s)
        within_s = interval_s


def created_at(folder: Path) -> float:
    """When `folder` was created, seconds since 1970. Linux does not tell Python 3.11: there, the earlier of its last
    change of contents and of attributes, which is never before the creation. -inf: it cannot be looked at."""
    try:
        found = folder.stat()
    except OSError:
        return float("-inf")
    return float(getattr(found, "st_birthtime", min(found.st_mtime, found.st_ctime)))


def search(
    wanted: Sequence[MissingHeader],
    current: Header,
    strategies: Iterable[Folders],
    *,
    looked: Iterable[Path] = (),
    way: Way = Way.EITHER,
    read: ReadHeader = read_header,
    clock: Clock = time.monotonic,
    limit_s: float = LIMIT_S,
) -> Search:
    """Looks through the folders of each strategy in turn for the images `wanted` of the series of `current`.

    Each folder is looked through once, those of `looked` not at all. Beyond `limit_s` on `clock` no file is opened.
    """
    left = {each.instance_number: each for each in wanted}
    found: list[Header] = []
    strange: list[LeftOut] = []
    seen = {folder.resolve() for folder in looked}
    already = len(seen)
    end_s = clock() + limit_s

    def answer(is_timed_out: bool) -> Search:
        return Search(
            found=tuple(found),
            missing=tuple(left.values()),
            left_out=tuple(strange),
            folder_count=len(seen) - already,
            is_timed_out=is_timed_out,
        )

    # Drawing on a strategy lists folders: not once all is found.
    walked = (folder for folders in strategies for folder in folders)
    while left and (folder := next(walked, None)) is not None:
        if folder in seen:
            continue
        if clock() >= end_s:
            return answer(True)
        seen.add(folder)
        for path in _files_of(folder):
            if clock() >= end_s:
                return answer(True)
            header = look(path, way, read=read)
            if isinstance(header, LeftOut) or header.series_uid != current.series_uid:
                continue
            reason = mismatch(current, header)
            if reason is not None:
                strange.append(LeftOut(path=path, reason=reason))
            elif header.instance_number in left:
                del left[header.instance_number]
                found.append(header)
    return answer(False)


def _with_all_below(folder: Path) -> Iterator[Path]:
    for parent, folders, _ in os.walk(folder):
        folders.sort()
        yield Path(parent)


def _files_of(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.is_dir())
    except OSError:
        return []
