"""Part of step 11: the engine that asks a Triton server over gRPC, beside this process or elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import grpc
from google.protobuf import json_format
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.grpc.model_config_pb2 import ModelConfig
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from cloud.infer import DescribingEngine, KeepsVersions, LoadedVersion, ModelInfo
from cloud.infer.engines.repository import (
    WEIGHTS_NAME,
    ModelFolder,
    model_folders,
    read_model_folder,
    tensor_specs,
)
from cloud.infer.engines.signature import check_shapes, checked_inputs
from cloud.infer.engines.triton_errors import Meaning, meaning
from cloud.infer.errors import (
    EngineBusy,
    EngineLate,
    EngineUnreachable,
    EngineUnusable,
    InferError,
    InputInvalid,
    ModelInvalid,
    ModelUnknown,
)

ASK_WITHIN_S: Final = 5.0
"""Deadline of calls that run no model."""
LOAD_WITHIN_S: Final = 600.0
"""Deadline of a load: TensorRT may build its engine meanwhile."""
_NEVER: Final = -1
_AGAIN_MIN_S: Final = 0.25
_AGAIN_MAX_S: Final = 5.0
_CHANNEL: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that comes back is found within seconds; gRPC would wait up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # The engine is inside the site: a proxy to the world is no way to it.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What mutual TLS with the server needs, PEM."""

    ca: Path
    """Authority that signs the server's certificate."""
    certificate: Path
    """Our certificate chain."""
    key: Path
    """Our private key."""


@dataclass(slots=True)
class _Served:
    """A version of a model of the local repository, and whether the server was found to serve just that."""

    path: Path
    folder: ModelFolder
    info: ModelInfo
    agreed_in: int = _NEVER

    @classmethod
    def read(cls, path: Path, version: str | None) -> Self:
        """A version of a model folder, without its weights, which only the server needs. Raises ModelInvalid."""
        folder = replace(read_model_folder(path, version), weights=b"")
        return cls(path=path, folder=folder, info=folder.info)


class TritonEngine:
    """Asks the server at `address` for the versions that the local repository names, and no others.

    The local folders are the server's own, or copies: names, shapes, labels, cards and digests come from them.
    A server that serves a model otherwise is EngineUnusable: at the start, and again after it was away. A server
    that is away is EngineUnreachable, though not at the start: calls are refused
    until it comes, none is lost. A call ends by `deadline_s` on both sides, and a call that is cancelled here
    is dropped by the server.
    """

    def __init__(
        self,
        repository: Path,
        address: str,
        *,
        tls: TlsFiles | None = None,
        deadline_s: float = 20.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if deadline_s <= 0:
            raise ValueError("a call needs time")
        self._repository = repository
        self._address = address
        self._tls = tls
        self._deadline_s = deadline_s
        self._clock = clock
        # Replaced as a whole, never changed: whoever holds it holds the versions of one moment.
        self._table: Mapping[str, _Served] = {}
        self._client: Any = None
        self._lost_count = 0
        self._outages = 0
        self._mean_call_s = 0.05

    async def start(self, versions: Mapping[str, str] | None = None) -> None:
        """Reads the repository, each model in the version that `versions` names or else its configuration, and
        compares it with what the server serves, if that can be reached.

        Raises ModelInvalid for a folder that breaks a rule, EngineUnusable for a server that serves a model
        otherwise, that does not trust us, that we do not trust, or that is none.
        """
        table = await asyncio.to_thread(self._read_all, versions or {})
        credentials = await asyncio.to_thread(_credentials, self._tls) if self._tls else None
        self._client = InferenceServerClient(self._address, creds=credentials, channel_args=_CHANNEL)
        try:
            for served in table.values():
                await self._agree(served)
        except EngineUnreachable:
            pass  # Each model is compared before its first call instead.
        except BaseException:
            await self.close()
            raise
        self._table = table

    async def close(self) -> None:
        """Ends the connection; calls under way are cancelled. A repeat changes nothing."""
        self._table = {}
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def infer(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """See `Engine.infer`. Raises EngineUnreachable, EngineLate and EngineUnusable besides."""
        return await self._infer(self._table, model, inputs)

    async def ready(self, model: str) -> bool:
        """See `Engine.ready`: whether the server has that version of the model loaded, with our configuration.

        Not the same as `live`: a live server may still load, or have failed to load, this model.
        """
        return await self._ready(self._table, model)

    async def live(self) -> bool:
        """Whether a server answers at the address, whatever it has loaded."""
        if self._client is None:
            return False
        try:
            return bool(await self._client.is_server_live(client_timeout=ASK_WITHIN_S))
        except InferenceServerException:
            return False

    def describe(self, model: str) -> ModelInfo:
        """See `Describes.describe`. The digest is that of the local copy of the weights which the server's
        configuration names; that the server's copy is equal is up to whoever copied it."""
        return _of(self._table, model).info

    async def load(self, folder: Path, version: str) -> LoadedVersion:
        """See `KeepsVersions.load`: the server serves that version already, or loads it when asked (model control
        mode "explicit"); otherwise its operator sees to it."""
        served = await asyncio.to_thread(_Served.read, folder, version)
        try:
            await self._agree(served)
        except EngineUnusable as exc:
            raise ModelInvalid(folder.name, exc.reason) from exc
        return LoadedVersion(info=served.info, handle=served)

    def serve(self, loaded: LoadedVersion) -> None:
        """See `KeepsVersions.serve`."""
        self._table = {**self._table, loaded.info.name: loaded.handle}

    def snapshot(self) -> DescribingEngine:
        """See `KeepsVersions.snapshot`."""
        return _View(self, self._table)

    def beside(self, loaded: LoadedVersion) -> DescribingEngine:
        """See `KeepsVersions.beside`."""
        return _View(self, {**self._table, loaded.info.name: loaded.handle})

    def _read_all(self, versions: Mapping[str, str]) -> dict[str, _Served]:
        paths = model_folders(self._repository)
        return {path.name: _Served.read(path, versions.get(path.name)) for path in paths}

    async def _infer(
        self, table: Mapping[str, _Served], model: str, inputs: Mapping[str, NDArray[Any]]
    ) -> Mapping[str, NDArray[Any]]:
        served = _of(table, model)
        arrays = checked_inputs(served.folder, inputs)
        await self._agree(served)
        began = self._clock()
        try:
            answer = await self._client.infer(
                model,
                [_input(name, array) for name, array in arrays.items()],
                model_version=served.info.version,
                outputs=[InferRequestedOutput(spec.name) for spec in served.folder.outputs],
                timeout=int(self._deadline_s * 1_000_000),
                client_timeout=self._deadline_s,
            )
        except InferenceServerException as exc:
            raise await self._translated(served, exc) from exc
        self._lost_count = 0
        self._mean_call_s += 0.1 * (self._clock() - began - self._mean_call_s)
        outputs = {spec.name: answer.as_numpy(spec.name) for spec in served.folder.outputs}
        check_shapes(served.folder, outputs, next(iter(arrays.values())).shape[:1])
        return outputs

    async def _ready(self, table: Mapping[str, _Served], model: str) -> bool:
        served, client = table.get(model), self._client
        if served is None or client is None:
            return False
        try:
            if not await client.is_model_ready(model, served.info.version, client_timeout=ASK_WITHIN_S):
                return False
            await self._agree(served)
        except (InferenceServerException, InferError):
            return False
        return True

    async def _agree(self, served: _Served) -> None:
        """Compares a model with what the server serves, unless it did since the server was last away; one that it
        lacks it is asked to load. Raises EngineUnusable where they differ."""
        if served.agreed_in == self._outages:
            return
        outages, name, version = self._outages, served.info.name, served.info.version
        config = await self._config_there(served, version)
        if config is None:
            await self._ask_to_load(served)
            config = await self._config_there(served, version)
        if config is None:
            raise EngineUnusable(self._address, f"it has no version {version} of {name!r}")
        if differing := _difference(served.folder, config):
            raise EngineUnusable(self._address, f"model {name!r}: {differing}")
        if not served.folder.steps:
            served.info = replace(served.info, sha256=await self._digest(served, config))
        served.agreed_in = outages

    async def _config_there(self, served: _Served, version: str) -> ModelConfig | None:
        """The server's configuration of a model; None where it has not loaded that version ("": any)."""
        try:
            answer = await self._client.get_model_config(
                served.info.name, version, client_timeout=ASK_WITHIN_S
            )
        except InferenceServerException as exc:
            error = await self._translated(served, exc)
            if isinstance(error, ModelUnknown | InputInvalid):
                return None
            raise error from exc
        return answer.config

    async def _ask_to_load(self, served: _Served) -> None:
        """Has the server load the version beside the one that answers. Only a server whose models are controlled
        explicitly does; for all others their operator chooses. Raises EngineUnusable with what it said."""
        name, config = served.info.name, await self._config_there(served, "")
        wanted = None
        if config is not None:
            answering = self._table.get(name, served).info.version
            config.version_policy.specific.versions[:] = sorted({int(answering), int(served.info.version)})
            wanted = json_format.MessageToJson(config, preserving_proto_field_name=True)
        try:
            await self._client.load_model(name, config=wanted, client_timeout=LOAD_WITHIN_S)
        except InferenceServerException as exc:
            error = await self._translated(served, exc)
            said = (
                f"it has no version {served.info.version} of {name!r} and does not load it: {exc.message()}"
            )
            raise (EngineUnusable(self._address, said) if await self.live() else error) from exc

    async def _digest(self, served: _Served, config: ModelConfig) -> str:
        """SHA-256 of the file that the server's configuration names: another configuration of the same folder
        (`configs/`) may name another than the folder's own."""
        weights = served.path / served.info.version / (config.default_model_filename or WEIGHTS_NAME)
        try:
            return hashlib.sha256(await asyncio.to_thread(weights.read_bytes)).hexdigest()
        except FileNotFoundError as exc:
            reason = f"it runs {weights.name} of {served.info.name!r}, which is not in the local folder"
            raise EngineUnusable(self._address, reason) from exc

    async def _translated(self, served: _Served, exc: Any) -> InferError:
        """The error of ours that a failed call means."""
        model = served.info.name
        said, what = exc.message() or "no reason given", meaning(exc)
        if what is Meaning.LATE and not await self.live():
            what = Meaning.LOST
        match what:
            case Meaning.BUSY:
                return EngineBusy(max(_AGAIN_MIN_S, self._mean_call_s))
            case Meaning.LOST:
                return self._lost(said)
            case Meaning.LATE:
                return EngineLate(model, self._deadline_s)
            case Meaning.UNKNOWN_MODEL:
                served.agreed_in = _NEVER
                return ModelUnknown(model)
            case Meaning.BAD_INPUT:
                return InputInvalid(f"the server refuses the inputs of {model!r}: {said}")
            case Meaning.BAD_MODEL:
                return ModelInvalid(model, f"the server failed to run it: {said}")
            case Meaning.UNUSABLE:
                return EngineUnusable(self._address, said)

    def _lost(self, said: str) -> EngineUnreachable:
        """The server is away: it may come back with other models, and is asked less often the longer it is."""
        self._outages += 1
        after_s = min(_AGAIN_MAX_S, _AGAIN_MIN_S * 2**self._lost_count)
        self._lost_count = min(self._lost_count + 1, 8)
        return EngineUnreachable(self._address, after_s, said)


class _View:
    """The engine with the versions of one moment."""

    def __init__(self, engine: TritonEngine, table: Mapping[str, _Served]) -> None:
        self._engine = engine
        self._table = table

    async def infer(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """See `Engine.infer`."""
        return await self._engine._infer(self._table, model, inputs)

    async def ready(self, model: str) -> bool:
        """See `Engine.ready`."""
        return await self._engine._ready(self._table, model)

    def describe(self, model: str) -> ModelInfo:
        """See `Describes.describe`."""
        return _of(self._table, model).info


def _of(table: Mapping[str, _Served], model: str) -> _Served:
    served = table.get(model)
    if served is None:
        raise ModelUnknown(model)
    return served


def _credentials(tls: TlsFiles) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=tls.ca.read_bytes(),
        private_key=tls.key.read_bytes(),
        certificate_chain=tls.certificate.read_bytes(),
    )


def _input(name: str, array: NDArray[Any]) -> Any:
    tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    return tensor


def _difference(folder: ModelFolder, config: ModelConfig) -> str | None:
    """Where the server's configuration does not take and give what the folder's does; None: nowhere."""
    name = folder.info.name
    for what, ours, theirs in (
        ("inputs", folder.inputs, tensor_specs(name, config.input)),
        ("outputs", folder.outputs, tensor_specs(name, config.output)),
        ("largest batch", folder.max_batch_size, config.max_batch_size),
    ):
        if ours != theirs:
            return f"its {what} are {theirs} there, {ours} in the local config.pbtxt"
    return None


_triton: type[DescribingEngine] = TritonEngine
_keeps_versions: type[KeepsVersions] = TritonEngine
