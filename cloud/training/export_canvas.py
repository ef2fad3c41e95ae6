"""Makes `fetal_canvas`: the graph that turns one still into the inputs of the head and the plane model.

It does what `preprocess.letterbox` does with OpenCV, by two matrices a canvas, so that a client of Triton
sends the gray still and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from cloud.training.graph import (
    FLOAT,
    UINT8,
    Graph,
    Tensor,
    content_size,
    double,
    resampled,
    resampling,
    size_of,
)

NAME = "fetal_canvas"
STILL = Tensor(name="still", kind=UINT8, shape=("batch", 1, "height", "width"))
"""The still as a client sends it: gray, any size."""


def canvas_model(canvases: Mapping[str, tuple[int, int]]) -> onnx.ModelProto:
    """The graph from "still" (uint8 N x 1 x H x W) to each canvas by name, of the given height and width:
    float32 N x 1 x h x w in 0..1, the still letterboxed into its top left corner."""
    graph = Graph(NAME)
    picture = graph.cast(STILL.name, FLOAT)
    height, width = size_of(graph, STILL.name)
    start = double(0.0).reshape(1, 1, 1, 1)
    outputs = []
    for name, (rows, columns) in canvases.items():
        content_height, content_width = content_size(graph, height, width, (rows, columns))
        down = resampling(graph, rows, content_height, height, start, height)
        across = resampling(graph, columns, content_width, width, start, width)
        graph.name_output(graph.add("Mul", resampled(graph, picture, down, across), 1 / 255), name)
        outputs.append(Tensor(name=name, kind=FLOAT, shape=("batch", 1, rows, columns)))
    about = "Letterboxes a gray still onto the canvases of the models. Research use, not for diagnosis."
    return graph.model([STILL], outputs, about)
