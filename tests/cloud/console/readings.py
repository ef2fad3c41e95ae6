"""Made-up readings for the console's tests: the virtual scanner's truth for an outline, the real functions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from cloud.infer.annotate import Ellipse, annotate, fill
from cloud.infer.assess import Context
from cloud.infer.heatmap import heat_map, palette
from cloud.infer.measure import Length, Scale, measure
from cloud.infer.pictures import indexed_png, mask_png, small_png
from cloud.infer.preprocess import crop_box
from cloud.infer.reading import HeadReading, ModelUsed, Reading, SubPlane
from cloud.infer.reasons import AbstainReason
from cloud.infer.ventricle import NoWidth, VentricleReading
from edge_agent.simulator.exam import Shot, draw_examination
from tests.cloud.console.made import made_ventricles

MODELS = {
    name: ModelUsed(version="1", sha256=hashlib.sha256(name.encode()).hexdigest())
    for name in ("fetal_head_seg", "fetal_plane_cls", "fetal_brain_cls")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the made-up reading of a picture says."""

    finding: str | None = "normal"
    """normal, ventriculomegaly or other; None where no brain was classified."""
    probability: float = 0.973
    """Of the finding."""
    plane: str = "brain"
    """Most probable plane."""
    reasons: tuple[AbstainReason, ...] = ()
    """Why it abstains."""
    scaled: bool = True
    """Whether the scale is known."""
    ventricle_mm: float | None = None
    """Width of the lateral ventricle, where one was found."""
    no_width: NoWidth | None = None
    """Why it was not measured all the same."""
    subplane: SubPlane | None = None
    """Which standard plane of the brain."""
    context: Context = field(default_factory=Context)
    """Gestational age by the examination, and limits."""


def brain_shot(seed: int) -> Shot:
    """A still of a fetal head without texts."""
    shots = draw_examination(seed, 0, banner=False, cines=False)
    return next(shot for shot in shots if shot.still.truth.ellipse is not None)


def png_of(shot: Shot) -> bytes:
    """The still as PNG."""
    pixels = shot.still.pixels
    ordered = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    return small_png(np.asarray(ordered, np.uint8))


def spread(top: str, share: float, names: Iterable[str]) -> dict[str, float]:
    others = [name for name in names if name != top]
    weights = [2.0**-n for n in range(len(others))]
    rest = {name: (1 - share) * w / sum(weights) for name, w in zip(others, weights, strict=True)}
    return {top: share, **rest}


def made_reading(shot: Shot, verdict: Verdict) -> tuple[Reading, dict[str, bytes]]:
    """A reading with the scanner's truth for an outline, and its pictures, made by the real functions."""
    truth = shot.still.truth
    height_px, width_px = truth.height_px, truth.width_px
    head, box, heat, measured = None, None, None, None
    ventricles: VentricleReading | None = None
    pictures: dict[str, bytes] = {}
    if truth.ellipse is not None:
        e = truth.ellipse
        ellipse = Ellipse(cx=e.cx, cy=e.cy, a=e.a, b=e.b, angle_deg=e.angle_deg % 180)
        mask = fill(ellipse, (height_px, width_px))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = np.asarray(contours[0][:, 0, :], np.float32)
        head = HeadReading(annotation=annotate(ellipse, outline, (height_px, width_px)), confidence=0.981)
        if verdict.ventricle_mm is not None:
            ventricles = made_ventricles(ellipse, verdict.ventricle_mm / truth.mm_per_pixel, verdict.no_width)
        width = ventricles.measured if ventricles else None
        midline = ventricles.midline if ventricles else None
        measured = measure(
            ellipse,
            Scale(mm_per_pixel=truth.mm_per_pixel, source="given") if verdict.scaled else None,
            outline_sd_px=1.6,
            ventricle_width=Length(px=width.width_px, sd_px=width.width_sd_px) if width else None,
            midline_shift=Length(px=abs(midline.shift_px)) if midline else None,
        )
        pictures["mask.png"] = mask_png(mask)
        if verdict.finding is not None:
            box = crop_box(ellipse, (height_px, width_px))
            rows, columns = np.mgrid[0:7, 0:7].astype(np.float32)
            evidence = np.exp(-((columns - 4.4) ** 2 + (rows - 3.6) ** 2) / 2.2) * 6 - 0.4
            made = heat_map(evidence, verdict.finding, box, (height_px, width_px))
            pictures["heatmap.png"] = indexed_png(made.levels, palette(verdict.probability))
            heat = made.heat
    finding = verdict.finding
    reading = Reading(
        width_px=width_px,
        height_px=height_px,
        plane=verdict.plane,
        plane_probabilities=spread(verdict.plane, 0.962, ("brain", "abdomen", "femur", "thorax")),
        subplane=verdict.subplane,
        finding=finding,
        finding_probabilities=spread(finding, verdict.probability, ("normal", "ventriculomegaly", "other"))
        if finding
        else None,
        abstain_reasons=verdict.reasons,
        head=head,
        crop=box,
        measurements=measured,
        ventricles=ventricles,
        heat=heat,
        models=MODELS,
        timings_ms={"decode": 4.2, "segment": 38.0, "classify": 44.0},
        context=verdict.context,
    )
    return reading, pictures
