"""The console as a real server on a free port, in a thread of its own, over the small real world."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from cloud.accounts.roles import Role
from cloud.console.api.app import create_app
from cloud.console.api.page import STATIC_DIR
from tests.cloud.console.world import World, close_world, open_world

T = TypeVar("T")


class RunningConsole:
    """Starts at `start`, can be stopped and started again on the same port; `do` makes things happen.

    `token` is a machine's that may see images.
    """

    def __init__(
        self, folder: Path, *, static_dir: Path = STATIC_DIR, heartbeat_s: float = 0.5, **world: Any
    ) -> None:
        self._static_dir = static_dir
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._open = partial(open_world, folder, heartbeat_s=heartbeat_s, **world)
        self.world: World = self.do(self._open())
        self.token = self.do(self.world.add_token(Role.DOCTOR))
        self._server: uvicorn.Server | None = None
        self._serving: Future[None] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` on the server's loop and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    def start(self) -> None:
        """Serves; returns once the port answers."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        app = create_app(self.world.services, static_dir=self._static_dir)
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, lifespan="off")
        self._server = uvicorn.Server(config)
        self._serving = asyncio.run_coroutine_threadsafe(self._server.serve([listener]), self._loop)
        self.do(self._started(self._server))

    def stop(self) -> None:
        """Stops serving; what is stored stays."""
        assert self._server is not None
        assert self._serving is not None
        self._server.should_exit = True
        self._serving.result(timeout=20)

    def restart(self) -> None:
        """Ends everything but the folder, and opens that again on the same port."""
        self.stop()
        self.do(self._close_world())
        self.world = self.do(self._open())
        self.start()

    def close(self) -> None:
        """Ends everything."""
        self.stop()
        self.do(self._close_world())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _close_world(self) -> None:
        await close_world(self.world)

    @staticmethod
    async def _started(server: uvicorn.Server) -> None:
        while not server.started:
            await asyncio.sleep(0.01)
