"""The card of the `capture_type` ferns: what was measured on unseen training frames and on `dev`."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.training.card import BRAIN_ABNORMAL, FETAL_PLANES, HC18, SPLIT, Table, mean_metric, metric
from cloud.training.data import PLANES
from cloud.training.fern_samples import COPIES, TYPES, FernSamples
from cloud.training.ferns import TrainedFerns, channels
from cloud.training.metrics import Values, bootstrap, calibration_error
from cloud.training.options import Options
from cloud.training.strangers import Stranger

NAME = "capture_type"
NETWORK = "fetal_plane_cls"

KNOWN_FAILURES = [
    "the type serves sorting only; the plane model reads the plane again at the cloud",
    "many planes stay unsorted: one small picture does not show enough for a sure type",
    "the type other is learned from made-up pictures, not from real screens or other organs: ultrasound without a "
    "fetus may be sorted as a plane, and slices of a head as brain",
    "planes turned beyond about 20 degrees are often sorted wrongly or left unsorted",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the card's figures rest on."""

    train: FernSamples
    """Training frames."""
    unseen: Values
    """Calibrated probabilities of the training frames by ferns that saw none of their group, (N, T)."""
    dev: FernSamples
    """Frames that nothing was learned from or chosen by."""
    fold_count: int
    """Folds of the cross-validation."""
    wanted_precision: float
    """What the least probability was chosen for."""
    strangers: dict[str, list[Stranger]]
    """Real pictures without any plane, by data set; nothing was learned from or chosen by them."""


def card(
    options: Options, trained: TrainedFerns, weights: bytes, proof: Proof, figures: list[Table]
) -> Table:
    """The whole card; `weights` is the file's content, `figures` comes from `metrics`."""
    return {
        **_names(options, weights),
        "input": {
            "image": "uint8 HxW gray of any size, reduced to six channels of 64x64: gray, edges, four directions",
            "preparation": "edge_agent.ferns.channels",
        },
        "output": {"probabilities": "one probability per type; they add up to 1"},
        "architecture": _architecture(trained),
        "calibration": {
            "temperature": trained.temperature,
            "method": f"temperature scaling on {proof.fold_count}-fold cross-validated training planes, "
            "grouped by patient",
            "frames": int(proof.train.chosen("planes").sum()),
        },
        "abstain": {
            "min_probability": trained.min_probability,
            "rule": f"below it an image is unsorted; the lowest with a precision of {proof.wanted_precision} on "
            "the cross-validated training planes",
        },
        "baseline": baseline(proof.dev),
        "network": network_figure((options.out, Path(__file__).resolve().parents[2] / "model_repository")),
        "data": _data(),
        "metrics": figures,
        "sample": {
            "input": "all pixels 0: every question is answered with its threshold alone",
            **_sample(trained),
        },
    }


def network_figure(repositories: tuple[Path, ...]) -> Table:
    """What the newest card of the plane network in the first repository that has one says of the same frames."""
    for repository in repositories:
        cards = [
            tomllib.loads(path.read_text("utf-8")) for path in (repository / NETWORK).glob("**/card.toml")
        ]
        for newest in sorted(cards, key=lambda each: -int(each["version"])):
            for row in newest["metrics"]:
                if row["name"] == "accuracy over four planes":
                    return {"name": f"{NETWORK} {newest['version']}, {row['name']}", **_figure(row)}
    return {"name": f"{NETWORK}: no card here"}


def _figure(row: dict[str, object]) -> Table:
    return {key: float(str(row[key])) for key in ("value", "low_95", "high_95")}


def _names(options: Options, weights: bytes) -> Table:
    return {
        "name": NAME,
        "version": str(options.version),
        "notice": "research use, not for diagnosis",
        "task": "sort captured images by type before they are sent",
        "step": "5 of 13: split by type",
        "labels": list(TYPES),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "size_bytes": len(weights),
        "seed": options.seed,
        "split": f"{SPLIT}; everything was chosen by cross-validation inside train",
        "known_failures": KNOWN_FAILURES,
    }


def _architecture(trained: TrainedFerns) -> Table:
    fern_count, question_count = trained.questions.thresholds.shape
    return {
        "name": "random ferns on difference features",
        "source": "Ozuysal et al., PAMI 2010; the scores are then refined by gradient descent",
        "ferns": fern_count,
        "questions_per_fern": question_count,
        "copies_per_frame": [f"{name}: {count}" for name, count in COPIES.items()],
    }


def baseline(dev: FernSamples) -> Table:
    counts = np.bincount(dev.types()[dev.chosen("planes")], minlength=len(TYPES))
    return {
        "name": "accuracy over four planes",
        "value": round(float(counts.max() / counts.sum()), 4),
        "note": "always the most frequent plane of dev; guessing gives 0.25",
    }


def _data() -> list[Table]:
    return [
        {**FETAL_PLANES, "use": f"four types, {', '.join(PLANES)}; the stretch to squares is undone"},
        {**HC18, "use": "further brains"},
        {**BRAIN_ABNORMAL, "use": "further brains, whatever their finding"},
        {
            "name": "made-up",
            "licence": "none needed",
            "attribution": "cloud/training/negatives.py and lookalikes.py",
        },
    ]


def metrics(trained: TrainedFerns, proof: Proof, seed: int) -> list[Table]:
    """The figures on dev, then those on training frames by ferns that had not seen them."""
    train = proof.train
    note = f"planes train, {proof.fold_count}-fold cross-validation"
    return dev_metrics(trained, proof.dev, proof.strangers, seed) + _sorting(
        note, train, proof.unseen, train.chosen("planes"), trained.min_probability, seed, "cross-validated "
    )


def dev_metrics(
    trained: TrainedFerns, dev: FernSamples, strangers: Mapping[str, Sequence[Stranger]], seed: int
) -> list[Table]:
    """The figures on frames, and on pictures of something else, that nothing was learned from or chosen by."""
    chances = trained.probabilities(dev.pictures())
    planes = dev.chosen("planes")
    right = chances.argmax(axis=1) == dev.types()

    def share(name: str, chosen: NDArray[np.bool_], note: str) -> Table:
        return mean_metric(name, right[chosen], _groups(dev, chosen), seed, "share", note)

    rows = _sorting("planes dev", dev, chances, planes, trained.min_probability, seed)
    rows += [
        share("hc18 frames sorted as brain", dev.chosen("hc18"), "hc18 dev"),
        share("brain_abnormal frames sorted as brain", dev.chosen("brain_abnormal"), "brain_abnormal dev"),
        share("made-up pictures sorted as other", dev.chosen("made-up"), "of the kinds learned from"),
    ]
    rows += [
        share(f"recall, {name}", planes & (dev.types() == number), "planes dev")
        for number, name in enumerate(TYPES[:-1])
    ]
    return rows + [_foreign(trained, name, found, seed) for name, found in strangers.items()]


def _sorting(
    note: str,
    samples: FernSamples,
    chances: Values,
    chosen: NDArray[np.bool_],
    floor: float,
    seed: int,
    prefix: str = "",
) -> list[Table]:
    """Accuracy, calibration and what the least probability does, over the chosen frames."""
    groups, chances, labels = _groups(samples, chosen), chances[chosen], samples.types()[chosen]
    right, sure = chances.argmax(axis=1) == labels, chances.max(axis=1) >= floor
    kept = [group for group, here in zip(groups, sure, strict=True) if here]
    error = bootstrap(lambda at: calibration_error(chances[at], labels[at]), groups, seed=seed)
    rows = [
        mean_metric(f"{prefix}accuracy over four planes", right, groups, seed, "share", note),
        metric(f"{prefix}expected calibration error", error, "0..1", f"{note}; ten bins"),
        mean_metric(f"{prefix}share unsorted", ~sure, groups, seed, "share", note),
    ]
    if sure.any():
        rows.append(mean_metric(f"{prefix}accuracy among the sorted", right[sure], kept, seed, "share", note))
    return rows


def _foreign(trained: TrainedFerns, name: str, found: Sequence[Stranger], seed: int) -> Table:
    chances = trained.probabilities([channels(stranger.gray) for stranger in found])
    wrong = (chances.max(axis=1) >= trained.min_probability) & (
        chances.argmax(axis=1) != TYPES.index("other")
    )
    groups = [stranger.group for stranger in found]
    return mean_metric(
        f"{name} pictures sorted as a plane", wrong, groups, seed, "share", "none shows a plane"
    )


def _groups(samples: FernSamples, chosen: NDArray[np.bool_]) -> list[str]:
    return [samples.groups[number] for number in np.flatnonzero(chosen)]


def _sample(trained: TrainedFerns) -> Table:
    (chances,) = trained.probabilities([channels(np.zeros((64, 64), np.uint8))])
    return {"probabilities": [str(round(float(chance), 6)) for chance in chances]}
