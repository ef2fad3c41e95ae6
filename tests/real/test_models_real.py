"""The shipped weights on real images that none of them was trained on (the dev split)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from cloud.infer.preprocess import brain_input, plane_input, segment_input
from cloud.training.brain import crop_of, load_labelled
from cloud.training.data import PLANES, head_frames, plane_frames
from cloud.training.segmentation import score
from edge_agent.ferns import Ferns, top

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def _session(name: str) -> onnxruntime.InferenceSession:
    (path,) = (ROOT / "model_repository" / name).glob("*/model.onnx")
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _logits(session: onnxruntime.InferenceSession, inputs: Sequence[np.ndarray]) -> np.ndarray:
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(["logits"], {name: value[np.newaxis]})[0] for value in inputs])


@pytest.mark.req("READ-05")
def test_heads_are_outlined(data: Path) -> None:
    """Mean Dice of the fitted ellipses over all dev heads is at least 0.97 at full resolution."""
    session = _session("fetal_head_seg")
    scores = []
    for frame in head_frames(data, "dev"):
        (probability,) = session.run(["probability"], {"image": segment_input(frame.gray)[0][np.newaxis]})
        scores.append(score(frame, probability[0, 0]))
    assert len(scores) == 103
    assert np.mean([found.dice for found in scores]) >= 0.97
    assert np.mean([abs(found.circumference_error_mm) for found in scores]) <= 4


def test_planes_are_told_apart(data: Path) -> None:
    """Accuracy over the four planes of dev is at least 0.96, and hc18 heads are brains in at least 97 %."""
    session = _session("fetal_plane_cls")
    frames = list(plane_frames(data, "dev"))
    read = _logits(session, [plane_input(frame.gray) for frame in frames]).argmax(axis=1)
    truth = [PLANES.index(frame.plane) for frame in frames]
    assert np.mean(read == truth) >= 0.96
    heads = _logits(session, [plane_input(frame.gray) for frame in head_frames(data, "dev")]).argmax(axis=1)
    assert np.mean(heads == PLANES.index("brain")) >= 0.97


@pytest.mark.req("READ-08")
def test_deleting_what_the_map_marks_lowers_the_score(data: Path) -> None:
    """Blanking the strongest tenth of a plane's map costs its logit more than blanking the weakest tenth."""
    session = _session("fetal_plane_cls")
    losses: list[tuple[float, float]] = []
    for frame in list(plane_frames(data, "dev"))[::4]:
        image = plane_input(frame.gray)
        logits, maps = session.run(["logits", "map"], {"image": image[np.newaxis]})
        label = int(logits[0].argmax())
        spread = np.kron(maps[0, label], np.ones((16, 16), np.float32))
        order = np.argsort(spread[image[0] > 0])
        rows, columns = np.nonzero(image[0] > 0)
        tenth = len(order) // 10
        scores = []
        for chosen in (order[-tenth:], order[:tenth]):
            blank = image.copy()
            blank[0, rows[chosen], columns[chosen]] = float(np.median(image[0][image[0] > 0]))
            scores.append(float(session.run(["logits"], {"image": blank[np.newaxis]})[0][0, label]))
        losses.append((float(logits[0, label]) - scores[0], float(logits[0, label]) - scores[1]))
    strongest, weakest = np.mean(losses, axis=0)
    assert strongest > weakest
    assert strongest > 0


@pytest.mark.req("READ-07")
def test_the_brain_model_answers_on_real_crops(data: Path) -> None:
    """Every dev crop gets finite logits that differ between crops; no quality is claimed or asked."""
    logits = _logits(
        _session("fetal_brain_cls"), [brain_input(crop_of(s)) for s in load_labelled(data, "dev")]
    )
    assert logits.shape == (60, 3)
    assert np.isfinite(logits).all()
    assert logits.std(axis=0).min() > 0.05


@pytest.mark.req("TX-04")
def test_captured_images_are_sorted(data: Path) -> None:
    """The ferns sort at least three quarters of the dev planes rightly."""
    ferns = Ferns.load(ROOT / "edge_agent" / "models" / "capture_type" / "ferns.npz")
    frames = list(plane_frames(data, "dev"))
    right = [top(ferns.probabilities(frame.gray), 0.0) == frame.plane for frame in frames]
    assert np.mean(right) >= 0.75
