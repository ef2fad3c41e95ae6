"""Going on from a published version: its graph's weights as a network's initial weights.

Publication folds each batch normalisation into its convolution. Here the fold is undone: the normalisations get
the statistics of given pictures, so that the network gives what the graph gives and can learn on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from cloud.infer.preprocess import Plane
from cloud.training.derive import NotDerived
from cloud.training.networks import ResidualClassifier


def take_published(network: ResidualClassifier, file: Path, pictures: Sequence[Plane]) -> None:
    """Gives the network the weights of a published classifier, where their shapes fit.

    Every convolution must fit; a fully connected layer of another size keeps the network's own weights.
    `pictures` are float32 HxW, many enough for statistics. Raises NotDerived when it is another network's graph.
    """
    graph = onnx.load(str(file)).graph
    values = {
        entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in graph.initializer
    }
    folded = [(values[node.input[1]], values[node.input[2]]) for node in graph.node if node.op_type == "Conv"]
    with torch.no_grad():
        _unfold(network.eval(), folded, torch.from_numpy(np.stack(pictures)[:, np.newaxis]))
        for name, own in network.fully_connected.named_parameters(prefix="fully_connected"):
            given = next((value for key, value in values.items() if key.endswith(name)), None)
            if given is not None and given.shape == own.shape:
                own.copy_(given)


def _unfold(network: ResidualClassifier, folded: Sequence[tuple[Tensor, Tensor]], images: Tensor) -> None:
    """Sets convolutions and normalisations, in the order in which the pictures meet them."""
    left = list(folded)
    biases: list[Tensor] = []

    def convolution(module: nn.Module, _: object) -> None:
        weight, bias = left.pop(0) if left else (torch.zeros(0), torch.zeros(0))
        own = module.get_parameter("weight")
        if own.shape != weight.shape:
            raise NotDerived("the published graph is another network's")
        own.copy_(weight)
        biases.append(bias)

    def normalisation(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        mean = inputs[0].mean(dim=(0, 2, 3))
        variance = inputs[0].var(dim=(0, 2, 3), unbiased=False)
        module.get_buffer("running_mean").copy_(mean)
        module.get_buffer("running_var").copy_(variance)
        assert isinstance(module, nn.BatchNorm2d)
        module.weight.copy_((variance + module.eps).sqrt())
        module.bias.copy_(mean + biases.pop())

    hooks = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_pre_hook(convolution))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(normalisation))
    try:
        network.features(images)
    finally:
        for hook in hooks:
            hook.remove()
    if left:
        raise NotDerived("the published graph has further convolutions")
