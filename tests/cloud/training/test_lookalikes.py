"""Made-up pictures: by the generator alone, of one size, with contrast; fragments are small or in disorder."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cloud.training.lookalikes import LARGEST_FRAGMENT, fragment, lookalike, made_up_head


@pytest.mark.parametrize("draw", [lookalike, made_up_head])
def test_one_seed_gives_one_picture(draw: object) -> None:
    """The same seed gives the same uint8 216x320 picture, another seed another; it is never empty."""
    assert callable(draw)
    pictures = [draw(np.random.default_rng(seed)) for seed in (5, 5, *range(20))]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
    assert {((216, 320), np.dtype(np.uint8))} == {(picture.shape, picture.dtype) for picture in pictures}
    assert min(int(picture.max()) for picture in pictures) > 20


def test_a_drawn_head_has_a_bright_ring_about_a_darker_inside() -> None:
    """On average over drawn heads some ring about the middle is brighter than what lies inside of it."""
    y, x = np.mgrid[0:216, 0:320]
    distance = np.hypot(x - 160, (y - 110) * 1.25)
    mean = np.mean([made_up_head(np.random.default_rng(seed)) for seed in range(40)], axis=0)
    rings = [mean[(distance >= near) & (distance < near + 10)].mean() for near in range(40, 120, 10)]
    assert max(rings) > 1.2 * mean[distance < 30].mean()


def test_a_fragment_cannot_be_recognised() -> None:
    """A fragment shows at most LARGEST_FRAGMENT of the area, or the frame's own tiles in another order."""
    frame = np.tile(np.linspace(0, 255, 320), (216, 1)).astype(np.uint8)
    kinds = set()
    for seed in range(30):
        picture = fragment(frame, np.random.default_rng(seed))
        assert picture.shape == (216, 320)
        span = int(picture.max()) - int(picture.min())
        if span <= 255 * math.sqrt(LARGEST_FRAGMENT) + 2:
            kinds.add("patch")
            continue
        kinds.add("tiles")
        assert np.array_equal(np.sort(picture, axis=None), np.sort(frame, axis=None))
        assert np.abs(picture.astype(int) - frame).mean() > 30
    assert kinds == {"patch", "tiles"}
