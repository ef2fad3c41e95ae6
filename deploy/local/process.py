"""`sonorelay process`: a folder of images through the whole line, without a browser, into a report."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from deploy.local.console_client import FINAL, READ, ConsoleClient, Item, Watcher
from deploy.local.machine import Endpoints, Machine, MachineFailed
from deploy.local.report import NOTICE, PICTURES, entry_of

STALL_TIMEOUT_S = 180.0
EXIT_FAILED, EXIT_HELD = 1, 3
_SEND_EXITS = (0, 3)
"""The agent's `send`: all sent; all sent but what was refused or held."""


def run(options: argparse.Namespace) -> int:
    """Exit code: 0 all read or refused for a reason, 3 some held, 1 something failed, 2 bad arguments."""
    if not options.images.is_dir():
        print(f"sonorelay process: {options.images} is not a folder", file=sys.stderr)
        return 2
    if options.scale is not None and not options.scale.is_file():
        print(f"sonorelay process: {options.scale} is not a file", file=sys.stderr)
        return 2
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        print(f"sonorelay process: {options.out} is not an empty folder; name a new one", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    if options.pixels == "trusted":
        print(
            "The images are taken as already de-identified (--pixels trusted); use --pixels guard otherwise."
        )
    with ExitStack() as stack:
        data = options.data
        if data is None:
            data = Path(tempfile.mkdtemp(prefix="sonorelay-process-"))
            stack.callback(shutil.rmtree, data, ignore_errors=True)
        return _process(options, data.resolve())


def _process(options: argparse.Namespace, data: Path) -> int:
    with Machine(data) as machine, ThreadPoolExecutor(2, "pictures") as pool:
        print("starting the cloud (models are loaded) ...", flush=True)
        endpoints = machine.start_cloud()
        gathering = Gathering(ConsoleClient(endpoints.console_url, machine.token()), data / "pictures", pool)
        watcher = Watcher(gathering.client, gathering.take)
        watcher.start()
        try:
            captures = _send(machine, endpoints, options)
            _wait(gathering, captures)
        finally:
            watcher.stop()
        entries = gathering.write(captures, options.out)
    report = {
        "notice": NOTICE,
        "pixels": options.pixels,
        "log_verifier_key": endpoints.log_verifier_key,
        "entries": entries,
    }
    (options.out / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return _summary(entries, options.out)


def _send(machine: Machine, endpoints: Endpoints, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Lets the agent send the whole folder and returns its list of captures, in the order of the names."""
    agent_data = machine.data / "agent"
    arguments: list[str | Path] = ["send", "--data", agent_data, "--path", options.images.resolve()]
    arguments += ["--label", "process", "--cloud", endpoints.grpc, "--pixels", options.pixels]
    arguments += ["--device-id", "process", "--wait"]
    if options.scale is not None:
        arguments += ["--scale", options.scale.resolve()]
    agent = machine.start("agent", "edge_agent", arguments)
    while machine.check(agent, may_end=True, good=_SEND_EXITS):
        time.sleep(0.1)
    status = subprocess.run(
        [sys.executable, "-m", "edge_agent", "status", "--data", agent_data, "--json"],
        check=True,
        capture_output=True,
    )
    captures: list[dict[str, Any]] = json.loads(status.stdout)["captures"]
    return sorted(captures, key=lambda capture: str(capture["source_name"]))


def _wait(gathering: Gathering, captures: list[dict[str, Any]]) -> None:
    """Returns when every sent capture is final at the cloud and its pictures are here."""
    sent = {str(capture["capture_id"]) for capture in captures if capture["state"] == "done"}
    while waiting := sent - gathering.final():
        if time.monotonic() - gathering.last_change > STALL_TIMEOUT_S:
            raise MachineFailed(f"{len(waiting)} results did not come within {STALL_TIMEOUT_S:.0f} s")
        time.sleep(0.05)


class Gathering:
    """Collects worklist items as they become final and fetches their pictures meanwhile."""

    def __init__(self, client: ConsoleClient, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.client = client
        self.last_change = time.monotonic()
        self._folder = folder
        self._pool = pool
        self._lock = threading.Lock()
        self._items: dict[str, Item] = {}
        self._fetching: dict[str, Future[None]] = {}

    def take(self, item: Item) -> None:
        """Takes one change of the event stream."""
        capture_id = item["capture_id"]
        with self._lock:
            self.last_change = time.monotonic()
            known = self._items.get(capture_id)
            if item["status"] not in FINAL or (known is not None and known["status"] == item["status"]):
                return
            self._items[capture_id] = item
            if item["status"] in READ:
                self._fetching[capture_id] = self._pool.submit(self._fetch, item)
            count = len(self._items)
        if sys.stdout.isatty():
            print(f"\r{count} finished", end="", flush=True)
        elif count % 50 == 0:
            print(f"{count} finished", flush=True)

    def final(self) -> set[str]:
        """Capture ids that are final."""
        with self._lock:
            return set(self._items)

    def _fetch(self, item: Item) -> None:
        """Pictures and receipts of one capture into a folder under its id, one subfolder per image."""
        for image in item["images"]:
            folder = self._folder / item["capture_id"] / str(image["index_in_capture"])
            folder.mkdir(parents=True, exist_ok=True)
            part = image["part_index"]
            receipt = self.client.get(f"/api/captures/{item['capture_id']}/receipts/{part}.txt")
            (folder / "receipt.txt").write_bytes(receipt)
            reading = image["reading"]
            if reading is None:
                continue
            for name, needs in PICTURES.items():
                if needs is None or reading[needs] is not None:
                    body = self.client.get(f"/api/images/{image['image_id']}/{name}.png")
                    (folder / f"{name}.png").write_bytes(body)

    def write(self, captures: list[dict[str, Any]], out: Path) -> list[dict[str, Any]]:
        """Entries of the report; copies the pictures to `out`/<name>/ (further ones to <name>/<k>/)."""
        for fetching in self._fetching.values():
            fetching.result()
        print()
        entries = []
        for capture in captures:
            # The same bytes under two names are one capture; the second name shows the first one's result.
            capture_id = str(capture["duplicate_of"] or capture["capture_id"])
            entry = entry_of(capture, self._items.get(capture_id))
            entries.append(entry)
            source = self._folder / capture_id
            if entry["status"] == "done":
                target = out / str(entry["name"])
                for number, folder in enumerate(sorted(source.iterdir(), key=lambda path: int(path.name))):
                    shutil.copytree(folder, target / str(number) if number else target, dirs_exist_ok=True)
        return entries


def _summary(entries: list[dict[str, Any]], out: Path) -> int:
    counts = dict.fromkeys(("done", "refused", "held", "failed"), 0)
    for entry in entries:
        counts[entry["status"]] += 1
    print(", ".join(f"{count} {status}" for status, count in counts.items() if count or status == "done"))
    for entry in entries:
        if entry["status"] != "done":
            print(f"  {entry['status']:<8} {entry['name']!s}: {entry['reason']}")
    print(f"report: {out / 'report.json'}   ({NOTICE})")
    if counts["failed"]:
        return EXIT_FAILED
    return EXIT_HELD if counts["held"] else 0
