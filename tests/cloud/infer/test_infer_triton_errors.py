"""The border to Triton: every gRPC status that a server can answer with becomes one of our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype

from cloud.infer.engines.repository import read_model_folder
from cloud.infer.engines.signature import warm_up_inputs
from cloud.infer.engines.triton import TritonEngine
from cloud.infer.engines.triton_errors import MEANINGS
from cloud.infer.errors import (
    EngineBusy,
    EngineLate,
    EngineUnreachable,
    EngineUnusable,
    InputInvalid,
    ModelInvalid,
    ModelUnknown,
)

CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
EXPECTED: dict[str, type[Exception]] = {
    "CANCELLED": EngineUnreachable,
    "UNKNOWN": ModelInvalid,
    "INVALID_ARGUMENT": InputInvalid,
    "DEADLINE_EXCEEDED": EngineLate,
    "NOT_FOUND": ModelUnknown,
    "ALREADY_EXISTS": EngineUnusable,
    "PERMISSION_DENIED": EngineUnusable,
    "RESOURCE_EXHAUSTED": EngineBusy,
    "FAILED_PRECONDITION": EngineUnusable,
    "ABORTED": EngineUnreachable,
    "OUT_OF_RANGE": EngineUnusable,
    "UNIMPLEMENTED": EngineUnusable,
    "INTERNAL": ModelInvalid,
    "UNAVAILABLE": EngineUnreachable,
    "DATA_LOSS": EngineUnreachable,
    "UNAUTHENTICATED": EngineUnusable,
}
HEAD = "fetal_head_seg"
Feeds = dict[str, NDArray[Any]]


class Answers(service_pb2_grpc.GRPCInferenceServiceServicer):
    """A server that has the models of a repository and answers each call as `infer` says."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.fails_with: tuple[grpc.StatusCode, str] = (grpc.StatusCode.OK, "")
        self.answer = service_pb2.ModelInferResponse()

    async def ServerLive(self, request: Any, context: Any) -> Any:
        return service_pb2.ServerLiveResponse(live=True)

    async def ModelConfig(self, request: Any, context: Any) -> Any:
        text = (self.repository / request.name / "config.pbtxt").read_text()
        return service_pb2.ModelConfigResponse(config=text_format.Parse(text, model_config_pb2.ModelConfig()))

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        code, words = self.fails_with
        if code is not grpc.StatusCode.OK:
            await context.abort(code, words)
        return self.answer


@pytest.fixture
async def answers(tiny_repository: Path) -> AsyncIterator[tuple[Answers, TritonEngine]]:
    """A server in the test, and the engine that asks it."""
    servicer = Answers(tiny_repository)
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    engine = TritonEngine(tiny_repository, f"127.0.0.1:{port}")
    await engine.start()
    yield servicer, engine
    await engine.close()
    await server.stop(None)


@pytest.fixture
def feeds(tiny_repository: Path) -> Feeds:
    """Inputs that the head model takes."""
    zeros = warm_up_inputs(read_model_folder(tiny_repository / HEAD))
    assert zeros is not None
    return zeros


def test_every_status_has_a_meaning() -> None:
    """The table of meanings is complete."""
    assert {str(code) for code in grpc.StatusCode} == set(MEANINGS)
    assert {code.name for code in CODES} == set(EXPECTED)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
async def test_every_status_becomes_an_error_of_ours(
    answers: tuple[Answers, TritonEngine], feeds: Feeds, code: grpc.StatusCode
) -> None:
    """No status passes the border untranslated, and the next call is served as if nothing had been."""
    servicer, engine = answers
    servicer.fails_with = code, "the reason"
    with pytest.raises(EXPECTED[code.name]) as failed:
        await engine.infer(HEAD, feeds)
    assert type(failed.value) is EXPECTED[code.name]
    servicer.fails_with = grpc.StatusCode.OK, ""
    with pytest.raises(ModelInvalid, match="gave no output"):
        await engine.infer(HEAD, feeds)


@pytest.mark.parametrize(
    "words",
    ["[request id: <id_unknown>] Exceeds maximum queue size", "Request timeout expired"],
)
async def test_a_full_queue_is_told_from_a_server_that_is_gone(
    answers: tuple[Answers, TritonEngine], feeds: Feeds, words: str
) -> None:
    """Triton says UNAVAILABLE for both; the words make it busy."""
    servicer, engine = answers
    servicer.fails_with = grpc.StatusCode.UNAVAILABLE, words
    with pytest.raises(EngineBusy) as busy:
        await engine.infer(HEAD, feeds)
    assert 0 < busy.value.after_s < 60


async def test_the_longer_it_is_away_the_less_it_is_asked(
    answers: tuple[Answers, TritonEngine], feeds: Feeds
) -> None:
    """The time to wait grows with each failure, to a limit, and begins anew once an answer has come."""
    servicer, engine = answers
    servicer.fails_with = grpc.StatusCode.UNAVAILABLE, "gone"
    waits = []
    for _ in range(8):
        with pytest.raises(EngineUnreachable) as away:
            await engine.infer(HEAD, feeds)
        waits.append(away.value.after_s)
    assert waits == sorted(waits)
    assert 0 < waits[0] < waits[-1] <= 5


@pytest.mark.parametrize(
    ("more", "dtype", "message"),
    [
        ((0, 1), np.float32, "has the shape"),
        ((1, 0), np.float32, "has the shape"),
        ((0, 0), np.float64, "is float64"),
    ],
    ids=["another width", "another batch", "another type"],
)
async def test_an_answer_that_breaks_the_signature_is_refused(
    answers: tuple[Answers, TritonEngine],
    feeds: Feeds,
    tiny_repository: Path,
    more: tuple[int, int],
    dtype: type[np.generic],
    message: str,
) -> None:
    """Outputs from outside are checked: shape, batch and type are the configuration's."""
    servicer, engine = answers
    (output,) = read_model_folder(tiny_repository / HEAD).outputs
    *dims, width = output.dims
    array = np.zeros((1 + more[0], *dims, width + more[1]), dtype)
    kind = np_to_triton_dtype(array.dtype)
    servicer.answer.outputs.add(name=output.name, datatype=kind, shape=array.shape)
    servicer.answer.raw_output_contents.append(array.tobytes())
    with pytest.raises(ModelInvalid, match=message):
        await engine.infer(HEAD, feeds)


async def test_nobody_there_is_unreachable_at_the_call_not_at_the_start(
    tiny_repository: Path, feeds: Feeds
) -> None:
    """An engine starts without its server: it knows its models, none is ready, and a call says that it waits."""
    async with asyncio.timeout(20):
        engine = TritonEngine(tiny_repository, "127.0.0.1:1")
        await engine.start()
        assert "1" == engine.describe(HEAD).version
        assert not await engine.ready(HEAD)
        assert not await engine.live()
        with pytest.raises(EngineUnreachable, match=r"127\.0\.0\.1:1"):
            await engine.infer(HEAD, feeds)
        await engine.close()
