"""Cross-validation of the brain model: trained anew without each fold of `brain_abnormal` train.

Whole patients and source pictures take turns to be left out. The figures are kept in the work folder; the card of
the brain model made next takes them over.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cloud.training import brain
from cloud.training.brain_figures import NORMAL, auc
from cloud.training.brain_task import BrainTask
from cloud.training.card import Table
from cloud.training.classification import grouped_folds, predict
from cloud.training.derive import build_classifier
from cloud.training.make_brain import FOLDS_STUDY, NAME, samples_to_learn
from cloud.training.metrics import softmax
from cloud.training.options import Options, Say, learn, weights_of
from cloud.training.shortcut import fit_and_score, without_brightness
from cloud.training.studies import keep

FOLDS = 5
EPOCHS = 12
"""Shorter than for the published weights: five trainings must end within hours on two cores."""


def make(options: Options, say: Say) -> Path:
    """Trains once without each fold; returns the path of the figures."""
    samples = samples_to_learn(options)
    own = [sample for sample in samples if sample.source == "brain_abnormal"]
    abnormal = np.array([sample.label != NORMAL for sample in own])
    folds = grouped_folds([s.group for s in own], [s.label for s in own], FOLDS, options.seed)
    scores, shortcut = np.full(len(own), np.nan), np.full(len(own), np.nan)
    plan = brain.plan(options.epochs or EPOCHS, options.seed)
    for number, fold in enumerate(folds, start=1):
        left_out = set(fold)
        rest = [sample for sample in samples if sample.group not in left_out]
        network = build_classifier(brain.architecture(), weights_of(options))
        network = learn(options, f"{NAME}.fold{number}", network, BrainTask(rest), plan, say)
        asked = np.array([sample.group in left_out for sample in own])
        unseen = [sample for sample in own if sample.group in left_out]
        known = [sample for sample in own if sample.group not in left_out]
        chances = softmax(predict(network, brain.inputs(unseen)))[:, NORMAL]
        scores[asked] = np.log(np.maximum(1 - chances, 1e-9) / np.maximum(chances, 1e-9))
        shortcut[asked] = fit_and_score([s.gray for s in known], abnormal[~asked], [s.gray for s in unseen])
    rows = _figures(own, scores, shortcut, plan.epochs, options.seed)
    for row in rows:
        say(f"{NAME}: {row['name']} {row['value']} ({row['low_95']} to {row['high_95']})")
    return keep(options.work, FOLDS_STUDY, rows)


def _figures(
    own: list[brain.BrainSample], scores: np.ndarray, shortcut: np.ndarray, epochs: int, seed: int
) -> list[Table]:
    abnormal = np.array([sample.label != NORMAL for sample in own])
    groups = [sample.group for sample in own]
    note = f"brain_abnormal train, {FOLDS} folds by patient or source, {epochs} epochs each"
    left = without_brightness(scores, [brain.crop_of(sample) for sample in own])
    return [
        auc("AUC, abnormal against normal, cross-validated", scores, abnormal, groups, seed, note),
        auc(
            "AUC after removing what brightness alone explains, cross-validated",
            left,
            abnormal,
            groups,
            seed,
            note,
        ),
        auc(
            "AUC of the brightness shortcut, whole frame, cross-validated",
            shortcut,
            abnormal,
            groups,
            seed,
            note,
        ),
    ]
