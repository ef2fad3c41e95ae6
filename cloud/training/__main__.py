"""`python -m cloud.training`: trains the models of this project on sample images and publishes them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

MODELS = ("segmentation", "planes", "brain", "ferns")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m cloud.training",
        description="Trains models on sample images. Research use, not for diagnosis.",
    )
    top.add_argument(
        "model",
        choices=(*MODELS, "all"),
        help="what to train; brain needs a head model, so all trains segmentation first",
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

    from cloud.training import make_brain, make_ferns, make_head, make_planes
    from cloud.training.options import Options, weights_file

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
        "planes": make_planes.make,
        "brain": make_brain.make,
        "ferns": make_ferns.make,
    }
    if asked.model != "all":
        _say(f"published {makers[asked.model](options, _say)}")
        return
    for check in (make_head, make_planes, make_brain, make_ferns):
        check.check_new(options)
    for name in MODELS:
        chosen = options
        if name == "brain":
            # The brain model starts from what the plane model has learned to see.
            chosen = replace(options, initial_weights=weights_file(options, make_planes.NAME))
        _say(f"published {makers[name](chosen, _say)}")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
