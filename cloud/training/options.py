"""What a training run is asked for, and where it keeps its state and its weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import torch
from torch import nn

from cloud.training.derive import Weights
from cloud.training.loop import Plan, Task, train

Say: TypeAlias = Callable[[str], None]
"""Takes one line of progress for a person."""

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One training run."""

    data: Path
    """Folder of the sample images."""
    out: Path
    """Model repository to publish into."""
    work: Path
    """Folder of the states of unfinished trainings and of initial weights."""
    version: int
    """Version to publish; it must not exist."""
    epochs: int | None
    """Passes over the sample images; None takes the model's own count."""
    seed: int
    """Seed of everything random."""
    resume: bool
    """Whether to go on with a kept state."""
    initial_weights: Path | None
    """File of initial weights; None starts from random ones."""
    simulated: int | None = None
    """Pictures of the virtual scanner to learn from; None takes the model's own count."""
    quiet: bool = False
    """Whether to show no progress bar."""


def checkpoint(options: Options, model: str) -> Path:
    """Where the state of a model's training lies."""
    return options.work / f"{model}.ckpt"


def weights_file(options: Options, model: str) -> Path:
    """Where the trained weights lie, as initial weights for another network."""
    return options.work / f"{model}.weights.pt"


def start_of(options: Options) -> str:
    """Where the initial weights come from, in words."""
    if options.initial_weights is None:
        return f"random, seed {options.seed}"
    return f"file {options.initial_weights.name}, random with seed {options.seed} where it does not fit"


def weights_of(options: Options) -> Weights:
    """The initial weights that are asked for."""
    return Weights(seed=options.seed, file=options.initial_weights)


def learn(options: Options, model: str, network: Network, task: Task, plan: Plan, say: Say) -> Network:
    """Trains the network in place with progress, keeps its weights in the work folder and returns it."""
    _channels_last(network)
    begin = time.monotonic()

    def progress(epoch: int, loss: float) -> None:
        say(f"{model}: epoch {epoch}/{plan.epochs}, loss {loss:.4f}, {time.monotonic() - begin:.0f} s")

    train(
        network,
        task,
        plan,
        checkpoint=checkpoint(options, model),
        resume=options.resume,
        progress=progress,
        quiet=options.quiet,
    )
    torch.save(network.state_dict(), weights_file(options, model))
    return network


def _channels_last(network: nn.Module) -> None:
    """Lays the convolutions' weights out as the CPU's fast kernels want them."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
