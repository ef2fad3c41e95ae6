"""Makes the `capture_type` ferns: trains, calibrates, measures on `dev`, writes file and card."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from cloud.infer.preprocess import Gray, Plane, letterbox
from cloud.training import augment, ferns
from cloud.training.card import FETAL_PLANES, HC18, SPLIT, Table, mean_metric, metric, to_toml
from cloud.training.classification import held_out_groups
from cloud.training.data import PLANES, head_frames, plane_frames
from cloud.training.ferns import TrainedFerns, halves
from cloud.training.metrics import Labels, bootstrap, calibration_error, temperature
from cloud.training.negatives import negative
from cloud.training.options import Options, Say
from cloud.training.publish import VersionExists

NAME = "capture_type"
TYPES = ("brain", "abdomen", "femur", "thorax", "other")
COPIES = 12
"""Newly posed copies of each frame; ferns see no pose but those of their samples."""
HELD_OUT_SHARE = 0.12
SMALL_HW = (144, 216)

STRENGTH = augment.Strength(
    rotation_deg=15,
    any_rotation_share=0.0,
    zoom=(0.85, 1.2),
    shift=0.06,
    flip_vertically=False,
    gamma=1.5,
    gain=1.3,
    sector_share=0.05,
    text_share=0.2,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FernSamples:
    """Small frames with their types."""

    grays: list[Gray]
    """uint8 HxW."""
    labels: list[int]
    """Place of the type in TYPES."""
    groups: list[str]
    """Patient, examination or made-up picture."""
    sources: list[str]
    """The data set."""


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    if (options.out / NAME / "ferns.npz").exists():
        raise VersionExists(f"{NAME}/ferns.npz exists; it is never overwritten")


def make(options: Options, say: Say) -> Path:
    """Trains and writes the ferns; returns the path of the file."""
    check_new(options)
    samples = load(options.data, "train", options.seed)
    apart = held_out_groups(samples.groups, samples.labels, HELD_OUT_SHARE, options.seed)
    learned = [number for number, group in enumerate(samples.groups) if group not in apart]
    calibrating = [number for number, group in enumerate(samples.groups) if group in apart]
    pictures, labels = _copies(samples, learned, np.random.default_rng(options.seed))
    trained = ferns.train(pictures, labels, TYPES, seed=options.seed)
    scores = trained.scores([halves(samples.grays[number]) for number in calibrating])
    truth = np.array([samples.labels[number] for number in calibrating], np.int64)
    trained = replace(trained, temperature=_temperature(scores, truth))
    file = options.out / NAME / "ferns.npz"
    trained.save(file)
    metrics = _metrics(trained, load(options.data, "dev", options.seed + 1), options.seed)
    for figure in metrics:
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    text = to_toml(_card(options, trained, file.read_bytes(), metrics, len(calibrating)))
    (file.parent / "card.toml.tmp").write_text(text, encoding="utf-8")
    os.replace(file.parent / "card.toml.tmp", file.parent / "card.toml")
    return file


def load(data: Path, split: str, seed: int) -> FernSamples:
    """The frames of `planes` and `hc18` in a split, and made-up negatives, as many as planes and heads."""
    samples = FernSamples(grays=[], labels=[], groups=[], sources=[])

    def add(gray: Gray, kind: str, group: str, source: str) -> None:
        samples.grays.append(gray)
        samples.labels.append(TYPES.index(kind))
        samples.groups.append(group)
        samples.sources.append(source)

    for frame in plane_frames(data, split):
        add(_small(frame.gray), frame.plane, frame.group, "planes")
    for head in head_frames(data, split):
        add(_small(head.gray), "brain", head.group, "hc18")
    rng = np.random.default_rng([seed, 1])
    for number in range(len(samples.labels)):
        add(negative(rng), "other", f"made-up:{number}", "made-up")
    return samples


def _small(gray: Gray) -> Gray:
    canvas, box = letterbox(gray, SMALL_HW)
    content = canvas[: box.content_height_px, : box.content_width_px]
    return np.rint(content * 255).astype(np.uint8)


def _copies(samples: FernSamples, numbers: list[int], rng: Generator) -> tuple[list[Plane], Labels]:
    """Each chosen frame as it is and in new poses; types with few frames get more copies."""
    of_type = np.bincount([samples.labels[number] for number in numbers], minlength=len(TYPES))
    pictures: list[Plane] = []
    labels: list[int] = []
    for number in numbers:
        label = samples.labels[number]
        count = max(1, round(COPIES * float(of_type.mean()) / float(of_type[label])))
        pictures.append(halves(samples.grays[number]))
        pictures += [halves(_posed(samples.grays[number], rng)) for _ in range(count - 1)]
        labels += [label] * count
    return pictures, np.asarray(labels, np.int64)


def _posed(gray: Gray, rng: Generator) -> Gray:
    size_hw = (gray.shape[0], gray.shape[1])
    turned = cv2.warpAffine(gray, augment.pose(size_hw, rng, STRENGTH), (size_hw[1], size_hw[0]))
    picture = augment.change_gray(np.asarray(turned, np.uint8), rng, STRENGTH)
    return np.rint(picture * 255).astype(np.uint8)


def _temperature(scores: np.ndarray, labels: Labels) -> float:
    return round(temperature(scores, labels), 4)


def _metrics(trained: TrainedFerns, samples: FernSamples, seed: int) -> list[Table]:
    chances = trained.probabilities([halves(gray) for gray in samples.grays])
    labels = np.asarray(samples.labels, np.int64)
    sources = np.asarray(samples.sources)
    right = chances.argmax(axis=1) == labels

    def share(name: str, chosen: np.ndarray, note: str) -> Table:
        numbers = np.flatnonzero(chosen)
        groups = [samples.groups[number] for number in numbers]
        return mean_metric(name, right[numbers], groups, seed, "share", note)

    rows = [
        share("accuracy over five types", sources != "", "planes, hc18 and made-up pictures"),
        share("accuracy over four planes", sources == "planes", "planes dev"),
        share("hc18 frames sorted as brain", sources == "hc18", "hc18 dev"),
        share("made-up pictures sorted as other", sources == "made-up", "of the kinds learned from"),
    ]
    rows += [
        share(f"recall, {name}", (labels == number) & (sources == "planes"), "planes dev")
        for number, name in enumerate(TYPES[:-1])
    ]
    error = bootstrap(
        lambda chosen: calibration_error(chances[chosen], labels[chosen]), samples.groups, seed=seed
    )
    return [*rows, metric("expected calibration error", error, "0..1", "ten bins, after temperature scaling")]


def _card(
    options: Options, trained: TrainedFerns, weights: bytes, metrics: list[Table], calibrating: int
) -> Table:
    sets: list[Table] = [
        {**FETAL_PLANES, "use": f"four types, {', '.join(PLANES)}; the stretch to squares is undone"},
        {**HC18, "use": "further brains"},
        {"name": "made-up", "licence": "none needed", "attribution": "cloud/training/negatives.py"},
    ]
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
        "split": SPLIT,
        "known_failures": [
            "the type serves sorting only; the plane model reads the plane again at the cloud",
            "the type other is learned from made-up pictures, not from real screens and reports",
            "turned or mirrored planes beyond about 15 degrees are often sorted wrongly",
        ],
        "input": {
            "image": "uint8 HxW gray of any size, reduced to 64x64 standardised area means and edges",
            "preparation": "edge_agent.ferns.halves",
        },
        "output": {"probabilities": "one probability per type; they add up to 1"},
        "architecture": {
            "name": "random ferns on difference features",
            "source": "Ozuysal et al., PAMI 2010; the scores are then refined by gradient descent",
            "ferns": trained.thresholds.shape[0],
            "questions_per_fern": trained.thresholds.shape[1],
            "copies_per_frame": COPIES,
        },
        "calibration": {
            "temperature": trained.temperature,
            "method": "temperature scaling on held-out training patients",
            "frames": calibrating,
        },
        "abstain": {"min_probability": 0.5, "rule": "below it an image is unsorted"},
        "baseline": {"name": "accuracy over four planes", "value": 0.25, "note": "guessing"},
        "data": sets,
        "metrics": metrics,
        "sample": {"input": "all pixels 0: every question is answered with its threshold alone"},
    }
