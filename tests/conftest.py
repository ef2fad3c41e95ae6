"""Shared by every test: the data folder, programs, and what a skip means in continuous integration."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.triton.server import TritonAbsent, TritonServer

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("SONORELAY_DATA", ROOT.parent / "shared" / "data"))
MISSING_PROGRAM = "missing program: "


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skip for a missing program is a failure: the set-up should have installed it."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and MISSING_PROGRAM in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"not allowed with CI=true: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real images; the test skips where it is absent."""
    if not (DATA / "splits.csv").is_file():
        pytest.skip(f"real images are not here: {DATA}")
    return DATA


@pytest.fixture(scope="session")
def unpacked(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the DICOM sets us_dicom, mpr and malformed."""
    folder = tmp_path_factory.mktemp("dicom-sets")
    subprocess.run(["bash", data / "unpack.sh", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def program() -> Callable[[str, str], str]:
    """Path of a system program; the test skips, saying which Debian package has it, where it is absent."""

    def find(name: str, package: str) -> str:
        found = shutil.which(name, path=f"/usr/bin:/usr/sbin:{os.environ['PATH']}")
        if found is None:
            pytest.skip(f"{MISSING_PROGRAM}{name} (apt-get install {package})")
        return found

    return find


def start_triton(repository: Path, folder: Path, *options: str) -> TritonServer:
    """A real Triton that is ready; the test skips where that is not set up. Whoever starts it stops it."""
    try:
        return TritonServer(repository, folder, options=options).start()
    except TritonAbsent as exc:
        pytest.skip(f"{MISSING_PROGRAM}{exc}")


@pytest.fixture
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., TritonServer]]:
    """Starts real Triton servers, `(repository, *options)`, which end with the test."""
    with ExitStack() as running:

        def start(repository: Path, *options: str) -> TritonServer:
            server = start_triton(repository, tmp_path_factory.mktemp("triton"), *options)
            running.callback(server.stop)
            return server

        yield start
