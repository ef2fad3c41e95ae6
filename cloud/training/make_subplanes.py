"""Makes `fetal_subplane_cls`: fits it, calibrates it by cross-validation, measures it on `dev`, publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.infer.subplane import VIEW_SIZE_HW
from cloud.training import subplanes
from cloud.training.card import FETAL_PLANES, SPLIT, Table, mean_metric, metric
from cloud.training.classification import Calibration, least_probability, probabilities_of
from cloud.training.data import SUB_PLANES
from cloud.training.make_head import published_finder
from cloud.training.metrics import Labels, bootstrap, temperature
from cloud.training.onnx_model import OnnxModel, exported
from cloud.training.options import Options, Say
from cloud.training.publish import Port, Product, check_free, publish
from cloud.training.subplanes import SubPlaneModel, SubPlaneSample

NAME = "fetal_subplane_cls"
WANTED_ACCURACY = 0.9
"""Of the sub-planes that are told as sure."""

KNOWN_FAILURES = [
    "it rests on under 200 brains, few of them trans-ventricular or trans-cerebellar",
    "trans-thalamic and trans-ventricular planes lie a few millimetres apart and are often taken for each other",
    "the head must be whole and its outline right; a brain that shows none of the three planes is read as one",
    "every head was from the second trimester and of few machines",
]
"""What a person must know before relying on the model."""


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    check_free(options.out, NAME, options.version)


def make(options: Options, say: Say) -> Path:
    """Fits and publishes the model; returns the path of its weights.

    Needs a published `fetal_head_seg`; its newest version is used. Raises DataMissing where there is none.
    """
    check_new(options)
    find_head = published_finder(options.out)
    samples, dev = (subplanes.load(options.data, split, find_head) for split in ("train", "dev"))
    return fit_and_publish(options, say, samples, dev)


def fit_and_publish(
    options: Options, say: Say, samples: Sequence[SubPlaneSample], dev: Sequence[SubPlaneSample]
) -> Path:
    """Learns from `samples`, measures on `dev` and publishes; returns the path of the weights.

    Raises ValueError where a sub-plane has no sample.
    """
    known = subplanes.learned(samples, options.seed)
    say(f"{NAME}: {len(samples)} heads to learn from, {len(dev)} to measure on")
    logits = subplanes.cross_validated(known, samples, options.seed)
    calibration = _calibrated(logits, np.array([sample.label for sample in samples], np.int64))
    product = _product(SubPlaneModel(known.layer(np.arange(len(samples)))).eval())
    metrics = [
        *_rows(
            f"{subplanes.FOLDS}-fold cross-validation on train", samples, logits, calibration, options.seed
        ),
        *figures(exported(product, options.work), dev, calibration, options.seed),
    ]
    for row in metrics:
        say(f"{NAME}: {row['name']} {row['value']} ({row['low_95']} to {row['high_95']}), {row['note']}")
    return publish(product, options.out, options.version, _card(options, calibration, metrics, dev))


def figures(
    model: OnnxModel, dev: Sequence[SubPlaneSample], calibration: Calibration, seed: int
) -> list[Table]:
    """The figures of published weights on `dev`."""
    logits = np.asarray(model(subplanes.inputs(dev))["logits"], np.float32)
    return _rows("planes dev", dev, logits, calibration, seed)


def baseline(dev: Sequence[SubPlaneSample]) -> Table:
    """Always the most frequent sub-plane."""
    labels = [sample.label for sample in dev]
    most = max(labels.count(label) for label in set(labels)) / len(labels)
    return {
        "name": "accuracy, planes dev",
        "value": round(most, 4),
        "note": "always the most frequent sub-plane; its mean recall is 0.33",
    }


def _calibrated(logits: NDArray[np.float32], labels: Labels) -> Calibration:
    heat = round(temperature(logits, labels), 4)
    whole = Calibration(temperature=heat, min_probability=0.0, frame_count=len(labels))
    least = least_probability(probabilities_of(logits, whole), labels, WANTED_ACCURACY)
    return Calibration(temperature=heat, min_probability=least, frame_count=len(labels))


def _rows(
    where: str,
    samples: Sequence[SubPlaneSample],
    logits: NDArray[np.float32],
    calibration: Calibration,
    seed: int,
) -> list[Table]:
    truth = np.array([sample.label for sample in samples], np.int64)
    groups = [sample.group for sample in samples]
    chances = probabilities_of(logits, calibration)
    right = chances.argmax(axis=1) == truth
    told = chances.max(axis=1) >= calibration.min_probability

    def row(name: str, values: NDArray[np.bool_], chosen: Labels) -> list[Table]:
        named = [groups[number] for number in chosen]
        if not named:
            return []
        return [mean_metric(f"{name}, {where}", values[chosen], named, seed, "share", where)]

    def mean_recall(chosen: Labels) -> float:
        kinds = np.unique(truth[chosen])
        return float(np.mean([right[chosen][truth[chosen] == kind].mean() for kind in kinds]))

    every = np.arange(len(samples))
    recall = metric(
        f"mean of the three recalls, {where}",
        bootstrap(mean_recall, groups, seed=seed),
        "share",
        f"guessing gives 0.33; {len(samples)} frames",
    )
    rows = [*row("accuracy", right, every), recall]
    for label, name in enumerate(SUB_PLANES):
        rows += row(f"recall, {name}", right, np.flatnonzero(truth == label))
    rows += row("told", told, every)
    return rows + row("accuracy where told", right, np.flatnonzero(told))


def _product(model: SubPlaneModel) -> Product:
    """The model as it is published."""
    return Product(
        name=NAME,
        network=model,
        input=Port(name="head", shape=(1, *VIEW_SIZE_HW)),
        outputs=[Port(name="logits", shape=(len(SUB_PLANES),), labels=True)],
        labels=SUB_PLANES,
    )


def _card(
    options: Options, calibration: Calibration, metrics: list[Table], dev: Sequence[SubPlaneSample]
) -> Table:
    return {
        "task": "tell which plane of the brain a head shows: trans-thalamic, trans-ventricular, trans-cerebellar",
        "step": "11 of 13: infer, classify",
        "seed": options.seed,
        "split": SPLIT,
        "known_failures": KNOWN_FAILURES,
        "input": {
            "head": "FP32 [N, 1, 96, 128], gray 0..1, the head's ellipse turned to its axes and filling the picture",
            "preparation": "cloud.infer.subplane.turned_head",
        },
        "output": {"logits": "FP32 [N, 3]; probability = softmax(logits / calibration.temperature)"},
        "method": {
            "features": "directions of gradients by cells of 16 pixels, the mean over four mirror images",
            "layer": f"ridge regression, each class of equal weight, penalty {subplanes.PENALTY:g}",
            "copies": subplanes.COPIES,
        },
        "calibration": {
            "temperature": calibration.temperature,
            "method": "temperature scaling on cross-validated answers for training patients",
            "frames": calibration.frame_count,
        },
        "abstain": {
            "min_probability": calibration.min_probability,
            "rule": f"lowest threshold with an accuracy of {WANTED_ACCURACY} on cross-validated answers",
        },
        "baseline": baseline(dev),
        "data": [{**FETAL_PLANES, "use": "brains with a known sub-plane; the stretch to squares is undone"}],
        "metrics": metrics,
    }
