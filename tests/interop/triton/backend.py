"""The backend `onnxruntime` of the tests' Triton: serves stock ONNX folders through its Python backend.

Runs inside the server's stub process, in its own environment. It proves what the real Triton core does with our
folders and calls; it says nothing about Triton's C++ backend of the same name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance of one version of a model; Triton demands this name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the weights that the configuration names. Raises TritonModelException, which refuses the load."""
        config = json.loads(args["model_config"])
        weights = Path(args["model_repository"], args["model_version"], _weights_name(config))
        if not weights.is_file():
            raise pb_utils.TritonModelException(f"no {weights.name} in version {args['model_version']}")
        self._has_batch = config["max_batch_size"] > 0
        self._session = ort.InferenceSession(str(weights), _options(config), ["CPUExecutionProvider"])
        self._inputs = [tensor.name for tensor in self._session.get_inputs()]
        outputs = {tensor.name for tensor in self._session.get_outputs()}
        if {tensor["name"] for tensor in config["input"]} != set(self._inputs):
            raise pb_utils.TritonModelException(f"the weights take the inputs {self._inputs}")
        if missing := {tensor["name"] for tensor in config["output"]} - outputs:
            raise pb_utils.TritonModelException(f"the weights have no output {sorted(missing)}")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers what the scheduler has put together, in one run where the shapes allow it."""
        wanted = list(dict.fromkeys(name for r in requests for name in r.requested_output_names()))
        feeds = [self._feed(request) for request in requests]
        shapes = {tuple(array.shape[1:] for array in feed.values()) for feed in feeds}
        try:
            if self._has_batch and len(shapes) == 1:
                answers = self._run_together(wanted, feeds)
            else:
                answers = [self._session.run(wanted, feed) for feed in feeds]
        except Exception as error:  # Triton's border: whatever it is becomes the answer
            return [pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error))) for _ in requests]
        return [
            _response(request, dict(zip(wanted, arrays, strict=True)))
            for request, arrays in zip(requests, answers, strict=True)
        ]

    def _feed(self, request: Any) -> dict[str, Any]:
        tensors = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._inputs}
        return {name: tensor.as_numpy() for name, tensor in tensors.items()}

    def _run_together(self, wanted: list[str], feeds: list[dict[str, Any]]) -> list[list[Any]]:
        together = feeds[0]
        if len(feeds) > 1:
            together = {name: np.concatenate([feed[name] for feed in feeds]) for name in self._inputs}
        outputs = self._session.run(wanted, together)
        ends = np.cumsum([len(feed[self._inputs[0]]) for feed in feeds])[:-1]
        return [list(parts) for parts in zip(*(np.split(out, ends) for out in outputs), strict=True)]


def _weights_name(config: dict[str, Any]) -> str:
    return config.get("default_model_filename") or "model.onnx"


def _options(config: dict[str, Any]) -> Any:
    parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    options = ort.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", 0))
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", 0))
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _response(request: Any, outputs: dict[str, Any]) -> Any:
    names = set(request.requested_output_names())
    tensors = [
        pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in outputs.items() if name in names
    ]
    return pb_utils.InferenceResponse(output_tensors=tensors)
