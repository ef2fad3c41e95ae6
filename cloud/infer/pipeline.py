"""Step 11 of 13: infer. Reads one still: segment, annotate, crop, enhance, classify, heat map, measure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cloud.infer import DescribingEngine, RunsHere
from cloud.infer.annotate import Annotation, annotate, fill
from cloud.infer.classify import BRAIN, Classification, classify
from cloud.infer.decode import Still, decode
from cloud.infer.errors import InputInvalid, ModelInvalid
from cloud.infer.heatmap import Heat, heat_map, palette
from cloud.infer.measure import Measurements, Scale, measure
from cloud.infer.pictures import indexed_png, mask_png
from cloud.infer.preprocess import (
    CropBox,
    Letterbox,
    as_gray,
    brain_input,
    crop_box,
    cut_crop,
    enhance,
    plane_input,
    segment_input,
)
from cloud.infer.reading import HeadReading, ModelUsed, Reading
from cloud.infer.reasons import AbstainReason
from cloud.infer.segment import HeadSearch, find_head

SEGMENT_MODEL: Final = "fetal_head_seg"
PLANE_MODEL: Final = "fetal_plane_cls"
BRAIN_MODEL: Final = "fetal_brain_cls"
MODELS: Final = (SEGMENT_MODEL, PLANE_MODEL, BRAIN_MODEL)
STEPS: Final = ("decode", "segment", "annotate", "crop", "classify", "heatmap", "measure")

BLANK_DEVIATION = 0.01
"""A still whose gray values (0..1) deviate less than this from their mean shows nothing."""
MIN_HEAD_CONFIDENCE = 0.9
"""Below it the outline is not relied on."""
HEAD_AGAINST_PLANE_CONFIDENCE = 0.965
"""On a still that surely shows another plane, a head below this is none. On train frames 3 % of 91 abdomens,
no femur or thorax and 90 % of 97 brains lay above it, with a head model whose training had not ended: to be
measured again with every new version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """A reading and the pictures that were made along with it."""

    reading: Reading
    """What inference says."""
    pictures: Mapping[str, bytes]
    """PNG files by name: "mask.png" always (what the head model found, also where the plane model says that
    the still shows no head and the reading keeps none), "heatmap.png" where the reading has heat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A decoded still, ready for the models."""

    gray: NDArray[np.uint8]
    scale: Scale | None
    blank: bool
    segment_canvas: NDArray[np.float32]
    letterbox: Letterbox


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    """The head on the still, and what the brain model needs of it."""

    search: HeadSearch
    annotation: Annotation | None
    crop: CropBox | None
    brain_canvas: NDArray[np.float32] | None
    measurements: Measurements | None


class _Stopwatch:
    """Adds up the milliseconds of each step; each step is timed by one thread at a time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.milliseconds: dict[str, float] = dict.fromkeys(STEPS, 0.0)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = self._clock()
        yield
        self.milliseconds[name] += (self._clock() - began) * 1000


TakePicture = Callable[[str, bytes], None]
"""Called with a picture's name and PNG file as soon as it is made, on the thread that reads."""

HasCores = Callable[[], bool]
"""Says whether a reading may use more than one core now; asked before each model."""


class _Call(Protocol):
    """Runs a model and waits for it: `RunsHere.run`, or a call across to an engine elsewhere."""

    def __call__(
        self, model: str, inputs: Mapping[str, NDArray[Any]], *, alone: bool
    ) -> Mapping[str, NDArray[Any]]: ...


class _Models:
    """The engine, as one reading uses it."""

    def __init__(self, call: _Call, is_alone: HasCores) -> None:
        self._call = call
        self.is_alone = is_alone

    def run(
        self, model: str, input_name: str, item: NDArray[Any], *, alone: bool
    ) -> Mapping[str, NDArray[Any]]:
        """One item through a model: a batch axis is put on and taken off; what is not finite is refused."""
        outputs = self._call(model, {input_name: item[np.newaxis]}, alone=alone)
        for name, array in outputs.items():
            if not np.isfinite(array).all():
                raise ModelInvalid(model, f"its output {name!r} is not finite")
        return {name: array[0] for name, array in outputs.items()}


def _ignore(_name: str, _png: bytes) -> None:
    """Takes a picture that nobody waits for."""


def _always() -> bool:
    """No other work wants the cores."""
    return True


class Reader:
    """Reads stills with an engine that serves the three models. It keeps nothing from one still to the
    next.

    Each still has a thread for all of its steps, so stills at the same time cost no hops and do not wait for
    each other. One that is alone may use the other cores too: for the models, and for the plane beside the
    head.
    """

    def __init__(self, engine: DescribingEngine, clock: Callable[[], float] = time.perf_counter) -> None:
        self._engine = engine
        self._clock = clock
        self._under_way = 0
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-beside")

    async def read(
        self,
        image_bytes: bytes,
        media_type: str,
        mm_per_pixel: float | None = None,
        scale_source: str | None = None,
        take_picture: TakePicture = _ignore,
        has_cores: HasCores = _always,
    ) -> ReadResult:
        """Reads one still; the answer depends on the still, its scale and the models alone.

        `mm_per_pixel` with its `scale_source` goes before a scale that the file itself states. A still that
        shows no sure finding gives a reading that abstains, with its reasons. Raises ImageUnreadable for
        bytes that are no still, InputInvalid for a scale that is none, and the engine's errors; some pictures
        may have been taken by then.
        """
        scale = _given_scale(mm_per_pixel, scale_source)
        call = self._engine.run if isinstance(self._engine, RunsHere) else self._across()
        models = _Models(call, lambda: self._under_way <= 1 and has_cores())
        self._under_way += 1
        try:
            return await asyncio.to_thread(self._read, image_bytes, media_type, scale, models, take_picture)
        finally:
            self._under_way -= 1

    @property
    def under_way(self) -> int:
        """How many stills are being read."""
        return self._under_way

    def _across(self) -> _Call:
        """Calls the engine on the loop of this task, from another thread."""
        loop = asyncio.get_running_loop()

        def run(model: str, inputs: Mapping[str, NDArray[Any]], *, alone: bool) -> Mapping[str, NDArray[Any]]:
            return asyncio.run_coroutine_threadsafe(self._engine.infer(model, inputs), loop).result()

        return run

    def _read(
        self, image: bytes, media_type: str, scale: Scale | None, models: _Models, take_picture: TakePicture
    ) -> ReadResult:
        """All steps of one still, on this thread."""
        watch = _Stopwatch(self._clock)
        still = _prepare(image, media_type, scale, watch)
        pictures: dict[str, bytes] = {}

        def keep(name: str, png: bytes) -> None:
            pictures[name] = png
            take_picture(name, png)

        segmented = self._segment(models, still, watch)
        # Not beside the head model: its threads wait for each other, so whatever takes a core from it delays
        # it.
        alone = models.is_alone()
        beside = self._beside.submit(self._plane, models, still, watch) if alone else None
        located = _locate(segmented, still, watch)
        keep("mask.png", _mask(still, located, watch))
        plane = beside.result() if beside else self._plane(models, still, watch)
        region = _believed(located, plane)
        brain = self._brain(models, plane, region, watch)
        heat = None
        if brain is not None:
            heat, heatmap = _heat(*brain, still, region, watch)
            keep("heatmap.png", heatmap)
        reading = self._reading(still, region, plane, brain[0] if brain else None, heat, watch)
        return ReadResult(reading=reading, pictures=pictures)

    def _segment(self, models: _Models, still: _Prepared, watch: _Stopwatch) -> NDArray[np.float32]:
        """The head model's probability canvas, 1 x h x w."""
        with watch.step("segment"):
            outputs = models.run(SEGMENT_MODEL, "image", still.segment_canvas, alone=models.is_alone())
            return outputs["probability"]

    def _plane(self, models: _Models, still: _Prepared, watch: _Stopwatch) -> Classification:
        """The plane model's answer; by one thread, because where there is another it locates the head."""
        with watch.step("classify"):
            outputs = models.run(PLANE_MODEL, "image", plane_input(still.gray), alone=False)
            return classify(outputs["logits"], self._engine.describe(PLANE_MODEL))

    def _brain(
        self, models: _Models, plane: Classification, region: _Region, watch: _Stopwatch
    ) -> tuple[Classification, NDArray[np.float32]] | None:
        """The brain model's answer and its raw signed class maps (classes x h x w), where the still shows a
        brain with a head to cut out."""
        if plane.label != BRAIN or region.brain_canvas is None:
            return None
        with watch.step("classify"):
            outputs = models.run(BRAIN_MODEL, "crop", region.brain_canvas, alone=models.is_alone())
            return classify(outputs["logits"], self._engine.describe(BRAIN_MODEL)), outputs["map"]

    def _reading(
        self,
        still: _Prepared,
        region: _Region,
        plane: Classification,
        brain: Classification | None,
        heat: Heat | None,
        watch: _Stopwatch,
    ) -> Reading:
        head = region.search.head
        used = MODELS if brain else (SEGMENT_MODEL, PLANE_MODEL)
        described = {name: self._engine.describe(name) for name in used}
        return Reading(
            width_px=still.gray.shape[1],
            height_px=still.gray.shape[0],
            plane=plane.label,
            plane_probabilities=plane.probabilities,
            finding=brain.label if brain else None,
            finding_probabilities=brain.probabilities if brain else None,
            abstain_reasons=abstain_reasons(still.blank, plane, region.search, brain),
            head=HeadReading(annotation=region.annotation, confidence=head.confidence)
            if head and region.annotation
            else None,
            crop=region.crop,
            measurements=region.measurements,
            heat=heat,
            models={name: ModelUsed(version=i.version, sha256=i.sha256) for name, i in described.items()},
            timings_ms=watch.milliseconds,
        )


def abstain_reasons(
    blank: bool, plane: Classification, search: HeadSearch, brain: Classification | None
) -> tuple[AbstainReason, ...]:
    """Every reason not to rely on a finding, in the order of the steps; empty when there is none."""
    shows_brain = plane.label == BRAIN
    head = search.head
    table = (
        (blank, AbstainReason.IMAGE_BLANK),
        # A clear head on a plane that surely is another one: one of the two models is wrong.
        (not plane.sure or (head is not None and not shows_brain), AbstainReason.PLANE_UNCERTAIN),
        (plane.sure and not shows_brain, AbstainReason.NOT_BRAIN_PLANE),
        (head is None and shows_brain, AbstainReason.NO_HEAD),
        (search.head_count > 1, AbstainReason.SEVERAL_HEADS),
        (head is not None and head.cut_off, AbstainReason.HEAD_CUT_OFF),
        (head is not None and head.confidence < MIN_HEAD_CONFIDENCE, AbstainReason.HEAD_UNCERTAIN),
        (brain is not None and not brain.sure, AbstainReason.LOW_CONFIDENCE),
    )
    return tuple(reason for applies, reason in table if applies)


def _given_scale(mm_per_pixel: float | None, source: str | None) -> Scale | None:
    if mm_per_pixel is None:
        return None
    try:
        return Scale(mm_per_pixel=mm_per_pixel, source=source or "")
    except ValueError as exc:
        raise InputInvalid(str(exc)) from exc


def _prepare(image: bytes, media_type: str, scale: Scale | None, watch: _Stopwatch) -> _Prepared:
    with watch.step("decode"):
        still: Still = decode(image, media_type)
        gray = as_gray(still.pixels)
    with watch.step("segment"):
        canvas, letterbox = segment_input(gray)
        content = canvas[0, : letterbox.content_height_px, : letterbox.content_width_px]
        blank = bool(content.std() < BLANK_DEVIATION)
    return _Prepared(
        gray=gray,
        scale=scale or still.scale,
        blank=blank,
        segment_canvas=canvas,
        letterbox=letterbox,
    )


def _nowhere(search: HeadSearch) -> _Region:
    return _Region(search=search, annotation=None, crop=None, brain_canvas=None, measurements=None)


def _believed(region: _Region, plane: Classification) -> _Region:
    """The region, or none where the still surely shows another plane and the head is not clear enough against
    it."""
    head = region.search.head
    if head is None or plane.label == BRAIN or not plane.sure:
        return region
    if head.confidence >= HEAD_AGAINST_PLANE_CONFIDENCE:
        return region
    return _nowhere(HeadSearch(head=None, head_count=0))


def _locate(probability: NDArray[np.float32], still: _Prepared, watch: _Stopwatch) -> _Region:
    """The head, its annotation, its crop and its lengths; on a blank still there is no head."""
    with watch.step("segment"):
        nothing = HeadSearch(head=None, head_count=0)
        search = nothing if still.blank else find_head(probability[0], still.letterbox)
    head = search.head
    if head is None:
        return _nowhere(search)
    image_hw = (still.gray.shape[0], still.gray.shape[1])
    with watch.step("annotate"):
        annotation = annotate(head.ellipse, head.outline, image_hw)
    with watch.step("crop"):
        box = crop_box(head.ellipse, image_hw)
        canvas = brain_input(enhance(cut_crop(still.gray, box)))
    with watch.step("measure"):
        measurements = measure(head.ellipse, still.scale)
    return _Region(
        search=search, annotation=annotation, crop=box, brain_canvas=canvas, measurements=measurements
    )


def _mask(still: _Prepared, region: _Region, watch: _Stopwatch) -> bytes:
    """The annotated region as a picture of the still's size: 255 inside the ellipse, 0 outside and without a
    head."""
    with watch.step("annotate"):
        image_hw = (still.gray.shape[0], still.gray.shape[1])
        head = region.search.head
        return mask_png(fill(head.ellipse, image_hw) if head else np.zeros(image_hw, np.uint8))


def _heat(
    brain: Classification, maps: NDArray[np.float32], still: _Prepared, region: _Region, watch: _Stopwatch
) -> tuple[Heat, bytes]:
    """The map of the finding's class: its numbers and its pseudo-colour picture on the crop."""
    with watch.step("heatmap"):
        if region.crop is None or maps.shape[0] <= brain.index:
            raise ModelInvalid(
                BRAIN_MODEL, f"it gave {maps.shape[0]} maps for {len(brain.probabilities)} labels"
            )
        image_hw = (still.gray.shape[0], still.gray.shape[1])
        mapped = heat_map(maps[brain.index], brain.label, region.crop, image_hw)
        return mapped.heat, indexed_png(mapped.levels, palette(brain.probability))
