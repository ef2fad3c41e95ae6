"""Step 5 of 13: split by type. Gives each image its most probable type.

A batch is then cut into one part per type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.ferns import top
from edge_agent.items import CleanImage

CONFIDENCE_MIN: Final = 0.5
"""A type less probable than this is not given: the image is unsorted."""


class TypeClassifier(Protocol):
    """What step 5 needs of the random ferns."""

    def probabilities(self, gray: NDArray[np.uint8]) -> dict[str, float]:
        """Probability per type of a gray picture (uint8, height x width); they sum to 1."""
        ...


def sort_image(pixels: NDArray[np.uint8], classifier: TypeClassifier) -> tuple[str, dict[str, float]]:
    """Gives the type of a picture (uint8, height x width or height x width x 3) and the probability of each
    type."""
    gray = pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    probabilities = classifier.probabilities(gray)
    return top(probabilities, CONFIDENCE_MIN), probabilities


def parts_by_type(images: Iterable[CleanImage]) -> dict[str, tuple[CleanImage, ...]]:
    """Cuts a batch into parts.

    Type to its images, types in order of the alphabet, images in their own order.
    """
    parts: dict[str, list[CleanImage]] = {}
    for image in images:
        parts.setdefault(image.image_type, []).append(image)
    return {name: tuple(parts[name]) for name in sorted(parts)}
