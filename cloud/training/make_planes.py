"""Makes `fetal_plane_cls`: trains it, calibrates it, measures it on `dev`, publishes it with its card."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from cloud.infer.preprocess import PLANE_SIZE_HW
from cloud.training import planes
from cloud.training.card import BRAIN_ABNORMAL, FETAL_PLANES, HC18, SPLIT, Table, architecture_table
from cloud.training.data import plane_frames
from cloud.training.derive import RESNET_18
from cloud.training.options import Options, Say, start_of
from cloud.training.plane_figures import (
    FALSE_REJECTION,
    Rules,
    fit_rules,
    plane_metrics,
    rejection,
    robustness,
)
from cloud.training.plane_learning import PlaneReader, as_published, learn_in_stages, samples_to_learn
from cloud.training.plane_machines import STUDY
from cloud.training.planes import AMOUNTS, CLASSES, Amounts
from cloud.training.publish import Port, Product, check_free, publish
from cloud.training.studies import kept

NAME = "fetal_plane_cls"

KNOWN_FAILURES = [
    "four planes are known; another plane of a fetus (cervix, face, spine, limbs) may be read as one of them: "
    "no such picture was at hand to learn or to test rejection with",
    "made-up pictures alone taught what is no plane; rejection was tested on 24 files of ultrasound, three "
    "series of slices and noise",
    "the plane data come from one country's hospitals and few machines; see the table of machines",
    "an abdomen and a thorax at their border, or seen aslant, are taken for each other",
]
"""What a person must know before relying on the model."""


DATA: list[Table] = [
    {**FETAL_PLANES, "use": "four planes; the stretch to squares is undone"},
    {**HC18, "use": "further brains, of another machine"},
    {**BRAIN_ABNORMAL, "use": "further brains, malformed ones among them; the finding is not used"},
    {
        "name": "made-up",
        "licence": "none needed",
        "attribution": "cloud/training/negatives.py and lookalikes.py; fragments are of planes",
        "use": "other, and drawn heads",
    },
    {
        "name": "virtual scanner",
        "licence": "none needed",
        "attribution": "edge_agent.simulator",
        "use": "further stills of the four planes, so that its prints are no strangers",
    },
]
"""What was learned from."""


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    check_free(options.out, NAME, options.version)


def make(options: Options, say: Say, amounts: Amounts = AMOUNTS) -> Path:
    """Trains and publishes the model; returns the path of its weights."""
    check_new(options)
    learned, apart = planes.hold_out(samples_to_learn(options, amounts), options.seed)
    network = learn_in_stages(options, learned, NAME, say, amounts)
    model = as_published(network, learned, options.seed)
    read = PlaneReader(model)
    rules = fit_rules(read, apart)
    dev = list(plane_frames(options.data, "dev"))
    tables: dict[str, list[Table]] = {
        "metrics": plane_metrics(
            read, rules, planes.to_measure(options.data, options.work, options.seed, amounts), options.seed
        ),
        "robustness": robustness(read, rules, dev, options.seed),
        "rejection": rejection(read, rules, options.data, options.seed),
        "machines": kept(options.work, STUDY),
    }
    for figure in (row for rows in tables.values() for row in rows):
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    card = _card(options, parameters, rules, tables)
    return publish(product(model), options.out, options.version, card)


def product(exported: nn.Module) -> Product:
    """The model as it is published."""
    stride = 2 ** len(planes.architecture().widths)
    map_size = (PLANE_SIZE_HW[0] // stride, PLANE_SIZE_HW[1] // stride)
    return Product(
        name=NAME,
        network=exported,
        input=Port(name="image", shape=(1, *PLANE_SIZE_HW)),
        outputs=[
            Port(name="logits", shape=(len(CLASSES),), labels=True),
            Port(name="map", shape=(len(CLASSES), *map_size)),
            Port(name="novelty", shape=(1,)),
        ],
        labels=CLASSES,
    )


def _card(options: Options, parameters: int, rules: Rules, tables: dict[str, list[Table]]) -> Table:
    return {
        "task": "tell the plane of a still: abdomen, brain, femur, thorax or other",
        "step": "11 of 13: infer, classify",
        "seed": options.seed,
        "stages": [
            f"{stage.name}: {options.epochs or stage.epochs} epochs, peak rate {stage.peak_rate:g}"
            for stage in planes.STAGES
        ],
        "split": SPLIT,
        "known_failures": KNOWN_FAILURES,
        "input": {
            "image": "FP32 [N, 1, 128, 192], gray 0..1, letterboxed at true aspect ratio, top left",
            "preparation": "cloud.infer.preprocess.plane_input",
        },
        "output": {
            "logits": "FP32 [N, 5]; probability = softmax(logits / calibration.temperature)",
            "map": "FP32 [N, 5, 8, 12]; raw signed class activation map",
            "novelty": "FP32 [N, 1]; Mahalanobis distance of the grain (the first features' means and deviations) "
            "to the nearest kind of plane",
        },
        "architecture": architecture_table(RESNET_18, planes.architecture(), parameters, start_of(options)),
        **_rules_tables(rules),
        "baseline": {
            "name": "accuracy over four planes",
            "value": 0.25,
            "note": "guessing; the planes are about equally frequent in dev",
        },
        "data": DATA,
        **tables,
    }


def _rules_tables(rules: Rules) -> Table:
    return {
        "calibration": {
            "temperature": rules.temperature,
            "method": "temperature scaling on held-out training patients, also mirrored, cropped and in other grays",
            "frames": rules.frame_count,
        },
        "abstain": {
            "min_probability": rules.min_probability,
            "rule": f"highest threshold at which at most {FALSE_REJECTION / 2:.0%} of held-out planes are below it or "
            "read as other",
        },
        "novelty": {
            "max": rules.novelty_max,
            "rule": "a still is rejected when it is read as other, too improbable, or more novel than max: "
            f"at most {FALSE_REJECTION:.0%} of held-out planes, altered ones among them, are",
        },
    }
