"""What the brain model learns from: real and painted heads in fixed shares, and where a painted finding lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from cloud.training.brain import BATCH_SIZE, SAMPLES_PER_EPOCH, BrainSample, augmented
from cloud.training.data import FINDINGS
from cloud.training.lesions import paint_bleeding, paint_cavity, paint_posterior_fluid
from cloud.training.loop import Batch
from cloud.training.painting import Painted, normal_width, paint_ventricles, wide_width

LABEL_SMOOTHING = 0.05
EVIDENCE_WEIGHT = 0.35
"""How much it counts that the class map points at a finding whose place is known."""
_COVERED = 0.4
"""Share of a map's cell that a finding must cover for the cell to count as its place."""


class Kind(Enum):
    """How a sample is made."""

    NORMAL = "a real normal head as it is"
    NARROW = "a real normal head with painted ventricles of normal width"
    WIDE = "a real normal head with painted wide ventricles"
    LESION = "a real normal head with a painted cyst, fluid or bleeding"
    VENTRICULOMEGALY = "a real head labelled ventriculomegaly"
    OTHER = "a real head with another abnormal label"
    SIMULATED = "a head of the virtual scanner, normal or not"


SHARES: Mapping[Kind, float] = {
    Kind.NORMAL: 0.20,
    Kind.NARROW: 0.12,
    Kind.WIDE: 0.12,
    Kind.LESION: 0.17,
    Kind.VENTRICULOMEGALY: 0.11,
    Kind.OTHER: 0.11,
    Kind.SIMULATED: 0.17,
}
"""Share of each kind among what is drawn; painted normal heads are as frequent as painted wide ones, so that
having been painted says nothing."""
SOURCE_SHARES: Mapping[str, float] = {"brain_abnormal": 0.35, "hc18": 0.35, "planes": 0.3}
"""Share of the data sets among real normal heads, which many machines should show."""


class BrainTask:
    """Learns the class of a crop and, where the place of its finding is known, to see it there."""

    def __init__(self, samples: Sequence[BrainSample], samples_per_epoch: int = SAMPLES_PER_EPOCH) -> None:
        """Kinds of which there is no sample are left out, and the shares of the others rise."""
        self._pools = {kind: pool for kind in Kind if (pool := _pool(samples, kind))}
        shares = np.array([SHARES[kind] for kind in self._pools])
        self._shares = shares / shares.sum()
        self.steps_per_epoch = max(1, samples_per_epoch // BATCH_SIZE)

    def batches(self, rng: Generator) -> Iterator[Batch]:
        """Pictures float32 [N, 1, 224, 224], labels int64 [N], evidence float32 [N, 1, 224, 224]."""
        kinds = list(self._pools)
        for _ in range(self.steps_per_epoch):
            chosen = rng.choice(len(kinds), BATCH_SIZE, p=self._shares)
            drawn = [self._draw(kinds[number], rng) for number in chosen]
            yield (
                torch.from_numpy(np.stack([picture for picture, _, _ in drawn])[:, np.newaxis]),
                torch.tensor([label for _, label, _ in drawn], dtype=torch.int64),
                torch.from_numpy(np.stack([evidence for _, _, evidence in drawn])[:, np.newaxis]),
            )

    def _draw(self, kind: Kind, rng: Generator) -> tuple[np.ndarray, int, np.ndarray]:
        samples, chances = self._pools[kind]
        sample = samples[int(rng.choice(len(samples), p=chances))]
        paint = _PAINTERS.get(kind)
        if paint is not None:
            sample = paint(sample, rng)
        picture, evidence = augmented(sample, rng)
        return picture, sample.label, evidence

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy with smoothed labels plus the weighted `evidence_loss`."""
        image, target, evidence = batch
        logits, maps = network(image.to(memory_format=torch.channels_last))
        cost = F.cross_entropy(logits, target, label_smoothing=LABEL_SMOOTHING)
        return cost + EVIDENCE_WEIGHT * evidence_loss(maps, target, evidence)


def evidence_loss(maps: Tensor, target: Tensor, evidence: Tensor) -> Tensor:
    """How little of the class map's strength lies where the finding is: mean negative logarithm of its share.

    `maps` float32 [N, K, h, w], `target` int64 [N], `evidence` float32 [N, 1, H, W] in 0..1. The strength is
    the softmax of the labelled class's map over its cells. Samples whose finding's place is unknown, or too
    small to cover a cell, count nothing.
    """
    covered = F.adaptive_avg_pool2d(evidence, (maps.shape[2], maps.shape[3])).flatten(1) >= _COVERED
    known = covered.any(dim=1)
    of_class = maps[torch.arange(len(target)), target].flatten(1)
    log_shares = F.log_softmax(of_class, dim=1)
    inside = torch.logsumexp(log_shares.masked_fill(~covered, -1e4), dim=1)
    return -(inside * known).sum() / len(target)


def painted_wide(sample: BrainSample, rng: Generator) -> BrainSample:
    """The normal head with one or both lateral ventricles painted wide."""
    return _painted(sample, _ventricles(sample, wide_width(rng), rng), "ventriculomegaly")


def painted_narrow(sample: BrainSample, rng: Generator) -> BrainSample:
    """The normal head with one or both lateral ventricles painted at a normal width."""
    return _painted(sample, _ventricles(sample, normal_width(rng), rng), "normal")


def painted_lesion(sample: BrainSample, rng: Generator) -> BrainSample:
    """The normal head with a painted cyst, cavity, posterior fluid or bleeding."""
    assert sample.head is not None
    kind = rng.random()
    if kind < 0.55:
        done = paint_cavity(sample.gray, sample.head, rng, open_to_skull=bool(rng.random() < 0.35))
    elif kind < 0.75:
        done = paint_posterior_fluid(sample.gray, sample.head, rng)
    else:
        done = paint_bleeding(sample.gray, sample.head, rng)
    return _painted(sample, done, "other")


def _ventricles(sample: BrainSample, width: float, rng: Generator) -> Painted:
    assert sample.head is not None
    near = width * rng.uniform(0.85, 1.15) if rng.random() < 0.5 else None
    return paint_ventricles(sample.gray, sample.head, rng, far=width, near=near)


def _painted(sample: BrainSample, done: Painted, finding: str) -> BrainSample:
    evidence = done.lesion if finding == "other" else done.ventricle
    return replace(
        sample,
        gray=done.gray,
        label=FINDINGS.index(finding),
        evidence=None if finding == "normal" else evidence,
    )


_PAINTERS: Mapping[Kind, Callable[[BrainSample, Generator], BrainSample]] = {
    Kind.NARROW: painted_narrow,
    Kind.WIDE: painted_wide,
    Kind.LESION: painted_lesion,
}


def _pool(samples: Sequence[BrainSample], kind: Kind) -> tuple[list[BrainSample], np.ndarray] | None:
    """The samples that a kind is made of, with the chance of each; None where there is none."""
    chosen = [sample for sample in samples if _serves(sample, kind)]
    if not chosen:
        return None
    of_source = {source: sum(s.source == source for s in chosen) for source in {s.source for s in chosen}}
    chances = np.array([SOURCE_SHARES.get(s.source, 1.0) / of_source[s.source] for s in chosen])
    return chosen, chances / chances.sum()


def _serves(sample: BrainSample, kind: Kind) -> bool:
    if sample.source == "simulated":
        return kind is Kind.SIMULATED
    finding = FINDINGS[sample.label]
    if kind is Kind.NORMAL:
        return finding == "normal"
    if kind in _PAINTERS:
        return finding == "normal" and sample.head is not None
    return finding == kind.name.lower()
