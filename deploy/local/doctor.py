"""`sonorelay doctor`: checks the installation and says what is missing and how to get it."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

MODELS = ("fetal_head_seg", "fetal_plane_cls", "fetal_brain_cls")
FREE_MIN_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Outcome of one check."""

    ok: bool
    """Whether it is as it should be."""
    needed: bool
    """Whether the line cannot work without it."""
    words: str
    """What was found, and what to do where it is wrong."""


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    words = f"Python {sys.version.split()[0]}"
    return Finding(ok=ok, needed=True, words=words if ok else f"{words}; 3.11 or newer is needed")


def _libraries() -> Finding:
    missing = []
    for name in (
        "grpc",
        "cv2",
        "pydicom",
        "gdcm",
        "pypdfium2",
        "sqlalchemy",
        "onnxruntime",
        "fastapi",
        "alembic",
    ):
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        words = f"missing: {', '.join(missing)}. Run `make setup`, or: pip install 'sonorelay[edge,cloud]'"
        return Finding(ok=False, needed=True, words=words)
    return Finding(ok=True, needed=True, words="every library of edge and cloud imports")


def _root() -> Path:
    return Path(__file__).resolve().parents[2]


def _models() -> Finding:
    places = [_root() / "model_repository", Path(str(resources.files("cloud"))) / "model_repository"]
    folder = next((place for place in places if place.is_dir()), None)
    missing = [m for m in MODELS if folder is None or not any((folder / m).glob("*/model.onnx"))]
    words = (
        f"models in {folder}" if not missing else f"missing: {', '.join(missing)}; `make train` makes them"
    )
    return Finding(ok=not missing, needed=True, words=words)


def _ferns() -> Finding:
    path = Path(str(resources.files("edge_agent"))) / "models" / "capture_type" / "ferns.npz"
    words = "type classifier of the edge" if path.is_file() else f"missing: {path}; `make train` makes it"
    return Finding(ok=path.is_file(), needed=True, words=words)


def _console() -> Finding:
    index = Path(str(resources.files("cloud"))) / "console" / "static" / "index.html"
    words = "console page is built" if index.is_file() else "console page is not built; run `make setup`"
    return Finding(ok=index.is_file(), needed=True, words=words)


def _loopback() -> Finding:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        return Finding(ok=False, needed=True, words=f"no free port on 127.0.0.1: {error}")
    return Finding(ok=True, needed=True, words="ports on 127.0.0.1 can be opened")


def _disk() -> Finding:
    free_bytes = shutil.disk_usage(Path.cwd()).free
    words = f"{free_bytes / 1024**3:.0f} GiB free here"
    ok = free_bytes >= FREE_MIN_BYTES
    return Finding(ok=ok, needed=True, words=words if ok else f"{words}; at least 2 GiB are wise")


def _program(name: str, package: str, purpose: str) -> Finding:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
    if found is None:
        words = f"{name} not found ({purpose}); Debian: apt-get install {package}"
        return Finding(ok=False, needed=False, words=words)
    return Finding(ok=True, needed=False, words=f"{found} ({purpose})")


def _programs() -> list[Finding]:
    return [
        _program("chromium", "chromium", "browser tests"),
        _program("dcmdump", "dcmtk", "tests and benchmarks with DICOM programs that are not ours"),
        _program("dciodvfy", "dicom3tools", "tests of the DICOM that we write"),
        _program("Orthanc", "orthanc", "the ingest benchmark's peer"),
    ]


def _starts(module: str) -> Callable[[], Finding]:
    def check() -> Finding:
        done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, check=False)
        ok = done.returncode == 0
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return Finding(ok=ok, needed=True, words=f"python -m {module} starts" if ok else f"{module}: {last}")

    return check


CHECKS: tuple[Callable[[], Finding], ...] = (
    _python, _libraries, _models, _ferns, _console, _loopback, _disk, _starts("edge_agent"), _starts("cloud"),
)  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Prints each check; exit code 1 where something needed is missing."""
    findings = [check() for check in CHECKS] + _programs()
    for finding in findings:
        mark = "ok     " if finding.ok else ("MISSING" if finding.needed else "absent ")
        print(f"{mark}  {finding.words}")
    broken = sum(1 for finding in findings if finding.needed and not finding.ok)
    print("everything needed is here" if not broken else f"{broken} needed things are missing")
    return 1 if broken else 0
