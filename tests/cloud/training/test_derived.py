"""One command writes all that follows from the trained models, and a second run finds it up to date."""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.engines.repository import card_of, read_model_folder
from cloud.infer.preprocess import letterbox
from cloud.training import derived as module
from cloud.training.card import Table
from cloud.training.configs import GPU, gpu_config, read_config, to_text
from cloud.training.derived import ENSEMBLE, INT8_CONFIG, derive_all, read_trained, write_int8
from cloud.training.publish import newest_version
from cloud.training.variants import HALF, INT8
from tests.derived_repository import READ, SHIPPED, TRAINED, derive_shipped

GRAPHS = ("fetal_canvas", "fetal_crop")

pytestmark = pytest.mark.timeout(300)

FLOAT, HALF_FLOAT = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


@pytest.fixture(scope="module", name="derived")
def _derived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return derive_shipped(tmp_path_factory.mktemp("derived") / "models")


def _card(folder: Path) -> dict[str, Any]:
    path = card_of(folder, str(newest_version(folder)))
    assert path is not None
    return tomllib.loads(path.read_text(encoding="utf-8"))


async def test_the_embedded_engine_serves_the_whole_repository(derived: Path) -> None:
    """Every model and the ensemble load; a still goes in as it is, and each model's answer comes out."""
    engine = OnnxEngine(derived, threads=1)
    await engine.start()
    still = np.random.default_rng(1).integers(0, 256, (1, 1, 123, 210)).astype(np.uint8)
    outputs = await engine.infer(ENSEMBLE, {"still": still})
    folders = {name: read_model_folder(derived / name) for name in (*TRAINED, *GRAPHS)}
    head = folders["fetal_head_seg"].inputs[0].dims
    canvas, _ = letterbox(still[0, 0], (head[1], head[2]))
    alone = await engine.infer("fetal_head_seg", {"image": canvas[np.newaxis, np.newaxis]})
    np.testing.assert_allclose(alone["probability"], outputs["head_probability"], atol=0.05)
    expected = {f"{prefix}_{spec.name}" for prefix, name in READ.items() for spec in folders[name].outputs}
    assert expected | {"crop", "crop_box", "ellipse", "found"} == set(outputs)
    await engine.close()


def test_a_second_run_changes_nothing(derived: Path) -> None:
    """The same models give the same bytes: no file changes and no version is added."""
    before = {path: path.read_bytes() for path in derived.rglob("*") if path.is_file()}
    said: list[str] = []
    derive_all(derived, None, said.append)
    assert before == {path: path.read_bytes() for path in derived.rglob("*") if path.is_file()}
    assert len(TRAINED) + len(GRAPHS) == sum("up to date" in line for line in said)


def test_other_canvases_give_a_new_version(derived: Path, tmp_path: Path) -> None:
    """A graph for other dims is a version of its own; what was there stays as it was."""
    folder = tmp_path / "fetal_crop"
    shutil.copytree(derived / "fetal_crop", folder)
    old = (folder / "1" / "model.onnx").read_bytes()
    module.write_graph(folder, module.crop_model((64, 96)), {}, [].append)
    assert old == (folder / "1" / "model.onnx").read_bytes()
    assert (1, 64, 96) == read_model_folder(folder).inputs[1].dims
    assert read_model_folder(folder).info.version == "2"


def _weight_bytes(model: bytes) -> Counter[int]:
    """Bytes of a graph's weights by their type, but for whole numbers and the exact numbers of novelty."""
    found: Counter[int] = Counter()
    for tensor in onnx.load_model_from_string(model).graph.initializer:
        if tensor.data_type in {FLOAT, HALF_FLOAT} and "novelty" not in tensor.name:
            found[tensor.data_type] += numpy_helper.to_array(tensor).nbytes
    return found


@pytest.mark.parametrize("name", TRAINED)
def test_the_half_precision_form_is_of_the_card(derived: Path, name: str) -> None:
    """The file's digest and size are the card's, its weights take half the room but for the exact numbers of
    novelty, and the rest of the card stays."""
    card = _card(derived / name)
    data = (derived / name / card["version"] / HALF).read_bytes()
    variant = card["variants"]["fp16"]
    assert (HALF, sha256(data).hexdigest(), len(data)) == (
        variant["file"],
        variant["sha256"],
        variant["size_bytes"],
    )
    weights = (derived / name / card["version"] / "model.onnx").read_bytes()
    single, halves = _weight_bytes(weights), _weight_bytes(data)
    assert single == {FLOAT: 2 * halves[HALF_FLOAT]}
    assert halves.keys() == {HALF_FLOAT}
    before = _card(SHIPPED / name)
    assert {**before, "variants": card["variants"]} == card


@pytest.mark.parametrize("name", [*TRAINED, *GRAPHS, ENSEMBLE])
def test_each_model_has_its_gpu_configuration(derived: Path, name: str) -> None:
    """`configs/gpu.pbtxt` is what its `config.pbtxt` gives; a card without metrics still says what it is."""
    config = read_config(derived / name / "config.pbtxt")
    weights = HALF if name in TRAINED else "model.onnx"
    expected = to_text(config if name == ENSEMBLE else gpu_config(config, weights))
    assert expected == (derived / name / GPU).read_text(encoding="utf-8")
    card = _card(derived / name)
    assert card["notice"] == "research use, not for diagnosis"
    assert card["step"].startswith("11 of 13")
    assert card["known_failures"]
    assert card["input"]
    assert card["output"]


@pytest.mark.parametrize(("loss", "kept"), [(0.0019, True), (0.0021, False)])
def test_eight_bits_are_kept_only_where_they_cost_little(tmp_path: Path, loss: float, kept: bool) -> None:
    """8 bits that cost more than 0.002 of Dice on dev leave no trace but what was said."""
    folder = tmp_path / "fetal_head_seg"
    shutil.copytree(SHIPPED / folder.name, folder, ignore=shutil.ignore_patterns("configs", INT8))
    model = read_trained(tmp_path, folder.name)
    said: list[str] = []

    def measure(forms: Sequence[bytes]) -> list[list[Table]]:
        assert model.weights == forms[0]
        return [[{"name": "Dice, mean", "value": value}] for value in (0.98, 0.98 - loss)]

    assert kept == write_int8(model, [model.batch(1)[model.input[0]]], measure, said.append)
    assert kept == bool(list(tmp_path.rglob(INT8)))
    assert kept == (folder / INT8_CONFIG).is_file()
    assert "Dice 0.9800, in 8 bits" in said[0]


def test_a_repository_without_a_model_is_refused(tmp_path: Path) -> None:
    """What is missing is named before anything is written."""
    with pytest.raises(FileNotFoundError, match="fetal_head_seg has no version"):
        derive_all(tmp_path, None, [].append)
    assert [] == list(tmp_path.iterdir())
