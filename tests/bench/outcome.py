"""Rows of the benchmark table: a median, a ratio, a goal, and where the time went."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One benchmark."""

    name: str
    """What was measured."""
    ours: float
    """Our figure, median, in `unit`."""
    peer: float
    """The peer's or the limit's figure in the same run, median, in `unit`."""
    unit: str
    """Unit of both."""
    ratio: float
    """The figure that counts."""
    goal: str
    """At least or at most, as text: ">= 0.6"."""
    met: bool
    """Whether the ratio meets the goal."""
    profile: dict[str, float] = field(default_factory=dict)
    """Where the time went: milliseconds an image, by step (medians) or by process."""
    notes: str = ""
    """What a reader must know to judge the figure."""


def row(
    name: str, ours: float, peer: float, unit: str, ratio: float, at: str, bound: float,
    profile: dict[str, float] | None = None, notes: str = "",
) -> Row:  # fmt: skip
    """A row whose goal is `ratio` `at` (">=" or "<=") `bound`."""
    met = ratio >= bound if at == ">=" else ratio <= bound
    return Row(
        name=name, ours=ours, peer=peer, unit=unit, ratio=ratio, goal=f"{at} {bound:g}", met=met,
        profile=profile or {}, notes=notes,
    )  # fmt: skip


def medians(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    """Median of each key over the samples that have it."""
    keys = dict.fromkeys(key for sample in samples for key in sample)
    return {key: statistics.median(s[key] for s in samples if key in s) for key in keys}


def show(rows: Sequence[Row]) -> None:
    """Prints the table; a goal that is missed is followed by its profile."""
    print(f"\n{'benchmark':<44} {'ours':>9} {'peer':>9} {'unit':<9} {'ratio':>7}  goal")
    for r in rows:
        mark = "met" if r.met else "MISSED"
        print(f"{r.name:<44} {r.ours:>9.1f} {r.peer:>9.1f} {r.unit:<9} {r.ratio:>7.2f}  {r.goal:<8} {mark}")
        if r.notes:
            print(f"    {r.notes}")
        if r.profile and not r.met:
            total = sum(r.profile.values())
            for step, duration_ms in sorted(r.profile.items(), key=lambda item: -item[1]):
                print(f"    {step:<32} {duration_ms:>8.1f} ms {100 * duration_ms / total:>5.0f} %")


def save(rows: Sequence[Row], folder: Path) -> Path:
    """Writes the rows as JSON with the machine's description; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    machine = {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "processor": next(
            (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), "unknown"
        ),
    }
    path.write_text(json.dumps({"machine": machine, "rows": [asdict(r) for r in rows]}, indent=1) + "\n")
    return path


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
