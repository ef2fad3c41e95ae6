"""Part of step 11: the embedded engine: onnxruntime on the processor, in this process, on a Triton model
repository."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from cloud.infer import DescribingEngine, ModelInfo, RunsHere
from cloud.infer.engines.repository import ModelFolder, TensorSpec, model_folders, read_model_folder
from cloud.infer.errors import EngineBusy, InputInvalid, ModelInvalid, ModelUnknown

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
_ORT_TYPES = {
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A model that is ready to run."""

    folder: ModelFolder
    """Its checked folder."""
    wide: Any
    """Its onnxruntime session of several threads, for a run that is alone; safe to run from several threads."""
    narrow: Any
    """Its session of one thread, for runs at the same time; the same session where one thread is the limit."""
    output_names: list[str]
    """The outputs to ask for, in the configuration's order."""


class OnnxEngine:
    """Serves every model of a Triton repository; loads and warms them up in `start`, then never touches the
    disk.

    `infer` holds at most `queue_limit` calls, running and waiting, and answers `EngineBusy` beyond; its runs
    happen in `threads` worker threads, so the event loop stays free. A run that is alone uses the
    configuration's `intra_op_thread_count` threads, at most `threads`; runs at the same time use one each:
    several threads within each of them would fight for the same cores. The outputs are the same.
    """

    def __init__(
        self,
        repository: Path,
        threads: int,
        *,
        queue_limit: int = 64,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if threads < 1 or queue_limit < 1:
            raise ValueError("an engine needs at least one thread and one place in its queue")
        self._repository = repository
        self._threads = threads
        self._queue_limit = queue_limit
        self._clock = clock
        self._loaded: dict[str, _Loaded] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._admitted = 0
        self._mean_run_s = 0.05

    async def start(self) -> None:
        """Loads every model and runs each once. Raises ModelInvalid for the first that cannot serve; none
        serves then."""
        loaded = await asyncio.to_thread(self._load_all)
        self._pool = ThreadPoolExecutor(max_workers=self._threads, thread_name_prefix="infer")
        self._loaded = loaded

    async def close(self) -> None:
        """Stops serving; returns when the calls of `infer` under way have ended, while a `run` under way ends on
        its caller's thread. A repeat changes nothing."""
        self._loaded = {}
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    async def infer(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """See `Engine.infer`."""
        loaded, pool = self._loaded.get(model), self._pool
        if loaded is None or pool is None:
            raise ModelUnknown(model)
        feeds = _checked(loaded.folder, inputs)
        self._admit()
        future = pool.submit(self._timed_run, loaded, feeds)
        # Released when the run ends, not when the caller stops waiting: a cancelled call may still be
        # running.
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def run(
        self, model: str, inputs: Mapping[str, NDArray[Any]], *, alone: bool
    ) -> Mapping[str, NDArray[Any]]:
        """See `RunsHere.run`."""
        loaded = self._loaded.get(model)
        if loaded is None:
            raise ModelUnknown(model)
        feeds = _checked(loaded.folder, inputs)
        return _outputs(loaded, loaded.wide if alone else loaded.narrow, feeds)

    async def ready(self, model: str) -> bool:
        """See `Engine.ready`."""
        return model in self._loaded

    def describe(self, model: str) -> ModelInfo:
        """See `Describes.describe`."""
        loaded = self._loaded.get(model)
        if loaded is None:
            raise ModelUnknown(model)
        return loaded.folder.info

    def _load_all(self) -> dict[str, _Loaded]:
        return {folder.name: self._load(folder) for folder in model_folders(self._repository)}

    def _load(self, path: Path) -> _Loaded:
        folder = read_model_folder(path)
        threads = min(folder.intra_op_threads or self._threads, self._threads)
        narrow = _open_session(folder, 1)
        wide = _open_session(folder, threads) if threads > 1 else narrow
        loaded = _Loaded(
            folder=folder, wide=wide, narrow=narrow, output_names=[t.name for t in folder.outputs]
        )
        for session in {id(wide): wide, id(narrow): narrow}.values():
            _warm_up(loaded, session)
        return loaded

    def _admit(self) -> None:
        with self._lock:
            if self._admitted >= self._queue_limit:
                raise EngineBusy(self._admitted * self._mean_run_s / self._threads)
            self._admitted += 1

    def _release(self, _: Future[Mapping[str, NDArray[Any]]]) -> None:
        with self._lock:
            self._admitted -= 1

    def _timed_run(self, loaded: _Loaded, feeds: dict[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        began = self._clock()
        outputs = _outputs(loaded, loaded.wide if self._admitted == 1 else loaded.narrow, feeds)
        with self._lock:
            self._mean_run_s += 0.1 * (self._clock() - began - self._mean_run_s)
        return outputs


def _open_session(folder: ModelFolder, threads: int) -> Any:
    """A session that runs the model with so many threads. Raises ModelInvalid for weights that cannot serve."""
    options = ort.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning workers would take the second core from the other model and from the steps between the models.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(folder.weights, options, providers=["CPUExecutionProvider"])
    except _RUNTIME_ERRORS as exc:
        raise ModelInvalid(folder.info.name, f"onnxruntime cannot load the weights: {exc}") from exc
    _check_signature(folder, session)
    return session


def _outputs(loaded: _Loaded, session: Any, feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    try:
        values = session.run(loaded.output_names, feeds)
    except _RUNTIME_ERRORS as exc:
        raise ModelInvalid(loaded.folder.info.name, f"onnxruntime failed to run it: {exc}") from exc
    return dict(zip(loaded.output_names, values, strict=True))


def _checked(folder: ModelFolder, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The inputs as they go into the session. Raises InputInvalid where they break the signature."""
    model = folder.info.name
    expected = {spec.name for spec in folder.inputs}
    if set(inputs) != expected:
        raise InputInvalid(f"model {model!r} takes the inputs {sorted(expected)}, not {sorted(inputs)}")
    batches = set()
    for spec in folder.inputs:
        array = inputs[spec.name]
        if array.dtype != spec.dtype:
            raise InputInvalid(f"input {spec.name!r} of {model!r} must be {spec.dtype}, not {array.dtype}")
        shape = array.shape
        if folder.max_batch_size > 0:
            batches.add(shape[0] if shape else 0)
            shape = shape[1:]
        if not _fits(shape, spec) or (folder.max_batch_size > 0 and array.ndim == 0):
            raise InputInvalid(
                f"input {spec.name!r} of {model!r} must have the dims {spec.dims}, not {shape}"
            )
    if len(batches) > 1:
        raise InputInvalid(f"the inputs of {model!r} have different batch sizes")
    if any(not 1 <= batch <= folder.max_batch_size for batch in batches):
        raise InputInvalid(f"a batch of {model!r} holds 1 to {folder.max_batch_size}, not {batches.pop()}")
    return {name: np.ascontiguousarray(array) for name, array in inputs.items()}


def _fits(shape: tuple[int, ...], spec: TensorSpec) -> bool:
    return len(shape) == len(spec.dims) and all(
        length == size or (size == -1 and length > 0) for length, size in zip(shape, spec.dims, strict=True)
    )


def _check_signature(folder: ModelFolder, session: Any) -> None:
    """Raises ModelInvalid unless the weights have exactly the configured inputs and at least the configured
    outputs."""
    model = folder.info.name
    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    outputs = {tensor.name: tensor for tensor in session.get_outputs()}
    if set(inputs) != {spec.name for spec in folder.inputs}:
        raise ModelInvalid(
            model, f"the weights take the inputs {sorted(inputs)}, config.pbtxt says otherwise"
        )
    for spec, present in [(s, inputs) for s in folder.inputs] + [(s, outputs) for s in folder.outputs]:
        tensor = present.get(spec.name)
        if tensor is None:
            raise ModelInvalid(model, f"the weights have no tensor {spec.name!r}")
        if _ORT_TYPES.get(tensor.type) != spec.dtype.type:
            raise ModelInvalid(
                model, f"tensor {spec.name!r} is {tensor.type} in the weights, not {spec.dtype}"
            )
        dims = tensor.shape[1:] if folder.max_batch_size > 0 else tensor.shape
        # A name instead of a number is a length that the graph leaves open.
        fixed = [size if isinstance(size, int) else -1 for size in dims]
        agree = len(fixed) == len(spec.dims) and all(
            -1 in (a, b) or a == b for a, b in zip(fixed, spec.dims, strict=True)
        )
        if not agree:
            raise ModelInvalid(
                model, f"tensor {spec.name!r} has the dims {dims} in the weights, not {spec.dims}"
            )


def _warm_up(loaded: _Loaded, session: Any) -> None:
    """Runs a session of the model once on zeros, so that the first image does not pay for it, and checks what
    comes out.

    A model with open dims has no input that is sure to fit; it is warmed up by its first call.
    """
    folder = loaded.folder
    if any(-1 in spec.dims for spec in folder.inputs):
        return
    batch = (1,) if folder.max_batch_size > 0 else ()
    feeds = {spec.name: np.zeros(batch + spec.dims, spec.dtype) for spec in folder.inputs}
    outputs = _outputs(loaded, session, feeds)
    for spec in folder.outputs:
        array = outputs[spec.name]
        if not _fits(array.shape[len(batch) :], spec):
            raise ModelInvalid(folder.info.name, f"output {spec.name!r} has the shape {array.shape}")
        if array.dtype.kind == "f" and not math.isfinite(float(array.sum(dtype=np.float64))):
            raise ModelInvalid(folder.info.name, f"output {spec.name!r} is not finite")


_onnx: type[DescribingEngine] = OnnxEngine
_runs_here: type[RunsHere] = OnnxEngine
