"""Starts and stops the cloud and the agent of one machine as real processes on free ports."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
_LOG_TAIL_LINES = 15

Program = subprocess.Popen[bytes]
"""A started program."""


class MachineFailed(Exception):
    """A program did not start or ended too early; the message holds the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the cloud listens."""

    grpc: str
    """host:port of the ingest."""
    http: str
    """host:port of the console."""
    log_verifier_key: str
    """Verifier key of the ledger."""

    @property
    def console_url(self) -> str:
        """Address for the browser."""
        return f"http://{self.http}/"


class Machine:
    """Programs of one machine under one data folder; leaving the context stops them all, the newest first."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.logs = data / "logs"
        self._running: list[tuple[str, Program]] = []
        self._token: str | None = None

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._running:
            stop(self._running.pop()[1])

    def start(self, name: str, module: str, arguments: Sequence[str | Path]) -> Program:
        """Starts `python -m module arguments`, its output in logs/<name>.log."""
        with (self.logs / f"{name}.log").open("ab") as log:
            # A session of its own: Ctrl-C reaches only us, and we stop the children in order.
            process = subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append((name, process))
        return process

    def token(self) -> str:
        """A token with which this machine's own programs may see images; made at the first call."""
        if self._token is None:
            wanted = ["--data", str(self.data / "cloud"), "--role", "researcher", "--name", "this-machine"]
            made = subprocess.run(
                [sys.executable, "-m", "cloud.accounts", "tokens", "create", *wanted, "--days", "30"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode:
                raise MachineFailed(f"no token could be made\n{made.stderr.strip()}")
            self._token = made.stdout.strip()
        return self._token

    def first_link(self) -> str | None:
        """The one-time link for the first administrator of the running cloud; None where there is a user."""
        file = self.data / "cloud" / "first-administrator.link"
        return file.read_text().strip() if file.exists() else None

    def start_cloud(self, arguments: Sequence[str | Path] = ()) -> Endpoints:
        """Starts the cloud on free loopback ports and returns its endpoints once it is ready."""
        data = self.data / "cloud"
        ready = data / "endpoints.json"
        ready.unlink(missing_ok=True)
        process = self.start(
            "cloud",
            "cloud",
            ["serve", "--data", data, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", *arguments],
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready.exists():
            self.check(process)
            if time.monotonic() > deadline:
                raise MachineFailed(
                    f"the cloud was not ready after {START_TIMEOUT_S:.0f} s\n{self.tail('cloud')}"
                )
            time.sleep(0.02)
        return Endpoints(**json.loads(ready.read_text()))

    def check(self, process: Program, *, may_end: bool = False, good: tuple[int, ...] = (0,)) -> bool:
        """Whether `process` still runs. Raises MachineFailed where it failed or may not end."""
        code = process.poll()
        if code is None:
            return True
        name = next(name for name, running in self._running if running is process)
        if code not in good or not may_end:
            raise MachineFailed(f"{name} ended with exit code {code}\n{self.tail(name)}")
        return False

    def tail(self, name: str) -> str:
        """Last lines of a program's log, and where it lies."""
        path = self.logs / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:] if path.exists() else []
        return "\n".join([*lines, f"(whole log: {path})"])


def stop(process: Program) -> None:
    """Ends a process: politely, then by force after STOP_TIMEOUT_S."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
