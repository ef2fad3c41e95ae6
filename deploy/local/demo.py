"""`sonorelay demo`: cloud, agent and virtual scanner on one machine, results on the console."""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from deploy.local.console_client import FINAL, READ, ConsoleClient, Item, Watcher, steps_ms
from deploy.local.machine import Machine, MachineFailed, Program

STALL_TIMEOUT_S = 180.0
_FORMATS = "dicom,png,jpeg,pdf"
"""In turn within each examination: its first picture names the study, so that the others are bound to it by time."""


def run(options: argparse.Namespace) -> int:
    """Exit code: 0 after --count results or Ctrl-C, 1 where a program failed or nothing came for minutes."""
    if options.images is not None and not options.images.is_dir():
        print(f"sonorelay demo: {options.images} is not a folder", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        data = options.data
        if data is None:
            data = Path(tempfile.mkdtemp(prefix="sonorelay-demo-"))
            stack.callback(shutil.rmtree, data, ignore_errors=True)
        data.mkdir(parents=True, exist_ok=True)
        _stop_on_terminate()
        try:
            return _demo(options, data.resolve())
        except KeyboardInterrupt:
            print("\nstopped.")
            return 0


def _stop_on_terminate() -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _demo(options: argparse.Namespace, data: Path) -> int:
    watch = data / "prints"
    watch.mkdir(exist_ok=True)
    print("starting the cloud (models are loaded) ...", flush=True)
    with Machine(data) as machine:
        endpoints = machine.start_cloud()
        guard = ["--pixels", options.pixels, "--device-id", "room-1"]
        agent = machine.start(
            "agent",
            "edge_agent",
            ["run", "--data", data / "agent", "--watch", watch, "--cloud", endpoints.grpc, *guard],
        )
        first = machine.first_link()
        print(f"\n  console    {endpoints.console_url}")
        if first is not None:
            print(f"  begin here {first}\n             (makes the first administrator; good for one use)")
        print(f"  prints go  {watch}\n  data       {data}\n")
        print("Research use, not for diagnosis. Ctrl-C stops.\n", flush=True)
        _open_browser(options.open, first or endpoints.console_url)
        results: queue.Queue[Item] = queue.Queue()
        watcher = Watcher(ConsoleClient(endpoints.console_url, machine.token()), results.put)
        watcher.start()
        stopped = threading.Event()
        if options.images is not None:
            _print_own(options.images, watch, options.rate, stopped)
            scanner = None
        else:
            bound = [] if options.count is None else ["--count", str(10 * options.count)]
            arguments: list[str | Path] = [
                "--out",
                watch,
                "--rate",
                str(options.rate),
                "--formats",
                _FORMATS,
                "--by-examination",
            ]
            arguments += ["--seed", str(options.seed), *bound]
            scanner = machine.start("scanner", "edge_agent.simulator", arguments)
        try:
            return _follow(options.count, results, lambda: _check(machine, agent, scanner))
        finally:
            stopped.set()
            watcher.stop()


def _check(machine: Machine, agent: Program, scanner: Program | None) -> None:
    machine.check(agent)
    if scanner is not None:
        machine.check(scanner, may_end=True)


def _open_browser(wanted: bool | None, url: str) -> None:
    if wanted is None:
        wanted = sys.stdout.isatty() and bool(os.environ.get("DISPLAY") or sys.platform == "darwin")
    if wanted:
        webbrowser.open(url)


def _print_own(images: Path, watch: Path, rate_per_s: float, stopped: threading.Event) -> None:
    """Prints the files of `images` into `watch` once each, as a spooler does: aside, then renamed."""

    def work() -> None:
        for number, path in enumerate(sorted(p for p in images.iterdir() if p.is_file()), 1):
            if stopped.wait(1 / rate_per_s):
                return
            aside = watch / f".print-{number}.tmp"
            shutil.copyfile(path, aside)
            aside.rename(watch / path.name)

    threading.Thread(target=work, name="printer", daemon=True).start()


def _follow(count: int | None, results: queue.Queue[Item], check: Callable[[], None]) -> int:
    seen: dict[str, str] = {}
    analysed = 0
    last = time.monotonic()
    while count is None or analysed < count:
        check()
        try:
            item = results.get(timeout=0.5)
        except queue.Empty:
            if count is not None and time.monotonic() - last > STALL_TIMEOUT_S:
                raise MachineFailed(f"no result for {STALL_TIMEOUT_S:.0f} s") from None
            continue
        last = time.monotonic()
        if item["status"] not in FINAL or seen.get(item["capture_id"]) == item["status"]:
            continue
        seen[item["capture_id"]] = item["status"]
        print(line(item), flush=True)
        if item["status"] in READ:
            analysed += len(item["images"])
    print(f"\n{analysed} results.")
    return 0


def line(item: Item) -> str:
    """One line for the terminal about a finished worklist item."""
    head = f"#{item['slot']:<4} "
    if item["status"] not in READ:
        return f"{head}{item['status']:<8} {item['reason']}"
    words = []
    for image in item["images"]:
        reading = image["reading"]
        if reading is None:
            words.append(f"not read: {image['reason']}")
            continue
        measured = reading["measurements"]
        size = ""
        if measured is not None:
            size = f"HC {measured['hc_mm']:.0f} mm" if measured["hc_mm"] else f"HC {measured['hc_px']:.0f} px"
        finding = reading["finding"] or "-"
        doubt = f"? ({', '.join(reading['abstain_reasons'])})" if reading["abstained"] else ""
        words.append(f"{reading['plane']:<8} {finding:<17} {size:<10} {doubt}".rstrip())
    return f"{head}{item['status']:<8} " + "; ".join(words) + f"   {sum(steps_ms(item).values()):.0f} ms"
