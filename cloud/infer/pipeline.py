"""Step 11 of 13: infer. Reads one still: segment, annotate, crop, enhance, classify, heat map, measure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cloud.infer import DescribingEngine, RunsHere, snapshot_of
from cloud.infer.annotate import fill
from cloud.infer.assess import Context
from cloud.infer.classify import BRAIN, Classification, card_number, classify
from cloud.infer.decode import Still, decode
from cloud.infer.doubts import abstain_reasons
from cloud.infer.errors import InputInvalid, ModelInvalid
from cloud.infer.frames import open_loop
from cloud.infer.heatmap import Heat, heat_map, palette
from cloud.infer.loop import Depth, read_loop
from cloud.infer.measure import Scale
from cloud.infer.models import Call, HasCores, Models, Stopwatch
from cloud.infer.pictures import indexed_png, mask_png
from cloud.infer.preprocess import Letterbox, as_gray, plane_input, segment_input
from cloud.infer.reading import HeadReading, ModelUsed, Reading, SubPlane
from cloud.infer.region import NOTHING, Region, believed, corrected, lengths, region_of
from cloud.infer.segment import HeadSearch, find_head
from cloud.infer.source import Image
from cloud.infer.subplane import turned_head
from cloud.infer.texture import is_tissue
from cloud.infer.thresholds import ThresholdScheme
from cloud.infer.ventricle import VentricleReading, read_ventricles

SEGMENT_MODEL: Final = "fetal_head_seg"
OUTLINE_MODEL: Final = "fetal_head_outline"
PLANE_MODEL: Final = "fetal_plane_cls"
BRAIN_MODEL: Final = "fetal_brain_cls"
SUBPLANE_MODEL: Final = "fetal_subplane_cls"
VENTRICLE_MODEL: Final = "fetal_ventricle_seg"
MODELS: Final = (SEGMENT_MODEL, PLANE_MODEL, BRAIN_MODEL)
"""Without these nothing is read; a repository without the others gives readings without what they add."""
STEPS: Final = ("decode", "segment", "annotate", "crop", "classify", "heatmap", "measure")

BLANK_DEVIATION = 0.01
"""A still whose gray values (0..1) deviate less than this from their mean shows nothing."""
OUTLINE_PASSES = 1
"""How often the outline is corrected where the outline model's card does not say."""


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
class _Seen:
    """What the models said of a still, as far as they were asked."""

    region: Region
    plane: Classification
    subplane: Classification | None = None
    brain: Classification | None = None
    maps: NDArray[np.float32] | None = None
    ventricles: VentricleReading | None = None


TakePicture = Callable[[str, bytes], None]
"""Called with a picture's name and PNG file as soon as it is made, on the thread that reads."""


def _ignore(_name: str, _png: bytes) -> None:
    """Takes a picture that nobody waits for."""


def _always() -> bool:
    """No other work wants the cores."""
    return True


class Reader:
    """Reads stills with an engine that serves `MODELS`. It keeps nothing from one still to the
    next.

    Each still has a thread for all of its steps, so stills at the same time cost no hops and do not wait for
    each other. One that is alone may use the other cores too: for the models, and for the plane beside the
    head.
    """

    def __init__(
        self,
        engine: DescribingEngine,
        clock: Callable[[], float] = time.perf_counter,
        *,
        thresholds: ThresholdScheme | None = None,
    ) -> None:
        """`thresholds` are the site's limits where a reading's context brings none."""
        self._engine = engine
        self._clock = clock
        self._context = Context(thresholds=thresholds or ThresholdScheme())
        self._under_way = 0
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-beside")

    async def read(
        self,
        image_bytes: Image,
        media_type: str,
        mm_per_pixel: float | None = None,
        scale_source: str | None = None,
        take_picture: TakePicture = _ignore,
        has_cores: HasCores = _always,
        context: Context | None = None,
    ) -> ReadResult:
        """Reads one still or one loop; the answer depends on it, its scale and the models alone.

        `mm_per_pixel` with its `scale_source` goes before a scale that the file itself states. A still that
        shows no sure finding gives a reading that abstains, with its reasons; `context` is what is known of the
        examination, and the limits that lengths are judged by. Raises ImageUnreadable for
        bytes that are no still, InputInvalid for a scale that is none, and the engine's errors; some pictures
        may have been taken by then.
        """
        scale = _given_scale(mm_per_pixel, scale_source)
        engine = snapshot_of(self._engine)
        call = engine.run if isinstance(engine, RunsHere) else self._across(engine)
        models = Models(engine, call, lambda: self._under_way <= 1 and has_cores())
        self._under_way += 1
        try:
            about = context or self._context
            return await asyncio.to_thread(
                self._read, image_bytes, media_type, scale, models, take_picture, about
            )
        finally:
            self._under_way -= 1

    @property
    def under_way(self) -> int:
        """How many stills are being read."""
        return self._under_way

    def _across(self, engine: DescribingEngine) -> Call:
        """Calls the engine on the loop of this task, from another thread."""
        loop = asyncio.get_running_loop()

        def run(model: str, inputs: Mapping[str, NDArray[Any]], *, alone: bool) -> Mapping[str, NDArray[Any]]:
            return asyncio.run_coroutine_threadsafe(engine.infer(model, inputs), loop).result()

        return run

    def _read(
        self,
        image: Image,
        media_type: str,
        scale: Scale | None,
        models: Models,
        take_picture: TakePicture,
        context: Context,
    ) -> ReadResult:
        """All steps of one still, or of the frames of a loop, on this thread."""
        watch = Stopwatch(STEPS, self._clock)

        def read_one(still: Still, depth: Depth) -> ReadResult:
            take = take_picture if depth is Depth.SHOW else _ignore
            return self._read_still(_prepare(still, scale, watch), models, take, watch, depth, context)

        with watch.step("decode"):
            loop = open_loop(image, media_type)
            still = None if loop else decode(image, media_type)
        if loop is not None:
            return read_loop(loop, read_one, lambda: watch.step("decode"))
        assert still is not None
        return read_one(still, Depth.SHOW)

    def _read_still(
        self,
        still: _Prepared,
        models: Models,
        take_picture: TakePicture,
        watch: Stopwatch,
        depth: Depth,
        context: Context,
    ) -> ReadResult:
        """One still, or one frame of a loop, as deep as `depth` says."""
        pictures: dict[str, bytes] = {}

        def keep(name: str, png: bytes) -> None:
            pictures[name] = png
            take_picture(name, png)

        search = self._segment(models, still, watch)
        # Not beside the head model: its threads wait for each other, so whatever takes a core from it delays
        # it.
        alone = models.is_alone()
        beside = self._beside.submit(self._plane, models, still, watch) if alone else None
        region = self._region(models, still, search, watch)
        if depth is not Depth.LOOK:
            keep("mask.png", _mask(still, region, watch))
        plane = beside.result() if beside else self._plane(models, still, watch)
        seen = _Seen(region=believed(region, plane), plane=plane)
        if depth is not Depth.LOOK:
            seen = self._inside(models, still, seen, watch)
        heat = None
        if seen.brain is not None:
            heat, heatmap = _heat(seen, still, watch)
            keep("heatmap.png", heatmap)
        return ReadResult(reading=self._reading(models, still, seen, heat, context, watch), pictures=pictures)

    def _segment(self, models: Models, still: _Prepared, watch: Stopwatch) -> HeadSearch:
        """The head as the head model finds it; on a blank still there is none."""
        with watch.step("segment"):
            outputs = models.run(SEGMENT_MODEL, "image", still.segment_canvas, alone=models.is_alone())
            if still.blank:
                return NOTHING
            return find_head(outputs["probability"][0], still.letterbox, still.segment_canvas[0])

    def _region(self, models: Models, still: _Prepared, search: HeadSearch, watch: Stopwatch) -> Region:
        """The head with its outline corrected, annotated and cut out."""
        if search.head is not None and models.has(OUTLINE_MODEL):
            with watch.step("segment"):
                card = models.describe(OUTLINE_MODEL)
                passes = round(card_number(card, "outline", "passes", OUTLINE_PASSES))
                search = corrected(
                    search,
                    still.gray,
                    lambda band: models.run(OUTLINE_MODEL, "band", band, alone=False)["radius"],
                    passes,
                )
        if search.head is not None and not is_tissue(still.gray, search.head.ellipse):
            # A drawn shape: nothing that is said of it is to be relied on.
            search = replace(search, head=replace(search.head, confidence=0.0))
        with watch.step("crop"):
            return region_of(search, still.gray)

    def _plane(self, models: Models, still: _Prepared, watch: Stopwatch) -> Classification:
        """The plane model's answer; by one thread, because where there is another it locates the head."""
        with watch.step("classify"):
            outputs = models.run(PLANE_MODEL, "image", plane_input(still.gray), alone=False)
            return classify(outputs["logits"], models.describe(PLANE_MODEL), outputs.get("novelty"))

    def _inside(self, models: Models, still: _Prepared, seen: _Seen, watch: Stopwatch) -> _Seen:
        """With the brain's plane, classes and ventricles, where the still shows a brain with a head to cut
        out."""
        canvas = seen.region.brain_canvas
        if seen.plane.label != BRAIN or canvas is None:
            return seen
        seen = replace(seen, subplane=self._subplane(models, still, seen, watch))
        beside = None
        if models.has(VENTRICLE_MODEL) and models.is_alone():
            beside = self._beside.submit(self._ventricles, models, seen, canvas, watch)
        with watch.step("classify"):
            outputs = models.run(BRAIN_MODEL, "crop", canvas, alone=False)
            info = models.describe(BRAIN_MODEL)
            brain = classify(outputs["logits"], info, outputs.get("novelty"))
        ventricles = beside.result() if beside else self._ventricles(models, seen, canvas, watch)
        return replace(seen, brain=brain, maps=outputs["map"], ventricles=ventricles)

    def _subplane(
        self, models: Models, still: _Prepared, seen: _Seen, watch: Stopwatch
    ) -> Classification | None:
        """Which plane of the brain, where the repository has the model for it."""
        head = seen.region.search.head
        if not models.has(SUBPLANE_MODEL) or head is None:
            return None
        with watch.step("classify"):
            outputs = models.run(SUBPLANE_MODEL, "head", turned_head(still.gray, head.ellipse), alone=False)
            return classify(outputs["logits"], models.describe(SUBPLANE_MODEL))

    def _ventricles(
        self, models: Models, seen: _Seen, canvas: NDArray[np.float32], watch: Stopwatch
    ) -> VentricleReading | None:
        """Ventricles and midline, where the repository has their model; by one thread, as the plane."""
        head, crop = seen.region.search.head, seen.region.crop
        if not models.has(VENTRICLE_MODEL) or head is None or crop is None:
            return None
        with watch.step("measure"):
            outputs = models.run(VENTRICLE_MODEL, "crop", canvas, alone=False)
            view = seen.subplane.label if seen.subplane and seen.subplane.sure else None
            return read_ventricles(outputs["probability"], canvas, head.ellipse, crop, view=view)

    def _reading(
        self,
        models: Models,
        still: _Prepared,
        seen: _Seen,
        heat: Heat | None,
        context: Context,
        watch: Stopwatch,
    ) -> Reading:
        region, plane, subplane, brain = seen.region, seen.plane, seen.subplane, seen.brain
        head = region.search.head
        measurements = None
        if head is not None:
            with watch.step("measure"):
                drawn_by = OUTLINE_MODEL if models.has(OUTLINE_MODEL) else SEGMENT_MODEL
                outline = models.describe(drawn_by)
                measurements = lengths(head, still.scale, still.letterbox, outline, seen.ventricles)
        return Reading(
            width_px=still.gray.shape[1],
            height_px=still.gray.shape[0],
            plane=plane.label,
            plane_probabilities=plane.probabilities,
            subplane=SubPlane(label=subplane.label, probabilities=subplane.probabilities, sure=subplane.sure)
            if subplane
            else None,
            finding=brain.label if brain else None,
            finding_probabilities=brain.probabilities if brain else None,
            novelty={
                name: round(each.novelty, 3)
                for name, each in ((PLANE_MODEL, plane), (BRAIN_MODEL, brain))
                if each is not None and each.novelty is not None
            },
            abstain_reasons=abstain_reasons(still.blank, plane, region.search, brain),
            head=HeadReading(annotation=region.annotation, confidence=head.confidence)
            if head and region.annotation
            else None,
            crop=region.crop,
            measurements=measurements,
            ventricles=seen.ventricles,
            heat=heat,
            models=_used(models),
            timings_ms=watch.milliseconds,
            context=context,
        )


def _used(models: Models) -> dict[str, ModelUsed]:
    """The models that were run, in the order in which a still meets them."""
    order = (SEGMENT_MODEL, OUTLINE_MODEL, PLANE_MODEL, SUBPLANE_MODEL, BRAIN_MODEL, VENTRICLE_MODEL)
    return {
        name: ModelUsed(version=models.used[name].version, sha256=models.used[name].sha256)
        for name in order
        if name in models.used
    }


def _given_scale(mm_per_pixel: float | None, source: str | None) -> Scale | None:
    if mm_per_pixel is None:
        return None
    try:
        return Scale(mm_per_pixel=mm_per_pixel, source=source or "")
    except ValueError as exc:
        raise InputInvalid(str(exc)) from exc


def _prepare(still: Still, scale: Scale | None, watch: Stopwatch) -> _Prepared:
    with watch.step("decode"):
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


def _mask(still: _Prepared, region: Region, watch: Stopwatch) -> bytes:
    """The annotated region as a picture of the still's size: 255 inside the ellipse, 0 outside and without a
    head."""
    with watch.step("annotate"):
        image_hw = (still.gray.shape[0], still.gray.shape[1])
        head = region.search.head
        return mask_png(fill(head.ellipse, image_hw) if head else np.zeros(image_hw, np.uint8))


def _heat(seen: _Seen, still: _Prepared, watch: Stopwatch) -> tuple[Heat, bytes]:
    """The map of the finding's class: its numbers and its pseudo-colour picture on the crop."""
    brain, maps, crop = seen.brain, seen.maps, seen.region.crop
    assert brain is not None
    assert crop is not None
    with watch.step("heatmap"):
        if maps is None or maps.shape[0] <= brain.index:
            count = 0 if maps is None else maps.shape[0]
            raise ModelInvalid(BRAIN_MODEL, f"it gave {count} maps for {len(brain.probabilities)} labels")
        image_hw = (still.gray.shape[0], still.gray.shape[1])
        mapped = heat_map(maps[brain.index], brain.label, crop, image_hw)
        return mapped.heat, indexed_png(mapped.levels, palette(brain.probability))
