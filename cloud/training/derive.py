"""Derives a network from an original architecture (READ-10).

A derived network differs from its original in three stated ways: the neuron count of its levels, more fully
connected layers than the original has, and its initial weights (from a seed, or from a given file).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch
from torch import nn

from cloud.training.networks import ResidualClassifier, SegmentationUNet


class NotDerived(ValueError):
    """The asked changes do not make a derived network of the original."""


class Family(Enum):
    """How the levels of an architecture are joined."""

    UNET = "unet"
    RESIDUAL = "residual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What a convolutional network consists of, without its weights."""

    name: str
    """Short name, for the model card."""
    family: Family
    """How the levels are joined."""
    widths: tuple[int, ...]
    """Neuron (channel) count of each level, from the finest to the coarsest."""
    hidden: tuple[int, ...]
    """Neuron count of each fully connected layer before the output; a U-Net's act on each pixel alone."""
    outputs: int
    """Neuron count of the output layer."""
    source: str
    """Where the architecture is described."""

    @property
    def fully_connected_count(self) -> int:
        """Fully connected layers, the output layer included."""
        return len(self.hidden) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is changed of the original."""

    name: str
    """Name of the derived network."""
    widths: tuple[int, ...]
    """Neuron count of each level."""
    hidden: tuple[int, ...]
    """Neuron count of each hidden fully connected layer."""
    outputs: int
    """Neuron count of the output layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where the initial weights come from."""

    seed: int
    """Seed of the random initial weights."""
    file: Path | None = None
    """A state dictionary (`torch.save`); its tensors whose name and shape fit replace the random ones."""


U_NET = Architecture(
    name="U-Net",
    family=Family.UNET,
    widths=(64, 128, 256, 512, 1024),
    hidden=(),
    outputs=2,
    source="Ronneberger et al., MICCAI 2015, arXiv:1505.04597",
)
RESNET_18 = Architecture(
    name="ResNet-18",
    family=Family.RESIDUAL,
    widths=(64, 64, 128, 256, 512),
    hidden=(),
    outputs=1000,
    source="He et al., CVPR 2016, arXiv:1512.03385",
)


def derive(original: Architecture, changes: Changes) -> Architecture:
    """The derived architecture: other neuron counts and more fully connected layers than `original`.

    Raises NotDerived when the neuron counts are the original's, when there are not more fully connected
    layers, or when a count is not positive.
    """
    if changes.widths == original.widths:
        raise NotDerived("the neuron count of the levels is the original's")
    if len(changes.hidden) <= len(original.hidden):
        raise NotDerived("a derived network has more fully connected layers than its original")
    if not 2 <= len(changes.widths) <= len(original.widths):
        raise NotDerived(f"the original has {len(original.widths)} levels; two or more of them are kept")
    if min((*changes.widths, *changes.hidden, changes.outputs)) < 1:
        raise NotDerived("a layer needs at least one neuron")
    return Architecture(
        name=changes.name,
        family=original.family,
        widths=changes.widths,
        hidden=changes.hidden,
        outputs=changes.outputs,
        source=f"derived from {original.name} ({original.source})",
    )


def build_unet(architecture: Architecture, weights: Weights) -> SegmentationUNet:
    """The U-Net with its initial weights; the same `weights.seed` and file give the same network.

    The state of PyTorch's global random generator is left as it was. Raises NotDerived for another family,
    and when a weight file fits into no tensor at all, since it then is another network's.
    """
    _check_family(architecture, Family.UNET)
    with seeded(weights.seed):
        network = SegmentationUNet(architecture.widths, architecture.hidden, architecture.outputs)
    _take_weights(network, weights.file)
    return network


def build_classifier(architecture: Architecture, weights: Weights) -> ResidualClassifier:
    """The residual classifier with its initial weights, under the promises of `build_unet`."""
    _check_family(architecture, Family.RESIDUAL)
    with seeded(weights.seed):
        network = ResidualClassifier(architecture.widths, architecture.hidden, architecture.outputs)
    _take_weights(network, weights.file)
    return network


def _check_family(architecture: Architecture, family: Family) -> None:
    if architecture.family is not family:
        raise NotDerived(f"{architecture.name} is no {family.value}")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random weights that are made inside follow from the seed alone; what is outside is not touched."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        yield


def _take_weights(network: nn.Module, file: Path | None) -> None:
    if file is None:
        return
    given = torch.load(file, map_location="cpu", weights_only=True)
    own = network.state_dict()
    fitting = {
        name: tensor for name, tensor in given.items() if name in own and own[name].shape == tensor.shape
    }
    if not fitting:
        raise NotDerived(f"no tensor of {file.name} fits into the network")
    network.load_state_dict({**own, **fitting})
