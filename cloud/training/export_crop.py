"""Makes `fetal_crop`: the graph that cuts the head out of the still and enhances it for the brain model.

Its steps are the reading's own (`segment.find_head`, `preprocess.crop_box`, `cut_crop`, `enhance`) in plain
ONNX, with one difference: the ellipse comes from the moments of the probability picture instead of a fit to
the outline. A filled ellipse with the semi-axes a and b has the covariance diag(a^2, b^2) / 4 in its axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from cloud.infer.preprocess import CROP_MARGIN, CROP_SIZE_PX
from cloud.infer.segment import MIN_AREA_SHARE, THRESHOLD
from cloud.training.export_canvas import STILL
from cloud.training.graph import (
    DOUBLE,
    FLOAT,
    INT64,
    Graph,
    Tensor,
    content_size,
    double,
    integer,
    resampled,
    resampling,
    size_of,
)

NAME = "fetal_crop"
OUTPUTS = ("crop", "crop_box", "ellipse", "found")

_COARSE = 4
"""Canvas pixels a side that the search for the head takes together."""
_SEED_SHARE = 0.25
"""Side of the window that looks for the middle of the largest region, as a share of the canvas' height."""
_GROWTH = 1.3
"""How far beyond the ellipse so far the next one may look; farther regions are another head."""
_STEPS = 8
_EDGE = 4.0
"""Steepness of the mask at the threshold: a pixel on the edge counts by its share."""
_OUTLINE_PX = 0.5
"""The reading's ellipse goes through the centres of the outline's pixels, half a still pixel further in."""
_LOW, _HIGH = 0.01, 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """Where a region lies on a canvas: tensors float32 N x 1 x 1 x 1, in canvas pixels."""

    mass: str
    """Number of its pixels."""
    x: str
    """Column of its centre."""
    y: str
    """Row of its centre."""
    xx: str
    """Variance along the columns."""
    xy: str
    """Covariance."""
    yy: str
    """Variance along the rows."""


def crop_model(canvas_hw: tuple[int, int]) -> onnx.ModelProto:
    """The graph from "still" (uint8 N x 1 x H x W) and "probability" (float32 N x 1 x h x w, the head model's
    canvas) to:

    - "crop": float32 N x 1 x 224 x 224 in 0..1, the brain model's input. Without a head it is the whole
      still, so that the models behind it always have something to run on;
    - "crop_box": float32 N x 3, left column, top row and side of the square in still pixels;
    - "ellipse": float32 N x 5, centre x, centre y, semi-axes a >= b in still pixels, angle in degrees in
      [0, 180) from +x clockwise; zeros without a head;
    - "found": float32 N x 1, 1 where there is a head, else 0.
    """
    graph = Graph(NAME)
    height, width = size_of(graph, STILL.name)
    content_height, content_width = content_size(graph, height, width, canvas_hw)
    mask = _mask(graph, canvas_hw, content_height, content_width)
    moments = _region(graph, mask, canvas_hw)
    still = _on_still(graph, moments, (height, width), (content_height, content_width))
    area = graph.cast(graph.add("Mul", content_height, content_width), FLOAT)
    least = graph.add("Mul", area, MIN_AREA_SHARE)
    found = graph.add("Not", graph.add("Less", moments.mass, least))
    left, top, size = _box(graph, still, found, height, width)
    side = double(CROP_SIZE_PX)
    down = resampling(graph, CROP_SIZE_PX, side, height, top, size)
    across = resampling(graph, CROP_SIZE_PX, side, width, left, size)
    crop = _enhanced(graph, resampled(graph, graph.cast(STILL.name, FLOAT), down, across))
    graph.name_output(graph.add("Mul", crop, 1 / 255), "crop")
    graph.name_output(_row(graph, [graph.cast(value, FLOAT) for value in (left, top, size)]), "crop_box")
    here = graph.cast(found, FLOAT)
    graph.name_output(graph.add("Mul", _ellipse(graph, still), _row(graph, [here])), "ellipse")
    graph.name_output(_row(graph, [here]), "found")
    shapes = {"crop": (1, CROP_SIZE_PX, CROP_SIZE_PX), "crop_box": (3,), "ellipse": (5,), "found": (1,)}
    inputs = [STILL, Tensor(name="probability", kind=FLOAT, shape=("batch", 1, *canvas_hw))]
    outputs = [Tensor(name=name, kind=FLOAT, shape=("batch", *shapes[name])) for name in OUTPUTS]
    about = "Cuts the fetal head out of the still and enhances it. Research use, not for diagnosis."
    return graph.model(inputs, outputs, about)


def _mask(graph: Graph, canvas_hw: tuple[int, int], content_height: str, content_width: str) -> str:
    """How much of each canvas pixel is head, float32 N x 1 x h x w in 0..1; nothing beside the still."""
    rows, columns = canvas_hw
    steep = graph.add("Mul", graph.add("Sub", "probability", THRESHOLD), _EDGE)
    mask = graph.add("Clip", graph.add("Add", steep, 0.5), 0.0, 1.0)
    for count, content, shape in (
        (rows, content_height, (1, 1, rows, 1)),
        (columns, content_width, (1, 1, 1, columns)),
    ):
        inside = graph.add("Less", np.arange(count, dtype=np.float64).reshape(shape), content)
        mask = graph.add("Mul", mask, graph.cast(inside, FLOAT))
    return mask


def _region(graph: Graph, mask: str, canvas_hw: tuple[int, int]) -> _Moments:
    """The moments of the largest region alone: a disc in its middle grows until it holds the region."""
    rows, columns = (-(-length // _COARSE) for length in canvas_hw)
    coarse = graph.add(
        "AveragePool", mask, kernel_shape=[_COARSE, _COARSE], strides=[_COARSE, _COARSE], ceil_mode=1
    )
    window = max(1, round(rows * _SEED_SHARE)) // 2 * 2 + 1
    thick = graph.add(
        "AveragePool",
        coarse,
        kernel_shape=[window, window],
        pads=[window // 2] * 4,
        count_include_pad=1,
    )
    peak = graph.add("ArgMax", graph.add("Reshape", thick, integer([0, -1])), axis=1, keepdims=1)
    peak = graph.add("Reshape", peak, integer([-1, 1, 1, 1]))
    x = graph.cast(graph.add("Mod", peak, integer(columns)), FLOAT)
    y = graph.cast(graph.add("Div", peak, integer(columns)), FLOAT)
    variance = np.full((1, 1, 1, 1), (window / 2) ** 2 / 4, np.float32)
    named = graph.add("Identity", variance)
    zero = graph.add("Mul", x, 0.0)
    grown = _Moments(
        mass=zero, x=x, y=y, xx=graph.add("Add", zero, named), xy=zero, yy=graph.add("Add", zero, named)
    )
    for _ in range(_STEPS):
        grown = _moments(graph, _near(graph, coarse, grown, (rows, columns)), (rows, columns))
    middle = (_COARSE - 1) / 2
    fine = _Moments(
        mass=grown.mass,
        x=graph.add("Add", graph.add("Mul", grown.x, float(_COARSE)), middle),
        y=graph.add("Add", graph.add("Mul", grown.y, float(_COARSE)), middle),
        **{name: graph.add("Mul", getattr(grown, name), float(_COARSE**2)) for name in ("xx", "xy", "yy")},
    )
    return _moments(graph, _near(graph, mask, fine, canvas_hw), canvas_hw)


def _axes(canvas_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = canvas_hw
    x = np.arange(columns, dtype=np.float32).reshape(1, 1, 1, columns)
    y = np.arange(rows, dtype=np.float32).reshape(1, 1, rows, 1)
    return x, y


def _near(graph: Graph, mask: str, region: _Moments, canvas_hw: tuple[int, int]) -> str:
    """The mask within the region's ellipse, grown by _GROWTH."""
    x, y = _axes(canvas_hw)
    dx, dy = graph.add("Sub", x, region.x), graph.add("Sub", y, region.y)
    # Squared Mahalanobis distance; the ellipse's edge lies at 2 standard deviations, hence at 4.
    determinant = _difference(graph, (region.xx, region.yy), (region.xy, region.xy))
    across = graph.add("Mul", graph.add("Mul", dx, dx), region.yy)
    down = graph.add("Mul", graph.add("Mul", dy, dy), region.xx)
    mixed = graph.add("Mul", graph.add("Mul", graph.add("Mul", dx, dy), region.xy), 2.0)
    distance = graph.add("Sub", graph.add("Add", across, down), mixed)
    near = graph.add("LessOrEqual", distance, graph.add("Mul", determinant, 4 * _GROWTH**2))
    return graph.add("Mul", mask, graph.cast(near, FLOAT))


def _difference(graph: Graph, first: tuple[str, str], second: tuple[str, str]) -> str:
    return graph.add("Sub", graph.add("Mul", *first), graph.add("Mul", *second))


def _moments(graph: Graph, mask: str, canvas_hw: tuple[int, int]) -> _Moments:
    """Mass, centre and covariance of a mask, each pixel taken as a square and not as a point."""
    axes = _axes(canvas_hw)
    along = [graph.add("ReduceSum", mask, integer([axis]), keepdims=1) for axis in (2, 3)]
    mass = graph.add("ReduceSum", along[0], integer([3]), keepdims=1)
    divisor = graph.add("Max", mass, 1e-6)

    def mean(weights: str, values: str, axis: int) -> str:
        total = graph.add("ReduceSum", graph.add("Mul", weights, values), integer([axis]), keepdims=1)
        return graph.add("Div", total, divisor)

    x, y = (
        mean(along[0], graph.add("Identity", axes[0]), 3),
        mean(along[1], graph.add("Identity", axes[1]), 2),
    )
    dx, dy = graph.add("Sub", axes[0], x), graph.add("Sub", axes[1], y)
    # A square pixel has the variance 1/12 in itself.
    xx = graph.add("Add", mean(along[0], graph.add("Mul", dx, dx), 3), 1 / 12)
    yy = graph.add("Add", mean(along[1], graph.add("Mul", dy, dy), 2), 1 / 12)
    columns = graph.add("ReduceSum", graph.add("Mul", mask, dy), integer([2]), keepdims=1)
    return _Moments(mass=mass, x=x, y=y, xx=xx, xy=mean(columns, dx, 3), yy=yy)


def _on_still(graph: Graph, region: _Moments, still: tuple[str, str], content: tuple[str, str]) -> _Moments:
    """The moments in still pixels, float64; the origin is the centre of the top left pixel on both."""
    down, across = (graph.add("Div", *pair) for pair in zip(still, content, strict=True))

    def scaled(value: str, *factors: str) -> str:
        result = graph.cast(value, DOUBLE)
        for factor in factors:
            result = graph.add("Mul", result, factor)
        return result

    def place(value: str, factor: str) -> str:
        middle = graph.add("Add", graph.cast(value, DOUBLE), double(0.5))
        return graph.add("Sub", graph.add("Mul", middle, factor), double(0.5))

    return _Moments(
        mass=region.mass,
        x=place(region.x, across),
        y=place(region.y, down),
        xx=scaled(region.xx, across, across),
        xy=scaled(region.xy, across, down),
        yy=scaled(region.yy, down, down),
    )


def _box(graph: Graph, region: _Moments, found: str, height: str, width: str) -> tuple[str, str, str]:
    """Left, top and side of the square as `preprocess.crop_box` chooses it, float64 N x 1 x 1 x 1; the
    square around the whole still where there is no head."""
    half = graph.add("Max", graph.add("Sqrt", region.xx), graph.add("Sqrt", region.yy))
    extent = graph.add("Sub", graph.add("Mul", half, double(4.0)), double(2 * _OUTLINE_PX))
    size = graph.add("Round", graph.add("Mul", extent, double(1 + 2 * CROP_MARGIN)))
    longest = graph.add("Max", height, width)
    size = graph.add("Max", size, double(1.0))
    size = graph.add("Min", size, graph.add("Mul", longest, double(4.0)))
    size = graph.add("Where", found, size, longest)
    corner = graph.add("Mul", graph.add("Sub", size, double(1.0)), double(0.5))
    starts = []
    for centre, length in ((region.x, width), (region.y, height)):
        middle = graph.add("Mul", graph.add("Sub", length, double(1.0)), double(0.5))
        chosen = graph.add("Where", found, centre, middle)
        starts.append(graph.add("Round", graph.add("Sub", chosen, corner)))
    return starts[0], starts[1], size


def _ellipse(graph: Graph, region: _Moments) -> str:
    """Centre, semi-axes and angle of the region, float32 N x 5."""
    half = double(0.5)
    mean = graph.add("Mul", graph.add("Add", region.xx, region.yy), half)
    apart = graph.add("Mul", graph.add("Sub", region.xx, region.yy), half)
    radius = graph.add(
        "Sqrt", graph.add("Add", graph.add("Mul", apart, apart), graph.add("Mul", region.xy, region.xy))
    )
    axes = []
    for operator in ("Add", "Sub"):
        variance = graph.add("Max", graph.add(operator, mean, radius), double(0.0))
        axis = graph.add(
            "Sub", graph.add("Mul", graph.add("Sqrt", variance), double(2.0)), double(_OUTLINE_PX)
        )
        axes.append(graph.add("Max", axis, double(0.0)))
    # tan(t / 2) = sin t / (1 + cos t) with t = 2 * angle; upright where the divisor vanishes.
    divisor = graph.add("Add", apart, radius)
    tiny = graph.add("Less", divisor, double(1e-9))
    slope = graph.add("Div", region.xy, graph.add("Where", tiny, double(1.0), divisor))
    angle = graph.cast(graph.add("Atan", graph.cast(slope, FLOAT)), DOUBLE)
    angle = graph.add("Mul", angle, double(180 / np.pi))
    angle = graph.add("Where", tiny, double(90.0), angle)
    turned = graph.add("Add", angle, double(180.0))
    angle = graph.add("Where", graph.add("Less", angle, double(0.0)), turned, angle)
    values = [graph.cast(value, FLOAT) for value in (region.x, region.y, *axes, angle)]
    return _row(graph, values)


def _row(graph: Graph, values: list[str]) -> str:
    """Tensors N x 1 x 1 x 1 side by side: N x len(values)."""
    flat = [graph.add("Reshape", value, integer([-1, 1])) for value in values]
    return flat[0] if len(flat) == 1 else graph.add("Concat", *flat, axis=1)


def _enhanced(graph: Graph, crop: str) -> str:
    """`preprocess.enhance` on whole gray values N x 1 x 224 x 224: the quantiles of the non-zero pixels, by
    counting, become 0 and 255."""
    flat = graph.add("Reshape", crop, integer([0, -1]))
    pixels = graph.cast(flat, INT64)
    ones = graph.add("Add", graph.add("Mul", flat, 0.0), 1.0)
    empty = graph.add("Mul", graph.add("Slice", ones, integer([0]), integer([256]), integer([1])), 0.0)
    counts = graph.add("ScatterElements", empty, pixels, ones, axis=1, reduction="add")
    nonzero = np.ones((1, 256), np.float32)
    nonzero[0, 0] = 0
    counts = graph.add("Mul", counts, nonzero)
    running = graph.cast(graph.add("CumSum", counts, integer(1)), DOUBLE)
    total = graph.add("ReduceMax", running, axes=[1], keepdims=1)
    low = _below(graph, "LessOrEqual", running, graph.add("Mul", total, double(_LOW)))
    high = _below(graph, "Less", running, graph.add("Mul", total, double(_HIGH)))
    span = graph.add("Sub", high, low)
    factor = graph.add("Div", 255.0, graph.add("Max", span, 1.0))
    stretched = graph.add("Mul", graph.add("Sub", crop, low), factor)
    stretched = graph.add("Round", graph.add("Clip", stretched, 0.0, 255.0))
    return graph.add("Where", graph.add("Greater", span, 0.0), stretched, crop)


def _below(graph: Graph, comparison: str, running: str, limit: str) -> str:
    """How many of the 256 running counts lie below the limit: the gray value that reaches it."""
    below = graph.cast(graph.add(comparison, running, limit), FLOAT)
    count = graph.add("ReduceSum", below, integer([1]), keepdims=1)
    return graph.add("Reshape", count, integer([-1, 1, 1, 1]))
