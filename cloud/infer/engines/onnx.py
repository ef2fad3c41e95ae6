"""Part of step 11: the embedded engine of choice: onnxruntime on the processor, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from cloud.infer.engines.embedded import EmbeddedEngine, Program
from cloud.infer.engines.repository import ModelFolder
from cloud.infer.engines.signature import WeightTensor, check_weights
from cloud.infer.errors import ModelInvalid

_QUIET = 3
"""onnxruntime's log level "error": its warnings are about graph details that no operator can change."""

# onnxruntime's errors share no base class of their own.
_RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
_ORT_TYPES: dict[str, type[np.generic]] = {
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}


class OnnxEngine(EmbeddedEngine):
    """See `EmbeddedEngine`; onnxruntime computes."""

    def __init__(
        self,
        repository: Path,
        threads: int,
        *,
        queue_limit: int = 64,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(repository, threads, open_onnx, queue_limit=queue_limit, clock=clock)


def open_onnx(folder: ModelFolder, threads: int) -> Program:
    """See `OpenProgram`: the model in an onnxruntime session of its own."""
    model = folder.info.name
    options = ort.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning workers would take the second core from the other model and from the steps between the models.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(folder.weights, options, providers=["CPUExecutionProvider"])
    except _RUNTIME_ERRORS as exc:
        raise ModelInvalid(model, f"onnxruntime cannot load the weights: {exc}") from exc
    check_weights(folder, _tensors(session.get_inputs()), _tensors(session.get_outputs()))
    names = [spec.name for spec in folder.outputs]

    def run(feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        try:
            values = session.run(names, feeds)
        except _RUNTIME_ERRORS as exc:
            raise ModelInvalid(model, f"onnxruntime failed to run it: {exc}") from exc
        return dict(zip(names, values, strict=True))

    return run


def _tensors(arguments: Any) -> list[WeightTensor]:
    """onnxruntime's description of inputs or outputs; a name instead of a number is a length left open."""
    return [
        WeightTensor(
            name=argument.name,
            type_name=argument.type,
            dtype=_ORT_TYPES.get(argument.type),
            dims=tuple(size if isinstance(size, int) else -1 for size in argument.shape),
        )
        for argument in arguments
    ]
