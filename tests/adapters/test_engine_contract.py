"""The contract of `cloud.infer.Engine` and `Describes`, run on every implementation."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.infer import DescribingEngine
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.engines.openvino import OpenVinoEngine
from cloud.infer.engines.triton import TritonEngine
from cloud.infer.errors import EngineBusy, InputInvalid, ModelUnknown
from tests.conftest import start_triton
from tests.interop.triton.models import LARGE_SIDE, write_models
from tests.interop.triton.server import TritonServer

Open = Callable[[int], Awaitable[DescribingEngine]]
Repositories = Callable[[int], Path]
pytestmark = pytest.mark.timeout(300)
TOLERANCE = 1e-6
"""Relative; the engines sum the products of a matrix in orders of their own."""


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Repositories:
    """Makes the repository of `write_models` by the length of its models' queue, once."""

    @cache
    def make(queue: int) -> Path:
        return write_models(tmp_path_factory.mktemp("models"), queue=queue)

    return make


@pytest.fixture(scope="module")
def servers(
    repositories: Repositories, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], TritonServer]]:
    """Real Triton servers by the length of their models' queue; each starts once."""
    with ExitStack() as running:

        @cache
        def start(queue: int) -> TritonServer:
            server = start_triton(repositories(queue), tmp_path_factory.mktemp("triton"))
            running.callback(server.stop)
            return server

        yield start


@pytest.fixture(params=["onnx", "openvino", "triton"])
async def open_engine(request: pytest.FixtureRequest, repositories: Repositories) -> AsyncIterator[Open]:
    """Opens the implementation on the models with a queue of the wanted length."""
    engines: list[OnnxEngine | OpenVinoEngine | TritonEngine] = []

    async def open_one(queue: int) -> DescribingEngine:
        engine: OnnxEngine | OpenVinoEngine | TritonEngine
        if request.param == "triton":
            server = request.getfixturevalue("servers")(queue)
            engine = TritonEngine(repositories(queue), server.grpc)
        else:
            kind = {"onnx": OnnxEngine, "openvino": OpenVinoEngine}[request.param]
            engine = kind(repositories(queue), threads=1, queue_limit=queue)
        engines.append(engine)
        await engine.start()
        return engine

    yield open_one
    for engine in engines:
        await engine.close()


def matrix(batch: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """A batch of random 4x4 matrices."""
    return np.random.default_rng(seed).standard_normal((batch, 4, 4)).astype(np.float32)


LARGE = np.ones((1, LARGE_SIDE, LARGE_SIDE), np.float32)


async def test_infer_gives_every_output_by_name(open_engine: Open) -> None:
    """A call answers with the model's outputs, batch first, exactly as the model computes them."""
    engine = await open_engine(20)
    outputs = await engine.infer("triple", {"x": matrix(2)})
    assert set(outputs) == {"y"}
    np.testing.assert_allclose(3 * matrix(2), outputs["y"], rtol=TOLERANCE)


async def test_an_unknown_model_is_named(open_engine: Open) -> None:
    """A model that the repository lacks is ModelUnknown everywhere, and not ready."""
    engine = await open_engine(20)
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
    engine = await open_engine(20)
    first = (await engine.infer("triple", {"x": matrix(seed=1)}))["y"].tobytes()
    await engine.infer("triple", {"x": matrix(seed=2)})
    assert first == (await engine.infer("triple", {"x": matrix(seed=1)}))["y"].tobytes()


async def test_inputs_of_any_memory_layout_are_read_alike(open_engine: Open) -> None:
    """An array that is a strided view gives what its copy gives."""
    engine = await open_engine(20)
    view = matrix().transpose(0, 2, 1)
    strided = await engine.infer("triple", {"x": view})
    copied = await engine.infer("triple", {"x": view.copy()})
    np.testing.assert_array_equal(copied["y"], strided["y"])


async def test_overlapping_calls_get_their_own_answers(open_engine: Open) -> None:
    """Twenty calls at once: each gets the answer to its own input."""
    engine = await open_engine(20)
    answers = await asyncio.gather(*(engine.infer("triple", {"x": matrix(seed=i)}) for i in range(20)))
    for i, answer in enumerate(answers):
        np.testing.assert_allclose(3 * matrix(seed=i), answer["y"], rtol=TOLERANCE)


async def test_a_full_queue_says_how_long_to_wait(open_engine: Open) -> None:
    """Beyond its queue the engine is EngineBusy, with a time to wait, and serves what it had accepted."""
    engine = await open_engine(1)
    calls = (engine.infer("slow", {"x": LARGE}) for _ in range(6))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    busy = [answer for answer in answers if isinstance(answer, EngineBusy)]
    served = [answer["y"] for answer in answers if isinstance(answer, Mapping)]
    assert len(busy) + len(served) == 6
    assert busy
    assert served
    assert all(0 < refusal.after_s < 60 for refusal in busy)
    for output in served:
        np.testing.assert_allclose(LARGE, output, rtol=TOLERANCE)
    assert (await _patiently(engine, "triple"))["y"].shape == (1, 4, 4)


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
    engine = await open_engine(20)
    calls = [asyncio.create_task(engine.infer("slow", {"x": LARGE})) for _ in range(2)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    np.testing.assert_allclose(3 * matrix(), (await _patiently(engine, "triple"))["y"], rtol=TOLERANCE)
    np.testing.assert_allclose(3 * matrix(), (await _patiently(engine, "triple"))["y"], rtol=TOLERANCE)


async def _patiently(engine: DescribingEngine, model: str) -> dict[str, NDArray[np.float32]]:
    while True:
        try:
            return dict(await engine.infer(model, {"x": matrix()}))
        except EngineBusy as busy:
            await asyncio.sleep(busy.after_s)


async def test_describe_gives_version_digest_and_labels(
    open_engine: Open, repositories: Repositories
) -> None:
    """The facts are those of the weights that answer: their version, their SHA-256, their labels in order."""
    engine = await open_engine(1)
    info = engine.describe("triple")
    expected = hashlib.sha256((repositories(1) / "triple" / "1" / "model.onnx").read_bytes()).hexdigest()
    assert (info.name, info.version, info.sha256) == ("triple", "1", expected)
    assert info.labels == ("even", "odd")
    assert info.card == {}
