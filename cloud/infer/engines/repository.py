"""Part of step 11: reads a model folder in Triton's layout, strictly: every engine serves the same files
alike.

The layout is:
    <model>/config.pbtxt           full configuration; unknown fields are errors
    <model>/<version>/model.onnx   weights; the version is a number
    <model>/<version>/card.toml    model card, optional; its SHA-256 is checked
    <model>/card.toml              the card of the version that it names, where that has none of its own
    <model>/labels.txt             class names, one a line, where the configuration names it
An ensemble's version folder holds no weights: its configuration says what runs.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format

from cloud.infer import ModelInfo
from cloud.infer.errors import ModelInvalid

DTYPES: dict[str, type[np.generic]] = {
    "TYPE_BOOL": np.bool_,
    "TYPE_UINT8": np.uint8,
    "TYPE_UINT16": np.uint16,
    "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64,
    "TYPE_INT8": np.int8,
    "TYPE_INT16": np.int16,
    "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64,
    "TYPE_FP16": np.float16,
    "TYPE_FP32": np.float32,
    "TYPE_FP64": np.float64,
}
WEIGHTS_NAME = "model.onnx"
"""The weights' file where a configuration names no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output of a model."""

    name: str
    """The tensor's name."""
    dtype: np.dtype[Any]
    """Its element type."""
    dims: tuple[int, ...]
    """Its shape without the batch axis; -1 where any length is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleStep:
    """One model that an ensemble runs."""

    model: str
    """The model's name."""
    version: str | None
    """The version that it must be; None for the one that serves."""
    inputs: Mapping[str, str]
    """The ensemble's tensor by the model's input."""
    outputs: Mapping[str, str]
    """The ensemble's tensor by the model's output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model folder that has passed every check which needs no engine."""

    info: ModelInfo
    """Name, version, digest, labels, card."""
    weights: bytes
    """The weights of the version that serves: the very bytes whose digest `info` holds. Of an ensemble, its
    configuration."""
    inputs: tuple[TensorSpec, ...]
    """The inputs, in the configuration's order."""
    outputs: tuple[TensorSpec, ...]
    """The outputs, in the configuration's order."""
    max_batch_size: int
    """The largest batch; 0 means that the tensors carry no batch axis."""
    intra_op_threads: int | None
    """Threads within one run, as the configuration asks; None where it does not say."""
    steps: tuple[EnsembleStep, ...] = ()
    """What an ensemble runs; empty for a model."""


def model_folders(repository: Path) -> list[Path]:
    """The folders of a repository that are models, by name; folders beginning with a dot are not.

    Raises ModelInvalid when the repository is no folder.
    """
    if not repository.is_dir():
        raise ModelInvalid(repository.name, "the model repository is not a folder")
    return sorted(p for p in repository.iterdir() if p.is_dir() and not p.name.startswith("."))


def read_model_folder(folder: Path, version: str | None = None) -> ModelFolder:
    """Reads and checks one model folder: the version that serves by its configuration, or the given one.

    Raises ModelInvalid, which names the first rule broken.
    """
    name = folder.name
    config = _read_config(folder)
    version = version or _serving_version(folder, config)
    path = folder / version / (config.default_model_filename or WEIGHTS_NAME)
    if config.HasField("ensemble_scheduling"):
        path = folder / "config.pbtxt"
    if not path.is_file():
        raise ModelInvalid(name, f"version {version} has no {path.name}")
    weights = path.read_bytes()
    sha256 = hashlib.sha256(weights).hexdigest()
    card = _read_card(name, card_of(folder, version))
    _check_digest(name, card, path.name, sha256)
    return ModelFolder(
        info=ModelInfo(
            name=name, version=version, sha256=sha256, labels=_read_labels(folder, config, card), card=card
        ),
        weights=weights,
        inputs=tensor_specs(name, config.input),
        outputs=tensor_specs(name, config.output),
        max_batch_size=config.max_batch_size,
        intra_op_threads=_intra_op_threads(name, config),
        steps=_steps(name, config),
    )


def _parse_config(folder: Path) -> Any:
    # Imported here: it loads the whole Triton client (most of a second), which only a server that reads
    # models needs.
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    name = folder.name
    path = folder / "config.pbtxt"
    if not path.is_file():
        raise ModelInvalid(name, "it has no config.pbtxt")
    try:
        config: Any = text_format.Parse(path.read_text(encoding="utf-8"), ModelConfig())
    except (text_format.ParseError, UnicodeDecodeError) as exc:
        raise ModelInvalid(name, f"config.pbtxt does not parse: {exc}") from exc
    return config


def _read_config(folder: Path) -> Any:
    name, config = folder.name, _parse_config(folder)
    if config.name and config.name != name:
        raise ModelInvalid(name, f"config.pbtxt names the model {config.name!r}, its folder another")
    if (config.platform == "ensemble") != config.HasField("ensemble_scheduling"):
        raise ModelInvalid(name, "an ensemble has the platform 'ensemble' and ensemble_scheduling, both")
    if config.platform not in ("ensemble", "onnxruntime_onnx") and config.backend != "onnxruntime":
        raise ModelInvalid(name, f"backend {config.backend or config.platform!r} is not onnxruntime")
    if not config.input or not config.output:
        raise ModelInvalid(name, "config.pbtxt must list its inputs and outputs")
    if config.max_batch_size < 0:
        raise ModelInvalid(name, "max_batch_size must not be negative")
    return config


def _serving_version(folder: Path, config: Any) -> str:
    """The highest version among those that the version policy makes available, as Triton chooses it."""
    present = sorted(
        (int(p.name) for p in folder.iterdir() if p.is_dir() and p.name.isdecimal() and p.name[0] != "0"),
        reverse=True,
    )
    policy = config.version_policy
    if policy.HasField("specific"):
        wanted = set(policy.specific.versions)
        missing = wanted - set(present)
        if missing:
            raise ModelInvalid(
                folder.name, f"the version policy asks for {sorted(missing)}, not in its folder"
            )
        present = [version for version in present if version in wanted]
    # "latest n" and "all" differ only in what else is available: the highest of them answers.
    if policy.HasField("latest") and policy.latest.num_versions == 0:
        raise ModelInvalid(folder.name, "the version policy keeps no version")
    if not present:
        raise ModelInvalid(folder.name, "it has no version folder")
    return str(present[0])


def tensor_specs(name: str, tensors: Any) -> tuple[TensorSpec, ...]:
    """The inputs or outputs of a configuration. Raises ModelInvalid for a tensor that is not read."""
    return tuple(_spec(name, tensor) for tensor in tensors)


def _spec(name: str, tensor: Any) -> TensorSpec:
    types = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    type_name = types[tensor.data_type].name
    dtype = DTYPES.get(type_name)
    if dtype is None:
        raise ModelInvalid(name, f"tensor {tensor.name!r} has the type {type_name}, which is not read")
    dims = tuple(tensor.dims)
    if not tensor.name or any(size == 0 or size < -1 for size in dims):
        raise ModelInvalid(name, f"tensor {tensor.name!r} has no name or the impossible dims {dims}")
    if tensor.HasField("reshape"):
        raise ModelInvalid(name, f"tensor {tensor.name!r} asks for a reshape, which this engine does not do")
    return TensorSpec(name=tensor.name, dtype=np.dtype(dtype), dims=dims)


def _steps(name: str, config: Any) -> tuple[EnsembleStep, ...]:
    steps = tuple(
        EnsembleStep(
            model=step.model_name,
            version=None if step.model_version == -1 else str(step.model_version),
            inputs=dict(step.input_map),
            outputs=dict(step.output_map),
        )
        for step in config.ensemble_scheduling.step
    )
    if config.HasField("ensemble_scheduling") and not steps:
        raise ModelInvalid(name, "it is an ensemble without a step")
    return steps


def _intra_op_threads(name: str, config: Any) -> int | None:
    if "intra_op_thread_count" not in config.parameters:
        return None
    text = config.parameters["intra_op_thread_count"].string_value
    if not text.isdecimal():
        raise ModelInvalid(name, f"intra_op_thread_count {text!r} is not a whole number")
    return int(text) or None


def card_of(folder: Path, version: str) -> Path | None:
    """The card of a version: the one in its folder; else the model's, unless that names another version; None
    where there is none. Raises ModelInvalid for a model's card that does not parse."""
    own, common = folder / version / "card.toml", folder / "card.toml"
    if own.is_file():
        return own
    if not common.is_file() or _read_card(folder.name, common).get("version", version) != version:
        return None
    return common


def _read_card(name: str, path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ModelInvalid(name, f"card.toml does not parse: {exc}") from exc


def _check_digest(name: str, card: dict[str, Any], file: str, sha256: str) -> None:
    """The card names the digest of `model.onnx`, and that of each variant with its file."""
    variants = {v["file"]: v["sha256"] for v in card.get("variants", {}).values() if isinstance(v, dict)}
    expected = variants.get(file, card.get("sha256"))
    if expected is not None and expected != sha256:
        raise ModelInvalid(name, f"the weights have SHA-256 {sha256}, the card says {expected}")


def _read_labels(folder: Path, config: Any, card: dict[str, Any]) -> tuple[str, ...]:
    """From the file that an output names; else from the card; else none."""
    for output in config.output:
        if output.label_filename:
            path = folder / output.label_filename
            if not path.is_file():
                raise ModelInvalid(folder.name, f"label file {output.label_filename!r} is missing")
            lines = path.read_text(encoding="utf-8").splitlines()
            return tuple(line.strip() for line in lines if line.strip())
    return tuple(card.get("labels", ()))
