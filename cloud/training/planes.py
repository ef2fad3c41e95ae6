"""The plane model: abdomen, brain, femur or thorax (`fetal_plane_cls`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from cloud.infer.preprocess import PLANE_SIZE_HW, Gray, Plane, plane_input
from cloud.training import augment
from cloud.training.classification import ClassifierTask, held_out_groups
from cloud.training.data import PLANES, head_frames, plane_frames
from cloud.training.derive import RESNET_18, Architecture, Changes, derive
from cloud.training.loop import Plan

BATCH_SIZE = 32
SAMPLES_PER_EPOCH = 832
EPOCHS = 60
HELD_OUT_SHARE = 0.1
BRAIN_WEIGHT = 0.7
"""How often a brain of `planes`, and again one of `hc18`, is drawn for one of another plane: heads of two
machines and of all ages differ more among themselves than the other planes do."""

STRENGTH = augment.Strength(
    rotation_deg=20,
    any_rotation_share=0.05,
    zoom=(0.8, 1.3),
    shift=0.1,
    flip_vertically=False,
    gamma=1.5,
    gain=1.4,
    sector_share=0.1,
    text_share=0.2,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneSamples:
    """Frames on the model's canvas."""

    canvases: list[Gray]
    """uint8 128x192 each."""
    labels: list[int]
    """Place of each frame's plane in PLANES."""
    groups: list[str]
    """Patient or examination of each frame."""
    from_hc18: list[bool]
    """Whether the frame is one of `hc18`, all of which are brains."""

    def subset(self, numbers: Sequence[int]) -> PlaneSamples:
        """The frames of the given numbers."""
        return PlaneSamples(
            canvases=[self.canvases[number] for number in numbers],
            labels=[self.labels[number] for number in numbers],
            groups=[self.groups[number] for number in numbers],
            from_hc18=[self.from_hc18[number] for number in numbers],
        )


def architecture() -> Architecture:
    """ResNet-18 with fewer neurons and three fully connected layers where the original has one."""
    return derive(
        RESNET_18,
        Changes(
            name="sonorelay-resnet-24",
            widths=(24, 32, 64, 128),
            hidden=(128, 64),
            outputs=len(PLANES),
        ),
    )


def plan(epochs: int, seed: int) -> Plan:
    """How the shipped weights are trained."""
    return Plan(epochs=epochs, peak_rate=3e-3, weight_decay=0.05, seed=seed)


def load(data: Path, split: str) -> PlaneSamples:
    """The frames of `planes` and, as brains, of `hc18` in a split."""
    samples = PlaneSamples(canvases=[], labels=[], groups=[], from_hc18=[])
    for frame in plane_frames(data, split):
        _add(samples, frame.gray, PLANES.index(frame.plane), frame.group, from_hc18=False)
    for head in head_frames(data, split):
        _add(samples, head.gray, PLANES.index("brain"), head.group, from_hc18=True)
    return samples


def _add(samples: PlaneSamples, gray: Gray, label: int, group: str, *, from_hc18: bool) -> None:
    samples.canvases.append(np.rint(plane_input(gray)[0] * 255).astype(np.uint8))
    samples.labels.append(label)
    samples.groups.append(group)
    samples.from_hc18.append(from_hc18)


def hold_out(samples: PlaneSamples, seed: int) -> tuple[PlaneSamples, PlaneSamples]:
    """Splits training samples into those to learn from and those to calibrate with, by whole groups."""
    apart = held_out_groups(samples.groups, samples.labels, HELD_OUT_SHARE, seed)
    numbers = range(len(samples.labels))
    learned = samples.subset([number for number in numbers if samples.groups[number] not in apart])
    return learned, samples.subset([number for number in numbers if samples.groups[number] in apart])


def task(samples: PlaneSamples, samples_per_epoch: int = SAMPLES_PER_EPOCH) -> ClassifierTask:
    """Learns from the samples, every plane about as often as the others."""
    kinds = list(zip(samples.labels, samples.from_hc18, strict=True))
    count = {kind: kinds.count(kind) for kind in set(kinds)}
    brain = PLANES.index("brain")
    wanted = dict.fromkeys(count, 1.0)
    if (brain, True) in count and (brain, False) in count:
        wanted[brain, True] = wanted[brain, False] = BRAIN_WEIGHT

    def draw(number: int, rng: Generator) -> Plane:
        return augmented(samples.canvases[number], rng)

    return ClassifierTask(
        samples.labels,
        [wanted[kind] / count[kind] for kind in kinds],
        draw,
        samples_per_epoch=samples_per_epoch,
        batch_size=BATCH_SIZE,
    )


def augmented(canvas: Gray, rng: Generator) -> Plane:
    """The frame in another pose and from another machine: float32 128x192."""
    height_px, width_px = PLANE_SIZE_HW
    turned = cv2.warpAffine(canvas, augment.pose(PLANE_SIZE_HW, rng, STRENGTH), (width_px, height_px))
    picture = augment.change_gray(np.asarray(turned, np.uint8), rng, STRENGTH)
    if rng.random() < 0.3:
        # Machines cover parts of the picture with boxes; hc18 frames carry such a box, which must not mean
        # "brain".
        top, left = int(rng.integers(0, height_px - 24)), int(rng.integers(0, width_px - 32))
        height, width = int(rng.integers(10, 36)), int(rng.integers(12, 60))
        picture[top : top + height, left : left + width] = rng.choice([0.0, rng.random() * 0.3])
    return picture


def inputs(samples: PlaneSamples) -> list[Plane]:
    """The frames as the model gets them at run time, float32 128x192 each."""
    return [canvas.astype(np.float32) * np.float32(1 / 255) for canvas in samples.canvases]
