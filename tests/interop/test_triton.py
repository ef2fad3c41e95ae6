"""TritonEngine against a real Triton server: deadlines, cancelling, queues, TLS, restarts, batching, readiness.

The server is the real core with its real gRPC, scheduler and metrics; its backend `onnxruntime` is a stand-in
written in Python, so nothing here says anything about Triton's C++ backends.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient

from cloud.build import default_model_repository
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.engines.repository import model_folders, read_model_folder
from cloud.infer.engines.triton import TlsFiles, TritonEngine
from cloud.infer.errors import EngineBusy, EngineLate, EngineUnreachable, EngineUnusable, ModelInvalid
from tests.authority import Authority
from tests.interop.triton.models import LARGE_SIDE, write_models
from tests.interop.triton.server import TritonServer

Triton = Callable[..., TritonServer]
pytestmark = pytest.mark.timeout(300)
SMALL = {"x": np.ones((1, 4, 4), np.float32)}
LARGE = {"x": np.ones((1, LARGE_SIDE, LARGE_SIDE), np.float32)}
THREE_LARGE = {"x": np.ones((3, LARGE_SIDE, LARGE_SIDE), np.float32)}
"""As many as fit into one run: no other call can join it."""
TOLERANCE = 1e-5
"""Absolute, on outputs of about 1: the server runs the same graphs with another thread count."""


@asynccontextmanager
async def asking(repository: Path, address: str, **options: Any) -> AsyncIterator[TritonEngine]:
    """An engine that has started."""
    engine = TritonEngine(repository, address, **options)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def counted(server: TritonServer, metric: str, *labels: str) -> float:
    """A counter of the server's metrics page, summed over the rows with these labels."""
    rows = re.findall(rf"^{metric}{{(.*)}} (\S+)$", server.metrics(), re.M)
    return sum(float(value) for row, value in rows if all(label in row for label in labels))


def runs(server: TritonServer, version: str) -> float:
    """How often a version of `triple` has answered."""
    return counted(server, "nv_inference_count", 'model="triple"', f'version="{version}"')


async def until(met: Callable[[], bool], within_s: float = 20) -> None:
    """Returns once it holds; fails where it does not in time. The server counts a call after it has answered."""
    async with asyncio.timeout(within_s):
        while not met():
            await asyncio.sleep(0.05)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The small models."""
    return write_models(tmp_path / "models")


async def test_the_shipped_repository_answers_as_in_process(triton: Triton) -> None:
    """Every shipped folder, unchanged, gives the same facts and the same outputs on Triton as in this process."""
    repository = default_model_repository()
    server = triton(repository)
    here = OnnxEngine(repository, threads=2)
    await here.start()
    async with asking(repository, server.grpc) as there:
        for path in model_folders(repository):
            folder = read_model_folder(path)
            assert here.describe(path.name) == there.describe(path.name)
            sizes = {spec.name: [size if size > 0 else 96 for size in spec.dims] for spec in folder.inputs}
            random = np.random.default_rng(5)
            inputs: dict[str, Any] = {
                spec.name: random.random((2, *sizes[spec.name]), np.float32).astype(spec.dtype)
                for spec in folder.inputs
            }
            expected, found = await here.infer(path.name, inputs), await there.infer(path.name, inputs)
            assert set(expected) == set(found)
            for name, array in expected.items():
                scale = max(1.0, float(np.abs(array).max()))
                np.testing.assert_allclose(array, found[name], rtol=0, atol=TOLERANCE * scale)
    await here.close()


async def test_a_deadline_ends_the_call_on_both_sides(triton: Triton, small: Path) -> None:
    """A call that takes too long is EngineLate soon after its deadline, and the server serves on."""
    server = triton(small)
    async with asking(small, server.grpc, deadline_s=0.05) as engine:
        began_s = time.monotonic()
        with pytest.raises(EngineLate, match=r"within 0\.05 s"):
            await engine.infer("slow", LARGE)
        assert time.monotonic() - began_s < 5
    async with asking(small, server.grpc) as engine:
        assert await engine.ready("slow")
        np.testing.assert_array_equal(3, (await engine.infer("triple", SMALL))["y"].max(axis=(1, 2)))


async def test_a_frozen_server_is_unreachable(triton: Triton, small: Path) -> None:
    """A server that takes calls and answers nothing, not even that it lives, counts as away; once it goes on it
    serves."""
    server = triton(small)
    async with asking(small, server.grpc, deadline_s=0.5) as engine:
        server.pause()
        with pytest.raises(EngineUnreachable):
            await engine.infer("triple", SMALL)
        server.resume()
        await _patiently(engine)


async def test_cancelled_calls_are_dropped_by_the_server(triton: Triton, small: Path) -> None:
    """Calls that are cancelled while they wait on the server are never run there."""
    server = triton(small)
    async with asking(small, server.grpc) as engine:
        busy = [asyncio.create_task(engine.infer("slow", THREE_LARGE)) for _ in range(2)]
        waiting = [asyncio.create_task(engine.infer("slow", LARGE)) for _ in range(4)]
        # One of the first two runs; behind it the other and all four have arrived.
        await until(lambda: counted(server, "nv_inference_pending_request_count", 'model="slow"') == 5)
        for call in waiting:
            call.cancel()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [asyncio.CancelledError] * 4 == [type(end) for end in ended]
        await asyncio.gather(*busy)
        await engine.infer("slow", LARGE)

        def ran() -> float:
            return counted(server, "nv_inference_count", 'model="slow"')

        def dropped() -> float:
            return counted(server, "nv_inference_request_failure", 'model="slow"', 'reason="CANCELED"')

        await until(lambda: ran() + dropped() == 3 + 3 + 4 + 1)
        assert 7 <= ran() < 11


async def test_a_full_queue_on_the_server_is_busy(triton: Triton, tmp_path: Path) -> None:
    """What the server rejects because its queue is full is EngineBusy; asked again, all are served."""
    models = write_models(tmp_path / "models", queue=1)
    server = triton(models)
    async with asking(models, server.grpc) as engine:
        calls = [engine.infer("slow", LARGE) for _ in range(6)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        busy = [answer for answer in answers if isinstance(answer, EngineBusy)]
        assert busy
        assert len(busy) == sum(not isinstance(answer, Mapping) for answer in answers)
        await until(lambda: 6 - len(busy) == counted(server, "nv_inference_count", 'model="slow"'))
        await asyncio.gather(*(_patiently(engine) for _ in range(6)))


async def test_calls_at_the_same_time_share_runs(triton: Triton, tmp_path: Path) -> None:
    """The server's dynamic batching joins calls, and each gets its own part of the answer."""
    models = write_models(tmp_path / "models", batching="max_queue_delay_microseconds: 200000")
    server = triton(models)
    async with asking(models, server.grpc) as engine:
        inputs = [{"x": np.full((1, 4, 4), number, np.float32)} for number in range(12)]
        answers = await asyncio.gather(*(engine.infer("triple", each) for each in inputs))
        for number, answer in enumerate(answers):
            np.testing.assert_array_equal(np.full((1, 4, 4), 3 * number), answer["y"])
        await until(lambda: 12 == counted(server, "nv_inference_count", 'model="triple"'))
        assert counted(server, "nv_inference_exec_count", 'model="triple"') <= 6


async def test_mutual_tls(triton: Triton, small: Path, tmp_path: Path) -> None:
    """With certificates of the site's authority the engine is served; without, or with a stranger's, it is not."""
    site, stranger = Authority(tmp_path, "site"), Authority(tmp_path, "stranger")
    certificate, key = site.issue("triton")
    server = triton(
        small,
        "--grpc-use-ssl-mutual=1",
        f"--grpc-server-cert={certificate}",
        f"--grpc-server-key={key}",
        f"--grpc-root-cert={site.file}",
    )
    ours = _files(site, "reader", ca=site)
    async with asking(small, server.grpc, tls=ours) as engine:
        assert await engine.ready("triple")
        assert (await engine.infer("triple", SMALL))["y"].shape == (1, 4, 4)
    for tls in (None, _files(stranger, "other", ca=site), _files(site, "wary", ca=stranger)):
        engine = TritonEngine(small, server.grpc, tls=tls)
        # Which of both gRPC can tell depends on who hangs up first.
        with pytest.raises((EngineUnusable, EngineUnreachable)):  # noqa: PT012 - either call may be refused
            await engine.start()
            await engine.infer("triple", SMALL)
        assert not await engine.ready("triple")
        await engine.close()


async def test_a_server_of_other_models_is_refused_by_name(
    triton: Triton, small: Path, tmp_path: Path
) -> None:
    """At the start the server's configuration and version are compared with the local folders'."""
    server = triton(small)
    other = shutil.copytree(small, tmp_path / "other")
    config = other / "triple" / "config.pbtxt"
    config.write_text(config.read_text().replace("max_batch_size: 3", "max_batch_size: 2"))
    with pytest.raises(EngineUnusable, match="'triple': its largest batch are 3 there, 2 in the local"):
        await TritonEngine(other, server.grpc).start()
    newer = shutil.copytree(small, tmp_path / "newer")
    (newer / "slow" / "1").rename(newer / "slow" / "2")
    with pytest.raises(EngineUnusable, match="has no version 2 of 'slow'"):
        await TritonEngine(newer, server.grpc).start()


async def test_another_version_must_be_served_before_it_answers(triton: Triton, tmp_path: Path) -> None:
    """A version that the server lacks cannot be loaded; one that it has answers once it is let to, and readings
    that began before keep theirs."""
    models = write_models(tmp_path / "models")
    shutil.copytree(models / "triple" / "1", models / "triple" / "2")
    config = models / "triple" / "config.pbtxt"
    config.write_text(config.read_text() + "version_policy { all {} }\n")
    server = triton(models)
    engine = TritonEngine(models, server.grpc)
    await engine.start({"triple": "1"})
    before = engine.snapshot()
    loaded = await engine.load(models / "triple", "2")
    assert ("1", "2") == (engine.describe("triple").version, engine.beside(loaded).describe("triple").version)
    engine.serve(loaded)
    assert ("1", "2") == (before.describe("triple").version, engine.describe("triple").version)
    for answering, version in ((before, "1"), (engine, "2")):
        await answering.infer("triple", SMALL)
        await until(lambda version=version: 1 == runs(server, version))
    shutil.copytree(models / "triple" / "1", models / "triple" / "3")
    with pytest.raises(ModelInvalid, match="no version 3"):
        await engine.load(models / "triple", "3")
    await engine.close()


async def test_a_version_is_loaded_beside_the_one_that_answers(triton: Triton, small: Path) -> None:
    """A server whose models are controlled explicitly takes a version that came later, without a restart and
    without a gap for the one before; what it lacks at the start it is asked to load."""
    server = triton(small, "--model-control-mode=explicit")
    async with asking(small, server.grpc) as engine:
        assert "1" == engine.describe("triple").version
        shutil.copytree(small / "triple" / "1", small / "triple" / "2")
        before = engine.snapshot()
        engine.serve(await engine.load(small / "triple", "2"))
        for answering, version in ((before, "1"), (engine, "2")):
            assert version == answering.describe("triple").version
            assert (await answering.infer("triple", SMALL))["y"].shape == (1, 4, 4)
            await until(lambda version=version: 1 == runs(server, version))


async def test_live_is_not_ready(triton: Triton, small: Path) -> None:
    """A server that lives may not serve a model: each is asked for by itself, and comes back by itself."""
    server = triton(small, "--model-control-mode=explicit", "--load-model=triple", "--load-model=slow")
    async with asking(small, server.grpc) as engine:
        client = InferenceServerClient(server.grpc)
        client.unload_model("slow")
        await until(lambda: not client.is_model_ready("slow"))
        assert await engine.live()
        assert (True, False) == (await engine.ready("triple"), await engine.ready("slow"))
        with pytest.raises((EngineUnreachable, EngineUnusable, ModelInvalid)):
            await engine.infer("slow", LARGE)
        client.load_model("slow")
        assert await engine.ready("slow")
        client.close()


async def test_a_server_that_is_killed_in_a_call_and_comes_back(triton: Triton, small: Path) -> None:
    """The call that was under way is EngineUnreachable, so is each until the server is back; then the same engine
    is served."""
    server = triton(small)
    async with asking(small, server.grpc) as engine:
        call = asyncio.create_task(engine.infer("slow", {"x": np.repeat(LARGE["x"], 3, axis=0)}))
        await asyncio.sleep(0.1)
        server.kill()
        with pytest.raises(EngineUnreachable):
            await call
        with pytest.raises(EngineUnreachable):
            await engine.infer("triple", SMALL)
        assert (False, False) == (await engine.live(), await engine.ready("triple"))
        await asyncio.to_thread(server.start)
        await _patiently(engine)
        assert await engine.ready("slow")


def _files(authority: Authority, name: str, *, ca: Authority) -> TlsFiles:
    certificate, key = authority.issue(name)
    return TlsFiles(ca=ca.file, certificate=certificate, key=key)


async def _patiently(engine: TritonEngine) -> None:
    """Asks until it is served."""
    async with asyncio.timeout(30):
        while True:
            try:
                assert (await engine.infer("triple", SMALL))["y"].shape == (1, 4, 4)
            except (EngineBusy, EngineUnreachable) as wait:
                await asyncio.sleep(wait.after_s)
            else:
                return
