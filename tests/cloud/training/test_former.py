"""A published version as initial weights: the same outputs, and another network's graph is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cloud.training.derive import NotDerived
from cloud.training.former import take_published
from cloud.training.networks import ResidualClassifier
from cloud.training.publish import Port, Product, export_onnx

PICTURES = list(np.random.default_rng(1).random((12, 16, 24), dtype=np.float32))


def _published(folder: Path) -> tuple[ResidualClassifier, Path]:
    torch.manual_seed(1)
    network = ResidualClassifier((4, 8, 8), (6, 5), 3)
    network.train()
    for _ in range(3):
        network(torch.rand(8, 1, 16, 24))
    product = Product(
        name="tiny_cls",
        network=network.eval(),
        input=Port(name="image", shape=(1, 16, 24)),
        outputs=[Port(name="logits", shape=(3,)), Port(name="map", shape=(3, 2, 3))],
        labels=("one", "two", "three"),
    )
    export_onnx(product, folder / "model.onnx")
    return network, folder / "model.onnx"


@pytest.mark.req("READ-10")
def test_a_network_goes_on_from_a_published_one(tmp_path: Path) -> None:
    """After the weights are taken the network gives what the published one gives, and it can learn."""
    former, file = _published(tmp_path)
    torch.manual_seed(2)
    network = ResidualClassifier((4, 8, 8), (6, 5), 3)
    take_published(network, file, PICTURES)
    images = torch.rand(5, 1, 16, 24)
    with torch.no_grad():
        np.testing.assert_allclose(former(images)[0].numpy(), network(images)[0].numpy(), atol=1e-4)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_another_last_layer_keeps_its_own_weights(tmp_path: Path) -> None:
    """With one class more, everything but the last layer is taken."""
    former, file = _published(tmp_path)
    network = ResidualClassifier((4, 8, 8), (6, 5), 4)
    before = network.fully_connected[-1].get_parameter("weight").clone()
    take_published(network, file, PICTURES)
    assert torch.equal(before, network.fully_connected[-1].get_parameter("weight"))
    images = torch.rand(5, 1, 16, 24)
    with torch.no_grad():
        np.testing.assert_allclose(former.pooled(images).numpy(), network.pooled(images).numpy(), atol=1e-4)


@pytest.mark.parametrize("widths", [(4, 6, 8), (4, 8), (4, 8, 8, 8)])
def test_another_network_is_refused(tmp_path: Path, widths: tuple[int, ...]) -> None:
    """Other neuron counts, fewer or more levels than the graph's are no fit."""
    _, file = _published(tmp_path)
    with pytest.raises(NotDerived):
        take_published(ResidualClassifier(widths, (6, 5), 3), file, PICTURES)
