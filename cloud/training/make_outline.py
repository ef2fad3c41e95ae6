"""Makes `fetal_head_outline`: trains it, measures it behind the head model on `dev`, publishes it with its card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cloud.infer.annotate import Ellipse
from cloud.infer.measure import perimeter
from cloud.infer.outline import BAND_HW, RAYS, band, refined
from cloud.infer.preprocess import SEGMENT_SIZE_HW, Gray, segment_input
from cloud.training import brain, outline, segmentation
from cloud.training.brain import HeadFinder, find_ellipse
from cloud.training.card import HC18, SPLIT, Table, architecture_table
from cloud.training.data import HeadFrame, head_frames
from cloud.training.derive import U_NET, seeded
from cloud.training.make_head import published_finder
from cloud.training.onnx_model import OnnxModel, exported
from cloud.training.options import Options, Say, learn
from cloud.training.outline import OutlineSample, OutlineTask
from cloud.training.publish import Port, Product, check_free, publish
from cloud.training.ring_network import OutlineNetwork
from cloud.training.segmentation import HeadScore, score_ellipse
from cloud.training.studies import kept

NAME = "fetal_head_outline"
FOLDS_STUDY = "segmentation-folds"
"""Under which name its cross-validation keeps its figures."""
PASSES = 1
"""How often the band is laid along the outline found last; the reader does the same."""

KNOWN_FAILURES = [
    "it corrects an outline by up to 30 % of its radius and invents none: what is no head stays none",
    "learned from one hospital's normal heads, as they were outlined there: outer edge of the skull",
    "a skull in shadow or cut off by the sector is completed from the visible part",
]


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    check_free(options.out, NAME, options.version)


def make(options: Options, say: Say) -> Path:
    """Trains and publishes the model; returns the path of its weights.

    Needs a published `fetal_head_seg`; its newest version is used. Raises DataMissing where there is none.
    """
    check_new(options)
    find_head = published_finder(options.out)
    frames = list(head_frames(options.data, "train"))
    plan = outline.plan(options.epochs or outline.EPOCHS, options.seed)
    architecture = outline.architecture()
    with seeded(options.seed):
        network = OutlineNetwork(architecture.widths, architecture.hidden)
    network = learn(options, NAME, network, OutlineTask(samples(frames)), plan, say)
    product = product_of(network)
    offset_px = outline_offset_px(frames)
    dev = list(head_frames(options.data, "dev"))
    model = exported(product, options.work)
    metrics, baseline = figures(model, find_head, dev, offset_px, options.seed)
    metrics += kept(options.work, FOLDS_STUDY)
    for figure in metrics:
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    shape = architecture_table(U_NET, architecture, parameters, f"random, seed {options.seed}")
    found = scores(model, find_head, dev, offset_px)
    card = _card(options, plan.epochs, shape, offset_px, relative_sd(found, dev), metrics, baseline)
    return publish(product, options.out, options.version, card)


def samples(frames: Sequence[HeadFrame]) -> list[OutlineSample]:
    """The frames with the ellipses of their masks."""
    pairs = ((frame, brain.ellipse_of(frame.mask)) for frame in frames)
    return [OutlineSample(gray=frame.gray, truth=truth) for frame, truth in pairs if truth is not None]


def outline_offset_px(frames: Sequence[HeadFrame]) -> float:
    """How far the masks reach beyond the ellipses whose circumference `hc18` states, in canvas pixels.

    The masks were filled from outlines drawn with a pen: on all stills they are wider by about one still pixel.
    """
    offsets: list[float] = []
    for frame in frames:
        ellipse = brain.ellipse_of(frame.mask)
        if ellipse is not None:
            more_px = perimeter(ellipse) - frame.circumference_mm / frame.mm_per_pixel
            offsets.append(more_px / (2 * math.pi) * segment_input(frame.gray)[1].scale)
    return round(float(np.median(offsets)), 3)


def refine(model: OnnxModel, gray: Gray, rough: Ellipse) -> Ellipse:
    """The corrected outline, as the reader corrects it."""
    ellipse = rough
    for _ in range(PASSES):
        found = refined(ellipse, model([band(gray, ellipse)])["radius"][0])
        if found is None:
            return rough
        ellipse = found.ellipse
    return ellipse


def scores(
    model: OnnxModel, find_head: HeadFinder, frames: Sequence[HeadFrame], offset_px: float
) -> list[HeadScore]:
    """Head model and outline model behind each other, at full resolution."""
    found: list[HeadScore] = []
    for frame in frames:
        rough = find_ellipse(frame.gray, find_head)
        ellipse = None if rough is None else refine(model, frame.gray, rough)
        found.append(score_ellipse(frame, ellipse, offset_px / segment_input(frame.gray)[1].scale))
    return found


def figures(
    model: OnnxModel, find_head: HeadFinder, frames: Sequence[HeadFrame], offset_px: float, seed: int
) -> tuple[list[Table], Table]:
    """The figures of both models together, and as baseline those of the head model alone."""
    metrics = segmentation.head_figures(scores(model, find_head, frames, offset_px), frames, seed)
    alone: list[HeadScore] = []
    for frame in frames:
        rough = find_ellipse(frame.gray, find_head)
        alone.append(score_ellipse(frame, rough, offset_px / segment_input(frame.gray)[1].scale))
    before = segmentation.head_figures(alone, frames, seed)
    return metrics, {"name": "the head model alone, measured in the same way", "figures": before}


def relative_sd(found: Sequence[HeadScore], frames: Sequence[HeadFrame]) -> float:
    """Standard deviation of the circumference's error as a share of the circumference."""
    errors = [
        score.circumference_error_mm / frame.circumference_mm
        for score, frame in zip(found, frames, strict=True)
        if math.isfinite(score.circumference_error_mm)
    ]
    return round(float(np.sqrt(np.mean(np.square(errors)))), 5)


def product_of(network: OutlineNetwork) -> Product:
    """The network as it is published."""
    return Product(
        name=NAME,
        network=network,
        input=Port(name="band", shape=(1, *BAND_HW)),
        outputs=[Port(name="radius", shape=(RAYS,)), Port(name="spread", shape=(RAYS,))],
        labels=["head"],
    )


def _card(
    options: Options,
    epochs: int,
    shape: Table,
    offset_px: float,
    sd_share: float,
    metrics: list[Table],
    baseline: Table,
) -> Table:
    return {
        "task": "correct the outline of a found fetal head at the still's own resolution",
        "step": "11 of 13: infer, segment",
        "seed": options.seed,
        "epochs": epochs,
        "split": SPLIT,
        "known_failures": KNOWN_FAILURES,
        "input": {
            "band": f"FP32 [N, 1, {BAND_HW[0]}, {BAND_HW[1]}], unrolled along the rough ellipse, normalised",
            "preparation": "cloud.infer.outline.band",
        },
        "output": {
            "radius": f"FP32 [N, {RAYS}], where the skull ends on each ray, in units of the ellipse's radius",
            "spread": f"FP32 [N, {RAYS}], standard deviation of that place, in the same units",
        },
        "architecture": shape,
        "calibration": {"temperature": 1.0, "method": "none: a place on each ray, no class"},
        "outline": {
            "passes": PASSES,
            "offset_px": offset_px,
            "offset_rule": f"masks reach this far beyond the ellipses whose circumference is stated; pixels of a "
            f"{SEGMENT_SIZE_HW[1]}x{SEGMENT_SIZE_HW[0]} canvas, median over train",
            "sd_share": sd_share,
            "sd_rule": "root mean square of the circumference's relative error on dev",
        },
        "baseline": baseline,
        "data": [{**HC18, "use": "frames and the ellipses of their masks"}],
        "metrics": metrics,
    }
