"""Step 4: the rule `guard` on pixels: what is not ultrasound is black, and doubt holds the image."""

from __future__ import annotations

import itertools
import time

import cv2
import numpy as np
import pytest

from edge_agent.deidentify.pixels import blanked, brightest, guard, writing
from edge_agent.deidentify.rasters import clean_raster
from edge_agent.errors import ImageRefused
from edge_agent.simulator.exam import shots
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.deidentify.synthetic import BANNER, HEIGHT_PX, WIDTH_PX, Pixels, screen


def held(pixels: Pixels) -> EdgeReason:
    with pytest.raises(ImageRefused) as refused:
        guard(brightest(pixels))
    return refused.value.reason


@pytest.mark.parametrize("seed", range(6))
def test_banner_goes_and_the_sector_stays(seed: int) -> None:
    """No pixel of the banner survives, and 99.5 % of the sector's pixels are as they were."""
    made = screen(seed)
    clean = clean_raster(made.pixels, "guard")
    x0, y0, x1, y1 = BANNER
    assert made.pixels[y0:y1, x0:x1].any()
    assert not clean[y0:y1, x0:x1].any()
    assert not clean[100:400, :40].any()
    assert np.mean(clean[made.sector] == made.pixels[made.sector]) > 0.995


def test_trusted_pixels_are_untouched() -> None:
    """Under `trusted` the picture goes as it is."""
    made = screen()
    assert np.array_equal(made.pixels, clean_raster(made.pixels, "trusted"))


def test_coloured_banner_goes_too() -> None:
    """Text in one colour channel counts as much as white text."""
    made = screen(banner=False)
    coloured = np.dstack([made.pixels] * 3)
    cv2.putText(coloured, "NAME OF A PERSON", (300, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 0, 0), 2)
    clean = clean_raster(coloured, "guard")
    assert clean.ndim == 2
    assert not clean[:56].any()


@pytest.mark.parametrize("ink", [255, 160])
def test_text_on_the_sector_is_held(ink: int) -> None:
    """A name drawn over the ultrasound cannot be cut away: a person must look."""
    pixels = screen(banner=False).pixels
    cv2.putText(pixels, "DOE JOHN 1990", (330, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 0, 5, cv2.LINE_AA)
    cv2.putText(pixels, "DOE JOHN 1990", (330, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.7, ink, 1, cv2.LINE_AA)
    assert EdgeReason.PIXELS_MAY_IDENTIFY is held(pixels)


def test_text_across_the_rim_is_held() -> None:
    """A line that begins on the screen and ends on the sector is held, not cut in two."""
    pixels = screen(banner=False).pixels
    cv2.putText(pixels, "MADE UP PERSON 0417", (60, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    assert EdgeReason.PIXELS_MAY_IDENTIFY is held(pixels)


def test_a_region_that_cuts_a_line_leaves_no_letters() -> None:
    """Two letters that a region's edge cuts off a line at the rim go with the line."""
    pixels = screen(banner=False).pixels
    cv2.putText(pixels, "HR= 61", (672, 330), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
    allowed = np.zeros_like(pixels)
    allowed[:, :700] = 255
    kept = blanked(pixels, guard(pixels, allowed).keep)
    assert not kept[316:333, 672:].any()


def test_dark_text_on_a_light_bar() -> None:
    """Dark letters on a light bar count as text: beside the sector they go, on the sector they hold the image."""
    beside, across = screen(banner=False).pixels, screen(banner=False).pixels
    cv2.rectangle(beside, (655, 312), (799, 338), 200, cv2.FILLED)
    cv2.putText(beside, "DOE JOHN", (670, 332), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 0, 1)
    assert not clean_raster(beside, "guard")[316:334, 670:].any()
    cv2.rectangle(across, (350, 312), (520, 338), 200, cv2.FILLED)
    cv2.putText(across, "DOE JOHN", (360, 332), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 0, 1)
    assert EdgeReason.PIXELS_MAY_IDENTIFY is held(across)


def test_a_filled_picture_is_held() -> None:
    """Where tissue fills the whole picture a banner cannot be told from it."""
    rng = np.random.default_rng(3)
    speckle = cv2.GaussianBlur(rng.rayleigh(1.0, (HEIGHT_PX, WIDTH_PX)), (0, 0), 1.6)
    assert EdgeReason.SECTOR_NOT_FOUND is held(np.clip(speckle * 60, 12, 255).astype(np.uint8))


def test_a_page_of_text_and_a_drawing_are_held() -> None:
    """What has no sector is never sent under `guard`."""
    page = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    for row in range(30, HEIGHT_PX, 24):
        cv2.putText(
            page, "Report of a made up person, born 1990-01-02, all normal", (20, row), 0, 0.6, 230, 1
        )
    assert EdgeReason.SECTOR_NOT_FOUND is held(page)
    drawing = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    cv2.rectangle(drawing, (100, 100), (700, 440), 128, cv2.FILLED)
    assert EdgeReason.SECTOR_NOT_FOUND is held(drawing)


def test_text_lines_in_speckle_are_none() -> None:
    """Speckle and a skull are no text in strong ink."""
    pixels = screen(banner=False).pixels
    assert [] == writing(pixels, np.zeros_like(pixels)).lines


def test_noise_costs_bounded_time() -> None:
    """A picture of glyph-like specks everywhere ends, whatever is said of it."""
    rng = np.random.default_rng(0)
    noise = (rng.random((1200, 1600)) > 0.93).astype(np.uint8) * 255
    noise = np.asarray(cv2.dilate(noise, np.ones((5, 2), np.uint8)), np.uint8)
    started_s = time.process_time()
    assert writing(noise, np.zeros_like(noise)).signs
    assert time.process_time() - started_s < 15.0


def test_virtual_scanner_prints_are_kept_without_banner() -> None:
    """Made-up examinations pass `guard`: no pixel of a banner survives, the sector is intact."""
    for shot in itertools.islice(shots(11, cines=False), 8):
        frame = shot.still
        plane = brightest(frame.pixels)
        clean = blanked(plane, guard(plane).keep)
        assert frame.truth.banner_boxes
        for x0, y0, x1, y1 in frame.truth.banner_boxes:
            assert not clean[y0:y1, x0:x1].any()
        x0, y0, x1, y1 = frame.truth.sector_box
        bright = plane[y0:y1, x0:x1] > 16
        assert np.mean(clean[y0:y1, x0:x1][bright] > 0) > 0.99
