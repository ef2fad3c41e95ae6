"""Kill -9 at every step, and at every call to the cloud: after a restart each capture is there exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.bench_parts import IDENTITY, data_files
from tests.edge_agent.fake_cloud import FakeCloud

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    made = FakeCloud()
    made.start()
    yield made
    made.stop()


def run_child(folder: Path, cloud: FakeCloud, step: int, prints: list[Path]) -> subprocess.Popen[bytes]:
    arguments = [
        "-m",
        "tests.edge_agent.agent_child",
        str(folder),
        cloud.address,
        str(step),
        *map(str, prints),
    ]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "protos")])
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=os.environ | {"PYTHONPATH": paths})


def make_prints(folder: Path) -> list[Path]:
    """Two files that are whole PNG pictures as far as the door looks: signature and end."""
    prints = []
    for name in ("one.png", "two.png"):
        path = folder / name
        path.write_bytes(_png(name.encode() * 30_000))
        prints.append(path)
    return prints


def _png(payload: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + b"\0\0\0\0"

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0" * 13) + chunk(b"IDAT", payload) + chunk(b"IEND", b"")


def check_exactly_once(folder: Path, cloud: FakeCloud) -> None:
    assert len(cloud.committed_captures()) == 2
    assert len(cloud.log.entries) == 2
    assert len(cloud.uploads) == 2
    for upload in cloud.uploads.values():
        said = upload.manifest
        assert (IDENTITY.examination_key, IDENTITY.patient_key, IDENTITY.gestational_age_days) == (
            said.examination_key,
            said.patient_key,
            said.gestational_age_days,
        )
    assert set(cloud.announced) == set(cloud.committed_captures())
    assert len(data_files(folder / "receipts")) == 2
    # A copy whose sender was never told "ok" may lie here until the sweep; nothing of a capture may.
    assert not set(data_files(folder / "raw")) & set(cloud.committed_captures())


@pytest.mark.req("TX-09")
@pytest.mark.parametrize("step", [1, 2, 3, 6, 7])
def test_killed_before_a_step(tmp_path: Path, cloud: FakeCloud, step: int) -> None:
    """kill -9 just before a step, then a start: every image exactly once in store and ledger."""
    prints = make_prints(tmp_path)
    child = run_child(tmp_path / "data", cloud, step, prints)
    assert child.wait(60) == -signal.SIGKILL
    assert run_child(tmp_path / "data", cloud, 0, prints).wait(60) == 0
    check_exactly_once(tmp_path / "data", cloud)


@pytest.mark.req("TX-09")
@pytest.mark.parametrize("call", ["OpenUpload", "Fragment", "Commit", "Commit answered"])
def test_killed_while_the_cloud_works(tmp_path: Path, cloud: FakeCloud, call: str) -> None:
    """kill -9 while the cloud handles a call, before or after it took effect: exactly once all the same."""
    prints = make_prints(tmp_path)
    children: list[subprocess.Popen[bytes]] = []
    killed = threading.Event()

    def kill_once(_context: object) -> None:
        if not killed.is_set():
            killed.set()
            children[0].kill()
            children[0].wait(60)

    hooks = cloud.after if call == "Commit answered" else cloud.before
    hooks[call.split()[0]] = kill_once
    children.append(run_child(tmp_path / "data", cloud, 0, prints))
    assert children[0].wait(60) == -signal.SIGKILL
    assert killed.is_set()
    hooks.clear()
    assert run_child(tmp_path / "data", cloud, 0, prints).wait(60) == 0
    check_exactly_once(tmp_path / "data", cloud)
