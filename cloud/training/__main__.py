"""`python -m cloud.training`: trains the models of this project on sample images and publishes them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cloud.training.options import Options, Say

MODELS = ("segmentation", "outline", "planes", "subplanes", "ventricles", "brain", "ferns")
STUDIES = ("segmentation-folds", "planes-machines", "brain-folds")
DERIVED = "derived"
EVAL = "eval"


class Maker(Protocol):
    """A module that makes one model."""

    def check_new(self, options: Options) -> None:
        """Raises VersionExists when the version was already published."""

    def make(self, options: Options, say: Say) -> Path:
        """Trains and publishes the model; returns the path of its weights."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m cloud.training",
        description="Trains models on sample images. Research use, not for diagnosis.",
    )
    top.add_argument(
        "model",
        choices=(*MODELS, "all", *STUDIES, DERIVED, EVAL),
        help="what to train; outline, subplanes, ventricles and brain need a head model, so all trains segmentation "
        "first; segmentation-folds and brain-folds cross-validate the outline of the head and the brain, and "
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
    top.add_argument(
        "--resume",
        action="store_true",
        help="go on with the state of a stopped run; all keeps what it had published",
    )
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
        make_subplanes,
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
    models: Mapping[str, Maker] = {
        "segmentation": make_head,
        "outline": make_outline,
        "planes": make_planes,
        "subplanes": make_subplanes,
        "ventricles": make_ventricles,
        "brain": make_brain,
        "ferns": make_ferns,
    }
    studies = {
        "segmentation-folds": head_folds.make,
        "planes-machines": plane_machines.make,
        "brain-folds": brain_folds.make,
    }
    if asked.model == EVAL:
        if evaluate(options, _say):
            raise ValueError("the figures above are not those of the cards")
    elif asked.model in studies:
        _say(f"published {studies[asked.model](options, _say)}")
    elif asked.model in models:
        _say(f"published {models[asked.model].make(options, _say)}")
    else:
        make_all(models, options)
        derive_all(options.out, options.data, _say)


def make_all(models: Mapping[str, Maker], options: Options) -> None:
    """Makes the models in their order; a resumed run keeps those that it has published.

    Raises VersionExists before any training where one exists and the run is not a resumed one.
    """
    from cloud.training.publish import VersionExists

    made: set[str] = set()
    for name, model in models.items():
        try:
            model.check_new(options)
        except VersionExists:
            if not options.resume:
                raise
            made.add(name)
    for name, model in models.items():
        _say(f"{name} was published before" if name in made else f"published {model.make(options, _say)}")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
