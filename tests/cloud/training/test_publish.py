"""A version is written whole, once, and its graph, configuration and card say the same."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from google.protobuf import text_format
from torch import Tensor, nn
from tritonclient.grpc import model_config_pb2 as triton

from cloud.training.configs import gpu_config, model_config, to_text
from cloud.training.networks import ResidualClassifier, SegmentationUNet
from cloud.training.publish import ExportWrong, Port, Product, VersionExists, config_text, publish
from cloud.training.segmentation import HeadModel
from cloud.training.variants import HALF


def _classifier() -> Product:
    torch.manual_seed(1)
    return Product(
        name="tiny_cls",
        network=ResidualClassifier((4, 8), (6, 5), 3).eval(),
        input=Port(name="image", shape=(1, 16, 24)),
        outputs=[Port(name="logits", shape=(3,), labels=True), Port(name="map", shape=(3, 4, 6))],
        labels=("one", "two", "three"),
    )


def _segmenter() -> Product:
    torch.manual_seed(1)
    return Product(
        name="tiny_seg",
        network=HeadModel(SegmentationUNet((4, 6), (5,), 1)),
        input=Port(name="image", shape=(1, 16, 16)),
        outputs=[Port(name="probability", shape=(1, 16, 16))],
        labels=("head",),
    )


@pytest.mark.req("READ-10")
@pytest.mark.parametrize("product", [_classifier(), _segmenter()], ids=["classifier", "segmenter"])
def test_the_graph_gives_what_the_network_gives(product: Product, tmp_path: Path) -> None:
    """For any batch ONNX Runtime's outputs are PyTorch's; opset 17, IR at most 10, no batch norm left."""
    path = publish(product, tmp_path, 1, {})
    graph = onnx.load(str(path))
    assert [17] == [opset.version for opset in graph.opset_import]
    assert graph.ir_version <= 10
    assert "BatchNormalization" not in {node.op_type for node in graph.graph.node}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in (1, 5):
        batch = np.random.default_rng(count).random((count, *product.input.shape), dtype=np.float32)
        with torch.no_grad():
            expected = product.network(torch.from_numpy(batch))
        wanted = [expected] if isinstance(expected, Tensor) else expected
        found = session.run([port.name for port in product.outputs], {product.input.name: batch})
        for want, got in zip(wanted, found, strict=True):
            np.testing.assert_allclose(want.numpy(), got, atol=1e-4)


def test_the_configuration_is_full_and_parses_strictly() -> None:
    """Triton's own message reads the file; name, tensors, batching, threads and placement are all stated."""
    product = _classifier()
    config = text_format.Parse(config_text(product), triton.ModelConfig())
    assert ("tiny_cls", "onnxruntime", 16) == (config.name, config.backend, config.max_batch_size)
    assert [("image", [1, 16, 24], triton.TYPE_FP32)] == [
        (port.name, list(port.dims), port.data_type) for port in config.input
    ]
    assert [("logits", [3], "labels.txt"), ("map", [3, 4, 6], "")] == [
        (port.name, list(port.dims), port.label_filename) for port in config.output
    ]
    assert [4, 8, 16] == list(config.dynamic_batching.preferred_batch_size)
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 256
    assert config.instance_group[0].kind == triton.ModelInstanceGroup.KIND_CPU
    assert config.instance_group[0].count == 1
    assert config.version_policy.latest.num_versions == 1
    assert config.parameters["intra_op_thread_count"].string_value == "2"


def test_the_card_names_the_weights(tmp_path: Path) -> None:
    """The card's digest and size are the file's, its sample is the graph's, its labels the labels file's."""
    path = publish(_segmenter(), tmp_path, 3, {"task": "a test"})
    card = tomllib.loads((tmp_path / "tiny_seg" / "3" / "card.toml").read_text())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]
    assert path.stat().st_size == card["size_bytes"]
    assert ("tiny_seg", "3", "a test") == (card["name"], card["version"], card["task"])
    assert card["notice"] == "research use, not for diagnosis"
    assert card["labels"] == (tmp_path / "tiny_seg" / "labels.txt").read_text().split()
    ramp = (np.arange(256, dtype=np.float32) / np.float32(255)).reshape(1, 1, 16, 16)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"image": ramp})
    assert card["sample"]["probability"]["mean"] == pytest.approx(float(output.mean()), abs=2e-5)


def test_the_half_precision_form_and_the_gpu_configuration_come_along(tmp_path: Path) -> None:
    """Beside the weights lies their half-precision form, named in the card; `configs/gpu.pbtxt` serves it."""
    path = publish(_classifier(), tmp_path, 1, {})
    card = tomllib.loads((path.parent / "card.toml").read_text())
    variant = card["variants"]["fp16"]
    data = (path.parent / variant["file"]).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (variant["sha256"], variant["size_bytes"])
    assert {"logits", "map"} == set(variant["largest_difference"])
    text = (tmp_path / "tiny_cls" / "configs" / "gpu.pbtxt").read_text()
    assert (
        to_text(gpu_config(model_config("tiny_cls", [_classifier().input], _classifier().outputs), HALF))
        == text
    )


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    """A second publication of a version is refused and leaves every file as it was."""
    publish(_classifier(), tmp_path, 1, {})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(VersionExists):
        publish(_classifier(), tmp_path, 1, {"task": "another"})
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    publish(_classifier(), tmp_path, 2, {})
    assert (tmp_path / "tiny_cls" / "2" / "model.onnx").is_file()


class _Wrong(nn.Module):
    """Gives another shape than its product says."""

    def forward(self, image: Tensor) -> Tensor:
        return image.mean(dim=3)


def test_a_wrong_graph_is_not_published(tmp_path: Path) -> None:
    """When the graph's output has another shape than stated, no version appears."""
    with pytest.raises(ExportWrong):
        publish(replace(_segmenter(), network=_Wrong()), tmp_path, 1, {})
    assert not (tmp_path / "tiny_seg" / "1").exists()
