"""Samples of the brain model: normal, ventriculomegaly or another abnormality (`fetal_brain_cls`).

A demonstration of the line. The labels are unconfirmed, and normal and abnormal pictures come from other
machines; so all that tells machines apart is made random here: resolution, compression, gray scale, surround
and aspect ratio. Findings are also painted onto normal heads, so that the same machine shows both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cloud.infer.annotate import Ellipse
from cloud.infer.preprocess import (
    CROP_SIZE_PX,
    Box,
    Gray,
    Plane,
    brain_input,
    crop_box,
    cut_crop,
    enhance,
    segment_input,
    to_image,
)
from cloud.training import augment
from cloud.training.classification import held_out_groups
from cloud.training.data import FINDINGS, brain_frames, head_frames, plane_frames
from cloud.training.derive import RESNET_18, Architecture, Changes, derive
from cloud.training.loop import Plan
from cloud.training.metrics import fit_head

BATCH_SIZE = 24
SAMPLES_PER_EPOCH = 384
EPOCHS = 48
HELD_OUT_SHARES = {"brain_abnormal": 0.15, "hc18": 0.08, "planes": 0.08}

USUAL_STRETCH = 1.4
"""Width over height of the screens before the data set stretched them to squares: between 4:3 and 3:2."""
LARGEST_HEAD_PX = 240
"""Heads of the sharper data sets are shrunk to what the 256x256 pictures of `brain_abnormal` show."""

LEAST_HEAD_SHARE = 0.03
"""A found head that covers less of the still is none."""

STRENGTH = augment.Strength(
    rotation_deg=30,
    any_rotation_share=0.3,
    zoom=(0.85, 1.15),
    shift=0.05,
    flip_vertically=True,
    gamma=2.0,
    gain=1.4,
    sector_share=0.0,
    text_share=0.1,
)

Mask = NDArray[np.bool_]

HeadFinder = Callable[[Plane], Plane]
"""The head model: probability canvas float32 192x288 of an input float32 1x192x288."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainSample:
    """A still with its head box."""

    gray: Gray
    """uint8 HxW, as the data set gives it."""
    box: Box
    """Head box: left, top, width, height in pixels."""
    stretched: bool
    """Whether the data set stretched the still to a square."""
    label: int
    """Place of its finding in FINDINGS."""
    group: str
    """Patient, examination or source picture."""
    source: str
    """The data set."""
    altered: bool = False
    """Whether the frame is a copy that the data set rotated or brightened."""
    head: Ellipse | None = None
    """The skull, where it is known well enough to paint in; None otherwise."""
    evidence: Mask | None = None
    """Where the finding is seen, bool HxW; None where that is not known."""


def architecture() -> Architecture:
    """ResNet-18 with fewer neurons and three fully connected layers where the original has one."""
    return derive(
        RESNET_18,
        Changes(
            name="sonorelay-resnet-24",
            widths=(24, 32, 64, 128),
            hidden=(128, 64),
            outputs=len(FINDINGS),
        ),
    )


def plan(epochs: int, seed: int) -> Plan:
    """How the shipped weights are trained."""
    return Plan(epochs=epochs, peak_rate=1.5e-3, weight_decay=0.05, seed=seed)


def load_labelled(data: Path, split: str) -> list[BrainSample]:
    """The frames of `brain_abnormal` in a split, with their labelled head boxes."""
    return [
        BrainSample(
            gray=frame.gray,
            box=frame.box,
            stretched=True,
            label=FINDINGS.index(frame.finding),
            group=frame.group,
            source="brain_abnormal",
            altered=frame.altered,
        )
        for frame in brain_frames(data, split)
    ]


def load_normals(data: Path, split: str, find_head: HeadFinder) -> list[BrainSample]:
    """Normal heads of `hc18` and of the brains of `planes`; the latter's boxes come from the head model."""
    samples: list[BrainSample] = []
    for frame in head_frames(data, split):
        head = ellipse_of(frame.mask)
        if head is not None:
            samples.append(head_sample(frame.gray, head, "normal", frame.group, "hc18"))
    for brain in plane_frames(data, split):
        found = find_ellipse(brain.gray, find_head) if brain.plane == "brain" else None
        if found is not None:
            samples.append(head_sample(brain.gray, found, "normal", brain.group, "planes"))
    return samples


def find_ellipse(gray: Gray, find_head: HeadFinder) -> Ellipse | None:
    """The head that the model finds, or None where it finds no plausible one."""
    canvas, placed = segment_input(gray)
    head = fit_head(to_image(find_head(canvas), placed))
    if head is None or math.pi * head.a * head.b < LEAST_HEAD_SHARE * gray.size:
        return None
    return head


def ellipse_of(mask: Gray) -> Ellipse | None:
    """The ellipse of a head mask, uint8 0 or 255; None for an empty one."""
    return fit_head((mask > 0).astype(np.float32))


def box_of(head: Ellipse) -> Box:
    """The upright box around an ellipse."""
    turn = math.radians(head.angle_deg)
    half_width = math.hypot(head.a * math.cos(turn), head.b * math.sin(turn))
    half_height = math.hypot(head.a * math.sin(turn), head.b * math.cos(turn))
    return head.cx - half_width, head.cy - half_height, 2 * half_width + 1, 2 * half_height + 1


def head_sample(
    gray: Gray, head: Ellipse, finding: str, group: str, source: str, evidence: Mask | None = None
) -> BrainSample:
    """A sample of a still of true aspect ratio, shrunk to what the 256x256 pictures show of a head."""
    box = box_of(head)
    scale = min(1.0, LARGEST_HEAD_PX / max(box[2], box[3]))
    size = (round(gray.shape[1] * scale), round(gray.shape[0] * scale))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    if evidence is not None:
        evidence = cv2.resize(evidence.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return BrainSample(
        gray=np.asarray(small, np.uint8),
        box=(box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale),
        stretched=False,
        label=FINDINGS.index(finding),
        group=group,
        source=source,
        head=Ellipse(
            cx=(head.cx + 0.5) * scale - 0.5,
            cy=(head.cy + 0.5) * scale - 0.5,
            a=head.a * scale,
            b=head.b * scale,
            angle_deg=head.angle_deg,
        ),
        evidence=evidence,
    )


def widened(sample: BrainSample, ratio: float) -> tuple[Gray, Box]:
    """The still and its box, made `ratio` times as wide for their height."""
    size = (round(sample.gray.shape[1] * ratio), sample.gray.shape[0])
    gray = np.asarray(cv2.resize(sample.gray, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    left, top, width, height = sample.box
    return gray, (left * ratio, top, width * ratio, height)


def crop_of(sample: BrainSample) -> Gray:
    """The enhanced crop as at run time: uint8 224x224."""
    gray, box = widened(sample, USUAL_STRETCH if sample.stretched else 1.0)
    return enhance(cut_crop(gray, crop_box(_inside(box, gray.shape), gray.shape)))


def _inside(box: Box, shape: tuple[int, ...]) -> Box:
    """The box with its centre kept on the still: a few labelled boxes reach far outside of it."""
    left, top, width, height = box
    left = min(max(left, -width / 2 + 1), shape[1] - 1 - width / 2)
    top = min(max(top, -height / 2 + 1), shape[0] - 1 - height / 2)
    return left, top, width, height


def augmented(sample: BrainSample, rng: Generator) -> tuple[Plane, Plane]:
    """A newly cut, degraded, turned and regrayed crop, and where its finding is seen (zeros where unknown).

    Both are float32 224x224 in 0..1.
    """
    ratio = rng.uniform(1.2, 1.55) if sample.stretched else rng.uniform(0.88, 1.12)
    gray, box = widened(sample, ratio)
    left, top, width, height = box
    jitter_x, jitter_y = rng.uniform(-0.06, 0.06, 2) * max(width, height)
    box = _inside((left + jitter_x, top + jitter_y, width, height), gray.shape)
    square = crop_box(box, gray.shape, margin=rng.uniform(-0.02, 0.2))
    crop = enhance(_degraded(cut_crop(gray, square), rng))
    shape = (CROP_SIZE_PX, CROP_SIZE_PX)
    pose = augment.pose(shape, rng, STRENGTH)
    turned = cv2.warpAffine(crop, pose, shape)
    picture = augment.change_gray(np.asarray(turned, np.uint8), rng, STRENGTH)
    if rng.random() < 0.5:
        picture = _other_surround(picture, width / max(width, height), height / max(width, height), rng)
    evidence = np.zeros(shape, np.float32)
    if sample.evidence is not None:
        wide = cv2.resize(sample.evidence.astype(np.uint8) * 255, gray.shape[::-1])
        seen = cv2.resize(cut_crop(np.asarray(wide, np.uint8), square), shape, interpolation=cv2.INTER_AREA)
        evidence = np.asarray(cv2.warpAffine(seen, pose, shape), np.float32) * np.float32(1 / 255)
    return picture, evidence


def _degraded(crop: Gray, rng: Generator) -> Gray:
    """Another resolution and another JPEG quality."""
    side_px = int(rng.integers(96, 225))
    if side_px < crop.shape[0]:
        crop = np.asarray(cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.7:
        _, coded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])
        crop = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return crop


def _other_surround(picture: Plane, width: float, height: float, rng: Generator) -> Plane:
    """Replaces what lies outside of the head by black, by even gray or by grain."""
    side_px = picture.shape[0]
    inside = np.zeros(picture.shape, np.float32)
    half = side_px / 2 * rng.uniform(0.9, 1.05)
    # Many crops are turned; an ellipse that is nearly round covers the head at any angle.
    axes = (half * max(width, 0.85), half * max(height, 0.85))
    cv2.ellipse(inside, ((side_px / 2, side_px / 2), (2 * axes[0], 2 * axes[1]), 0.0), 1.0, -1)
    inside = np.asarray(cv2.GaussianBlur(inside, (0, 0), 2), np.float32)
    surround = np.full(picture.shape, rng.choice([0.0, rng.uniform(0, 0.5)]), np.float32)
    if rng.random() < 0.5:
        surround *= rng.random(picture.shape, dtype=np.float32) * 2
    return np.asarray(picture * inside + np.clip(surround, 0, 1) * (1 - inside), np.float32)


def hold_out(samples: Sequence[BrainSample], seed: int) -> tuple[list[BrainSample], list[BrainSample]]:
    """Splits training samples into those to learn from and those to calibrate with, by whole groups.

    A patient set apart in one data set is set apart in the others too. Simulated heads are all learned from.
    """
    apart: set[str] = set()
    for source, share in HELD_OUT_SHARES.items():
        own = [sample for sample in samples if sample.source == source]
        apart |= held_out_groups([s.group for s in own], [s.label for s in own], share, seed)
    learned = [sample for sample in samples if sample.group not in apart]
    return learned, [sample for sample in samples if sample.group in apart]


def inputs(samples: Sequence[BrainSample]) -> list[Plane]:
    """The samples as the model gets them at run time: float32 224x224 each."""
    return [brain_input(crop_of(sample))[0] for sample in samples]
