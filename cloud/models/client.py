"""Part of step 11: model life from the other side: calls a server's models, and reads a folder to be pushed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from cloud.config import is_loopback, split_address
from cloud.errors import CloudError, ConfigInvalid
from sonorelay.contract.limits import (
    FRAGMENT_MAX_BYTES,
    KEEPALIVE_CLIENT_OPTIONS,
    MODEL_CHANGE_DEADLINE_S,
    MODEL_READ_DEADLINE_S,
    upload_deadline_s,
)
from sonorelay.contract.reasons import DOMAIN
from sonorelay.models.v1 import model_service_pb2 as pb
from sonorelay.models.v1.model_service_pb2_grpc import ModelServiceStub

_DETAILS_KEY: Final = "grpc-status-details-bin"
_TEXTS: Final = ("config.pbtxt", "labels.txt")


class CallFailed(CloudError):
    """The server refused the call, or could not be reached; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """Certificate files, PEM."""

    ca: Path
    """Authority of the server's certificate."""
    certificate: Path
    """The administrator's certificate chain."""
    key: Path
    """Its private key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushFolder:
    """A version of a model folder that is to be pushed."""

    model: str
    """Name of the folder."""
    version: str
    """The version."""
    files: Mapping[str, Path]
    """Files by the names that they have in a push."""

    @property
    def size_bytes(self) -> int:
        """Length of all files, bytes."""
        return sum(path.stat().st_size for path in self.files.values())


def read_folder(folder: Path, version: str | None = None) -> PushFolder:
    """What there is to push of a model folder, as training leaves it; what is missing the server names.

    Without `version` it is the highest one. The card is that of the version's folder, else the model's. Raises
    ConfigInvalid where there is no such folder or version.
    """
    folder = folder.resolve()
    versions = [path.name for path in folder.glob("*") if path.is_dir() and path.name.isdecimal()]
    if not versions:
        raise ConfigInvalid(f"{folder}: not a model folder (<model>/<version>/model.onnx)")
    chosen = version or max(versions, key=int)
    if chosen not in versions:
        raise ConfigInvalid(f"{folder}: it has no version {chosen}; it has {', '.join(sorted(versions))}")
    own = folder / chosen / "card.toml"
    candidates = {
        **{name: folder / name for name in _TEXTS},
        "card.toml": own if own.is_file() else folder / "card.toml",
        "model.onnx": folder / chosen / "model.onnx",
    }
    files = {name: path for name, path in candidates.items() if path.is_file()}
    return PushFolder(model=folder.name, version=chosen, files=files)


class ModelClient:
    """Calls `ModelService`. Every method raises CallFailed; leaving the context closes the channel."""

    def __init__(self, server: str, tls: ClientTls | None) -> None:
        self._channel = _channel(server, tls)
        # The generated stub carries no types; each method states its own.
        self._stub: Any = ModelServiceStub(self._channel)

    def __enter__(self) -> ModelClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def list(self) -> list[pb.Model]:
        """Every model, by name."""
        answer = self._call(self._stub.ListModels, pb.ListModelsRequest(), MODEL_READ_DEADLINE_S)
        return list(answer.models)

    def show(self, model: str) -> pb.ShowModelResponse:
        """All about one model."""
        answer: pb.ShowModelResponse = self._call(
            self._stub.ShowModel, pb.ShowModelRequest(model=model), MODEL_READ_DEADLINE_S
        )
        return answer

    def push(self, pushed: PushFolder, on_sent: Callable[[int], None]) -> pb.PushModelResponse:
        """Hands a version in; `on_sent` hears how many bytes are on their way."""
        answer: pb.PushModelResponse = self._call(
            self._stub.PushModel, _messages(pushed, on_sent), upload_deadline_s(pushed.size_bytes)
        )
        return answer

    def promote(self, model: str, version: str) -> pb.Model:
        """Makes a version the live one."""
        request = pb.PromoteModelRequest(model=model, version=version)
        return self._changed(self._stub.PromoteModel, request)

    def roll_back(self, model: str, from_version: str) -> pb.Model:
        """Makes the previous version the live one again."""
        request = pb.RollbackModelRequest(model=model, from_version=from_version)
        return self._changed(self._stub.RollbackModel, request)

    def set_shadow(self, model: str, version: str) -> pb.Model:
        """Lets a version read along; "" ends that."""
        return self._changed(self._stub.SetShadow, pb.SetShadowRequest(model=model, version=version))

    def _changed(self, method: Any, request: Any) -> pb.Model:
        model: pb.Model = self._call(method, request, MODEL_CHANGE_DEADLINE_S).model
        return model

    def _call(self, method: Any, request: Any, deadline_s: float) -> Any:
        try:
            return method(request, timeout=deadline_s)
        except grpc.RpcError as error:
            raise CallFailed(_said(error)) from error


def _channel(server: str, tls: ClientTls | None) -> grpc.Channel:
    host, _ = split_address("--server", server)
    options = list(KEEPALIVE_CLIENT_OPTIONS)
    if tls is None:
        if not is_loopback(host):
            raise ConfigInvalid(
                f"--server: {host} is beyond this machine; give --tls-ca, --tls-certificate and --tls-key"
            )
        return grpc.insecure_channel(server, options=options)
    try:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=tls.ca.read_bytes(),
            private_key=tls.key.read_bytes(),
            certificate_chain=tls.certificate.read_bytes(),
        )
    except OSError as exc:
        raise ConfigInvalid(f"a certificate file cannot be read: {exc.filename}") from exc
    return grpc.secure_channel(server, credentials, options=options)


def _messages(pushed: PushFolder, on_sent: Callable[[int], None]) -> Iterator[pb.PushModelRequest]:
    """The manifest, then each file's bytes, beginning in a message of its own."""
    contents = {name: path.read_bytes() for name, path in pushed.files.items()}
    files = [
        pb.ModelFile(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).digest())
        for name, data in contents.items()
    ]
    yield pb.PushModelRequest(
        manifest=pb.ModelManifest(model=pushed.model, version=pushed.version, files=files)
    )
    sent = 0
    for data in contents.values():
        for start in range(0, len(data), FRAGMENT_MAX_BYTES):
            piece = data[start : start + FRAGMENT_MAX_BYTES]
            yield pb.PushModelRequest(data=piece)
            sent += len(piece)
            on_sent(sent)


def _said(error: grpc.RpcError) -> str:
    """What the server said, with its reason; for the transport's errors their code."""
    if not isinstance(error, grpc.Call):
        return "the call failed"
    reason = next(filter(None, map(_reason, error.trailing_metadata() or ())), None)
    return f"{reason or error.code().name}: {error.details()}"


def _reason(item: tuple[str, str | bytes]) -> str | None:
    key, value = item
    if key != _DETAILS_KEY or not isinstance(value, bytes):
        return None
    try:
        details = status_pb2.Status.FromString(value).details
    except DecodeError:
        return None  # As good as no details.
    info = error_details_pb2.ErrorInfo()
    known = [info.reason for detail in details if detail.Unpack(info) and info.domain == DOMAIN]
    return known[0] if known else None
