"""Makes the `capture_type` ferns: trains, cross-validates, calibrates, measures on `dev`, writes file and card.

Nothing is chosen by `dev`: settings, temperature and the least probability rest on predictions for training
frames by ferns that saw no frame of the same patient or examination.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.training import fern_card, ferns
from cloud.training.card import to_toml
from cloud.training.fern_samples import TYPES, FernSamples, load
from cloud.training.ferns import QUESTION_COUNT, Questions, Rows, TrainedFerns
from cloud.training.metrics import Labels, Values, softmax, temperature
from cloud.training.options import Options, Say
from cloud.training.publish import VersionExists
from cloud.training.strangers import SETS, Stranger, strangers

NAME = fern_card.NAME
FOLD_COUNT = 4
WANTED_PRECISION = 0.97
"""Share of the sorted images that shall be of their type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Which rows the training frames select; the ferns are learned from these alone."""

    own: Rows
    """Of the frames, (N, F)."""
    mirrored: Rows
    """Of their mirror images, (N, F)."""
    copies: Rows
    """Of the newly posed copies, (M, F)."""
    origins: NDArray[np.int64]
    """Number of the frame that each copy comes from, (M,)."""

    def learn(self, samples: FernSamples, numbers: Labels, seed: int) -> NDArray[np.float32]:
        """The learned rows from the frames of the given numbers and their copies."""
        of_copies = np.isin(self.origins, numbers)
        origins = np.concatenate([numbers, numbers, self.origins[of_copies]])
        rows = np.concatenate([self.own[numbers], self.mirrored[numbers], self.copies[of_copies]])
        # A data set counts as much as it shall, however many copies its frames have.
        weights = samples.weights()[origins] / np.bincount(origins)[origins]
        rng = np.random.default_rng([seed, 2])
        return ferns.learn(rows, samples.types()[origins], weights, len(TYPES), rng, 2**QUESTION_COUNT)

    def scores(self, learned: NDArray[np.float32], numbers: Labels) -> Values:
        """Summed scores of the frames of the given numbers."""
        return ferns.sum_of(learned, [self.own[numbers], self.mirrored[numbers]])


def check_new(options: Options) -> None:
    """Raises VersionExists when the version was already published."""
    if (options.out / NAME / "ferns.npz").exists():
        raise VersionExists(f"{NAME}/ferns.npz exists; it is never overwritten")


def make(options: Options, say: Say) -> Path:
    """Trains and writes the ferns; returns the path of the file."""
    check_new(options)
    samples = load(options.data, "train", options.seed)
    asked, answers = _answers(samples, options.seed)
    say(f"{NAME}: {len(samples.labels)} frames, {len(answers.origins)} copies, {FOLD_COUNT} folds")
    scores = cross_validated(samples, answers, options.seed)
    planes = samples.chosen("planes")
    heat = round(temperature(scores[planes], samples.types()[planes]), 4)
    unseen = softmax(scores / heat)
    trained = TrainedFerns(
        types=TYPES,
        questions=asked,
        log_posteriors=answers.learn(samples, np.arange(len(samples.labels)), options.seed),
        temperature=heat,
        min_probability=sorting_floor(unseen[planes], samples.types()[planes]),
    )
    file = options.out / NAME / "ferns.npz"
    trained.save(file)
    proof = fern_card.Proof(
        train=samples,
        unseen=unseen,
        dev=load(options.data, "dev", options.seed + 1),
        fold_count=FOLD_COUNT,
        wanted_precision=WANTED_PRECISION,
        strangers=strangers_at_hand(options.data),
    )
    figures = fern_card.metrics(trained, proof, options.seed)
    for figure in figures:
        say(f"{NAME}: {figure['name']} {figure['value']} ({figure['low_95']} to {figure['high_95']})")
    card = fern_card.card(options, trained, file.read_bytes(), proof, figures)
    say(f"{NAME}: beside it the network {card['network']} and the baseline {card['baseline']}")
    text = to_toml(card)
    (file.parent / "card.toml.tmp").write_text(text, encoding="utf-8")
    os.replace(file.parent / "card.toml.tmp", file.parent / "card.toml")
    return file


def strangers_at_hand(data: Path) -> dict[str, list[Stranger]]:
    """Noise, which is made up, and the packed sets that the data folder has."""
    return {
        name: strangers(data, name) for name in SETS if name == "noise" or (data / f"{name}.tar.xz").is_file()
    }


def _answers(samples: FernSamples, seed: int) -> tuple[Questions, Answers]:
    rng = np.random.default_rng([seed, 3])
    pictures = samples.pictures()
    asked = ferns.draw_questions(pictures, rng)
    return asked, Answers(
        own=asked.rows(pictures),
        mirrored=asked.mirrored().rows(pictures),
        copies=asked.rows(samples.copies(rng)),
        origins=samples.origins(),
    )


def cross_validated(samples: FernSamples, answers: Answers, seed: int) -> Values:
    """Summed scores (N, T) of each frame by ferns that learned from no frame of its group."""
    folds = folds_of(samples.groups, seed)
    scores = np.empty((len(folds), len(TYPES)))
    for fold in range(FOLD_COUNT):
        apart = np.flatnonzero(folds == fold)
        learned = answers.learn(samples, np.flatnonzero(folds != fold), seed)
        scores[apart] = answers.scores(learned, apart)
    return scores


def folds_of(groups: list[str], seed: int) -> Labels:
    """The fold of each frame; frames of one group share it, also across data sets."""
    names = sorted(set(groups))
    order = np.random.default_rng([seed, 4]).permutation(len(names)) % FOLD_COUNT
    fold = dict(zip(names, order.tolist(), strict=True))
    return np.array([fold[group] for group in groups], np.int64)


def sorting_floor(chances: Values, labels: Labels, wanted: float = WANTED_PRECISION) -> float:
    """The lowest probability in 0.3..0.99 from which on frames are of their most probable type as often as wanted.

    0.99 where none does, or where fewer than fifty frames would show it.
    """
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    for hundredths in range(30, 99):
        kept = confidence >= hundredths / 100
        if kept.sum() < 50:
            break
        if right[kept].mean() >= wanted:
            return hundredths / 100
    return 0.99
