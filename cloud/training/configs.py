"""Writes Triton's configurations in full: `config.pbtxt` for the processor, `configs/gpu.pbtxt` for a GPU, the
ensemble's.

Each of the others is derived from `config.pbtxt`, so they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

MAX_BATCH_SIZE: Final = 16
USUAL_BATCH_SIZE: Final = 8
WEIGHTS: Final = "model.onnx"
GPU: Final = "configs/gpu.pbtxt"
CACHE: Final = "/var/cache/sonorelay/tensorrt"
"""Where a production server keeps built engines: a volume, since a build takes minutes."""
USUAL_STILL_HW: Final = (540, 800)
"""What a warm-up takes for open dimensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output tensor of a model."""

    name: str
    """Name in the graph."""
    shape: tuple[int, ...]
    """Dimensions without the batch; -1 where the length is open."""
    labels: bool = False
    """Whether its first dimension counts through the labels file."""
    kind: str = "FP32"
    """Element type as Triton names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model of an ensemble."""

    model: str
    """Name of the model; its newest version serves."""
    inputs: dict[str, str]
    """The ensemble's tensor by the model's input."""
    outputs: dict[str, str]
    """The ensemble's tensor by the model's output; outputs left out are not used."""


def to_text(config: Any) -> str:
    """The configuration as `config.pbtxt` holds it."""
    return text_format.MessageToString(config)


def read_config(file: Path) -> Any:
    """The configuration in a file, read strictly: an unknown field raises `text_format.ParseError`."""
    return text_format.Parse(file.read_text(encoding="utf-8"), triton.ModelConfig())


def model_config(name: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> Any:
    """A model's whole `config.pbtxt` for the processor; nothing is left to Triton's automatic completion."""
    config = triton.ModelConfig(name=name, backend="onnxruntime", max_batch_size=MAX_BATCH_SIZE)
    config.default_model_filename = WEIGHTS
    _add_ports(config, inputs, outputs)
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
        for port in inputs:
            tensor = warm_up.inputs[port.name]
            tensor.data_type = triton.DataType.Value(f"TYPE_{port.kind}")
            tensor.dims.extend(_closed(port.shape))
            tensor.zero_data = True
    return config


def _add_ports(config: Any, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    config.version_policy.latest.num_versions = 1
    for ports, fields in ((inputs, config.input), (outputs, config.output)):
        for port in ports:
            kind = triton.DataType.Value(f"TYPE_{port.kind}")
            field = fields.add(name=port.name, data_type=kind, dims=port.shape)
            if port.labels:
                field.label_filename = "labels.txt"


def _closed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with the usual still's height and width in place of open ones."""
    if -1 not in shape:
        return shape
    return (*shape[:-2], *USUAL_STILL_HW)


def gpu_config(config: Any, weights: str = WEIGHTS) -> Any:
    """`configs/gpu.pbtxt` of a model: on a GPU where there is one, with the given weights file.

    A model of fixed dims is built by TensorRT, for batches of 1 to the largest, in half precision where the
    weights are; one with open dims (the graphs around the models) is left to CUDA. Built engines and timings
    are kept under CACHE.
    """
    gpu = triton.ModelConfig()
    gpu.CopyFrom(config)
    gpu.default_model_filename = weights
    del gpu.instance_group[:]
    gpu.instance_group.add(name="auto", kind=triton.ModelInstanceGroup.KIND_AUTO, count=1)
    gpu.optimization.input_pinned_memory.enable = True
    gpu.optimization.output_pinned_memory.enable = True
    if any(-1 in port.dims for port in gpu.input):
        return gpu
    accelerator = gpu.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
    accelerator.parameters.update(
        {
            # TensorRT up to 10 wants the flag for halves in the graph; strongly typed ones follow the graph.
            "precision_mode": "FP32" if weights == WEIGHTS else "FP16",
            "max_workspace_size_bytes": str(1 << 30),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": f"{CACHE}/{config.name}",
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": f"{CACHE}/{config.name}",
        }
    )
    for name, size in (("min", 1), ("opt", USUAL_BATCH_SIZE), ("max", config.max_batch_size)):
        shapes = (":".join((port.name, "x".join(map(str, (size, *port.dims))))) for port in gpu.input)
        accelerator.parameters[f"trt_profile_{name}_shapes"] = ",".join(shapes)
    return gpu


def int8_config(config: Any, weights: str) -> Any:
    """`configs/int8.pbtxt` of a model: as on the processor, with 8-bit weights."""
    small = triton.ModelConfig()
    small.CopyFrom(config)
    small.default_model_filename = weights
    return small


def ensemble_config(name: str, inputs: Sequence[Port], outputs: Sequence[Port], steps: Sequence[Step]) -> Any:
    """The `config.pbtxt` of an ensemble: Triton runs each step as soon as its tensors are there."""
    config = triton.ModelConfig(name=name, platform="ensemble", max_batch_size=MAX_BATCH_SIZE)
    _add_ports(config, inputs, outputs)
    for step in steps:
        added = config.ensemble_scheduling.step.add(model_name=step.model, model_version=-1)
        added.input_map.update(step.inputs)
        added.output_map.update(step.outputs)
    return config
