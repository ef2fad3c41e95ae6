"""Part of step 11: classify. From a classifier's logits to calibrated probabilities, and when they are too
weak."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.infer import ModelInfo
from cloud.infer.errors import ModelInvalid

BRAIN = "brain"
OTHER_PLANE = "other"
"""What the plane model calls a picture that shows none of its planes."""
DEFAULT_TEMPERATURE = 1.0
DEFAULT_MIN_PROBABILITY = 0.6
"""Used where a card gives no threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """One classifier's answer for one picture."""

    label: str
    """The most probable class, also where it is too weak to rely on."""
    index: int
    """Its place in the model's outputs."""
    probabilities: Mapping[str, float]
    """Probability of every class, 0..1; they add up to 1."""
    sure: bool
    """Whether the answer reaches the model's threshold."""
    novelty: float | None = None
    """Distance of the picture from what the model learned from, about 1 for the like of it; None where the model
    does not say."""
    novel: bool = False
    """Whether that distance is beyond the card's."""

    @property
    def probability(self) -> float:
        """Probability of the named class."""
        return self.probabilities[self.label]


def classify(
    logits: NDArray[np.float32], info: ModelInfo, novelty: NDArray[np.float32] | None = None
) -> Classification:
    """Softmax of logits / temperature, in double precision; thresholds and temperature are the card's.

    `logits` is float32 of one value per label, `novelty` float32 of one value. Where the card's `abstain.against`
    names a class, the answer is that class or any other: of several others the most probable is named, as a
    hint, and what must reach the threshold is the probability of all of them together. Raises ModelInvalid when
    the number of logits differs from the labels' or one is not finite, or when the card's figures make no sense.
    """
    probabilities = _softmax(logits, info.labels, info, "calibration")
    index = int(probabilities.argmax())
    confidence = float(probabilities[index])
    against = _against(info)
    if against is not None:
        confidence = float(max(probabilities[against], 1 - probabilities[against]))
        if probabilities[against] < 0.5:
            others = probabilities.copy()
            others[against] = -1.0
            index = int(others.argmax())
        else:
            index = against
    distance = None if novelty is None else float(novelty[0])
    return Classification(
        label=info.labels[index],
        index=index,
        probabilities=dict(zip(info.labels, probabilities.tolist(), strict=True)),
        sure=confidence >= card_number(info, "abstain", "min_probability", DEFAULT_MIN_PROBABILITY),
        novelty=distance,
        novel=distance is not None and distance > card_number(info, "novelty", "max", math.inf),
    )


def _softmax(
    logits: NDArray[np.float32], labels: tuple[str, ...], info: ModelInfo, table: str
) -> NDArray[np.float64]:
    if logits.shape != (len(labels),) or not labels:
        raise ModelInvalid(info.name, f"it gave {logits.shape} logits for {len(labels)} labels")
    if not np.isfinite(logits).all():
        raise ModelInvalid(info.name, "it gave a logit that is not finite")
    temperature = card_number(info, table, "temperature", DEFAULT_TEMPERATURE)
    if temperature <= 0:
        raise ModelInvalid(info.name, "the card's temperature is not above 0")
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    return np.asarray(weights / weights.sum())


def _against(info: ModelInfo) -> int | None:
    """The class that the card sets against all others, by its place; None where it sets none."""
    section = info.card.get("abstain", {})
    name = section.get("against") if isinstance(section, Mapping) else None
    if name is None:
        return None
    if name not in info.labels:
        raise ModelInvalid(info.name, f"the card's abstain.against {name!r} is no label")
    return info.labels.index(name)


def card_number(info: ModelInfo, table: str, key: str, default: float) -> float:
    """A finite number of the model card, `default` where the card lacks it. Raises ModelInvalid for anything
    else."""
    section = info.card.get(table, {})
    value = section.get(key) if isinstance(section, Mapping) else None
    if value is None and isinstance(section, Mapping):
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ModelInvalid(info.name, f"the card's {table}.{key} is not a finite number")
    return float(value)
