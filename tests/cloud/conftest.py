"""A small agent that speaks the contract, and servers to speak to, for the tests of the cloud's own half."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import grpc
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import error_details_pb2, status_pb2

from cloud.build import build_server
from cloud.config import Config
from cloud.log import make_log
from cloud.server import Endpoints
from sonorelay.agent.v1.agent_service_pb2 import WatchResultsRequest
from sonorelay.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from sonorelay.contract.blocks import Block
from sonorelay.contract.digest import sha256
from sonorelay.contract.limits import KEEPALIVE_CLIENT_OPTIONS, SHARD_SIZE_BYTES
from sonorelay.contract.notes import Proof, Signer, Verifier
from sonorelay.contract.shards import cut, digest_part, encode_head
from sonorelay.ingest.v1 import ingest_service_pb2 as pb
from sonorelay.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from sonorelay.ingest.v1.subfile_pb2 import SubFileImage, SubFileIndex
from sonorelay.ledger.v1.ledger_service_pb2_grpc import LedgerServiceStub

TIMEOUT_S = 15.0
RECEIVED = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)


@dataclass(kw_only=True)
class SmallPart:
    """A sub-file ready to be sent."""

    image_type: str
    image_ids: list[str]
    data: bytes
    manifest: pb.PartManifest

    def shards(self) -> list[bytes]:
        return list(cut([self.data]))


@dataclass(kw_only=True)
class SmallCapture:
    """A capture ready to be sent."""

    capture_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    parts: list[SmallPart] = field(default_factory=list)


def sub_file(image_type: str, images: list[bytes], **changes: Any) -> tuple[list[str], bytes]:
    """Image ids and bytes of a sub-file; `changes` alter fields of its images' entries."""
    index = SubFileIndex(image_type=image_type)
    offset = 0
    for place, data in enumerate(images):
        entry = SubFileImage(
            image_id=str(uuid.uuid4()),
            media_type="image/png",
            offset_bytes=offset,
            size_bytes=len(data),
            sha256=sha256(data),
            width_px=800,
            height_px=540,
            frame_count=1,
            source_format="png",
            index_in_capture=place,
        )
        entry.capture_time.FromDatetime(RECEIVED)
        entry.type_probabilities.add(image_type=image_type, probability=1.0)
        for name, value in changes.items():
            setattr(entry, name, value)
        index.images.append(entry)
        offset += len(data)
    return [image.image_id for image in index.images], encode_head(index) + b"".join(images)


class SmallAgent:
    """One device, calling one server. Each method is one call of the contract."""

    def __init__(self, endpoints: Endpoints, device_id: str, channel: grpc.aio.Channel) -> None:
        self.device_id = device_id
        self.signer = Signer(device_id, Ed25519PrivateKey.generate())
        self.log = Verifier.parse(endpoints.log_verifier_key)
        self.ingest: Any = IngestServiceStub(channel)
        self.ledger: Any = LedgerServiceStub(channel)
        self.agent: Any = AgentServiceStub(channel)

    async def first_result(self) -> Any:
        """The first result of the device."""
        stream = self.agent.WatchResults(WatchResultsRequest(device_id=self.device_id, cursor=0))
        async with asyncio.timeout(30):
            async for response in stream:
                if response.HasField("result"):
                    return response.result
        raise AssertionError("the stream ended")

    def capture(self, *images: bytes, image_type: str = "brain", **changes: Any) -> SmallCapture:
        """A capture of one part."""
        made = SmallCapture()
        self.add_part(made, *sub_file(image_type, list(images), **changes), image_type, len(images))
        return made

    def add_part(
        self, made: SmallCapture, ids: list[str], data: bytes, image_type: str, image_count: int
    ) -> None:
        """Adds a sub-file to a capture, cut and signed."""
        digests = digest_part([data])
        block = Block(
            device_id=self.device_id,
            capture_id=made.capture_id,
            part_index=len(made.parts),
            image_type=image_type,
            image_count=image_count,
            size_bytes=digests.size_bytes,
            shard_size_bytes=SHARD_SIZE_BYTES,
            shard_count=len(digests.shard_sha256),
            root=digests.root,
            block_time=RECEIVED,
        )
        manifest = pb.PartManifest(
            part_index=block.part_index,
            image_type=image_type,
            image_count=image_count,
            size_bytes=digests.size_bytes,
            shard_size_bytes=SHARD_SIZE_BYTES,
            shard_sha256=digests.shard_sha256,
            root=digests.root,
            block=block.sign(self.signer),
        )
        made.parts.append(SmallPart(image_type=image_type, image_ids=ids, data=data, manifest=manifest))

    def notification(self, made: SmallCapture) -> pb.PreNotifyRequest:
        """The first word about a capture."""
        request = pb.PreNotifyRequest(
            request_id=made.request_id,
            device_id=self.device_id,
            capture_id=made.capture_id,
            boot_id="00000000-0000-4000-8000-000000000001",
            expected_image_count=1,
            size_bytes=sum(len(part.data) for part in made.parts),
            device_verifier_key=str(self.signer.verifier),
        )
        request.received_time.FromDatetime(RECEIVED)
        request.sent_time.GetCurrentTime()
        return request

    def opening(self, made: SmallCapture) -> pb.OpenUploadRequest:
        """The manifest of a capture."""
        return pb.OpenUploadRequest(
            device_id=self.device_id,
            capture_id=made.capture_id,
            parts=[part.manifest for part in made.parts],
            device_verifier_key=str(self.signer.verifier),
            edge_timings=[pb.StepTiming(step="capture", duration_ms=1.5)],
        )

    async def notify(self, made: SmallCapture) -> pb.PreNotifyResponse:
        return await self.ingest.PreNotify(self.notification(made), timeout=TIMEOUT_S)

    async def open(self, made: SmallCapture) -> pb.OpenUploadResponse:
        return await self.ingest.OpenUpload(self.opening(made), timeout=TIMEOUT_S)

    def fragments(self, made: SmallCapture, opened: pb.OpenUploadResponse) -> list[pb.Fragment]:
        """A fragment for each missing shard."""
        return [
            pb.Fragment(
                session_id=opened.session_id,
                fencing_token=opened.fencing_token,
                part_index=missing.part_index,
                shard_index=index,
                data=made.parts[missing.part_index].shards()[index],
            )
            for missing in opened.missing
            for run in missing.ranges
            for index in range(run.first, run.first + run.count)
        ]

    async def put(self, fragments: list[pb.Fragment]) -> list[pb.PutShardsResponse]:
        """Sends fragments on a stream of their own and reads it to its end."""
        stream = self.ingest.PutShards(iter([pb.PutShardsRequest(fragment=each) for each in fragments]))
        return [response async for response in stream]

    async def commit(self, opened: pb.OpenUploadResponse) -> pb.CommitResponse:
        request = pb.CommitRequest(session_id=opened.session_id, fencing_token=opened.fencing_token)
        return await self.ingest.Commit(request, timeout=TIMEOUT_S)

    async def deliver(self, made: SmallCapture) -> pb.CommitResponse:
        """Opens, sends and commits."""
        opened = await self.open(made)
        if opened.missing:
            await self.put(self.fragments(made, opened))
        return await self.commit(opened)

    def check_receipts(self, made: SmallCapture, committed: pb.CommitResponse) -> list[int]:
        """Ledger indices, after every receipt has been verified as an agent does."""
        assert len(made.parts) == len(committed.receipts)
        for part, receipt in zip(made.parts, committed.receipts, strict=True):
            assert part.manifest.block == receipt.block
            proof = Proof.parse(receipt.tlog_proof)
            assert receipt.ledger_index == proof.index
            proof.verify(receipt.block, self.log)
        return [receipt.ledger_index for receipt in committed.receipts]


@dataclass(kw_only=True)
class Refusal:
    """What a refused call said."""

    code: grpc.StatusCode
    reason: str | None
    retry_s: float | None
    message: str


async def _drained(stream: Any) -> None:
    async for _ in stream:
        pass


async def refusal_of(call: Any) -> Refusal:
    """Awaits a call (or reads a stream) that must fail; what it said in the contract's words."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (_drained(call) if hasattr(call, "__aiter__") else call)
    error = caught.value
    reason, retry_s = None, None
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    assert info.domain == "sonorelay"
                    reason = info.reason
                elif detail.Unpack(retry):
                    retry_s = retry.retry_delay.ToMilliseconds() / 1000
    return Refusal(code=error.code(), reason=reason, retry_s=retry_s, message=error.details() or "")


@pytest.fixture
def refused() -> Callable[[Any], Any]:
    """Awaits a call that must fail and says how."""
    return refusal_of


@dataclass(kw_only=True)
class Running:
    """A server that answers, and what it logged."""

    endpoints: Endpoints
    config: Config
    logged: io.StringIO
    agent: Callable[..., SmallAgent]
    stop: Callable[[], None]


@pytest.fixture
def cloud_config(tmp_path: Path) -> Config:
    """Settings of a server that reads no images, on free ports, with a folder of its own."""
    return Config(
        data_dir=tmp_path / "data",
        grpc_address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        inference=False,
        free_min_bytes=0,
    )


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Starts a server inside the test: `async with serve(config, before_step=..) as running`."""

    @contextlib.asynccontextmanager
    async def start(config: Config, **options: Any) -> AsyncIterator[Running]:
        logged = io.StringIO()
        server = build_server(config.check(), make_log(logged), **options)
        ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(server.run(ready.set_result))
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        async with contextlib.AsyncExitStack() as channels:
            endpoints = ready.result()
            channel = grpc.aio.insecure_channel(endpoints.grpc, options=list(KEEPALIVE_CLIENT_OPTIONS))
            await channels.enter_async_context(channel)
            try:
                yield Running(
                    endpoints=endpoints,
                    config=config,
                    logged=logged,
                    agent=lambda device_id="room-1": SmallAgent(endpoints, device_id, channel),
                    stop=server.stop,
                )
            finally:
                server.stop()
                await task

    return start


@pytest.fixture
async def running(serve: Callable[..., Any], cloud_config: Config) -> AsyncIterator[Running]:
    """A server that takes images and reads none."""
    async with serve(cloud_config) as started:
        yield started


@pytest.fixture
def agent(running: Running) -> SmallAgent:
    """A device of that server."""
    return running.agent()


@pytest.fixture
def make_sub_file() -> Callable[..., tuple[list[str], bytes]]:
    """Makes the bytes of a sub-file."""
    return sub_file


@pytest.fixture
def small_capture() -> type[SmallCapture]:
    """The class of captures."""
    return SmallCapture


@pytest.fixture
def changed() -> Callable[..., Any]:
    """A setting changed."""
    return replace


def _tiny_models() -> ModuleType:
    """The models of the inference tests, exact by construction."""
    path = Path(__file__).parent / "infer" / "conftest.py"
    spec = importlib.util.spec_from_file_location("tiny_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of tiny models: every still is a brain with ventriculomegaly."""
    models = _tiny_models()
    folder: Path = models.write_repository(tmp_path_factory.mktemp("models"), models.Answers())
    return folder


@pytest.fixture
def reading_config(cloud_config: Config, tiny_models: Path) -> Config:
    """Settings of a server that reads images with the tiny models."""
    return replace(cloud_config, inference=True, model_repository=tiny_models)


@pytest.fixture(scope="session")
def head_png() -> bytes:
    """A still on which the tiny models find a head; small enough for one shard."""
    pixels = np.random.default_rng(7).integers(30, 46, (540, 800)).astype(np.uint8)
    cv2.ellipse(pixels, ((400, 270), (400, 300), 20), 220, -1)
    # A flat area is no tissue.
    pixels[pixels == 220] = np.random.default_rng(8).integers(219, 222, int((pixels == 220).sum()))
    encoded, data = cv2.imencode(".png", pixels)
    assert encoded
    return bytes(data)


@pytest.fixture
def small_agent() -> type[SmallAgent]:
    """The class of devices."""
    return SmallAgent
