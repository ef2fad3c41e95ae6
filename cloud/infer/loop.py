"""Part of step 11: loop. Reads a moving image: a look at each sampled frame, the best one in full, one result.

The look is plane and head alone. The loop's plane is the one with the highest mean log-probability over the
frames (their normalised geometric mean, so that a frame that is sure counts more than one that wavers), each
probability taken as at least `PROBABILITY_FLOOR`, so that no single frame can veto; a frame weighs as many
sampled frames as it stands for. The best frame is the one
with the highest score among those that name this plane:

    P(plane) x confidence of the head x (1 whole, 1/2 cut off or several) x (1/2 + sharpness / 2 x the sharpest)

without the head's factors where the plane is not the brain. The finding is the median of each class over the
best `FINDING_FRAMES` frames with a head, scaled to a sum of 1: one odd frame cannot change it. Outline, crop,
heat map and measurements are the best frame's own. What the best frame or most of the classified frames
abstain from, the loop abstains from; it also does where its frames disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.classify import BRAIN
from cloud.infer.decode import Still
from cloud.infer.errors import ImageUnreadable
from cloud.infer.frames import Loop, sampled
from cloud.infer.loop_reading import BestReason, FrameReading, LoopMeasurements, LoopReading, Spread
from cloud.infer.preprocess import as_gray
from cloud.infer.reasons import AbstainReason

if TYPE_CHECKING:
    from cloud.infer.pipeline import ReadResult
    from cloud.infer.reading import Reading

FINDING_FRAMES: Final = 5
PROBABILITY_FLOOR: Final = 1e-3
MIN_PLANE_AGREEMENT: Final = 0.6
"""Below this share of frames that name the loop's plane, the frames disagree."""
MIN_FINDING_AGREEMENT: Final = 0.8
"""Below this share of classified frames that name the loop's finding, they disagree: of five, two do."""
SHARP_SHARE: Final = 0.9
"""A frame this sharp, against the sharpest, counts as sharp."""
_SHARPNESS_SIDE_PX: Final = 96
_DEVIATIONS: Final = 1.4826
_LENGTHS: Final = ("hc_px", "bpd_px", "ofd_px", "cephalic_index", "hc_mm", "bpd_mm", "ofd_mm")
_NOT_WHOLE: Final = frozenset({AbstainReason.HEAD_CUT_OFF, AbstainReason.SEVERAL_HEADS})
_T = TypeVar("_T")


class Depth(Enum):
    """How far a frame is read."""

    LOOK = "look"
    """Plane and head."""
    READ = "read"
    """Everything; nobody waits for its pictures."""
    SHOW = "show"
    """Everything; its pictures are the loop's."""


class ReadFrame(Protocol):
    """Reads one frame as a still."""

    def __call__(self, still: Still, depth: Depth) -> ReadResult: ...


Timed = Callable[[], AbstractContextManager[None]]
"""Counts the time inside as decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A frame after the look."""

    index: int
    reading: Reading
    sharpness: float
    weight: int

    @property
    def has_sure_head(self) -> bool:
        unsure = {*_NOT_WHOLE, AbstainReason.HEAD_UNCERTAIN}
        return self.reading.head is not None and unsure.isdisjoint(self.reading.abstain_reasons)


def read_loop(loop: Loop, read: ReadFrame, timed: Timed) -> ReadResult:
    """Reads a loop; see the module's text. Raises ImageUnreadable, and what `read` raises."""
    seen = _looked_at(loop, read, timed)
    probabilities = _mean_plane(seen)
    plane = max({one.reading.plane for one in seen}, key=lambda name: (probabilities[name], name))
    of_plane = [one for one in seen if one.reading.plane == plane]
    ranked = _ranked(of_plane, plane)
    best = ranked[0]
    wanted = [best, *(one for one in ranked[1:FINDING_FRAMES] if plane == BRAIN and one.reading.head)]
    results = _read(loop, sorted(one.index for one in wanted), best.index, read, timed)
    shown = results[best.index]
    classified = {
        index: result.reading for index, result in results.items() if result.reading.finding is not None
    }
    finding, finding_probabilities = _median_finding(list(classified.values()))
    about = LoopReading(
        frame_count=loop.frame_count,
        frame_rate_hz=loop.frame_rate_hz,
        best_frame=best.index,
        best_reason=_best_reason(best, of_plane, len(seen)),
        per_frame=tuple(_frame(one) for one in seen),
        plane_agreement=sum(one.weight for one in of_plane) / sum(one.weight for one in seen),
        finding_agreement=_share([one.finding for one in classified.values()], finding),
        finding_frames=tuple(sorted(classified)),
        measurements=_measured([one.reading for one in of_plane if one.has_sure_head]),
    )
    reasons = {*shown.reading.abstain_reasons, *_usual(list(classified.values()))}
    if _disagrees(about) or finding != shown.reading.finding:
        reasons.add(AbstainReason.FRAMES_DISAGREE)
    reading = replace(
        shown.reading,
        plane=plane,
        plane_probabilities=probabilities,
        finding=finding,
        finding_probabilities=finding_probabilities,
        abstain_reasons=tuple(reason for reason in AbstainReason if reason in reasons),
        loop=about,
    )
    return replace(shown, reading=reading)


def _looked_at(loop: Loop, read: ReadFrame, timed: Timed) -> list[_Seen]:
    """The look at each sampled frame; one that shows what the one before showed adds to that one's weight."""
    seen: list[_Seen] = []
    for index, pixels in _decoded(sampled(loop), timed):
        if pixels is None:
            seen[-1] = replace(seen[-1], weight=seen[-1].weight + 1)
            continue
        reading = read(Still(pixels=pixels, scale=loop.scale), Depth.LOOK).reading
        seen.append(_Seen(index=index, reading=reading, sharpness=_sharpness(pixels, reading), weight=1))
    if not seen:
        raise ImageUnreadable("the loop has no frame")
    return seen


def _decoded(frames: Iterator[_T], timed: Timed) -> Iterator[_T]:
    while True:
        with timed():
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _read(
    loop: Loop, indices: Sequence[int], best: int, read: ReadFrame, timed: Timed
) -> dict[int, ReadResult]:
    """The chosen frames in full: they are decoded again, for they were not kept."""
    results: dict[int, ReadResult] = {}
    for index, pixels in zip(indices, _decoded(loop.frames(indices), timed), strict=True):
        depth = Depth.SHOW if index == best else Depth.READ
        results[index] = read(Still(pixels=pixels, scale=loop.scale), depth)
    return results


def _sharpness(pixels: NDArray[np.uint8], reading: Reading) -> float:
    """Variance of the Laplacian of the head's box, or of the whole frame, at a size where speckle is gone."""
    gray = as_gray(pixels)
    if reading.head is not None:
        box = reading.head.annotation.rectangle
        gray = gray[box.y : box.y + box.h, box.x : box.x + box.w]
    small = cv2.resize(gray, (_SHARPNESS_SIDE_PX, _SHARPNESS_SIDE_PX), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_32F).var())


def _mean_plane(frames: Sequence[_Seen]) -> dict[str, float]:
    """Normalised geometric mean of each plane's probability, each frame by its weight."""
    names = list(frames[0].reading.plane_probabilities)
    values = [[one.reading.plane_probabilities[name] for name in names] for one in frames]
    logarithms = np.log(np.maximum(values, PROBABILITY_FLOOR))
    means = np.exp(np.average(logarithms, axis=0, weights=[one.weight for one in frames]))
    return dict(zip(names, (means / means.sum()).tolist(), strict=True))


def _sharpest(frames: Sequence[_Seen]) -> float:
    """Sharpness of the sharpest; a box and a whole frame are not compared."""
    with_head = [one for one in frames if one.reading.head is not None] or frames
    return max(max(one.sharpness for one in with_head), 1e-6)


def _ranked(frames: Sequence[_Seen], plane: str) -> list[_Seen]:
    """By score, highest first; of equal ones the earliest."""
    sharpest = _sharpest(frames)

    def score(one: _Seen) -> tuple[float, float]:
        reading = one.reading
        shown = reading.plane_probabilities[plane] * (0.5 + min(1.0, one.sharpness / sharpest) / 2)
        confidence = reading.head.confidence if reading.head else 0.0
        whole = 1.0 if _NOT_WHOLE.isdisjoint(reading.abstain_reasons) else 0.5
        return (shown * confidence * whole if plane == BRAIN else shown), shown

    return sorted(frames, key=score, reverse=True)


def _best_reason(best: _Seen, frames: Sequence[_Seen], seen: int) -> tuple[BestReason, ...]:
    reasons, head = set(best.reading.abstain_reasons), best.reading.head is not None
    table = (
        (seen == 1, BestReason.ONLY_ONE),
        (AbstainReason.PLANE_UNCERTAIN not in reasons, BestReason.PLANE_SURE),
        (head and AbstainReason.HEAD_UNCERTAIN not in reasons, BestReason.HEAD_CLEAR),
        (head and _NOT_WHOLE.isdisjoint(reasons), BestReason.HEAD_WHOLE),
        (seen > 1 and best.sharpness >= SHARP_SHARE * _sharpest(frames), BestReason.SHARP),
    )
    return tuple(reason for applies, reason in table if applies) or (BestReason.BEST_OF_WEAK,)


def _median_finding(readings: Sequence[Reading]) -> tuple[str | None, dict[str, float] | None]:
    """The finding over the classified frames: median probability of each class, scaled to a sum of 1."""
    given = [one.finding_probabilities for one in readings if one.finding_probabilities is not None]
    if not given:
        return None, None
    names = list(given[0])
    medians = np.median([[one[name] for name in names] for one in given], axis=0)
    # Where frames contradict each other every median may be 0: then no class is more probable than another.
    total = float(medians.sum())
    shares = medians / total if total > 0 else np.full(len(names), 1 / len(names))
    return names[int(shares.argmax())], dict(zip(names, shares.tolist(), strict=True))


def _usual(readings: Sequence[Reading]) -> set[AbstainReason]:
    """Reasons that more than half of the classified frames have."""
    return {
        reason
        for reason in AbstainReason
        if 2 * sum(reason in one.abstain_reasons for one in readings) > len(readings)
    }


def _share(names: Sequence[str | None], name: str | None) -> float | None:
    return sum(one == name for one in names) / len(names) if names else None


def _disagrees(about: LoopReading) -> bool:
    finding = about.finding_agreement
    return about.plane_agreement < MIN_PLANE_AGREEMENT or (
        finding is not None and finding < MIN_FINDING_AGREEMENT
    )


def _frame(one: _Seen) -> FrameReading:
    reading = one.reading
    return FrameReading(
        index=one.index,
        stands_for=one.weight,
        plane=reading.plane,
        probability=reading.plane_probabilities[reading.plane],
        head_confidence=reading.head.confidence if reading.head else None,
        hc_mm=reading.measurements.hc_mm if reading.measurements else None,
    )


def _measured(readings: Sequence[Reading]) -> LoopMeasurements | None:
    measured = [one.measurements for one in readings if one.measurements is not None]
    if not measured:
        return None
    lengths: dict[str, Spread] = {}
    for name in _LENGTHS:
        values = [value for one in measured if (value := getattr(one, name)) is not None]
        if values:
            median = float(np.median(values))
            spread = _DEVIATIONS * float(np.median(np.abs(np.array(values) - median)))
            lengths[name] = Spread(median=median, spread=spread)
    return LoopMeasurements(frame_count=len(measured), lengths=lengths)
