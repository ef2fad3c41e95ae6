"""Beside the thirteen steps: series: from the image now read to a volume: find, group, search the gaps, plan, build."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cloud.series.errors import SeriesRefused, SliceUnreadable
from cloud.series.found import Found, LeftOut, Way, find
from cloud.series.gaps import LIMIT_S, Clock, Folders, Search, missing, search
from cloud.series.geometry import Geometry, Plan, understand
from cloud.series.group import THRESHOLD, group
from cloud.series.header import Header
from cloud.series.pixels import read_slice
from cloud.series.reasons import LeftOutReason, Refusal
from cloud.series.volume import MEMORY_CAP_BYTES, OnSlice, Volume, build

OnStage = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All that is known of the series of one image."""

    current: Header
    """The image now read."""
    members: tuple[Header, ...]
    """Images of the series, found ones among them."""
    left_out: tuple[LeftOut, ...]
    """Files that take no part."""
    gaps: Search
    """What the numbers showed to be missing, and what the search found of it."""
    is_whole: bool
    """False: the folder held more files than are looked at."""
    plan: Plan | Refusal
    """The stack, or why there is none."""


def gather(
    current: Header,
    folder: Path,
    strategies: Iterable[Folders] = (),
    *,
    way: Way = Way.EITHER,
    threshold: int = THRESHOLD,
    clock: Clock = time.monotonic,
    limit_s: float = LIMIT_S,
    on_stage: OnStage = lambda text: None,
) -> Series:
    """The series of `current` in `folder` and all below it, its gaps filled from the folders of `strategies`.

    Reads headers only.
    """
    found: Found = find(folder, way)
    on_stage(f"{len(found.headers) + len(found.left_out)} files, {len(found.headers)} headers")
    grouped = group(current, found.headers)
    wanted = missing(grouped.members)
    on_stage(f"{len(grouped.members)} images of the series, {len(wanted)} missing by number")
    # All below the folder was looked through already.
    looked = [folder, *(path for path in folder.rglob("*") if path.is_dir())] if wanted else []
    gaps = search(wanted, current, strategies, looked=looked, way=way, clock=clock, limit_s=limit_s)
    if wanted:
        on_stage(f"{len(gaps.found)} of them found in {gaps.folder_count} other folders")
    whole = group(current, [*grouped.members, *gaps.found])
    geometry: Geometry = understand(whole.members, current, threshold=threshold)
    return Series(
        current=current,
        members=whole.members,
        left_out=(*found.left_out, *grouped.left_out, *gaps.left_out, *geometry.left_out),
        gaps=gaps,
        is_whole=found.is_whole,
        plan=geometry.result,
    )


def reconstruct(
    series: Series,
    *,
    threshold: int = THRESHOLD,
    cap_bytes: int = MEMORY_CAP_BYTES,
    on_slice: OnSlice = lambda done, total: None,
) -> tuple[Series, Volume | None]:
    """The volume of a series, and the series as it is then; None: its `plan` is a refusal that says why not.

    Slices whose pixels cannot be decoded are left out, and the rest is planned again.
    """
    while not isinstance(plan := series.plan, Refusal):
        try:
            return series, build(plan, cap_bytes=cap_bytes, on_slice=on_slice)
        except SeriesRefused as refused:
            series = replace(series, plan=refused.refusal)
        except SliceUnreadable:
            series = _without_unreadable(series, plan, threshold)
    return series, None


def _without_unreadable(series: Series, plan: Plan, threshold: int) -> Series:
    """The series planned again without the files whose pixels cannot be decoded; at least one cannot."""
    broken: set[Path] = set()
    for each in plan.slices:
        try:
            read_slice(each)
        except SliceUnreadable as unreadable:
            broken.add(unreadable.path)
    members = tuple(each for each in series.members if each.path not in broken)
    geometry = understand(members, series.current, threshold=threshold)
    told = {each.path for each in series.left_out}
    more = (
        *(LeftOut(path=path, reason=LeftOutReason.PIXELS_UNREADABLE) for path in sorted(broken)),
        *(each for each in geometry.left_out if each.path not in told),
    )
    return replace(series, members=members, left_out=(*series.left_out, *more), plan=geometry.result)
