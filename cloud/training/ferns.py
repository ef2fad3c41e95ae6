"""Trains the random ferns that the edge agent sorts captured images with (`capture_type`).

Writes the file format 1 that `edge_agent/ferns.py` documents and reads; the two programs share the format and
not their code, and a test proves that they agree.

| key | dtype and shape | meaning |
|---|---|---|
| `format` | int64 () | 1 |
| `types` | unicode (T,) | names of the types |
| `blocks` | uint8 (F, S, 2, 4) | two blocks per question: top, left, height, width on the 64x128 picture |
| `thresholds` | float32 (F, S) | the answer is 1 where mean(first) - mean(second) is above it |
| `log_posteriors` | float32 (F, 2**S, T) | score of each type per row; question 0 is the lowest bit |
| `temperature` | float64 () | the sums are divided by it before the softmax |

The scores of an image and of its mirror image are added, since a plane may lie either way.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cloud.infer.preprocess import Gray, Plane
from cloud.training.metrics import Labels, Values, softmax

FORMAT = 1
SIDE_PX = 64
FERN_COUNT = 200
QUESTION_COUNT = 8
LAPLACE = 0.5
"""Made-up sightings of each row of a fern; what was never seen is improbable, not impossible."""

_LARGEST_BLOCK_PX = 32
_ACROSS_SHARE = 0.2
"""Share of questions that compare a block of one half with a block of the other."""
_THRESHOLD_SAMPLES = 4000

REFINE_PASSES = 5
_REFINE_BATCH = 256
_REFINE_RATE = 0.02
_REFINE_KEPT = 0.4
"""Share of the ferns that each sample hears in a pass; the others must do without it."""
_START_SCALE = 20.0
"""The first scores are divided by it: ferns are not independent, and their plain sum is far too sure."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedFerns:
    """Ferns as the file holds them."""

    types: tuple[str, ...]
    """Names of the types."""
    blocks: NDArray[np.uint8]
    """(F, S, 2, 4): top, left, height, width of both blocks of each question."""
    thresholds: NDArray[np.float32]
    """(F, S)."""
    log_posteriors: NDArray[np.float32]
    """(F, 2**S, T)."""
    temperature: float
    """Above 0."""

    def scores(self, pictures: Sequence[Plane]) -> Values:
        """Summed scores (N, T) of pictures float32 64x128 and their mirror images, before the temperature."""
        return self._one_way(pictures) + self._one_way([mirrored(picture) for picture in pictures])

    def _one_way(self, pictures: Sequence[Plane]) -> Values:
        rows = _rows(pictures, self.blocks, self.thresholds)
        ferns = np.arange(len(self.thresholds))
        return np.array([self.log_posteriors[ferns, row].sum(axis=0, dtype=np.float64) for row in rows])

    def probabilities(self, pictures: Sequence[Plane]) -> Values:
        """Calibrated probabilities (N, T) of pictures float32 64x128."""
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
                blocks=self.blocks,
                thresholds=self.thresholds,
                log_posteriors=self.log_posteriors,
                temperature=np.float64(self.temperature),
            )
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def halves(gray: Gray) -> Plane:
    """The 64x128 picture that the questions are asked of: gray values left, strength of edges right.

    The left half is the image as 64x64 area means with mean 0 and standard deviation 1, so that gain does not
    count; the right half is the sum of the absolute differences to the next pixel right and below, likewise
    standardised. A flat image gives zeros. An image smaller than 64 pixels repeats pixels.
    """
    rows, row_counts = _strips(gray.shape[0])
    columns, column_counts = _strips(gray.shape[1])
    # Along the rows first: that is how the pixels lie in memory.
    sums = np.add.reduceat(np.add.reduceat(gray, columns, axis=1, dtype=np.uint32), rows, axis=0)
    return _with_edges(_standardised(sums / (row_counts[:, np.newaxis] * column_counts)))


def mirrored(picture: Plane) -> Plane:
    """The 64x128 picture of the image seen in a mirror."""
    return _with_edges(picture[:, :SIDE_PX][:, ::-1])


def _with_edges(left: Plane) -> Plane:
    edges = np.zeros((SIDE_PX, SIDE_PX))
    edges[:, :-1] += np.abs(left[:, 1:] - left[:, :-1])
    edges[:-1] += np.abs(left[1:] - left[:-1])
    return np.hstack([left, _standardised(edges)])


def _standardised(values: NDArray[np.float64]) -> Plane:
    centred = values - values.mean()
    spread = float(np.sqrt(np.mean(centred * centred)))
    return np.asarray(centred / spread if spread > 1e-3 else np.zeros_like(centred), np.float32)


def _strips(size: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """First pixel and pixel count of the 64 strips along an axis."""
    starts = np.arange(SIDE_PX) * size // SIDE_PX
    return starts, np.maximum(np.diff(starts, append=size), 1)


def train(
    pictures: Sequence[Plane],
    labels: Labels,
    types: tuple[str, ...],
    *,
    seed: int,
    fern_count: int = FERN_COUNT,
    question_count: int = QUESTION_COUNT,
) -> TrainedFerns:
    """Learns ferns from pictures float32 64x128 (`halves`); the temperature is still 1.

    Questions are drawn at random, thresholds from the pictures' own differences. Each row's first score is
    its Laplace-smoothed log posterior; a few passes of stochastic gradient descent then make the sum of the
    ferns, which are not independent, tell the types apart. Each type has the same prior.
    """
    rng = np.random.default_rng(seed)
    blocks = _random_blocks(rng, fern_count, question_count)
    chosen = rng.permutation(len(pictures))[:_THRESHOLD_SAMPLES]
    ordered = np.sort(_differences([pictures[number] for number in chosen], blocks), axis=0)
    # A threshold between the quartiles asks a question that some pictures answer with yes and some with no.
    places = (rng.uniform(0.25, 0.75, (fern_count, question_count)) * (len(chosen) - 1)).astype(np.intp)
    thresholds = np.take_along_axis(ordered, places[np.newaxis], axis=0)[0].astype(np.float32)
    rows = _rows(pictures, blocks, thresholds)
    counts = np.full((fern_count, 2**question_count, len(types)), LAPLACE)
    ferns = np.broadcast_to(np.arange(fern_count), rows.shape)
    np.add.at(counts, (ferns, rows, labels[:, np.newaxis]), 1.0)
    posteriors = np.log(counts / counts.sum(axis=1, keepdims=True))
    learned = _refine((posteriors / _START_SCALE).astype(np.float32), rows, labels, rng)
    return TrainedFerns(
        types=types, blocks=blocks, thresholds=thresholds, log_posteriors=learned, temperature=1.0
    )


def _refine(
    scores: NDArray[np.float32], rows: NDArray[np.int64], labels: Labels, rng: Generator
) -> NDArray[np.float32]:
    """Makes the cross-entropy of the summed scores small (AdaGrad); a sample hears a part of the ferns."""
    fern_count, row_count, type_count = scores.shape
    flat = scores.reshape(-1, type_count).copy()
    places = rows + np.arange(fern_count) * row_count
    weight = 1 / np.maximum(np.bincount(labels, minlength=type_count), 1)
    weight = weight[labels] / weight[labels].mean()
    squares = np.full_like(flat, 1e-3)
    for _ in range(REFINE_PASSES):
        order = rng.permutation(len(labels))
        for chosen in np.array_split(order, max(1, len(order) // _REFINE_BATCH)):
            heard = (rng.random((len(chosen), fern_count)) < _REFINE_KEPT).astype(np.float32) / _REFINE_KEPT
            error = softmax(np.einsum("nft,nf->nt", flat[places[chosen]], heard))
            error[np.arange(len(chosen)), labels[chosen]] -= 1
            error *= weight[chosen, np.newaxis] / len(chosen)
            shares = (error[:, np.newaxis] * heard[..., np.newaxis]).reshape(-1, type_count)
            where = places[chosen].ravel()
            gradient = np.stack([np.bincount(where, share, len(flat)) for share in shares.T], axis=1)
            squares += gradient * gradient
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
    first = rng.integers(0, 2, shape[:2])
    second = np.where(rng.random(shape[:2]) < _ACROSS_SHARE, 1 - first, first)
    left += SIDE_PX * np.stack([first, second], axis=-1)
    return np.stack([top, left, height, width], axis=-1).astype(np.uint8)


def _differences(pictures: Sequence[Plane], blocks: NDArray[np.uint8]) -> Plane:
    """Mean of the first block less that of the second, float32 (N, F, S)."""
    top, left, height, width = np.moveaxis(blocks.astype(np.intp), -1, 0)
    bottom, right = top + height, left + width
    area = (height * width).astype(np.float32)
    result = np.empty((len(pictures), *blocks.shape[:2]), np.float32)
    running = np.zeros((SIDE_PX + 1, 2 * SIDE_PX + 1), np.float32)
    for number, picture in enumerate(pictures):
        running[1:, 1:] = picture.cumsum(axis=0).cumsum(axis=1)
        sums = running[bottom, right] - running[top, right] - running[bottom, left] + running[top, left]
        means = sums / area
        result[number] = means[..., 0] - means[..., 1]
    return result


def _rows(
    pictures: Sequence[Plane], blocks: NDArray[np.uint8], thresholds: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Which row of its table each fern selects, int64 (N, F)."""
    answers = _differences(pictures, blocks) > thresholds
    return np.asarray(answers @ (1 << np.arange(thresholds.shape[1], dtype=np.int64)), np.int64)
