"""Makes `fetal_ventricle_seg`: trains it, measures it on painted and real `dev` heads, publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from cloud.infer import ventricle
from cloud.infer.preprocess import CROP_SIZE_PX, Plane
from cloud.training import ventricles
from cloud.training.card import (
    BRAIN_ABNORMAL,
    FETAL_PLANES,
    HC18,
    SPLIT,
    Table,
    architecture_table,
)
from cloud.training.derive import U_NET, build_unet
from cloud.training.make_head import published_finder
from cloud.training.onnx_model import OnnxModel, exported
from cloud.training.options import Options, Say, learn, start_of, weights_of
from cloud.training.publish import Port, Product, check_free, publish
from cloud.training.simulated import SimulatedHead, simulated_heads
from cloud.training.ventricle_figures import (
    Look,
    Measured,
    baseline_row,
    measured_painted,
    measured_simulated,
    midline_rows,
    normal,
    real_rows,
    uncertainty_of,
    width_rows,
)
from cloud.training.ventricles import SIDE_PX, HeadStill, VentricleModel, VentricleTask

NAME = "fetal_ventricle_seg"
PRINTS = 270
"""Pictures of the virtual scanner to learn from, in three runs; about half are heads that show ventricles."""
DEV_PRINTS = 90

KNOWN_FAILURES = [
    "no data set marks ventricles: learned from painted ones and from made-up heads, so it may not know real ones",
    "the figures on painted heads say how well paint is measured; no width here was measured by a person",
    "first-trimester heads, whose ventricles are filled by the plexus, were painted like later ones",
    "a cyst or other fluid beside the midline may be measured as a ventricle",
    "ventricles that reach the skull, as in hydranencephaly, are abstained from",
    "ventricles wider than 0.3 of the BPD are now and then measured as up to a third too narrow",
    "a normal real ventricle is refused as unsure more often than a painted one",
    "the midline was learned from a head's axis where no bright ridge runs near it",
    "the midline's least strength and uncertainty were chosen on the dev heads that its figures rest on",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VentricleData:
    """All frames that the card's figures rest on; nothing was learned from them."""

    stills: Sequence[HeadStill]
    """Real heads of `dev`, normal and not."""
    printed: Sequence[SimulatedHead]
    """Heads of the virtual scanner, of another seed."""


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    check_free(options.out, NAME, options.version)


def make(options: Options, say: Say) -> Path:
    """Trains and publishes the model; returns the path of its weights.

    Needs a published `fetal_head_seg`; its newest version is used. Raises DataMissing where there is none.
    """
    check_new(options)
    find_head = published_finder(options.out)
    stills = ventricles.load_stills(options.data, "train", find_head)
    data = VentricleData(
        stills=ventricles.load_stills(options.data, "dev", find_head),
        printed=printed(options, 3, DEV_PRINTS),
    )
    return measure_and_publish(options, say, train(options, say, stills), data)


def train(options: Options, say: Say, stills: Sequence[HeadStill]) -> nn.Module:
    """Learns from ventricles painted onto the given real heads, and from the virtual scanner's."""
    count = (options.simulated or PRINTS) // 3
    heads = [head for run in range(3) for head in printed(options, run, count)]
    task = VentricleTask(ventricles.pool(stills, heads, ventricles.POOL, options.seed))
    plan = ventricles.plan(options.epochs or ventricles.EPOCHS, options.seed)
    network = build_unet(ventricles.architecture(), weights_of(options))
    return learn(options, NAME, network, task, plan, say)


def measure_and_publish(options: Options, say: Say, network: nn.Module, data: VentricleData) -> Path:
    """Measures what will be published, and publishes it; returns the path of its weights."""
    product = Product(
        name=NAME,
        network=VentricleModel(network),
        input=Port(name="crop", shape=(1, CROP_SIZE_PX, CROP_SIZE_PX)),
        outputs=[Port(name="probability", shape=(2, SIDE_PX, SIDE_PX), labels=True)],
        labels=["ventricle", "midline"],
    )
    metrics, baseline = figures(looking(exported(product, options.work)), data, options.seed)
    for figure in (*metrics, baseline):
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    card = _card(options, options.epochs or ventricles.EPOCHS, parameters, metrics, baseline)
    return publish(product, options.out, options.version, card)


def looking(model: OnnxModel) -> Look:
    """The published model as a function of one crop float32 1x224x224 to its probability picture."""

    def look(crop: Plane) -> Plane:
        return np.asarray(model([crop])["probability"][0], np.float32)

    return look


def figures(look: Look, data: VentricleData, seed: int) -> tuple[list[Table], Table]:
    """Every figure of the card, and the baseline."""
    rng = np.random.default_rng(seed + 1)
    painted = measured_painted(data.stills, look, rng)
    metrics = width_rows(painted, "painted", seed)
    metrics += width_rows(measured_simulated(data.printed, look), "virtual scanner", seed)
    metrics += midline_rows(normal(data.stills), look, rng, seed)
    metrics += real_rows(data.stills, look, seed)
    return metrics, baseline_row(painted, seed)


def stated_uncertainty(look: Look, stills: Sequence[HeadStill], seed: int) -> tuple[float, float]:
    """What SURE_SD and WIDTH_SD of `cloud.infer.ventricle` should be, from heads painted anew."""
    rows: list[Measured] = measured_painted(stills, look, np.random.default_rng(seed + 2))
    return uncertainty_of(rows)


def printed(options: Options, run: int, count: int) -> list[SimulatedHead]:
    """The heads of one run of the virtual scanner: runs 0 to 2 are learned from, run 3 is measured on."""
    return simulated_heads(options.work / f"ventricle-heads-{count}", 101 + 10 * options.seed + run, count)


LEARNED_FROM: list[Table] = [
    {**HC18, "use": "heads to paint ventricles onto; scale; nothing marked by a person"},
    {**FETAL_PLANES, "use": "heads to paint ventricles onto, found by the head model"},
    {**BRAIN_ABNORMAL, "use": "normal heads to paint ventricles onto; on dev, unconfirmed labels"},
    {
        "name": "virtual scanner",
        "licence": "Apache-2.0",
        "attribution": "edge_agent.simulator, this project",
        "use": "made-up heads with ventricles of known width",
    },
]


def _card(options: Options, epochs: int, parameters: int, metrics: list[Table], baseline: Table) -> Table:
    return {
        "task": "mark the lateral ventricles and the midline on a head, for their measurement",
        "step": "11 of 13: infer, measure",
        "seed": options.seed,
        "epochs": epochs,
        "split": SPLIT,
        "known_failures": KNOWN_FAILURES,
        "input": {
            "crop": "FP32 [N, 1, 224, 224], gray 0..1, the head's square, enhanced",
            "preparation": "cloud.infer.preprocess: crop_box, cut_crop, enhance, brain_input",
        },
        "output": {
            "probability": "FP32 [N, 2, 112, 112], probability of ventricle (plexus included) and of midline"
        },
        "measuring": {
            "preparation": "cloud.infer.ventricle.read_ventricles",
            "width": "diameter of the largest circle inside of the ventricle, inner wall to inner wall",
            "uncertainty": f"one standard deviation: {ventricle.SURE_SD} of the BPD and {ventricle.WIDTH_SD} of the "
            "width, added as squares; from painted heads of the training split",
        },
        "architecture": architecture_table(U_NET, ventricles.architecture(), parameters, start_of(options)),
        "calibration": {"temperature": 1.0, "method": "none: a region is cut at probability 0.5"},
        "abstain": {
            "min_probability": ventricle.THRESHOLD,
            "min_confidence": ventricle.LEAST_CONFIDENCE,
            "rule": "no region, a region that reaches the skull or whose mean probability is lower, or a plane in "
            "which the atrium is not measured: no width",
        },
        "data": LEARNED_FROM,
        "labels_note": "every ventricle was painted (cloud.training.painting) or simulated; no person marked any",
        "baseline": baseline,
        "metrics": metrics,
    }
