"""A loop gives one result: its plane, its best frame with the reason, its finding, or an abstention."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cloud.infer.annotate import Ellipse, annotate
from cloud.infer.decode import Still, decode
from cloud.infer.errors import ImageUnreadable
from cloud.infer.loop import FINDING_FRAMES, Depth, read_loop
from cloud.infer.loop_reading import BEST_SENTENCES, BestReason
from cloud.infer.measure import Scale, measure
from cloud.infer.pipeline import Reader, ReadResult
from cloud.infer.reading import HeadReading, Reading
from cloud.infer.reasons import AbstainReason
from cloud.infer.render import fused_png, overlay_png
from tests.cloud.infer.loops import Frame, dicom_loop, drawn, moving, video

DICOM = "application/dicom"
OpenReader = Callable[[Any], Awaitable[Reader]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the models say of one frame."""

    plane: str = "brain"
    sure: float = 0.9
    head: float | None = 0.95
    reasons: tuple[AbstainReason, ...] = ()
    finding: str = "normal"
    finding_sure: float = 0.9
    size: float = 100.0


@dataclass(slots=True)
class Script:
    """A loop whose frames hold their own number, and a reader that says what the script says of them."""

    said: Sequence[Said]
    blur: tuple[int, ...] = ()
    read_whole: list[int] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    frame_rate_hz: float | None = 25.0
    scale: Scale | None = None

    @property
    def frame_count(self) -> int:
        return len(self.said)

    def frames(self, indices: Sequence[int]) -> Iterator[Frame]:
        for index in indices:
            pixels = np.random.default_rng(5).integers(0, 255, (96, 96)).astype(np.uint8)
            pixels = cv2.GaussianBlur(pixels, (0, 0), 2.0) if index in self.blur else pixels
            pixels[:32, :32] = 7 * index
            yield np.asarray(pixels, np.uint8)

    def read(self, still: Still, depth: Depth) -> ReadResult:
        index = int(still.pixels[0, 0]) // 7
        said = self.said[index]
        if depth is not Depth.LOOK:
            self.read_whole.append(index)
        if depth is Depth.SHOW:
            self.shown.append(index)
        return ReadResult(reading=_reading(said, depth), pictures={"mask.png": bytes([index])})


def _spread(top: str, share: float, names: Sequence[str]) -> dict[str, float]:
    return {name: share if name == top else (1 - share) / (len(names) - 1) for name in names}


def _reading(said: Said, depth: Depth) -> Reading:
    ellipse = Ellipse(cx=48, cy=48, a=said.size / 4, b=said.size / 5, angle_deg=0)
    outline = np.array([[20, 48], [48, 70], [76, 48], [48, 20]], np.float32)
    classified = depth is not Depth.LOOK and said.head is not None and said.plane == "brain"
    return Reading(
        width_px=96,
        height_px=96,
        plane=said.plane,
        plane_probabilities=_spread(said.plane, said.sure, ("abdomen", "brain", "thorax")),
        finding=said.finding if classified else None,
        finding_probabilities=_spread(
            said.finding, said.finding_sure, ("normal", "ventriculomegaly", "other")
        )
        if classified
        else None,
        abstain_reasons=said.reasons,
        head=HeadReading(annotation=annotate(ellipse, outline, (96, 96)), confidence=said.head)
        if said.head is not None
        else None,
        crop=None,
        measurements=measure(ellipse, Scale(mm_per_pixel=0.5, source="given"))
        if said.head is not None
        else None,
        heat=None,
        models={},
        timings_ms={},
    )


def read(*said: Said, blur: tuple[int, ...] = ()) -> tuple[Reading, Script]:
    """What becomes of a loop of these frames."""
    script = Script(said, blur)
    return read_loop(script, script.read, contextlib.nullcontext).reading, script


def loop_of(reading: Reading) -> Any:
    """The reading's loop block."""
    return reading.to_json()["loop"]


@pytest.mark.req("READ-11")
def test_frames_that_agree_give_one_result() -> None:
    """Plane, finding and best frame of a loop of sound frames; only the best frame's pictures are taken."""
    reading, script = read(*(Said(head=0.9 + 0.01 * (index == 2)) for index in range(4)))
    assert ("brain", "normal", ()) == (reading.plane, reading.finding, reading.abstain_reasons)
    block = loop_of(reading)
    assert (4, 25.0, [0, 1, 2, 3], 2) == tuple(
        block[name] for name in ("frame_count", "frame_rate_hz", "sampled", "best_frame")
    )
    assert ["PLANE_SURE", "HEAD_CLEAR", "HEAD_WHOLE", "SHARP"] == block["best_reason"]
    assert {"plane": 1.0, "finding": 1.0} == block["agreement"]
    assert ([0, 1, 2, 3], [2]) == (script.read_whole, script.shown)
    frame = {"index": 1, "stands_for": 1, "plane": "brain", "probability": 0.9, "head_confidence": 0.9}
    assert frame | {"hc_mm": block["per_frame"][0]["hc_mm"]} == block["per_frame"][1]


def test_at_most_five_frames_are_classified() -> None:
    """The classifier runs on the best frames with a head, not on all."""
    reading, script = read(*(Said(head=0.90 + index / 1000) for index in range(16)))
    assert FINDING_FRAMES == len(script.read_whole) == len(loop_of(reading)["finding_frames"])
    assert {11, 12, 13, 14, 15} == set(script.read_whole)


def test_the_plane_is_the_mean_of_logarithms() -> None:
    """Two wavering frames do not outweigh a sure one; the result is the normalised geometric mean."""
    reading, _ = read(
        Said(plane="abdomen", sure=0.4, head=None),
        Said(plane="abdomen", sure=0.4, head=None),
        Said(sure=0.98),
    )
    means = {
        name: math.prod(values) ** (1 / 3)
        for name, values in {
            "abdomen": (0.4, 0.4, 0.01),
            "brain": (0.3, 0.3, 0.98),
            "thorax": (0.3, 0.3, 0.01),
        }.items()
    }
    assert "brain" == reading.plane
    for name, mean in means.items():
        assert mean / sum(means.values()) == pytest.approx(reading.plane_probabilities[name])
    assert AbstainReason.FRAMES_DISAGREE in reading.abstain_reasons


def test_one_frame_that_is_sure_of_another_plane_does_not_veto() -> None:
    """A probability of 0 counts as a thousandth."""
    reading, _ = read(*[Said()] * 4, Said(plane="thorax", sure=1.0, head=None))
    assert ("brain", ()) == (reading.plane, reading.abstain_reasons)


@pytest.mark.parametrize(
    ("worse", "code"),
    [
        (Said(reasons=(AbstainReason.HEAD_CUT_OFF,)), "HEAD_WHOLE"),
        (Said(reasons=(AbstainReason.SEVERAL_HEADS,)), "HEAD_WHOLE"),
        (Said(head=0.6, reasons=(AbstainReason.HEAD_UNCERTAIN,)), "HEAD_CLEAR"),
        (Said(sure=0.5, reasons=(AbstainReason.PLANE_UNCERTAIN,)), "PLANE_SURE"),
    ],
)
def test_the_best_frame_is_sure_clear_and_whole(worse: Said, code: str) -> None:
    """A frame whose plane is unsure, or whose head is unclear, cut off or doubled, is not the best one."""
    reading, _ = read(worse, worse, Said(head=0.92), worse)
    block = loop_of(reading)
    assert 2 == block["best_frame"]
    assert code in block["best_reason"]


def test_a_sharp_frame_goes_before_a_blurred_one() -> None:
    """Of frames that are equal otherwise the sharp one is the best."""
    block = loop_of(read(*[Said()] * 4, blur=(0, 1, 3))[0])
    assert 2 == block["best_frame"]
    assert "SHARP" in block["best_reason"]


def test_where_nothing_speaks_for_a_frame_that_is_said() -> None:
    """The best of weak frames is called so."""
    weak = Said(
        sure=0.4,
        head=0.5,
        reasons=(AbstainReason.PLANE_UNCERTAIN, AbstainReason.HEAD_UNCERTAIN, AbstainReason.HEAD_CUT_OFF),
    )
    reading, _ = read(weak, weak, blur=(0, 1))
    assert set(weak.reasons) <= set(reading.abstain_reasons)
    assert loop_of(reading)["best_reason"] in (["BEST_OF_WEAK"], ["SHARP"])


def test_the_finding_is_the_median_and_one_odd_frame_changes_nothing() -> None:
    """Of five frames one says another finding: the median's finding stands and the loop does not abstain."""
    odd = Said(finding="other", finding_sure=0.99, head=0.93)
    reading, _ = read(Said(), Said(), Said(finding_sure=0.8), Said(), odd)
    assert ("normal", ()) == (reading.finding, reading.abstain_reasons)
    assert reading.finding_probabilities is not None
    assert 0.9 / (0.9 + 0.05 + 0.05) == pytest.approx(reading.finding_probabilities["normal"])
    assert 0.8 == loop_of(reading)["agreement"]["finding"]


@pytest.mark.req("BEY-07")
def test_frames_that_disagree_give_an_abstention() -> None:
    """Two of five findings, or more than two fifths of the planes, or the best frame itself against the rest."""
    odd = Said(finding="other", head=0.93)
    for said in (
        [Said(), Said(), Said(), odd, odd],
        [Said(), Said(), Said(plane="abdomen", head=None), Said(plane="thorax", head=None)],
        [Said(finding="other", head=0.99), Said(), Said(), Said(), Said()],
    ):
        reading, _ = read(*said)
        assert AbstainReason.FRAMES_DISAGREE in reading.abstain_reasons
        assert reading.to_json()["abstained"]


def test_the_loop_abstains_from_what_most_frames_or_the_best_abstain_from() -> None:
    """An unsure finding on most classified frames, or on the best one, is the loop's too."""
    unsure = Said(finding_sure=0.5, reasons=(AbstainReason.LOW_CONFIDENCE,))
    for said in (
        [Said(head=0.99), unsure, unsure],
        [Said(head=0.99, reasons=unsure.reasons), Said(), Said()],
    ):
        assert (AbstainReason.LOW_CONFIDENCE,) == read(*said)[0].abstain_reasons
    assert () == read(Said(head=0.99), Said(), unsure)[0].abstain_reasons


def test_a_loop_of_another_plane_is_not_classified() -> None:
    """Only the best frame is read in full, and there is no finding."""
    off = Said(plane="abdomen", head=None, reasons=(AbstainReason.NOT_BRAIN_PLANE,))
    reading, script = read(*[off] * 5)
    assert ("abdomen", None, (AbstainReason.NOT_BRAIN_PLANE,)) == (
        reading.plane,
        reading.finding,
        reading.abstain_reasons,
    )
    assert 1 == len(script.read_whole)
    assert (None, []) == (loop_of(reading)["agreement"]["finding"], loop_of(reading)["finding_frames"])


def test_lengths_are_the_median_of_sure_heads() -> None:
    """A cut-off head and one of another plane do not count; the spread is that of the others."""
    cut = Said(size=40, reasons=(AbstainReason.HEAD_CUT_OFF,))
    reading, _ = read(Said(size=100), Said(size=102), Said(size=98), cut, Said(plane="thorax", size=30))
    measured = loop_of(reading)["measurements"]
    assert 3 == measured["frame_count"]
    assert 50.0 == measured["lengths"]["ofd_px"]["median"]
    assert 1.4826 == measured["lengths"]["ofd_px"]["spread"]
    assert 25.0 == measured["lengths"]["ofd_mm"]["median"]


def test_every_reason_for_a_frame_has_words_in_both_languages() -> None:
    """The table of sentences is complete."""
    assert set(BestReason) == set(BEST_SENTENCES)
    assert all(set(text) == {"en", "zh"} and all(text.values()) for text in BEST_SENTENCES.values())


@pytest.mark.req("READ-11")
@pytest.mark.parametrize("kind", ["dicom", "avi", "mp4"])
async def test_a_loop_goes_through_the_reader(
    open_reader: OpenReader, answers: type[Any], tmp_path: Path, kind: str
) -> None:
    """DICOM and videos with real models: outline and pictures belong to the best frame of the loop."""
    frames = [*drawn((20, 20)), *moving(6), *drawn((300, 220))]
    data, media_type = dicom_loop(frames, FrameTime="40"), DICOM
    if kind != "dicom":
        codec = {"avi": "FFV1", "mp4": "mp4v"}[kind]
        data, media_type = video(frames, tmp_path / f"loop.{kind}", codec), f"video/{kind}"
    taken: list[str] = []
    reader = await open_reader(answers())
    result = await reader.read(data, media_type, 0.2, "given", lambda name, _: taken.append(name))
    form = result.reading.to_json()
    best = form["loop"]["best_frame"]
    assert 1 <= best <= 6
    assert form["head"]["ellipse"]["cx"] == pytest.approx(140 + 8 * (best - 1), abs=2)
    assert (8, 25.0) == (form["loop"]["frame_count"], form["loop"]["frame_rate_hz"])
    assert ("brain", "ventriculomegaly", False) == (form["plane"], form["finding"], form["abstained"])
    assert ["mask.png", "heatmap.png"] == taken
    shown = decode(data, media_type, best).pixels
    gray = shown if shown.ndim == 2 else shown[:, :, 0]
    assert np.abs(gray.astype(int) - frames[best]).mean() < 6
    for png in (
        overlay_png(data, media_type, form),
        fused_png(data, media_type, form, result.pictures["heatmap.png"]),
    ):
        drawn_on = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert drawn_on is not None
        # Far from the head and from the mark the picture is the best frame's own.
        corner = drawn_on[:40, 290:, 0].astype(int)
        assert np.abs(corner - gray[:40, 290:]).max() == 0


async def test_a_blank_loop_abstains(open_reader: OpenReader, answers: type[Any]) -> None:
    """A loop of black frames is one blank frame."""
    reader = await open_reader(answers())
    form = (await reader.read(dicom_loop([np.zeros((240, 320), np.uint8)] * 9), DICOM)).reading.to_json()
    assert "IMAGE_BLANK" == form["abstain_reasons"][0]
    assert ([0], ["ONLY_ONE"]) == (form["loop"]["sampled"], form["loop"]["best_reason"][:1])
    assert 9 == form["loop"]["per_frame"][0]["stands_for"]


async def test_a_loop_that_ends_early_is_refused(open_reader: OpenReader, answers: type[Any]) -> None:
    """A cut loop is ImageUnreadable and never a reading; the reader goes on."""
    reader = await open_reader(answers())
    whole = dicom_loop(moving(6))
    with pytest.raises(ImageUnreadable):
        await reader.read(whole[:-7], DICOM)
    assert (await reader.read(whole, DICOM)).reading.loop is not None


async def test_a_still_has_no_loop(open_reader: OpenReader, answers: type[Any]) -> None:
    """A DICOM object of one frame is read as a still."""
    reader = await open_reader(answers())
    assert None is (await reader.read(dicom_loop(moving(1)), DICOM)).reading.to_json()["loop"]
