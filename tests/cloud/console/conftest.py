"""The console as a real server, for tests that speak HTTP to it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.console.running import RunningConsole


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said."""

    status: int
    """HTTP status."""
    headers: Mapping[str, str]
    """Headers, names in lower case."""
    body: bytes
    """The body."""

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


Get = Callable[..., Answer]


def built_page(folder: Path) -> Path:
    """A small built page in `folder`."""
    static = folder / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>page</title>")
    (static / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (static / "assets" / "index-abc.js").write_text("export {};")
    return static


@contextmanager
def running_console(folder: Path, static_dir: Path) -> Iterator[RunningConsole]:
    """A running console over an empty world; its event streams say every 0.2 s that they live."""
    (folder / "world").mkdir()
    running = RunningConsole(folder / "world", static_dir=static_dir, heartbeat_s=0.2)
    running.start()
    yield running
    running.close()


def getter(console: RunningConsole) -> Get:
    """Sends one GET with the console's token; the headers may replace the Host."""

    def send(path: str, headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=10)
        try:
            own = {"Authorization": f"Bearer {console.token}"}
            connection.request("GET", path, headers={**own, **(headers or {})})
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(status=response.status, headers=names, body=response.read())
        finally:
            connection.close()

    return send


@pytest.fixture
def static_dir(tmp_path: Path) -> Path:
    """A small built page."""
    return built_page(tmp_path)


@pytest.fixture
def console(tmp_path: Path, static_dir: Path) -> Iterator[RunningConsole]:
    """A running console over an empty world."""
    with running_console(tmp_path, static_dir) as running:
        yield running


@pytest.fixture
def get(console: RunningConsole) -> Get:
    """Sends one GET to the running console."""
    return getter(console)
