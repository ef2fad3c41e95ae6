"""Makes `fetal_brain_cls`: trains it, measures it beside the shortcut, publishes it with its card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cloud.infer.preprocess import CROP_SIZE_PX, Gray, Plane
from cloud.training import brain, make_head
from cloud.training.brain import BrainSample, HeadFinder, crop_of
from cloud.training.card import (
    BRAIN_ABNORMAL,
    FETAL_PLANES,
    HC18,
    SPLIT,
    Table,
    architecture_table,
    mean_metric,
    metric,
)
from cloud.training.classification import Calibration, least_probability, predict, probabilities_of
from cloud.training.data import FINDINGS, DataMissing
from cloud.training.derive import RESNET_18, build_classifier
from cloud.training.metrics import (
    Values,
    area_under_curve,
    bootstrap,
    calibration_error,
    softmax,
    temperature,
)
from cloud.training.networks import ResidualClassifier
from cloud.training.options import Options, Say, learn, start_of, weights_of
from cloud.training.publish import Port, Product, check_free, publish
from cloud.training.shortcut import NUMBERS, fit_and_score

NAME = "fetal_brain_cls"
WANTED_ACCURACY = 0.9

KNOWN_FAILURES = [
    "a demonstration of the line, no clinical claim: the labels are a word in a file name, unconfirmed",
    "a handful of sources per abnormality; normal and abnormal pictures come from different machines",
    "the brightness shortcut separates the whole frames about as well: a high figure is no proof of skill",
    "ventriculomegaly and other abnormalities share sources and are often taken for each other",
    "pictures of another machine than the normal ones may be read as abnormal for their look alone",
]


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    check_free(options.out, NAME, options.version)


def make(options: Options, say: Say) -> Path:
    """Trains and publishes the model; returns the path of its weights.

    Needs a published `fetal_head_seg` of the same version. Raises DataMissing where there is none.
    """
    check_new(options)
    find_head = published_finder(options)
    labelled = brain.load_labelled(options.data, "train")
    learned, apart = brain.hold_out(
        [*labelled, *brain.load_normals(options.data, "train", find_head)], options.seed
    )
    plan = brain.plan(options.epochs or brain.EPOCHS, options.seed)
    network = learn(
        options,
        NAME,
        build_classifier(brain.architecture(), weights_of(options)),
        brain.task(learned),
        plan,
        say,
    )
    calibration = _calibrate(network, apart)
    dev = brain.load_labelled(options.data, "dev")
    metrics = _metrics(network, dev, calibration, options.seed)
    metrics += _fresh_normals(network, brain.load_normals(options.data, "dev", find_head), options.seed)
    baseline = _baseline(labelled, dev, options.seed)
    for figure in (*metrics, *baseline):
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    card = _card(options, plan.epochs, parameters, calibration, metrics, baseline)
    return publish(_product(network), options.out, options.version, card)


def published_finder(options: Options) -> HeadFinder:
    """The published head model of the same version, as a function of one input float32 1x256x256."""
    file = options.out / make_head.NAME / str(options.version) / "model.onnx"
    if not file.is_file():
        raise DataMissing(f"no {make_head.NAME} version {options.version}: train segmentation first")
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def find(canvas: Plane) -> Plane:
        (probability,) = session.run(["probability"], {"image": canvas[np.newaxis]})
        return np.asarray(probability[0, 0], np.float32)

    return find


def _product(network: ResidualClassifier) -> Product:
    side = CROP_SIZE_PX // network.stride
    return Product(
        name=NAME,
        network=network,
        input=Port(name="crop", shape=(1, CROP_SIZE_PX, CROP_SIZE_PX)),
        outputs=[
            Port(name="logits", shape=(len(FINDINGS),), labels=True),
            Port(name="map", shape=(len(FINDINGS), side, side)),
        ],
        labels=FINDINGS,
    )


def _calibrate(network: ResidualClassifier, apart: Sequence[BrainSample]) -> Calibration:
    logits = predict(network, brain.inputs(apart))
    labels = np.array([sample.label for sample in apart], np.int64)
    heat = temperature(logits, labels)
    chances = softmax(logits.astype(np.float64) / heat)
    return Calibration(
        temperature=round(heat, 4),
        min_probability=least_probability(chances, labels, WANTED_ACCURACY),
        frame_count=len(labels),
    )


def _metrics(
    network: ResidualClassifier, samples: Sequence[BrainSample], calibration: Calibration, seed: int
) -> list[Table]:
    chances = probabilities_of(predict(network, brain.inputs(samples)), calibration)
    labels = np.array([sample.label for sample in samples], np.int64)
    groups = [sample.group for sample in samples]
    right = chances.argmax(axis=1) == labels
    normal = labels == FINDINGS.index("normal")
    found = chances.argmax(axis=1) != FINDINGS.index("normal")
    kept = chances.max(axis=1) >= calibration.min_probability
    note = "brain_abnormal dev, labelled boxes"
    error = bootstrap(lambda chosen: calibration_error(chances[chosen], labels[chosen]), groups, seed=seed)
    rows = [
        _auc("AUC, abnormal against normal", 1 - chances[:, 0], ~normal, groups, seed),
        mean_metric("accuracy over three classes", right, groups, seed, "share", note),
        mean_metric("accuracy, abnormal against normal", found == ~normal, groups, seed, "share", note),
        metric("expected calibration error", error, "0..1", "ten bins, after temperature scaling"),
        mean_metric("share not abstained", kept, groups, seed, "share", note),
    ]
    for label, name in enumerate(FINDINGS):
        of_class = np.flatnonzero(labels == label)
        own = [groups[number] for number in of_class]
        rows.append(mean_metric(f"recall, {name}", right[of_class], own, seed, "share", note))
    return rows


def _fresh_normals(network: ResidualClassifier, samples: Sequence[BrainSample], seed: int) -> list[Table]:
    """How often normal heads of the other data sets, none of which was learned from, are read as normal."""
    read = predict(network, brain.inputs(samples)).argmax(axis=1) == FINDINGS.index("normal")
    rows: list[Table] = []
    for source in ("hc18", "planes"):
        chosen = np.array([number for number, sample in enumerate(samples) if sample.source == source])
        groups = [samples[number].group for number in chosen]
        note = f"{source} dev"
        rows.append(mean_metric(f"{source} heads read as normal", read[chosen], groups, seed, "share", note))
    return rows


def _baseline(train: Sequence[BrainSample], dev: Sequence[BrainSample], seed: int) -> list[Table]:
    """The brightness shortcut on the whole frames, and what is left of it on the enhanced crops."""
    groups = [sample.group for sample in dev]
    abnormal = np.array([sample.label != FINDINGS.index("normal") for sample in train])
    truth = np.array([sample.label != FINDINGS.index("normal") for sample in dev])

    def row(name: str, known: list[Gray], asked: list[Gray]) -> Table:
        return _auc(name, fit_and_score(known, abnormal, asked), truth, groups, seed)

    return [
        row("AUC of the brightness shortcut, whole frame", [s.gray for s in train], [s.gray for s in dev]),
        row("AUC of the brightness shortcut, crop", [crop_of(s) for s in train], [crop_of(s) for s in dev]),
    ]


def _auc(name: str, scores: Values, positive: NDArray[np.bool_], groups: list[str], seed: int) -> Table:
    interval = bootstrap(lambda chosen: area_under_curve(scores[chosen], positive[chosen]), groups, seed=seed)
    return metric(name, interval, "0..1", f"brain_abnormal dev; {len(groups)} frames")


def _card(
    options: Options,
    epochs: int,
    parameters: int,
    calibration: Calibration,
    metrics: list[Table],
    baseline: list[Table],
) -> Table:
    return {
        "task": "say whether the brain on a crop looks normal, as ventriculomegaly or otherwise abnormal",
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
        },
        "architecture": architecture_table(RESNET_18, brain.architecture(), parameters, start_of(options)),
        "calibration": {
            "temperature": calibration.temperature,
            "method": "temperature scaling on held-out training groups",
            "frames": calibration.frame_count,
        },
        "abstain": {
            "min_probability": calibration.min_probability,
            "rule": f"lowest threshold with an accuracy of {WANTED_ACCURACY} on held-out training groups",
        },
        "data": [
            {**BRAIN_ABNORMAL, "use": "three classes, cropped to the labelled head box"},
            {**HC18, "use": "further normal heads, of another machine"},
            {**FETAL_PLANES, "use": "further normal heads, cropped to what the head model finds"},
        ],
        "baseline": {
            "name": "logistic regression on seven brightness numbers",
            "numbers": list(NUMBERS),
            "figures": baseline,
        },
        "metrics": metrics,
    }
