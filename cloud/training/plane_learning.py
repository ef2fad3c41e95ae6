"""Learning the plane model: its pictures, its network, its distance to what it knows, and reading with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cloud.infer.preprocess import Plane
from cloud.training import planes
from cloud.training.data import plane_frames
from cloud.training.derive import build_classifier
from cloud.training.loop import Plan
from cloud.training.networks import (
    ExportedClassifier,
    Novelty,
    ResidualClassifier,
    fit_novelty,
    statistics_of,
)
from cloud.training.options import Options, Say, learn, weights_of
from cloud.training.plane_figures import Readings
from cloud.training.planes import AMOUNTS, BATCH_SIZE, OTHER, Amounts, PlaneSample


def samples_to_learn(options: Options, amounts: Amounts = AMOUNTS) -> list[PlaneSample]:
    """Every training picture: of the three data sets, made up, and of the virtual scanner."""
    frames = list(plane_frames(options.data, "train"))
    return [
        *planes.load(options.data, "train"),
        *planes.made_up(frames, options.seed, amounts),
        *planes.printed(options.work, options.seed, amounts.prints),
    ]


def learn_network(
    options: Options,
    learned: Sequence[PlaneSample],
    plan: Plan,
    name: str,
    say: Say,
    amounts: Amounts = AMOUNTS,
    start: ResidualClassifier | None = None,
) -> ResidualClassifier:
    """A network that has learned from the pictures, in evaluation mode; its state is kept under `name`.

    `start` goes on learning; without it the network has the initial weights that the options ask for.
    """
    network = start or build_classifier(planes.architecture(), weights_of(options))
    return learn(options, name, network, planes.PlaneTask(learned, amounts.samples_per_epoch), plan, say)


def learn_in_stages(
    options: Options, learned: Sequence[PlaneSample], name: str, say: Say, amounts: Amounts = AMOUNTS
) -> ResidualClassifier:
    """A network that has learned from the pictures in STAGES."""
    real = [sample for sample in learned if sample.source in planes.FIRST_SOURCES]
    network: ResidualClassifier | None = None
    for stage in planes.STAGES:
        plan = planes.plan(options.epochs or stage.epochs, options.seed, stage.peak_rate)
        chosen = real if stage.real_alone else learned
        network = learn_network(options, chosen, plan, f"{name}.{stage.name}", say, amounts, network)
    assert network is not None
    return network


def as_published(
    network: ResidualClassifier, learned: Sequence[PlaneSample], seed: int
) -> ExportedClassifier:
    """The network as it is published, with its novelty, in evaluation mode.

    Novelty is the distance to the real planes among the pictures, each data set's brains by themselves. Each
    picture counts as it is and once augmented, since a still of tomorrow differs more from the learned ones
    than these among themselves.
    """
    network.eval()
    rng = np.random.default_rng(seed)
    real = [sample for sample in learned if sample.label != OTHER and sample.source != planes.DRAWN_HEAD]
    pictures = planes.inputs(real) + [planes.augmented(sample.canvas, rng) for sample in real]
    clusters = sorted({(sample.source, sample.label) for sample in real})
    places = [clusters.index((sample.source, sample.label)) for sample in real] * 2
    novelty = fit_novelty(statistics_of(network, pictures, Novelty.LEVELS), torch.tensor(places))
    return ExportedClassifier(network, novelty).eval()


class PlaneReader:
    """The model as it is published, run by PyTorch."""

    def __init__(self, exported: nn.Module) -> None:
        """`exported` gives logits, map and novelty."""
        self._exported = exported

    def __call__(self, pictures: Sequence[Plane], /) -> Readings:
        """The outputs for pictures float32 128x192 each."""
        found: list[tuple[Tensor, ...]] = []
        with torch.no_grad():
            for start in range(0, len(pictures), BATCH_SIZE):
                batch = np.stack(pictures[start : start + BATCH_SIZE])[:, np.newaxis]
                found.append(self._exported(torch.from_numpy(batch)))
        logits, _, novelty = (torch.cat(port).numpy() for port in zip(*found, strict=True))
        return Readings(logits=logits, novelty=novelty[:, 0])
