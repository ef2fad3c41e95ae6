"""What is no sound still of a fetal head is abstained from or refused with a reason, never a confident finding.

With the shipped models. The photo-like picture, the noise and the page of text are made here; the head is the
virtual scanner's.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.errors import ImageUnreadable
from cloud.infer.pipeline import Reader
from cloud.infer.reasons import SENTENCES, AbstainReason
from edge_agent.simulator.exam import draw_examination
from tests.cloud.infer.test_infer_decode import dicom_bytes

ROOT = Path(__file__).parents[3]
SIZE_HW = (540, 800)
DICOM = "application/dicom"

Pixels = NDArray[Any]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader() -> AsyncIterator[Reader]:
    """A reader on the shipped models."""
    engine = OnnxEngine(ROOT / "model_repository", threads=2)
    await engine.start()
    yield Reader(engine)
    await engine.close()


@pytest.fixture(scope="module")
def head() -> NDArray[np.uint8]:
    """A made-up gray still of a fetal head."""
    shots = draw_examination(3, 0, banner=False, cines=False)
    pixels = next(shot.still.pixels for shot in shots if shot.still.truth.ellipse is not None)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, 0])


def png(pixels: Pixels) -> bytes:
    """The pixels as a PNG."""
    encoded, data = cv2.imencode(".png", pixels)
    assert encoded
    return bytes(data)


def photo(seed: int) -> Pixels:
    """A picture with the statistics of a photo: 1/f texture in colour, a horizon, round and straight things."""
    rng = np.random.default_rng(seed)
    height, width = SIZE_HW
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    falloff = 1 / np.maximum(np.hypot(rows, columns), 1 / width)
    planes = []
    for _ in range(3):
        phase = np.exp(2j * np.pi * rng.random(SIZE_HW))
        texture = np.real(np.fft.ifft2(falloff * phase))
        planes.append(128 + 40 * texture / texture.std())
    picture = np.clip(np.dstack(planes), 0, 255)
    horizon = int(rng.integers(200, 340))
    picture[:horizon] = 0.6 * picture[:horizon] + 0.4 * np.array([235, 206, 170])
    for _ in range(12):
        colour = rng.integers(0, 255, 3).tolist()
        x, y, side = (int(value) for value in rng.integers((0, 100, 20), (800, 540, 120)))
        if rng.random() < 0.5:
            cv2.circle(picture, (x, y), side, colour, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(picture, (x, y), (x + side, y + 2 * side), colour, -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), np.uint8)


def noise(kind: str, seed: int) -> Pixels:
    """Noise without anything in it: even, normal, or speckle."""
    rng = np.random.default_rng(seed)
    if kind == "even":
        return rng.integers(0, 256, SIZE_HW).astype(np.uint8)
    if kind == "normal":
        return np.clip(rng.normal(128, 50, SIZE_HW), 0, 255).astype(np.uint8)
    return np.clip(cv2.GaussianBlur(rng.rayleigh(1.0, SIZE_HW), (0, 0), 1.6) * 62, 0, 255).astype(np.uint8)


def plate(kind: str) -> Pixels:
    """Something round that is no head: a drawn ring on black, a plate on a table, a flat oval on white."""
    pixels = np.zeros(SIZE_HW, np.uint8)
    place = ((400.0, 270.0), (420.0, 330.0), 20.0)
    if kind == "ring":
        cv2.ellipse(pixels, place, 235, 6, cv2.LINE_AA)
    elif kind == "plate":
        pixels = cv2.cvtColor(photo(9), cv2.COLOR_BGR2GRAY) // 3 + 40
        cv2.ellipse(pixels, place, 225, -1, cv2.LINE_AA)
        cv2.ellipse(pixels, ((400.0, 270.0), (300.0, 230.0), 20.0), 205, -1, cv2.LINE_AA)
    else:
        pixels[:] = 250
        cv2.ellipse(pixels, place, 60, -1, cv2.LINE_AA)
    return pixels


def page(dark: bool) -> Pixels:
    """A page of printed words."""
    paper, ink = (20, 230) if dark else (245, 15)
    pixels = np.full(SIZE_HW, paper, np.uint8)
    for line in range(20):
        cv2.putText(
            *(pixels, f"line {line:02d}  the quick brown fox jumps over the lazy dog"),
            *((30, 40 + 24 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.6, ink, 1, cv2.LINE_AA),
        )
    return pixels


def float_pixels(value: float) -> bytes:
    """A DICOM object of float pixels, one of which is `value`."""
    values = np.tile(np.linspace(0, 200, 64, dtype=np.float32), (48, 1))
    values[3, 4] = value
    whole = dicom_bytes(np.zeros((48, 64), np.uint8), FloatPixelData=values.tobytes(), BitsAllocated=32)
    ds = pydicom.dcmread(io.BytesIO(whole))
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


async def said(reader: Reader, image: bytes, media_type: str = "image/png") -> dict[str, Any]:
    """The reading; whatever it abstains from has its words in both languages."""
    form = (await reader.read(image, media_type)).reading.to_json()
    for code in form["abstain_reasons"]:
        assert SENTENCES[AbstainReason(code)]["zh"]
    return form


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
async def test_pixels_that_are_not_finite_are_refused(reader: Reader, value: float) -> None:
    """One NaN or infinite pixel and nothing is read."""
    with pytest.raises(ImageUnreadable, match="not finite"):
        await reader.read(float_pixels(value), DICOM)


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("side_px", [1, 2, 31])
async def test_what_is_too_small_is_refused(reader: Reader, side_px: int) -> None:
    """A picture of a pixel shows nothing; PNG and DICOM alike."""
    pixels = np.full((side_px, side_px), 128, np.uint8)
    for image, media_type in ((png(pixels), "image/png"), (dicom_bytes(pixels), DICOM)):
        with pytest.raises(ImageUnreadable, match="smaller than"):
            await reader.read(image, media_type)


@pytest.mark.req("BEY-07")
async def test_what_has_no_pixels_is_refused(reader: Reader) -> None:
    """Zero bytes, zero rows, zero columns."""
    no_rows = dicom_bytes(np.zeros((48, 64), np.uint8), Rows=0)
    empty_png = b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452") + bytes(25)
    for image, media_type in ((b"", "image/png"), (b"", DICOM), (no_rows, DICOM), (empty_png, "image/png")):
        with pytest.raises(ImageUnreadable):
            await reader.read(image, media_type)


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("level", [0, 1, 254, 255])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
async def test_black_and_white_are_blank(reader: Reader, level: int, depth: type[np.integer]) -> None:
    """One gray value all over is blank, whatever the models make of it."""
    form = await said(reader, png(np.full(SIZE_HW, level * (257 if depth is np.uint16 else 1), depth)))
    assert "IMAGE_BLANK" == form["abstain_reasons"][0]
    assert (None, None) == (form["finding"], form["head"])


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("seed", range(4))
async def test_a_photo_gives_no_finding(reader: Reader, seed: int) -> None:
    """A picture of something else is abstained from."""
    assert (await said(reader, png(photo(seed))))["abstained"]


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("kind", ["ring", "plate", "oval"])
async def test_something_round_gives_no_finding(reader: Reader, kind: str) -> None:
    """An outline alone is no head: it is abstained from."""
    assert (await said(reader, png(plate(kind))))["abstained"]


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["even", "normal", "speckle"])
async def test_noise_gives_no_finding(reader: Reader, kind: str, seed: int) -> None:
    """Noise is abstained from."""
    assert (await said(reader, png(noise(kind, seed))))["abstained"]


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("dark", [False, True])
async def test_a_page_of_text_gives_no_finding(reader: Reader, dark: bool) -> None:
    """A page is abstained from."""
    assert (await said(reader, png(page(dark))))["abstained"]


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("turn", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE])
async def test_a_turned_still_is_not_read_as_something_else(
    reader: Reader, head: NDArray[np.uint8], turn: int
) -> None:
    """A still that lies on its side or upside down abstains, or says of the head what the upright one says."""
    upright = await said(reader, png(head))
    turned = await said(reader, png(cv2.rotate(head, turn)))
    if not turned["abstained"]:
        assert upright["finding"] == turned["finding"]
        assert turned["measurements"]["hc_px"] == pytest.approx(upright["measurements"]["hc_px"], rel=0.03)


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("change", ["colour", "overlay", "sixteen", "twelve"])
async def test_colour_overlays_and_depth_do_not_change_what_is_said(
    reader: Reader, head: NDArray[np.uint8], change: str
) -> None:
    """The same still in colour, with coloured marks over it and with more bits is read alike, or abstained from."""
    marked = cv2.cvtColor(head, cv2.COLOR_GRAY2BGR)
    cv2.putText(marked, "HC 23.5 cm  GA 25w4d", (30, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 255, 255), 2)
    cv2.line(marked, (250, 270), (520, 300), (80, 255, 80), 1)
    changes: dict[str, Callable[[], Pixels]] = {
        "colour": lambda: cv2.cvtColor(head, cv2.COLOR_GRAY2BGR),
        "overlay": lambda: marked,
        "sixteen": lambda: head.astype(np.uint16) * 257,
        "twelve": lambda: head.astype(np.uint16) * 16,
    }
    plain, changed = await said(reader, png(head)), await said(reader, png(changes[change]()))
    if not changed["abstained"]:
        assert plain["finding"] == changed["finding"]
        assert changed["measurements"]["hc_px"] == pytest.approx(plain["measurements"]["hc_px"], rel=0.03)
