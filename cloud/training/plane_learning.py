"""Learning the plane model: its pictures, its network, its distance to what it knows, and reading with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cloud.infer.preprocess import Plane
from cloud.training import planes
from cloud.training.data import SUB_PLANES, plane_frames
from cloud.training.derive import Weights, build_classifier
from cloud.training.former import take_published
from cloud.training.loop import Plan
from cloud.training.networks import Novelty, ResidualClassifier, fit_novelty
from cloud.training.options import Options, Say, learn, weights_of
from cloud.training.plane_figures import Readings
from cloud.training.planes import AMOUNTS, BATCH_SIZE, OTHER, Amounts, PlaneSample


def samples_to_learn(options: Options, amounts: Amounts = AMOUNTS) -> list[PlaneSample]:
    """Every training picture: of the three data sets, and made up."""
    frames = list(plane_frames(options.data, "train"))
    return [*planes.load(options.data, "train"), *planes.made_up(frames, options.seed, amounts)]


def learn_network(
    options: Options,
    learned: Sequence[PlaneSample],
    plan: Plan,
    name: str,
    say: Say,
    amounts: Amounts = AMOUNTS,
) -> ResidualClassifier:
    """A network that has learned from the pictures, in evaluation mode; its state is kept under `name`.

    Initial weights may be a published version's `model.onnx` too.
    """
    start = weights_of(options)
    published = start.file if start.file is not None and start.file.suffix == ".onnx" else None
    start = start if published is None else Weights(seed=start.seed)
    network = build_classifier(planes.architecture(), start, len(SUB_PLANES))
    if published is not None:
        real = [sample for sample in learned if sample.source == "planes"]
        take_published(network, published, planes.inputs(real[::3]))
    task = planes.PlaneTask(learned, amounts.samples_per_epoch)
    return learn(options, name, network, task, plan, say)


def novelty_of(network: ResidualClassifier, learned: Sequence[PlaneSample], seed: int) -> Novelty:
    """The distance to the real planes among the pictures, each data set's brains by themselves.

    Each picture counts as it is and once augmented, since a still of tomorrow differs more from the learned
    ones than these among themselves.
    """
    rng = np.random.default_rng(seed)
    real = [sample for sample in learned if sample.label != OTHER and sample.source != "made-up head"]
    pictures = planes.inputs(real) + [planes.augmented(sample.canvas, rng) for sample in real]
    clusters = sorted({(sample.source, sample.label) for sample in real})
    places = [clusters.index((sample.source, sample.label)) for sample in real] * 2
    pooled: list[Tensor] = []
    network.eval()
    with torch.no_grad():
        for start in range(0, len(pictures), BATCH_SIZE):
            batch = np.stack(pictures[start : start + BATCH_SIZE])[:, np.newaxis]
            pooled.append(network.pooled(torch.from_numpy(batch)))
    return fit_novelty(torch.cat(pooled), torch.tensor(places))


class PlaneReader:
    """The model as it is published, run by PyTorch."""

    def __init__(self, exported: nn.Module) -> None:
        """`exported` gives logits, side logits, map and novelty."""
        self._exported = exported

    def __call__(self, pictures: Sequence[Plane], /) -> Readings:
        """The outputs for pictures float32 128x192 each."""
        found: list[tuple[Tensor, ...]] = []
        with torch.no_grad():
            for start in range(0, len(pictures), BATCH_SIZE):
                batch = np.stack(pictures[start : start + BATCH_SIZE])[:, np.newaxis]
                found.append(self._exported(torch.from_numpy(batch)))
        logits, side, _, novelty = (torch.cat(port).numpy() for port in zip(*found, strict=True))
        return Readings(logits=logits, sub_planes=side, novelty=novelty[:, 0])
