"""The plane model: abdomen, brain, femur, thorax or other (`fetal_plane_cls`).

"Other" is learned from made-up pictures only; real ultrasound of something else and slices of other machines
are kept for the tests of rejection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from cloud.infer.preprocess import PLANE_SIZE_HW, Gray, Plane, plane_input
from cloud.training import augment
from cloud.training.brain import USUAL_STRETCH
from cloud.training.classification import LABEL_SMOOTHING, held_out_groups
from cloud.training.data import PLANES, SUB_PLANES, PlaneFrame, brain_frames, head_frames, plane_frames
from cloud.training.derive import RESNET_18, Architecture, Changes, derive
from cloud.training.lookalikes import fragment, lookalike, made_up_head
from cloud.training.loop import Batch, Plan
from cloud.training.negatives import negative
from cloud.training.scanner import LESION_SHARE, PRINTS, printed_stills

CLASSES = (*PLANES, "other")
OTHER = CLASSES.index("other")
BRAIN = CLASSES.index("brain")
NO_SUB_PLANE = -1
"""Sub-plane of what is no brain, and of a brain that shows none of the three."""

BATCH_SIZE = 32
FIRST_SOURCES = ("planes", "hc18")
SCANNER = "virtual scanner"
DRAWN_HEAD = "made-up head"
HELD_OUT_SHARE = 0.1

SHARES = {
    ("planes", "abdomen"): 1.0,
    ("planes", "femur"): 1.0,
    ("planes", "thorax"): 1.0,
    ("planes", "brain"): 0.1,
    ("planes", "trans-thalamic"): 0.35,
    ("planes", "trans-ventricular"): 0.25,
    ("planes", "trans-cerebellar"): 0.25,
    ("hc18", "brain"): 0.5,
    ("brain_abnormal", "brain"): 0.35,
    (DRAWN_HEAD, "brain"): 0.15,
    (SCANNER, "abdomen"): 0.15,
    (SCANNER, "brain"): 0.15,
    (SCANNER, "femur"): 0.15,
    (SCANNER, "thorax"): 0.15,
    ("made-up", "other"): 0.35,
    ("lookalike", "other"): 0.7,
    ("fragment", "other"): 0.35,
}
"""How often a picture of a source and kind is drawn, against the others: heads of several machines and of all
ages differ more among themselves than the other planes do."""

STRENGTH = augment.Strength(
    rotation_deg=20,
    any_rotation_share=0.05,
    zoom=(0.65, 1.3),
    shift=0.1,
    stretch=1.15,
    flip_vertically=False,
    gamma=1.6,
    gain=1.7,
    sector_share=0.1,
    text_share=0.25,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of the learning, which goes on where the one before ended."""

    name: str
    """Where its state is kept."""
    epochs: int
    """Passes."""
    peak_rate: float
    """Highest learning rate."""
    real_alone: bool = False
    """Whether only frames of FIRST_SOURCES are learned from."""


STAGES = (
    Stage(name="real", epochs=60, peak_rate=3e-3, real_alone=True),
    Stage(name="all", epochs=40, peak_rate=3e-3),
    Stage(name="last", epochs=20, peak_rate=1e-3),
)
"""How the shipped weights are trained. With made-up pictures from the start a network reached 0.877."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much is made up, and how much is drawn."""

    negatives: int = 900
    """Pictures of `negatives.py`."""
    lookalikes: int = 1800
    """Pictures that look like a machine's."""
    fragments: int = 900
    """Fragments of the training frames."""
    heads: int = 400
    """Drawn heads."""
    prints: int = PRINTS
    """Stills of the virtual scanner."""
    samples_per_epoch: int = 896
    """Pictures drawn for one epoch."""


AMOUNTS = Amounts()
"""As the shipped weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneSample:
    """One picture on the model's canvas."""

    canvas: Gray
    """uint8 128x192."""
    label: int
    """Place of its plane in CLASSES."""
    sub_plane: int
    """Place of its sub-plane in SUB_PLANES, or NO_SUB_PLANE."""
    group: str
    """Patient, examination or source picture; one of its own for a made-up picture."""
    source: str
    """The data set, or how it was made up."""
    machine: str
    """The ultrasound machine where the data set names it, else empty."""

    @property
    def kind(self) -> tuple[str, str]:
        """Source and the finest name of what it shows, as in SHARES."""
        if self.sub_plane != NO_SUB_PLANE:
            return self.source, SUB_PLANES[self.sub_plane]
        return self.source, CLASSES[self.label]


def architecture() -> Architecture:
    """ResNet-18 with fewer neurons and three fully connected layers where the original has one."""
    return derive(
        RESNET_18,
        Changes(
            name="sonorelay-resnet-24",
            widths=(24, 32, 64, 128),
            hidden=(128, 64),
            outputs=len(CLASSES),
        ),
    )


def plan(epochs: int, seed: int, peak_rate: float = 3e-3) -> Plan:
    """How fast and with what decay the network learns."""
    return Plan(epochs=epochs, peak_rate=peak_rate, weight_decay=0.05, seed=seed, average_decay=0.99)


def load(data: Path, split: str) -> list[PlaneSample]:
    """The frames of `planes` in a split and, as brains, those of `hc18` and `brain_abnormal`."""
    samples = [of_frame(frame) for frame in plane_frames(data, split)]
    samples += [_sample(head.gray, BRAIN, head.group, "hc18") for head in head_frames(data, split)]
    for found in brain_frames(data, split):
        width_px = round(found.gray.shape[1] * USUAL_STRETCH)
        wide = cv2.resize(found.gray, (width_px, found.gray.shape[0]), interpolation=cv2.INTER_LINEAR)
        samples.append(_sample(np.asarray(wide, np.uint8), BRAIN, found.group, "brain_abnormal"))
    return samples


def of_frame(frame: PlaneFrame, change: Callable[[Gray], Gray] | None = None) -> PlaneSample:
    """A frame of `planes`, with its pixels changed where asked."""
    return _sample(
        frame.gray if change is None else change(frame.gray),
        CLASSES.index(frame.plane),
        frame.group,
        "planes",
        sub_plane=NO_SUB_PLANE if frame.sub_plane is None else SUB_PLANES.index(frame.sub_plane),
        machine=frame.machine,
    )


def made_up(frames: Sequence[PlaneFrame], seed: int, amounts: Amounts = AMOUNTS) -> list[PlaneSample]:
    """What is no plane, and drawn heads; fragments are of the given frames and stay in their groups."""
    rng = np.random.default_rng(seed)

    def made(count: int, draw: Callable[[Generator], Gray], label: int, source: str) -> list[PlaneSample]:
        return [_sample(draw(rng), label, f"{source}:{number}", source) for number in range(count)]

    samples = made(amounts.negatives, negative, OTHER, "made-up")
    samples += made(amounts.lookalikes, lookalike, OTHER, "lookalike")
    samples += made(amounts.heads, made_up_head, BRAIN, DRAWN_HEAD)
    for number in range(amounts.fragments if frames else 0):
        frame = frames[number % len(frames)]
        samples.append(_sample(fragment(frame.gray, rng), OTHER, frame.group, "fragment"))
    return samples


def to_measure(data: Path, work: Path, seed: int, amounts: Amounts = AMOUNTS) -> list[PlaneSample]:
    """The frames of `dev`, and stills of the virtual scanner from another seed than those learned from.

    Raises ScannerFailed when it does not print.
    """
    return [*load(data, "dev"), *printed(work, seed + 1, amounts.prints // 2)]


def printed(folder: Path, seed: int, count: int) -> list[PlaneSample]:
    """Stills of the virtual scanner, printed once into a folder below the given one.

    Raises ScannerFailed when it does not print.
    """
    return [
        _sample(still.gray, CLASSES.index(still.truth["type"]), f"{SCANNER}:{still.name}", SCANNER)
        for still in (printed_stills(folder, seed, count, LESION_SHARE) if count else [])
    ]


def _sample(
    gray: Gray,
    label: int,
    group: str,
    source: str,
    *,
    sub_plane: int = NO_SUB_PLANE,
    machine: str = "",
) -> PlaneSample:
    return PlaneSample(
        canvas=np.rint(plane_input(gray)[0] * 255).astype(np.uint8),
        label=label,
        sub_plane=sub_plane,
        group=group,
        source=source,
        machine=machine,
    )


def hold_out(samples: Sequence[PlaneSample], seed: int) -> tuple[list[PlaneSample], list[PlaneSample]]:
    """Splits training samples into those to learn from and those to calibrate with, by whole groups.

    Groups are chosen among the frames of `planes` and `hc18` together, and among those of `brain_abnormal`;
    made-up pictures follow the patient they are of. Only what was chosen for its own data calibrates.
    """
    apart: set[str] = set()
    held: list[PlaneSample] = []
    for sources in (("planes", "hc18"), ("brain_abnormal",)):
        own = [sample for sample in samples if sample.source in sources]
        groups, labels = [sample.group for sample in own], [sample.label for sample in own]
        chosen = held_out_groups(groups, labels, HELD_OUT_SHARE, seed)
        held += [sample for sample in own if sample.group in chosen]
        apart |= chosen
    return [sample for sample in samples if sample.group not in apart], held


class PlaneTask:
    """Learns the plane; what a picture shows is drawn with the chances of SHARES."""

    def __init__(
        self, samples: Sequence[PlaneSample], samples_per_epoch: int = AMOUNTS.samples_per_epoch
    ) -> None:
        kinds = [sample.kind for sample in samples]
        count = {kind: kinds.count(kind) for kind in set(kinds)}
        chances = np.array([SHARES[kind] / count[kind] for kind in kinds])
        self._samples = samples
        self._chances = chances / chances.sum()
        self.steps_per_epoch = max(1, samples_per_epoch // BATCH_SIZE)

    def batches(self, rng: Generator) -> Iterator[Batch]:
        """As many random batches as one epoch has: pictures, and the label of each."""
        for _ in range(self.steps_per_epoch):
            numbers = rng.choice(len(self._samples), BATCH_SIZE, p=self._chances)
            chosen = [self._samples[int(number)] for number in numbers]
            pictures = np.stack([augmented(sample.canvas, rng) for sample in chosen])[:, np.newaxis]
            targets = np.array([sample.label for sample in chosen], np.int64)
            yield torch.from_numpy(pictures), torch.from_numpy(targets)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy with smoothed labels."""
        image, target = batch
        logits, _ = network(image.to(memory_format=torch.channels_last))
        return F.cross_entropy(logits, target, label_smoothing=LABEL_SMOOTHING)


def augmented(canvas: Gray, rng: Generator) -> Plane:
    """The picture in another pose and from another machine: float32 128x192."""
    height_px, width_px = PLANE_SIZE_HW
    turned = cv2.warpAffine(canvas, augment.pose(PLANE_SIZE_HW, rng, STRENGTH), (width_px, height_px))
    picture = augment.change_gray(_coded(np.asarray(turned, np.uint8), rng), rng, STRENGTH)
    if rng.random() < 0.3:
        # Machines cover parts of the picture with boxes; hc18 frames carry such a box, which must not mean
        # "brain".
        top, left = int(rng.integers(0, height_px - 24)), int(rng.integers(0, width_px - 32))
        height, width = int(rng.integers(10, 36)), int(rng.integers(12, 60))
        picture[top : top + height, left : left + width] = rng.choice([0.0, rng.random() * 0.3])
    return picture


def _coded(canvas: Gray, rng: Generator) -> Gray:
    """At times another resolution or JPEG quality."""
    height_px, width_px = canvas.shape
    if rng.random() < 0.15:
        share = rng.uniform(0.4, 0.9)
        small = (round(width_px * share), round(height_px * share))
        less = cv2.resize(canvas, small, interpolation=cv2.INTER_AREA)
        canvas = np.asarray(cv2.resize(less, (width_px, height_px), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.15:
        _, coded = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])
        canvas = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return canvas


def inputs(samples: Sequence[PlaneSample]) -> list[Plane]:
    """The pictures as the model gets them at run time, float32 128x192 each."""
    return [sample.canvas.astype(np.float32) * np.float32(1 / 255) for sample in samples]
