"""Heads of the virtual scanner as sample images: its program is run, its pictures and their truth are read.

The scanner belongs to the edge, which nothing here imports: it prints into a folder as it does for anybody.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cloud.infer.annotate import Ellipse
from cloud.infer.preprocess import Gray
from cloud.training.brain import BrainSample, Mask, head_sample
from cloud.training.data import read_gray

PRINTS = 480
LESION_SHARE = 0.5
_TRUTH = "truth.json"
_ATRIUM_REACH = 0.65
"""Radius of what counts as the widened atrium's place, as a share of its width."""


class ScannerFailed(RuntimeError):
    """The virtual scanner did not print."""


def simulated_heads(work: Path, seed: int, count: int = PRINTS) -> list[BrainSample]:
    """The heads among `count` pictures of the virtual scanner, printed once into a folder below `work`.

    Raises ScannerFailed with the program's last words.
    """
    folder = work / f"simulated-{seed}-{count}"
    if not (folder / _TRUTH).is_file():
        _print(folder, seed, count)
    rows = json.loads((folder / _TRUTH).read_text(encoding="utf-8"))
    heads = [row for row in rows if row["truth"]["ellipse"] is not None]
    return [_sample(read_gray(folder / row["name"]), row["truth"], row["name"]) for row in heads]


def _print(folder: Path, seed: int, count: int) -> None:
    command = [sys.executable, "-m", "edge_agent.simulator", "--out", str(folder), "--count", str(count)]
    command += ["--seed", str(seed), "--lesions", str(LESION_SHARE), "--no-banner"]
    done = subprocess.run(
        [*command, "--truth", str(folder / _TRUTH)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ScannerFailed(f"the virtual scanner failed: {done.stderr.strip()[-300:]}")


def _sample(gray: Gray, truth: dict[str, Any], name: str) -> BrainSample:
    skull = truth["ellipse"]
    head = Ellipse(
        cx=skull["cx"], cy=skull["cy"], a=skull["a"], b=skull["b"], angle_deg=skull["angle_deg"] % 180.0
    )
    shown = truth["finding"]
    if shown == "ventriculomegaly" and truth["atrium_px"] is None:
        # The plane of the cerebellum shows no ventricle: nothing on it is wide.
        shown = "normal"
    return head_sample(gray, head, shown, f"simulated:{name}", "simulated", _evidence(gray, truth, shown))


def _evidence(gray: Gray, truth: dict[str, Any], finding: str) -> Mask | None:
    """Where the finding is seen, bool HxW: the lesion, or the widened atrium; None for a normal head."""
    picture = np.zeros(gray.shape, np.uint8)
    if finding == "other":
        e = truth["lesion"]
        cv2.ellipse(picture, ((e["cx"], e["cy"]), (2 * e["a"], 2 * e["b"]), e["angle_deg"]), 1, -1)
    elif finding == "ventriculomegaly":
        x0, y0, x1, y1 = truth["atrium_px"]
        radius = _ATRIUM_REACH * float(np.hypot(x1 - x0, y1 - y0))
        cv2.circle(picture, (round((x0 + x1) / 2), round((y0 + y1) / 2)), round(radius), 1, -1)
    else:
        return None
    return picture > 0
