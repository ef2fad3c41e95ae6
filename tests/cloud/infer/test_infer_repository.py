"""Model folders are read strictly: what is not as it must be is refused with its reason before anything
serves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.engines.repository import read_model_folder
from cloud.infer.errors import ModelInvalid

MODEL = "fetal_brain_cls"


@pytest.fixture
def folder(tiny_repository: Path) -> Path:
    """The folder of one sound tiny classifier."""
    return tiny_repository / MODEL


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str], None]:
    """Replaces text in the folder's configuration; the text must be there."""

    def replace(old: str, new: str) -> None:
        path = folder / "config.pbtxt"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return replace


def test_a_sound_folder_gives_its_facts(folder: Path) -> None:
    """Signature, batch limit, threads and labels are those of the configuration."""
    model = read_model_folder(folder)
    assert (model.info.name, model.info.version) == (MODEL, "1")
    assert model.info.labels == ("normal", "ventriculomegaly", "other")
    assert [(spec.name, spec.dims) for spec in model.inputs] == [("crop", (1, 224, 224))]
    assert [(spec.name, spec.dims) for spec in model.outputs] == [("logits", (3,)), ("map", (3, 14, 14))]
    assert (model.max_batch_size, model.intra_op_threads) == (4, 1)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("max_batch_size: 4", "max_batch_size: 4 max_batchsize: 3", "does not parse"),
        ("max_batch_size: 4", "max_batch_size: -1", "must not be negative"),
        (f'name: "{MODEL}"', 'name: "elsewhere"', "names the model 'elsewhere'"),
        ('backend: "onnxruntime"', 'backend: "python"', "is not onnxruntime"),
        ('backend: "onnxruntime"', 'platform: "ensemble" ensemble_scheduling { }', "ensemble"),
        ('name: "crop" data_type: TYPE_FP32', 'name: "crop" data_type: TYPE_STRING', "TYPE_STRING"),
        ("dims: [1, 224, 224]", "dims: [1, 0, 224]", "impossible dims"),
        ("dims: [1, 224, 224]", "dims: [1, 224, 224] reshape { shape: [224] }", "reshape"),
        ('string_value: "1"', 'string_value: "many"', "not a whole number"),
        ('label_filename: "labels.txt"', 'label_filename: "absent.txt"', "is missing"),
        (
            "max_batch_size: 4",
            "max_batch_size: 4 version_policy { latest { num_versions: 0 } }",
            "no version",
        ),
        ("max_batch_size: 4", "max_batch_size: 4 version_policy { specific { versions: [7] } }", r"\[7\]"),
        ("max_batch_size: 4", 'max_batch_size: 4 default_model_filename: "net.onnx"', "has no net.onnx"),
    ],
)
def test_a_broken_configuration_is_refused(
    folder: Path, edit: Callable[[str, str], None], old: str, new: str, reason: str
) -> None:
    """Each broken rule is ModelInvalid and is named."""
    edit(old, new)
    with pytest.raises(ModelInvalid, match=reason):
        read_model_folder(folder)


@pytest.mark.parametrize("name", ["config.pbtxt", "1/model.onnx"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    """A folder without its configuration or its weights is ModelInvalid."""
    (folder / name).unlink()
    with pytest.raises(ModelInvalid, match=Path(name).name):
        read_model_folder(folder)


@pytest.mark.parametrize(
    ("policy", "version"),
    [
        ("", "10"),
        ("version_policy { latest { num_versions: 1 } }", "10"),
        ("version_policy { latest { num_versions: 2 } }", "10"),
        ("version_policy { all { } }", "10"),
        ("version_policy { specific { versions: [1, 9] } }", "9"),
    ],
)
def test_the_highest_available_version_serves(
    folder: Path, edit: Callable[[str, str], None], policy: str, version: str
) -> None:
    """Versions are compared as numbers, the policy says which are available, other folders are no
    versions."""
    for other in ("9", "10", "011", "draft"):
        (folder / other).mkdir()
        (folder / other / "model.onnx").write_bytes((folder / "1" / "model.onnx").read_bytes())
    edit("max_batch_size: 4", f"max_batch_size: 4 {policy}")
    assert read_model_folder(folder).info.version == version


def test_weights_that_are_not_the_cards_are_refused(folder: Path) -> None:
    """The card's SHA-256 is compared with the weights that would serve."""
    (folder / "card.toml").write_text(f'sha256 = "{"0" * 64}"\n')
    with pytest.raises(ModelInvalid, match="the card says 000"):
        read_model_folder(folder)


def test_a_card_that_does_not_parse_is_refused(folder: Path) -> None:
    """A damaged card is an error, not an absent card."""
    (folder / "card.toml").write_text("sha256 = \n")
    with pytest.raises(ModelInvalid, match=r"card\.toml does not parse"):
        read_model_folder(folder)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('name: "crop"', 'name: "picture"', "says otherwise"),
        ('name: "map"', 'name: "atlas"', "no tensor 'atlas'"),
        ("dims: [3, 14, 14]", "dims: [3, 7, 7]", "dims"),
        ('name: "crop" data_type: TYPE_FP32', 'name: "crop" data_type: TYPE_FP16', "not float16"),
    ],
)
async def test_weights_and_configuration_must_agree(
    tiny_repository: Path, edit: Callable[[str, str], None], old: str, new: str, reason: str
) -> None:
    """An engine does not start on weights whose tensors are not the configured ones."""
    edit(old, new)
    engine = OnnxEngine(tiny_repository, threads=1)
    with pytest.raises(ModelInvalid, match=reason):
        await engine.start()
    assert await engine.ready("fetal_plane_cls") is False


async def test_damaged_weights_are_refused_at_the_start(tiny_repository: Path, folder: Path) -> None:
    """What onnxruntime cannot load is ModelInvalid, with the model's name."""
    (folder / "1" / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelInvalid, match=f"{MODEL}.*cannot load"):
        await OnnxEngine(tiny_repository, threads=1).start()


async def test_a_repository_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    """A wrong path is an error, not an empty repository."""
    with pytest.raises(ModelInvalid, match="not a folder"):
        await OnnxEngine(tmp_path / "absent", threads=1).start()


async def test_after_close_nothing_serves(tiny_repository: Path) -> None:
    """A closed engine knows no model; closing again changes nothing."""
    engine = OnnxEngine(tiny_repository, threads=1)
    await engine.start()
    assert await engine.ready(MODEL) is True
    await engine.close()
    await engine.close()
    assert await engine.ready(MODEL) is False
