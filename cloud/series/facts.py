"""Beside the thirteen steps: series: all that is told of an opened series: where it lies, what is left out, what is
missing."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import SimpleITK as sitk

from cloud.series.errors import SliceInvalid, SliceUnreadable
from cloud.series.gaps import INTERVALS_S
from cloud.series.geometry import Plan
from cloud.series.messages import (
    GeometryFacts,
    LeftOutFacts,
    MissingFacts,
    OpenedFacts,
    Sentence,
    StoredBytes,
)
from cloud.series.opened import OpenSeries
from cloud.series.reasons import LEFT_OUT, NOTES, Refusal
from cloud.series.shown import shown_frame
from cloud.series.volume import Volume
from cloud.series.window import proposed, proposed_for_frame

MISSING_SHOWN: Final = 500


_FOUND: Final[dict[str, dict[str, str]]] = {
    "OTHER_FOLDER": {
        "en": "In another folder of the same upload.",
        "zh": "在同一次上传的其他文件夹中找到。",
    },
    "OTHER_UPLOAD_NEAR": {
        "en": "In another upload, at most an hour apart.",
        "zh": "在另一次上传中找到，时间相差不超过一小时。",
    },
    "OTHER_UPLOAD_DAYS": {
        "en": "In another upload, at most a month apart.",
        "zh": "在另一次上传中找到，时间相差不超过一个月。",
    },
    "OTHER_UPLOAD_FAR": {
        "en": "In another upload, more than a month apart.",
        "zh": "在另一次上传中找到，时间相差超过一个月。",
    },
}


def facts_of(series: OpenSeries) -> OpenedFacts:
    """All of it. Where the plan allows a volume it must have been built, or refused, before."""
    volume, plan = series.volume, series.plan
    current = series.series.current
    window = proposed(current, volume) if volume else _window(series)
    low, high = _range(volume) if volume else (window[0] - window[1] / 2, window[0] + window[1] / 2)
    return OpenedFacts(
        kind=series.kind,
        image_count=len(series.members),
        frame_count=series.frame_count,
        frame_time_ms=_frame_time_ms(series),
        refusal=plan if isinstance(plan, Refusal) else None,
        geometry=_geometry(plan, volume) if isinstance(plan, Plan) and volume else None,
        default_window=list(window),
        value_range=[low, high],
        unit="HU" if current.modality == "CT" else "",
        scale=volume.scale if volume else 1.0,
        offset=volume.offset if volume else 0.0,
        left_out=[
            LeftOutFacts(reason=_sentence(reason, LEFT_OUT[reason]), count=count)
            for reason, count in Counter(each.reason for each in series.series.left_out).items()
        ],
        missing=list(itertools.islice(_gaps(series), MISSING_SHOWN)),
    )


def _window(series: OpenSeries) -> tuple[float, float]:
    """Of the image in the middle; a byte's range where that cannot be read."""
    header, open_bytes = series.image(len(series.members) // 2)
    try:
        return proposed_for_frame(header, shown_frame(header, open_bytes, 0))
    except (SliceInvalid, SliceUnreadable):
        return 128.0, 256.0


def _frame_time_ms(series: OpenSeries) -> float | None:
    rate_hz = next((each.frame_rate_hz for each in series.members if each.frame_count > 1), None)
    return 1000 / rate_hz if rate_hz else None


def _range(volume: Volume) -> tuple[float, float]:
    stored = sitk.GetArrayViewFromImage(volume.image)
    low, high = float(stored.min()), float(stored.max())
    return low * volume.scale + volume.offset, high * volume.scale + volume.offset


def _geometry(plan: Plan, volume: Volume) -> GeometryFacts:
    image = volume.image
    directions = np.array(image.GetDirection()).reshape(3, 3)
    corners = np.array(
        [
            image.TransformContinuousIndexToPhysicalPoint(corner)
            for corner in itertools.product(*[(-0.5, size - 0.5) for size in image.GetSize()])
        ]
    )
    bounds = np.stack([corners.min(axis=0), corners.max(axis=0)], axis=1)
    return GeometryFacts(
        origin_mm=list(image.GetOrigin()),
        center_mm=list(volume.centre_mm),
        axes=[list(map(float, axis)) for axis in directions.T],
        spacing_mm=list(image.GetSpacing()),
        size=list(image.GetSize()),
        bounding_mm=[float(value) for value in bounds.ravel()],
        tilt_deg=plan.tilt_deg,
        resampled=not plan.is_even,
        remarks=[
            _sentence(note.kind, {name: note.sentence(name) for name in NOTES[note.kind]})
            for note in plan.notes
        ],
    )


def _gaps(series: OpenSeries) -> Iterable[MissingFacts]:
    """What the numbers of the folder where most images lie do not have: with where it was found, or nowhere."""
    lying = {header.path: series.bytes_of[header.path] for header in series.members}
    homes = Counter((each.upload_id, each.folder) for each in lying.values())
    (home, _), *_ = homes.most_common(1)
    home_s = min(each.received_s for each in lying.values() if (each.upload_id, each.folder) == home)
    numbered = [
        (header.instance_number, _where(lying[header.path], home, home_s))
        for header in series.members
        if header.instance_number is not None
    ]
    found = [MissingFacts(number=number, found=where) for number, where in numbered if where is not None]
    nowhere = [MissingFacts(number=each.instance_number, found=None) for each in series.series.gaps.missing]
    yield from sorted((*found, *nowhere), key=lambda each: each.number)


def _where(each: StoredBytes, home: tuple[str, str], home_s: float) -> Sentence | None:
    """Where an image lies that is not at home."""
    if (each.upload_id, each.folder) == home:
        return None
    if each.upload_id == home[0]:
        return _sentence("OTHER_FOLDER", _FOUND["OTHER_FOLDER"])
    apart_s = abs(each.received_s - home_s)
    code = next((name for name, within_s in _WITHIN_S.items() if apart_s <= within_s), "OTHER_UPLOAD_FAR")
    return _sentence(code, _FOUND[code])


_WITHIN_S: Final = {"OTHER_UPLOAD_NEAR": INTERVALS_S[0], "OTHER_UPLOAD_DAYS": INTERVALS_S[-1]}


def _sentence(code: str, words: Mapping[str, str]) -> Sentence:
    return {"code": str(code), "en": words["en"], "zh": words["zh"]}
