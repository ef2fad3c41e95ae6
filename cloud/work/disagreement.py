"""Part of step 11: how the answers of a shadow and of the live version to one image differ, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.pipeline import BRAIN_MODEL, PLANE_MODEL, SEGMENT_MODEL

_LABELS: Final = {
    PLANE_MODEL: ("plane", "plane_probabilities"),
    BRAIN_MODEL: ("finding", "finding_probabilities"),
}
"""Where a reading has the label and the probabilities of each classifier."""
_INSIDE: Final = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """The numbers; None where one of the two has no such answer, or the model gives none."""

    same_label: bool | None = None
    """Whether the most probable class is the same."""
    probability_difference: float | None = None
    """Largest absolute difference of a class's probability, 0..1."""
    dice: float | None = None
    """Overlap of the masks, 2 |A and B| / (|A| + |B|), 0..1; 1 where both are empty."""
    hc_difference_mm: float | None = None
    """Head circumference of the shadow minus that of the live version, millimetres."""


def disagreement(
    model: str,
    live: Mapping[str, Any],
    shadow: Mapping[str, Any],
    live_mask: bytes | None,
    shadow_mask: bytes | None,
) -> Disagreement:
    """Compares the answers of one model in two readings (their JSON) and their masks (PNG)."""
    if model in _LABELS:
        label, probabilities = _LABELS[model]
        if live[label] is None or shadow[label] is None:
            return Disagreement()
        return Disagreement(
            same_label=live[label] == shadow[label],
            probability_difference=_largest_difference(live[probabilities], shadow[probabilities]),
        )
    if model != SEGMENT_MODEL:
        return Disagreement()
    return Disagreement(
        dice=dice(live_mask, shadow_mask) if live_mask and shadow_mask else None,
        hc_difference_mm=_hc_difference_mm(live, shadow),
    )


def dice(one: bytes, other: bytes) -> float | None:
    """Overlap of two masks (PNG, inside is bright); None where they have different sizes."""
    first, second = _inside(one), _inside(other)
    if first.shape != second.shape:
        return None
    total = int(first.sum()) + int(second.sum())
    return 1.0 if total == 0 else 2.0 * int((first & second).sum()) / total


def _inside(png: bytes) -> NDArray[np.bool_]:
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    return np.asarray(pixels) > _INSIDE


def _largest_difference(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return max(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in {*one, *other})


def _hc_difference_mm(live: Mapping[str, Any], shadow: Mapping[str, Any]) -> float | None:
    before, after = ((reading["measurements"] or {}).get("hc_mm") for reading in (live, shadow))
    return None if before is None or after is None else float(after - before)
