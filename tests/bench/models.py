"""The limit that the line is measured against: the bare models on the same images, nothing around them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cloud.infer import outline, preprocess
from cloud.infer.annotate import Ellipse
from cloud.infer.pipeline import (
    BRAIN_MODEL,
    OUTLINE_MODEL,
    PLANE_MODEL,
    SEGMENT_MODEL,
    SUBPLANE_MODEL,
    VENTRICLE_MODEL,
)
from cloud.infer.subplane import turned_head

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = ROOT / "model_repository"
THREADS = 2
MODELS = (SEGMENT_MODEL, OUTLINE_MODEL, PLANE_MODEL, SUBPLANE_MODEL, BRAIN_MODEL, VENTRICLE_MODEL)
"""All that a brain still meets."""

Feeds = dict[str, dict[str, NDArray[np.float32]]]
"""Input tensors by model."""


def sessions() -> dict[str, ort.InferenceSession]:
    """ONNX Runtime's own sessions of the newest version of each model, two threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    # The faster of both ways on two cores: spinning threads of three sessions take the cores from each other.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    found = {}
    for name in MODELS:
        newest = max((REPOSITORY / name).glob("*/model.onnx"), key=lambda path: int(path.parent.name))
        found[name] = ort.InferenceSession(newest, options, providers=["CPUExecutionProvider"])
    return found


def feeds(still: Path) -> Feeds:
    """The tensors that a still's reading needs, prepared beforehand."""
    pixels = cv2.imread(str(still), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    gray = preprocess.as_gray(pixels.astype(np.uint8, copy=False))
    canvas, _ = preprocess.segment_input(gray)
    side = min(gray.shape)
    crop = preprocess.enhance(preprocess.cut_crop(gray, preprocess.CropBox(x0=0, y0=0, size_px=side)))
    head = Ellipse(cx=gray.shape[1] / 2, cy=gray.shape[0] / 2, a=side * 0.4, b=side * 0.32, angle_deg=0.0)
    brain = {"crop": preprocess.brain_input(crop)[None].astype(np.float32)}
    return {
        SEGMENT_MODEL: {"image": canvas[None].astype(np.float32)},
        OUTLINE_MODEL: {"band": outline.band(gray, head)[None]},
        PLANE_MODEL: {"image": preprocess.plane_input(gray)[None].astype(np.float32)},
        SUBPLANE_MODEL: {"head": turned_head(gray, head)[None]},
        BRAIN_MODEL: brain,
        VENTRICLE_MODEL: brain,
    }


class Bare:
    """The models on prepared stills."""

    def __init__(self, stills: Sequence[Path]) -> None:
        """Loads the models and warms them up on the first stills."""
        self._loaded = sessions()
        self._feeds = [feeds(still) for still in stills]
        for number in range(min(3, len(stills))):
            self.run_ms(number)

    def run_ms(self, number: int) -> float:
        """Milliseconds that the models take for the still of that number, one model after the other."""
        begin = time.perf_counter()
        for name, session in self._loaded.items():
            session.run(None, self._feeds[number][name])
        return 1000 * (time.perf_counter() - begin)

    def loop_ms(self, rounds: int = 3) -> float:
        """Median milliseconds a still in a loop over all of them."""
        return statistics.median(
            self.run_ms(number) for _ in range(rounds) for number in range(len(self._feeds))
        )
