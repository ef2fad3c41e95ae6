"""Training is deterministic by seed, and a resumed run equals an unbroken one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import Generator
from torch import nn

from cloud.training.loop import Batch, NotResumable, Plan, train
from cloud.training.networks import ResidualClassifier

PLAN = Plan(epochs=4, peak_rate=5e-3, weight_decay=0.01, seed=7)


class Stopped(RuntimeError):
    """Stands for the power cut."""


class Sides:
    """Tells bright left from bright right; may stop in a given epoch as a killed process would."""

    steps_per_epoch = 3

    def __init__(self, stop_in_epoch: int | None = None, factor: float = 1.0) -> None:
        self._left = stop_in_epoch
        self._factor = factor

    def batches(self, rng: Generator) -> Iterator[Batch]:
        for _ in range(self.steps_per_epoch):
            labels = rng.integers(0, 2, 8)
            pictures = rng.random((8, 1, 16, 16), dtype=np.float32)
            for picture, label in zip(pictures, labels, strict=True):
                picture[0, :, 8 * label : 8 * label + 8] += 1
            yield torch.from_numpy(pictures * np.float32(self._factor)), torch.from_numpy(labels)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise Stopped

    def loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        logits, _ = network(batch[0])
        return nn.functional.cross_entropy(logits, batch[1])


def _network() -> ResidualClassifier:
    torch.manual_seed(0)
    return ResidualClassifier((4, 8), (6,), 2)


def _same(first: nn.Module, second: nn.Module) -> bool:
    own, other = first.state_dict(), second.state_dict()
    return all(torch.equal(own[name], other[name]) for name in own)


@pytest.mark.req("READ-10")
def test_resumed_equals_unbroken(tmp_path: Path) -> None:
    """Stopped in the third epoch and resumed, weights and losses are bit for bit an unbroken run's."""
    whole = _network()
    losses = train(whole, Sides(), PLAN, quiet=True)
    checkpoint = tmp_path / "state.ckpt"
    broken = _network()
    with pytest.raises(Stopped):
        train(broken, Sides(stop_in_epoch=3), PLAN, checkpoint=checkpoint, quiet=True)
    resumed = _network()
    assert losses == train(resumed, Sides(), PLAN, checkpoint=checkpoint, resume=True, quiet=True)
    assert _same(whole, resumed)
    assert not _same(whole, broken)


@pytest.mark.req("READ-10")
def test_the_seed_decides() -> None:
    """The same seed gives the same weights, another seed others; the loss falls."""
    first, again, other = _network(), _network(), _network()
    losses = train(first, Sides(), PLAN, quiet=True)
    train(again, Sides(), PLAN, quiet=True)
    train(other, Sides(), replace(PLAN, seed=8), quiet=True)
    assert _same(first, again)
    assert not _same(first, other)
    assert losses[-1] < losses[0]


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    """Going on under another plan would not give what an unbroken run gives."""
    checkpoint = tmp_path / "state.ckpt"
    train(_network(), Sides(), replace(PLAN, epochs=1), checkpoint=checkpoint, quiet=True)
    with pytest.raises(NotResumable):
        train(_network(), Sides(), PLAN, checkpoint=checkpoint, resume=True, quiet=True)


def test_without_resume_it_starts_afresh(tmp_path: Path) -> None:
    """An old state is only used on demand."""
    checkpoint = tmp_path / "state.ckpt"
    plan = replace(PLAN, epochs=1)
    first, second = _network(), _network()
    train(first, Sides(), plan, checkpoint=checkpoint, quiet=True)
    train(second, Sides(), plan, checkpoint=checkpoint, quiet=True)
    assert _same(first, second)


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    """A broken training ends with an error, not with broken weights."""
    with pytest.raises(FloatingPointError):
        train(_network(), Sides(factor=float("nan")), replace(PLAN, epochs=1), quiet=True)


def test_progress_is_told_after_each_epoch() -> None:
    """Progress counts the epochs up to the last."""
    told: list[int] = []
    train(
        _network(), Sides(), replace(PLAN, epochs=2), progress=lambda done, _: told.append(done), quiet=True
    )
    assert [1, 2] == told
