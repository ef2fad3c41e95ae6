"""kill -9 of the server just before each of the steps 8 to 12, then a restart: everything exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import image, job, ledger_entry, result
from cloud.ledger.verify import check_log
from cloud.server import Endpoints
from sonorelay.agent.v1.agent_service_pb2 import WatchResultsRequest

PROGRAM = """
import asyncio, json, os, signal, sys
from pathlib import Path
from cloud.build import build_server
from cloud.config import Config
from cloud.log import start_logging

data, models, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def before_step(number, name):
    if number == step:
        os.kill(os.getpid(), signal.SIGKILL)

def ready(e):
    print(json.dumps({"grpc": e.grpc, "http": e.http, "log_verifier_key": e.log_verifier_key}), flush=True)

config = Config(data_dir=data, grpc_address="127.0.0.1:0", http_address="127.0.0.1:0",
                model_repository=models, free_min_bytes=0)
asyncio.run(build_server(config, start_logging(sys.stderr), before_step=before_step).run(ready))
"""


class Program:
    """The server as a process of its own."""

    def __init__(self, data: Path, models: Path, step: int) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            # Ten starts compile every module once, wherever the tests run.
            "PYTHONPYCACHEPREFIX": str(models.parent / "pycache"),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(data), str(models), str(step)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        self.endpoints = Endpoints(**json.loads(self.process.stdout.readline()))

    def end(self, code: int) -> None:
        """Waits for the end and checks how it came."""
        assert code == self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Programs that were started; none outlives the test."""
    started: list[Program] = []
    yield started
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()
        assert program.process.stdout is not None
        program.process.stdout.close()


@pytest.mark.parametrize("step", [8, 9, 10, 11, 12])
async def test_killed_before_a_step_everything_is_there_once(
    tmp_path: Path, tiny_models: Path, head_png: bytes, small_agent: Any, programs: list[Program], step: int
) -> None:
    """Whatever the moment, after a restart the agent's repeats lead to one entry, one image, one result."""
    data = tmp_path / "data"
    programs.append(Program(data, tiny_models, step))
    endpoints = programs[0].endpoints
    async with grpc.aio.insecure_channel(endpoints.grpc) as channel:
        agent = small_agent(endpoints, "room-1", channel)
        made = agent.capture(head_png)
        await agent.notify(made)
        if step <= 10:
            with pytest.raises(grpc.aio.AioRpcError):
                await agent.deliver(made)
        else:
            # The image is read as soon as it is committed: the kill may come before the answer is on its way.
            with contextlib.suppress(grpc.aio.AioRpcError):
                await agent.deliver(made)
        await asyncio.to_thread(programs[0].end, -9)
    programs.append(await asyncio.to_thread(Program, data, tiny_models, 0))
    async with grpc.aio.insecure_channel(programs[1].endpoints.grpc) as channel:
        again = small_agent(programs[1].endpoints, "room-1", channel)
        again.signer = agent.signer
        assert agent.log == again.log
        assert (await again.notify(made)).slot == 1
        assert again.check_receipts(made, await again.deliver(made)) == [0]
        stream = again.agent.WatchResults(WatchResultsRequest(device_id="room-1", cursor=0))
        async with asyncio.timeout(30):
            async for response in stream:
                if response.HasField("result"):
                    assert response.result.ok
                    break
    programs[1].process.terminate()
    programs[1].end(0)
    assert not (data / "endpoints.json").exists()
    _check_once(data, made)


def _check_once(data: Path, made: Any) -> None:
    """One image, one job done, one result, two ledger entries; files and database of the log agree."""
    database = SqliteDatabase(data / "state.db")
    with database.begin() as tx:
        assert [made.parts[0].image_ids[0]] == [row.image_id for row in tx.execute(image.select())]
        assert ["done"] == [row.state for row in tx.execute(job.select())]
        assert [1] == [row.ledger_index for row in tx.execute(result.select())]
        assert len(tx.execute(ledger_entry.select()).all()) == 2
    database.close()
    assert check_log(data / "ledger", None).checkpoint.size == 2
