"""The two network families: a U-Net with a per-pixel head, and a classifier that maps what it saw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    [N, K, h, w] with h = H / stride and w = W / stride. A second question to the same features, `side_outputs`
    classes wide, is answered by `side`.
    """

    def __init__(
        self,
        widths: Sequence[int],
        hidden: Sequence[int],
        outputs: int,
        dropout: float = 0.3,
        side_outputs: int = 0,
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
        self.side = nn.Linear(widths[-1], side_outputs) if side_outputs else None
        """Logits float32 [N, side_outputs] of pooled features; one layer, for which labels are few."""
        self.stride = 2 ** len(widths)
        """Input pixels per map pixel along each axis."""

    def features(self, image: Tensor) -> Tensor:
        """The last feature map, float32 [N, C, h, w]."""
        x: Tensor = self.stages(self.stem(image))
        return x

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the raw signed class activation maps, in one pass."""
        features = self.features(image)
        pooled = self.dropout(features.mean(dim=(2, 3)))
        logits, masks = self.head(pooled)
        return logits, self.activation_map(features, masks)

    def pooled(self, image: Tensor) -> Tensor:
        """The features' means over the picture, float32 [N, C]: what `head`, `side` and novelty look at."""
        return self.features(image).mean(dim=(2, 3))

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


class Novelty(nn.Module):
    """How far pooled features lie from those of the training pictures: a Mahalanobis distance.

    The least over the classes, with one covariance for all (Lee et al., NeurIPS 2018, arXiv:1807.03888).
    Divided by the square root of the feature count, so that training pictures lie near 1.
    """

    means: Tensor
    whitening: Tensor

    def __init__(self, means: Tensor, whitening: Tensor) -> None:
        """`means` float32 [K, C] of the classes; `whitening` float32 [C, C] with W W^T the inverse covariance."""
        super().__init__()
        self.register_buffer("means", means)
        self.register_buffer("whitening", whitening)

    def forward(self, pooled: Tensor) -> Tensor:
        """Distance float32 [N, 1], at least 0, of pooled features float32 [N, C]."""
        apart = torch.matmul(pooled.unsqueeze(1) - self.means, self.whitening)
        squares = apart.square().mean(dim=2)
        return squares.min(dim=1, keepdim=True).values.clamp_min(1e-12).sqrt()


def fit_novelty(pooled: Tensor, labels: Tensor, shrinkage: float = 0.1) -> Novelty:
    """The distance to the classes of the given features: float32 [N, C] with int64 [N] labels 0..K-1.

    The covariance within the classes is shrunk towards its mean variance, so that directions in which the
    training features hardly differ do not decide alone.
    """
    classes = range(int(labels.max()) + 1)
    means = torch.stack([pooled[labels == label].mean(dim=0) for label in classes])
    within = (pooled - means[labels]).double()
    covariance = within.T @ within / len(within)
    even = torch.eye(len(covariance), dtype=torch.float64) * covariance.diagonal().mean()
    covariance = (1 - shrinkage) * covariance + shrinkage * even
    values, vectors = torch.linalg.eigh(covariance)
    return Novelty(means, (vectors / values.clamp_min(1e-12).sqrt()).float())


class ExportedClassifier(nn.Module):
    """A trained classifier as it is published: logits, side logits where it has them, map, novelty."""

    def __init__(self, network: ResidualClassifier, novelty: Novelty) -> None:
        super().__init__()
        self.network = network
        self.novelty = novelty

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Logits [N, K], (side logits [N, S],) class activation maps [N, K, h, w], novelty [N, 1]; float32."""
        features = self.network.features(image)
        pooled = features.mean(dim=(2, 3))
        logits, masks = self.network.head(pooled)
        side = () if self.network.side is None else (self.network.side(pooled),)
        return (logits, *side, self.network.activation_map(features, masks), self.novelty(pooled))
