"""Beside the thirteen steps: series: the account of a reconstruction: what was used, what was left out and why.

It names files by their place below the folder asked about, never a patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cloud.series.geometry import Plan
from cloud.series.reasons import LEFT_OUT, Refusal
from cloud.series.reconstruct import Series
from cloud.series.reslice import Slice


def account(series: Series, folder: Path, files: Mapping[str, Slice]) -> dict[str, Any]:
    """All of it, ready for JSON. `files`: the pictures written, by name."""
    return {
        "notice": "research use, not for diagnosis",
        "series_instance_uid": series.current.series_uid,
        "study_instance_uid": series.current.study_uid,
        "current": _place(series.current.path, folder),
        "used": _used(series, folder),
        "left_out": [
            {"file": _place(each.path, folder), "reason": each.reason, **_both(LEFT_OUT[each.reason])}
            for each in sorted(series.left_out, key=lambda each: str(each.path))
        ],
        "all_files_looked_at": series.is_whole,
        "gaps": {
            "missing_instance_numbers": [each.instance_number for each in series.gaps.missing],
            "found_elsewhere": [
                {"file": _place(each.path, folder), "instance_number": each.instance_number}
                for each in series.gaps.found
            ],
            "folders_searched": series.gaps.folder_count,
            "time_was_up": series.gaps.is_timed_out,
        },
        "geometry": _geometry(series.plan),
        "pictures": [{"file": name, **_picture(cut)} for name, cut in files.items()],
    }


def summary(series: Series, language: str) -> Iterable[str]:
    """It in lines for a person, without file names; `language` is `en` or `zh`."""
    used = len(series.plan.slices) if isinstance(series.plan, Plan) else 0
    yield f"{len(series.members)} images of the series, {used} slices used"
    for reason, count in Counter(each.reason for each in series.left_out).most_common():
        yield f"left out: {count} ({reason}) {LEFT_OUT[reason][language]}"
    if not series.is_whole:
        yield "the folder holds more files than are looked at"
    if series.gaps.missing:
        numbers = [str(each.instance_number) for each in series.gaps.missing]
        yield f"missing by number: {', '.join(numbers[:20])}{' ...' if len(numbers) > 20 else ''}"
    if isinstance(series.plan, Refusal):
        yield f"no reconstruction ({series.plan.reason}): {series.plan.sentence(language)}"
        return
    for note in series.plan.notes:
        yield f"note ({note.kind}): {note.sentence(language)}"


def _used(series: Series, folder: Path) -> list[dict[str, Any]]:
    if isinstance(series.plan, Refusal):
        return []
    return [
        {
            "file": _place(each.header.path, folder),
            "frame": each.frame_index,
            "instance_number": each.header.instance_number,
            "position_mm": each.place.position_mm,
            "along_mm": round(each.along_mm, 4),
        }
        for each in series.plan.slices
    ]


def _geometry(plan: Plan | Refusal) -> dict[str, Any]:
    if isinstance(plan, Refusal):
        return {
            "refusal": plan.reason,
            "values": dict(plan.values),
            **{language: plan.sentence(language) for language in ("en", "zh")},
        }
    return {
        "rows": plan.rows,
        "columns": plan.columns,
        "slices": plan.slice_count,
        "pixel_spacing_mm": plan.pixel_spacing_mm,
        "step_mm": plan.step_mm,
        "is_even": plan.is_even,
        "tilt_deg": plan.tilt_deg,
        "row_direction": plan.row_direction,
        "column_direction": plan.column_direction,
        "origin_mm": plan.origin_mm,
        "notes": [
            {
                "kind": note.kind,
                "values": dict(note.values),
                **{language: note.sentence(language) for language in ("en", "zh")},
            }
            for note in plan.notes
        ],
    }


def _picture(cut: Slice) -> dict[str, Any]:
    edges = cut.plane.edges
    return {
        "centre_mm": cut.plane.centre_mm,
        "u": cut.plane.u,
        "v": cut.plane.v,
        "pixel_mm": cut.plane.pixel_mm,
        "slab_mm": cut.slab_mm,
        "background": cut.background * cut.scale + cut.offset,
        "inside_share": round(cut.inside_share, 4),
        "edges": {"left": edges.left, "right": edges.right, "top": edges.top, "bottom": edges.bottom},
    }


def _both(sentences: Mapping[str, str]) -> dict[str, str]:
    return {"en": sentences["en"], "zh": sentences["zh"]}


def _place(path: Path, folder: Path) -> str:
    """Below the folder asked about, its place there; elsewhere, the whole path."""
    path, folder = path.absolute(), folder.absolute()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
