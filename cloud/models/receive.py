"""Part of step 11: model life: takes the stream of a push and gives the files as their manifest names them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from cloud.models.accept import Rule, check_manifest, refuse
from sonorelay.contract.digest import sha256
from sonorelay.contract.limits import FRAGMENT_MAX_BYTES
from sonorelay.models.v1.model_service_pb2 import ModelManifest, PushModelRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What came whole, with the digests that were announced."""

    model: str
    """Name of the model, unchecked."""
    version: str
    """The version, well formed."""
    files: dict[str, bytes]
    """Bytes of each file by name; the names are those of a push."""


async def receive(requests: AsyncIterator[PushModelRequest]) -> Pushed:
    """The files of a push; holds no more than the manifest announced, within the limits.

    Refuses MODEL_REFUSED by the rules "manifest" and "transfer".
    """
    manifest: ModelManifest | None = None
    got: list[bytearray] = []
    async for request in requests:
        if manifest is None:
            manifest = _checked(request)
            continue
        _take(manifest, got, request)
    if manifest is None:
        refuse(Rule.MANIFEST, "the push has no message")
    if len(got) < len(manifest.files) or len(got[-1]) < manifest.files[-1].size_bytes:
        refuse(Rule.TRANSFER, "the stream ended before all bytes had come")
    files = {file.name: bytes(data) for file, data in zip(manifest.files, got, strict=True)}
    for file in manifest.files:
        if sha256(files[file.name]) != file.sha256:
            refuse(Rule.TRANSFER, f"the bytes of {file.name} do not have the digest of the manifest")
    return Pushed(model=manifest.model, version=manifest.version, files=files)


def _checked(request: PushModelRequest) -> ModelManifest:
    if request.WhichOneof("content") != "manifest":
        refuse(Rule.MANIFEST, "the first message is not the manifest")
    manifest = request.manifest
    sizes = {file.name: file.size_bytes for file in manifest.files}
    if len(sizes) != len(manifest.files):
        refuse(Rule.MANIFEST, "a file is named twice")
    check_manifest(manifest.version, sizes, [file.sha256 for file in manifest.files])
    return manifest


def _take(manifest: ModelManifest, got: list[bytearray], request: PushModelRequest) -> None:
    """Adds a message's bytes to the file whose turn it is."""
    if request.WhichOneof("content") != "data" or not 1 <= len(request.data) <= FRAGMENT_MAX_BYTES:
        refuse(Rule.TRANSFER, f"a message after the manifest carries 1 to {FRAGMENT_MAX_BYTES} bytes")
    if not got or len(got[-1]) == manifest.files[len(got) - 1].size_bytes:
        got.append(bytearray())
    if len(got) > len(manifest.files):
        refuse(Rule.TRANSFER, "more bytes came than the manifest announced")
    if len(got[-1]) + len(request.data) > manifest.files[len(got) - 1].size_bytes:
        refuse(Rule.TRANSFER, "a message reaches beyond its file")
    got[-1] += request.data
