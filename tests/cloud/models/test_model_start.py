"""A server's start: the site takes what the program brings; what a killed push left is swept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloud.errors import ConfigInvalid
from sonorelay.models.v1 import model_service_pb2 as pb

BRAIN = "fetal_brain_cls"

PROGRAM = """
import asyncio, json, os, signal, sys
from pathlib import Path
from cloud.build import build_server
from cloud.config import Config
from cloud.db.times import utc_now
from cloud.log import start_logging

data, models, fatal = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])

def clock():
    # The first thing that the server does once the files are in place is to look at the clock.
    if fatal.exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return utc_now()

def ready(e):
    print(json.dumps({"grpc": e.grpc}), flush=True)

config = Config(data_dir=data, grpc_address="127.0.0.1:0", http_address="127.0.0.1:0",
                model_repository=models, free_min_bytes=0)
asyncio.run(build_server(config, start_logging(sys.stderr), clock=clock).run(ready))
"""


@contextlib.contextmanager
def program(data: Path, models: Path, fatal: Path) -> Iterator[tuple[Any, Any]]:
    """A server as a process of its own that dies once `fatal` exists: process and endpoints."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        # Both starts compile every module once, wherever the tests run.
        "PYTHONPYCACHEPREFIX": str(models.parent / "pycache"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(data), str(models), str(fatal)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        yield process, SimpleNamespace(endpoints=SimpleNamespace(**json.loads(process.stdout.readline())))
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.mark.req("READ-10")
async def test_a_push_killed_before_its_row_can_be_repeated(
    tmp_path: Path, tiny_models: Path, admin_of: Any, make_version: Any
) -> None:
    """Killed between "files in place" and "row written", the server starts with the old version and without
    the new files; the push can be repeated."""
    data, folder = tmp_path / "data", make_version("2")
    placed = data / "models" / BRAIN / "2"
    with program(data, tiny_models, placed) as (process, running):
        admin = admin_of(running)
        with pytest.raises(Exception, match="UNAVAILABLE"):
            await admin.push(folder)
        admin.client.__exit__()
        assert -9 == await asyncio.to_thread(process.wait, 20)
    assert (placed / "model.onnx").is_file()
    with program(data, tiny_models, tmp_path / "never") as (_, running):
        assert not placed.exists()
        admin = admin_of(running)
        model = (await admin.show()).model
        assert (model.live_version, model.version_count) == ("1", 1)
        await admin.push(folder)
        assert (await admin.promote("2")).live_version == "2"
        admin.client.__exit__()


@pytest.fixture
def shipped(tmp_path: Path, tiny_models: Path) -> Callable[[str, Path | None], Path]:
    """A program's repository: the tiny models, the brain model exchanged for `folder` where given."""

    def make(name: str, folder: Path | None = None) -> Path:
        repository = tmp_path / name
        shutil.copytree(tiny_models, repository)
        if folder is not None:
            shutil.rmtree(repository / BRAIN)
            shutil.copytree(folder, repository / BRAIN)
        return repository

    return make


async def _state(serve: Any, config: Any, admin_of: Any, act: Any = None) -> tuple[pb.ShowModelResponse, str]:
    """Starts a server, does `act` with its administrator; what it shows of the brain model, and its log."""
    async with serve(config) as running:
        admin = admin_of(running)
        if act is not None:
            await act(admin)
        shown = await admin.show()
        admin.client.__exit__()
    return shown, running.logged.getvalue()


async def test_a_new_version_of_the_program_answers_where_the_old_one_did(
    serve: Any, reading_config: Any, admin_of: Any, make_version: Any, shipped: Any
) -> None:
    """A newer program's version becomes live, the older one stays and can be brought back."""
    old = replace(reading_config, model_repository=shipped("old"))
    new = replace(reading_config, model_repository=shipped("new", make_version("2")))
    await _state(serve, old, admin_of)
    shown, _ = await _state(serve, new, admin_of)
    assert (shown.model.live_version, shown.model.previous_version) == ("2", "1")
    shown, _ = await _state(serve, new, admin_of, lambda admin: admin.roll_back("2"))
    assert shown.model.live_version == "1"
    shown, _ = await _state(serve, new, admin_of)
    assert shown.model.live_version == "1"


async def test_a_new_version_of_the_program_leaves_a_chosen_one_alone(
    serve: Any, reading_config: Any, admin_of: Any, make_version: Any, shipped: Any
) -> None:
    """Where a person has promoted a pushed version, a newer program only adds its own."""
    old = replace(reading_config, model_repository=shipped("old"))
    new = replace(reading_config, model_repository=shipped("new", make_version("3")))

    async def choose(admin: Any) -> None:
        await admin.push(make_version("2"))
        await admin.promote("2")

    await _state(serve, old, admin_of, choose)
    shown, _ = await _state(serve, new, admin_of)
    assert (shown.model.live_version, [v.version for v in shown.versions]) == ("2", ["3", "2", "1"])


async def test_a_live_version_that_the_program_cannot_serve_is_replaced(
    serve: Any, reading_config: Any, admin_of: Any, make_version: Any, shipped: Any
) -> None:
    """A program whose brain model has other tensors starts with its own version, and history and log say so."""
    old = replace(reading_config, model_repository=shipped("old"))
    changed = make_version("3", logits=(0.0, 9.0, 0.0, 0.0), labels=("normal", "a", "b", "c"))
    new = replace(reading_config, model_repository=shipped("new", changed))

    async def choose(admin: Any) -> None:
        await admin.push(make_version("2"))
        await admin.promote("2")

    await _state(serve, old, admin_of, choose)
    shown, logged = await _state(serve, new, admin_of)
    assert (shown.model.live_version, shown.model.previous_version) == ("3", "")
    assert (shown.events[0].action, shown.events[0].before_version) == (pb.MODEL_ACTION_SHIPPED, "2")
    assert "model_replaced" in logged


async def test_damaged_live_weights_are_not_served(
    serve: Any, reading_config: Any, admin_of: Any, make_version: Any
) -> None:
    """A pushed live version whose files were altered gives its place to the program's own."""

    async def choose(admin: Any) -> None:
        await admin.push(make_version("2"))
        await admin.promote("2")

    await _state(serve, reading_config, admin_of, choose)
    other = make_version("2", logits=(0.0, 0.0, 9.0))
    placed = reading_config.data_dir / "models" / BRAIN / "2"
    shutil.copy(other / "2" / "model.onnx", placed / "model.onnx")
    shutil.copy(other / "card.toml", placed / "card.toml")
    shown, logged = await _state(serve, reading_config, admin_of)
    assert shown.model.live_version == "1"
    assert "not those that were accepted" in logged


async def test_another_version_under_the_programs_number_is_kept(
    serve: Any, reading_config: Any, admin_of: Any, make_version: Any, shipped: Any
) -> None:
    """The program's version 2 never takes the place of a pushed version 2, and is never taken for it."""
    pushed, _ = await _state(serve, reading_config, admin_of, lambda admin: admin.push(make_version("2")))
    other = make_version("2", logits=(0.0, 0.0, 9.0))
    shown, logged = await _state(
        serve, replace(reading_config, model_repository=shipped("new", other)), admin_of
    )
    assert (pushed.model, list(pushed.versions)) == (shown.model, list(shown.versions))
    assert "shipped_version_not_taken" in logged


async def test_a_program_without_a_servable_version_does_not_start(
    serve: Any, reading_config: Any, admin_of: Any, make_version: Any, shipped: Any
) -> None:
    """Where the live version does not fit the program and the program's number is taken, a person must look."""
    await _state(serve, reading_config, admin_of, lambda admin: admin.push(make_version("2")))
    changed = make_version("2", logits=(0.0, 9.0, 0.0, 0.0), labels=("normal", "a", "b", "c"))
    new = replace(reading_config, model_repository=shipped("new", changed))
    with pytest.raises(ConfigInvalid, match=BRAIN):
        await _state(serve, new, admin_of)
