"""The outline network: on a band around a head, where along each ray the skull ends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cloud.infer.outline import BAND_HW, HIGH, LOW


class _Ring(nn.Module):
    """A 3x3 convolution on a band whose first and last column are neighbours, with norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x[..., -1:], x, x[..., :1]], dim=3)
        x = F.pad(x, (0, 0, 1, 1), mode="replicate")
        return F.relu(self.norm(self.convolution(x)))


class OutlineNetwork(nn.Module):
    """A U-Net on the unrolled band; per pixel a stack of fully connected layers (1x1), per ray a soft argmax.

    Input float32 [N, 1, 48, 192], normalised. Outputs: `radius` float32 [N, 96], the mean, and `spread` float32
    [N, 96], the standard deviation, of where the skull ends on every other column's ray, in units of the
    ellipse's own radius (0.7..1.3).
    """

    places: Tensor

    def __init__(self, widths: Sequence[int], hidden: Sequence[int]) -> None:
        super().__init__()
        first, *rest = widths
        self.stem = nn.Sequential(_Ring(1, first), _Ring(first, first))
        self.down = nn.ModuleList(
            nn.Sequential(_Ring(above, width, stride=2), _Ring(width, width))
            for above, width in zip(widths, rest, strict=False)
        )
        self.up = nn.ModuleList(_Ring(below + width, width) for width, below in pairwise(rest))
        layers: list[nn.Module] = []
        for inputs, neurons in zip([rest[0], *hidden], hidden, strict=False):
            layers += [nn.Conv2d(inputs, neurons, 1), nn.ReLU(inplace=True)]
        layers.append(nn.Conv2d([rest[0], *hidden][-1], 1, 1))
        self.head = nn.Sequential(*layers)
        rows = torch.linspace(LOW, HIGH, BAND_HW[0]).view(-1, 2).mean(dim=1)
        self.register_buffer("places", rows.view(1, -1, 1))

    def forward(self, band: Tensor) -> tuple[Tensor, Tensor]:
        """Radius and spread of every ray."""
        return self.read(self.scores(band))

    def scores(self, band: Tensor) -> Tensor:
        """How much each place on each ray looks like the skull's end: float32 [N, 24, 96]."""
        x = self.stem(band)
        skips: list[Tensor] = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        for level in range(len(self.up) - 1, -1, -1):
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.up[level](torch.cat([x, skips[level]], dim=1))
        scores: Tensor = self.head(x)[:, 0]
        return scores

    def read(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the place on each ray."""
        chances = scores.softmax(dim=1)
        radius = (chances * self.places).sum(dim=1)
        square = (chances * (self.places - radius.unsqueeze(1)).square()).sum(dim=1)
        return radius, square.clamp_min(1e-12).sqrt()
