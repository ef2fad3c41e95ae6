"""Steps 3 to 5 run here, in a child process that may be killed: hostile bytes are parsed nowhere else.

This is the parent's side; it imports no parsing library and opens no image.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from edge_agent.errors import RetryLater
from edge_agent.filter import FilterRules
from edge_agent.items import PrepareReply, PrepareRequest
from edge_agent.sandbox_wire import FRAME_MAX_BYTES, framed, reply_from_json, request_to_json, rules_to_json
from sonorelay.contract.reasons import EdgeReason

FERNS_PATH: Final = Path(__file__).parent / "models" / "capture_type" / "ferns.npz"
_ENVIRONMENT: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "OPENCV_IO_MAX_IMAGE_PIXELS": "50000000",
    "OPENCV_LOG_LEVEL": "SILENT",
    "PYTHONHASHSEED": "0",
    "LC_ALL": "C.UTF-8",
    # Pictures' memory is used again for the next one instead of going back to the system in between.
    "MALLOC_MMAP_THRESHOLD_": "4194304",
    "MALLOC_TRIM_THRESHOLD_": "33554432",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What the child may use."""

    memory_bytes: int = 1024**3
    """Address space of the child."""
    cpu_s: int = 20
    """Processor time of one request, seconds."""
    wall_s: float = 30.0
    """Time of one request by the clock, seconds."""
    start_s: float = 60.0
    """Time for the child to start, seconds."""
    file_bytes: int = 3 * 1024**3
    """Largest file that the child may write."""


class _ChildLost(Exception):
    """The child died or was killed; the message says how."""


@dataclass(slots=True)
class _Child:
    """A running child and the pipes to it."""

    process: subprocess.Popen[bytes]
    is_ready: bool = False

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(framed(message))
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise _ChildLost("pipe") from error

    def receive(self, deadline: float) -> dict[str, Any]:
        """Waits for one frame until `deadline` (monotonic seconds). Errors: _ChildLost."""
        length = int.from_bytes(self._read(4, deadline), "big")
        if length > FRAME_MAX_BYTES:
            raise _ChildLost("frame too long")
        try:
            message = json.loads(self._read(length, deadline))
        except ValueError as error:
            raise _ChildLost("not JSON") from error
        if not isinstance(message, dict):
            raise _ChildLost("not an object")
        return message

    def _read(self, count: int, deadline: float) -> bytes:
        assert self.process.stdout is not None
        descriptor, data = self.process.stdout.fileno(), bytearray()
        while len(data) < count:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
                raise _ChildLost("time")
            piece = os.read(descriptor, count - len(data))
            if not piece:
                raise _ChildLost("death")
            data += piece
        return bytes(data)

    def end(self, *, kill: bool) -> int:
        """Ends the child, reaps it and gives its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if kill:
            self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            code = self.process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        return code


class Sandbox:
    """Runs steps 3 to 5 in one child process that is started when needed and ended when idle. Thread-safe.

    A request that makes the child die, hang or run out of memory is refused with PARSER_KILLED, and the next
    request gets a new child; the parent never parses an image's bytes.
    """

    def __init__(
        self,
        limits: SandboxLimits | None = None,
        idle_exit_s: float = 20.0,
        *,
        rules: FilterRules | None = None,
        ferns_path: Path = FERNS_PATH,
        command: tuple[str, ...] | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            limits: what the child may use.
            idle_exit_s: the child is ended after so many seconds without a request.
            rules: the site's settings of the filter.
            ferns_path: the random ferns' model file.
            command: how to start a child; by default this module with this interpreter.
        """
        self._limits = limits or SandboxLimits()
        self._idle_exit_s = idle_exit_s
        self._rules = rules or FilterRules()
        self._ferns_path = ferns_path
        self._command = command or (sys.executable, "-P", "-m", "edge_agent.sandbox_child")
        self._condition = threading.Condition()
        self._child: _Child | None = None
        self._busy = False
        self._closed = False
        self._last_used = 0.0
        self._reaper: threading.Thread | None = None

    def warm(self) -> None:
        """Starts the child in the background if there is none; returns at once."""
        with self._condition:
            self._last_used = time.monotonic()
            if not self._closed and not self._busy and self._child is None:
                self._start()

    def prepare(self, request: PrepareRequest) -> PrepareReply:
        """Runs steps 3 to 5 for one capture; calls from several threads wait for each other.

        Errors: RetryLater where this machine is at fault and not the image: the disk, a child that does not
        start, the sandbox being closed. The request may be repeated and gives the same ids.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._closed or not self._busy)
            if self._closed:
                raise RetryLater("the sandbox is closed")
            self._busy = True
            if self._child is not None and self._child.is_ready and self._child.process.poll() is not None:
                # It died while idle (the system was short of memory): not this image's fault.
                self._child.end(kill=False)
                self._child = None
            if self._child is None:
                self._start()
            child = self._child
        assert child is not None
        try:
            return self._ask(child, request)
        finally:
            with self._condition:
                self._busy = False
                self._last_used = time.monotonic()
                self._condition.notify_all()

    def close(self) -> None:
        """Ends the child; a request that runs ends with RetryLater."""
        with self._condition:
            self._closed = True
            child = self._child
            if self._busy and child is not None:
                child.process.kill()
            self._condition.notify_all()
            self._condition.wait_for(lambda: not self._busy)
            if self._child is not None:
                self._child.end(kill=False)
                self._child = None
            reaper, self._reaper = self._reaper, None
        if reaper is not None:
            reaper.join()

    @property
    def child_pid(self) -> int | None:
        """Process id of the child, or None where there is none."""
        child = self._child
        return None if child is None else child.process.pid

    def _ask(self, child: _Child, request: PrepareRequest) -> PrepareReply:
        request.out_dir.mkdir(parents=True, exist_ok=True)
        try:
            self._wait_ready(child)
            child.send(request_to_json(request))
            message = child.receive(time.monotonic() + self._limits.wall_s)
        except _ChildLost as lost:
            was_ready = child.is_ready
            code = self._drop(child, kill=str(lost) == "time")
            if self._closed:
                raise RetryLater("the sandbox is closed") from lost
            if not was_ready:
                raise RetryLater(f"the parser process does not start (exit code {code})", 30.0) from lost
            for path in request.out_dir.iterdir():
                path.unlink()
            return PrepareReply(
                outcome="refused",
                reason=EdgeReason.PARSER_KILLED,
                detail=f"{lost}, exit code {code}",
                images=(),
            )
        if message.get("ends"):
            self._drop(child, kill=False)
        if "machine_error" in message:
            raise RetryLater(str(message["machine_error"]))
        return reply_from_json(message)

    def _wait_ready(self, child: _Child) -> None:
        if not child.is_ready:
            child.receive(time.monotonic() + self._limits.start_s)
            child.is_ready = True

    def _drop(self, child: _Child, *, kill: bool) -> int:
        code = child.end(kill=kill)
        with self._condition:
            if self._child is child:
                self._child = None
                self._condition.notify_all()
        return code

    def _start(self) -> None:
        """Starts a child and the thread that ends it when idle; the condition's lock is held."""
        environment = {
            name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ
        }
        environment |= _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        self._child = _Child(process)
        self._last_used = time.monotonic()
        with contextlib.suppress(_ChildLost):
            self._child.send(
                {
                    "limits": asdict(self._limits),
                    "rules": rules_to_json(self._rules),
                    "ferns_path": str(self._ferns_path.resolve()),
                }
            )
        if self._reaper is None:
            self._reaper = threading.Thread(target=self._end_when_idle, name="sandbox-idle", daemon=True)
            self._reaper.start()

    def _end_when_idle(self) -> None:
        with self._condition:
            while not self._closed and self._child is not None:
                left_s = self._last_used + self._idle_exit_s - time.monotonic()
                if self._busy or left_s > 0:
                    self._condition.wait(None if self._busy else left_s)
                    continue
                self._child.end(kill=False)
                self._child = None
            if not self._closed:
                self._reaper = None
