"""Cross-validation of the outline of the head: head model and outline model, trained anew without each fold.

Whole examinations take turns to be left out of `train`. The figures are kept in the work folder; the card of the
outline model made next takes them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cloud.training import make_head, make_outline, outline, segmentation
from cloud.training.classification import grouped_folds
from cloud.training.data import HeadFrame, head_frames
from cloud.training.derive import build_unet, seeded
from cloud.training.onnx_model import exported
from cloud.training.options import Options, Say, learn, weights_of
from cloud.training.outline import OutlineTask
from cloud.training.ring_network import OutlineNetwork
from cloud.training.segmentation import HeadModel, HeadScore, HeadTask
from cloud.training.studies import keep

NAME = "fetal_head_folds"
FOLDS = 5
HEAD_EPOCHS = 20
OUTLINE_EPOCHS = 12
"""Shorter than for the published weights: a study of five trainings must end within hours on two cores."""


def make(options: Options, say: Say) -> Path:
    """Trains both models once without each fold; returns the path of the figures."""
    frames = list(head_frames(options.data, "train"))
    offset_px = make_outline.outline_offset_px(frames)
    folds = grouped_folds([frame.group for frame in frames], [0] * len(frames), FOLDS, options.seed)
    scores: list[HeadScore] = []
    asked: list[HeadFrame] = []
    for number, fold in enumerate(folds, start=1):
        left_out = [frame for frame in frames if frame.group in set(fold)]
        rest = [frame for frame in frames if frame.group not in set(fold)]
        found = _scores(options, rest, left_out, number, offset_px, say)
        scores += found
        asked += left_out
    epochs = f"{options.epochs or HEAD_EPOCHS} and {options.epochs or OUTLINE_EPOCHS} epochs"
    rows = segmentation.head_figures(scores, asked, options.seed)
    for row in rows:
        row["name"] = f"{row['name']}, cross-validated"
        row["note"] = f"hc18 train, {FOLDS} folds of examinations, {epochs}"
        say(f"{NAME}: {row['name']} {row['value']} ({row['low_95']} to {row['high_95']})")
    return keep(options.work, make_outline.FOLDS_STUDY, rows)


def _scores(
    options: Options,
    rest: Sequence[HeadFrame],
    left_out: Sequence[HeadFrame],
    number: int,
    offset_px: float,
    say: Say,
) -> list[HeadScore]:
    """The left-out frames, read by models that learned from the rest."""
    head = learn(
        options,
        f"{NAME}.{number}.head",
        build_unet(segmentation.architecture(), weights_of(options)),
        HeadTask(segmentation.sample_pairs(iter(rest))),
        segmentation.plan(options.epochs or HEAD_EPOCHS, options.seed),
        say,
    )
    architecture = outline.architecture()
    with seeded(options.seed):
        rings = OutlineNetwork(architecture.widths, architecture.hidden)
    rings = learn(
        options,
        f"{NAME}.{number}.outline",
        rings,
        OutlineTask(make_outline.samples(rest)),
        outline.plan(options.epochs or OUTLINE_EPOCHS, options.seed),
        say,
    )
    work = options.work / f"{NAME}.{number}"
    find_head = make_head.finder(exported(make_head.product_of(HeadModel(head)), work))
    model = exported(make_outline.product_of(rings), work)
    return make_outline.scores(model, find_head, left_out, offset_px)
