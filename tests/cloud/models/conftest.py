"""Versions of the tiny brain model that can be pushed, and a running server to push them to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from cloud.infer.preprocess import SEGMENT_SIZE_HW
from cloud.models.accept import ramp
from cloud.models.client import ModelClient, read_folder
from cloud.training.card import Table, to_toml
from tests.cloud.conftest import _tiny_models

BRAIN = "fetal_brain_cls"
LABELS = ("normal", "ventriculomegaly", "other")
DIMS = (1, 224, 224)


def card_of_weights(
    file: Path, model: str, version: str, input_name: str, dims: tuple[int, ...], outputs: tuple[str, ...]
) -> Table:
    """A complete card of a tiny model, with the sample as it is."""
    weights = file.read_bytes()
    session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
    values = session.run(list(outputs), {input_name: ramp(dims)[None]})
    sample: Table = {"input": f"{input_name}: n-th value, row by row, is n / (count - 1), in float32"}
    for name, value in zip(outputs, values, strict=True):
        sample[name] = {
            "mean": round(float(value.mean()), 5),
            "least": round(float(value.min()), 5),
            "largest": round(float(value.max()), 5),
        }
    return {
        "name": model,
        "version": version,
        "notice": "research use, not for diagnosis",
        "labels": list(LABELS),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "size_bytes": len(weights),
        "task": "a tiny model for tests",
        "step": "11 of 13: infer, classify",
        "split": "none: its answer is constant",
        "known_failures": ["it always answers the same"],
        "calibration": {"temperature": 1.0},
        "abstain": {"min_probability": 0.6},
        "baseline": {"name": "guessing", "value": 0.33},
        "data": [{"name": "none", "licence": "none", "attribution": "none"}],
        "metrics": [{"name": "accuracy", "value": 0.33, "low_95": 0.3, "high_95": 0.4}],
        "sample": sample,
    }


@pytest.fixture
def make_version(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model folder as training leaves it; `change` alters its card before it is written."""

    def make(
        version: str = "2",
        logits: tuple[float, ...] = (6.0, 1.0, 0.0),
        change: Callable[[Table], None] = lambda _: None,
        labels: tuple[str, ...] = LABELS,
        fails_on_images: bool = False,
    ) -> Path:
        repository = tmp_path / f"pushed-{version}-{len(list(tmp_path.iterdir()))}"
        _tiny_models().write_classifier(
            repository, BRAIN, input_name="crop", hw=DIMS[1:], labels=labels, logits=logits
        )
        folder: Path = repository / BRAIN
        if version != "1":
            (folder / "1").rename(folder / version)
        weights = folder / version / "model.onnx"
        if fails_on_images:
            fail_on_images(weights)
        card = card_of_weights(weights, BRAIN, version, "crop", DIMS, ("logits", "map"))
        card["labels"] = list(labels)
        change(card)
        (folder / "card.toml").write_text(to_toml(card))
        return folder

    return make


def fail_on_images(file: Path) -> None:
    """Makes the logits not finite unless the input's last value is its largest, as in a ramp, or all are equal."""
    model = onnx.load(str(file))
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["sound" if name == "logits" else name for name in node.output]
    last = [-1]
    graph.initializer.append(numpy_helper.from_array(np.array(last, np.int64), "last"))
    graph.initializer.append(
        numpy_helper.from_array(np.array([-1, DIMS[1] * DIMS[2]], np.int64), "flat_shape")
    )
    graph.node.extend(
        [
            helper.make_node("Reshape", ["crop", "flat_shape"], ["pixels"]),
            helper.make_node("ReduceMax", ["pixels"], ["largest"], axes=[1], keepdims=1),
            helper.make_node("Gather", ["pixels", "last"], ["final"], axis=1),
            helper.make_node("Sub", ["largest", "final"], ["below"]),
            helper.make_node("Sign", ["below"], ["is_image"]),
            helper.make_node("Sub", ["is_image", "is_image"], ["nil"]),
            helper.make_node("Equal", ["is_image", "nil"], ["is_sound"]),
            helper.make_node("Cast", ["is_sound"], ["divisor"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["sound", "divisor"], ["logits"]),
        ]
    )
    onnx.save(model, str(file))


@pytest.fixture
def make_segmenter(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a version of the tiny head model with the weights of the site's."""

    def make(version: str) -> Path:
        repository = tmp_path / f"pushed-head-{version}"
        _tiny_models().write_segmenter(repository, 40.0, 0.5)
        folder: Path = repository / "fetal_head_seg"
        (folder / "1").rename(folder / version)
        weights = folder / version / "model.onnx"
        card = card_of_weights(
            weights, folder.name, version, "image", (1, *SEGMENT_SIZE_HW), ("probability",)
        )
        card["labels"] = ["head"]
        (folder / "card.toml").write_text(to_toml(card))
        return folder

    return make


class Admin:
    """An administrator of a running server; each method is a call off the event loop."""

    def __init__(self, server: str) -> None:
        self.client = ModelClient(server, None)

    async def push(self, folder: Path, version: str | None = None) -> Any:
        return await asyncio.to_thread(self.client.push, read_folder(folder, version), lambda _: None)

    async def promote(self, version: str, model: str = BRAIN) -> Any:
        return await asyncio.to_thread(self.client.promote, model, version)

    async def roll_back(self, from_version: str, model: str = BRAIN) -> Any:
        return await asyncio.to_thread(self.client.roll_back, model, from_version)

    async def shadow(self, version: str, model: str = BRAIN) -> Any:
        return await asyncio.to_thread(self.client.set_shadow, model, version)

    async def show(self, model: str = BRAIN) -> Any:
        return await asyncio.to_thread(self.client.show, model)

    async def list(self) -> Any:
        return await asyncio.to_thread(self.client.list)


@pytest.fixture
async def reading(serve: Any, reading_config: Any) -> AsyncIterator[Any]:
    """A server that reads images with the tiny models."""
    async with serve(reading_config) as started:
        yield started


@pytest.fixture
def admin(reading: Any) -> Iterator[Admin]:
    """Its administrator, on loopback."""
    made = Admin(reading.endpoints.grpc)
    yield made
    made.client.__exit__()


@pytest.fixture
def admin_of() -> Callable[[Any], Admin]:
    """The administrator of another server."""
    return lambda running: Admin(running.endpoints.grpc)
