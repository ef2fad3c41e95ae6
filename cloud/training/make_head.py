"""Makes `fetal_head_seg`: trains it, measures it on `dev`, writes its card and publishes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cloud.infer.preprocess import SEGMENT_SIZE_HW, Gray, Plane, segment_input
from cloud.training import segmentation
from cloud.training.brain import USUAL_STRETCH, BrainSample, head_box, load_labelled, widened
from cloud.training.card import HC18, SPLIT, Table, architecture_table, mean_metric, metric
from cloud.training.data import HeadFrame, head_frames
from cloud.training.derive import U_NET, build_unet
from cloud.training.metrics import bootstrap
from cloud.training.options import Options, Say, learn, start_of, weights_of
from cloud.training.publish import Port, Product, check_free, publish
from cloud.training.segmentation import HeadModel, HeadScore, HeadTask

NAME = "fetal_head_seg"

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
    model = HeadModel(network)
    frames = list(head_frames(options.data, "dev"))
    find_head = finder(model)
    scores = [segmentation.score(frame, find_head(segment_input(frame.gray)[0])) for frame in frames]
    metrics = _metrics(scores, frames, options.seed)
    metrics.append(_other_machines(load_labelled(options.data, "dev"), find_head, options.seed))
    for figure in metrics:
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    baseline = _baseline(pairs, frames, options.seed)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return publish(
        _product(model),
        options.out,
        options.version,
        _card(options, plan.epochs, parameters, metrics, baseline),
    )


def finder(model: nn.Module) -> Callable[[Plane], Plane]:
    """The model as a function of one input float32 1x256x256 to one probability canvas float32 256x256."""
    model.eval()

    def find(canvas: Plane) -> Plane:
        with torch.no_grad():
            probability = model(torch.from_numpy(canvas[np.newaxis]))[0, 0]
        return np.asarray(probability.numpy(), np.float32)

    return find


def _product(model: nn.Module) -> Product:
    return Product(
        name=NAME,
        network=model,
        input=Port(name="image", shape=(1, *SEGMENT_SIZE_HW)),
        outputs=[Port(name="probability", shape=(1, *SEGMENT_SIZE_HW))],
        labels=["head"],
    )


def _metrics(scores: Sequence[HeadScore], frames: Sequence[HeadFrame], seed: int) -> list[Table]:
    groups = [frame.group for frame in frames]
    overlap = np.array([score.dice for score in scores])
    errors = np.array([score.circumference_error_mm for score in scores])
    distances = np.array([score.hausdorff_mm for score in scores])
    found = np.isfinite(errors)
    kept = [group for group, here in zip(groups, found, strict=True) if here]
    lowest = bootstrap(lambda chosen: float(np.percentile(overlap[chosen], 5)), groups, seed=seed)
    note = "ellipse fitted at full resolution against the filled mask"
    return [
        mean_metric("Dice, mean", overlap, groups, seed, "0..1", note),
        metric("Dice, 5th percentile", lowest, "0..1", note),
        mean_metric("heads found", found, groups, seed, "share"),
        mean_metric(
            "head circumference, mean absolute error", np.abs(errors[found]), kept, seed, "mm", "heads found"
        ),
        mean_metric("head circumference, mean error", errors[found], kept, seed, "mm", "heads found"),
        mean_metric("Hausdorff distance, mean", distances[found], kept, seed, "mm", "heads found"),
    ]


def _other_machines(samples: Sequence[BrainSample], find_head: Callable[[Plane], Plane], seed: int) -> Table:
    """How well the upright box of the found head fits the labelled one, on pictures of other machines."""
    overlaps: list[float] = []
    for sample in samples:
        gray, box = widened(sample, USUAL_STRETCH)
        found = head_box(gray, find_head)
        overlaps.append(0.0 if found is None else _box_overlap(found, box))
    return mean_metric(
        "intersection over union of head boxes on brain_abnormal, mean",
        np.array(overlaps),
        [sample.group for sample in samples],
        seed,
        "0..1",
        "pictures of other machines and with malformations, none of which was learned from; loose labels",
    )


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
            "image": "FP32 [N, 1, 256, 256], gray 0..1, letterboxed into the top left corner",
            "preparation": "cloud.infer.preprocess.segment_input",
        },
        "output": {"probability": "FP32 [N, 1, 256, 256], probability of head per canvas pixel, 0..1"},
        "architecture": architecture_table(U_NET, segmentation.architecture(), parameters, start_of(options)),
        "calibration": {"temperature": 1.0, "method": "none: a region is cut at probability 0.5"},
        "abstain": {"min_probability": 0.5, "rule": "below it a pixel is no head"},
        "baseline": baseline,
        "data": [{**HC18, "use": "frames and masks"}],
        "metrics": metrics,
    }
