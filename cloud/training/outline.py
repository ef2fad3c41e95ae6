"""The outline model: samples, loss and figures (`fetal_head_outline`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from cloud.infer.annotate import Ellipse
from cloud.infer.outline import BAND_HW, normalised, radii_of, unrolled
from cloud.infer.preprocess import Gray, Plane
from cloud.training.derive import U_NET, Architecture, Changes, derive
from cloud.training.loop import Batch, Plan
from cloud.training.ring_network import OutlineNetwork

BATCH_SIZE = 16
EPOCHS = 40
PLACE_WEIGHT, RADIUS_WEIGHT, SIZE_WEIGHT = 0.1, 10.0, 20.0
"""Of the right place on a ray, of the ray's error, and of the mean error over the rays: the size of the head."""
WIDTHS = (16, 32, 64, 96)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineSample:
    """A still with the true ellipse of its head."""

    gray: Gray
    """uint8 HxW, at full resolution."""
    truth: Ellipse
    """The outline, in still pixels."""


def architecture() -> Architecture:
    """U-Net with fewer neurons and two fully connected layers per pixel; the original has one."""
    return derive(U_NET, Changes(name="sonorelay-ring-16", widths=WIDTHS, hidden=(16,), outputs=1))


def plan(epochs: int, seed: int) -> Plan:
    """How the shipped weights are trained."""
    return Plan(epochs=epochs, peak_rate=4e-3, weight_decay=1e-3, seed=seed, average_decay=0.99)


class OutlineTask:
    """Learns, from a band around a wrongly placed ellipse, where the true outline crosses each ray."""

    def __init__(self, samples: Sequence[OutlineSample]) -> None:
        self._samples = list(samples)
        self._batch_size = min(BATCH_SIZE, len(self._samples))
        self.steps_per_epoch = len(self._samples) // self._batch_size

    def batches(self, rng: Generator) -> Iterator[Batch]:
        """Bands float32 [N, 1, 48, 192] and radii float32 [N, 96]; every sample once, newly misplaced."""
        order = rng.permutation(len(self._samples))
        for step in range(self.steps_per_epoch):
            chosen = order[step * self._batch_size : (step + 1) * self._batch_size]
            drawn = [drawn_band(self._samples[number], rng) for number in chosen]
            yield (
                torch.from_numpy(np.stack([picture for picture, _ in drawn])),
                torch.from_numpy(np.stack([radii for _, radii in drawn])),
            )

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy of the place, and the errors of rays and of their mean."""
        assert isinstance(network, OutlineNetwork)
        band, truth = batch
        scores = network.scores(band)
        radius, _ = network.read(scores)
        places = network.places.view(-1)
        at = ((truth - places[0]) / (places[1] - places[0])).clamp(0, len(places) - 1.001)
        low = at.floor().long().unsqueeze(1)
        share = at - low.squeeze(1)
        chances = scores.log_softmax(dim=1)
        below, above = chances.gather(1, low).squeeze(1), chances.gather(1, low + 1).squeeze(1)
        place_loss = -(below * (1 - share) + above * share).mean()
        radius_loss = (radius - truth).abs().mean()
        size_loss = (radius.mean(dim=1) - truth.mean(dim=1)).abs().mean()
        return PLACE_WEIGHT * place_loss + RADIUS_WEIGHT * radius_loss + SIZE_WEIGHT * size_loss


def drawn_band(sample: OutlineSample, rng: Generator) -> tuple[Plane, np.ndarray]:
    """A misplaced, turned and regrayed band float32 1x48x192 with its true radii float32 [96]."""
    rough = misplaced(sample.truth, rng, 1.3 if rng.random() < 0.5 else 0.7)
    picture, radii = unrolled(sample.gray, rough), radii_of(sample.truth, rough)
    if rng.random() < 0.5:
        picture, radii = picture[:, ::-1], radii[::-1]
    if rng.random() < 0.5:
        # The major axis has two directions; the outline has none.
        picture, radii = np.roll(picture, BAND_HW[1] // 2, axis=1), np.roll(radii, len(radii) // 2)
    return normalised(_regrayed(np.ascontiguousarray(picture), rng)), np.ascontiguousarray(radii)


def misplaced(truth: Ellipse, rng: Generator, strength: float) -> Ellipse:
    """An ellipse as far off as the head model's usually are (strength 1), or further."""
    radius = math.sqrt(truth.a * truth.b)
    shift_x, shift_y = rng.normal(0, 0.035 * strength, 2) * radius
    size, long, short = rng.normal(0, 0.035 * strength), *rng.normal(0, 0.03 * strength, 2)
    return Ellipse(
        cx=truth.cx + shift_x,
        cy=truth.cy + shift_y,
        a=truth.a * math.exp(size + long),
        b=truth.b * math.exp(size + short),
        angle_deg=truth.angle_deg + rng.normal(0, 4 * strength),
    )


def _regrayed(picture: Gray, rng: Generator) -> Plane:
    """Gamma, gain, speckle and blur: float32 in 0..1."""
    values = picture.astype(np.float32) * np.float32(1 / 255)
    values = np.power(values, np.float32(math.exp(rng.uniform(-0.4, 0.4))))
    values *= np.float32(math.exp(rng.uniform(-0.35, 0.35)))
    if rng.random() < 0.4:
        grain = cv2.GaussianBlur(rng.standard_normal(values.shape).astype(np.float32), (0, 0), 0.8)
        values *= 1 + np.asarray(grain, np.float32) * np.float32(rng.uniform(0.1, 0.5))
    if rng.random() < 0.3:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), rng.uniform(0.4, 1.2)), np.float32)
    return np.asarray(np.clip(values, 0, 1), np.float32)
