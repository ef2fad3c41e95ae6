"""Step 5 of 13: split by type. Gives each image its most probable type.

A batch is then cut into one part per type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.ferns import top
from edge_agent.items import CleanImage


class TypeClassifier(Protocol):
    """What step 5 needs of the random ferns."""

    @property
    def min_probability(self) -> float:
        """A type less probable than this (0..1) is not given: it would be wrong too often."""
        ...

    def probabilities(self, gray: NDArray[np.uint8]) -> dict[str, float]:
        """Probability per type of a gray picture (uint8, height x width); they sum to 1."""
        ...


def sort_image(pixels: NDArray[np.uint8], classifier: TypeClassifier) -> tuple[str, dict[str, float]]:
    """Gives the type of a picture (uint8, height x width or height x width x 3) and the probability of each
    type.

    The type is "unsorted" where no type is probable enough; the probabilities, which travel with the image,
    say why.
    """
    gray = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    probabilities = classifier.probabilities(gray)
    return top(probabilities, classifier.min_probability), probabilities


def parts_by_type(images: Iterable[CleanImage]) -> dict[str, tuple[CleanImage, ...]]:
    """Cuts a batch into parts.

    Type to its images, types in order of the alphabet, images in their own order.
    """
    parts: dict[str, list[CleanImage]] = {}
    for image in images:
        parts.setdefault(image.image_type, []).append(image)
    return {name: tuple(parts[name]) for name in sorted(parts)}
