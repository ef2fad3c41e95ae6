"""OpenVINO gives on the shipped models what ONNX Runtime gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from cloud.build import default_model_repository
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.engines.openvino import OpenVinoEngine
from cloud.infer.engines.repository import model_folders, read_model_folder

TOLERANCE = 1e-4
"""Absolute, relative to the largest output where that is above 1."""


async def test_the_shipped_repository_answers_as_with_onnxruntime() -> None:
    """Every shipped folder, unchanged, has the same facts and in single precision the same outputs."""
    repository = default_model_repository()
    usual, other = OnnxEngine(repository, threads=2), OpenVinoEngine(repository, threads=2)
    await usual.start()
    await other.start()
    for path in model_folders(repository):
        folder, random = read_model_folder(path), np.random.default_rng(5)
        assert usual.describe(path.name) == other.describe(path.name)
        inputs: dict[str, Any] = {
            spec.name: random.random((2, *(n if n > 0 else 96 for n in spec.dims)), np.float32).astype(
                spec.dtype
            )
            for spec in folder.inputs
        }
        expected, found = await usual.infer(path.name, inputs), await other.infer(path.name, inputs)
        assert set(expected) == set(found)
        for name, array in expected.items():
            scale = max(1.0, float(np.abs(array).max()))
            np.testing.assert_allclose(array, found[name], rtol=0, atol=TOLERANCE * scale)
    await usual.close()
    await other.close()
