"""Random ferns on difference features: the type of a captured image in a millisecond, with numpy only.

A fern asks a fixed list of questions "is this block of pixels brighter than that one?"; its answers, read as
a binary number, select a row of learned scores per type. The ferns' rows add up (semi-naive Bayes; Ozuysal
et al., PAMI 2010). The weights are made by `cloud/training/ferns.py`, which writes this format.

File format 1, a compressed numpy archive without pickled objects; F ferns, S questions each, T types:

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

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
SIDE_PX = 64
UNSORTED = "unsorted"

_KEYS = {"format", "types", "blocks", "thresholds", "log_posteriors", "temperature"}


class FernsInvalid(ValueError):
    """The file is no fern file of a known format."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ferns:
    """A trained set of ferns; it has no state, so several threads may share it."""

    types: tuple[str, ...]
    """Names of the types, in the order of the learned rows."""
    corners: NDArray[np.intp]
    """Where the four corners of each question's blocks lie in the flat 65x129 running sum, (4, F*S*2)."""
    areas: NDArray[np.float32]
    """Pixel count of each block, (F*S, 2)."""
    thresholds: NDArray[np.float32]
    """Difference of the two means above which the answer is 1, (F, S)."""
    log_posteriors: NDArray[np.float32]
    """Score of each type per row of answers, (F, 2**S, T)."""
    temperature: float
    """What the summed scores are divided by before the softmax; above 0."""

    @classmethod
    def load(cls, path: Path) -> Ferns:
        """Reads a file of format 1. Raises FernsInvalid for other content, OSError when unreadable."""
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
        )

    def probabilities(self, gray: NDArray[np.uint8]) -> dict[str, float]:
        """Probability per type of an image uint8 HxW of any size; they add up to 1.

        Raises ValueError for another dtype or shape, or an empty image.
        """
        picture = halves(gray)
        scores = (self._scores(picture) + self._scores(mirrored(picture))) / self.temperature
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        return dict(zip(self.types, chances.tolist(), strict=True))

    def _scores(self, picture: NDArray[np.float32]) -> NDArray[np.float64]:
        running = np.zeros((SIDE_PX + 1, 2 * SIDE_PX + 1), np.float32)
        running[1:, 1:] = picture.cumsum(axis=0).cumsum(axis=1)
        at = running.ravel()[self.corners]
        means = (at[0] - at[1] - at[2] + at[3]).reshape(self.areas.shape) / self.areas
        answers = (means[:, 0] - means[:, 1]).reshape(self.thresholds.shape) > self.thresholds
        rows = answers @ (1 << np.arange(answers.shape[1], dtype=np.int64))
        learned = self.log_posteriors[np.arange(len(rows)), rows]
        return np.asarray(learned.sum(axis=0, dtype=np.float64))


def top(probabilities: Mapping[str, float], minimum: float) -> str:
    """The most probable type, or "unsorted" where its probability is below `minimum` (0..1)."""
    name = max(probabilities, key=lambda key: probabilities[key])
    return name if probabilities[name] >= minimum else UNSORTED


def halves(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The 64x128 picture that the questions are asked of: gray values left, strength of edges right.

    The left half is the image as 64x64 area means with mean 0 and standard deviation 1, so that gain does not
    count; the right half is the sum of the absolute differences to the next pixel right and below, likewise
    standardised. A flat image gives zeros. An image smaller than 64 pixels repeats pixels.
    Raises ValueError for another dtype or shape, or an empty image.
    """
    if gray.dtype != np.uint8 or gray.ndim != 2 or gray.size == 0:
        raise ValueError(f"an image is uint8 HxW and not empty, not {gray.dtype} {gray.shape}")
    rows, row_counts = _strips(gray.shape[0])
    columns, column_counts = _strips(gray.shape[1])
    # Along the rows first: that is how the pixels lie in memory.
    sums = np.add.reduceat(np.add.reduceat(gray, columns, axis=1, dtype=np.uint32), rows, axis=0)
    return _with_edges(_standardised(sums / (row_counts[:, np.newaxis] * column_counts)))


def mirrored(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 64x128 picture of the image seen in a mirror."""
    return _with_edges(picture[:, :SIDE_PX][:, ::-1])


def _with_edges(left: NDArray[np.float32]) -> NDArray[np.float32]:
    edges = np.zeros((SIDE_PX, SIDE_PX))
    edges[:, :-1] += np.abs(left[:, 1:] - left[:, :-1])
    edges[:-1] += np.abs(left[1:] - left[:-1])
    return np.hstack([left, _standardised(edges)])


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
    flat = blocks.reshape(-1, 4).astype(np.intp)
    top_row, left, height, width = flat.T
    bottom, right, stride = top_row + height, left + width, 2 * SIDE_PX + 1
    corners = np.stack(
        [bottom * stride + right, top_row * stride + right, bottom * stride + left, top_row * stride + left]
    )
    return corners, (height * width).astype(np.float32).reshape(-1, 2)


def _check(values: Mapping[str, NDArray[Any]]) -> None:
    """Raises FernsInvalid unless every array has the shape and the range that the format names."""
    blocks, thresholds, learned = values["blocks"], values["thresholds"], values["log_posteriors"]
    if values["format"].shape != () or int(values["format"]) != FORMAT:
        raise FernsInvalid(f"the format is not {FORMAT}")
    if thresholds.ndim != 2 or blocks.shape != (*thresholds.shape, 2, 4) or blocks.dtype != np.uint8:
        raise FernsInvalid("blocks and thresholds do not fit each other")
    fern_count, question_count = thresholds.shape
    if learned.shape != (fern_count, 2**question_count, len(values["types"])) or learned.dtype != np.float32:
        raise FernsInvalid("the learned rows do not fit the questions and the types")
    flat = blocks.reshape(-1, 4).astype(np.int64)
    ends = flat[:, :2] + flat[:, 2:]
    if flat[:, 2:].min() < 1 or ends[:, 0].max() > SIDE_PX or ends[:, 1].max() > 2 * SIDE_PX:
        raise FernsInvalid("a block leaves the picture")
    if not np.isfinite(learned).all() or not np.isfinite(thresholds).all():
        raise FernsInvalid("a figure is not finite")
    if values["temperature"].shape != () or not float(values["temperature"]) > 0:
        raise FernsInvalid("the temperature is not above 0")
