"""The class activation map is the true gradient's, and the U-Net keeps the picture's size."""

from __future__ import annotations

import pytest
import torch

from cloud.training.networks import ResidualClassifier, SegmentationUNet


def _grad_cam(network: ResidualClassifier, image: torch.Tensor) -> torch.Tensor:
    """Grad-CAM by automatic differentiation, without ReLU, summed (not averaged) over the map's pixels."""
    features = network.levels(image)[-1].detach().requires_grad_(True)
    logits, _ = network.head(features.mean(dim=(2, 3)))
    maps = []
    for label in range(logits.shape[1]):
        (gradient,) = torch.autograd.grad(logits[:, label].sum(), features, retain_graph=True)
        weights = gradient.sum(dim=(2, 3), keepdim=True)
        maps.append((weights * features).sum(dim=1))
    return torch.stack(maps, dim=1).detach()


@pytest.mark.req("READ-08")
@pytest.mark.parametrize("hidden", [(), (16,), (16, 9), (7, 11, 5)])
def test_the_map_equals_grad_cam_by_automatic_differentiation(hidden: tuple[int, ...]) -> None:
    """The analytic map of every class equals autograd's within 1e-4, for any number of hidden layers."""
    torch.manual_seed(3)
    network = ResidualClassifier((4, 8, 12), hidden, 3).eval()
    with torch.no_grad():
        for layer in network.fully_connected:
            # Larger than the usual start, so that a wrong map could not hide below the tolerance.
            layer.weight.mul_(4)
    image = torch.rand(2, 1, 32, 48)
    with torch.no_grad():
        _, found = network(image)
    expected = _grad_cam(network, image)
    assert expected.shape == (2, 3, 4, 6)
    assert torch.allclose(expected, found, atol=1e-4)
    assert float(expected.abs().max()) > 1e-2


@pytest.mark.req("READ-08")
def test_the_map_adds_up_to_the_logit() -> None:
    """The mean of a class's map is its logit less its bias: the map's parts are the decision's parts."""
    torch.manual_seed(4)
    network = ResidualClassifier((4, 8), (), 3).eval()
    image = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        logits, maps = network(image)
    bias = network.fully_connected[-1].bias.detach()
    assert torch.allclose(logits - bias, maps.mean(dim=(2, 3)), atol=1e-5)


@pytest.mark.req("READ-08")
def test_other_weights_give_another_map() -> None:
    """Sanity: the map depends on what was learned, not on the picture alone."""
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    maps = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        maps.append(ResidualClassifier((4, 8), (6,), 2).eval()(image)[1].flatten())
    likeness = torch.corrcoef(torch.stack(maps).detach())[0, 1]
    assert abs(float(likeness)) < 0.99


@pytest.mark.parametrize("size_hw", [(32, 32), (64, 32), (256, 256)])
def test_the_unet_keeps_the_size(size_hw: tuple[int, int]) -> None:
    """One logit per input pixel, whatever the canvas."""
    network = SegmentationUNet((4, 6, 8), (5,), 1).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, 1, *size_hw)).shape == (2, 1, *size_hw)
