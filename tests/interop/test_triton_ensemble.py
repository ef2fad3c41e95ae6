"""The whole pipeline as one ensemble on a real Triton server, and the configurations for a GPU.

The server is the real core with its real ensemble scheduler; its backend `onnxruntime` is a stand-in written in
Python that computes on the processor. TensorRT and KIND_GPU need a GPU and are not tried here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, model_config_pb2

from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.engines.repository import read_model_folder
from cloud.training.derived import ENSEMBLE
from cloud.training.variants import HALF, LARGEST_HALF_DIFFERENCE
from edge_agent.simulator.exam import shots
from tests.derived_repository import READ, TRAINED, derive_shipped
from tests.interop.triton.server import TritonServer

Triton = Callable[..., TritonServer]
Tensors = Mapping[str, NDArray[Any]]

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module", name="derived")
def _derived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return derive_shipped(tmp_path_factory.mktemp("derived"))


@pytest.fixture(scope="module", name="stills")
def _stills() -> list[NDArray[np.uint8]]:
    """Two simulated prints of a brain, gray, of the size that their machines print."""
    brains = (shot.still for shot in shots(3, cines=False) if shot.still.truth.ellipse is not None)
    pixels = [np.ascontiguousarray(still.pixels) for still in islice(brains, 2)]
    return [np.asarray(p if p.ndim == 2 else cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in pixels]


class _Calls:
    """One call after the other to a server, every output of a model by name."""

    def __init__(self, server: TritonServer, repository: Path) -> None:
        self.client = InferenceServerClient(server.grpc)
        self._repository = repository

    def infer(self, model: str, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """A model's answer."""
        sent = []
        for spec in read_model_folder(self._repository / model).inputs:
            kind = {np.dtype(np.uint8): "UINT8", np.dtype(np.float32): "FP32"}[spec.dtype]
            tensor = InferInput(spec.name, list(inputs[spec.name].shape), kind)
            tensor.set_data_from_numpy(inputs[spec.name])
            sent.append(tensor)
        answer = self.client.infer(model, sent, client_timeout=60)
        return {output.name: answer.as_numpy(output.name) for output in answer.get_response().outputs}

    def one_by_one(self, still: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """What the ensemble should give: each of its models called by itself."""
        canvases = self.infer("fetal_canvas", {"still": still})
        head = self.infer("fetal_head_seg", {"image": canvases["head_image"]})
        plane = self.infer("fetal_plane_cls", {"image": canvases["plane_image"]})
        crop = self.infer("fetal_crop", {"still": still, "probability": head["probability"]})
        cut = {"crop": crop["crop"]}
        behind = [(self.infer(READ[prefix], cut), f"{prefix}_") for prefix in set(READ) - {"head", "plane"}]
        named = [(head, "head_"), (plane, "plane_"), (crop, ""), *behind]
        return {f"{prefix}{name}": value for outputs, prefix in named for name, value in outputs.items()}


@pytest.mark.req("READ-05")
@pytest.mark.req("READ-07")
async def test_the_ensemble_is_its_models_one_by_one(
    triton: Triton, derived: Path, stills: list[NDArray[np.uint8]]
) -> None:
    """One gray still in, every answer out: bit for bit what the models give when called one by one, of any size
    and in a batch; and, within rounding, what the embedded engine makes of the same ensemble."""
    calls = _Calls(triton(derived), derived)
    here = OnnxEngine(derived, threads=2)
    await here.start()
    for still in stills:
        batch = np.stack([still, still[:, ::-1]])[:, np.newaxis]
        whole = calls.infer(ENSEMBLE, {"still": batch})
        expected = calls.one_by_one(batch)
        assert {spec.name for spec in read_model_folder(derived / ENSEMBLE).outputs} == set(whole)
        assert set(whole) == set(expected)
        for name, value in whole.items():
            np.testing.assert_array_equal(expected[name], value, err_msg=name)
        assert [[1], [1]] == whole["found"].tolist()
        for name, value in (await here.infer(ENSEMBLE, {"still": batch})).items():
            largest = max(1.0, float(np.abs(value).max()))
            # A crop's single gray value of rounding, enhanced, moves what is read from it.
            assert np.abs(value - whole[name]).max() <= 2e-2 * largest, name
            assert np.abs(value - whole[name]).mean() <= 1e-3 * largest, name
    await here.close()


def test_the_gpu_configurations_load(triton: Triton, derived: Path, stills: list[NDArray[np.uint8]]) -> None:
    """With `--model-config-name=gpu` every model loads, here on the processor as KIND_AUTO allows; the trained ones
    with their half-precision weights, whose answers stay within the bound of halves."""
    calls = _Calls(triton(derived, "--model-config-name=gpu"), derived)
    for name in (*TRAINED, "fetal_canvas", "fetal_crop", ENSEMBLE):
        assert calls.client.is_model_ready(name)
        config = calls.client.get_model_config(name).config
        if name == ENSEMBLE:
            continue
        assert config.default_model_filename == (HALF if name in TRAINED else "model.onnx")
        # The server writes down what AUTO came to.
        assert {group.name for group in config.instance_group} == {"auto"}
        assert {model_config_pb2.ModelInstanceGroup.KIND_CPU} == {g.kind for g in config.instance_group}
    whole = calls.infer(ENSEMBLE, {"still": stills[0][np.newaxis, np.newaxis]})
    assert all(np.isfinite(value).all() for value in whole.values())
    assert whole["found"][0, 0] == 1


def test_halves_answer_as_singles(triton: Triton, derived: Path, stills: list[NDArray[np.uint8]]) -> None:
    """On a still, each trained model's half-precision form answers as its single one does, within the bound."""
    single, halves = (
        _Calls(triton(derived, *options), derived) for options in ((), ("--model-config-name=gpu",))
    )
    still = stills[0][np.newaxis, np.newaxis]
    expected = single.one_by_one(still)
    canvases = single.infer("fetal_canvas", {"still": still})
    fed = {
        "head": {"image": canvases["head_image"]},
        "plane": {"image": canvases["plane_image"]},
    }
    for prefix, name in READ.items():
        inputs = fed.get(prefix, {"crop": expected["crop"]})
        for output, value in halves.infer(name, inputs).items():
            wanted = expected[f"{prefix}_{output}"]
            largest = max(1.0, float(np.abs(wanted).max()))
            assert np.abs(value - wanted).max() <= LARGEST_HALF_DIFFERENCE * largest, f"{name} {output}"
