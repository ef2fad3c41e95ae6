"""Part of step 11: classify. From a classifier's logits to calibrated probabilities, and when they are too
weak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.infer import ModelInfo
from cloud.infer.errors import ModelInvalid

BRAIN = "brain"
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
    """Whether the most probable class reaches the model's threshold."""

    @property
    def probability(self) -> float:
        """Probability of the most probable class."""
        return self.probabilities[self.label]


def classify(logits: NDArray[np.float32], info: ModelInfo) -> Classification:
    """Softmax of logits / temperature, in double precision; the threshold and the temperature are the card's.

    `logits` is float32 of one value per label. Raises ModelInvalid when their number differs from the labels'
    or one is not finite, or when the card's figures make no sense.
    """
    if logits.shape != (len(info.labels),) or not info.labels:
        raise ModelInvalid(info.name, f"it gave {logits.shape} logits for {len(info.labels)} labels")
    if not np.isfinite(logits).all():
        raise ModelInvalid(info.name, "it gave a logit that is not finite")
    temperature = card_number(info, "calibration", "temperature", DEFAULT_TEMPERATURE)
    if temperature <= 0:
        raise ModelInvalid(info.name, "the card's temperature is not above 0")
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    probabilities = weights / weights.sum()
    index = int(probabilities.argmax())
    least = card_number(info, "abstain", "min_probability", DEFAULT_MIN_PROBABILITY)
    return Classification(
        label=info.labels[index],
        index=index,
        probabilities=dict(zip(info.labels, probabilities.tolist(), strict=True)),
        sure=bool(probabilities[index] >= least),
    )


def card_number(info: ModelInfo, table: str, key: str, default: float) -> float:
    """A finite number of the model card, `default` where the card lacks it. Raises ModelInvalid for anything
    else."""
    section = info.card.get(table, {})
    value = section.get(key, default) if isinstance(section, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ModelInvalid(info.name, f"the card's {table}.{key} is not a finite number")
    return float(value)
