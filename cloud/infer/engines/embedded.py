"""Part of step 11: an engine in this process on a Triton model repository: threads, queue, warm-up. Which
runtime computes is injected."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cloud.infer import DescribingEngine, KeepsVersions, LoadedVersion, ModelInfo, RunsHere
from cloud.infer.engines.ensemble import check_ensemble, walk
from cloud.infer.engines.repository import ModelFolder, model_folders, read_model_folder
from cloud.infer.engines.signature import check_outputs, checked_inputs, warm_up_inputs
from cloud.infer.errors import EngineBusy, ModelUnknown

Program = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]
"""A model that runs on the thread that calls, from several at a time: checked inputs in, the configured
outputs out. Raises ModelInvalid where the run fails."""

OpenProgram = Callable[[ModelFolder, int], Program]
"""Makes the program that runs a model with so many threads. Raises ModelInvalid for weights that cannot
serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model that is ready to run; of an ensemble only the folder: its members run."""

    folder: ModelFolder
    """Its checked folder."""
    wide: Program | None
    """Runs it with several threads, for a run that is alone."""
    narrow: Program | None
    """Runs it with one thread, for runs at the same time; the same where one thread is the limit."""


class EmbeddedEngine:
    """Serves every model of a Triton repository; loads and warms them up in `start`, then touches the disk only
    in `load`.

    `infer` holds at most `queue_limit` calls, running and waiting, and answers `EngineBusy` beyond; its runs
    happen in `threads` worker threads, so the event loop stays free. A run that is alone uses the
    configuration's `intra_op_thread_count` threads, at most `threads`; runs at the same time use one each:
    several threads within each of them would fight for the same cores. The outputs are the same.
    """

    def __init__(
        self,
        repository: Path,
        threads: int,
        open_program: OpenProgram,
        *,
        queue_limit: int = 64,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if threads < 1 or queue_limit < 1:
            raise ValueError("an engine needs at least one thread and one place in its queue")
        self._repository = repository
        self._threads = threads
        self._open_program = open_program
        self._queue_limit = queue_limit
        self._clock = clock
        # Replaced as a whole, never changed: whoever holds it holds the versions of one moment.
        self._loaded: Mapping[str, Loaded] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._admitted = 0
        self._mean_run_s = 0.05

    async def start(self, versions: Mapping[str, str] | None = None) -> None:
        """Loads every model and runs each once: in the version that `versions` names, else in the one that its
        configuration chooses. Raises ModelInvalid for the first that cannot serve; none serves then."""
        loaded = await asyncio.to_thread(self._load_all, versions or {})
        self._pool = ThreadPoolExecutor(max_workers=self._threads, thread_name_prefix="infer")
        self._loaded = loaded

    async def close(self) -> None:
        """Stops serving; returns when the calls of `infer` under way have ended, while a `run` under way ends on
        its caller's thread. A repeat changes nothing."""
        self._loaded = {}
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    async def infer(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """See `Engine.infer`."""
        return await self._infer(self._loaded, model, inputs)

    async def _infer(
        self, table: Mapping[str, Loaded], model: str, inputs: Mapping[str, NDArray[Any]]
    ) -> Mapping[str, NDArray[Any]]:
        loaded, pool = table.get(model), self._pool
        if loaded is None or pool is None:
            raise ModelUnknown(model)
        feeds = checked_inputs(loaded.folder, inputs)
        self._admit()
        future = pool.submit(self._timed_run, table, loaded, feeds)
        # Released when the run ends, not when the caller stops waiting: a cancelled call may still be
        # running.
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def run(
        self, model: str, inputs: Mapping[str, NDArray[Any]], *, alone: bool
    ) -> Mapping[str, NDArray[Any]]:
        """See `RunsHere.run`."""
        return _run(self._loaded, model, inputs, alone)

    async def ready(self, model: str) -> bool:
        """See `Engine.ready`."""
        return model in self._loaded

    def describe(self, model: str) -> ModelInfo:
        """See `Describes.describe`."""
        return _describe(self._loaded, model)

    async def load(self, folder: Path, version: str) -> LoadedVersion:
        """See `KeepsVersions.load`."""

        def work() -> Loaded:
            read = read_model_folder(folder, version)
            if read.steps:
                check_ensemble(read, {name: loaded.folder for name, loaded in self._loaded.items()})
            return self._load(read)

        loaded = await asyncio.to_thread(work)
        return LoadedVersion(info=loaded.folder.info, handle=loaded)

    def serve(self, loaded: LoadedVersion) -> None:
        """See `KeepsVersions.serve`. Called on the event loop, as `snapshot` is: one comes after the other."""
        self._loaded = {**self._loaded, loaded.info.name: loaded.handle}

    def snapshot(self) -> _View:
        """See `KeepsVersions.snapshot`."""
        return _View(self, self._loaded)

    def beside(self, loaded: LoadedVersion) -> _View:
        """See `KeepsVersions.beside`."""
        return _View(self, {**self._loaded, loaded.info.name: loaded.handle})

    def _load_all(self, versions: Mapping[str, str]) -> dict[str, Loaded]:
        paths = model_folders(self._repository)
        folders = [read_model_folder(path, versions.get(path.name)) for path in paths]
        members = {folder.info.name: folder for folder in folders}
        for folder in folders:
            if folder.steps:
                check_ensemble(folder, members)
        return {folder.info.name: self._load(folder) for folder in folders}

    def _load(self, folder: ModelFolder) -> Loaded:
        if folder.steps:
            return Loaded(folder=folder, wide=None, narrow=None)
        threads = min(folder.intra_op_threads or self._threads, self._threads)
        narrow = self._open_program(folder, 1)
        wide = self._open_program(folder, threads) if threads > 1 else narrow
        # A model with open dims is warmed up by its first call.
        if (zeros := warm_up_inputs(folder)) is not None:
            for program in (narrow,) if wide is narrow else (narrow, wide):
                check_outputs(folder, program(zeros))
        return Loaded(folder=folder, wide=wide, narrow=narrow)

    def _admit(self) -> None:
        with self._lock:
            if self._admitted >= self._queue_limit:
                raise EngineBusy(self._admitted * self._mean_run_s / self._threads)
            self._admitted += 1

    def _release(self, _: Future[Mapping[str, NDArray[Any]]]) -> None:
        with self._lock:
            self._admitted -= 1

    def _timed_run(
        self, table: Mapping[str, Loaded], loaded: Loaded, feeds: dict[str, NDArray[Any]]
    ) -> Mapping[str, NDArray[Any]]:
        began = self._clock()
        outputs = _compute(table, loaded, feeds, alone=self._admitted == 1)
        with self._lock:
            self._mean_run_s += 0.1 * (self._clock() - began - self._mean_run_s)
        return outputs


class _View:
    """The engine with the versions of one moment."""

    def __init__(self, engine: EmbeddedEngine, table: Mapping[str, Loaded]) -> None:
        self._engine = engine
        self._table = table

    async def infer(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """See `Engine.infer`."""
        return await self._engine._infer(self._table, model, inputs)

    def run(
        self, model: str, inputs: Mapping[str, NDArray[Any]], *, alone: bool
    ) -> Mapping[str, NDArray[Any]]:
        """See `RunsHere.run`."""
        return _run(self._table, model, inputs, alone)

    async def ready(self, model: str) -> bool:
        """See `Engine.ready`."""
        return model in self._table

    def describe(self, model: str) -> ModelInfo:
        """See `Describes.describe`."""
        return _describe(self._table, model)


def _run(
    table: Mapping[str, Loaded], model: str, inputs: Mapping[str, NDArray[Any]], alone: bool
) -> Mapping[str, NDArray[Any]]:
    loaded = table.get(model)
    if loaded is None:
        raise ModelUnknown(model)
    return _compute(table, loaded, checked_inputs(loaded.folder, inputs), alone=alone)


def _compute(
    table: Mapping[str, Loaded], loaded: Loaded, feeds: dict[str, NDArray[Any]], *, alone: bool
) -> Mapping[str, NDArray[Any]]:
    """A model's outputs for checked inputs; an ensemble's members come from the same table."""
    program = loaded.wide if alone else loaded.narrow
    if program is None:
        return walk(loaded.folder, feeds, lambda model, inputs: _run(table, model, inputs, alone))
    return program(feeds)


def _describe(table: Mapping[str, Loaded], model: str) -> ModelInfo:
    loaded = table.get(model)
    if loaded is None:
        raise ModelUnknown(model)
    return loaded.folder.info


_embedded: type[DescribingEngine] = EmbeddedEngine
_runs_here: type[RunsHere] = EmbeddedEngine
_keeps_versions: type[KeepsVersions] = EmbeddedEngine
_view: type[DescribingEngine] = _View
_view_runs_here: type[RunsHere] = _View
