"""The engines and step 11 alone: our calls against bare ONNX Runtime, Triton against this process, memory."""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.infer import Engine
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.engines.triton import TritonEngine
from cloud.infer.pipeline import SEGMENT_MODEL, Reader
from edge_agent.simulator.printer import Printer
from tests.bench.models import REPOSITORY, THREADS, Bare, feeds, sessions
from tests.bench.outcome import Row, medians, row
from tests.interop.triton.server import TritonAbsent, TritonServer

ROUNDS = 15
IN_FLIGHT = 8
BURST = 32
MEMORY_MAX_MB = 600


def all_of_them(folder: Path) -> list[Row]:
    """Every row of this file, on made-up brain stills."""
    stills = drawn(folder)
    return [*asyncio.run(_in_process(stills)), _memory(folder), *asyncio.run(_over_triton(folder, stills[0]))]


def drawn(folder: Path, count: int = 6) -> list[Path]:
    """Made-up brain stills as PNG."""
    printer = Printer(folder, formats=("png",), seed=11, cines=False)
    brains = (folder / one.name for one in printer.printing() if one.truth.type == "brain")
    return [next(brains) for _ in range(count)]


async def _in_process(stills: list[Path]) -> list[Row]:
    """Each model by our engine and bare, and the whole reading, by turns on the same still."""
    engine = OnnxEngine(REPOSITORY, THREADS)
    await engine.start()
    reader, bare = Reader(engine), Bare(stills)
    loaded, tensors = sessions(), [feeds(still) for still in stills]
    images = [still.read_bytes() for still in stills]
    bare_ms: dict[str, list[float]] = {name: [] for name in loaded}
    ours_ms: dict[str, list[float]] = {name: [] for name in loaded}
    reading_ms, models_ms = [], []
    profiles: list[dict[str, float]] = []
    for number in range(ROUNDS * len(stills)):
        still = number % len(stills)
        for name, session in loaded.items():
            inputs = tensors[still][name]
            calls: list[tuple[list[float], Callable[[], object]]] = [
                (bare_ms[name], lambda session=session, inputs=inputs: session.run(None, inputs)),
                (ours_ms[name], lambda name=name, inputs=inputs: engine.run(name, inputs, alone=True)),
            ]
            # Who comes second finds the caches warm: they take turns.
            for times_ms, call in calls if number // len(stills) % 2 else reversed(calls):
                times_ms.append(_timed_ms(call))
        models_ms.append(bare.run_ms(still))
        began = time.perf_counter()
        read = await reader.read(images[still], "image/png")
        profiles.append(read.reading.to_json()["timings_ms"])
        reading_ms.append(1000 * (time.perf_counter() - began))
    await engine.close()
    rows = []
    for name in loaded:
        ours, peer = statistics.median(ours_ms[name]), statistics.median(bare_ms[name])
        rows.append(row(f"{name}: ONNX Runtime / our call", ours, peer, "ms", peer / ours, ">=", 0.95))
    ours, peer = statistics.median(reading_ms), statistics.median(models_ms)
    rows.append(
        row(
            "step 11 / the sum of its model calls",
            ours,
            peer,
            "ms",
            ours / peer,
            "<=",
            1.25,
            medians(profiles),
        )
    )
    return rows


def _timed_ms(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def _memory(folder: Path) -> Row:
    """The largest memory of a process that does nothing but step 11, after forty readings."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.engines", folder], check=True, capture_output=True, text=True
    )
    used_mb = float(done.stdout)
    share = used_mb / MEMORY_MAX_MB
    return row("memory of a process that reads", used_mb, MEMORY_MAX_MB, "MB", share, "<=", 1.0)


async def _read_all(folder: Path) -> None:
    engine = OnnxEngine(REPOSITORY, THREADS)
    await engine.start()
    reader = Reader(engine)
    images = [path.read_bytes() for path in sorted(folder.glob("*.png"))]
    for _ in range(20):
        await asyncio.gather(*(reader.read(image, "image/png") for image in images[:2]))
    await engine.close()


async def _over_triton(folder: Path, still: Path) -> list[Row]:
    """The head model with several calls in flight: on a server of this machine and in this process, by turns."""
    inputs = feeds(still)[SEGMENT_MODEL]
    here = OnnxEngine(REPOSITORY, THREADS)
    try:
        with TritonServer(REPOSITORY, folder / "triton") as server:
            there = TritonEngine(REPOSITORY, server.grpc)
            await here.start()
            await there.start()
            rates: dict[str, list[float]] = {"here": [], "there": []}
            for number in range(11):
                for name, engine in (("here", here), ("there", there))[:: 1 if number % 2 else -1]:
                    rate = await _per_s(engine, inputs)
                    if number:
                        rates[name].append(rate)
            await there.close()
            await here.close()
    except TritonAbsent as exc:
        print(f"no figures over Triton: {exc}")
        return []
    ours, peer = statistics.median(rates["there"]), statistics.median(rates["here"])
    return [
        row(
            f"{SEGMENT_MODEL}: Triton / in-process", ours, peer, "images/s", ours / peer, ">=", 0.85,
            notes=f"{IN_FLIGHT} calls in flight; the server's backend is the tests' stand-in in Python",
        )
    ]  # fmt: skip


async def _per_s(engine: Engine, inputs: dict[str, NDArray[np.float32]]) -> float:
    """Images per second with several calls in flight."""
    left = iter(range(BURST))

    async def one_after_the_other() -> None:
        for _ in left:
            await engine.infer(SEGMENT_MODEL, inputs)

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))
    return BURST / (time.perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(_read_all(Path(sys.argv[1])))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
