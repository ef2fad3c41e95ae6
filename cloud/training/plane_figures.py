"""What the plane model is worth: its thresholds from held-out patients, and every figure of its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.preprocess import Gray, Plane, plane_input
from cloud.training import planes
from cloud.training.card import Table, mean_metric, metric
from cloud.training.data import PLANES, PlaneFrame
from cloud.training.metrics import Labels, Values, bootstrap, calibration_error, softmax, temperature
from cloud.training.planes import OTHER, SCANNER, PlaneSample
from cloud.training.strangers import SETS, strangers

FALSE_REJECTION = 0.02
"""Largest share of held-out planes that the three rules together may reject."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """The model's outputs for some pictures."""

    logits: NDArray[np.float32]
    """[N, 5]."""
    novelty: NDArray[np.float32]
    """[N], at least 0."""


class Read(Protocol):
    """The model: takes pictures float32 128x192 each."""

    def __call__(self, pictures: Sequence[Plane], /) -> Readings: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How outputs become probabilities, and when a still is rejected."""

    temperature: float
    """What the plane's logits are divided by before the softmax."""
    min_probability: float
    """Below this probability of the most probable plane the still is rejected."""
    novelty_max: float
    """Above this novelty the still is rejected."""
    frame_count: int
    """Held-out frames that the figures rest on."""

    def chances(self, readings: Readings) -> Values:
        """Calibrated probabilities of the classes, float64 [N, 5]."""
        return softmax(readings.logits.astype(np.float64) / self.temperature)

    def rejects(self, readings: Readings) -> Flags:
        """Which stills are rejected: read as other, too improbable, or too unlike what was learned."""
        weak = _weak(self.chances(readings), self.min_probability)
        return np.asarray(weak | (readings.novelty > self.novelty_max))


def _highest_probability(chances: Values) -> float:
    """The highest threshold in 0.40..0.95 at which few planes are too improbable; 0.40 if at none."""
    steps = [round(float(step), 2) for step in np.arange(0.95, 0.399, -0.05)]
    few = FALSE_REJECTION / 2
    return next((step for step in steps if _weak(chances, step).mean() <= few), 0.4)


def _weak(chances: Values, min_probability: float) -> Flags:
    return np.asarray((chances.argmax(axis=1) == OTHER) | (chances.max(axis=1) < min_probability))


def fit_rules(read: Read, apart: Sequence[PlaneSample]) -> Rules:
    """The thresholds by held-out planes, each in all WAYS.

    `min_probability` is the highest at which at most half of FALSE_REJECTION of them are too improbable or
    read as other; `novelty_max` the lowest at which at most FALSE_REJECTION are rejected by all rules
    together.
    """
    pictures = planes.inputs(apart)
    readings = read([way(picture) for way in WAYS for picture in pictures])
    labels = np.array([sample.label for sample in apart] * len(WAYS), np.int64)
    heat = round(temperature(readings.logits, labels), 4)
    chances = softmax(readings.logits.astype(np.float64) / heat)
    least = _highest_probability(chances)
    weak = _weak(chances, least)
    allowed = max(0, int(FALSE_REJECTION * len(labels)) - int(weak.sum()))
    # A network that takes every plane for "other" still gets a threshold: that of all of them.
    farthest = np.sort(readings.novelty if weak.all() else readings.novelty[~weak])
    return Rules(
        temperature=heat,
        min_probability=least,
        novelty_max=round(float(farthest[-1 - allowed]) + 5e-5, 4),
        frame_count=len(apart),
    )


def _mirrored(picture: Plane) -> Plane:
    return np.ascontiguousarray(picture[:, ::-1])


def _cut(picture: Plane) -> Plane:
    height_px, width_px = picture.shape
    inner = picture[height_px // 20 : height_px - height_px // 20, width_px // 20 : width_px - width_px // 20]
    return np.asarray(cv2.resize(inner, (width_px, height_px), interpolation=cv2.INTER_LINEAR), np.float32)


def _gray(gain: float, gamma: float) -> Callable[[Plane], Plane]:
    return lambda picture: np.asarray(np.clip(gain * picture**gamma, 0, 1), np.float32)


WAYS: Sequence[Callable[[Plane], Plane]] = (
    lambda picture: picture,
    _mirrored,
    _cut,
    _gray(1.45, 1.0),
    _gray(0.7, 1.0),
    _gray(1.0, 0.72),
    _gray(1.0, 1.35),
)
"""How each held-out plane counts: as it is, mirrored, a twentieth cut off at each edge, and under other gains and
gammas, since a machine of tomorrow has another."""


def plane_metrics(read: Read, rules: Rules, samples: Sequence[PlaneSample], seed: int) -> list[Table]:
    """Accuracy, calibration and false rejection on frames of `planes`; accuracy and rejection on the brains of
    the other data sets and on stills of the virtual scanner, where there are some."""
    own = [sample for sample in samples if sample.source == "planes"]
    readings = read(planes.inputs(own))
    groups = [sample.group for sample in own]
    labels = np.array([sample.label for sample in own], np.int64)
    chances, rejected = rules.chances(readings), rules.rejects(readings)
    right = chances.argmax(axis=1) == labels
    error = bootstrap(lambda chosen: calibration_error(chances[chosen], labels[chosen]), groups, seed=seed)
    note = "planes dev"

    def row(name: str, values: Flags, chosen: Labels) -> Table:
        named = [groups[number] for number in chosen]
        return mean_metric(name, values[chosen], named, seed, "share", note)

    every = np.arange(len(own))
    rows = [
        row("accuracy over four planes", right, every),
        metric("expected calibration error", error, "0..1", "ten bins, after temperature scaling"),
        row("false rejection", rejected, every),
        row("accuracy where not rejected", right, every[~rejected]),
    ]
    rows += [row(f"recall, {name}", right, every[labels == label]) for label, name in enumerate(PLANES)]
    return [*rows, *_elsewhere(read, rules, samples, seed)]


_ELSEWHERE = {
    "hc18": ("frames", "brain", "hc18 dev"),
    "brain_abnormal": ("frames", "brain", "brain_abnormal dev"),
    SCANNER: ("stills", "their plane", "another seed than was learned from"),
}


def _elsewhere(read: Read, rules: Rules, samples: Sequence[PlaneSample], seed: int) -> list[Table]:
    rows: list[Table] = []
    for source, (stills, plane, note) in _ELSEWHERE.items():
        own = [sample for sample in samples if sample.source == source]
        if not own:
            continue
        readings = read(planes.inputs(own))
        groups = [sample.group for sample in own]
        right = rules.chances(readings).argmax(axis=1) == np.array([sample.label for sample in own])
        rejected = rules.rejects(readings)
        rows.append(mean_metric(f"{source} {stills} read as {plane}", right, groups, seed, "share", note))
        rows.append(mean_metric(f"{source} {stills} rejected", rejected, groups, seed, "share", note))
    return rows


def _gain(factor: float) -> Callable[[Gray], Gray]:
    return lambda gray: np.clip(gray * factor, 0, 255).astype(np.uint8)


def _gamma(exponent: float) -> Callable[[Gray], Gray]:
    return lambda gray: np.rint(255 * (gray / 255.0) ** exponent).astype(np.uint8)


def _inner(gray: Gray) -> Gray:
    rows, columns = gray.shape[0] // 10, gray.shape[1] // 10
    return np.ascontiguousarray(gray[rows:-rows, columns:-columns])


def _corner(gray: Gray) -> Gray:
    return np.ascontiguousarray(gray[gray.shape[0] // 10 :, gray.shape[1] // 10 :])


def _smaller(gray: Gray) -> Gray:
    """The picture at 0.7 of its size in the middle of a black screen."""
    rows, columns = round(gray.shape[0] * 0.7), round(gray.shape[1] * 0.7)
    screen = np.zeros_like(gray)
    top, left = (gray.shape[0] - rows) // 2, (gray.shape[1] - columns) // 2
    small = cv2.resize(gray, (columns, rows), interpolation=cv2.INTER_AREA)
    screen[top : top + rows, left : left + columns] = small
    return screen


def _jpeg_30(gray: Gray) -> Gray:
    _, coded = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _blur(gray: Gray) -> Gray:
    return np.asarray(cv2.GaussianBlur(gray, (0, 0), gray.shape[1] / 250), np.uint8)


ALTERATIONS: Mapping[str, Callable[[Gray], Gray]] = {
    "as it is": lambda gray: gray,
    "gain x0.6": _gain(0.6),
    "gain x1.6": _gain(1.6),
    "gamma 0.67": _gamma(0.67),
    "gamma 1.5": _gamma(1.5),
    "a tenth cut off at every edge": _inner,
    "a tenth cut off at the left and the top": _corner,
    "mirrored": lambda gray: np.ascontiguousarray(gray[:, ::-1]),
    "shrunk to 0.7 on black": _smaller,
    "JPEG quality 30": _jpeg_30,
    "blurred": _blur,
}
"""What a still may have gone through; the same for every picture, and unlike the draws of the training."""


def robustness(read: Read, rules: Rules, frames: Sequence[PlaneFrame], seed: int) -> list[Table]:
    """Accuracy over the four planes, and the share rejected, after each alteration."""
    groups = [frame.group for frame in frames]
    labels = np.array([PLANES.index(frame.plane) for frame in frames])
    rows: list[Table] = []
    for name, change in ALTERATIONS.items():
        readings = read([plane_input(change(frame.gray))[0] for frame in frames])
        right = rules.chances(readings).argmax(axis=1) == labels
        row = mean_metric(f"accuracy, {name}", right, groups, seed, "share", "planes dev")
        rows.append({**row, "rejected": round(float(rules.rejects(readings).mean()), 4)})
    return rows


def rejection(read: Read, rules: Rules, data: Path, seed: int) -> list[Table]:
    """The share rejected of each set of pictures without a plane, none of which was learned from."""
    rows: list[Table] = []
    for name in SETS:
        others = strangers(data, name)
        readings = read([plane_input(other.gray)[0] for other in others])
        rejected = rules.rejects(readings)
        groups = [other.group for other in others]
        row = mean_metric(f"rejected, {name}", rejected, groups, seed, "share", "not learned from")
        row["read_as_other"] = round(float((rules.chances(readings).argmax(axis=1) == OTHER).mean()), 4)
        row["too_novel"] = round(float((readings.novelty > rules.novelty_max).mean()), 4)
        rows.append(row)
    return rows
