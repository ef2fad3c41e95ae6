"""What both classifiers share: balanced sampling, loss, held-out groups and calibrated figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from cloud.infer.preprocess import Plane
from cloud.training.loop import Batch
from cloud.training.metrics import Values, softmax

LABEL_SMOOTHING = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How logits become probabilities, and when the classifier abstains."""

    temperature: float
    """What logits are divided by before the softmax."""
    min_probability: float
    """Below this probability of the most probable class the classifier abstains."""
    frame_count: int
    """Held-out frames that both figures rest on; none of them was trained on."""


class ClassifierTask:
    """Learns the class of a picture; frames are drawn with the given chances, so that rare classes count."""

    def __init__(
        self,
        labels: Sequence[int],
        chances: Sequence[float],
        draw: Callable[[int, Generator], Plane],
        *,
        samples_per_epoch: int,
        batch_size: int,
    ) -> None:
        """`draw` gives frame number n, newly augmented, as float32 HxW in 0..1."""
        self._labels = np.asarray(labels, np.int64)
        self._chances = np.asarray(chances, np.float64) / float(np.sum(chances))
        self._draw = draw
        self._batch_size = batch_size
        self.steps_per_epoch = max(1, samples_per_epoch // batch_size)

    def batches(self, rng: Generator) -> Iterator[Batch]:
        """As many random batches as one epoch has."""
        for _ in range(self.steps_per_epoch):
            chosen = rng.choice(len(self._labels), self._batch_size, p=self._chances)
            pictures = np.stack([self._draw(int(number), rng) for number in chosen])[:, np.newaxis]
            yield torch.from_numpy(pictures), torch.from_numpy(self._labels[chosen])

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy with smoothed labels."""
        image, target = batch
        logits, _ = network(image.to(memory_format=torch.channels_last))
        return F.cross_entropy(logits, target, label_smoothing=LABEL_SMOOTHING)


def predict(network: nn.Module, pictures: Sequence[Plane], batch_size: int = 32) -> NDArray[np.float32]:
    """Logits float32 [N, K] of pictures float32 HxW, in evaluation mode."""
    network.eval()
    logits: list[NDArray[np.float32]] = []
    with torch.no_grad():
        for start in range(0, len(pictures), batch_size):
            batch = np.stack(pictures[start : start + batch_size])[:, np.newaxis]
            logits.append(network(torch.from_numpy(batch))[0].numpy())
    return np.concatenate(logits)


def held_out_groups(groups: Sequence[str], labels: Sequence[int], share: float, seed: int) -> set[str]:
    """Whole groups set apart for calibration: about `share` of the frames of each class.

    A group that holds more than two fifths of a class's frames is never taken: training needs it more.
    """
    names, classes = np.asarray(groups), np.asarray(labels)
    rng = np.random.default_rng(seed)
    order = [str(name) for name in rng.permutation(np.unique(names))]
    taken: set[str] = set()
    for label in np.unique(classes):
        of_class = names[classes == label]
        for name in order:
            if np.isin(of_class, list(taken)).mean() >= share:
                break
            if 0 < (of_class == name).mean() <= 0.4:
                taken.add(name)
    return taken


def grouped_folds(groups: Sequence[str], labels: Sequence[int], count: int, seed: int) -> list[list[str]]:
    """Splits whole groups into `count` folds, each with about the same share of every class."""
    names, classes = np.asarray(groups), np.asarray(labels)
    rng = np.random.default_rng(seed)
    kinds = np.unique(classes)
    filled = np.zeros((count, len(kinds)))
    folds: list[list[str]] = [[] for _ in range(count)]
    order = [str(name) for name in rng.permutation(np.unique(names))]
    for name in sorted(order, key=lambda name: -int((names == name).sum())):
        share = np.array([(classes[names == name] == kind).mean() for kind in kinds])
        own = np.array([((names == name) & (classes == kind)).sum() for kind in kinds])
        # To the fold that has the least of what this group mostly is.
        fold = int((filled @ share + 1e-6 * filled.sum(axis=1)).argmin())
        folds[fold].append(name)
        filled[fold] += own
    return folds


def least_probability(probabilities: Values, labels: NDArray[np.int64], wanted_accuracy: float) -> float:
    """The lowest threshold in 0.40..0.95 that keeps frames of the wanted accuracy; 0.95 if none does."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    for threshold in np.arange(0.40, 0.951, 0.05):
        kept = confidence >= threshold
        if kept.any() and right[kept].mean() >= wanted_accuracy:
            return round(float(threshold), 2)
    return 0.95


def probabilities_of(logits: NDArray[np.float32], calibration: Calibration) -> Values:
    """Calibrated probabilities, float64 [N, K]."""
    return softmax(logits.astype(np.float64) / calibration.temperature)
