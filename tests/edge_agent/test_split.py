"""Step 5: a type for each image, a part for each type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.items import CleanImage
from edge_agent.split import parts_by_type, sort_image


class FixedTypes:
    """Gives the same probabilities to every picture."""

    min_probability = 0.5

    def __init__(self, brain: float) -> None:
        self.brain = brain

    def probabilities(self, gray: NDArray[np.uint8]) -> dict[str, float]:
        assert gray.ndim == 2
        return {"brain": self.brain, "femur": 1.0 - self.brain}


def image(index: int, image_type: str) -> CleanImage:
    return CleanImage(
        image_id=str(index), path=Path("x"), media_type="image/png", size_bytes=1, sha256=b"", width_px=1,
        height_px=1, frame_count=1, mm_per_pixel=None, scale_source=None, source_format="png",
        index_in_capture=index, image_type=image_type, type_probabilities={},
    )  # fmt: skip


@pytest.mark.req("TX-04")
def test_most_probable_type_or_unsorted() -> None:
    """The most probable type is the type; without confidence the image is unsorted."""
    gray, colour = np.zeros((90, 90), np.uint8), np.zeros((90, 90, 3), np.uint8)
    assert ("brain", {"brain": 0.75, "femur": 0.25}) == sort_image(gray, FixedTypes(0.75))
    assert "femur" == sort_image(colour, FixedTypes(0.25))[0]

    class Torn:
        min_probability = 0.5

        def probabilities(self, gray: NDArray[np.uint8]) -> dict[str, float]:
            return {"brain": 0.4, "femur": 0.3, "other": 0.3}

    assert "unsorted" == sort_image(gray, Torn())[0]


@pytest.mark.req("TX-05")
def test_one_part_per_type() -> None:
    """The batch is cut by type; no image is lost and none is in two parts."""
    parts = parts_by_type([image(0, "femur"), image(1, "brain"), image(2, "femur")])
    assert ["brain", "femur"] == list(parts)
    assert [[1], [0, 2]] == [[one.index_in_capture for one in part] for part in parts.values()]
