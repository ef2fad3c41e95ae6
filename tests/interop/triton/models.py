"""Small made-up models in Triton's layout, exact by construction."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

LARGE_SIDE = 768
"""Side of the matrices of `slow`: twenty products take tenths of a second on one core."""


def write_models(folder: Path, *, queue: int = 64, batching: str = "") -> Path:
    """`triple` multiplies 4x4 matrices by three, `slow` multiplies large ones by one, twenty times over.

    `queue`: how many calls of a model may wait; `batching`: more of Triton's `dynamic_batching`.
    """
    _save(folder, "triple", 4, 3.0, 1, queue, batching)
    _save(folder, "slow", LARGE_SIDE, 1.0, 20, queue, batching)
    return folder


def _save(folder: Path, name: str, side: int, weight: float, times: int, queue: int, batching: str) -> None:
    names = ["x", *(f"h{i}" for i in range(times - 1)), "y"]
    dims: list[str | int | None] = ["N", side, side]
    graph = helper.make_graph(
        [helper.make_node("MatMul", [a, "w"], [b]) for a, b in pairwise(names)],
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, dims)],
        [numpy_helper.from_array(np.eye(side, dtype=np.float32) * weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "1" / "model.onnx").write_bytes(model.SerializeToString())
    (folder / name / "config.pbtxt").write_text(
        f"""name: "{name}"
backend: "onnxruntime"
max_batch_size: 3
input {{ name: "x" data_type: TYPE_FP32 dims: [{side}, {side}] }}
output {{ name: "y" data_type: TYPE_FP32 dims: [{side}, {side}] label_filename: "labels.txt" }}
instance_group {{ count: 1 kind: KIND_CPU }}
dynamic_batching {{ {batching} default_queue_policy {{ max_queue_size: {queue} allow_timeout_override: true }} }}
parameters {{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}
"""
    )
    (folder / name / "labels.txt").write_text("even\nodd\n")
