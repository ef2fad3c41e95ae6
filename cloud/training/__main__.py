"""`python -m cloud.training`: trains the models of this project on sample images and publishes them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

MODELS = ("segmentation", "outline", "planes", "ventricles", "brain", "ferns")
STUDIES = ("segmentation-folds", "planes-machines", "brain-folds")
DERIVED = "derived"
EVAL = "eval"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m cloud.training",
        description="Trains models on sample images. Research use, not for diagnosis.",
    )
    top.add_argument(
        "model",
        choices=(*MODELS, "all", *STUDIES, DERIVED, EVAL),
        help="what to train; outline, ventricles and brain need a head model, so all trains segmentation first; "
        "segmentation-folds and brain-folds cross-validate the outline of the head and the brain, and "
        "planes-machines trains the planes once without each machine, for the cards made next; "
        "eval trains nothing, it measures the models in --out again and prints every figure with its interval "
        "beside its baseline; "
        "derived trains nothing, it writes what follows from the models in --out: other precisions, GPU "
        "configurations, the ensemble",
    )
    top.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with splits.csv")
    top.add_argument(
        "--out",
        type=Path,
        default=Path("out/models"),
        help="model repository to publish into; an existing version is never overwritten",
    )
    top.add_argument(
        "--work", type=Path, default=Path(".cache/training"), help="folder for states and initial weights"
    )
    top.add_argument("--version", type=int, default=1, help="version to publish")
    top.add_argument("--epochs", type=int, help="passes over the samples; default: as the shipped weights")
    top.add_argument("--seed", type=int, default=0, help="seed of everything random")
    top.add_argument("--resume", action="store_true", help="go on with the state of a stopped run")
    top.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to PyTorch")
    top.add_argument("--initial-weights", type=Path, help="state dictionary to start from")
    top.add_argument("--quiet", action="store_true", help="no progress bar")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 2 when it cannot be done as asked."""
    asked = parser().parse_args(arguments)
    try:
        _run(asked)
    except (FileNotFoundError, FileExistsError, ValueError) as exc:
        print(f"cannot train: {exc}", file=sys.stderr)
        return 2
    return 0


def _run(asked: argparse.Namespace) -> None:
    # PyTorch takes seconds to import; `--help` does without it.
    import torch

    from cloud.training.derived import derive_all

    if asked.model == DERIVED:
        derive_all(asked.out, asked.data, _say)
        return

    from cloud.training import (
        brain_folds,
        head_folds,
        make_brain,
        make_ferns,
        make_head,
        make_outline,
        make_planes,
        make_ventricles,
        plane_machines,
    )
    from cloud.training.evaluate import evaluate
    from cloud.training.options import Options

    if asked.threads > 0:
        torch.set_num_threads(asked.threads)
    options = Options(
        data=asked.data,
        out=asked.out,
        work=asked.work,
        version=asked.version,
        epochs=asked.epochs,
        seed=asked.seed,
        resume=asked.resume,
        initial_weights=asked.initial_weights,
        quiet=asked.quiet,
    )
    makers = {
        "segmentation": make_head.make,
        "outline": make_outline.make,
        "planes": make_planes.make,
        "ventricles": make_ventricles.make,
        "brain": make_brain.make,
        "ferns": make_ferns.make,
        "segmentation-folds": head_folds.make,
        "planes-machines": plane_machines.make,
        "brain-folds": brain_folds.make,
    }
    if asked.model == EVAL:
        if evaluate(options, _say):
            raise ValueError("the figures above are not those of the cards")
        return
    if asked.model != "all":
        _say(f"published {makers[asked.model](options, _say)}")
        return
    for check in (make_head, make_outline, make_planes, make_ventricles, make_brain, make_ferns):
        check.check_new(options)
    for name in MODELS:
        _say(f"published {makers[name](options, _say)}")
    derive_all(options.out, options.data, _say)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
