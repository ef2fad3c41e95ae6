"""Puts a trained network into the model repository: ONNX, Triton configurations, labels, card.

A version is written once: its folder appears whole or not at all, and an existing one is never overwritten.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from cloud.training.card import Table, to_toml
from cloud.training.configs import GPU, WEIGHTS, gpu_config, model_config, to_text
from cloud.training.configs import MAX_BATCH_SIZE as MAX_BATCH_SIZE
from cloud.training.configs import Port as Port
from cloud.training.variants import HALF, check_half, facts, half

OPSET = 17
LARGEST_IR_VERSION = 10
LARGEST_MODEL_BYTES = 10 * 1024 * 1024
NOTICE = "research use, not for diagnosis"
_TOLERANCE = 1e-3


class VersionExists(FileExistsError):
    """The model repository already holds this version; versions are never overwritten."""


class ExportWrong(RuntimeError):
    """The exported graph does not do what the network does."""


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


def newest_version(folder: Path) -> int:
    """The highest version of a model; 0 without one."""
    return max((int(path.name) for path in folder.glob("[1-9]*") if path.name.isdecimal()), default=0)


def check_free(repository: Path, name: str, version: int) -> None:
    """Raises VersionExists when the repository already holds this version of the model."""
    if (repository / name / str(version)).exists():
        raise VersionExists(f"{name} version {version} exists; versions are never overwritten")


def publish(product: Product, repository: Path, version: int, card: Table) -> Path:
    """Writes `<repository>/<name>/<version>/model.onnx` with its card and its half-precision form,
    configurations and labels; returns that path.

    The card gets the weights' SHA-256 and size, the variant's, and a sample input with its outputs. Raises
    VersionExists, VariantWrong, or ExportWrong when ONNX Runtime's outputs differ from the network's by more
    than 0.001 of their largest value.
    """
    check_free(repository, product.name, version)
    with TemporaryDirectory() as folder:
        file = Path(folder) / WEIGHTS
        export_onnx(product, file)
        weights = file.read_bytes()
        sample = _sample(product, file)
    if len(weights) > LARGEST_MODEL_BYTES:
        raise ExportWrong(f"{product.name} has {len(weights)} bytes, more than {LARGEST_MODEL_BYTES}")
    variant = half(weights)
    apart = check_half(weights, variant, {product.input.name: ramp(product.input.shape, 2)})
    table: Table = {
        **weights_facts(product.name, version, weights, product.labels),
        **card,
        "variants": {"fp16": facts(HALF, variant, apart)},
        "sample": sample,
    }
    config = model_config(product.name, [product.input], product.outputs)
    settings = {
        "config.pbtxt": to_text(config),
        GPU: to_text(gpu_config(config, HALF)),
        "labels.txt": "".join(f"{label}\n" for label in product.labels),
    }
    files = {WEIGHTS: weights, HALF: variant, "card.toml": to_toml(table).encode()}
    return write_version(repository / product.name, version, files, settings) / WEIGHTS


def weights_facts(name: str, version: int, weights: bytes, labels: Sequence[str]) -> Table:
    """What every card begins with."""
    return {
        "name": name,
        "version": str(version),
        "notice": NOTICE,
        "labels": list(labels),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "size_bytes": len(weights),
    }


def write_version(
    folder: Path, version: int, files: Mapping[str, bytes], settings: Mapping[str, str]
) -> Path:
    """Writes a version's files and the model's settings, the version folder last and whole; returns it."""
    beside = folder / f".{version}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, data in files.items():
        (beside / name).write_bytes(data)
    for name, text in settings.items():
        write_beside(folder / name, text.encode())
    beside.rename(folder / str(version))
    return folder / str(version)


def write_beside(path: Path, data: bytes) -> None:
    """Replaces a file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.tmp").write_bytes(data)
    os.replace(path.with_name(f"{path.name}.tmp"), path)


def export_onnx(product: Product, file: Path) -> None:
    """Writes the network as ONNX with a free batch dimension and batch normalisation folded; checks it by
    running it.

    Raises ExportWrong when the graph is invalid, too new, or gives other outputs than the network.
    """
    network = product.network.eval()
    _lay_out_plainly(network)
    example = torch.from_numpy(ramp(product.input.shape, 3))
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


def ramp(shape: tuple[int, ...], count: int) -> NDArray[np.float32]:
    """The sample input: gray values that rise evenly from 0 to 1 row by row, the same in each batch place."""
    size = int(np.prod(shape))
    rising = np.arange(size, dtype=np.float32).reshape(shape) / np.float32(size - 1)
    return np.repeat(rising[np.newaxis], count, axis=0)


def _sample(product: Product, file: Path) -> Table:
    outputs = _run(product, file, ramp(product.input.shape, 1))
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
    return to_text(model_config(product.name, [product.input], product.outputs))
