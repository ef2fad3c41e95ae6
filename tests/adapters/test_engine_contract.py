"""The contract of `cloud.infer.Engine` and `Describes`, run on every implementation."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cloud.infer import DescribingEngine
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.errors import EngineBusy, InputInvalid, ModelUnknown

Open = Callable[[int], Awaitable[DescribingEngine]]
SIDE = 768


def _save(folder: Path, name: str, nodes: list[onnx.NodeProto], side: int, weight: float) -> bytes:
    dims: list[str | int | None] = ["N", side, side]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, dims)],
        [numpy_helper.from_array(np.eye(side, dtype=np.float32) * weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    weights: bytes = model.SerializeToString()
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "1" / "model.onnx").write_bytes(weights)
    (folder / name / "config.pbtxt").write_text(
        f"""name: "{name}"
backend: "onnxruntime"
max_batch_size: 3
input {{ name: "x" data_type: TYPE_FP32 dims: [{side}, {side}] }}
output {{ name: "y" data_type: TYPE_FP32 dims: [{side}, {side}] label_filename: "labels.txt" }}
parameters {{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}
"""
    )
    (folder / name / "labels.txt").write_text("even\nodd\n")
    return weights


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """`triple` multiplies 4x4 matrices by three; `slow` multiplies large ones by one, twenty times over."""
    folder = tmp_path / "models"
    _save(folder, "triple", [helper.make_node("MatMul", ["x", "w"], ["y"])], 4, 3.0)
    names = ["x", *(f"h{i}" for i in range(19)), "y"]
    chain = [helper.make_node("MatMul", [a, "w"], [b]) for a, b in pairwise(names)]
    _save(folder, "slow", chain, SIDE, 1.0)
    return folder


@pytest.fixture(params=["onnx"])
async def open_engine(request: pytest.FixtureRequest, repository: Path) -> AsyncIterator[Open]:
    """Opens the implementation on the repository with a queue of the wanted length."""
    engines: list[OnnxEngine] = []

    async def open_onnx(queue_limit: int) -> DescribingEngine:
        engine = OnnxEngine(repository, threads=1, queue_limit=queue_limit)
        engines.append(engine)
        await engine.start()
        return engine

    yield {"onnx": open_onnx}[request.param]
    for engine in engines:
        await engine.close()


def matrix(batch: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """A batch of random 4x4 matrices."""
    return np.random.default_rng(seed).standard_normal((batch, 4, 4)).astype(np.float32)


LARGE = np.ones((1, SIDE, SIDE), np.float32)


async def test_infer_gives_every_output_by_name(open_engine: Open) -> None:
    """A call answers with the model's outputs, batch first, exactly as the model computes them."""
    engine = await open_engine(8)
    outputs = await engine.infer("triple", {"x": matrix(2)})
    assert set(outputs) == {"y"}
    np.testing.assert_allclose(3 * matrix(2), outputs["y"], rtol=1e-6)


async def test_an_unknown_model_is_named(open_engine: Open) -> None:
    """A model that the repository lacks is ModelUnknown everywhere, and not ready."""
    engine = await open_engine(8)
    with pytest.raises(ModelUnknown, match="absent"):
        await engine.infer("absent", {"x": matrix()})
    with pytest.raises(ModelUnknown, match="absent"):
        engine.describe("absent")
    assert await engine.ready("absent") is False
    assert await engine.ready("triple") is True


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": matrix().astype(np.float64)}, "must be float32, not float64"),
        ({"x": np.zeros((1, 4, 5), np.float32)}, r"must have the dims \(4, 4\), not \(4, 5\)"),
        ({"x": np.zeros((4, 4), np.float32)}, r"must have the dims"),
        ({"x": np.float32(1)}, "must have the dims"),
        ({"z": matrix()}, r"takes the inputs \['x'\], not \['z'\]"),
        ({"x": matrix(), "z": matrix()}, "takes the inputs"),
        ({}, "takes the inputs"),
        ({"x": matrix(4)}, "holds 1 to 3, not 4"),
        ({"x": np.zeros((0, 4, 4), np.float32)}, "holds 1 to 3, not 0"),
    ],
)
async def test_inputs_that_break_the_signature_are_refused(
    open_engine: Open, inputs: dict[str, NDArray[np.generic]], message: str
) -> None:
    """A wrong name, dtype, shape or batch size is InputInvalid, says what it must be, and leaves the engine
    usable."""
    engine = await open_engine(1)
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    with pytest.raises(InputInvalid, match=message):
        await engine.infer("triple", arrays)
    assert (await engine.infer("triple", {"x": matrix(3)}))["y"].shape == (3, 4, 4)


async def test_calls_keep_no_state(open_engine: Open) -> None:
    """Equal inputs give equal bytes, whatever ran in between."""
    engine = await open_engine(8)
    first = (await engine.infer("triple", {"x": matrix(seed=1)}))["y"].tobytes()
    await engine.infer("triple", {"x": matrix(seed=2)})
    assert first == (await engine.infer("triple", {"x": matrix(seed=1)}))["y"].tobytes()


async def test_inputs_of_any_memory_layout_are_read_alike(open_engine: Open) -> None:
    """An array that is a strided view gives what its copy gives."""
    engine = await open_engine(8)
    view = matrix().transpose(0, 2, 1)
    strided = await engine.infer("triple", {"x": view})
    copied = await engine.infer("triple", {"x": view.copy()})
    np.testing.assert_array_equal(copied["y"], strided["y"])


async def test_overlapping_calls_get_their_own_answers(open_engine: Open) -> None:
    """Twenty calls at once: each gets the answer to its own input."""
    engine = await open_engine(20)
    answers = await asyncio.gather(*(engine.infer("triple", {"x": matrix(seed=i)}) for i in range(20)))
    for i, answer in enumerate(answers):
        np.testing.assert_allclose(3 * matrix(seed=i), answer["y"], rtol=1e-6)


async def test_a_full_queue_says_how_long_to_wait(open_engine: Open) -> None:
    """Beyond its queue the engine is EngineBusy at once, with a time to wait, and serves what it had
    accepted."""
    engine = await open_engine(1)
    running = asyncio.create_task(engine.infer("slow", {"x": LARGE}))
    await asyncio.sleep(0)
    with pytest.raises(EngineBusy) as busy:
        await engine.infer("triple", {"x": matrix()})
    assert 0 < busy.value.after_s < 60
    np.testing.assert_array_equal(LARGE, (await running)["y"])
    assert (await engine.infer("triple", {"x": matrix()}))["y"].shape == (1, 4, 4)


async def test_the_event_loop_stays_free_while_a_model_runs(open_engine: Open) -> None:
    """Other tasks go on during a long run."""
    engine = await open_engine(1)
    running = asyncio.create_task(engine.infer("slow", {"x": LARGE}))
    turns = 0
    while not running.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10


async def test_a_cancelled_call_leaves_the_engine_usable(open_engine: Open) -> None:
    """A cancelled call, running or waiting, gives its place back once it has ended."""
    engine = await open_engine(2)
    calls = [asyncio.create_task(engine.infer("slow", {"x": LARGE})) for _ in range(2)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    np.testing.assert_allclose(3 * matrix(), (await _patiently(engine, "triple"))["y"], rtol=1e-6)
    np.testing.assert_allclose(3 * matrix(), (await _patiently(engine, "triple"))["y"], rtol=1e-6)


async def _patiently(engine: DescribingEngine, model: str) -> dict[str, NDArray[np.float32]]:
    while True:
        try:
            return dict(await engine.infer(model, {"x": matrix()}))
        except EngineBusy as busy:
            await asyncio.sleep(busy.after_s)


async def test_describe_gives_version_digest_and_labels(open_engine: Open, repository: Path) -> None:
    """The facts are those of the weights that answer: their version, their SHA-256, their labels in order."""
    engine = await open_engine(1)
    info = engine.describe("triple")
    expected = hashlib.sha256((repository / "triple" / "1" / "model.onnx").read_bytes()).hexdigest()
    assert (info.name, info.version, info.sha256) == ("triple", "1", expected)
    assert info.labels == ("even", "odd")
    assert info.card == {}
