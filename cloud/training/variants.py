"""Other forms of a model's weights, beside them in its version: half precision for a GPU, 8 bits for the
processor.

Each is named in the version's card with its SHA-256 and with what it was measured to change.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from cloud.training.card import Table

HALF = "model.fp16.onnx"
INT8 = "model.int8.onnx"
LARGEST_HALF_DIFFERENCE = 0.05
"""Of an output's largest value: more is no rounding of halves but an overflow."""

_EXACT = "/novelty/"
"""Part of the names of nodes that stay in single precision: distances are squared there, which halves cannot
hold."""
_FLOAT, _HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


class VariantWrong(RuntimeError):
    """A variant does not do what the weights do."""


def half(weights: bytes) -> bytes:
    """The model with halves inside; its inputs and outputs stay single (float32)."""
    model = onnx.load_model_from_string(weights)
    exact = [node.name for node in model.graph.node if _EXACT in node.name]
    converted = convert_float_to_float16(model, keep_io_types=True, node_block_list=exact)
    _skip_detours(converted.graph)
    # The converter puts its casts at the end; a graph's nodes must stand in the order of use.
    OnnxModel(converted).topological_sort()
    onnx.checker.check_model(converted, full_check=True)
    return bytes(converted.SerializeToString())


def _skip_detours(graph: onnx.GraphProto) -> None:
    """Lets exact nodes pass single values to each other; the converter sends each of them through a half."""
    narrowed = {node.output[0]: node.input[0] for node in graph.node if _casts_to(node, _HALF)}
    wide = {
        n.output[0]: narrowed[n.input[0]]
        for n in graph.node
        if _casts_to(n, _FLOAT) and n.input[0] in narrowed
    }
    # What the graph gives keeps its name.
    for output in graph.output:
        wide.pop(output.name, None)
    for node in graph.node:
        node.input[:] = [wide.get(name, name) for name in node.input]
    kept = [node for node in graph.node if not set(node.output) <= set(wide)]
    used = {name for node in kept for name in node.input} | {output.name for output in graph.output}
    kept = [node for node in kept if used & set(node.output)]
    del graph.node[:]
    graph.node.extend(kept)


def _casts_to(node: onnx.NodeProto, kind: int) -> bool:
    return node.op_type == "Cast" and node.attribute[0].i == kind


def rounded(weights: bytes) -> bytes:
    """The model with every weight and every value between nodes rounded to a half, and single arithmetic; the
    nodes that stay exact keep both.

    That is what a GPU does with halves: it stores halves and adds up in single precision. The processor itself
    would compute most of a half-precision graph in single, and hide what overflows.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(weights))
    graph = model.graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input)}
    exact = {name for node in graph.node if _EXACT in node.name for name in node.input}
    for tensor in graph.initializer:
        if tensor.data_type == _FLOAT and tensor.name not in exact:
            with np.errstate(over="ignore"):
                halves = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(halves.astype(np.float32), tensor.name))
    kinds |= {value.name: _FLOAT for value in graph.output}
    nodes: list[onnx.NodeProto] = []
    renamed: dict[str, str] = {}
    for value in graph.input:
        renamed[value.name] = f"{value.name}/rounded"
        _round_trip(nodes, value.name, renamed[value.name])
    given = {value.name for value in graph.output}
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        nodes.append(node)
        for place, name in enumerate(node.output):
            if kinds.get(name) != _FLOAT or _EXACT in node.name:
                continue
            if name in given:
                # What the graph gives keeps its name.
                node.output[place] = f"{name}/exact"
                _round_trip(nodes, node.output[place], name)
            else:
                renamed[name] = f"{name}/rounded"
                _round_trip(nodes, name, renamed[name])
    del graph.node[:]
    graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _round_trip(nodes: list[onnx.NodeProto], source: str, target: str) -> None:
    """Adds the way of a tensor into a half and back."""
    nodes.append(onnx.helper.make_node("Cast", [source], [f"{source}/half"], to=_HALF))
    nodes.append(onnx.helper.make_node("Cast", [f"{source}/half"], [target], to=_FLOAT))


def eight_bits(weights: bytes, input_name: str, pictures: Sequence[NDArray[np.float32]]) -> bytes:
    """The model with 8-bit weights (per channel) and 8-bit activations, whose ranges are those that the
    pictures (each one batch) cause."""
    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(weights))
    # Shapes are known and normalisations folded: all that the tool's own preparation would do.
    add_pre_process_metadata(model)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / INT8
        quantize_static(
            model,
            str(file),
            _Pictures(input_name, pictures),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return file.read_bytes()


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped
    def __init__(self, name: str, pictures: Sequence[NDArray[np.float32]]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = iter([{name: p} for p in pictures])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """One batch more, None at the end."""
        return next(self._feeds, None)


def open_session(weights: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """The model on the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def differences(weights: bytes, variant: bytes, batch: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    """By output: the largest difference of a variant's from the weights', as a share of the output's largest
    value (at least 1)."""
    exact, other = open_session(weights), open_session(variant)
    names = [output.name for output in exact.get_outputs()]
    apart = {}
    for name, expected, found in zip(names, exact.run(names, batch), other.run(names, batch), strict=True):
        largest = max(1.0, float(np.abs(expected).max()))
        # Halves that overflow give infinities, whose difference is no number.
        difference = float(np.abs(found - expected).max() / largest)
        apart[name] = difference if np.isfinite(found).all() else float("inf")
    return apart


def check_half(weights: bytes, variant: bytes, batch: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    """What half precision changes: the larger of `differences` of the variant as the processor runs it and of
    the rounded weights. Raises VariantWrong for one of more than LARGEST_HALF_DIFFERENCE."""
    emulated = differences(weights, rounded(weights), batch)
    apart = {name: max(value, emulated[name]) for name, value in differences(weights, variant, batch).items()}
    for name, difference in apart.items():
        if not difference <= LARGEST_HALF_DIFFERENCE:
            raise VariantWrong(f"in half precision {name} differs by {difference:.4f} of its largest value")
    return apart


def facts(file: str, data: bytes, apart: Mapping[str, float], figures: Sequence[Table] = ()) -> Table:
    """The card's table of a variant."""
    table: Table = {
        "file": file,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "largest_difference": {name: round(value, 6) for name, value in apart.items()},
    }
    if figures:
        table["metrics"] = list(figures)
    return table


def with_variant(card: Mapping[str, Any], name: str, table: Table) -> Table:
    """The card with this variant in place of one of its name."""
    return {**card, "variants": {**card.get("variants", {}), name: table}}
