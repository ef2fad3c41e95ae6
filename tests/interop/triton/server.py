"""A real tritonserver (2.51, of the wheel nvidia-pytriton) on free loopback ports, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[3]
VENV = ROOT / ".venv-triton"
BACKEND = Path(__file__).with_name("backend.py")
READY_WITHIN_S = 120.0
_KINDS = ("http", "grpc", "metrics")
_STUB = "triton_python_backend_stub"


class TritonAbsent(Exception):
    """The server cannot run here; the message says what to install."""


class TritonDied(Exception):
    """The server ended, or was not ready in time; the message ends with its log."""


class TritonServer:
    """The server on one model repository. Its ports stay the same through `stop`, `kill` and `start`."""

    def __init__(self, repository: Path, folder: Path, *, options: Sequence[str] = ()) -> None:
        """`folder`: an empty or absent place for its backends and its log; `options`: more of tritonserver's."""
        self._repository = repository
        self._folder = folder
        self._options = list(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = dict(zip(_KINDS, _free_ports(len(_KINDS)), strict=True))
        self.log = folder / "tritonserver.log"
        """What the server writes."""

    @property
    def grpc(self) -> str:
        """Address for gRPC, host:port."""
        return f"127.0.0.1:{self._ports['grpc']}"

    @property
    def http(self) -> str:
        """Address for HTTP, host:port."""
        return f"127.0.0.1:{self._ports['http']}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None
        return self._process.pid

    def metrics(self) -> str:
        """The metrics page, as text."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._ports['metrics']}/metrics", timeout=5) as page:
            return str(page.read().decode())

    def start(self) -> Self:
        """Returns once the server is live and all its models are ready. Raises TritonAbsent, TritonDied."""
        packages = _site_packages()
        backends = self._folder / "backends"
        if not backends.is_dir():
            _lay_out_backends(packages, backends)
        _check_libraries(packages, backends / "python" / _STUB)
        triton = packages / "pytriton" / "tritonserver"
        command = [
            str(triton / "bin" / "tritonserver"),
            f"--model-repository={self._repository}",
            f"--backend-directory={backends}",
            f"--cache-directory={triton / 'caches'}",
            *(f"--{kind}-address=127.0.0.1" for kind in _KINDS),
            *(f"--{kind}-port={port}" for kind, port in self._ports.items()),
            "--allow-gpu-metrics=false",
            "--pinned-memory-pool-byte-size=0",
            "--exit-timeout-secs=5",
            f"--backend-config=python,shm-default-byte-size={64 << 20}",
            *self._options,
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=_environment(packages), start_new_session=True
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Lets it end what it has begun."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freezes it: its connections stay, nothing is answered."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on after `pause`."""
        os.killpg(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # The whole session: each model runs in a stub process of its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)
            process.send_signal(how) if how is signal.SIGTERM else os.killpg(process.pid, how)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        until_s = time.monotonic() + READY_WITHIN_S
        while True:
            if self._process.poll() is not None or time.monotonic() > until_s:
                raise TritonDied(self.log.read_text(errors="replace")[-4000:])
            with contextlib.suppress(OSError):
                url = f"http://{self.http}/v2/health/ready"
                with urllib.request.urlopen(url, timeout=1) as answer:
                    if answer.status == 200:
                        return
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _site_packages() -> Path:
    found = next(VENV.glob("lib/python3.*/site-packages"), None)
    if found is None or not (found / "pytriton" / "tritonserver" / "bin" / "tritonserver").is_file():
        raise TritonAbsent("tritonserver (make setup-triton)")
    return found


def _lay_out_backends(packages: Path, backends: Path) -> None:
    """Copies, never links: the server refuses a backend library behind a link."""
    triton = packages / "pytriton" / "tritonserver"
    version = packages.parent.name.removeprefix("python")
    shutil.copytree(triton / "backends" / "python", backends / "python")
    shutil.copy2(triton / "python_backend_stubs" / version / _STUB, backends / "python")
    (backends / "onnxruntime").mkdir()
    shutil.copy2(BACKEND, backends / "onnxruntime" / "model.py")


def _check_libraries(packages: Path, stub: Path) -> None:
    """Raises TritonAbsent where the interpreter's shared library is missing: Debian's Python is built without."""
    listed = subprocess.run(
        ["ldd", stub], capture_output=True, text=True, env=_environment(packages), check=True
    )
    missing = [line.split()[0] for line in listed.stdout.splitlines() if "not found" in line]
    if missing:
        raise TritonAbsent(f"{', '.join(missing)} (apt-get install {missing[0].split('.so')[0]})")


def _environment(packages: Path) -> dict[str, str]:
    """The stub finds its interpreter first on PATH, its libraries beside the wheel and the interpreter."""
    libraries = [packages.parents[2] / "lib", packages / "nvidia_pytriton.libs", *_interpreter_libraries()]
    return {
        "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": ":".join(str(folder) for folder in libraries),
        "HOME": os.environ.get("HOME", "/"),
    }


def _interpreter_libraries() -> Iterator[Path]:
    """Where libpython of the environment's own interpreter lies, if that was built with one."""
    home = (VENV / "bin" / "python").resolve().parent.parent / "lib"
    if any(home.glob("libpython3*.so.1.0")):
        yield home
