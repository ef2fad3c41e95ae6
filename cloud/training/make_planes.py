"""Makes `fetal_plane_cls`: trains it, calibrates it, measures it on `dev`, publishes it with its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cloud.infer.preprocess import PLANE_SIZE_HW
from cloud.training import planes
from cloud.training.card import FETAL_PLANES, HC18, SPLIT, Table, architecture_table, mean_metric, metric
from cloud.training.classification import Calibration, least_probability, predict, probabilities_of
from cloud.training.data import PLANES
from cloud.training.derive import RESNET_18, build_classifier
from cloud.training.metrics import Labels, Values, bootstrap, calibration_error, softmax, temperature
from cloud.training.networks import ResidualClassifier
from cloud.training.options import Options, Say, learn, start_of, weights_of
from cloud.training.planes import PlaneSamples
from cloud.training.publish import Port, Product, check_free, publish

NAME = "fetal_plane_cls"
WANTED_ACCURACY = 0.99

KNOWN_FAILURES = [
    "it knows four planes only: any other picture (cervix, face, no ultrasound) is read as one of them",
    "the plane data come from one country's hospitals and few machines",
    "a brain in an unusual cut, or cut off by the frame, may be read as abdomen",
]


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    check_free(options.out, NAME, options.version)


def make(options: Options, say: Say) -> Path:
    """Trains and publishes the model; returns the path of its weights."""
    check_new(options)
    learned, apart = planes.hold_out(planes.load(options.data, "train"), options.seed)
    plan = planes.plan(options.epochs or planes.EPOCHS, options.seed)
    network = learn(
        options,
        NAME,
        build_classifier(planes.architecture(), weights_of(options)),
        planes.task(learned),
        plan,
        say,
    )
    calibration = _calibrate(network, apart)
    metrics = _metrics(network, planes.load(options.data, "dev"), calibration, options.seed)
    for figure in metrics:
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    card = _card(options, plan.epochs, parameters, calibration, metrics)
    return publish(_product(network), options.out, options.version, card)


def _product(network: ResidualClassifier) -> Product:
    map_size = (PLANE_SIZE_HW[0] // network.stride, PLANE_SIZE_HW[1] // network.stride)
    return Product(
        name=NAME,
        network=network,
        input=Port(name="image", shape=(1, *PLANE_SIZE_HW)),
        outputs=[
            Port(name="logits", shape=(len(PLANES),), labels=True),
            Port(name="map", shape=(len(PLANES), *map_size)),
        ],
        labels=PLANES,
    )


def _calibrate(network: ResidualClassifier, apart: PlaneSamples) -> Calibration:
    logits = predict(network, planes.inputs(apart))
    labels = np.asarray(apart.labels, np.int64)
    heat = temperature(logits, labels)
    chances = softmax(logits.astype(np.float64) / heat)
    return Calibration(
        temperature=round(heat, 4),
        min_probability=least_probability(chances, labels, WANTED_ACCURACY),
        frame_count=len(labels),
    )


def _metrics(
    network: ResidualClassifier, samples: PlaneSamples, calibration: Calibration, seed: int
) -> list[Table]:
    numbers = range(len(samples.labels))
    own = samples.subset([number for number in numbers if not samples.from_hc18[number]])
    heads = samples.subset([number for number in numbers if samples.from_hc18[number]])
    chances = probabilities_of(predict(network, planes.inputs(own)), calibration)
    labels = np.asarray(own.labels, np.int64)
    right = chances.argmax(axis=1) == labels
    kept = chances.max(axis=1) >= calibration.min_probability
    sure = [group for group, here in zip(own.groups, kept, strict=True) if here]
    note = "planes dev"
    rows = [
        mean_metric("accuracy over four planes", right, own.groups, seed, "share", note),
        _error("expected calibration error", chances, labels, own.groups, seed),
        mean_metric("share not abstained", kept, own.groups, seed, "share", note),
        mean_metric("accuracy where not abstained", right[kept], sure, seed, "share", note),
    ]
    for label, name in enumerate(PLANES):
        chosen = np.flatnonzero(labels == label)
        groups = [own.groups[number] for number in chosen]
        rows.append(mean_metric(f"recall, {name}", right[chosen], groups, seed, "share", note))
    read = probabilities_of(predict(network, planes.inputs(heads)), calibration).argmax(axis=1)
    brain = read == PLANES.index("brain")
    rows.append(mean_metric("hc18 frames read as brain", brain, heads.groups, seed, "share", "hc18 dev"))
    return rows


def _error(name: str, chances: Values, labels: Labels, groups: list[str], seed: int) -> Table:
    def figure(chosen: Labels) -> float:
        return calibration_error(chances[chosen], labels[chosen])

    return metric(name, bootstrap(figure, groups, seed=seed), "0..1", "ten bins, after temperature scaling")


def _card(
    options: Options, epochs: int, parameters: int, calibration: Calibration, metrics: list[Table]
) -> Table:
    return {
        "task": "tell the plane of a still: abdomen, brain, femur or thorax",
        "step": "11 of 13: infer, classify",
        "seed": options.seed,
        "epochs": epochs,
        "split": SPLIT,
        "known_failures": KNOWN_FAILURES,
        "input": {
            "image": "FP32 [N, 1, 128, 192], gray 0..1, letterboxed at true aspect ratio, top left",
            "preparation": "cloud.infer.preprocess.plane_input",
        },
        "output": {
            "logits": "FP32 [N, 4]; probability = softmax(logits / temperature)",
            "map": "FP32 [N, 4, 8, 12]; raw signed class activation map",
        },
        "architecture": architecture_table(RESNET_18, planes.architecture(), parameters, start_of(options)),
        "calibration": {
            "temperature": calibration.temperature,
            "method": "temperature scaling on held-out training patients",
            "frames": calibration.frame_count,
        },
        "abstain": {
            "min_probability": calibration.min_probability,
            "rule": f"lowest threshold with an accuracy of {WANTED_ACCURACY} on held-out training patients",
        },
        "baseline": {
            "name": "accuracy over four planes",
            "value": 0.25,
            "note": "guessing; the planes are about equally frequent in dev",
        },
        "data": [
            {**FETAL_PLANES, "use": "four planes; the stretch to squares is undone"},
            {**HC18, "use": "further brains, of another machine"},
        ],
        "metrics": metrics,
    }
