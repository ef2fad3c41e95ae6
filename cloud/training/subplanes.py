"""The sub-plane model: which of three planes of the brain a turned head shows (`fetal_subplane_cls`).

Under two hundred brains have a known sub-plane: too few for a network, whose features gave half of them right. What
is told apart is coarse and has a fixed place in the head (the cerebellum behind, the lateral ventricle, the
thalami in the middle), so directions of gradients by their place are asked instead, and a layer in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from cloud.infer.annotate import Ellipse
from cloud.infer.preprocess import Gray, Plane
from cloud.infer.subplane import VIEW_SIZE_HW, turned_head
from cloud.training.brain import HeadFinder, find_ellipse
from cloud.training.classification import grouped_folds
from cloud.training.data import SUB_PLANES, plane_frames
from cloud.training.networks import fit_linear

COPIES = 4
"""Further copies of each head to learn from, with its outline a little off."""
PENALTY = 1.0
"""Of the layer, for each feature."""
FOLDS = 8
_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SubPlaneSample:
    """A brain of a known sub-plane with its head."""

    gray: Gray
    """uint8 HxW at true aspect ratio."""
    head: Ellipse
    """The head as the published head model finds it, in pixels."""
    label: int
    """Place of its sub-plane in SUB_PLANES."""
    group: str
    """The patient."""


def load(data: Path, split: str, find_head: HeadFinder) -> list[SubPlaneSample]:
    """The brains of `planes` in a split whose sub-plane is known and in which a head is found."""
    found = [
        (frame, find_ellipse(frame.gray, find_head))
        for frame in plane_frames(data, split)
        if frame.sub_plane is not None
    ]
    return [
        SubPlaneSample(
            gray=frame.gray, head=head, label=SUB_PLANES.index(str(frame.sub_plane)), group=frame.group
        )
        for frame, head in found
        if head is not None
    ]


def inputs(samples: Sequence[SubPlaneSample]) -> list[Plane]:
    """The heads as the model gets them at run time, float32 1x96x128 each."""
    return [turned_head(sample.gray, sample.head) for sample in samples]


def _moved(head: Ellipse, rng: Generator) -> Ellipse:
    """The outline as another print of the head might have it."""
    zoom = rng.uniform(0.93, 1.07)
    return replace(
        head,
        a=head.a * zoom,
        b=head.b * zoom,
        cx=head.cx + head.a * rng.normal(0, 0.04),
        cy=head.cy + head.b * rng.normal(0, 0.04),
        angle_deg=(head.angle_deg + rng.normal(0, 4)) % 180,
    )


class OrientedEdges(nn.Module):
    """Directions of gradients by cells, normalised by blocks (Dalal and Triggs, CVPR 2005), made blind to which
    end of the head is the front and which side is up: the mean over a head's four mirror images.

    The share of a direction is a power of the cosine and neighbouring cells share by distance, both smooth; a
    graph of plain operators does it.
    """

    CELL_PX = 16
    DIRECTIONS = 12
    SHARPNESS = 3
    """Power of the squared cosine."""
    LARGEST = 0.2
    """Part of a block that one direction of one cell may make up."""
    _LEAST_GRADIENT = 1e-5
    _LEAST_NORM = 1e-3

    left: Tensor
    right: Tensor
    above: Tensor
    below: Tensor
    cosines: Tensor
    sines: Tensor
    spread: Tensor
    rows_back: Tensor
    columns_back: Tensor
    directions_back: Tensor

    def __init__(self) -> None:
        super().__init__()
        rows, columns = VIEW_SIZE_HW
        # By index: the exporter warns of padding and of slices that go backwards.
        self.register_buffer("left", (torch.arange(columns) - 1).clamp_min(0))
        self.register_buffer("right", (torch.arange(columns) + 1).clamp_max(columns - 1))
        self.register_buffer("above", (torch.arange(rows) - 1).clamp_min(0))
        self.register_buffer("below", (torch.arange(rows) + 1).clamp_max(rows - 1))
        self.register_buffer("rows_back", torch.arange(rows // self.CELL_PX - 1, -1, -1))
        self.register_buffer("columns_back", torch.arange(columns // self.CELL_PX - 1, -1, -1))
        self.register_buffer("directions_back", -torch.arange(self.DIRECTIONS) % self.DIRECTIONS)
        angles = torch.arange(self.DIRECTIONS) * math.pi / self.DIRECTIONS
        self.register_buffer("cosines", torch.cos(angles).view(1, -1, 1, 1))
        self.register_buffer("sines", torch.sin(angles).view(1, -1, 1, 1))
        cell = self.CELL_PX
        near = 1 - (torch.arange(2 * cell) + 0.5 - cell).abs() / cell
        kernel = (near[:, None] * near[None]).view(1, 1, 2 * cell, 2 * cell) / cell**2
        self.register_buffer("spread", kernel.repeat(self.DIRECTIONS, 1, 1, 1))

    def forward(self, head: Tensor) -> Tensor:
        """Features float32 [N, D] in 0..1 of heads float32 [N, 1, 96, 128]."""
        cells = self._cells(head)
        # A mirror moves the cells and turns the direction the other way; two of them leave the direction.
        mirrored = cells.index_select(1, self.directions_back)
        images = (
            cells,
            mirrored.index_select(3, self.columns_back),
            mirrored.index_select(2, self.rows_back),
            cells.index_select(2, self.rows_back).index_select(3, self.columns_back),
        )
        return torch.stack([self._blocks(each) for each in images]).mean(dim=0)

    def _cells(self, head: Tensor) -> Tensor:
        """How much gradient of each direction each cell has: float32 [N, DIRECTIONS, 6, 8]."""
        x = head.index_select(3, self.right) - head.index_select(3, self.left)
        y = head.index_select(2, self.below) - head.index_select(2, self.above)
        strength = (x.square() + y.square() + self._LEAST_GRADIENT).sqrt()
        cosine = (x * self.cosines + y * self.sines) / strength
        shares = strength * cosine.square().pow(self.SHARPNESS)
        return F.conv2d(
            shares, self.spread, stride=self.CELL_PX, padding=self.CELL_PX // 2, groups=self.DIRECTIONS
        )

    def _blocks(self, cells: Tensor) -> Tensor:
        """Two by two cells each, normed, float32 [N, D]."""
        corners = (cells[:, :, :-1, :-1], cells[:, :, 1:, :-1], cells[:, :, :-1, 1:], cells[:, :, 1:, 1:])
        blocks = self._normed(torch.cat(corners, dim=1)).clamp_max(self.LARGEST)
        return self._normed(blocks).flatten(1)

    def _normed(self, blocks: Tensor) -> Tensor:
        return blocks / (blocks.square().sum(dim=1, keepdim=True) + self._LEAST_NORM).sqrt()


class SubPlaneModel(nn.Module):
    """The model as it is published: a turned head in, logits out."""

    def __init__(self, layer: nn.Linear) -> None:
        """`layer` answers from the features."""
        super().__init__()
        self.edges = OrientedEdges()
        self.layer = layer

    def forward(self, head: Tensor) -> Tensor:
        """Logits float32 [N, 3] of heads float32 [N, 1, 96, 128]."""
        logits: Tensor = self.layer(self.edges(head))
        return logits


def features(pictures: Sequence[Plane]) -> Tensor:
    """The features of heads float32 1x96x128 each: float32 [N, D]."""
    edges = OrientedEdges()
    batches = [pictures[start : start + _BATCH] for start in range(0, len(pictures), _BATCH)]
    with torch.no_grad():
        return torch.cat([edges(torch.from_numpy(np.stack(batch))) for batch in batches])


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the layer is learned from."""

    own: Tensor
    """Features of the heads as they are, float32 [N, D]."""
    moved: Tensor
    """Features of their copies, float32 [N, COPIES, D]."""
    labels: Tensor
    """int64 [N]."""

    def layer(self, chosen: NDArray[np.int64]) -> nn.Linear:
        """The layer learned from some of the heads."""
        moved = self.moved[chosen].flatten(0, 1)
        labels = torch.cat([self.labels[chosen], self.labels[chosen].repeat_interleave(COPIES)])
        return fit_linear(torch.cat([self.own[chosen], moved]), labels, len(SUB_PLANES), PENALTY)


def learned(samples: Sequence[SubPlaneSample], seed: int) -> Learned:
    """Features of the heads and of their copies. Raises ValueError where a sub-plane has no sample."""
    labels = torch.tensor([sample.label for sample in samples], dtype=torch.int64)
    if set(labels.tolist()) != set(range(len(SUB_PLANES))):
        raise ValueError(f"each of {', '.join(SUB_PLANES)} needs brains with a head to learn from")
    rng = np.random.default_rng(seed)
    copies = [turned_head(s.gray, _moved(s.head, rng)) for s in samples for _ in range(COPIES)]
    moved = features(copies).view(len(samples), COPIES, -1)
    return Learned(own=features(inputs(samples)), moved=moved, labels=labels)


def cross_validated(known: Learned, samples: Sequence[SubPlaneSample], seed: int) -> NDArray[np.float32]:
    """Logits float32 [N, 3] of each head by a layer that has not learned from its patient."""
    groups = [sample.group for sample in samples]
    logits = np.zeros((len(samples), len(SUB_PLANES)), np.float32)
    for fold in grouped_folds(groups, [sample.label for sample in samples], FOLDS, seed):
        inside = np.isin(groups, fold)
        layer = known.layer(np.flatnonzero(~inside))
        with torch.no_grad():
            logits[inside] = layer(known.own[inside]).numpy()
    return logits
