"""Every configuration of Triton follows from `config.pbtxt`, in full and strictly readable."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from cloud.training.configs import (
    CACHE,
    Port,
    Step,
    ensemble_config,
    gpu_config,
    int8_config,
    model_config,
    to_text,
)

INPUT = Port(name="image", shape=(1, 16, 24))
OUTPUT = Port(name="logits", shape=(3,), labels=True)
STILL = Port(name="still", shape=(1, -1, -1), kind="UINT8")


def _read(config: object) -> triton.ModelConfig:
    return text_format.Parse(to_text(config), triton.ModelConfig())


def test_a_gpu_runs_the_halves_through_tensorrt_in_every_batch_size() -> None:
    """One profile covers batches of 1 to 16; engines and timings are kept on the volume; the rest is as on the
    processor."""
    cpu = model_config("tiny_cls", [INPUT], [OUTPUT])
    gpu = _read(gpu_config(cpu, "model.fp16.onnx"))
    assert gpu.default_model_filename == "model.fp16.onnx"
    assert [triton.ModelInstanceGroup.KIND_AUTO] == [group.kind for group in gpu.instance_group]
    (accelerator,) = gpu.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    assert ["image:1x1x16x24", "image:8x1x16x24", "image:16x1x16x24"] == [
        accelerator.parameters[f"trt_profile_{name}_shapes"] for name in ("min", "opt", "max")
    ]
    assert accelerator.parameters["precision_mode"] == "FP16"
    for what in ("engine", "timing"):
        assert accelerator.parameters[f"trt_{what}_cache_enable"] == "1"
        assert accelerator.parameters[f"trt_{what}_cache_path"] == f"{CACHE}/tiny_cls"
    assert [(1, [1, 16, 24]), (16, [1, 16, 24])] == [
        (warm_up.batch_size, list(warm_up.inputs["image"].dims)) for warm_up in gpu.model_warmup
    ]
    for field in (
        "name",
        "input",
        "output",
        "dynamic_batching",
        "version_policy",
        "parameters",
        "model_warmup",
    ):
        assert getattr(cpu, field) == getattr(gpu, field)


def test_open_dims_are_left_to_cuda() -> None:
    """A graph that takes stills of any size gets no TensorRT profile, and its warm-up a usual still."""
    gpu = _read(gpu_config(model_config("tiny_crop", [STILL], [OUTPUT])))
    assert not gpu.optimization.HasField("execution_accelerators")
    assert gpu.default_model_filename == "model.onnx"
    assert [1, 540, 800] == list(gpu.model_warmup[0].inputs["still"].dims)
    assert gpu.model_warmup[0].inputs["still"].data_type == triton.TYPE_UINT8


def test_eight_bits_differ_in_the_weights_alone() -> None:
    """`configs/int8.pbtxt` is `config.pbtxt` with another weights file."""
    cpu = model_config("tiny_cls", [INPUT], [OUTPUT])
    small = _read(int8_config(cpu, "model.int8.onnx"))
    assert small.default_model_filename == "model.int8.onnx"
    small.default_model_filename = cpu.default_model_filename
    assert cpu == small


@pytest.mark.parametrize("size", [1, 16])
def test_queues_are_bounded_and_warmed_up(size: int) -> None:
    """At most 256 wait, for at most ten seconds and are then refused; batches of 1 and 16 run before the first."""
    config = model_config("tiny_cls", [INPUT], [OUTPUT])
    policy = config.dynamic_batching.default_queue_policy
    assert (256, 10_000_000) == (policy.max_queue_size, policy.default_timeout_microseconds)
    assert policy.timeout_action == triton.ModelQueuePolicy.REJECT
    assert config.dynamic_batching.max_queue_delay_microseconds == 3000
    assert size in {warm_up.batch_size for warm_up in config.model_warmup}


def test_an_ensemble_names_its_steps() -> None:
    """The steps, with their tensors, stand in the configuration; the newest version of each model serves."""
    step = Step(model="tiny_cls", inputs={"image": "canvas"}, outputs={"logits": "plane_logits"})
    config = _read(ensemble_config("whole", [STILL], [Port(name="plane_logits", shape=(3,))], [step]))
    assert ("ensemble", 16) == (config.platform, config.max_batch_size)
    (found,) = config.ensemble_scheduling.step
    assert ("tiny_cls", -1) == (found.model_name, found.model_version)
    assert {"image": "canvas"} == dict(found.input_map)
    assert {"logits": "plane_logits"} == dict(found.output_map)
