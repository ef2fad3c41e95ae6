"""What a model's variants cost in accuracy on `dev`, and how near `fetal_crop` comes to the reading's own crop."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cloud.infer.preprocess import Gray, Plane, brain_input, crop_box, cut_crop, enhance, letterbox
from cloud.infer.segment import find_head
from cloud.training.brain import crop_of, load_labelled
from cloud.training.card import Table, mean_metric
from cloud.training.data import FINDINGS, HeadFrame, head_frames, plane_frames
from cloud.training.segmentation import score
from cloud.training.variants import open_session

HEAD: Final = "fetal_head_seg"
PLANE: Final = "fetal_plane_cls"
BRAIN: Final = "fetal_brain_cls"
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Pictures of `dev` as a model takes them, with what they show."""

    pictures: Sequence[Plane]
    """float32 1 x h x w each."""
    truth: Sequence[int]
    """Place of the true class in the model's labels."""
    groups: Sequence[str]
    """Patient or examination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropAgreement:
    """How `fetal_crop` and the reading cut the same head."""

    group: str
    """Examination."""
    centre_px: float
    """Distance of the squares' centres, in still pixels."""
    side_px: float
    """Difference of their sides, in still pixels."""
    gray: float
    """Mean absolute difference of the enhanced crops, in gray values 0..255."""


def dev_figures(model: str, weights: Sequence[bytes], labels: Sequence[str], data: Path) -> list[list[Table]]:
    """The figures on `dev` of several forms of a model's weights, the first being the reference; empty for
    other models than the three."""
    if model == HEAD:
        return _head_figures(weights, list(head_frames(data, "dev")))
    dims = tuple(open_session(weights[0]).get_inputs()[0].shape[2:])
    if model == PLANE:
        return _class_figures(weights, _planes(data, labels, dims), "planes dev")
    if model == BRAIN:
        return _class_figures(weights, _brains(data, labels), "brain_abnormal dev, labelled boxes")
    return [[] for _ in weights]


def _head_figures(weights: Sequence[bytes], frames: Sequence[HeadFrame]) -> list[list[Table]]:
    groups = [frame.group for frame in frames]
    figures = []
    for finder in map(head_finder, weights):
        scores = [score(frame, finder(frame.gray)) for frame in frames]
        overlap = np.array([found.dice for found in scores])
        errors = np.abs([found.circumference_error_mm for found in scores])
        kept = np.isfinite(errors)
        names = [group for group, here in zip(groups, kept, strict=True) if here]
        figures.append(
            [
                mean_metric("Dice, mean", overlap, groups, _SEED, "0..1", "one pass, hc18 dev"),
                mean_metric(
                    "head circumference, mean absolute error",
                    errors[kept],
                    names,
                    _SEED,
                    "mm",
                    "one pass, hc18 dev, heads found",
                ),
            ]
        )
    return figures


def head_finder(weights: bytes) -> Callable[[Gray], Plane]:
    """The head model as a function of a still to its probability canvas, float32 h x w."""
    session = open_session(weights)
    rows, columns = session.get_inputs()[0].shape[2:]

    def find(gray: Gray) -> Plane:
        canvas, _ = letterbox(gray, (rows, columns))
        (probability,) = session.run(["probability"], {"image": canvas[np.newaxis, np.newaxis]})
        return np.asarray(probability[0, 0], np.float32)

    return find


def _planes(data: Path, labels: Sequence[str], dims: tuple[int, ...]) -> Labelled:
    frames = list(plane_frames(data, "dev"))
    return Labelled(
        pictures=[letterbox(frame.gray, (dims[0], dims[1]))[0][np.newaxis] for frame in frames],
        truth=[labels.index(frame.plane) for frame in frames],
        groups=[frame.group for frame in frames],
    )


def _brains(data: Path, labels: Sequence[str]) -> Labelled:
    samples = load_labelled(data, "dev")
    return Labelled(
        pictures=[brain_input(crop_of(sample)) for sample in samples],
        truth=[labels.index(FINDINGS[sample.label]) for sample in samples],
        groups=[sample.group for sample in samples],
    )


def _class_figures(weights: Sequence[bytes], labelled: Labelled, note: str) -> list[list[Table]]:
    read = [_classes(data, labelled.pictures) for data in weights]
    truth, groups = np.array(labelled.truth), list(labelled.groups)
    return [
        [
            mean_metric("accuracy", classes == truth, groups, _SEED, "share", note),
            mean_metric(
                "same class as in single precision", classes == read[0], groups, _SEED, "share", note
            ),
        ]
        for classes in read
    ]


def _classes(weights: bytes, pictures: Sequence[Plane]) -> NDArray[np.intp]:
    session = open_session(weights)
    name = session.get_inputs()[0].name
    logits = [session.run(["logits"], {name: picture[np.newaxis]})[0][0] for picture in pictures]
    return np.asarray(np.argmax(logits, axis=1))


def milliseconds(
    weights: Sequence[bytes], batch: Mapping[str, NDArray[np.float32]], rounds: int = 20
) -> list[float]:
    """Median time of a run by one thread, each form in turn so that what else the machine does hits all alike."""
    sessions = [open_session(data) for data in weights]
    taken: list[list[float]] = [[] for _ in sessions]
    for _ in range(rounds):
        for times, session in zip(taken, sessions, strict=True):
            begin = time.perf_counter()
            session.run(None, batch)
            times.append(1000 * (time.perf_counter() - begin))
    return [statistics.median(times) for times in taken]


def crop_agreement(
    crop: onnxruntime.InferenceSession, gray: Gray, probability: Plane, group: str = ""
) -> CropAgreement | None:
    """Both crops of one still compared; None where the reading finds no head. `probability` is the head
    model's canvas, float32 h x w."""
    _, box = letterbox(gray, (probability.shape[0], probability.shape[1]))
    head = find_head(probability, box).head
    if head is None:
        return None
    ours = crop_box(head.ellipse, gray.shape)
    feeds = {"still": gray[np.newaxis, np.newaxis], "probability": probability[np.newaxis, np.newaxis]}
    picture, (square,) = crop.run(["crop", "crop_box"], feeds)
    left, top, side = (float(value) for value in square)
    half = (side - ours.size_px) / 2
    return CropAgreement(
        group=group,
        centre_px=float(np.hypot(left + half - ours.x0, top + half - ours.y0)),
        side_px=abs(side - ours.size_px),
        gray=float(np.abs(picture[0, 0] * 255 - enhance(cut_crop(gray, ours))).mean()),
    )


def crop_figures(crop: bytes, head: bytes, data: Path) -> list[Table]:
    """`crop_agreement` over the heads of hc18 dev."""
    session, finder = open_session(crop), head_finder(head)
    compared = [crop_agreement(session, f.gray, finder(f.gray), f.group) for f in head_frames(data, "dev")]
    found = [agreement for agreement in compared if agreement is not None]
    groups = [agreement.group for agreement in found]
    note = "against the reading's own crop before its outline is refined, hc18 dev"
    rows = (
        ("distance of the crops' centres, mean", [a.centre_px for a in found], "still pixels"),
        ("difference of the crops' sides, mean", [a.side_px for a in found], "still pixels"),
        ("difference of the enhanced crops, mean", [a.gray for a in found], "gray values 0..255"),
    )
    return [mean_metric(name, np.array(values), groups, _SEED, unit, note) for name, values, unit in rows]
