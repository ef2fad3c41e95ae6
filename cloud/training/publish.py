"""Puts a trained network into the model repository: ONNX, Triton configuration, labels, card.

A version is written once: its folder appears whole or not at all, and an existing one is never overwritten.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from google.protobuf import text_format
from numpy.typing import NDArray
from torch import nn
from tritonclient.grpc import model_config_pb2 as triton

from cloud.training.card import Table, to_toml

OPSET = 17
LARGEST_IR_VERSION = 10
MAX_BATCH_SIZE = 16
LARGEST_MODEL_BYTES = 10 * 1024 * 1024
_TOLERANCE = 1e-3


class VersionExists(FileExistsError):
    """The model repository already holds this version; versions are never overwritten."""


class ExportWrong(RuntimeError):
    """The exported graph does not do what the network does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output tensor of a model, float32."""

    name: str
    """Name in the graph."""
    shape: tuple[int, ...]
    """Dimensions without the batch."""
    labels: bool = False
    """Whether its first dimension counts through the labels file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A model that is ready to be published."""

    name: str
    """Name of the model's folder."""
    network: nn.Module
    """Evaluation-mode network that takes the input and gives the outputs in their order."""
    input: Port
    """The input tensor."""
    outputs: Sequence[Port]
    """The output tensors."""
    labels: Sequence[str]
    """What the outputs' channels mean."""


def check_free(repository: Path, name: str, version: int) -> None:
    """Raises VersionExists when the repository already holds this version of the model."""
    if (repository / name / str(version)).exists():
        raise VersionExists(f"{name} version {version} exists; versions are never overwritten")


def publish(product: Product, repository: Path, version: int, card: Table) -> Path:
    """Writes `<repository>/<name>/<version>/model.onnx` with configuration, labels and card; returns that
    path.

    The card gets the weights' SHA-256 and size, and a sample input with its outputs. Raises VersionExists,
    or ExportWrong when ONNX Runtime's outputs differ from the network's by more than 0.001 of their largest
    value.
    """
    check_free(repository, product.name, version)
    folder = repository / product.name
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{version}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    file = beside / "model.onnx"
    export_onnx(product, file)
    weights = file.read_bytes()
    if len(weights) > LARGEST_MODEL_BYTES:
        raise ExportWrong(f"{product.name} has {len(weights)} bytes, more than {LARGEST_MODEL_BYTES}")
    facts: Table = {
        "name": product.name,
        "version": str(version),
        "notice": "research use, not for diagnosis",
        "labels": list(product.labels),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "size_bytes": len(weights),
    }
    texts = {
        "config.pbtxt": config_text(product),
        "labels.txt": "".join(f"{label}\n" for label in product.labels),
        "card.toml": to_toml({**facts, **card, "sample": _sample(product, file)}),
    }
    for name, text in texts.items():
        (folder / f"{name}.tmp").write_text(text, encoding="utf-8")
        os.replace(folder / f"{name}.tmp", folder / name)
    beside.rename(folder / str(version))
    return folder / str(version) / "model.onnx"


def export_onnx(product: Product, file: Path) -> None:
    """Writes the network as ONNX with a free batch dimension and batch normalisation folded; checks it by
    running it.

    Raises ExportWrong when the graph is invalid, too new, or gives other outputs than the network.
    """
    network = product.network.eval()
    _lay_out_plainly(network)
    example = torch.from_numpy(_ramp(product.input.shape, 3))
    names = [product.input.name, *(port.name for port in product.outputs)]
    with warnings.catch_warnings(), torch.no_grad():
        # The older exporter needs no further package; PyTorch keeps it and only points to its successor.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        torch.onnx.export(
            network,
            (example,),
            str(file),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "batch"} for name in names},
            opset_version=OPSET,
            dynamo=False,
        )
        expected = network(example)
    graph = onnx.load(str(file))
    onnx.checker.check_model(graph, full_check=True)
    if graph.ir_version > LARGEST_IR_VERSION:
        raise ExportWrong(f"IR version {graph.ir_version} is newer than {LARGEST_IR_VERSION}")
    wanted = [expected] if isinstance(expected, torch.Tensor) else list(expected)
    for port, want, got in zip(product.outputs, wanted, _run(product, file, example.numpy()), strict=True):
        reference = want.numpy()
        if got.shape != reference.shape or got.shape[1:] != port.shape:
            raise ExportWrong(f"{port.name} has the shape {got.shape}")
        largest = max(1.0, float(np.abs(reference).max()))
        if float(np.abs(got - reference).max()) > _TOLERANCE * largest:
            raise ExportWrong(f"{port.name} differs from the network's")


def _lay_out_plainly(network: nn.Module) -> None:
    """Undoes the channels-last layout of training, which the graph's weights must not keep."""
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()


def _run(product: Product, file: Path, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [port.name for port in product.outputs]
    return [np.asarray(value, np.float32) for value in session.run(names, {product.input.name: batch})]


def _ramp(shape: tuple[int, ...], count: int) -> NDArray[np.float32]:
    """The sample input: gray values that rise evenly from 0 to 1 row by row, the same in each batch place."""
    size = int(np.prod(shape))
    ramp = np.arange(size, dtype=np.float32).reshape(shape) / np.float32(size - 1)
    return np.repeat(ramp[np.newaxis], count, axis=0)


def _sample(product: Product, file: Path) -> Table:
    outputs = _run(product, file, _ramp(product.input.shape, 1))
    sample: Table = {
        "input": f"{product.input.name}: n-th value, row by row, is n / (count - 1), in float32",
    }
    for port, value in zip(product.outputs, outputs, strict=True):
        sample[port.name] = {
            "mean": round(float(value.mean()), 5),
            "least": round(float(value.min()), 5),
            "largest": round(float(value.max()), 5),
        }
    return sample


def config_text(product: Product) -> str:
    """The whole `config.pbtxt` of Triton; nothing is left to its automatic completion."""
    config = triton.ModelConfig(name=product.name, backend="onnxruntime", max_batch_size=MAX_BATCH_SIZE)
    config.default_model_filename = "model.onnx"
    config.version_policy.latest.num_versions = 1
    config.input.add(name=product.input.name, data_type=triton.TYPE_FP32, dims=product.input.shape)
    for port in product.outputs:
        config.output.add(
            name=port.name,
            data_type=triton.TYPE_FP32,
            dims=port.shape,
            label_filename="labels.txt" if port.labels else "",
        )
    config.instance_group.add(name="cpu", kind=triton.ModelInstanceGroup.KIND_CPU, count=1)
    batching = config.dynamic_batching
    batching.preferred_batch_size.extend((4, 8, 16))
    batching.max_queue_delay_microseconds = 3_000
    batching.default_queue_policy.timeout_action = triton.ModelQueuePolicy.REJECT
    batching.default_queue_policy.default_timeout_microseconds = 10_000_000
    batching.default_queue_policy.allow_timeout_override = True
    batching.default_queue_policy.max_queue_size = 256
    # Pinned memory speeds up copies to a GPU; this configuration runs on the CPU.
    config.optimization.input_pinned_memory.enable = False
    config.optimization.output_pinned_memory.enable = False
    config.parameters["intra_op_thread_count"].string_value = "2"
    config.parameters["inter_op_thread_count"].string_value = "1"
    for size in (1, MAX_BATCH_SIZE):
        warm_up = config.model_warmup.add(name=f"batch {size}", batch_size=size, count=1)
        tensor = warm_up.inputs[product.input.name]
        tensor.data_type = triton.TYPE_FP32
        tensor.dims.extend(product.input.shape)
        tensor.zero_data = True
    return text_format.MessageToString(config)
