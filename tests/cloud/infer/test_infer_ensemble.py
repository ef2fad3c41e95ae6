"""An ensemble runs its models as its configuration connects them; one that leaves a tensor open does not load."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.errors import InputInvalid, ModelInvalid

NAME = "whole"
CONFIG = """
name: "whole" platform: "ensemble" max_batch_size: 4
input [{ name: "given" data_type: TYPE_FP32 dims: [-1] }]
output [{ name: "sum" data_type: TYPE_FP32 dims: [3] }, { name: "twice" data_type: TYPE_FP32 dims: [3] }]
ensemble_scheduling { step [
  { model_name: "add" model_version: -1
    input_map { key: "a" value: "twice" } input_map { key: "b" value: "given" }
    output_map { key: "y" value: "sum" } },
  { model_name: "double" model_version: -1
    input_map { key: "x" value: "given" } output_map { key: "y" value: "twice" } }
] }
"""


def _model(repository: Path, name: str, operator: str, inputs: tuple[str, ...]) -> None:
    ports = [helper.make_tensor_value_info(port, TensorProto.FLOAT, ["n", 3]) for port in inputs]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    operands = [*inputs, inputs[0]][:2]
    graph = helper.make_graph([helper.make_node(operator, operands, ["y"])], name, ports, [output])
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "1" / "model.onnx")
    tensors = " ".join(f'input {{ name: "{port}" data_type: TYPE_FP32 dims: [3] }}' for port in inputs)
    (folder / "config.pbtxt").write_text(
        f'name: "{name}" backend: "onnxruntime" max_batch_size: 4 {tensors} '
        'output { name: "y" data_type: TYPE_FP32 dims: [3] }'
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two models, and an ensemble whose steps stand in another order than they run."""
    folder = tmp_path / "models"
    _model(folder, "add", "Add", ("a", "b"))
    _model(folder, "double", "Add", ("x",))
    (folder / NAME / "1").mkdir(parents=True)
    (folder / NAME / "config.pbtxt").write_text(CONFIG)
    return folder


@pytest.fixture
async def engine(repository: Path) -> AsyncIterator[OnnxEngine]:
    """An engine on the repository."""
    engine = OnnxEngine(repository, threads=1)
    await engine.start()
    yield engine
    await engine.close()


async def test_the_steps_run_in_the_order_of_their_tensors(engine: OnnxEngine) -> None:
    """Each step runs once what it takes is there, and the ensemble gives its own outputs only; on the calling
    thread and on a worker alike."""
    given = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    for outputs in (
        await engine.infer(NAME, {"given": given}),
        engine.run(NAME, {"given": given}, alone=True),
    ):
        assert {"sum", "twice"} == set(outputs)
        np.testing.assert_array_equal(2 * given, outputs["twice"])
        np.testing.assert_array_equal(3 * given, outputs["sum"])
    assert await engine.ready(NAME)
    assert ("1", ()) == (engine.describe(NAME).version, engine.describe(NAME).labels)


async def test_inputs_are_checked_at_each_step(engine: OnnxEngine) -> None:
    """What the ensemble's open dims let pass, a step with fixed ones refuses; so does the ensemble a batch that
    is too large."""
    with pytest.raises(InputInvalid, match="double"):
        await engine.infer(NAME, {"given": np.zeros((1, 4), np.float32)})
    with pytest.raises(InputInvalid, match="holds 1 to 4"):
        await engine.infer(NAME, {"given": np.zeros((5, 3), np.float32)})


async def test_a_snapshot_runs_the_members_that_it_holds(
    engine: OnnxEngine, repository: Path, tmp_path: Path
) -> None:
    """A member exchanged while a snapshot is in use changes the engine's answers, not the snapshot's."""
    other = tmp_path / "other"
    _model(other, "double", "Mul", ("x",))
    before = engine.snapshot()
    engine.serve(await engine.load(other / "double", "1"))
    given = np.full((1, 3), 5, np.float32)
    assert [10] * 3 == before.run(NAME, {"given": given}, alone=True)["twice"][0].tolist()
    assert [25] * 3 == engine.run(NAME, {"given": given}, alone=True)["twice"][0].tolist()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('key: "a" value: "twice"', 'key: "a" value: "sum"', "wait for each other"),
        (
            'key: "a" value: "twice"',
            'key: "a" value: "elsewhere"',
            r"no step gives the tensors \['elsewhere'\]",
        ),
        ('model_name: "add" model_version: -1', 'model_name: "sub" model_version: -1', "'sub' is no model"),
        (
            'model_name: "add" model_version: -1',
            'model_name: "add" model_version: 2',
            "asks for version 2, 1",
        ),
        ('input_map { key: "b" value: "given" }', "", "maps the inputs"),
        ('output_map { key: "y" value: "sum" }', 'output_map { key: "z" value: "sum" }', "maps the outputs"),
        ('output_map { key: "y" value: "sum" }', 'output_map { key: "y" value: "twice" }', "has two sources"),
        ('{ name: "sum" data_type', '{ name: "product" data_type', "gives its output 'product'"),
        ('"sum" data_type: TYPE_FP32', '"sum" data_type: TYPE_INT32', "'sum' among its outputs is int32"),
        (
            '"given" data_type: TYPE_FP32 dims: [-1]',
            '"given" data_type: TYPE_FP32 dims: [4]',
            "'x' of its step",
        ),
        ("max_batch_size: 4", "max_batch_size: 8", "takes batches of 4 only"),
        ('platform: "ensemble"', 'backend: "onnxruntime"', "ensemble_scheduling, both"),
        (
            "input [{",
            'input [{ name: "spare" data_type: TYPE_FP32 dims: [1] }, {',
            r"no step takes its inputs \['spare'\]",
        ),
    ],
)
async def test_a_broken_ensemble_is_refused(repository: Path, old: str, new: str, reason: str) -> None:
    """Every tensor is mapped, once, to one of its type and dims; cycles and unknown steps are named."""
    path = repository / NAME / "config.pbtxt"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ModelInvalid, match=reason):
        await OnnxEngine(repository, threads=1).start()


@pytest.fixture
def digest(repository: Path) -> Callable[[str], None]:
    """Writes a card that names the digest of a variant."""

    def write(sha256: str) -> None:
        (repository / "add" / "1" / "card.toml").write_text(
            f'[variants.fp16]\nfile = "model.fp16.onnx"\nsha256 = "{sha256}"\n'
        )

    return write


async def test_a_variant_is_checked_against_its_own_digest(
    repository: Path, digest: Callable[[str], None]
) -> None:
    """A configuration that names another weights file is held to the card's digest of that file."""
    folder = repository / "add"
    (folder / "1" / "model.onnx").rename(folder / "1" / "model.fp16.onnx")
    with (folder / "config.pbtxt").open("a") as config:
        config.write(' default_model_filename: "model.fp16.onnx"')
    digest("0" * 64)
    with pytest.raises(ModelInvalid, match="the card says 0000"):
        await OnnxEngine(repository, threads=1).start()
