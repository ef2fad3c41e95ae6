"""Tiny models with the shipped models' signatures, exact by construction, and stills to read with them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.pipeline import Reader
from cloud.infer.preprocess import SEGMENT_SIZE_HW

PLANES = ("abdomen", "brain", "femur", "thorax")
FINDINGS = ("normal", "ventriculomegaly", "other")
VIEWS = ("trans-thalamic", "trans-ventricular", "trans-cerebellar")


def save_graph(path: Path, nodes: list[onnx.NodeProto], **tensors: object) -> bytes:
    """Writes a checked ONNX file (opset 17, IR 10); `tensors` are inputs, outputs, initializer."""
    graph = helper.make_graph(nodes, "tiny", **tensors)  # type: ignore[arg-type]
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    weights: bytes = model.SerializeToString()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(weights)
    return weights


def config_text(
    name: str, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]], extra: str = ""
) -> str:
    """A full configuration of an FP32 model that batches up to 4."""
    lines = [f'name: "{name}"', 'backend: "onnxruntime"', "max_batch_size: 4"]
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for tensor, dims in tensors.items():
            label = 'label_filename: "labels.txt"' if tensor == "logits" else ""
            sizes = ", ".join(map(str, dims))
            lines.append(f'{kind} {{ name: "{tensor}" data_type: TYPE_FP32 dims: [{sizes}] {label} }}')
    lines.append('parameters { key: "intra_op_thread_count" value { string_value: "1" } }')
    return "\n".join([*lines, extra]) + "\n"


def _value(name: str, *dims: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims))


def _constant(name: str, array: NDArray[np.floating]) -> onnx.TensorProto:
    return numpy_helper.from_array(array.astype(np.float32), name)


def write_segmenter(repository: Path, gain: float, half: float) -> None:
    """Probability = sigmoid(gain (image - half)): what is brighter than `half` is head."""
    folder = repository / "fetal_head_seg"
    weights = save_graph(
        folder / "1" / "model.onnx",
        [
            helper.make_node("Sub", ["image", "half"], ["signed"]),
            helper.make_node("Mul", ["signed", "gain"], ["steep"]),
            helper.make_node("Sigmoid", ["steep"], ["probability"]),
        ],
        inputs=[_value("image", "N", 1, *SEGMENT_SIZE_HW)],
        outputs=[_value("probability", "N", 1, *SEGMENT_SIZE_HW)],
        initializer=[_constant("half", np.array(half)), _constant("gain", np.array(gain))],
    )
    shape = (1, *SEGMENT_SIZE_HW)
    (folder / "config.pbtxt").write_text(
        config_text("fetal_head_seg", {"image": shape}, {"probability": shape})
    )
    (folder / "card.toml").write_text(f'sha256 = "{hashlib.sha256(weights).hexdigest()}"\n')


def write_classifier(
    repository: Path,
    name: str,
    *,
    input_name: str,
    hw: tuple[int, int],
    labels: tuple[str, ...],
    logits: tuple[float, ...],
    card: str = "",
) -> None:
    """Logits are constants; map k is the image's 16 x 16 block mean times (k + 1) minus a quarter."""
    folder, classes = repository / name, len(labels)
    height, width = hw[0] // 16, hw[1] // 16
    gains = np.arange(1, classes + 1, dtype=np.float32).reshape(classes, 1, 1, 1)
    save_graph(
        folder / "1" / "model.onnx",
        [
            helper.make_node(
                "AveragePool", [input_name], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]
            ),
            helper.make_node("Conv", ["pooled", "gains", "offsets"], ["map"]),
            helper.make_node("GlobalAveragePool", [input_name], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("MatMul", ["flat", "zeros"], ["nothing"]),
            helper.make_node("Add", ["nothing", "chosen"], ["logits"]),
        ],
        inputs=[_value(input_name, "N", 1, *hw)],
        outputs=[_value("logits", "N", classes), _value("map", "N", classes, height, width)],
        initializer=[
            _constant("gains", gains),
            _constant("offsets", np.full(classes, -0.25)),
            _constant("zeros", np.zeros((1, classes))),
            _constant("chosen", np.array([logits])),
        ],
    )
    outputs = {"logits": (classes,), "map": (classes, height, width)}
    (folder / "config.pbtxt").write_text(config_text(name, {input_name: (1, *hw)}, outputs))
    (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    (folder / "card.toml").write_text(card)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the tiny models answer to every still."""

    plane_logits: tuple[float, ...] = (0.0, 9.0, 0.0, 0.0)
    """Logits of abdomen, brain, femur, thorax."""
    brain_logits: tuple[float, ...] = (1.0, 6.0, 0.0)
    """Logits of normal, ventriculomegaly, other."""
    segment_gain: float = 40.0
    """Steepness of the head model."""
    segment_half: float = 0.5
    """Brightness that the head model takes for head with probability 0.5."""
    subplane_logits: tuple[float, ...] | None = None
    """Logits of the three planes of a brain; None: the repository has no model for them."""
    cards: dict[str, str] = field(default_factory=dict)
    """Card text by model."""


def write_repository(repository: Path, answers: Answers) -> Path:
    """The three models that a reader needs, and the sub-planes' where it has answers."""
    write_segmenter(repository, answers.segment_gain, answers.segment_half)
    for name, input_name, hw, labels, logits in (
        ("fetal_plane_cls", "image", (128, 192), PLANES, answers.plane_logits),
        ("fetal_brain_cls", "crop", (224, 224), FINDINGS, answers.brain_logits),
        ("fetal_subplane_cls", "head", (96, 128), VIEWS, answers.subplane_logits),
    ):
        if logits is None:
            continue
        card = answers.cards.get(name, "")
        write_classifier(
            repository, name, input_name=input_name, hw=hw, labels=labels, logits=logits, card=card
        )
    return repository


@pytest.fixture
def tiny_repository(tmp_path: Path) -> Path:
    """A repository of the three tiny models with their default answers."""
    return write_repository(tmp_path / "models", Answers())


@pytest.fixture
async def open_reader(tmp_path: Path) -> AsyncIterator[Callable[[Answers], Awaitable[Reader]]]:
    """Opens a reader on tiny models that give the wanted answers; its engine ends with the test."""
    engines: list[OnnxEngine] = []

    async def open_one(answers: Answers) -> Reader:
        repository = write_repository(tmp_path / f"models{len(engines)}", answers)
        engine = OnnxEngine(repository, threads=2)
        engines.append(engine)
        await engine.start()
        return Reader(engine)

    yield open_one
    for engine in engines:
        await engine.close()


@pytest.fixture
def answers() -> type[Answers]:
    """The class of wanted answers."""
    return Answers


def speckled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with grain in what was drawn with gray 220: a flat area is no tissue."""
    drawn = pixels == 220
    pixels[drawn] = np.random.default_rng(8).integers(216, 225, int(drawn.sum()))
    return pixels


@pytest.fixture
def still() -> Callable[..., NDArray[np.uint8]]:
    """Draws a gray still with bright filled ellipses (cx, cy, a, b, degrees) on a dim speckled ground."""

    def draw(
        *ellipses: tuple[float, float, float, float, float], size_hw: tuple[int, int] = (540, 800)
    ) -> NDArray[np.uint8]:
        pixels = np.random.default_rng(7).integers(20, 60, size_hw).astype(np.uint8)
        for cx, cy, a, b, angle_deg in ellipses:
            cv2.ellipse(pixels, ((cx, cy), (2 * a, 2 * b), angle_deg), 220, -1)
        return speckled(pixels)

    return draw


@pytest.fixture
def png() -> Callable[[NDArray[np.integer]], bytes]:
    """Encodes pixels as PNG."""

    def encode(pixels: NDArray[np.integer]) -> bytes:
        encoded, data = cv2.imencode(".png", pixels)
        assert encoded
        return bytes(data)

    return encode
