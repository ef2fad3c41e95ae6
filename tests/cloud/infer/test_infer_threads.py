"""How many threads a model uses, and where the engine is, change nothing in a reading."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.infer import DescribingEngine, ModelInfo
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.errors import InputInvalid, ModelInvalid, ModelUnknown
from cloud.infer.pipeline import Reader, ReadResult
from cloud.infer.preprocess import SEGMENT_SIZE_HW

SHIPPED = Path(__file__).parents[3] / "model_repository"
HEAD = (400.0, 260.0, 220.0, 170.0, 30.0)
Draw = Callable[..., NDArray[np.uint8]]
Png = Callable[[NDArray[Any]], bytes]


class EngineElsewhere:
    """An engine that can only be asked and waited for, as one in another process."""

    def __init__(self, engine: OnnxEngine) -> None:
        self._engine = engine
        self.asked: list[str] = []

    async def infer(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        self.asked.append(model)
        return await self._engine.infer(model, inputs)

    async def ready(self, model: str) -> bool:
        return await self._engine.ready(model)

    def describe(self, model: str) -> ModelInfo:
        return self._engine.describe(model)


@pytest.fixture
async def shipped() -> Any:
    """The models that come with the program, with two threads."""
    engine = OnnxEngine(SHIPPED, threads=2)
    await engine.start()
    yield engine
    await engine.close()


def without_times(read: ReadResult) -> tuple[str, Mapping[str, bytes]]:
    """All that a reading says but how long it took."""
    return json.dumps(read.reading.to_json() | {"timings_ms": None}, sort_keys=True), read.pictures


@pytest.mark.parametrize(
    ("model", "name", "hw"),
    [
        ("fetal_head_seg", "image", SEGMENT_SIZE_HW),
        ("fetal_plane_cls", "image", (128, 192)),
        ("fetal_brain_cls", "crop", (224, 224)),
    ],
)
async def test_outputs_do_not_depend_on_the_threads(
    shipped: OnnxEngine, model: str, name: str, hw: tuple[int, int]
) -> None:
    """One thread, several, and a call through the queue give the same outputs."""
    inputs = {name: np.random.default_rng(3).random((1, 1, *hw), np.float32)}
    alone, crowded = (shipped.run(model, inputs, alone=alone) for alone in (True, False))
    waited = await shipped.infer(model, inputs)
    for output, values in alone.items():
        np.testing.assert_allclose(values, crowded[output], rtol=0, atol=1e-6)
        np.testing.assert_allclose(values, waited[output], rtol=0, atol=1e-6)


async def test_reading_does_not_depend_on_the_threads(shipped: OnnxEngine, still: Draw, png: Png) -> None:
    """A still reads the same alone, in a crowd, without spare cores, and with an engine elsewhere."""
    image = png(still(HEAD))
    reader, elsewhere = Reader(shipped), EngineElsewhere(shipped)
    engine: DescribingEngine = elsewhere
    found = [await reader.read(image, "image/png")]
    found += await asyncio.gather(*(reader.read(image, "image/png") for _ in range(3)))
    found.append(await reader.read(image, "image/png", None, None, lambda *_: None, lambda: False))
    found.append(await Reader(engine).read(image, "image/png"))
    assert [without_times(found[0])] * len(found) == [without_times(each) for each in found]
    assert set(elsewhere.asked) >= {"fetal_head_seg", "fetal_plane_cls"}


async def test_pictures_are_given_as_they_are_made(shipped: OnnxEngine, still: Draw, png: Png) -> None:
    """Whoever waits for pictures gets each once, with the bytes of the result."""
    taken: list[tuple[str, bytes]] = []
    reader = Reader(shipped)
    read = await reader.read(
        png(still(HEAD)), "image/png", None, None, lambda name, data: taken.append((name, data))
    )
    assert list(read.pictures.items()) == taken
    assert reader.under_way == 0


async def test_run_refuses_as_infer_does(shipped: OnnxEngine) -> None:
    """An unknown model and wrong inputs are named; after the end no model is known."""
    with pytest.raises(ModelUnknown):
        shipped.run("absent", {}, alone=True)
    with pytest.raises(InputInvalid):
        shipped.run("fetal_head_seg", {}, alone=False)
    await shipped.close()
    with pytest.raises(ModelUnknown):
        shipped.run("fetal_head_seg", {}, alone=True)


async def test_error_of_an_engine_elsewhere_reaches_the_reader(
    shipped: OnnxEngine, still: Draw, png: Png
) -> None:
    """What an engine elsewhere raises is raised by the reading."""

    class Broken(EngineElsewhere):
        async def infer(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
            raise ModelInvalid(model, "broken")

    with pytest.raises(ModelInvalid, match="broken"):
        await Reader(Broken(shipped)).read(png(still(HEAD)), "image/png")
