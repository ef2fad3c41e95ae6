"""A still goes through the whole of step 11 on real onnxruntime with tiny exact models."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.infer.errors import ImageUnreadable, InputInvalid, ModelInvalid, PictureUnavailable
from cloud.infer.pipeline import STEPS, Reader, ReadResult
from cloud.infer.render import crop_png, fused_png, overlay_png

OpenReader = Callable[[Any], Awaitable[Reader]]
Draw = Callable[..., NDArray[np.uint8]]
Png = Callable[[NDArray[Any]], bytes]
HEAD = (400.0, 260.0, 220.0, 170.0, 30.0)


def pixels(png: bytes) -> NDArray[np.uint8]:
    """A PNG's own pixels."""
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


@pytest.mark.req("READ-05")
@pytest.mark.req("READ-07")
@pytest.mark.req("READ-08")
async def test_a_head_is_read_in_full(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """Outline, crop, finding, heat and lengths of a drawn head are its true ones, with the mask and the heat
    map."""
    reader = await open_reader(answers())
    result = await reader.read(png(still(HEAD)), "image/png", 0.2, "scale_file")
    form = result.reading.to_json()
    assert (form["plane"], form["finding"], form["abstained"]) == ("brain", "ventriculomegaly", False)
    assert form["image"] == {"width_px": 800, "height_px": 540}
    ellipse = form["head"]["ellipse"]
    assert (ellipse["cx"], ellipse["cy"]) == (pytest.approx(400, abs=1), pytest.approx(260, abs=1))
    assert (ellipse["a"], ellipse["b"]) == (pytest.approx(220, abs=2), pytest.approx(170, abs=2))
    assert ellipse["angle_deg"] == pytest.approx(30, abs=1)
    assert form["measurements"]["hc_mm"] == pytest.approx(0.2 * form["measurements"]["hc_px"], abs=0.01)
    assert form["measurements"]["scale_source"] == "scale_file"
    assert set(form["timings_ms"]) == set(STEPS)
    assert set(form["models"]) == {"fetal_head_seg", "fetal_plane_cls", "fetal_brain_cls"}
    assert set(result.pictures) == {"mask.png", "heatmap.png"}
    mask = pixels(result.pictures["mask.png"])
    truth = cv2.ellipse(np.zeros((540, 800), np.uint8), ((400, 260), (440, 340), 30), 255, -1)
    assert set(np.unique(mask)) == {0, 255}
    assert (
        2
        * np.count_nonzero(cv2.bitwise_and(mask, truth))
        / (np.count_nonzero(mask) + np.count_nonzero(truth))
        > 0.99
    )
    crop = form["crop"]
    heat = pixels(result.pictures["heatmap.png"])
    assert heat.shape == (crop["size_px"], crop["size_px"], 4)
    # The drawn head is the bright region, and the tiny map is bright where the still is.
    assert (form["heat"]["label"], form["heat"]["peak"]) == (
        "ventriculomegaly",
        pytest.approx(1.75, abs=0.03),
    )
    assert form["heat"]["centre_px"] == [pytest.approx(400, abs=5), pytest.approx(260, abs=5)]
    assert 0.3 < form["heat"]["share"] < 0.7


@pytest.mark.parametrize(("strength", "sure"), [(4.0, True), (0.5, False)])
async def test_the_plane_of_a_brain_is_told(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png, strength: float, sure: bool
) -> None:
    """A head on a brain's plane gets its sub-plane, sure or not by the model's own threshold; without a head or
    on another plane the model is not asked."""
    views = (0.0, strength, 0.0)
    reader = await open_reader(answers(subplane_logits=views))
    reading = (await reader.read(png(still(HEAD)), "image/png")).reading
    assert reading.subplane is not None
    assert (reading.subplane.label, reading.subplane.sure) == ("trans-ventricular", sure)
    assert "fetal_subplane_cls" in reading.models
    assert (await reader.read(png(still()), "image/png")).reading.subplane is None
    other = await open_reader(answers(subplane_logits=views, plane_logits=(9.0, 0.0, 0.0, 0.0)))
    reading = (await other.read(png(still(HEAD)), "image/png")).reading
    assert (reading.subplane, "fetal_subplane_cls" in reading.models) == (None, False)


async def test_the_same_still_reads_the_same(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """Readings at the same time and one after the other are equal but for their times; pictures are equal
    bytes."""
    reader = await open_reader(answers())
    image = png(still(HEAD))
    results: list[ReadResult] = [await reader.read(image, "image/png")]
    results += await asyncio.gather(*(reader.read(image, "image/png") for _ in range(4)))
    forms = {json.dumps(r.reading.to_json() | {"timings_ms": None}, sort_keys=True) for r in results}
    assert len(forms) == 1
    assert len({r.pictures["mask.png"] + r.pictures["heatmap.png"] for r in results}) == 1


async def test_another_plane_gives_no_finding(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """A still that surely is no brain plane is not classified: no finding, no heat map, the reason is
    given."""
    reader = await open_reader(answers(plane_logits=(9.0, 0.0, 0.0, 0.0)))
    box = still()
    box[150:400, 250:550] = 220
    result = await reader.read(png(box), "image/png")
    reading = result.reading
    assert (reading.plane, reading.finding, reading.finding_probabilities) == ("abdomen", None, None)
    assert [reason.value for reason in reading.abstain_reasons] == ["NOT_BRAIN_PLANE"]
    assert (reading.head, reading.measurements, reading.heat) == (None, None, None)
    assert set(result.pictures) == {"mask.png"}
    # What the head model found stays to be looked at.
    assert pixels(result.pictures["mask.png"]).any()
    assert "fetal_brain_cls" not in reading.models


async def test_a_clear_head_on_another_plane_is_a_contradiction(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """A clear head where the plane model is sure of the abdomen is kept, without a finding, under both
    reasons."""
    reader = await open_reader(answers(plane_logits=(9.0, 0.0, 0.0, 0.0)))
    reading = (await reader.read(png(still(HEAD)), "image/png")).reading
    assert reading.head is not None
    assert reading.finding is None
    codes = [reason.value for reason in reading.abstain_reasons]
    assert codes == ["PLANE_UNCERTAIN", "NOT_BRAIN_PLANE"]


async def test_a_weak_finding_is_named_but_abstained(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """Below the card's threshold the finding is still the most probable class, and the reading abstains."""
    card = {"fetal_brain_cls": "[abstain]\nmin_probability = 0.9\n[calibration]\ntemperature = 4.0\n"}
    reader = await open_reader(answers(cards=card))
    reading = (await reader.read(png(still(HEAD)), "image/png")).reading
    assert reading.finding == "ventriculomegaly"
    assert [reason.value for reason in reading.abstain_reasons] == ["LOW_CONFIDENCE"]
    weights = [math.exp(value / 4) for value in (1.0, 6.0, 0.0)]
    assert reading.finding_probabilities is not None
    assert reading.finding_probabilities["ventriculomegaly"] == pytest.approx(weights[1] / sum(weights))


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("level", [0, 128, 255])
async def test_a_blank_still_has_no_finding(
    open_reader: OpenReader, answers: type[Any], png: Png, level: int
) -> None:
    """All black, all gray and all white: whatever the models say, the reading abstains and has no head."""
    reader = await open_reader(answers())
    result = await reader.read(png(np.full((300, 400), level, np.uint8)), "image/png")
    assert result.reading.abstain_reasons[0] == "IMAGE_BLANK"
    assert (result.reading.finding, result.reading.head) == (None, None)
    mask = pixels(result.pictures["mask.png"])
    assert mask.shape == (300, 400)
    assert not mask.any()


async def test_noise_without_a_head_has_no_finding(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """A brain plane in which no head is found is not classified."""
    reader = await open_reader(answers())
    reading = (await reader.read(png(still()), "image/png")).reading
    assert [reason.value for reason in reading.abstain_reasons] == ["NO_HEAD"]
    assert (reading.finding, reading.measurements) == (None, None)


async def test_colour_and_depth_do_not_change_the_reading(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """The same still as gray, as colour and with 16 bits reads the same; a coloured overlay does no harm."""
    reader = await open_reader(answers())
    gray = still(HEAD)
    variants = [gray, cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), gray.astype(np.uint16) * 257]
    readings = [(await reader.read(png(variant), "image/png")).reading for variant in variants]
    assert readings[0].head is not None
    hc_px = {round(r.measurements.hc_px, 1) for r in readings if r.measurements is not None}
    assert len(hc_px) == 1
    marked = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    cv2.putText(marked, "HC 17.2 cm", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 255, 255), 2)
    overlaid = (await reader.read(png(marked), "image/png")).reading
    assert overlaid.measurements is not None
    assert overlaid.measurements.hc_px == pytest.approx(hc_px.pop(), rel=0.01)


@pytest.mark.parametrize("image", [b"", b"\x89PNG\r\n\x1a\n", b"\x00" * 300])
async def test_bytes_that_are_no_still_are_refused(
    open_reader: OpenReader, answers: type[Any], image: bytes
) -> None:
    """What cannot be decoded is ImageUnreadable and never a reading; the reader goes on."""
    reader = await open_reader(answers())
    with pytest.raises(ImageUnreadable):
        await reader.read(image, "image/png")


@pytest.mark.parametrize(("mm_per_pixel", "source"), [(math.nan, "x"), (0.0, "x"), (-1.0, "x"), (0.1, None)])
async def test_a_scale_that_is_none_is_refused(
    open_reader: OpenReader,
    answers: type[Any],
    still: Draw,
    png: Png,
    mm_per_pixel: float,
    source: str | None,
) -> None:
    """A length of a pixel that makes no sense, or whose source is not named, is InputInvalid."""
    reader = await open_reader(answers())
    with pytest.raises(InputInvalid):
        await reader.read(png(still(HEAD)), "image/png", mm_per_pixel, source)


async def test_a_model_that_answers_nan_gives_no_reading(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """An output that is not finite is the model's fault and is named so; no number is made from it."""
    # Infinite gain times a difference of zero, which only the drawn head's gray value has, is NaN.
    drawn = float(np.float32(220) * np.float32(1 / 255))
    reader = await open_reader(answers(segment_gain=math.inf, segment_half=drawn))
    with pytest.raises(ModelInvalid, match=r"fetal_head_seg.*not finite"):
        await reader.read(png(still(HEAD)), "image/png")
    assert (await reader.read(png(still()), "image/png")).reading.head is None


async def test_a_model_that_answers_nan_to_nothing_does_not_start(
    open_reader: OpenReader, answers: type[Any]
) -> None:
    """The warm-up sees a model that is broken for every input."""
    with pytest.raises(ModelInvalid, match=r"fetal_head_seg.*not finite"):
        await open_reader(answers(segment_gain=math.nan))


@pytest.mark.req("BEY-10")
async def test_pictures_on_demand(open_reader: OpenReader, answers: type[Any], still: Draw, png: Png) -> None:
    """Overlay and fused heat map are the still in colour with the mark burned in; the crop is the still's own
    pixels."""
    reader = await open_reader(answers())
    gray = still((150.0, 260.0, 200.0, 160.0, 80.0))
    image = png(gray)
    result = await reader.read(image, "image/png")
    form = result.reading.to_json()
    overlay = pixels(overlay_png(image, "image/png", form))
    fused = pixels(fused_png(image, "image/png", form, result.pictures["heatmap.png"]))
    plain = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    for picture in (overlay, fused):
        assert picture.shape == (540, 800, 3)
        # The mark's light strokes stand in the lower left corner, where the still is dim.
        assert (picture[-30:, :400].max(axis=2) > 200).sum() > 200
        np.testing.assert_array_equal(plain[:200, 500:], picture[:200, 500:])
    assert (overlay != plain).any(axis=2)[:500].sum() > 500
    assert (fused != plain).any(axis=2)[:500].sum() > 20_000
    crop = form["crop"]
    cut = pixels(crop_png(image, "image/png", form))
    assert crop["x0"] < 0
    assert not cut[:, : -crop["x0"]].any()
    np.testing.assert_array_equal(
        gray[100:200, 10:100], cut[100 - crop["y0"] :, 10 - crop["x0"] :][:100, :90]
    )


async def test_a_picture_of_what_a_reading_lacks_is_refused(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """Without a crop there is no crop picture and no fused map; the overlay is the still with the mark."""
    reader = await open_reader(answers())
    image = png(still())
    form = (await reader.read(image, "image/png")).reading.to_json()
    with pytest.raises(PictureUnavailable, match="no crop"):
        crop_png(image, "image/png", form)
    with pytest.raises(PictureUnavailable, match="no crop"):
        fused_png(image, "image/png", form, b"")
    assert pixels(overlay_png(image, "image/png", form)).shape == (540, 800, 3)


async def test_a_foreign_heat_map_is_refused(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """A heat map of another size, or none, is not laid over the still."""
    reader = await open_reader(answers())
    image = png(still(HEAD))
    form = (await reader.read(image, "image/png")).reading.to_json()
    for heatmap in (b"", b"no picture", png(np.zeros((9, 9, 4), np.uint8))):
        with pytest.raises(PictureUnavailable, match="heat map"):
            fused_png(image, "image/png", form, heatmap)


async def test_the_mark_fits_every_size(
    open_reader: OpenReader, answers: type[Any], still: Draw, png: Png
) -> None:
    """On a still of 100 pixels and on one of 3000 the mark lies inside and covers most of a small one's
    width."""
    reader = await open_reader(answers())
    for size_hw in ((100, 100), (2000, 3000)):
        image = png(still(size_hw=size_hw))
        form = (await reader.read(image, "image/png")).reading.to_json()
        overlay = pixels(overlay_png(image, "image/png", form))
        light = np.nonzero((overlay.min(axis=2) > 100).any(axis=0))[0]
        assert overlay.shape[:2] == size_hw
        assert size_hw[1] * 0.2 < np.ptp(light) < size_hw[1]
