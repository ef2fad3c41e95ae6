"""An embedded engine exchanges versions while it serves; what has begun keeps the versions that it began with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.errors import ModelInvalid
from cloud.infer.pipeline import Reader

BRAIN = "fetal_brain_cls"
CROP = np.zeros((1, 1, 224, 224), np.float32)


@pytest.fixture
async def engine(tiny_repository: Path, tmp_path: Path, answers: Any) -> AsyncIterator[OnnxEngine]:
    """Serves version 1 of the tiny models; version 2 of the brain model, which says "normal", lies there too."""
    from tests.cloud.infer.conftest import write_repository

    other = write_repository(tmp_path / "other", answers(brain_logits=(6.0, 1.0, 0.0)))
    (other / BRAIN / "1").rename(tiny_repository / BRAIN / "2")
    started = OnnxEngine(tiny_repository, threads=2)
    await started.start({BRAIN: "1"})
    yield started
    await started.close()


async def _best(engine: Any) -> int:
    outputs = await engine.infer(BRAIN, {"crop": CROP})
    assert np.array_equal(outputs["logits"], engine.run(BRAIN, {"crop": CROP}, alone=False)["logits"])
    return int(outputs["logits"].argmax())


async def test_the_named_version_is_started(engine: OnnxEngine) -> None:
    """`start` takes the version that it is told, not the highest."""
    assert (engine.describe(BRAIN).version, await _best(engine)) == ("1", 1)


async def test_a_loaded_version_answers_once_it_serves(engine: OnnxEngine, tiny_repository: Path) -> None:
    """Loading changes nothing; serving changes the answer, the facts, and nothing of the other models."""
    loaded = await engine.load(tiny_repository / BRAIN, "2")
    assert (engine.describe(BRAIN).version, await _best(engine)) == ("1", 1)
    others = {model: engine.describe(model) for model in ("fetal_head_seg", "fetal_plane_cls")}
    engine.serve(loaded)
    assert (engine.describe(BRAIN).version, await _best(engine)) == ("2", 0)
    assert engine.describe(BRAIN) == loaded.info
    assert others == {model: engine.describe(model) for model in others}


async def test_a_snapshot_keeps_its_versions(engine: OnnxEngine, tiny_repository: Path) -> None:
    """What took a snapshot before an exchange gets answers and facts of the version of then, to its end."""
    before = engine.snapshot()
    loaded = await engine.load(tiny_repository / BRAIN, "2")
    beside = engine.beside(loaded)
    assert (beside.describe(BRAIN).version, await _best(beside)) == ("2", 0)
    engine.serve(loaded)
    assert (before.describe(BRAIN).version, await _best(before)) == ("1", 1)
    assert await before.ready(BRAIN)
    assert engine.snapshot().describe(BRAIN).version == "2"


async def test_a_version_that_cannot_serve_is_not_loaded(engine: OnnxEngine, tiny_repository: Path) -> None:
    """Loading what is absent or damaged is ModelInvalid, and the live version goes on."""
    with pytest.raises(ModelInvalid, match=r"version 3 has no model\.onnx"):
        await engine.load(tiny_repository / BRAIN, "3")
    (tiny_repository / BRAIN / "2" / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ModelInvalid, match="cannot load"):
        await engine.load(tiny_repository / BRAIN, "2")
    assert await _best(engine) == 1


async def test_a_reading_has_one_version_of_each_model(
    engine: OnnxEngine, tiny_repository: Path, still: Any, png: Any
) -> None:
    """A model that is exchanged between two steps of a reading takes part in it in its old version, and the
    reading names that one."""
    loaded = await engine.load(tiny_repository / BRAIN, "2")
    reader = Reader(engine)

    def exchange(name: str, _: bytes) -> None:
        # The mask is made before the brain model runs.
        if name == "mask.png":
            engine.serve(loaded)

    image = png(still((400, 270, 200, 150, 20)))
    found = (await reader.read(image, "image/png", take_picture=exchange)).reading
    assert (found.finding, found.models[BRAIN].version) == ("ventriculomegaly", "1")
    after = (await reader.read(image, "image/png")).reading
    assert (after.finding, after.models[BRAIN].version) == ("normal", "2")
    assert after.models[BRAIN].sha256 == loaded.info.sha256
