"""The fetal head model: samples, loss and figures (`fetal_head_seg`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from cloud.infer.annotate import Ellipse, fill
from cloud.infer.measure import perimeter
from cloud.infer.preprocess import SEGMENT_SIZE_HW, Gray, Plane, letterbox, segment_input, to_image
from cloud.training import augment
from cloud.training.card import Table, mean_metric, metric
from cloud.training.data import HeadFrame
from cloud.training.derive import U_NET, Architecture, Changes, derive
from cloud.training.loop import Batch, Plan
from cloud.training.metrics import bootstrap, dice, fit_head, hausdorff_px

BATCH_SIZE = 8
ELLIPSE_WEIGHT = 0.5
LEAST_HEAD_PX = 200
EPOCHS = 72

STRENGTH = augment.Strength(
    rotation_deg=35,
    any_rotation_share=0.2,
    zoom=(0.65, 1.35),
    shift=0.12,
    stretch=1.3,
    flip_vertically=True,
    gamma=1.6,
    gain=1.5,
    sector_share=0.25,
    text_share=0.2,
)


def architecture() -> Architecture:
    """U-Net with a quarter of the neurons and two fully connected layers per pixel; the original has one."""
    return derive(
        U_NET,
        Changes(name="sonorelay-unet-16", widths=(16, 32, 64, 128, 192), hidden=(32,), outputs=1),
    )


def plan(epochs: int, seed: int) -> Plan:
    """How the shipped weights are trained."""
    return Plan(epochs=epochs, peak_rate=3e-3, weight_decay=1e-4, seed=seed, average_decay=0.995)


class HeadTask:
    """Learns the filled head mask on the letterboxed canvas, by cross-entropy plus soft Dice."""

    def __init__(self, frames: Sequence[tuple[Gray, Gray]], batch_size: int = BATCH_SIZE) -> None:
        """`frames` are pairs of canvas picture and canvas mask, uint8 of one size (`canvas_pair`)."""
        self._frames = list(frames)
        self._batch_size = min(batch_size, len(self._frames))
        self.steps_per_epoch = len(self._frames) // self._batch_size

    def batches(self, rng: Generator) -> Iterator[Batch]:
        """All frames once, in random order and pose; frames over the last whole batch are left out."""
        order = rng.permutation(len(self._frames))
        for step in range(self.steps_per_epoch):
            chosen = order[step * self._batch_size : (step + 1) * self._batch_size]
            samples = [self._sample(self._frames[number], rng) for number in chosen]
            yield (
                torch.from_numpy(np.stack([picture for picture, _ in samples])[:, np.newaxis]),
                torch.from_numpy(np.stack([mask for _, mask in samples])[:, np.newaxis]),
            )

    def _sample(self, frame: tuple[Gray, Gray], rng: Generator) -> tuple[Plane, Plane]:
        gray, mask = frame
        height_px, width_px = gray.shape
        matrix = augment.pose((height_px, width_px), rng, STRENGTH)
        turned = cv2.warpAffine(gray, matrix, (width_px, height_px))
        target = cv2.warpAffine(mask, matrix, (width_px, height_px))
        picture = augment.change_gray(np.asarray(turned, np.uint8), rng, STRENGTH)
        return picture, np.asarray(target, np.float32) * np.float32(1 / 255)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy plus one less the soft Dice, mean over the batch."""
        image, target = batch
        logits = network(image.to(memory_format=torch.channels_last))
        probability = torch.sigmoid(logits)
        overlap = (probability * target).sum(dim=(1, 2, 3))
        total = probability.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3))
        soft_dice = (2 * overlap + 1) / (total + 1)
        overlap_loss = F.binary_cross_entropy_with_logits(logits, target) + (1 - soft_dice).mean()
        return overlap_loss + ELLIPSE_WEIGHT * ellipse_loss(probability, target)


def ellipse_loss(probability: Tensor, target: Tensor) -> Tensor:
    """How far the ellipse of the probability picture lies from that of the mask, mean over the batch.

    Both pictures are float32 [N, 1, H, W] in 0..1. A filled ellipse has the covariance a^2/4 and b^2/4 along
    its axes, so the semi-axes follow from second moments, differentiably. The loss adds the logarithmic
    errors of both semi-axes to the distance of the centres over the mean semi-axis.
    """
    centre, axes = _moments(probability)
    true_centre, true_axes = _moments(target)
    size = true_axes.mean(dim=1)
    distance = torch.linalg.vector_norm(centre - true_centre, dim=1) / size
    errors = (axes / true_axes).log().abs().sum(dim=1)
    # A picture whose head was shifted out of the canvas has no ellipse to compare.
    shown = target.sum(dim=(1, 2, 3)) > LEAST_HEAD_PX
    cost: Tensor = ((distance + errors) * shown).mean()
    return cost


def _moments(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (x, y) [N, 2] and the two semi-axes [N, 2] of each weight picture, in pixels."""
    weight = weight[:, 0]
    total = weight.sum(dim=(1, 2)) + 1e-3
    y = torch.arange(weight.shape[1], dtype=weight.dtype)
    x = torch.arange(weight.shape[2], dtype=weight.dtype)
    columns, rows = weight.sum(dim=1), weight.sum(dim=2)
    cx, cy = (columns @ x) / total, (rows @ y) / total
    xx = (columns @ (x * x)) / total - cx * cx
    yy = (rows @ (y * y)) / total - cy * cy
    xy = torch.einsum("nhw,h,w->n", weight, y, x) / total - cx * cy
    half_trace, radius = (xx + yy) / 2, torch.sqrt(((xx - yy) / 2) ** 2 + xy * xy + 1e-3)
    variances = torch.stack([half_trace + radius, half_trace - radius], dim=1)
    return torch.stack([cx, cy], dim=1), 2 * torch.sqrt(variances.clamp_min(1.0))


def canvas_pair(gray: Gray, mask: Gray) -> tuple[Gray, Gray]:
    """Picture and mask on the model's canvas, uint8 192x288 each."""
    picture, _ = letterbox(gray, SEGMENT_SIZE_HW)
    target, _ = letterbox(mask, SEGMENT_SIZE_HW)
    return np.rint(picture * 255).astype(np.uint8), np.rint(target * 255).astype(np.uint8)


class HeadModel(nn.Module):
    """The network as it is exported: probability instead of logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Probability of head, float32 [N, 1, H, W] in 0..1."""
        return torch.sigmoid(self.network(image))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadScore:
    """How well one head was found."""

    name: str
    """File name."""
    dice: float
    """Overlap of the fitted ellipse with the mask at full resolution; 0 where no head was found."""
    circumference_error_mm: float
    """Fitted less stated head circumference; not a number where no head was found."""
    hausdorff_mm: float
    """Largest distance between the outlines; infinite where no head was found."""


def score(frame: HeadFrame, probability: Plane) -> HeadScore:
    """Compares a probability canvas (float32 of the model's size) with the frame's truth."""
    _, box = segment_input(frame.gray)
    return score_ellipse(frame, fit_head(to_image(probability, box)))


def score_ellipse(frame: HeadFrame, ellipse: Ellipse | None, offset_px: float = 0.0) -> HeadScore:
    """Compares a fitted ellipse with the frame's truth.

    The mask is compared with the ellipse itself, the stated circumference with that of the ellipse made smaller
    by `offset_px` on every side, in still pixels.
    """
    if ellipse is None:
        return HeadScore(
            name=frame.name, dice=0.0, circumference_error_mm=float("nan"), hausdorff_mm=float("inf")
        )
    truth = frame.mask > 0
    found = fill(ellipse, truth.shape) > 0
    inner = replace(ellipse, a=ellipse.a - offset_px, b=ellipse.b - offset_px)
    return HeadScore(
        name=frame.name,
        dice=dice(found, truth),
        circumference_error_mm=perimeter(inner) * frame.mm_per_pixel - frame.circumference_mm,
        hausdorff_mm=hausdorff_px(found, truth) * frame.mm_per_pixel,
    )


def head_figures(scores: Sequence[HeadScore], frames: Sequence[HeadFrame], seed: int) -> list[Table]:
    """Overlap, circumference and distance with their intervals."""
    groups = [frame.group for frame in frames]
    overlap = np.array([score.dice for score in scores])
    errors = np.array([score.circumference_error_mm for score in scores])
    distances = np.array([score.hausdorff_mm for score in scores])
    found = np.isfinite(errors)
    kept = [group for group, here in zip(groups, found, strict=True) if here]
    lowest = bootstrap(lambda chosen: float(np.percentile(overlap[chosen], 5)), groups, seed=seed)
    note = "ellipse at full resolution against the filled mask"
    name = "head circumference"
    rows = [
        mean_metric("Dice, mean", overlap, groups, seed, "0..1", note),
        metric("Dice, 5th percentile", lowest, "0..1", note),
        mean_metric("heads found", found, groups, seed, "share"),
    ]
    if not kept:
        return rows
    return [
        *rows,
        mean_metric(f"{name}, mean absolute error", np.abs(errors[found]), kept, seed, "mm", "heads found"),
        mean_metric(f"{name}, mean error", errors[found], kept, seed, "mm", "heads found"),
        mean_metric(f"{name}, within 5 mm", np.abs(errors[found]) <= 5, kept, seed, "share", "heads found"),
        mean_metric("Hausdorff distance, mean", distances[found], kept, seed, "mm", "heads found"),
    ]


def sample_pairs(frames: Iterator[HeadFrame]) -> list[tuple[Gray, Gray]]:
    """The frames as canvas pairs, in their order."""
    return [canvas_pair(frame.gray, frame.mask) for frame in frames]
