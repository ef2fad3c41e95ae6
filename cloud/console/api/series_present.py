"""Step 13 of 13: console. Series and uploads as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cloud.console.api.series_models import (
    FileAccount,
    Frames,
    Geometry,
    LeftOut,
    Missing,
    MprState,
    Said,
    SeriesFacts,
    SeriesItem,
    UploadAccount,
    UploadSeries,
    ValueRange,
    Window,
    WindowPreset,
)
from cloud.policy.sex import SexPolicy
from cloud.series.messages import GeometryFacts, OpenedFacts
from cloud.series.reasons import Refusal
from cloud.series.rows import FileRow, UploadRow
from cloud.series.stored import SeriesRow
from cloud.series.upload_reasons import reason_of, words
from cloud.series.uploads import FILE_MAX_BYTES

_CT: Final = (
    WindowPreset(name_en="brain", name_zh="脑", center=40, width=80),
    WindowPreset(name_en="soft tissue", name_zh="软组织", center=50, width=400),
    WindowPreset(name_en="abdomen", name_zh="腹部", center=40, width=350),
    WindowPreset(name_en="lung", name_zh="肺", center=-600, width=1500),
    WindowPreset(name_en="bone", name_zh="骨", center=400, width=1800),
)
PRESETS: Final[Mapping[str, Sequence[WindowPreset]]] = {"CT": _CT}
"""Usual windows by modality, in Hounsfield units; other modalities have no fixed unit."""


def said(reason: Refusal) -> Said:
    """A refusal in words."""
    return Said(code=reason.reason.value, en=reason.sentence("en"), zh=reason.sentence("zh"))


def item(row: SeriesRow, sex: SexPolicy) -> SeriesItem:
    """A row of the list."""
    return SeriesItem(**_shared(row, row.refusal, sex))


def facts(row: SeriesRow, opened: OpenedFacts, sex: SexPolicy) -> SeriesFacts:
    """All that is known."""
    shared = _shared(row, opened.refusal, sex)
    shared |= {
        "kind": opened.kind,
        "image_count": opened.image_count,
        "frame_count": opened.frame_count,
    }
    center, width = opened.default_window
    low, high = opened.value_range
    return SeriesFacts(
        **shared,
        geometry=_geometry(opened.geometry) if opened.geometry else None,
        presets=list(PRESETS.get(row.modality, ())),
        default_window=Window(center=center, width=width),
        value_range=ValueRange(low=low, high=high),
        unit=opened.unit,
        scale=opened.scale,
        offset=opened.offset,
        frames=Frames(count=opened.frame_count, frame_time_ms=opened.frame_time_ms),
        left_out=[LeftOut(reason=Said(**each.reason), count=each.count) for each in opened.left_out],
        missing=[
            Missing(number=each.number, found=Said(**each.found) if each.found else None)
            for each in opened.missing
        ],
    )


def account(
    upload: UploadRow,
    files: Sequence[FileRow],
    paths: Mapping[bytes, str | None],
    series: Sequence[SeriesRow],
    sex: SexPolicy,
) -> UploadAccount:
    """What became of an upload; `paths` by the files' hashes."""
    added = [each.series_id for each in files]
    return UploadAccount(
        upload_id=upload.upload_id,
        begun_time=upload.begun_time,
        finished_time=upload.finished_time,
        ledger_index=upload.ledger_index,
        file_max_bytes=FILE_MAX_BYTES,
        file_count=len(files),
        used_count=sum(each.reason is None for each in files),
        series=[
            UploadSeries(added_count=added.count(row.series_id), series=item(row, sex)) for row in series
        ],
        not_used=[
            file_account(each, paths[each.path_sha256], sex) for each in files if each.reason is not None
        ],
    )


def file_account(file: FileRow, path: str | None, sex: SexPolicy) -> FileAccount:
    """What became of a file; a path is a text that a person made."""
    path = None if path is None else sex.text(path)
    if file.reason is None:
        return FileAccount(path=path, reason=None)
    sentence = words(reason_of(file.reason))
    return FileAccount(path=path, reason=Said(code=file.reason, en=sentence["en"], zh=sentence["zh"]))


def _shared(row: SeriesRow, refusal: Refusal | None, sex: SexPolicy) -> dict[str, Any]:
    same = ("series_id", "modality", "kind", "image_count", "frame_count", "body_part", "number", "study_id")
    more = ("patient", "received_time", "version", "source")
    shown = {name: getattr(row, name) for name in (*same, *more)}
    reason = None if refusal is None else said(refusal)
    shown |= {name: sex.label(shown[name]) for name in ("modality", "body_part") if shown[name]}
    return {**shown, "mpr": MprState(ready=refusal is None, reason=reason)}


def _geometry(found: GeometryFacts) -> Geometry:
    values = {name: getattr(found, name) for name in GeometryFacts.__dataclass_fields__}
    return Geometry(**{**values, "remarks": [Said(**each) for each in found.remarks]})
