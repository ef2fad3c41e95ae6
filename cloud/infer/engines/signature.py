"""Part of step 11: what every engine checks alike: arrays and weights against a model's configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud.infer.engines.repository import ModelFolder, TensorSpec
from cloud.infer.errors import InputInvalid, ModelInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightTensor:
    """An input or output as the weights declare it."""

    name: str
    """Its name."""
    type_name: str
    """Its element type, as whoever loaded the weights calls it; for messages."""
    dtype: type[np.generic] | None
    """Its element type; None for one that numpy does not have."""
    dims: tuple[int, ...]
    """Its shape with the batch axis where there is one; -1 for a length that the graph leaves open."""


def checked_inputs(folder: ModelFolder, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The inputs, contiguous in memory. Raises InputInvalid where they break the signature."""
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
        if not fits(shape, spec) or (folder.max_batch_size > 0 and array.ndim == 0):
            raise InputInvalid(
                f"input {spec.name!r} of {model!r} must have the dims {spec.dims}, not {shape}"
            )
    if len(batches) > 1:
        raise InputInvalid(f"the inputs of {model!r} have different batch sizes")
    if any(not 1 <= batch <= folder.max_batch_size for batch in batches):
        raise InputInvalid(f"a batch of {model!r} holds 1 to {folder.max_batch_size}, not {batches.pop()}")
    return {name: np.ascontiguousarray(array) for name, array in inputs.items()}


def fits(shape: tuple[int, ...], spec: TensorSpec) -> bool:
    """Whether a shape without its batch axis is one that the tensor may have."""
    return len(shape) == len(spec.dims) and all(
        length == size or (size == -1 and length > 0) for length, size in zip(shape, spec.dims, strict=True)
    )


def check_weights(
    folder: ModelFolder, inputs: Sequence[WeightTensor], outputs: Sequence[WeightTensor]
) -> None:
    """Raises ModelInvalid unless the weights have exactly the configured inputs and at least the configured
    outputs."""
    model = folder.info.name
    names = sorted(tensor.name for tensor in inputs)
    if set(names) != {spec.name for spec in folder.inputs}:
        raise ModelInvalid(model, f"the weights take the inputs {names}, config.pbtxt says otherwise")
    for spec, present in [(s, inputs) for s in folder.inputs] + [(s, outputs) for s in folder.outputs]:
        tensor = next((t for t in present if t.name == spec.name), None)
        if tensor is None:
            raise ModelInvalid(model, f"the weights have no tensor {spec.name!r}")
        if tensor.dtype != spec.dtype.type:
            raise ModelInvalid(
                model, f"tensor {spec.name!r} is {tensor.type_name} in the weights, not {spec.dtype}"
            )
        dims = tensor.dims[1:] if folder.max_batch_size > 0 else tensor.dims
        agree = len(dims) == len(spec.dims) and all(
            -1 in (a, b) or a == b for a, b in zip(dims, spec.dims, strict=True)
        )
        if not agree:
            raise ModelInvalid(
                model, f"tensor {spec.name!r} has the dims {dims} in the weights, not {spec.dims}"
            )


def warm_up_inputs(folder: ModelFolder) -> dict[str, NDArray[Any]] | None:
    """Zeros for one run of the model; None where open dims leave no input that is sure to fit."""
    if any(-1 in spec.dims for spec in folder.inputs):
        return None
    batch = (1,) if folder.max_batch_size > 0 else ()
    return {spec.name: np.zeros(batch + spec.dims, spec.dtype) for spec in folder.inputs}


def check_shapes(folder: ModelFolder, outputs: Mapping[str, NDArray[Any]], batch: tuple[int, ...]) -> None:
    """Raises ModelInvalid unless every configured output is there with its type and dims, behind the
    batch axis `batch` where the model has one."""
    model = folder.info.name
    axes = batch if folder.max_batch_size > 0 else ()
    for spec in folder.outputs:
        array = outputs.get(spec.name)
        if array is None:
            raise ModelInvalid(model, f"it gave no output {spec.name!r}")
        if array.shape[: len(axes)] != axes or not fits(array.shape[len(axes) :], spec):
            raise ModelInvalid(model, f"output {spec.name!r} has the shape {array.shape}")
        if array.dtype != spec.dtype:
            raise ModelInvalid(model, f"output {spec.name!r} is {array.dtype}, not {spec.dtype}")


def check_outputs(folder: ModelFolder, outputs: Mapping[str, NDArray[Any]]) -> None:
    """As `check_shapes`, for one item; also raises ModelInvalid for an output that is not finite."""
    check_shapes(folder, outputs, (1,))
    for spec in folder.outputs:
        array = outputs[spec.name]
        if array.dtype.kind == "f" and not math.isfinite(float(array.sum(dtype=np.float64))):
            raise ModelInvalid(folder.info.name, f"output {spec.name!r} is not finite")
