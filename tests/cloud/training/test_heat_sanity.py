"""The shipped brain model's heat map: it depends on the weights, and points at what the decision rests on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from cloud.build import default_model_repository
from cloud.infer.preprocess import CROP_SIZE_PX, Plane
from cloud.training import brain
from cloud.training.brain import BrainSample
from cloud.training.brain_figures import peaks_inside
from cloud.training.brain_simulated import simulated_heads
from cloud.training.data import FINDINGS
from cloud.training.metrics import softmax
from cloud.training.onnx_model import OnnxModel

SEED = 977
"""No other sample of the virtual scanner is drawn with it."""
PRINTS = 150
OTHER = FINDINGS.index("other")
NORMAL = FINDINGS.index("normal")


def _weights() -> Path:
    versions = sorted(
        (default_model_repository() / "fetal_brain_cls").glob("[0-9]*"), key=lambda p: int(p.name)
    )
    return versions[-1] / "model.onnx"


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> list[BrainSample]:
    """Heads of the virtual scanner with a lesion at a known place."""
    every = simulated_heads(tmp_path_factory.mktemp("scanner"), SEED, PRINTS)
    return [head for head in every if head.label == OTHER]


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    """The shipped weights."""
    return OnnxModel(_weights())


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values.ravel())).astype(np.float64)


def _shuffled(target: Path) -> OnnxModel:
    """The model with the values of every convolution and every layer dealt anew."""
    graph = onnx.load(str(_weights()))
    rng = np.random.default_rng(0)
    for tensor in graph.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim >= 2 and values.dtype == np.float32:
            dealt = rng.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(dealt, tensor.name))
    onnx.save(graph, str(target))
    return OnnxModel(target)


@pytest.mark.slow
@pytest.mark.req("READ-08")
@pytest.mark.req("BEY-07")
def test_random_weights_give_another_map(model: OnnxModel, heads: list[BrainSample], tmp_path: Path) -> None:
    """A map that did not depend on what was learned would be no explanation: rank correlation below 0.3."""
    pictures = brain.inputs(heads[:12])
    own, other = model(pictures)["map"], _shuffled(tmp_path / "dealt.onnx")(pictures)["map"]
    correlations = [
        abs(np.corrcoef(_ranks(a[OTHER]), _ranks(b[OTHER]))[0, 1]) for a, b in zip(own, other, strict=True)
    ]
    assert float(np.mean(correlations)) < 0.3


@pytest.mark.slow
@pytest.mark.req("READ-08")
@pytest.mark.req("BEY-07")
def test_the_peak_lies_inside_the_lesion(model: OnnxModel, heads: list[BrainSample]) -> None:
    """On made-up heads with a lesion, the map of "other" is highest within the lesion far more often than chance.

    A lesion covers about 3 % of a crop; the goal is 80 %, the card states what was reached.
    """
    assert len(heads) >= 25
    assert float(peaks_inside(model(brain.inputs(heads)), heads).mean()) >= 0.8


@pytest.mark.slow
@pytest.mark.req("READ-08")
@pytest.mark.req("BEY-07")
def test_deleting_what_is_marked_lowers_the_score_most(model: OnnxModel, heads: list[BrainSample]) -> None:
    """Blurring the hottest twentieth lowers the score for "abnormal" more than a random part as large."""
    pictures = brain.inputs(heads)
    outputs = model(pictures)
    rng = np.random.default_rng(1)
    marked = [_without(p, _hot(maps[OTHER])) for p, maps in zip(pictures, outputs["map"], strict=True)]
    random = [_without(p, _somewhere(rng)) for p in pictures]
    score = _abnormal(outputs["logits"])
    drop_marked = score - _abnormal(model(marked)["logits"])
    drop_random = score - _abnormal(model(random)["logits"])
    assert float(drop_marked.mean()) > float(drop_random.mean()) + 0.5
    assert float((drop_marked > drop_random).mean()) >= 0.7


def _abnormal(logits: np.ndarray) -> np.ndarray:
    """Log odds of any abnormality."""
    normal = softmax(logits)[:, NORMAL].clip(1e-9, 1 - 1e-9)
    return np.log((1 - normal) / normal)


def _hot(class_map: np.ndarray) -> np.ndarray:
    size = (CROP_SIZE_PX, CROP_SIZE_PX)
    fine = cv2.resize(class_map, size, interpolation=cv2.INTER_LINEAR)
    return fine >= np.quantile(fine, 0.95)


def _somewhere(rng: np.random.Generator) -> np.ndarray:
    """A disc as large as a twentieth of the crop, within the head."""
    mask = np.zeros((CROP_SIZE_PX, CROP_SIZE_PX), np.uint8)
    x, y = (int(v) for v in rng.integers(round(0.3 * CROP_SIZE_PX), round(0.7 * CROP_SIZE_PX), 2))
    cv2.circle(mask, (x, y), round(CROP_SIZE_PX * np.sqrt(0.05 / np.pi)), 1, -1)
    return mask > 0


def _without(picture: Plane, mask: np.ndarray) -> Plane:
    """The picture with a soft-edged part replaced by its blurred surroundings."""
    plain = picture.reshape(CROP_SIZE_PX, CROP_SIZE_PX)
    outside = np.where(mask, 0, 1).astype(np.float32)
    around = cv2.GaussianBlur(plain * outside, (0, 0), 14) / np.maximum(
        cv2.GaussianBlur(outside, (0, 0), 14), 1e-3
    )
    weight = cv2.GaussianBlur(1 - outside, (0, 0), 2)
    return np.asarray(plain * (1 - weight) + around * weight, np.float32)
