"""Makes `fetal_head_seg`: trains it, measures it on `dev`, writes its card and publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from cloud.infer.preprocess import SEGMENT_SIZE_HW, Gray, segment_input
from cloud.training import segmentation
from cloud.training.brain import (
    USUAL_STRETCH,
    BrainSample,
    HeadFinder,
    box_of,
    find_ellipse,
    load_labelled,
    widened,
)
from cloud.training.card import HC18, SPLIT, Table, architecture_table, mean_metric
from cloud.training.data import DataMissing, HeadFrame, head_frames
from cloud.training.derive import U_NET, build_unet
from cloud.training.onnx_model import OnnxModel, exported
from cloud.training.options import Options, Say, learn, start_of, weights_of
from cloud.training.publish import Port, Product, check_free, newest_version, publish
from cloud.training.segmentation import HeadModel, HeadTask

NAME = "fetal_head_seg"
_SIZE = f"{SEGMENT_SIZE_HW[0]}, {SEGMENT_SIZE_HW[1]}"

KNOWN_FAILURES = [
    "learned from one hospital's normal heads: malformed skulls may be outlined wrongly",
    "a head that leaves the frame is completed to an ellipse by guess",
    "it always looks for a head and may outline an abdomen: the plane model must say brain first",
    "first-trimester heads with weak skull echoes have the lowest overlap",
]


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    check_free(options.out, NAME, options.version)


def make(options: Options, say: Say) -> Path:
    """Trains and publishes the model; returns the path of its weights."""
    check_new(options)
    pairs = segmentation.sample_pairs(head_frames(options.data, "train"))
    plan = segmentation.plan(options.epochs or segmentation.EPOCHS, options.seed)
    network = learn(
        options,
        NAME,
        build_unet(segmentation.architecture(), weights_of(options)),
        HeadTask(pairs),
        plan,
        say,
    )
    product = product_of(HeadModel(network))
    metrics, baseline = figures(finder(exported(product, options.work)), options.data, options.seed)
    for figure in metrics:
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    card = _card(options, plan.epochs, parameters, metrics, baseline)
    return publish(product, options.out, options.version, card)


def figures(find_head: HeadFinder, data: Path, seed: int) -> tuple[list[Table], Table]:
    """The figures on `dev`, and the baseline's: the mean training mask, whatever the picture shows."""
    frames = list(head_frames(data, "dev"))
    scores = [segmentation.score(frame, find_head(segment_input(frame.gray)[0])) for frame in frames]
    metrics = segmentation.head_figures(scores, frames, seed)
    metrics += _other_machines(load_labelled(data, "dev"), find_head, seed)
    pairs = segmentation.sample_pairs(head_frames(data, "train"))
    return metrics, _baseline(pairs, frames, seed)


def finder(model: OnnxModel) -> HeadFinder:
    """The model as a function of one input float32 1xHxW to its probability canvas float32 HxW."""
    return lambda canvas: np.asarray(model([canvas])["probability"][0, 0], np.float32)


def published_finder(repository: Path) -> HeadFinder:
    """The newest published head model. Raises DataMissing where there is none."""
    version = newest_version(repository / NAME)
    if not version:
        raise DataMissing(f"no {NAME} in {repository}: train segmentation first")
    return finder(OnnxModel(repository / NAME / str(version) / "model.onnx"))


def product_of(model: nn.Module) -> Product:
    """The network as it is published."""
    return Product(
        name=NAME,
        network=model,
        input=Port(name="image", shape=(1, *SEGMENT_SIZE_HW)),
        outputs=[Port(name="probability", shape=(1, *SEGMENT_SIZE_HW))],
        labels=["head"],
    )


def _other_machines(samples: Sequence[BrainSample], find_head: HeadFinder, seed: int) -> list[Table]:
    """How well the upright box of the found head fits the labelled one, on pictures of other machines."""
    overlaps: list[float] = []
    for sample in samples:
        gray, box = widened(sample, USUAL_STRETCH)
        found = find_ellipse(gray, find_head)
        overlaps.append(0.0 if found is None else _box_overlap(box_of(found), box))
    rows: list[Table] = []
    title = "intersection over union of head boxes on brain_abnormal"
    for chosen, name, note in (
        (
            [not sample.altered for sample in samples],
            f"{title}, mean",
            "frames as they were made; none was learned from",
        ),
        (
            [True] * len(samples),
            f"{title}, mean with rotated copies",
            "labelled boxes of rotated copies are boxes around rotated boxes",
        ),
    ):
        values = np.array([value for value, here in zip(overlaps, chosen, strict=True) if here])
        groups = [sample.group for sample, here in zip(samples, chosen, strict=True) if here]
        rows.append(mean_metric(name, values, groups, seed, "0..1", note))
    return rows


def _box_overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def _baseline(pairs: Sequence[tuple[Gray, Gray]], frames: Sequence[HeadFrame], seed: int) -> Table:
    mean_mask = np.asarray(np.mean([mask for _, mask in pairs], axis=0) / 255, np.float32)
    overlap = np.array([segmentation.score(frame, mean_mask).dice for frame in frames])
    note = "the mean training mask, whatever the picture shows"
    return mean_metric("Dice, mean", overlap, [frame.group for frame in frames], seed, "0..1", note)


def _card(options: Options, epochs: int, parameters: int, metrics: list[Table], baseline: Table) -> Table:
    return {
        "task": "find the fetal head (region of interest) on a still",
        "step": "11 of 13: infer, segment",
        "seed": options.seed,
        "epochs": epochs,
        "split": SPLIT,
        "known_failures": KNOWN_FAILURES,
        "input": {
            "image": f"FP32 [N, 1, {_SIZE}], gray 0..1, letterboxed into the top left corner",
            "preparation": "cloud.infer.preprocess.segment_input",
        },
        "output": {"probability": f"FP32 [N, 1, {_SIZE}], probability of head per canvas pixel, 0..1"},
        "architecture": architecture_table(U_NET, segmentation.architecture(), parameters, start_of(options)),
        "calibration": {"temperature": 1.0, "method": "none: a region is cut at probability 0.5"},
        "abstain": {"min_probability": 0.5, "rule": "below it a pixel is no head"},
        "baseline": baseline,
        "data": [{**HC18, "use": "frames and masks"}],
        "metrics": metrics,
    }
