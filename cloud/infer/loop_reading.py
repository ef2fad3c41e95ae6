"""Part of step 11: what a reading says about a loop beyond what it says about a still, and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class BestReason(StrEnum):
    """What speaks for the frame that stands for a loop. The value is the code that readings carry."""

    PLANE_SURE = "PLANE_SURE"
    HEAD_CLEAR = "HEAD_CLEAR"
    HEAD_WHOLE = "HEAD_WHOLE"
    SHARP = "SHARP"
    ONLY_ONE = "ONLY_ONE"
    BEST_OF_WEAK = "BEST_OF_WEAK"


BEST_SENTENCES: Final[dict[BestReason, dict[str, str]]] = {
    BestReason.PLANE_SURE: {"en": "its plane is certain", "zh": "切面明确"},
    BestReason.HEAD_CLEAR: {"en": "the head's outline is clear", "zh": "胎头轮廓清晰"},
    BestReason.HEAD_WHOLE: {"en": "the whole head is in the image", "zh": "胎头完整"},
    BestReason.SHARP: {"en": "it is among the sharpest", "zh": "画面最为清晰"},
    BestReason.ONLY_ONE: {"en": "all frames show the same", "zh": "各帧画面相同"},
    BestReason.BEST_OF_WEAK: {"en": "the others are less certain still", "zh": "其余各帧更不明确"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReading:
    """What the first look at one frame said."""

    index: int
    """Place in the loop, from 0."""
    stands_for: int
    """Sampled frames in a row that show the same, this one among them: its weight."""
    plane: str
    """Its most probable plane."""
    probability: float
    """Probability of that plane."""
    head_confidence: float | None
    """Confidence of its head's outline, 0..1; None where no head was found."""
    hc_mm: float | None
    """Circumference of its head, millimetres; None without a head or a scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A length over several frames."""

    median: float
    """Median, in the length's unit."""
    spread: float
    """1.4826 times the median distance from the median: for a normal distribution its deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopMeasurements:
    """Lengths over the frames of the loop's plane whose head is clear and whole."""

    frame_count: int
    """How many frames that are."""
    lengths: Mapping[str, Spread]
    """By name: hc_px, bpd_px, ofd_px, cephalic_index; hc_mm, bpd_mm, ofd_mm where the scale is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopReading:
    """How the reading of a loop came about."""

    frame_count: int
    """Frames in the loop."""
    frame_rate_hz: float | None
    """Frames a second, where known."""
    best_frame: int
    """Place of the frame that outline, crop, heat map and measurements belong to, from 0."""
    best_reason: tuple[BestReason, ...]
    """What speaks for it; never empty."""
    per_frame: tuple[FrameReading, ...]
    """The frames that were looked at, in order."""
    plane_agreement: float
    """Share of the sampled frames that name the loop's plane."""
    finding_agreement: float | None
    """Share of the classified frames that name the loop's finding; None where none was classified."""
    finding_frames: tuple[int, ...]
    """Places of the frames that were classified."""
    measurements: LoopMeasurements | None
    """Lengths over the frames; None where no frame has a clear and whole head."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: lengths to 0.01, probabilities to 0.0001."""
        rate, finding = self.frame_rate_hz, self.finding_agreement
        return {
            "frame_count": self.frame_count,
            "frame_rate_hz": None if rate is None else round(rate, 3),
            "sampled": [frame.index for frame in self.per_frame],
            "best_frame": self.best_frame,
            "best_reason": [reason.value for reason in self.best_reason],
            "per_frame": [_frame_json(frame) for frame in self.per_frame],
            "agreement": {
                "plane": round(self.plane_agreement, 4),
                "finding": None if finding is None else round(finding, 4),
            },
            "finding_frames": list(self.finding_frames),
            "measurements": _measurements_json(self.measurements) if self.measurements else None,
        }


def _frame_json(frame: FrameReading) -> dict[str, Any]:
    confidence, hc_mm = frame.head_confidence, frame.hc_mm
    return {
        "index": frame.index,
        "stands_for": frame.stands_for,
        "plane": frame.plane,
        "probability": round(frame.probability, 4),
        "head_confidence": None if confidence is None else round(confidence, 4),
        "hc_mm": None if hc_mm is None else round(hc_mm, 2),
    }


def _measurements_json(measured: LoopMeasurements) -> dict[str, Any]:
    lengths = {
        name: {"median": round(length.median, 4), "spread": round(length.spread, 4)}
        for name, length in measured.lengths.items()
    }
    return {"frame_count": measured.frame_count, "lengths": lengths}
