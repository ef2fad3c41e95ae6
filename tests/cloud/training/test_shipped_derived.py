"""What follows from the shipped models is shipped with them and has not drifted from them.

Where it has: `python -m cloud.training derived --out model_repository`.
"""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import onnx
import pytest

from cloud.infer.engines.repository import card_of
from cloud.training.configs import GPU, gpu_config, int8_config, read_config, to_text
from cloud.training.derived import ENSEMBLE, INT8_CONFIG
from cloud.training.export_canvas import canvas_model
from cloud.training.export_crop import crop_model
from cloud.training.publish import newest_version
from cloud.training.variants import HALF, INT8, LARGEST_HALF_DIFFERENCE
from tests.derived_repository import SHIPPED, TRAINED

GRAPHS = ("fetal_canvas", "fetal_crop")


def _card(folder: Path) -> dict[str, Any]:
    path = card_of(folder, str(newest_version(folder)))
    assert path is not None
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _canvas_hw(name: str) -> tuple[int, int]:
    _, rows, columns = read_config(SHIPPED / name / "config.pbtxt").input[0].dims
    return rows, columns


@pytest.mark.parametrize("name", [*TRAINED, *GRAPHS, ENSEMBLE])
def test_gpu_configurations_follow_from_the_others(name: str) -> None:
    """`configs/gpu.pbtxt` is what the code makes of `config.pbtxt`."""
    config = read_config(SHIPPED / name / "config.pbtxt")
    expected = config if name == ENSEMBLE else gpu_config(config, HALF if name in TRAINED else "model.onnx")
    assert to_text(expected) == (SHIPPED / name / GPU).read_text(encoding="utf-8")


def test_the_graphs_are_those_of_the_shipped_models() -> None:
    """`fetal_canvas` and `fetal_crop` are what the code makes for the shipped models' canvases."""
    head, plane = _canvas_hw("fetal_head_seg"), _canvas_hw("fetal_plane_cls")
    expected = {
        "fetal_canvas": canvas_model({"head_image": head, "plane_image": plane}),
        "fetal_crop": crop_model(head),
    }
    for name, model in expected.items():
        folder = SHIPPED / name
        weights = (folder / str(newest_version(folder)) / "model.onnx").read_bytes()
        assert onnx.load_model_from_string(weights) == model
        assert _card(folder)["sha256"] == sha256(weights).hexdigest()


@pytest.mark.parametrize("name", TRAINED)
def test_halves_cost_next_to_nothing(name: str) -> None:
    """The half-precision form is the card's; on dev it costs at most 0.001 of Dice and one class in fifty."""
    card = _card(SHIPPED / name)
    variant = card["variants"]["fp16"]
    data = (SHIPPED / name / card["version"] / HALF).read_bytes()
    assert sha256(data).hexdigest() == variant["sha256"]
    assert max(variant["largest_difference"].values()) <= LARGEST_HALF_DIFFERENCE
    figures = {row["name"]: row for row in variant.get("metrics", ())}
    if name == "fetal_head_seg":
        dice = figures["Dice, mean"]
        assert dice["value"] == pytest.approx(dice["single_precision"], abs=0.001)
    elif name in ("fetal_plane_cls", "fetal_brain_cls"):
        assert figures["same class as in single precision"]["value"] >= 0.98


def test_eight_bits_are_shipped_only_where_they_cost_little() -> None:
    """Where the head model is shipped in 8 bits, they cost at most 0.002 of Dice on dev; elsewhere nothing of it
    is there."""
    folder = SHIPPED / "fetal_head_seg"
    card = _card(folder)
    variant = card["variants"].get("int8")
    file = folder / card["version"] / INT8
    assert (variant is not None) == file.is_file() == (folder / INT8_CONFIG).is_file()
    if variant is not None:
        assert sha256(file.read_bytes()).hexdigest() == variant["sha256"]
        dice = {row["name"]: row for row in variant["metrics"]}["Dice, mean"]
        assert dice["value"] == pytest.approx(dice["single_precision"], abs=0.002)
        expected = to_text(int8_config(read_config(folder / "config.pbtxt"), INT8))
        assert expected == (folder / INT8_CONFIG).read_text(encoding="utf-8")
