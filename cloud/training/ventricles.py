"""The ventricle model: samples, loss (`fetal_ventricle_seg`).

No data set marks ventricles. It learns from ventricles painted onto real heads (`painting.py`) and from heads
of the virtual scanner (`simulated.py`), whose widths are known; from the midline where a bright ridge runs along
a head's axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from cloud.infer.midline import ridges, trace_midline
from cloud.infer.preprocess import (
    CROP_SIZE_PX,
    CropBox,
    EllipseLike,
    Gray,
    Plane,
    crop_box,
    cut_crop,
    enhance,
)
from cloud.training import augment
from cloud.training.brain import USUAL_STRETCH, HeadFinder, ellipse_of, find_ellipse
from cloud.training.data import FINDINGS, HeadFrame, brain_frames, head_frames, plane_frames
from cloud.training.derive import U_NET, Architecture, Changes, derive
from cloud.training.lesions import paint_bleeding, paint_cavity, paint_posterior_fluid
from cloud.training.loop import Batch, Plan
from cloud.training.painting import Painted, normal_width, paint_ventricles, wide_width
from cloud.training.scene import Head, Mask
from cloud.training.simulated import SimulatedHead

BATCH_SIZE = 8
EPOCHS = 10
POOL = 1200
"""Painted crops that training draws from."""
SIDE_PX = CROP_SIZE_PX // 2
"""The network works at half the crop's resolution: a wall's place is interpolated between pixels."""
LARGEST_HEAD_PX = 280
"""Heads are shrunk to this length before they are painted: the crop shows about 190 pixels of them."""
VENTRICLE, KNOWN, MIDLINE = 1, 2, 4
"""Bits of a sample's target."""
MIDLINE_WEIGHT = 0.3

STRENGTH = augment.Strength(
    rotation_deg=25,
    any_rotation_share=0.1,
    zoom=(0.85, 1.15),
    shift=0.05,
    stretch=1.2,
    flip_vertically=False,
    gamma=1.7,
    gain=1.4,
    sector_share=0.0,
    text_share=0.05,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadStill:
    """A real still with the outline of its head."""

    gray: Gray
    """uint8 HxW, at most as large as painting needs."""
    head: Head
    """The skull's outer edge, in pixels."""
    group: str
    """Patient, examination or source picture."""
    source: str
    """The data set."""
    finding: str
    """One of FINDINGS; what the data set says, unconfirmed."""
    mm_per_pixel: float | None = None
    """Side of a pixel in millimetres, where the data set states it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One crop with what is true of it."""

    crop: Gray
    """Enhanced, uint8 112x112."""
    target: Gray
    """Bits VENTRICLE, KNOWN and MIDLINE of each pixel, uint8 112x112."""


def architecture() -> Architecture:
    """U-Net with a fraction of the neurons and two fully connected layers per pixel; the original has one."""
    return derive(U_NET, Changes(name="sonorelay-unet-16s", widths=(16, 32, 48, 64), hidden=(24,), outputs=2))


def plan(epochs: int, seed: int) -> Plan:
    """How the shipped weights are trained."""
    return Plan(epochs=epochs, peak_rate=3e-3, weight_decay=1e-3, seed=seed, average_decay=0.985)


def load_stills(data: Path, split: str, find_head: HeadFinder) -> list[HeadStill]:
    """Heads of `hc18`, of the brains of `planes`, and all of `brain_abnormal`, in a split.

    The outline is the mask's where there is one, else what the head model finds; a head that it does not find
    is left out.
    """
    stills = [still_of_mask(frame) for frame in head_frames(data, split)]
    stills += [
        _shrunk(frame.gray, find_ellipse(frame.gray, find_head), frame.group, "planes")
        for frame in plane_frames(data, split)
        if frame.plane == "brain"
    ]
    for brain in brain_frames(data, split):
        size = (round(brain.gray.shape[1] * USUAL_STRETCH), brain.gray.shape[0])
        gray = np.asarray(cv2.resize(brain.gray, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        still = _shrunk(gray, find_ellipse(gray, find_head), brain.group, "brain_abnormal")
        stills.append(None if still is None else replace(still, finding=brain.finding))
    return [still for still in stills if still is not None]


def still_of_mask(frame: HeadFrame) -> HeadStill | None:
    """A frame of `hc18` with the outline of its mask; None for an empty mask."""
    return _shrunk(frame.gray, ellipse_of(frame.mask), frame.group, "hc18", frame.mm_per_pixel)


def _shrunk(
    gray: Gray, head: EllipseLike | None, group: str, source: str, mm_per_pixel: float | None = None
) -> HeadStill | None:
    if head is None:
        return None
    scale = min(1.0, LARGEST_HEAD_PX / (2 * head.a))
    size = (round(gray.shape[1] * scale), round(gray.shape[0] * scale))
    return HeadStill(
        gray=np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8),
        head=Head(
            cx=(head.cx + 0.5) * scale - 0.5,
            cy=(head.cy + 0.5) * scale - 0.5,
            a=head.a * scale,
            b=head.b * scale,
            angle_deg=head.angle_deg,
        ),
        group=group,
        source=source,
        finding=FINDINGS[0],
        mm_per_pixel=None if mm_per_pixel is None else mm_per_pixel / scale,
    )


def painted_sample(still: HeadStill, rng: Generator) -> Sample:
    """A normal, a wide or no ventricle painted onto the head, now and then something else beside it."""
    kind = rng.random()
    width = (
        normal_width(rng) if kind < 0.45 else float(rng.uniform(0.1, 0.2)) if kind < 0.6 else wide_width(rng)
    )
    if kind > 0.88:
        width = 0.0
    near = width * rng.uniform(0.75, 1.2) if rng.random() < 0.5 else None
    painted = paint_ventricles(still.gray, still.head, rng, far=width, near=near)
    gray, ventricle, known = painted.gray, painted.ventricle, painted.known
    if rng.random() < 0.2:
        other = _with_lesion(gray, still.head, rng)
        gray, known = other.gray, (known & ~(other.lesion & ventricle)) | (other.lesion & ~ventricle)
        ventricle = ventricle & ~other.lesion
    box = crop_box(still.head, gray.shape, margin=rng.uniform(0.03, 0.14))
    sample = _sample(enhance(_degraded(cut_crop(gray, box), rng)), ventricle, known, still.head, box)
    if rng.random() < 0.6:
        return sample
    return bent(sample, on_crop(still.head, box), float(rng.uniform(-0.16, 0.16)))


def _with_lesion(gray: Gray, head: Head, rng: Generator) -> Painted:
    kind = rng.random()
    if kind < 0.5:
        return paint_cavity(gray, head, rng, open_to_skull=kind < 0.2)
    return paint_posterior_fluid(gray, head, rng) if kind < 0.75 else paint_bleeding(gray, head, rng)


def simulated_sample(printed: SimulatedHead, rng: Generator) -> Sample:
    """A head of the virtual scanner; all of it is known, unless something else was painted into it."""
    box = crop_box(printed.head, printed.gray.shape, margin=rng.uniform(0.03, 0.14))
    crop = enhance(_degraded(cut_crop(printed.gray, box), rng))
    known = np.ones(printed.gray.shape, np.bool_)
    return _sample(crop, printed.ventricle, known, printed.head, box, straight=True)


def _sample(
    crop: Gray, ventricle: Mask, known: Mask, head: Head, box: CropBox, *, straight: bool = False
) -> Sample:
    crop = halved(crop)
    target = np.where(cut_mask(ventricle, box), VENTRICLE, 0) | np.where(
        cut_mask(known, box, outside=True), KNOWN, 0
    )
    line = np.zeros(crop.shape, np.uint8)
    start, end = _midline_ends(crop, on_crop(head, box), straight)
    cv2.polylines(line, [np.rint(np.array([start, end]) * 16).astype(np.int32)], False, 1, 2, shift=4)
    return Sample(crop=crop, target=(target | np.where(line > 0, MIDLINE, 0)).astype(np.uint8))


def halved(crop: Gray) -> Gray:
    """The enhanced crop as the network sees it: uint8 112x112 of 224x224."""
    return np.asarray(cv2.resize(crop, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def cut_mask(mask: Mask, box: CropBox, *, outside: bool = False) -> Mask:
    """The mask on the model's square; `outside` is what counts where the square leaves the still."""
    part = cut_crop((~mask if outside else mask).astype(np.uint8) * np.uint8(255), box)
    small = cv2.resize(part, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) > 127
    return ~small if outside else small


def on_crop(head: Head, box: CropBox) -> Head:
    """The head in pixels of the network's square."""
    scale = SIDE_PX / box.size_px
    return Head(
        cx=(head.cx - box.x0 + 0.5) * scale - 0.5,
        cy=(head.cy - box.y0 + 0.5) * scale - 0.5,
        a=head.a * scale,
        b=head.b * scale,
        angle_deg=head.angle_deg,
    )


def _midline_ends(crop: Gray, head: Head, straight: bool) -> list[tuple[float, float]]:
    """Where the midline is taken to run: along the bright ridge near the head's axis, else along that axis."""
    cosine, sine = math.cos(math.radians(head.angle_deg)), math.sin(math.radians(head.angle_deg))
    slope, shift = 0.0, 0.0
    if not straight:
        picture = ridges(crop.astype(np.float32), 0.03 * head.b + 2)
        found = trace_midline(picture, (head.cx, head.cy), (cosine, sine), (-sine, cosine), (head.a, head.b))
        if found is not None and abs(found.angle_deg) < 6 and abs(found.shift_px) < 0.1 * head.b:
            slope, shift = math.tan(math.radians(found.angle_deg)), found.shift_px
    ends = []
    for u in (-0.8 * head.a, 0.8 * head.a):
        v = shift + slope * u
        ends.append((head.cx + u * cosine - v * sine, head.cy + u * sine + v * cosine))
    return ends


def bent(sample: Sample, head: Head, share: float) -> Sample:
    """The sample with the head's inside pushed aside (`push_maps`)."""
    maps = push_maps(sample.crop.shape, head, share)
    return Sample(
        crop=np.asarray(cv2.remap(sample.crop, *maps, cv2.INTER_LINEAR), np.uint8),
        target=np.asarray(cv2.remap(sample.target, *maps, cv2.INTER_NEAREST), np.uint8),
    )


def push_maps(shape: tuple[int, ...], head: EllipseLike, share: float) -> tuple[Plane, Plane]:
    """Columns and rows for `cv2.remap` that push a head's inside aside, the skull left where it is.

    Its middle moves by `share` of half the BPD, to the right of the direction of the OFD as the screen shows it.
    """
    cosine, sine = math.cos(math.radians(head.angle_deg)), math.sin(math.radians(head.angle_deg))
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    u = ((x - head.cx) * cosine + (y - head.cy) * sine) / head.a
    v = ((y - head.cy) * cosine - (x - head.cx) * sine) / head.b
    push = np.float32(share * head.b) * np.minimum(1.0, 1.25 * np.clip(1 - u * u - v * v, 0, 1))
    return (x + push * sine).astype(np.float32), (y - push * cosine).astype(np.float32)


def _degraded(crop: Gray, rng: Generator) -> Gray:
    """Another resolution and another JPEG quality, in half of the pictures each; some brightened all over."""
    if rng.random() < 0.15:
        crop = np.asarray(cv2.add(crop, np.full_like(crop, int(rng.integers(20, 90)))), np.uint8)
    if rng.random() < 0.5:
        side_px = int(rng.integers(110, 225))
        crop = np.asarray(cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.5:
        _, coded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 96))])
        crop = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return crop


def pool(
    stills: Sequence[HeadStill], printed: Sequence[SimulatedHead], count: int, seed: int
) -> list[Sample]:
    """Samples to learn from: one in six of the virtual scanner, the others painted on real normal heads."""
    rng = np.random.default_rng(seed)
    normal = [still for still in stills if still.finding == FINDINGS[0]]
    whole = [head for head in printed if not head.lesion]
    samples: list[Sample] = []
    for number in range(count):
        if number % 6 == 0 and whole:
            samples.append(simulated_sample(whole[int(rng.integers(len(whole)))], rng))
        else:
            samples.append(painted_sample(normal[int(rng.integers(len(normal)))], rng))
    return samples


class VentricleTask:
    """Learns both channels by cross-entropy plus soft Dice, only where the truth is known."""

    def __init__(self, samples: Sequence[Sample], batch_size: int = BATCH_SIZE) -> None:
        self._samples = list(samples)
        self._batch_size = min(batch_size, len(self._samples))
        self.steps_per_epoch = len(self._samples) // self._batch_size

    def batches(self, rng: Generator) -> Iterator[Batch]:
        """All samples once, in random order, pose and gray; those over the last whole batch are left out."""
        order = rng.permutation(len(self._samples))
        for step in range(self.steps_per_epoch):
            chosen = order[step * self._batch_size : (step + 1) * self._batch_size]
            drawn = [_augmented(self._samples[number], rng) for number in chosen]
            yield (
                torch.from_numpy(np.stack([picture for picture, _ in drawn])[:, np.newaxis]),
                torch.from_numpy(np.stack([target for _, target in drawn])),
            )

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Loss of the ventricle plus a share of the midline's, mean over the batch."""
        image, target = batch
        logits = network(image.to(memory_format=torch.channels_last))
        known = target[:, 1]
        of_ventricle = _masked_loss(logits[:, 0], target[:, 0], known)
        return of_ventricle + MIDLINE_WEIGHT * _masked_loss(
            logits[:, 1], target[:, 2], torch.ones_like(known)
        )


def _augmented(sample: Sample, rng: Generator) -> tuple[Plane, Plane]:
    """Picture float32 HxW, and targets float32 3xHxW: ventricle, known, midline."""
    shape = sample.crop.shape
    matrix = augment.pose((shape[0], shape[1]), rng, STRENGTH)
    turned = cv2.warpAffine(sample.crop, matrix, shape[::-1])
    planes = []
    for bit in (VENTRICLE, KNOWN, MIDLINE):
        plane = np.where(sample.target & bit, 255, 0).astype(np.uint8)
        # What comes in from outside of the square is known to be nothing.
        border = 255 if bit == KNOWN else 0
        moved = cv2.warpAffine(plane, matrix, shape[::-1], borderValue=border)
        planes.append(moved.astype(np.float32) * np.float32(1 / 255))
    return augment.change_gray(np.asarray(turned, np.uint8), rng, STRENGTH), np.stack(planes)


def _masked_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy plus one less the soft Dice, where `known` is 1; all float32 [N, H, W]."""
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    entropy = (each * known).sum() / known.sum().clamp_min(1)
    probability = torch.sigmoid(logits) * known
    overlap = (probability * target).sum(dim=(1, 2))
    total = probability.sum(dim=(1, 2)) + (target * known).sum(dim=(1, 2))
    # The constant keeps a head without a ventricle from counting for more than one with.
    return entropy + (1 - (2 * overlap + 10) / (total + 10)).mean()


class VentricleModel(nn.Module):
    """The network as it is exported: probabilities instead of logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, crop: Tensor) -> Tensor:
        """Probability of ventricle and of midline, float32 [N, 2, H / 2, W / 2] in 0..1, of crops [N, 1, H, W]."""
        return torch.sigmoid(self.network(F.avg_pool2d(crop, 2)))
