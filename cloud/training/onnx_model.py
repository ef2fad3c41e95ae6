"""A published model as it will run: its ONNX file, asked for figures in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cloud.infer.preprocess import Plane
from cloud.training.publish import Product, export_onnx

Outputs = dict[str, NDArray[np.float32]]
"""Every output by name; the first axis counts the pictures."""


class OnnxModel:
    """Runs a model of one input on the processor. Equal pictures give equal outputs."""

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        (self._input,) = [tensor.name for tensor in self._session.get_inputs()]
        self._names = [tensor.name for tensor in self._session.get_outputs()]

    def __call__(self, pictures: Sequence[Plane], batch_size: int = 16) -> Outputs:
        """The outputs for pictures float32 HxW, or 1xHxW each; at least one."""
        parts: list[list[NDArray[np.float32]]] = []
        for start in range(0, len(pictures), batch_size):
            batch = np.stack(pictures[start : start + batch_size])
            if batch.ndim == 3:
                batch = batch[:, np.newaxis]
            parts.append(self._session.run(self._names, {self._input: batch}))
        return {
            name: np.concatenate(part)
            for name, part in zip(self._names, zip(*parts, strict=True), strict=True)
        }


def exported(product: Product, work: Path) -> OnnxModel:
    """The product as ONNX in the work folder: what is measured is what will be published."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"{product.name}.onnx"
    export_onnx(product, file)
    return OnnxModel(file)
