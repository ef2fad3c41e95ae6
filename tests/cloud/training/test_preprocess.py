"""A still becomes a model's input without being stretched, and comes back to its own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from cloud.infer.preprocess import (
    SEGMENT_SIZE_HW,
    CropBox,
    as_gray,
    brain_input,
    crop_box,
    cut_crop,
    enhance,
    letterbox,
    plane_input,
    segment_input,
    to_image,
)


@dataclass(frozen=True)
class _Ellipse:
    cx: float
    cy: float
    a: float
    b: float
    angle_deg: float


@pytest.mark.parametrize("shape", [(540, 800), (800, 540), (256, 256), (100, 37), (1, 1), (3, 900)])
def test_a_still_lies_on_the_canvas_unstretched(shape: tuple[int, int]) -> None:
    """Both axes shrink by one factor, the copy begins top left and the rest is zero."""
    canvas, box = letterbox(np.full(shape, 255, np.uint8), (128, 192))
    assert canvas.shape == (128, 192)
    assert canvas.dtype == np.float32
    assert box.content_width_px == pytest.approx(max(1, shape[1] * box.scale), abs=0.51)
    assert box.content_height_px == pytest.approx(max(1, shape[0] * box.scale), abs=0.51)
    assert (canvas[: box.content_height_px, : box.content_width_px] == 1).all()
    assert canvas.sum() == pytest.approx(box.content_height_px * box.content_width_px)


def test_a_mask_comes_back_to_the_still() -> None:
    """There and back, a disc keeps its place and its area to within one percent at the still's full size."""
    y, x = np.mgrid[0:541, 0:803]
    disc = np.hypot(x - 500, y - 200) < 120
    canvas, box = letterbox((disc * 255).astype(np.uint8), (256, 256))
    back = to_image(canvas, box)
    assert back.shape == disc.shape
    found = back > 0.5
    assert found.sum() == pytest.approx(disc.sum(), rel=0.01)
    assert np.argwhere(found).mean(axis=0) == pytest.approx([200, 500], abs=0.5)


@pytest.mark.req("READ-05")
def test_a_crop_is_a_square_around_the_region() -> None:
    """The square holds the turned ellipse with the asked margin and shares its centre."""
    box = crop_box(_Ellipse(cx=300, cy=200, a=100, b=50, angle_deg=90), (540, 800), margin=0.1)
    assert box.size_px == 240
    assert (box.x0 + (box.size_px - 1) / 2, box.y0 + (box.size_px - 1) / 2) == pytest.approx(
        (300, 200), abs=0.5
    )
    assert crop_box((250.0, 100.0, 101.0, 201.0), (540, 800), margin=0.1).size_px == 241


@pytest.mark.parametrize(
    "region",
    [
        (0.0, 0.0, 0.0, 0.0),
        (float("nan"), 0.0, 5.0, 5.0),
        (900.0, 0.0, 5.0, 5.0),
        _Ellipse(cx=10, cy=10, a=float("inf"), b=1, angle_deg=0),
    ],
)
def test_a_region_that_is_none_is_refused(region: _Ellipse | tuple[float, float, float, float]) -> None:
    """Nothing is cut around a region without extent, without finite numbers or outside of the still."""
    with pytest.raises(ValueError, match="region"):
        crop_box(region, (540, 800))


@pytest.mark.req("READ-06")
def test_a_crop_beyond_the_edge_is_padded_with_zeros() -> None:
    """What lies outside of the still is zero, what lies inside keeps its pixels."""
    gray = np.arange(1, 101, dtype=np.uint8).reshape(10, 10)
    crop = cut_crop(gray, CropBox(x0=-3, y0=7, size_px=6))
    assert crop.shape == (6, 6)
    assert np.array_equal(gray[7:, :3], crop[:3, 3:])
    assert crop[3:].sum() + crop[:, :3].sum() == 0
    assert cut_crop(gray, CropBox(x0=50, y0=50, size_px=4)).sum() == 0


@pytest.mark.req("READ-06")
def test_enhancement_uses_the_whole_gray_range_and_forgets_the_gain() -> None:
    """A dim and a bright version of one crop become nearly the same picture; empty pixels stay empty."""
    rng = np.random.default_rng(1)
    crop = np.zeros((300, 300), np.uint8)
    crop[50:250, 50:250] = rng.integers(40, 100, (200, 200))
    first, second = enhance(crop), enhance((crop.astype(np.float32) * 2).astype(np.uint8))
    assert first.shape == (224, 224)
    assert first.dtype == np.uint8
    assert first.max() == 255
    assert (first[:30] == 0).all()
    assert np.abs(first.astype(int) - second.astype(int)).mean() < 3


@pytest.mark.req("READ-06")
@pytest.mark.parametrize(
    "crop", [np.zeros((20, 20), np.uint8), np.full((1, 1), 9, np.uint8), np.ones((7, 90), np.uint8)]
)
def test_enhancement_of_a_crop_without_contrast(crop: np.ndarray) -> None:
    """A flat, tiny or oblong crop gives a finite 224x224 picture and no division by zero."""
    assert enhance(crop).shape == (224, 224)


def test_the_inputs_have_the_models_shapes() -> None:
    """Each model's input is float32 in 0..1 of its own shape."""
    gray = np.random.default_rng(1).integers(0, 256, (540, 800), dtype=np.uint8)
    inputs = (plane_input(gray), segment_input(gray)[0], brain_input(enhance(gray)))
    assert [(1, 128, 192), (1, *SEGMENT_SIZE_HW), (1, 224, 224)] == [value.shape for value in inputs]
    for value in inputs:
        assert value.dtype == np.float32
        assert 0 <= value.min() <= value.max() <= 1


def test_only_stills_become_gray() -> None:
    """Colour becomes one channel, gray stays itself; everything else is refused."""
    colour = np.zeros((4, 5, 3), np.uint8)
    colour[..., 1] = 100
    assert as_gray(colour).shape == (4, 5)
    assert as_gray(colour).max() == 59
    gray = colour[..., 0]
    assert as_gray(gray) is gray
    for wrong in (np.zeros((4, 5)), np.zeros((4, 5, 4), np.uint8), np.zeros((0, 5), np.uint8)):
        with pytest.raises(ValueError, match="still"):
            as_gray(wrong)
