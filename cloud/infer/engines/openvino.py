"""Part of step 11: the embedded engine of Intel processors: OpenVINO, in this process, in single precision."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from cloud.infer.engines.embedded import EmbeddedEngine, Program
from cloud.infer.engines.repository import ModelFolder
from cloud.infer.engines.signature import WeightTensor, check_weights
from cloud.infer.errors import ModelInvalid

_TYPES: dict[str, type[np.generic]] = {
    "boolean": np.bool_,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "f16": np.float16,
    "f32": np.float32,
    "f64": np.float64,
}


class OpenVinoEngine(EmbeddedEngine):
    """See `EmbeddedEngine`; OpenVINO computes.

    In single precision, unless `precision` says otherwise: left to itself it takes "bf16" on processors that
    have it, which is faster and less exact.
    """

    def __init__(
        self,
        repository: Path,
        threads: int,
        *,
        precision: str = "f32",
        queue_limit: int = 64,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        core = ov.Core()

        def open_program(folder: ModelFolder, run_threads: int) -> Program:
            # Runs of one thread each go side by side only in streams of their own.
            streams = threads if run_threads == 1 else 1
            return _open(core, folder, max(run_threads, streams), streams, precision)

        super().__init__(repository, threads, open_program, queue_limit=queue_limit, clock=clock)


def _open(core: ov.Core, folder: ModelFolder, threads: int, streams: int, precision: str) -> Program:
    model = folder.info.name
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        "PERFORMANCE_HINT": "LATENCY",
    }
    # OpenVINO raises plain RuntimeError for all that goes wrong inside it.
    try:
        network = core.read_model(folder.weights)
        check_weights(folder, _tensors(network.inputs), _tensors(network.outputs))
        compiled = core.compile_model(network, "CPU", settings)
    except RuntimeError as exc:
        raise ModelInvalid(model, f"OpenVINO cannot load the weights: {exc}") from exc
    names = [spec.name for spec in folder.outputs]
    requests = threading.local()

    def run(feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        # One request at a time in each: every thread has its own.
        request = getattr(requests, "mine", None)
        if request is None:
            request = requests.mine = compiled.create_infer_request()
        try:
            values = request.infer(dict(feeds), share_inputs=True, share_outputs=False)
        except RuntimeError as exc:
            raise ModelInvalid(model, f"OpenVINO failed to run it: {exc}") from exc
        return {name: values[name] for name in names}

    return run


def _tensors(ports: Any) -> list[WeightTensor]:
    """OpenVINO's description of inputs or outputs."""
    return [
        WeightTensor(
            name=name,
            type_name=port.element_type.get_type_name(),
            dtype=_TYPES.get(port.element_type.get_type_name()),
            dims=tuple(d.get_length() if d.is_static else -1 for d in port.partial_shape),
        )
        for port in ports
        for name in port.names
    ]
