"""Other precisions do what the weights do, within their bounds, and the card says by how much."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from cloud.training.card import to_toml
from cloud.training.publish import Port, Product, export_onnx
from cloud.training.variants import (
    HALF,
    INT8,
    VariantWrong,
    check_half,
    differences,
    eight_bits,
    facts,
    half,
    with_variant,
)


class _Tiny(nn.Module):
    """A convolution, and distances whose squares halves cannot hold."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.convolution = nn.Conv2d(1, 4, 3, padding=1)
        self.novelty = _Far(scale)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.relu(self.convolution(image))
        return features.mean(dim=(2, 3)), self.novelty(features.mean(dim=(2, 3)))


class _Far(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, pooled: Tensor) -> Tensor:
        return (pooled * self.scale).square().mean(dim=1, keepdim=True).sqrt()


class _Overflowing(nn.Module):
    """An output beyond the largest half."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        total = image.sum(dim=(2, 3)) * 1e4
        return total, total


@pytest.fixture
def image() -> np.ndarray:
    """A batch of two pictures."""
    return np.random.default_rng(3).random((2, 1, 16, 16), dtype=np.float32)


def _weights(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    outputs = [Port(name="means", shape=(4,)), Port(name="distance", shape=(1,))]
    if isinstance(network, _Overflowing):
        outputs = [Port(name="means", shape=(1,)), Port(name="distance", shape=(1,))]
    product = Product(
        name="tiny",
        network=network,
        input=Port(name="image", shape=(1, 16, 16)),
        outputs=outputs,
        labels=("a", "b", "c", "d"),
    )
    file = tmp_path_factory.mktemp("weights") / "model.onnx"
    export_onnx(product, file)
    return file.read_bytes()


def test_halves_stay_inside(tmp_path_factory: pytest.TempPathFactory, image: np.ndarray) -> None:
    """Inputs and outputs stay single, the convolution is in halves, distances stay exact where halves would
    overflow; a second conversion gives the same bytes."""
    weights = _weights(_Tiny(3000.0), tmp_path_factory)
    variant = half(weights)
    graph = onnx.load_model_from_string(variant).graph
    assert {onnx.TensorProto.FLOAT} == {
        port.type.tensor_type.elem_type for port in (*graph.input, *graph.output)
    }
    assert any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in graph.initializer)
    apart = check_half(weights, variant, {"image": image})
    assert {"means", "distance"} == set(apart)
    assert 0 < max(apart.values()) < 0.01
    assert variant == half(weights)


def test_halves_that_overflow_are_refused(
    tmp_path_factory: pytest.TempPathFactory, image: np.ndarray
) -> None:
    """A variant whose output is not finite, or differs by more than the bound, is not shipped."""
    weights = _weights(_Overflowing(), tmp_path_factory)
    with pytest.raises(VariantWrong, match="means differs"):
        check_half(weights, half(weights), {"image": image})


def test_eight_bits_are_in_the_graph(tmp_path_factory: pytest.TempPathFactory, image: np.ndarray) -> None:
    """The weights are 8-bit, one scale for each channel, and the outputs near the exact ones."""
    weights = _weights(_Tiny(1.0), tmp_path_factory)
    variant = eight_bits(weights, "image", [image])
    initializers = onnx.load_model_from_string(variant).graph.initializer
    kernels = [t for t in initializers if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4]
    assert [[4, 1, 3, 3]] == [list(kernel.dims) for kernel in kernels]
    assert [4] in [list(t.dims) for t in initializers if "scale" in t.name]
    assert max(differences(weights, variant, {"image": image}).values()) < 0.03


def test_the_card_keeps_each_variant() -> None:
    """A variant's facts come beside those of others, and replace its own; the card can be written again."""
    card = with_variant({"name": "tiny"}, "fp16", facts(HALF, b"old", {"means": 0.5}))
    card = with_variant(card, "int8", facts(INT8, b"small", {"means": 0.25}, [{"name": "Dice, mean"}]))
    card = with_variant(card, "fp16", facts(HALF, b"new", {"means": 0.125}))
    text = to_toml(card)
    assert "size_bytes = 5\n" in text
    assert text.index("[variants.fp16]") < text.index("means = 0.125") < text.index("[variants.int8]")
    assert "[[variants.int8.metrics]]" in text
