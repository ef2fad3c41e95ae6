"""One machine for tests: cloud and agent as real processes, made-up prints, and what each side holds."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.local.console_client import FINAL, ConsoleClient, Item, Watcher
from deploy.local.machine import Endpoints, Machine, Program
from edge_agent.simulator.printer import Printed, Printer
from sonorelay.contract.notes import Verifier

WAIT_S = 60.0


class Line(Machine):
    """A machine whose programs can be started, killed and started again on the same data and ports."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.prints = data / "prints"
        self.prints.mkdir(parents=True)
        self.endpoints: Endpoints | None = None

    def cloud(self, *arguments: str | Path, module: tuple[str, ...] = ("cloud",)) -> Program:
        """Starts the cloud; the second time on the ports of the first."""
        data = self.data / "cloud"
        ready = data / "endpoints.json"
        ready.unlink(missing_ok=True)
        known = self.endpoints
        grpc, http = ("127.0.0.1:0", "127.0.0.1:0") if known is None else (known.grpc, known.http)
        program = self.start(
            "cloud",
            module[0],
            [*module[1:], "serve", "--data", data, "--grpc", grpc, "--http", http, *arguments],
        )
        wait_for(lambda: ready.exists() or program.poll() is not None, "the cloud to be ready")
        if ready.exists():
            self.endpoints = Endpoints(**json.loads(ready.read_text()))
        return program

    def agent(self, *arguments: str | Path, module: tuple[str, ...] = ("edge_agent",)) -> Program:
        """Starts the agent on the watched folder."""
        assert self.endpoints is not None
        own: list[str | Path] = ["--data", self.data / "agent", "--watch", self.prints]
        link = ["--cloud", self.endpoints.grpc, "--device-id", "room-1"]
        return self.start("agent", module[0], [*module[1:], "run", *own, *link, *arguments])

    def print(self, count: int, formats: tuple[str, ...] = ("png",), seed: int = 3) -> list[Printed]:
        """Prints made-up stills into the watched folder."""
        return Printer(self.prints, formats=formats, seed=seed, cines=False).print(count)

    @property
    def client(self) -> ConsoleClient:
        """The console."""
        assert self.endpoints is not None
        return ConsoleClient(self.endpoints.console_url, self.token())

    def status(self) -> dict[str, Any]:
        """The agent's own account."""
        done = subprocess.run(
            [sys.executable, "-m", "edge_agent", "status", "--data", self.data / "agent", "--json"],
            check=True,
            capture_output=True,
        )
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def finals(self, count: int) -> list[Item]:
        """The worklist once `count` captures are final."""
        items: list[Item] = []

        def look() -> bool:
            try:
                items[:] = self.client.get_json("/api/captures?limit=200")["items"]
            except OSError:
                return False
            return sum(item["status"] in FINAL for item in items) >= count

        wait_for(look, f"{count} final captures", self)
        return items

    def agent_done(self, count: int, timeout_s: float = WAIT_S) -> list[dict[str, Any]]:
        """The agent's captures once `count` are finished on its side."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = self.status()["captures"]
            return sum(c["state"] in ("done", "refused", "held") for c in found) >= count

        wait_for(look, f"{count} captures finished at the agent", self, timeout_s)
        return found

    @property
    def log_key(self) -> str:
        """Verifier key of the ledger."""
        assert self.endpoints is not None
        return self.endpoints.log_verifier_key

    def entry(self, ledger_index: int) -> bytes:
        """The ledger's entry, out of the database."""
        return bytes(self._one("select entry from ledger_entry where ledger_index = ?", ledger_index))

    def device_key(self, device_id: str) -> Verifier:
        """The key that the cloud pinned for a device."""
        return Verifier.parse(self._one("select verifier_key from device where device_id = ?", device_id))

    def png_bytes(self) -> bytes:
        """A made-up still as PNG."""
        folder = self.data / "drawn"
        folder.mkdir(exist_ok=True)
        (printed,) = Printer(folder, formats=("png",), seed=99, cines=False).print(1)
        return (folder / printed.name).read_bytes()

    def rows(self, query: str, *values: object) -> list[Any]:
        """What a query finds in the cloud's database."""
        with sqlite3.connect(f"file:{self.data / 'cloud' / 'state.db'}?mode=ro", uri=True) as db:
            found = db.execute(query, values).fetchall()
        db.close()
        return found

    def _one(self, query: str, value: object) -> Any:
        return self.rows(query, value)[0][0]

    def clock_offset_s(self, device_id: str) -> float:
        """Device clock minus server clock, seconds, as the server stores it."""
        query = "select clock_offset_ms from device where device_id = ?"
        return float(self._one(query, device_id)) / 1000

    def state(self) -> Held:
        """What the cloud's database holds."""
        return Held(self.data / "cloud" / "state.db")


class Held:
    """Counts in the cloud's database, read from outside."""

    def __init__(self, path: Path) -> None:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            self.captures = _all(db, "select capture_id from capture")
            self.images = _all(db, "select image_id from image")
            self.results = _all(db, "select image_id from result")
            self.image_digests = _all(db, "select hex(sha256) from image")
            self.result_events = _all(db, "select image_id from outbox where image_id is not null")
            self.part_indices = _all(db, "select ledger_index from part")
            # Anchors of the audit stand between them; when they are made is the server's business.
            anchors = "instr(entry, cast('sonorelay.org/audit@v1' as blob)) = 1"
            self.ledger_indices = _all(
                db, f"select ledger_index from ledger_entry where not {anchors} order by 1"
            )
            self.anchor_indices = _all(db, f"select ledger_index from ledger_entry where {anchors}")
            times = _all(db, "select committed_time from capture where committed_time is not null order by 1")
            self.committed_times = [datetime.fromisoformat(str(time)) for time in times]
            self.jobs = Counter(_all(db, "select state from job"))
        db.close()

    def check_exactly_once(self, count: int) -> None:
        """Asserts that `count` captures of one image each are in store, ledger and results exactly once."""
        assert count == len(self.captures) == len(set(self.captures))
        assert count == len(self.images) == len(set(self.image_digests))
        assert sorted(self.images) == sorted(self.results)
        assert sorted(self.images) == sorted(self.result_events)
        assert {"done": count} == dict(self.jobs)
        assert count == len(set(self.part_indices))
        # One entry per part and one per result, without gaps but for the anchors of the audit.
        assert 2 * count == len(self.ledger_indices)
        entries = len(self.ledger_indices) + len(self.anchor_indices)
        assert list(range(entries)) == sorted(self.ledger_indices + self.anchor_indices)


def _all(db: sqlite3.Connection, query: str) -> list[Any]:
    return [row[0] for row in db.execute(query)]


def wait_for(
    condition: Any,
    what: str,
    machine: Machine | None = None,
    timeout_s: float = WAIT_S,
    every_s: float = 0.05,
) -> None:
    """Returns when `condition()` is true; fails with the programs' logs otherwise."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            logs = "" if machine is None else f"\n{machine.tail('cloud')}\n{machine.tail('agent')}"
            raise AssertionError(f"waited {timeout_s:.0f} s for {what}{logs}")
        time.sleep(every_s)


@contextmanager
def watching(client: ConsoleClient) -> Iterator[list[tuple[float, Item]]]:
    """Every change that the console's event stream gives, with the monotonic time of its arrival."""
    seen: list[tuple[float, Item]] = []
    lock = threading.Lock()

    def take(item: Item) -> None:
        with lock:
            seen.append((time.monotonic(), item))

    watcher = Watcher(client, take)
    watcher.start()
    try:
        yield seen
    finally:
        watcher.stop()
