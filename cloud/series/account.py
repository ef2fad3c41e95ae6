"""Beside the thirteen steps: series: the account of a reconstruction: what was used, what was left out and why.

It names files by their place below the folder asked about, never a patient.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

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


_LINES: Final[dict[str, dict[str, str]]] = {
    "used": {
        "en": "{members} images of the series, {used} slices used",
        "zh": "该序列有 {members} 幅图像，使用 {used} 个层面",
    },
    "left_out": {"en": "left out: {count} ({code}) {sentence}", "zh": "未使用：{count}（{code}）{sentence}"},
    "not_whole": {
        "en": "the folder holds more files than are looked at",
        "zh": "文件夹中的文件数超过检查上限",
    },
    "missing": {"en": "missing by number: {numbers}", "zh": "按编号缺少：{numbers}"},
    "timed_out": {
        "en": "the time was up before all folders were searched",
        "zh": "搜索时间已到，未检查全部文件夹",
    },
    "refused": {"en": "no reconstruction ({code}): {sentence}", "zh": "无法重建（{code}）：{sentence}"},
    "note": {"en": "note ({code}): {sentence}", "zh": "注意（{code}）：{sentence}"},
    "pictures": {
        "en": "{count} pictures. Research use, not for diagnosis.",
        "zh": "{count} 幅图片。仅供研究，不用于诊断。",
    },
}


def summary(series: Series, picture_count: int, language: str) -> Iterable[str]:
    """It in lines for a person, without file names; `language` is `en` or `zh`."""

    def line(name: str, **values: object) -> str:
        return _LINES[name][language].format(**values)

    used = len(series.plan.slices) if isinstance(series.plan, Plan) else 0
    yield line("used", members=len(series.members), used=used)
    for reason, count in Counter(each.reason for each in series.left_out).most_common():
        yield line("left_out", count=count, code=reason, sentence=LEFT_OUT[reason][language])
    if not series.is_whole:
        yield line("not_whole")
    if series.gaps.missing:
        numbers = [str(each.instance_number) for each in series.gaps.missing]
        yield line("missing", numbers=", ".join(numbers[:20]) + (" ..." if len(numbers) > 20 else ""))
    if series.gaps.is_timed_out:
        yield line("timed_out")
    if isinstance(series.plan, Refusal):
        yield line("refused", code=series.plan.reason, sentence=series.plan.sentence(language))
    else:
        for note in series.plan.notes:
            yield line("note", code=note.kind, sentence=note.sentence(language))
    yield line("pictures", count=picture_count)


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
    place = path.relative_to(folder) if path.is_relative_to(folder) else path
    # Names of files are bytes; those of older Chinese systems are often GB 18030 and no UTF-8.
    return os.fsencode(place).decode("utf-8", "backslashreplace")
