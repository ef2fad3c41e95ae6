"""Sample images of the `capture_type` ferns: frames of three data sets, made-up others, and their new poses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cloud.infer.preprocess import Gray, letterbox
from cloud.training import augment
from cloud.training.data import brain_frames, head_frames, plane_frames
from cloud.training.ferns import SIDE_PX, Channels, channels, channels_of
from cloud.training.lookalikes import lookalike
from cloud.training.metrics import Labels, Values
from cloud.training.negatives import negative

TYPES = ("brain", "abdomen", "femur", "thorax", "other")
COPIES = {"planes": 24, "hc18": 8, "brain_abnormal": 8, "made-up": 2}
"""Newly posed copies of each frame by data set; ferns see no pose but those of their samples."""
SHARES = {("brain", "planes"): 0.5, ("brain", "hc18"): 0.3, ("brain", "brain_abnormal"): 0.2}
"""How much of a type's weight a data set has, where several give frames of the type."""
SMALL_HW = (144, 216)

STRENGTH = augment.Strength(
    rotation_deg=20,
    any_rotation_share=0.0,
    zoom=(0.8, 1.25),
    shift=0.08,
    flip_vertically=False,
    gamma=1.6,
    gain=1.5,
    sector_share=0.0,
    text_share=0.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FernSamples:
    """Small frames with their types."""

    grays: list[Gray]
    """uint8 HxW."""
    labels: list[int]
    """Place of the type in TYPES."""
    groups: list[str]
    """Patient, examination or made-up picture."""
    sources: list[str]
    """The data set."""

    def add(self, gray: Gray, kind: str, group: str, source: str) -> None:
        """Takes a frame of any size, reduced."""
        self.grays.append(_small(gray))
        self.labels.append(TYPES.index(kind))
        self.groups.append(group)
        self.sources.append(source)

    def types(self) -> Labels:
        """Place of each frame's type in TYPES."""
        return np.asarray(self.labels, np.int64)

    def chosen(self, source: str) -> NDArray[np.bool_]:
        """Which frames are of a data set."""
        return np.array([each == source for each in self.sources], np.bool_)

    def weights(self) -> Values:
        """How much each frame counts: each type as much as the others, its data sets by SHARES."""
        kinds = list(zip((TYPES[label] for label in self.labels), self.sources, strict=True))
        count = {kind: kinds.count(kind) for kind in set(kinds)}
        return np.array([SHARES.get(kind, 1.0) / count[kind] for kind in kinds])

    def pictures(self) -> list[Channels]:
        """The frames as they are."""
        return [channels(gray) for gray in self.grays]

    def copies(self, rng: Generator) -> Iterator[Channels]:
        """The frames in new poses, COPIES of each, frame by frame."""
        for number in self.origins():
            yield posed(self.grays[number], rng)

    def origins(self) -> Labels:
        """Number of the frame that each of the copies comes from."""
        return np.repeat(np.arange(len(self.labels)), [COPIES[source] for source in self.sources])


def load(data: Path, split: str, seed: int) -> FernSamples:
    """The frames of `planes`, `hc18` and `brain_abnormal` in a split, and as many made-up others as planes and
    heads."""
    samples = FernSamples(grays=[], labels=[], groups=[], sources=[])
    for plane in plane_frames(data, split):
        samples.add(plane.gray, plane.plane, plane.group, "planes")
    for head in head_frames(data, split):
        samples.add(head.gray, "brain", head.group, "hc18")
    rng = np.random.default_rng([seed, 1])
    for number in range(len(samples.labels)):
        picture = lookalike(rng) if number % 2 else negative(rng)
        samples.add(picture, "other", f"made-up:{number}", "made-up")
    for brain in brain_frames(data, split):
        samples.add(brain.gray, "brain", brain.group, "brain_abnormal")
    return samples


def _small(gray: Gray) -> Gray:
    canvas, box = letterbox(gray, SMALL_HW)
    content = canvas[: box.content_height_px, : box.content_width_px]
    return np.rint(content * 255).astype(np.uint8)


def posed(gray: Gray, rng: Generator) -> Channels:
    """The frame in another pose and from another machine."""
    height_px, width_px = gray.shape
    pose = augment.pose((height_px, width_px), rng, STRENGTH)
    reduced = np.diag([SIDE_PX / width_px, SIDE_PX / height_px]) @ pose
    # A blur as wide as the step between the reduced pixels stands for their area means.
    soft = cv2.blur(gray, (max(1, width_px // SIDE_PX), max(1, height_px // SIDE_PX)))
    turned = np.asarray(cv2.warpAffine(soft, reduced, (SIDE_PX, SIDE_PX)), np.uint8)
    return channels_of(augment.change_gray(turned, rng, STRENGTH).astype(np.float64) * 255)
