"""Beside the thirteen steps: series: the worker processes: each series sticks to one, which keeps its volume.

Volumes of all workers together stay below a cap: the least recently used series is let go first, and one volume is
built at a time. A worker that died is replaced, its request tried once more; then the asker is told to come again.
Of requests of one pane the newest counts: older ones that still wait are dropped before a worker sees them.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Final
from uuid import UUID

from cloud.errors import CloudError, RetryLater
from cloud.series.errors import SeriesRefused
from cloud.series.messages import Key, NotOpen, Opened, StoredSeries

_AGAIN_AFTER_S: Final = 1.0
_END_S: Final = 2.0
ANSWER_S: Final = 300.0
"""A worker that does not answer for so long is ended: what it was given does not end."""
_TRIES: Final = 3
OPEN_MAX: Final = 64
"""Series that are open at the same time."""

Arguments = tuple[object, ...]
Load = Callable[[], Awaitable[StoredSeries]]
"""Says where a series lies, for a worker that has not opened it."""
Wanted = Callable[[], Awaitable[bool]]
"""Whether the asker is still there."""


def nothing() -> None:
    """Is called where nobody wants to know."""


class Superseded(CloudError):
    """A newer request of the same pane came, or the asker went away; nothing was computed."""


class WorkerDied(RetryLater):
    """The process ended twice while it worked on this request, or the server ends."""


class _Process:
    """One worker process, begun at its first request. Its methods block: they run on a thread."""

    def __init__(self) -> None:
        # A request whose asker was cancelled runs on: the next one waits for its answer on its own thread.
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self.turn = asyncio.Lock()
        """Who holds it may ask; those who wait come in order."""
        self.starts = 0
        """How often a process was begun."""

    @property
    def pid(self) -> int | None:
        """Of the process; None where there is none."""
        return self._process.pid if self._process else None

    def ask(self, method: str, *arguments: object) -> Any:
        """The answer. Raises the error that the worker raised; EOFError, OSError where it died or is stuck."""
        with self._lock:
            connection = self._connection or self._start()
            try:
                connection.send((method, arguments))
                if not connection.poll(ANSWER_S):
                    raise EOFError
                answer, error = connection.recv()
            except (EOFError, OSError):
                self.end()
                raise
        if error is not None:
            raise error
        return answer

    def kill(self) -> None:
        """Ends the process at once; whoever waits for its answer gets EOFError."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """Ends the process, by force where it does not end by itself."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            # It imports from where the server does, wherever that was started.
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cloud.series.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # A traceback's text may hold a value of a header.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        self._connection = Connection(ours.detach())
        self.starts += 1
        return self._connection


class Workers:
    """Asks worker processes; `close` ends them."""

    def __init__(self, count: int, cap_bytes: int, on_death: Callable[[], None] = nothing) -> None:
        self._processes = [_Process() for _ in range(count)]
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="series")
        self._cap_bytes = cap_bytes
        self._on_death = on_death
        self._kept: OrderedDict[Key, int | None] = OrderedDict()
        self._building = asyncio.Lock()
        self._newest: dict[str, object] = {}
        self._is_closed = False
        self.computed = 0
        """Requests that reached a worker."""

    @property
    def kept_bytes(self) -> int:
        """What the volumes of all workers take."""
        return sum(size_bytes or 0 for size_bytes in self._kept.values())

    @property
    def pids(self) -> list[int]:
        """Of the processes that were begun."""
        return [process.pid for process in self._processes if process.pid is not None]

    async def look(self, series_id: str, stored: StoredSeries) -> Opened:
        """What opening the series would come to; no pixel is read, nothing kept. Errors: HeaderRefused, WorkerDied."""
        process = self._home((series_id, 0))
        async with process.turn:
            found: Opened = await self._ask(process, "look", stored)
            return found

    async def ask(
        self,
        key: Key,
        load: Load,
        method: str,
        *arguments: object,
        with_volume: bool = True,
        pane: str | None = None,
        wanted: Wanted | None = None,
    ) -> Any:
        """The worker's answer to `method(key, *arguments)` on the opened series, `with_volume` also built where it can
        be.

        Errors: those of the method; Superseded, WorkerDied.
        """
        mine = object()
        if pane is not None:
            self._newest[pane] = mine

        async def is_wanted() -> bool:
            is_newest = pane is None or self._newest.get(pane) is mine
            return is_newest and (wanted is None or await wanted())

        try:
            return await self._answer(key, load, method, arguments, with_volume, is_wanted)
        finally:
            if pane is not None and self._newest.get(pane) is mine:
                del self._newest[pane]

    async def _answer(
        self, key: Key, load: Load, method: str, arguments: Arguments, with_volume: bool, is_wanted: Wanted
    ) -> Any:
        process = self._home(key)
        for _ in range(_TRIES):
            await self._prepare(process, key, load, with_volume, is_wanted)
            async with process.turn:
                if not await is_wanted():
                    raise Superseded("a newer request came, or nobody waits for this one")
                try:
                    return await self._ask(process, method, key, *arguments)
                except NotOpen:
                    # It was let go, or its process replaced, in between.
                    self._kept.pop(key, None)
        raise WorkerDied("the series was let go again and again", _AGAIN_AFTER_S)

    async def close(self) -> None:
        """Ends every process; requests under way fail with WorkerDied. A repeat does nothing."""
        self._is_closed = True
        for process in self._processes:
            process.kill()
        await asyncio.to_thread(self._threads.shutdown)
        for process in self._processes:
            process.end()

    def _home(self, key: Key) -> _Process:
        return self._processes[UUID(key[0]).int % len(self._processes)]

    async def _prepare(
        self, process: _Process, key: Key, load: Load, with_volume: bool, is_wanted: Wanted
    ) -> None:
        """Sees that the series is open and, `with_volume`, its volume built or refused."""
        if key in self._kept:
            self._kept.move_to_end(key)
        if self._is_ready(key, with_volume):
            return
        stored = await load()
        if not with_volume:
            async with process.turn:
                await self._open(process, key, stored)
                if len(self._kept) <= OPEN_MAX:
                    return
        # One at a time: that bounds what building takes beside what is kept.
        async with self._building:
            if not with_volume:
                await self._make_room(None, key, 0)
            elif not self._is_ready(key, with_volume) and await is_wanted():
                async with process.turn:
                    opened = await self._open(process, key, stored)
                    await self._build(process, key, opened.need_bytes)

    def _is_ready(self, key: Key, with_volume: bool) -> bool:
        return key in self._kept and (self._kept[key] is not None or not with_volume)

    async def _open(self, process: _Process, key: Key, stored: StoredSeries) -> Opened:
        opened: Opened = await self._ask(process, "open", key, stored)
        self._kept.setdefault(key, None)
        return opened

    async def _build(self, process: _Process, key: Key, need_bytes: int) -> None:
        await self._make_room(process, key, need_bytes)
        try:
            self._kept[key] = await self._ask(process, "build", key) if need_bytes else 0
        except SeriesRefused:
            # The worker knows now, and says it to whoever asks for a plane.
            self._kept[key] = 0

    async def _make_room(self, held: _Process | None, key: Key, need_bytes: int) -> None:
        """Lets go of what was used least recently until `need_bytes` more fit, and of what is open beyond OPEN_MAX.

        The caller holds the turn of `held`, and `_building`: only under that are two turns taken.
        """
        others = [each for each in self._kept if each != key]
        for oldest in others:
            if self.kept_bytes + need_bytes <= self._cap_bytes and len(self._kept) <= OPEN_MAX:
                return
            self._kept.pop(oldest, None)
            home = self._home(oldest)
            if home is held:
                await self._ask(home, "forget", oldest)
            else:
                async with home.turn:
                    await self._ask(home, "forget", oldest)

    async def _ask(self, process: _Process, method: str, *arguments: object) -> Any:
        """Once more where the process died; the caller holds its turn."""
        loop = asyncio.get_running_loop()
        self.computed += 1
        for _ in range(2):
            if self._is_closed:
                break
            try:
                return await loop.run_in_executor(self._threads, process.ask, method, *arguments)
            except (EOFError, OSError):
                self._forget_all_of(process)
                self._on_death()
        raise WorkerDied("the worker process ended on this request", _AGAIN_AFTER_S)

    def _forget_all_of(self, process: _Process) -> None:
        for key in [key for key in self._kept if self._home(key) is process]:
            del self._kept[key]
