"""The two network families: a U-Net with a per-pixel head, and a classifier that maps what it saw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cloud.infer.preprocess import Plane

STEM_STRIDE = 2
"""Both families begin by halving the picture: an outline is a fit over hundreds of pixels."""


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class SegmentationUNet(nn.Module):
    """Encoder and decoder with skips; the head is a stack of fully connected layers on each pixel (1x1).

    Input float32 [N, 1, H, W] in 0..1 with H and W multiples of 2 to the power of the level count; output
    logits of the same height and width, one channel per output.
    """

    def __init__(self, widths: Sequence[int], hidden: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 5, stride=STEM_STRIDE, padding=2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        inner = [widths[0], *widths[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(*_convolution(inputs, width), *_convolution(width, width))
            for inputs, width in zip(inner, widths, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Sequential(*_convolution(below + width, width), *_convolution(width, width))
            for width, below in pairwise(widths)
        )
        layers: list[nn.Module] = []
        for inputs, neurons in zip([widths[0], *hidden], hidden, strict=False):
            layers += [nn.Conv2d(inputs, neurons, 1), nn.ReLU(inplace=True)]
        layers.append(nn.Conv2d([widths[0], *hidden][-1], outputs, 1))
        self.head = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        """Logits float32 [N, outputs, H, W]."""
        x = self.stem(image)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for level in range(len(self.up) - 1, -1, -1):
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.up[level](torch.cat([x, skips[level]], dim=1))
        logits = self.head(x)
        return F.interpolate(logits, scale_factor=float(STEM_STRIDE), mode="bilinear", align_corners=False)


class _Residual(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


class ResidualClassifier(nn.Module):
    """Residual stages, global average pooling, several fully connected layers, and the map of every class.

    Input float32 [N, 1, H, W] in 0..1. Outputs: logits float32 [N, K], and the class activation maps float32
    [N, K, h, w] with h = H / stride and w = W / stride.
    """

    def __init__(
        self,
        widths: Sequence[int],
        hidden: Sequence[int],
        outputs: int,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 5, stride=STEM_STRIDE, padding=2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        stages: list[nn.Module] = []
        for inputs, width in pairwise(widths):
            stages += [_Residual(inputs, width, 2), _Residual(width, width, 1)]
        self.stages = nn.Sequential(*stages)
        neurons = [widths[-1], *hidden, outputs]
        self.fully_connected = nn.ModuleList(nn.Linear(inputs, width) for inputs, width in pairwise(neurons))
        self.dropout = nn.Dropout(dropout)
        self.stride = 2 ** len(widths)
        """Input pixels per map pixel along each axis."""

    def levels(self, image: Tensor) -> list[Tensor]:
        """The feature maps after the stem and after each residual block, float32 [N, C, h, w] each."""
        x: Tensor = self.stem(image)
        found = [x]
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the raw signed class activation maps, in one pass."""
        features = self.levels(image)[-1]
        pooled = self.dropout(features.mean(dim=(2, 3)))
        logits, masks = self.head(pooled)
        return logits, self.activation_map(features, masks)

    def head(self, pooled: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits, and for each hidden layer which neurons let their input through (1.0) or not (0.0)."""
        masks: list[Tensor] = []
        x = pooled
        for layer in self.fully_connected[:-1]:
            x = F.relu(layer(x))
            masks.append((x > 0).to(x.dtype))
        logits: Tensor = self.fully_connected[-1](x)
        return logits, masks

    def activation_map(self, features: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """Gradient of each logit by the pooled features, times the features, summed over the channels.

        The head is piecewise linear, so its gradient is a product of the weight matrices with the silent
        neurons' rows struck out; written out here it needs no automatic differentiation and can be
        exported. This is Grad-CAM (Selvaraju et al., ICCV 2017) without its last ReLU and without the
        constant 1/(h*w): the mean of class k's map is logit k less a constant of the active neurons, so the
        parts add up to the decision.
        """
        weights: list[Tensor] = [layer.get_parameter("weight") for layer in self.fully_connected]
        gradient = weights[-1].unsqueeze(0).expand(features.shape[0], -1, -1)
        for weight, mask in zip(reversed(weights[:-1]), reversed(masks), strict=True):
            gradient = torch.matmul(gradient * mask.unsqueeze(1), weight)
        flat = torch.matmul(gradient, features.flatten(2))
        return flat.reshape(flat.shape[0], flat.shape[1], features.shape[2], features.shape[3])


_LEAST_VARIANCE = 1e-6
"""Well above the smallest half-precision number: a silent channel counts the same in either precision."""


def statistics(levels: Sequence[Tensor]) -> Tensor:
    """Mean and standard deviation of each channel over the picture, level by level: float32 [N, 2 x channels]."""
    parts: list[Tensor] = []
    for level in levels:
        mean = level.mean(dim=(2, 3), keepdim=True)
        deviation = (level - mean).square().mean(dim=(2, 3)).clamp_min(_LEAST_VARIANCE).sqrt()
        parts += [mean.flatten(1), deviation]
    return torch.cat(parts, dim=1)


def statistics_of(
    network: ResidualClassifier, pictures: Sequence[Plane], levels: int | None = None
) -> Tensor:
    """`statistics` of the first levels, or of all, for pictures float32 HxW each, by a network set to evaluation."""
    network.eval()
    parts: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(pictures), 32):
            batch = np.stack(pictures[start : start + 32])[:, np.newaxis]
            parts.append(statistics(network.levels(torch.from_numpy(batch))[:levels]))
    return torch.cat(parts)


_FARTHEST = 100.0


class Novelty(nn.Module):
    """How far a picture lies from those learned from: a Mahalanobis distance of its features' statistics.

    The least over the classes, with one covariance for all (Lee et al., NeurIPS 2018, arXiv:1807.03888), of
    the first levels: what no ultrasound machine shows differs in its grain, which the last level no longer
    holds. Divided by the square root of the feature count, so that training pictures lie near 1.
    """

    LEVELS = 5
    """How many levels it looks at, the stem's the first."""

    means: Tensor
    whitening: Tensor

    def __init__(self, means: Tensor, whitening: Tensor) -> None:
        """`means` float32 [K, D] of the classes; `whitening` float32 [D, D] with W W^T the inverse covariance."""
        super().__init__()
        self.register_buffer("means", means)
        self.register_buffer("whitening", whitening)

    def forward(self, found: Tensor) -> Tensor:
        """Distance float32 [N, 1], at least 0, of the statistics of LEVELS levels, float32 [N, D]."""
        apart = torch.matmul(found.unsqueeze(1) - self.means, self.whitening)
        # Farther than this is novel by any measure, and a square in half precision would be infinite.
        squares = apart.clamp(-_FARTHEST, _FARTHEST).square().mean(dim=2)
        return squares.min(dim=1, keepdim=True).values.clamp_min(1e-12).sqrt()


def fit_novelty(found: Tensor, labels: Tensor, shrinkage: float = 0.1) -> Novelty:
    """The distance to the classes of the given statistics: float32 [N, D] with int64 [N] labels 0..K-1.

    Each feature counts in units of its own deviation, at least a thousandth of the largest. The covariance
    within the classes is shrunk towards its mean variance, so that directions in which the training features
    hardly differ do not decide alone.
    """
    deviation = found.double().std(dim=0)
    scale = deviation.clamp_min(max(1e-6, 1e-3 * float(deviation.max())))
    classes = range(int(labels.max()) + 1)
    means = torch.stack([found[labels == label].mean(dim=0) for label in classes])
    within = (found - means[labels]).double() / scale
    covariance = within.T @ within / len(within)
    even = torch.eye(len(covariance), dtype=torch.float64) * covariance.diagonal().mean()
    covariance = (1 - shrinkage) * covariance + shrinkage * even
    values, vectors = torch.linalg.eigh(covariance)
    whitening = vectors / values.clamp_min(1e-12).sqrt() / scale[:, None]
    return Novelty(means, whitening.float())


def fit_linear(found: Tensor, labels: Tensor, outputs: int, strength: float) -> nn.Linear:
    """A layer that tells the classes of the given features, float32 [N, D] with int64 [N] labels, in closed form.

    Ridge regression on features of deviation 1, in which each class weighs the same however many pictures it
    has; `strength` is the penalty for each feature. Its outputs are no logits before they are calibrated.
    """
    values = found.double()
    mean, scale = values.mean(dim=0), values.std(dim=0).clamp_min(1e-6)
    values = (values - mean) / scale
    count = torch.bincount(labels, minlength=outputs).double().clamp_min(1)
    weights = 1 / count[labels]
    weights = weights / weights.mean()
    wanted = torch.eye(outputs, dtype=torch.float64)[labels] - 1 / outputs
    kernel = values @ values.T + strength * values.shape[1] * torch.diag(1 / weights)
    slopes = values.T @ torch.linalg.solve(kernel, wanted) / scale[:, None]
    layer = nn.Linear(values.shape[1], outputs)
    with torch.no_grad():
        layer.weight.copy_(slopes.T)
        layer.bias.copy_(-(mean @ slopes))
    return layer.requires_grad_(False)


class ExportedClassifier(nn.Module):
    """A trained classifier as it is published: logits, map, novelty."""

    def __init__(self, network: ResidualClassifier, novelty: Novelty) -> None:
        super().__init__()
        self.network = network
        self.novelty = novelty

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [N, K], class activation maps [N, K, h, w], novelty [N, 1]; float32."""
        levels = self.network.levels(image)
        logits, masks = self.network.head(levels[-1].mean(dim=(2, 3)))
        activation = self.network.activation_map(levels[-1], masks)
        return logits, activation, self.novelty(statistics(levels[: Novelty.LEVELS]))
