"""Makes `fetal_brain_cls`: trains it, measures it beside the shortcut, publishes it with its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cloud.infer.preprocess import CROP_SIZE_PX
from cloud.training import brain, make_head
from cloud.training.brain import BrainSample, HeadFinder
from cloud.training.brain_figures import NORMAL, BrainData, baseline, figures
from cloud.training.brain_simulated import simulated_heads
from cloud.training.brain_task import BrainTask, painted_lesion, painted_narrow, painted_wide
from cloud.training.card import BRAIN_ABNORMAL, FETAL_PLANES, HC18, SPLIT, Table, architecture_table
from cloud.training.classification import Calibration, least_probability, predict
from cloud.training.data import FINDINGS
from cloud.training.derive import RESNET_18, build_classifier
from cloud.training.metrics import Labels, Values, softmax, temperature
from cloud.training.networks import (
    ExportedClassifier,
    Novelty,
    ResidualClassifier,
    fit_novelty,
    statistics_of,
)
from cloud.training.onnx_model import exported
from cloud.training.options import Options, Say, learn, start_of, weights_of
from cloud.training.publish import Port, Product, check_free, publish
from cloud.training.scanner import PRINTS
from cloud.training.studies import kept

NAME = "fetal_brain_cls"
WANTED_ACCURACY = 0.9
FOLDS_STUDY = "brain-folds"
"""Under which name its cross-validation keeps its figures."""
NOVEL_SHARE = 0.02
"""Share of held-out heads that are taken for unlike all that was learned from."""

KNOWN_FAILURES = [
    "a demonstration of the line, no clinical claim: the labels are a word in a file name, unconfirmed",
    "on these labels its cross-validated AUC does not differ from chance, and brightness alone does better: see "
    "the figures",
    "not a test for malformations: it has seen a handful of sources per abnormality, and no outcome",
    "normal and abnormal pictures come from different machines; the brightness shortcut stands beside each figure",
    "much of what it knows of wide ventricles, cysts and bleedings was painted, not seen",
    "the type is a hint without a score: ventriculomegaly and other abnormalities share sources",
    "it reads whatever crop it gets: the plane must be a brain's and the head whole",
]


DATA: list[Table] = [
    {**BRAIN_ABNORMAL, "use": "three classes, cropped to the labelled head box"},
    {**HC18, "use": "normal heads of another machine, as they are and with painted findings"},
    {**FETAL_PLANES, "use": "normal heads of several machines, as they are and painted"},
    {
        "name": "virtual scanner",
        "licence": "Apache-2.0",
        "attribution": "edge_agent.simulator, this project",
        "use": "made-up heads: normal, wide ventricles, lesions",
    },
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trained:
    """A trained network with what is fitted on frames that it did not learn from."""

    network: ResidualClassifier
    calibration: Calibration
    novelty: Novelty
    novelty_max: float


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    check_free(options.out, NAME, options.version)


def make(options: Options, say: Say) -> Path:
    """Trains and publishes the model; returns the path of its weights.

    Needs a published `fetal_head_seg`; its newest version is used. Raises DataMissing where there is none.
    """
    check_new(options)
    learned, apart = brain.hold_out(samples_to_learn(options), options.seed)
    plan = brain.plan(options.epochs or brain.EPOCHS, options.seed)
    network = build_classifier(brain.architecture(), weights_of(options))
    network = learn(options, NAME, network, BrainTask(learned), plan, say)
    trained = _fitted(network, learned, apart, options.seed)
    product = _product(trained)
    data = dev_data(options.data, make_head.published_finder(options.out), options.work, options.seed)
    calibration = trained.calibration
    metrics = figures(
        exported(product, options.work),
        data,
        calibration.temperature,
        calibration.min_probability,
        options.seed,
    )
    metrics = [*kept(options.work, FOLDS_STUDY), *metrics]
    card = _card(options, plan.epochs, trained, metrics, baseline(data, options.seed))
    for figure in metrics:
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    return publish(product, options.out, options.version, card)


def samples_to_learn(options: Options) -> list[BrainSample]:
    """Every head to learn from, real and of the virtual scanner. Raises DataMissing without a head model."""
    find_head = make_head.published_finder(options.out)
    return [
        *brain.load_labelled(options.data, "train"),
        *brain.load_normals(options.data, "train", find_head),
        *simulated_heads(options.work, options.seed, options.simulated or PRINTS),
    ]


def dev_data(data: Path, find_head: HeadFinder, work: Path, seed: int) -> BrainData:
    """All frames that the card's figures rest on."""
    return BrainData(
        labelled=brain.load_labelled(data, "dev"),
        normals=brain.load_normals(data, "dev", find_head),
        simulated=simulated_heads(work, seed + 1, PRINTS // 2),
        known=brain.load_labelled(data, "train"),
    )


def _fitted(
    network: ResidualClassifier, learned: Sequence[BrainSample], apart: Sequence[BrainSample], seed: int
) -> _Trained:
    """Calibration on held-out frames and on painted ones of held-out heads; novelty of what was learned."""
    rng = np.random.default_rng(seed)
    heads = [sample for sample in apart if sample.head is not None and sample.label == NORMAL]
    painted = [paint(head, rng) for head in heads for paint in (painted_narrow, painted_wide, painted_lesion)]
    asked = [*apart, *painted]
    logits = predict(network, brain.inputs(asked))
    labels = np.array([sample.label for sample in asked], np.int64)
    heat = temperature(logits, labels)
    chances = softmax(logits.astype(np.float64) / heat)
    two, truth = _normal_or_not(chances, labels)
    known = statistics_of(network, brain.inputs(learned), Novelty.LEVELS)
    novelty = fit_novelty(known, torch.tensor([sample.label for sample in learned], dtype=torch.int64))
    held_out = statistics_of(network, brain.inputs(apart), Novelty.LEVELS)
    distances = novelty(held_out).numpy()[:, 0]
    return _Trained(
        network=network,
        calibration=Calibration(
            temperature=round(heat, 4),
            min_probability=least_probability(two, truth, WANTED_ACCURACY),
            frame_count=len(labels),
        ),
        novelty=novelty,
        novelty_max=round(float(np.quantile(distances, 1 - NOVEL_SHARE)), 3),
    )


def _normal_or_not(chances: Values, labels: Labels) -> tuple[Values, Labels]:
    normal = chances[:, NORMAL]
    return np.stack([normal, 1 - normal], axis=1), (labels != NORMAL).astype(np.int64)


def _product(trained: _Trained) -> Product:
    side = CROP_SIZE_PX // trained.network.stride
    return Product(
        name=NAME,
        network=ExportedClassifier(trained.network, trained.novelty),
        input=Port(name="crop", shape=(1, CROP_SIZE_PX, CROP_SIZE_PX)),
        outputs=[
            Port(name="logits", shape=(len(FINDINGS),), labels=True),
            Port(name="map", shape=(len(FINDINGS), side, side)),
            Port(name="novelty", shape=(1,)),
        ],
        labels=FINDINGS,
    )


def _card(options: Options, epochs: int, trained: _Trained, metrics: list[Table], shortcut: Table) -> Table:
    parameters = sum(parameter.numel() for parameter in trained.network.parameters())
    return {
        "task": "say whether the brain on a crop looks normal or not, with a type as an unscored hint",
        "step": "11 of 13: infer, classify",
        "seed": options.seed,
        "epochs": epochs,
        "split": SPLIT,
        "known_failures": KNOWN_FAILURES,
        "input": {
            "crop": "FP32 [N, 1, 224, 224], gray 0..1, the head's square, enhanced",
            "preparation": "cloud.infer.preprocess: crop_box, cut_crop, enhance, brain_input",
        },
        "output": {
            "logits": "FP32 [N, 3]; probability = softmax(logits / temperature)",
            "map": "FP32 [N, 3, 14, 14]; raw signed class activation map",
            "novelty": "FP32 [N, 1]; distance from what was learned from, about 1 for the like of it",
        },
        "architecture": architecture_table(RESNET_18, brain.architecture(), parameters, start_of(options)),
        "calibration": {
            "temperature": trained.calibration.temperature,
            "method": "temperature scaling on held-out training groups, as they are and painted",
            "frames": trained.calibration.frame_count,
        },
        "abstain": {
            "against": "normal",
            "min_probability": trained.calibration.min_probability,
            "rule": "of normal, or of any abnormality together; the lowest threshold with an accuracy of "
            f"{WANTED_ACCURACY} on the frames of the calibration",
        },
        "novelty": {
            "max": trained.novelty_max,
            "rule": f"{NOVEL_SHARE:.0%} of held-out training heads lie beyond",
        },
        "data": DATA,
        "baseline": shortcut,
        "metrics": metrics,
    }
