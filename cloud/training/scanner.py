"""Prints of the virtual scanner as sample images: its program is run, its pictures and their truth are read.

The scanner belongs to the edge, which nothing here imports: it prints into a folder as it does for anybody.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.infer.preprocess import Gray
from cloud.training.data import read_gray

PRINTS = 960
"""Stills that one model learns from; all models share them."""
LESION_SHARE = 0.5
"""How many of the otherwise normal heads get a lesion."""
_LIMIT_S = 3600


class ScannerFailed(RuntimeError):
    """The virtual scanner did not print."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """One printed still."""

    name: str
    """Its file name, one of its own in the folder."""
    patient: str
    """The made-up patient's number."""
    gray: Gray
    """uint8 HxW."""
    truth: dict[str, Any]
    """What the scanner says of it, see `edge_agent.simulator`."""


def printed_heads(folder: Path, seed: int, count: int, lesion_share: float = 0.0) -> list[Print]:
    """The heads among `printed_stills`. Raises ScannerFailed as that does."""
    stills = printed_stills(folder, seed, count, lesion_share)
    return [
        still for still in stills if still.truth["type"] == "brain" and still.truth["ellipse"] is not None
    ]


def printed_stills(folder: Path, seed: int, count: int, lesion_share: float = 0.0) -> list[Print]:
    """`count` stills of all planes; they are printed into a part of `folder` where they are not there yet.

    `lesion_share` of the otherwise normal heads get a lesion. Raises ScannerFailed with the program's last words.
    """
    pictures = folder / f"simulated-{seed}-{count}-{lesion_share:g}"
    truth_file = pictures.with_suffix(".json")
    if not truth_file.is_file():
        _print(pictures, truth_file, seed, count, lesion_share)
    rows = json.loads(truth_file.read_text(encoding="utf-8"))
    return [
        Print(
            name=row["name"],
            patient=row["patient_id"],
            gray=read_gray(pictures / row["name"]),
            truth=row["truth"],
        )
        for row in rows
    ]


def _print(pictures: Path, truth_file: Path, seed: int, count: int, lesion_share: float) -> None:
    """The table of truth appears last and whole: without it the pictures are printed again."""
    pictures.parent.mkdir(parents=True, exist_ok=True)
    beside = truth_file.with_suffix(".part")
    command = [sys.executable, "-m", "edge_agent.simulator", "--out", str(pictures), "--truth", str(beside)]
    command += ["--count", str(count), "--seed", str(seed), "--lesions", str(lesion_share)]
    done = subprocess.run(
        [*command, "--no-banner", "--no-cines"],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise ScannerFailed(f"the virtual scanner failed: {done.stderr.strip()[-300:]}")
    beside.replace(truth_file)
