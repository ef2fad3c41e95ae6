"""READ-10: networks are derived by neuron count, fully connected layers and initial weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cloud.training import brain, planes, segmentation
from cloud.training.derive import (
    RESNET_18,
    U_NET,
    Architecture,
    Changes,
    NotDerived,
    Weights,
    build_classifier,
    build_unet,
    derive,
)

TINY = Changes(name="tiny", widths=(4, 6, 8), hidden=(10, 5), outputs=3)


@pytest.mark.req("READ-10")
@pytest.mark.parametrize(
    ("original", "derived"),
    [
        (U_NET, segmentation.architecture()),
        (RESNET_18, planes.architecture()),
        (RESNET_18, brain.architecture()),
    ],
)
def test_each_shipped_architecture_is_derived(original: Architecture, derived: Architecture) -> None:
    """Every shipped network has other neuron counts and more fully connected layers than its original."""
    assert derived.family is original.family
    assert derived.widths != original.widths
    assert derived.fully_connected_count > original.fully_connected_count
    assert original.name in derived.source


@pytest.mark.req("READ-10")
@pytest.mark.parametrize(
    "changes",
    [
        replace(TINY, widths=RESNET_18.widths),
        replace(TINY, hidden=()),
        replace(TINY, widths=(4,)),
        replace(TINY, widths=(4, 6, 8, 8, 8, 8)),
        replace(TINY, hidden=(10, 0)),
    ],
)
def test_what_is_no_derivation_is_refused(changes: Changes) -> None:
    """Unchanged neuron counts, no further fully connected layer or an empty layer are refused."""
    with pytest.raises(NotDerived):
        derive(RESNET_18, changes)


@pytest.mark.req("READ-10")
def test_the_built_network_has_the_asked_layers() -> None:
    """The built classifier has exactly the fully connected layers and the neurons that were asked for."""
    network = build_classifier(derive(RESNET_18, TINY), Weights(seed=1))
    sizes = [(layer.in_features, layer.out_features) for layer in network.fully_connected]
    assert sizes == [(8, 10), (10, 5), (5, 3)]
    assert network.stem[0].out_channels == 4


@pytest.mark.req("READ-10")
def test_initial_weights_come_from_the_seed() -> None:
    """One seed gives one network, another seed another, and the global generator is left alone."""
    architecture = derive(U_NET, replace(TINY, outputs=1))
    before = torch.get_rng_state()
    first, again, other = (build_unet(architecture, Weights(seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.stem[0].weight, other.stem[0].weight)


@pytest.mark.req("READ-10")
def test_initial_weights_come_from_a_file(tmp_path: Path) -> None:
    """Tensors of the file that fit are taken; the others keep their random start."""
    file = tmp_path / "weights.pt"
    source = build_classifier(derive(RESNET_18, replace(TINY, outputs=4)), Weights(seed=1))
    torch.save(source.state_dict(), file)
    architecture = derive(RESNET_18, TINY)
    taken = build_classifier(architecture, Weights(seed=2, file=file))
    random = build_classifier(architecture, Weights(seed=2))
    assert torch.equal(taken.stem[0].weight, source.stem[0].weight)
    assert torch.equal(taken.fully_connected[-1].weight, random.fully_connected[-1].weight)


def test_a_foreign_weight_file_is_refused(tmp_path: Path) -> None:
    """A file none of whose tensors fits is another network's and is refused."""
    file = tmp_path / "weights.pt"
    torch.save({"elsewhere": torch.zeros(3)}, file)
    with pytest.raises(NotDerived, match=r"weights\.pt"):
        build_classifier(derive(RESNET_18, TINY), Weights(seed=1, file=file))


def test_a_family_is_not_built_as_another() -> None:
    """A U-Net's description builds no classifier."""
    with pytest.raises(NotDerived):
        build_classifier(derive(U_NET, TINY), Weights(seed=1))
