"""The training loop: deterministic by seed, with progress, resumable after any epoch.

A run that is stopped and resumed ends with the same weights as one that was not stopped: a checkpoint holds
the weights, the optimizer, the learning-rate schedule and the state of every random generator.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

Batch: TypeAlias = tuple[Tensor, ...]


class NotResumable(ValueError):
    """The checkpoint is of another plan, so going on would not give what an unbroken run gives."""


class Task(Protocol):
    """What is learned. `batches` draws all its randomness from the given generator."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches that one epoch gives; the same in each epoch."""

    def batches(self, rng: Generator) -> Iterator[Batch]:
        """The batches of one epoch."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """A scalar to be made small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how fast to learn."""

    epochs: int
    """Passes over the sample images."""
    peak_rate: float
    """Highest learning rate of the one-cycle schedule."""
    weight_decay: float
    """Decoupled weight decay of AdamW."""
    seed: int
    """Seed of the order, the augmentation and the dropout."""
    average_decay: float | None = None
    """The result is a running average of the weights that keeps this share of itself at each step; None: the
    last weights."""


Progress: TypeAlias = Callable[[int, float], None]
"""Called after each epoch with the count of epochs done and the epoch's mean loss."""


def train(
    network: nn.Module,
    task: Task,
    plan: Plan,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    quiet: bool = False,
) -> list[float]:
    """Trains the network in place and returns the mean loss of each epoch.

    With `checkpoint`, a state is kept there after each epoch; with `resume`, an existing one is gone on
    with. Raises NotResumable when it belongs to another plan, FloatingPointError when the loss is no finite
    number.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=plan.peak_rate, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.peak_rate, total_steps=plan.epochs * task.steps_per_epoch
    )
    rng = np.random.default_rng(plan.seed)
    average = _average_of(network, plan)
    losses: list[float] = []
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(plan.seed)
        if resume and checkpoint is not None and checkpoint.is_file():
            losses = _restore(checkpoint, plan, network, average, optimizer, schedule, rng)
        network.train()
        for epoch in range(len(losses), plan.epochs):
            batches = task.batches(rng)
            if not quiet:
                title = f"epoch {epoch + 1}/{plan.epochs}"
                batches = iter(tqdm(batches, desc=title, total=task.steps_per_epoch, mininterval=5))
            losses.append(_epoch(network, average, task, batches, optimizer, schedule))
            if checkpoint is not None:
                _keep(checkpoint, plan, network, average, optimizer, schedule, rng, losses)
            if progress is not None:
                progress(epoch + 1, losses[-1])
    if average is not None:
        network.load_state_dict(average.module.state_dict())
    network.eval()
    return losses


def _average_of(network: nn.Module, plan: Plan) -> AveragedModel | None:
    """The running average of the weights, and of the batch norms' statistics, where the plan has one."""
    if plan.average_decay is None:
        return None
    keep = get_ema_multi_avg_fn(plan.average_decay)
    return AveragedModel(network, multi_avg_fn=keep, use_buffers=True)


def _epoch(
    network: nn.Module,
    average: AveragedModel | None,
    task: Task,
    batches: Iterator[Batch],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.OneCycleLR,
) -> float:
    total = 0.0
    for batch in batches:
        loss = task.loss(network, batch)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise FloatingPointError("the loss is not finite; lower the learning rate")
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if average is not None:
            average.update_parameters(network)
        total += value
    return total / task.steps_per_epoch


def _keep(
    checkpoint: Path,
    plan: Plan,
    network: nn.Module,
    average: AveragedModel | None,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.OneCycleLR,
    rng: Generator,
    losses: list[float],
) -> None:
    """Keeps the state; a crash meanwhile leaves the former checkpoint whole."""
    state = {
        "plan": asdict(plan),
        "network": network.state_dict(),
        "average": None if average is None else average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": {name: value for name, value in schedule.state_dict().items() if _is_plain(value)},
        "numpy_rng": rng.bit_generator.state,
        "torch_rng": torch.get_rng_state(),
        "losses": losses,
    }
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    beside = checkpoint.with_suffix(".tmp")
    with beside.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(checkpoint)


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str | bool | list | type(None))


def _restore(
    checkpoint: Path,
    plan: Plan,
    network: nn.Module,
    average: AveragedModel | None,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.OneCycleLR,
    rng: Generator,
) -> list[float]:
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    if state["plan"] != asdict(plan):
        raise NotResumable(f"the checkpoint was made with {state['plan']}")
    network.load_state_dict(state["network"])
    if average is not None:
        average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    rng.bit_generator.state = state["numpy_rng"]
    torch.set_rng_state(state["torch_rng"])
    return list(state["losses"])
