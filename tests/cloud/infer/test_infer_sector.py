"""The sector on the canvas, and heads that leave it."""

import cv2
import numpy as np
import pytest

from cloud.infer.preprocess import segment_input
from cloud.infer.sector import sector_of, share_on_edge
from cloud.infer.segment import find_head

HEAD = ((400.0, 300.0), (300.0, 240.0), 20.0)


def _still(right_edge_px: int) -> np.ndarray:
    """Grain with a bright ring, black to the right of the edge: uint8 540x800."""
    gray = np.random.default_rng(0).integers(20, 90, (540, 800)).astype(np.uint8)
    cv2.ellipse(gray, HEAD, 230, 8)
    gray[:, right_edge_px:] = 0
    return gray


def _found(right_edge_px: int):
    """The search on a probability picture of what is visible of the head."""
    canvas, box = segment_input(_still(right_edge_px))
    mask = np.zeros((540, 800), np.uint8)
    cv2.ellipse(mask, HEAD, 255, -1)
    mask[:, right_edge_px:] = 0
    probability, _ = segment_input(mask)
    return find_head(probability[0], box, canvas[0])


@pytest.mark.req("READ-05")
def test_a_head_within_the_sector_is_whole():
    """A head some way off the sector's edge is not cut off."""
    search = _found(right_edge_px=640)
    assert search.head is not None
    assert not search.head.cut_off


@pytest.mark.req("READ-05")
def test_a_head_behind_the_sectors_edge_is_cut_off():
    """A head of which the sector hides a part is said to be cut off."""
    search = _found(right_edge_px=480)
    assert search.head is not None
    assert search.head.cut_off


def test_the_sector_is_the_hull_of_what_is_bright():
    """A shadow within the sector belongs to it; the black ground does not."""
    gray = _still(right_edge_px=640)
    gray[200:260, 100:180] = 0
    canvas, box = segment_input(gray)
    sector = sector_of(canvas[0], box)
    assert sector is not None
    assert sector[round(230 * box.scale), round(140 * box.scale)] == 1
    assert sector[round(230 * box.scale), round(700 * box.scale)] == 0


def test_nothing_drawn_is_no_sector():
    """A black still has no sector."""
    canvas, box = segment_input(np.zeros((540, 800), np.uint8))
    assert sector_of(canvas[0], box) is None


def test_an_outline_beyond_the_sector_counts_as_on_its_edge():
    """Points outside of the sector are on its edge, those deep inside are not."""
    canvas, box = segment_input(_still(right_edge_px=400))
    sector = sector_of(canvas[0], box)
    assert sector is not None
    outline = np.array([[700, 100], [750, 300], [100, 100], [100, 300]], np.float32)
    assert share_on_edge(outline, sector, box) == 0.5
