"""Random ferns on difference features: the type of a captured image in a millisecond, with numpy only.

A fern asks a fixed list of questions "is this block of pixels stronger than that one?"; its answers, read as
a binary number, select a row of learned scores per type. The ferns' rows add up (semi-naive Bayes; Ozuysal
et al., PAMI 2010). The weights are made by `cloud/training/ferns.py`, which writes this format.

File format 2, a compressed numpy archive without pickled objects; F ferns, S questions each, T types:

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

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

FORMAT = 2
SIDE_PX = 64
CHANNEL_COUNT = 6
UNSORTED = "unsorted"

_KEYS = {"format", "types", "blocks", "thresholds", "log_posteriors", "temperature", "min_probability"}
_IN_A_MIRROR = np.array([0, 1, 2, 3, 5, 4])
"""Which channel each channel becomes in a mirror: the two slants change places."""
_STEEP = np.float32(1 + np.sqrt(2))
"""Tangent of 67.5 degrees: an edge counts as one of four directions, 45 degrees apart."""


class FernsInvalid(ValueError):
    """The file is no fern file of a known format."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ferns:
    """A trained set of ferns; it has no state, so several threads may share it."""

    types: tuple[str, ...]
    """Names of the types, in the order of the learned rows."""
    corners: NDArray[np.intp]
    """Where the four corners of each block lie in the flat running sums, first of the image, then of its mirror
    image: (4, 2*F*S*2)."""
    areas: NDArray[np.float32]
    """Pixel count of each block, (2, F*S, 2)."""
    thresholds: NDArray[np.float32]
    """Difference of the two means above which the answer is 1, (F, S)."""
    log_posteriors: NDArray[np.float32]
    """Score of each type per row of answers, (F, 2**S, T)."""
    temperature: float
    """What the summed scores are divided by before the softmax; above 0."""
    min_probability: float
    """A type less probable than this (0..1) is not given."""

    @classmethod
    def load(cls, path: Path) -> Ferns:
        """Reads a file of format 2. Raises FernsInvalid for other content, OSError when unreadable."""
        try:
            # Opened here, since numpy leaves a file that is no archive open.
            with path.open("rb") as file:
                values = _read(file)
        except FernsInvalid:
            raise
        except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as exc:
            raise FernsInvalid(f"no fern file: {path.name}") from exc
        _check(values)
        corners, areas = _corners(values["blocks"])
        return cls(
            types=tuple(str(name) for name in values["types"]),
            corners=corners,
            areas=areas,
            thresholds=values["thresholds"],
            log_posteriors=values["log_posteriors"],
            temperature=float(values["temperature"]),
            min_probability=float(values["min_probability"]),
        )

    def probabilities(self, gray: NDArray[np.uint8]) -> dict[str, float]:
        """Probability per type of an image uint8 HxW of any size; they add up to 1.

        Raises ValueError for another dtype or shape, or an empty image.
        """
        scores = self._scores(channels(gray)) / self.temperature
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        return dict(zip(self.types, chances.tolist(), strict=True))

    def _scores(self, picture: NDArray[np.float32]) -> NDArray[np.float64]:
        running = np.zeros((CHANNEL_COUNT, SIDE_PX + 1, SIDE_PX + 1), np.float32)
        running[:, 1:, 1:] = picture.cumsum(axis=1).cumsum(axis=2)
        at = running.ravel()[self.corners]
        means = (at[0] - at[1] - at[2] + at[3]).reshape(self.areas.shape) / self.areas
        answers = (means[..., 0] - means[..., 1]).reshape(2, *self.thresholds.shape) > self.thresholds
        rows = answers @ (1 << np.arange(answers.shape[2], dtype=np.int64))
        learned = self.log_posteriors[np.arange(rows.shape[1]), rows]
        return np.asarray(learned.sum(axis=(0, 1), dtype=np.float64))


def top(probabilities: Mapping[str, float], minimum: float) -> str:
    """The most probable type, or "unsorted" where its probability is below `minimum` (0..1)."""
    name = max(probabilities, key=lambda key: probabilities[key])
    return name if probabilities[name] >= minimum else UNSORTED


def channels(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The six channels that the questions are asked of, float32 6x64x64.

    0: the image as area means with mean 0 and standard deviation 1, so that gain does not count. 1: strength of
    its edges with mean 0 and standard deviation 1. 2 to 5: the strength where the gray changes across, down,
    along the falling and along the rising diagonal, else 0. A flat image gives zeros. An image smaller than 64
    pixels repeats pixels. Raises ValueError for another dtype or shape, or an empty image.
    """
    if gray.dtype != np.uint8 or gray.ndim != 2 or gray.size == 0:
        raise ValueError(f"an image is uint8 HxW and not empty, not {gray.dtype} {gray.shape}")
    level = _standardised(_area_means(gray))
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


def _area_means(gray: NDArray[np.uint8]) -> NDArray[np.float64]:
    rows, row_counts = _strips(gray.shape[0])
    columns, column_counts = _strips(gray.shape[1])
    # Along the rows first: that is how the pixels lie in memory.
    sums = np.add.reduceat(np.add.reduceat(gray, columns, axis=1, dtype=np.uint32), rows, axis=0)
    return np.asarray(sums / (row_counts[:, np.newaxis] * column_counts))


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float32]:
    centred = values - values.mean()
    spread = float(np.sqrt(np.mean(centred * centred)))
    return np.asarray(centred / spread if spread > 1e-3 else np.zeros_like(centred), np.float32)


def _strips(size: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """First pixel and pixel count of the 64 strips along an axis."""
    starts = np.arange(SIDE_PX) * size // SIDE_PX
    return starts, np.maximum(np.diff(starts, append=size), 1)


def _read(file: BinaryIO) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(file):
        raise FernsInvalid("no numpy archive")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        if set(archive.files) != _KEYS:
            raise FernsInvalid("the archive does not hold the keys of a fern file")
        return {key: archive[key] for key in _KEYS}


def _corners(blocks: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    flat = blocks.reshape(-1, 5).astype(np.intp)
    # In a mirror the blocks lie the other way round; that is cheaper than to mirror the image.
    mirrored = flat.copy()
    mirrored[:, 0] = _IN_A_MIRROR[flat[:, 0]]
    mirrored[:, 2] = SIDE_PX - flat[:, 2] - flat[:, 4]
    channel, top_row, left, height, width = np.concatenate([flat, mirrored]).T
    bottom, right, stride = top_row + height, left + width, SIDE_PX + 1
    first = channel * stride * stride
    corners = first + np.stack(
        [bottom * stride + right, top_row * stride + right, bottom * stride + left, top_row * stride + left]
    )
    return corners, (height * width).astype(np.float32).reshape(2, -1, 2)


def _check(values: Mapping[str, NDArray[Any]]) -> None:
    """Raises FernsInvalid unless every array has the shape and the range that the format names."""
    blocks, thresholds, learned = values["blocks"], values["thresholds"], values["log_posteriors"]
    if values["format"].shape != () or int(values["format"]) != FORMAT:
        raise FernsInvalid(f"the format is not {FORMAT}")
    if thresholds.ndim != 2 or blocks.shape != (*thresholds.shape, 2, 5) or blocks.dtype != np.uint8:
        raise FernsInvalid("blocks and thresholds do not fit each other")
    fern_count, question_count = thresholds.shape
    if learned.shape != (fern_count, 2**question_count, len(values["types"])) or learned.dtype != np.float32:
        raise FernsInvalid("the learned rows do not fit the questions and the types")
    flat = blocks.reshape(-1, 5).astype(np.int64)
    ends = flat[:, 1:3] + flat[:, 3:]
    if flat[:, 0].max() >= CHANNEL_COUNT or flat[:, 3:].min() < 1 or ends.max() > SIDE_PX:
        raise FernsInvalid("a block leaves the picture")
    if not np.isfinite(learned).all() or not np.isfinite(thresholds).all():
        raise FernsInvalid("a figure is not finite")
    if values["temperature"].shape != () or not float(values["temperature"]) > 0:
        raise FernsInvalid("the temperature is not above 0")
    if values["min_probability"].shape != () or not 0 <= float(values["min_probability"]) <= 1:
        raise FernsInvalid("the least probability is not a share")
