"""Trains the random ferns that the edge agent sorts captured images with (`capture_type`).

Writes the file format 2 that `edge_agent/ferns.py` documents and reads; the two programs share the format and
not their code, and a test proves that they agree.

| key | dtype and shape | meaning |
|---|---|---|
| `format` | int64 () | 2 |
| `types` | unicode (T,) | names of the types |
| `blocks` | uint8 (F, S, 2, 5) | two blocks per question: channel, top, left, height, width |
| `thresholds` | float32 (F, S) | the answer is 1 where mean(first) - mean(second) is above it |
| `log_posteriors` | float32 (F, 2**S, T) | score of each type per row; question 0 is the lowest bit |
| `temperature` | float64 () | the sums are divided by it before the softmax |
| `min_probability` | float64 () | a type less probable than this is not given: the image is unsorted |

The blocks lie on six channels of 64x64 (`channels`). The scores of an image and of its mirror image are added,
since a plane may lie either way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cloud.infer.preprocess import Gray
from cloud.training.metrics import Labels, Values, softmax

Channels: TypeAlias = NDArray[np.float32]
"""The six channels of an image, 6x64x64."""
Rows: TypeAlias = NDArray[np.int64]
"""Which row of its table each fern selects, (N, F)."""

FORMAT = 2
SIDE_PX = 64
CHANNEL_COUNT = 6
FERN_COUNT = 300
QUESTION_COUNT = 6
LAPLACE = 0.5
"""Made-up sightings of each row of a fern; what was never seen is improbable, not impossible."""

_IN_A_MIRROR = np.array([0, 1, 2, 3, 5, 4])
"""Which channel each channel becomes in a mirror: the two slants change places."""
_STEEP = np.float32(1 + np.sqrt(2))
"""Tangent of 67.5 degrees: an edge counts as one of four directions, 45 degrees apart."""
_LARGEST_BLOCK_PX = 32
_ACROSS_SHARE = 0.2
"""Share of questions that may compare blocks of two channels."""

REFINE_PASSES = 5
_REFINE_BATCH = 256
_REFINE_RATE = 0.02
_REFINE_KEPT = 0.4
"""Share of the ferns that each sample hears in a pass; the others must do without it."""
_START_SCALE = 20.0
"""The first scores are divided by it: ferns are not independent, and their plain sum is far too sure."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Questions:
    """What the ferns ask."""

    blocks: NDArray[np.uint8]
    """(F, S, 2, 5): channel, top, left, height, width of both blocks of each question."""
    thresholds: NDArray[np.float32]
    """(F, S): the answer is 1 where the difference of the blocks' means is above it."""

    def rows(self, pictures: Iterable[Channels]) -> Rows:
        """Which row of its table each fern selects for each picture."""
        places = 1 << np.arange(self.thresholds.shape[1], dtype=np.int64)
        return np.array([(each > self.thresholds) @ places for each in _differences(pictures, self.blocks)])

    def mirrored(self) -> Questions:
        """The questions that ask of an image what these ask of its mirror image."""
        blocks = self.blocks.copy()
        blocks[..., 0] = _IN_A_MIRROR[self.blocks[..., 0]]
        blocks[..., 2] = SIDE_PX - self.blocks[..., 2] - self.blocks[..., 4]
        return Questions(blocks=blocks, thresholds=self.thresholds)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedFerns:
    """Ferns as the file holds them."""

    types: tuple[str, ...]
    """Names of the types."""
    questions: Questions
    """What they ask."""
    log_posteriors: NDArray[np.float32]
    """(F, 2**S, T)."""
    temperature: float = 1.0
    """Above 0."""
    min_probability: float = 0.0
    """0..1; a type less probable is not given."""

    @classmethod
    def load(cls, path: Path) -> TrainedFerns:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as kept:
            return cls(
                types=tuple(str(name) for name in kept["types"]),
                questions=Questions(blocks=kept["blocks"], thresholds=kept["thresholds"]),
                log_posteriors=kept["log_posteriors"],
                temperature=float(kept["temperature"]),
                min_probability=float(kept["min_probability"]),
            )

    def scores(self, pictures: Sequence[Channels]) -> Values:
        """Summed scores (N, T) of pictures and their mirror images, before the temperature."""
        ways = (self.questions, self.questions.mirrored())
        return sum_of(self.log_posteriors, [way.rows(pictures) for way in ways])

    def probabilities(self, pictures: Sequence[Channels]) -> Values:
        """Calibrated probabilities (N, T) of pictures."""
        return softmax(self.scores(pictures) / self.temperature)

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".tmp")
        with beside.open("wb") as file:
            np.savez_compressed(
                file,
                format=np.int64(FORMAT),
                types=np.array(self.types),
                blocks=self.questions.blocks,
                thresholds=self.questions.thresholds,
                log_posteriors=self.log_posteriors,
                temperature=np.float64(self.temperature),
                min_probability=np.float64(self.min_probability),
            )
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def sum_of(log_posteriors: NDArray[np.float32], ways: Sequence[Rows]) -> Values:
    """Summed scores (N, T) of the selected rows, over all ferns and both ways to look at an image."""
    ferns = np.arange(len(log_posteriors))
    return np.array(
        [
            sum(log_posteriors[ferns, row].sum(axis=0, dtype=np.float64) for row in rows)
            for rows in zip(*ways, strict=True)
        ]
    )


def channels(gray: Gray) -> Channels:
    """The six channels that the questions are asked of, float32 6x64x64.

    0: the image as area means with mean 0 and standard deviation 1, so that gain does not count. 1: strength of
    its edges with mean 0 and standard deviation 1. 2 to 5: the strength where the gray changes across, down,
    along the falling and along the rising diagonal, else 0. A flat image gives zeros. An image smaller than 64
    pixels repeats pixels.
    """
    rows, row_counts = _strips(gray.shape[0])
    columns, column_counts = _strips(gray.shape[1])
    # Along the rows first: that is how the pixels lie in memory.
    sums = np.add.reduceat(np.add.reduceat(gray, columns, axis=1, dtype=np.uint32), rows, axis=0)
    return channels_of(sums / (row_counts[:, np.newaxis] * column_counts))


def channels_of(means: NDArray[np.float64]) -> Channels:
    """The six channels of an image that is already reduced to its 64x64 area means."""
    level = _standardised(means)
    around = np.pad(level, 1, "edge")
    across, down = around[1:-1, 2:] - around[1:-1, :-2], around[2:, 1:-1] - around[:-2, 1:-1]
    strength = np.sqrt(across * across + down * down)
    spread = float(strength.std())
    strength = strength / np.float32(spread) if spread > 1e-3 else np.zeros_like(strength)
    wide, high = np.abs(across), np.abs(down)
    is_across, is_down = wide > _STEEP * high, high > _STEEP * wide
    slanted, falling = ~(is_across | is_down), across * down > 0
    directions = (is_across, is_down, slanted & falling, slanted & ~falling)
    return np.stack([level, strength - strength.mean(), *(strength * each for each in directions)])


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float32]:
    centred = values - values.mean()
    spread = float(np.sqrt(np.mean(centred * centred)))
    return np.asarray(centred / spread if spread > 1e-3 else np.zeros_like(centred), np.float32)


def _strips(size: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """First pixel and pixel count of the 64 strips along an axis."""
    starts = np.arange(SIDE_PX) * size // SIDE_PX
    return starts, np.maximum(np.diff(starts, append=size), 1)


def train(
    pictures: Sequence[Channels],
    labels: Labels,
    types: tuple[str, ...],
    *,
    seed: int,
    fern_count: int = FERN_COUNT,
    question_count: int = QUESTION_COUNT,
) -> TrainedFerns:
    """Learns ferns from pictures, all types of equal weight; they are not calibrated yet."""
    rng = np.random.default_rng(seed)
    asked = draw_questions(pictures, rng, fern_count, question_count)
    weights = 1 / np.bincount(labels, minlength=len(types))[labels]
    learned = learn(asked.rows(pictures), labels, weights, len(types), rng, 2**question_count)
    return TrainedFerns(types=types, questions=asked, log_posteriors=learned)


def draw_questions(
    pictures: Sequence[Channels],
    rng: Generator,
    fern_count: int = FERN_COUNT,
    question_count: int = QUESTION_COUNT,
) -> Questions:
    """Questions at random, with thresholds from the pictures' own differences; no type is looked at."""
    blocks = _random_blocks(rng, fern_count, question_count)
    ordered = np.sort(np.array(list(_differences(pictures, blocks))), axis=0)
    # A threshold between the quartiles asks a question that some pictures answer with yes and some with no.
    places = (rng.uniform(0.25, 0.75, (fern_count, question_count)) * (len(ordered) - 1)).astype(np.intp)
    thresholds = np.take_along_axis(ordered, places[np.newaxis], axis=0)[0]
    return Questions(blocks=blocks, thresholds=thresholds.astype(np.float32))


def learn(
    rows: Rows, labels: Labels, weights: Values, type_count: int, rng: Generator, row_count: int
) -> NDArray[np.float32]:
    """The learned rows (F, 2**S, T) from the rows that the samples select.

    Each row's first score is its Laplace-smoothed log posterior; a few passes of stochastic gradient descent
    then make the sum of the ferns, which are not independent, tell the types apart. `weights` (N,) says how
    much a sample counts.
    """
    weights = weights / weights.mean()
    scores = np.empty((rows.shape[1], row_count, type_count), np.float32)
    for number, fern in enumerate(rows.T):
        places = fern * type_count + labels
        counts = np.bincount(places, weights, row_count * type_count).reshape(row_count, type_count) + LAPLACE
        scores[number] = np.log(counts / counts.sum(axis=0)) / _START_SCALE
    return _refine(scores, rows, labels, weights, rng)


def _refine(
    scores: NDArray[np.float32], rows: Rows, labels: Labels, weights: Values, rng: Generator
) -> NDArray[np.float32]:
    """Makes the cross-entropy of the summed scores small (AdaGrad); a sample hears a part of the ferns."""
    fern_count, row_count, type_count = scores.shape
    flat = scores.reshape(-1, type_count).copy()
    firsts = np.arange(fern_count) * row_count
    squares = np.full_like(flat, 1e-3)
    for _ in range(REFINE_PASSES):
        order = rng.permutation(len(labels))
        for chosen in np.array_split(order, max(1, len(order) // _REFINE_BATCH)):
            places = rows[chosen] + firsts
            heard = (rng.random(places.shape) < _REFINE_KEPT).astype(np.float32) / np.float32(_REFINE_KEPT)
            error = softmax((flat[places] * heard[..., np.newaxis]).sum(axis=1))
            error[np.arange(len(chosen)), labels[chosen]] -= 1
            error *= weights[chosen, np.newaxis] / len(chosen)
            shares = (error[:, np.newaxis] * heard[..., np.newaxis]).reshape(-1, type_count)
            where = places.ravel()
            gradient = np.stack([np.bincount(where, share, len(flat)) for share in shares.T], axis=1)
            squares += (gradient * gradient).astype(np.float32)
            flat -= (_REFINE_RATE * gradient / np.sqrt(squares)).astype(np.float32)
    return flat.reshape(scores.shape)


def _random_blocks(rng: Generator, fern_count: int, question_count: int) -> NDArray[np.uint8]:
    """Pairs of blocks from single pixels to half the picture's side, small ones as often as large ones."""
    shape = (fern_count, question_count, 2)
    height, width = (
        np.exp(rng.uniform(0, np.log(_LARGEST_BLOCK_PX + 1), shape)).astype(np.int64) for _ in range(2)
    )
    top = (rng.random(shape) * (SIDE_PX - height + 1)).astype(np.int64)
    left = (rng.random(shape) * (SIDE_PX - width + 1)).astype(np.int64)
    channel = rng.integers(0, CHANNEL_COUNT, shape)
    channel[..., 1] = np.where(rng.random(shape[:2]) < _ACROSS_SHARE, channel[..., 1], channel[..., 0])
    return np.stack([channel, top, left, height, width], axis=-1).astype(np.uint8)


def _differences(pictures: Iterable[Channels], blocks: NDArray[np.uint8]) -> Iterable[NDArray[np.float32]]:
    """For each picture the mean of the first block less that of the second, float32 (F, S)."""
    channel, top, left, height, width = np.moveaxis(blocks.astype(np.intp), -1, 0)
    bottom, right, stride = top + height, left + width, SIDE_PX + 1
    first = channel * stride * stride
    corners = first + np.stack(
        [bottom * stride + right, top * stride + right, bottom * stride + left, top * stride + left]
    )
    areas = (height * width).astype(np.float32)
    running = np.zeros((CHANNEL_COUNT, stride, stride), np.float32)
    for picture in pictures:
        running[:, 1:, 1:] = picture.cumsum(axis=1).cumsum(axis=2)
        at = running.ravel()[corners]
        means = (at[0] - at[1] - at[2] + at[3]) / areas
        yield means[..., 0] - means[..., 1]
