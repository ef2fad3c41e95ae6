"""The shipped models are what their cards say, and Triton's own message reads their configurations."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

REPOSITORY = Path(__file__).resolve().parents[3] / "model_repository"
PORTS = {
    "fetal_head_seg": (("image", [1, 192, 288]), {"probability": [1, 192, 288]}, ["head"]),
    "fetal_head_outline": (("band", [1, 48, 192]), {"radius": [96], "spread": [96]}, ["head"]),
    "fetal_plane_cls": (
        ("image", [1, 128, 192]),
        {"logits": [5], "map": [5, 8, 12], "novelty": [1]},
        ["abdomen", "brain", "femur", "thorax", "other"],
    ),
    "fetal_subplane_cls": (
        ("head", [1, 96, 128]),
        {"logits": [3]},
        ["trans-thalamic", "trans-ventricular", "trans-cerebellar"],
    ),
    "fetal_ventricle_seg": (
        ("crop", [1, 224, 224]),
        {"probability": [2, 112, 112]},
        ["ventricle", "midline"],
    ),
    "fetal_brain_cls": (
        ("crop", [1, 224, 224]),
        {"logits": [3], "map": [3, 14, 14], "novelty": [1]},
        ["normal", "ventriculomegaly", "other"],
    ),
}


def _card(name: str) -> dict[str, Any]:
    (file,) = (REPOSITORY / name).rglob("card.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PORTS)
def test_the_card_is_of_these_weights(name: str) -> None:
    """Digest and size of the card are the file's; the file has at most 10 MB, opset 17 and IR at most 10."""
    card = _card(name)
    weights = (REPOSITORY / name / card["version"] / "model.onnx").read_bytes()
    assert card["sha256"] == sha256(weights).hexdigest()
    assert card["size_bytes"] == len(weights) <= 10 * 1024 * 1024
    graph = onnx.load_model_from_string(weights)
    assert graph.ir_version <= 10
    assert [17] == [opset.version for opset in graph.opset_import]


@pytest.mark.parametrize("name", PORTS)
def test_configuration_graph_and_labels_agree(name: str) -> None:
    """The configuration parses strictly and states the agreed tensors; so do graph and labels file."""
    (input_name, input_dims), outputs, labels = PORTS[name]
    text = (REPOSITORY / name / "config.pbtxt").read_text(encoding="utf-8")
    config = text_format.Parse(text, triton.ModelConfig())
    assert config.name == name
    assert [(input_name, input_dims)] == [(port.name, list(port.dims)) for port in config.input]
    assert outputs == {port.name: list(port.dims) for port in config.output}
    assert labels == (REPOSITORY / name / "labels.txt").read_text(encoding="utf-8").split()
    assert labels == _card(name)["labels"]
    session = _session(name)
    assert [["batch", *input_dims]] == [port.shape for port in session.get_inputs()]


@pytest.mark.parametrize("name", PORTS)
def test_the_sample_of_the_card_is_reproduced(name: str) -> None:
    """The card's sample input gives the card's sample output here too."""
    (input_name, dims), outputs, _ = PORTS[name]
    size = int(np.prod(dims))
    ramp = (np.arange(size, dtype=np.float32) / np.float32(size - 1)).reshape(1, *dims)
    found = _session(name).run(list(outputs), {input_name: ramp})
    for port, value in zip(outputs, found, strict=True):
        sample = _card(name)["sample"][port]
        largest = max(1.0, float(np.abs(value).max()))
        assert sample["mean"] == pytest.approx(float(value.mean()), abs=1e-3 * largest)
        assert sample["largest"] == pytest.approx(float(value.max()), abs=1e-3 * largest)


@pytest.mark.parametrize("name", PORTS)
def test_the_card_tells_what_a_card_must(name: str) -> None:
    """Task, data with licence and attribution, split, intervals, baseline, calibration, failures."""
    card = _card(name)
    assert card["notice"] == "research use, not for diagnosis"
    assert card["task"]
    assert card["step"].startswith("11 of 13")
    assert "train only" in card["split"]
    assert all(row["licence"] and row["attribution"] for row in card["data"])
    assert all(row["low_95"] <= row["value"] <= row["high_95"] for row in card["metrics"])
    assert card["known_failures"]
    assert card["baseline"]
    assert card["calibration"]["temperature"] > 0
    if name.endswith("_cls"):
        assert 0 < card["abstain"]["min_probability"] < 1
    if "novelty" in PORTS[name][1]:
        assert card["novelty"]["max"] > 0


@pytest.mark.req("READ-10")
@pytest.mark.parametrize("name", [name for name in PORTS if name != "fetal_subplane_cls"])
def test_the_card_tells_the_derivation(name: str) -> None:
    """Each shipped network has more fully connected layers and other neuron counts than its original; the
    sub-planes' layer in closed form is no network."""
    architecture = _card(name)["architecture"]
    assert architecture["fully_connected_layers"] > architecture["original_fully_connected_layers"]
    assert architecture["widths"] != architecture["original_widths"]
    assert architecture["initial_weights"]


def test_the_brain_card_prints_the_shortcut_beside_the_result() -> None:
    """The brightness shortcut's figures stand in the card of the brain model."""
    names = [row["name"] for row in _card("fetal_brain_cls")["baseline"]["figures"]]
    assert all("shortcut" in name for name in names)
    assert len(names) == 2


def _session(name: str) -> onnxruntime.InferenceSession:
    path = REPOSITORY / name / _card(name)["version"] / "model.onnx"
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
