"""Writes ONNX graphs node by node: the models that compute and learn nothing (`fetal_canvas`, `fetal_crop`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, Union

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 10

Operand: TypeAlias = Union[str, float, "NDArray[np.generic]"]
"""A tensor by its name, a number (float32), or an array that becomes a constant."""
Attribute: TypeAlias = int | float | str | Sequence[int]

FLOAT = TensorProto.FLOAT
DOUBLE = TensorProto.DOUBLE
INT64 = TensorProto.INT64
UINT8 = TensorProto.UINT8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output of a graph."""

    name: str
    """Its name."""
    kind: int
    """Its element type, as `onnx.TensorProto` counts them."""
    shape: tuple[int | str, ...]
    """Its dimensions with the batch; a name where the length is open."""


class Graph:
    """A graph under construction; every method that adds a node returns the name of what it gives."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[onnx.TensorProto] = []

    def add(self, operator: str, *operands: Operand, **attributes: Attribute) -> str:
        """Adds a node with one output."""
        (only,) = self.add_many(operator, 1, *operands, **attributes)
        return only

    def add_many(
        self, operator: str, count: int, *operands: Operand, **attributes: Attribute
    ) -> tuple[str, ...]:
        """Adds a node with `count` outputs."""
        inputs = [self._named(operand) for operand in operands]
        outputs = tuple(f"{operator}_{len(self._nodes)}_{place}" for place in range(count))
        node = helper.make_node(operator, inputs, list(outputs))
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        return outputs

    def cast(self, operand: Operand, kind: int) -> str:
        """Another element type, values kept as far as it holds them."""
        return self.add("Cast", operand, to=kind)

    def name_output(self, tensor: str, name: str) -> None:
        """Gives a tensor the name of a graph output."""
        self._nodes.append(helper.make_node("Identity", [tensor], [name]))

    def model(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], about: str) -> onnx.ModelProto:
        """The whole model, checked."""
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info(t.name, t.kind, t.shape) for t in inputs],
            [helper.make_tensor_value_info(t.name, t.kind, t.shape) for t in outputs],
            self._initializers,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sonorelay",
            doc_string=about,
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _named(self, operand: Operand) -> str:
        if isinstance(operand, str):
            return operand
        array = np.asarray(operand, np.float32) if isinstance(operand, int | float) else np.asarray(operand)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]


def double(value: float | Sequence[float]) -> NDArray[np.float64]:
    """A float64 constant."""
    return np.asarray(value, np.float64)


def integer(value: int | Sequence[int]) -> NDArray[np.int64]:
    """An int64 constant."""
    return np.asarray(value, np.int64)


def size_of(graph: Graph, still: str) -> tuple[str, str]:
    """Height and width of a picture N x 1 x H x W, float64 of one element each."""
    shape = graph.cast(graph.add("Shape", still, start=2, end=4), DOUBLE)
    height, width = graph.add_many("Split", 2, shape, axis=0)
    return height, width


def content_size(graph: Graph, height: str, width: str, canvas_hw: tuple[int, int]) -> tuple[str, str]:
    """Height and width of a still's copy on a canvas, as `preprocess.letterbox` chooses them, float64."""
    rows, columns = canvas_hw
    scale = graph.add(
        "Min", graph.add("Div", double([rows]), height), graph.add("Div", double([columns]), width)
    )
    lengths = []
    for length, most in ((height, rows), (width, columns)):
        wished = graph.add("Max", graph.add("Round", graph.add("Mul", length, scale)), double([1]))
        lengths.append(graph.add("Min", wished, double([most])))
    return lengths[0], lengths[1]


def resampling(graph: Graph, count: int, content: Operand, length: str, start: Operand, extent: str) -> str:
    """The matrix that resamples one axis as OpenCV does: float32 [1 or N, 1, count, length].

    Of the axis' `length` pixels the `extent` ones from `start` on are spread over the first `content` of
    `count` pixels; rows beyond `content` and pixels outside of the axis are zero. It shrinks by area
    (INTER_AREA: each new pixel is the mean of what it covers) and grows linearly (INTER_LINEAR). All are
    float64: `content` and `length` of one element, `start` [1 or N, 1, 1, 1], `extent` the same or one
    element.
    """
    into = np.arange(count, dtype=np.float64).reshape(count, 1)
    pixels = graph.add("Range", double(0.0), graph.add("Squeeze", length, integer([0])), double(1.0))
    pixels = graph.add("Sub", pixels, start)
    step = graph.add("Div", extent, content)
    low = graph.add("Mul", into, step)
    covered = graph.add(
        "Sub",
        graph.add("Min", graph.add("Add", low, step), graph.add("Add", pixels, double(1.0))),
        graph.add("Max", low, pixels),
    )
    by_area = graph.add("Div", graph.add("Max", covered, double(0.0)), step)
    place = graph.add("Sub", graph.add("Add", low, graph.add("Mul", step, double(0.5))), double(0.5))
    last = graph.add("Sub", extent, double(1.0))
    place = graph.add("Min", graph.add("Max", place, double(0.0)), last)
    apart = graph.add("Abs", graph.add("Sub", place, pixels))
    linear = graph.add("Max", graph.add("Sub", double(1.0), apart), double(0.0))
    weights = graph.add("Where", graph.add("Greater", extent, content), by_area, linear)
    weights = graph.add("Where", graph.add("Less", into, content), weights, double(0.0))
    return graph.cast(weights, FLOAT)


def resampled(graph: Graph, picture: str, rows: str, columns: str) -> str:
    """A picture N x 1 x H x W of gray values under both matrices, rounded to whole gray values 0..255."""
    turned = graph.add("Transpose", columns, perm=[0, 1, 3, 2])
    whole = graph.add("MatMul", graph.add("MatMul", rows, picture), turned)
    return graph.add("Round", graph.add("Clip", whole, 0.0, 255.0))
