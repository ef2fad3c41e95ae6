"""Batch orders (TX-01) and the command line."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.__main__ import main
from edge_agent.capture.batch import OrderInvalid, read_scale, resolve
from tests.edge_agent.bench_parts import until
from tests.edge_agent.fake_cloud import FakeCloud


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    made = FakeCloud()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two readable pictures and a text."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for n in range(2):
        picture = rng.integers(0, 255, (120, 160), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{n}.png"), picture)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.mark.req("TX-01")
def test_a_label_finds_its_preset_folder(tmp_path: Path) -> None:
    """The order's label alone opens the folder and takes all its data, sub-folders too."""
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "sub/a.png", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    order = resolve(path=None, label="ward", labels={"ward": tmp_path}, scale=None)
    assert [str(p.relative_to(tmp_path)) for p in order.files] == ["b.png", "sub/a.png"]
    assert order.label == "ward"


@pytest.mark.req("TX-01")
def test_a_bad_order_is_answered_by_name(tmp_path: Path) -> None:
    """Unknown label, bad path, empty folder: each named, with what to do."""
    with pytest.raises(OrderInvalid, match=r"'x' \(preset: ward\)"):
        resolve(path=None, label="x", labels={"ward": tmp_path}, scale=None)
    with pytest.raises(OrderInvalid, match=r"nowhere: does not exist"):
        resolve(path=tmp_path / "nowhere", label=None, labels={}, scale=None)
    with pytest.raises(OrderInvalid, match="the folder is empty"):
        resolve(path=tmp_path, label=None, labels={}, scale=None)
    with pytest.raises(OrderInvalid, match="--path FOLDER"):
        resolve(path=None, label=None, labels={}, scale=None)


@pytest.mark.parametrize("header", ["", "file name,mm per pixel\n", "filename,pixel size(mm)\n"])
def test_scales_come_with_or_without_a_header(tmp_path: Path, header: str) -> None:
    """Csv of file name and mm per pixel."""
    path = tmp_path / "scale.csv"
    path.write_text(f"{header}a.png,0.25\n\n b.png , 0.5 \n")
    assert read_scale(path) == {"a.png": 0.25, "b.png": 0.5}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a.png,0.1\nb.png,-1\n", "row 2"),
        ("a.png,0.1\nb.png\n", "row 2"),
        ("a.png,0.1\na.png,0.2\n", "row 2"),
        ("a.png,0,1\n", "row 1"),
        ("a.png,nan\nb,inf\n", "row 2"),
    ],
)
def test_bad_rows_of_a_scale_are_named(tmp_path: Path, text: str, named: str) -> None:
    """A scale decides about millimetres: nothing doubtful is taken."""
    path = tmp_path / "scale.csv"
    path.write_text(text)
    with pytest.raises(OrderInvalid, match=named):
        read_scale(path)


def test_a_scale_for_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A misspelt name would silently lose a scale."""
    (tmp_path / "a.png").write_bytes(b"x")
    scale = tmp_path.parent / "scale.csv"
    scale.write_text("aa.png,0.1\n")
    with pytest.raises(OrderInvalid, match=r"aa\.png"):
        resolve(path=tmp_path, label=None, labels={}, scale=scale)
    scale.write_text("a.png,0.1\naa.png,0.1\n")
    order = resolve(path=tmp_path, label=None, labels={}, scale=scale)
    assert {"a.png": 0.1, "aa.png": 0.1} == order.mm_per_pixel
    assert "aa.png" in order.note


def status(data: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert main(["status", "--data", str(data), "--json"]) == 0
    captures = json.loads(capsys.readouterr().out)["captures"]
    return {capture["source_name"]: capture for capture in captures}


@pytest.mark.req("TX-01")
def test_send_without_an_agent_runs_the_line_itself(
    tmp_path: Path, pictures: Path, cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command sends everything through the real sandbox, says what was refused, and `status` lists it."""
    scale = tmp_path / "scale.csv"
    scale.write_text("0.png,0.2\n")
    data = tmp_path / "data"
    arguments = ["--path", str(pictures), "--label", "ward", "--scale", str(scale), "--pixels", "trusted"]
    assert main(["send", "--data", str(data), "--cloud", cloud.address, *arguments, "--timeout", "60"]) == 3
    said = capsys.readouterr().out
    assert "2 sent, 1 refused or held" in said
    assert "notes.txt" in said
    captures = status(data, capsys)
    assert {name: c["state"] for name, c in captures.items()} == {
        "0.png": "done",
        "1.png": "done",
        "notes.txt": "refused",
    }
    first = captures["0.png"]
    assert first["sha256"] == hashlib.sha256((pictures / "0.png").read_bytes()).hexdigest()
    assert first["label"] == "ward"
    assert sorted(i for c in captures.values() for i in c["ledger_indices"]) == [0, 1]  # type: ignore[attr-defined]
    assert (
        (data / "receipts" / f"{first['capture_id']}.0.txt").read_text().startswith("c2sp.org/tlog-proof@v1")
    )
    assert all(part.priority == 2 for u in cloud.uploads.values() for part in u.manifest.parts)
    assert (pictures / "0.png").exists()
    assert main(["quarantine", "--data", str(data), "list"]) == 0
    assert "NOT_AN_IMAGE" in capsys.readouterr().out


def test_a_running_agent_takes_folder_prints_and_orders_and_stops_cleanly(
    tmp_path: Path, pictures: Path, cloud: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program: a print in the watched folder, an order from another process noticed at once, SIGTERM."""
    data, watch = tmp_path / "data", tmp_path / "watch"
    watch.mkdir()
    common = ["--data", str(data), "--cloud", cloud.address, "--pixels", "trusted"]
    command = [sys.executable, "-m", "edge_agent", "run", *common, "--watch", str(watch)]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: (data / "status.json").exists() or (data / "agent.bell").exists(), 60)
        os.replace(pictures / "0.png", watch / "0.png")
        until(lambda: len(cloud.committed_captures()) == 1, 60)
        until(lambda: not (watch / "0.png").exists())
        began_s = time.monotonic()
        assert main(["send", *common, "--path", str(pictures / "1.png"), "--wait", "--timeout", "60"]) == 0
        assert time.monotonic() - began_s < 30
        assert main(["run", *common, "--watch", str(watch)]) == 2
        assert "already runs" in capsys.readouterr().err
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
    assert {c["state"] for c in status(data, capsys).values()} == {"done"}
    assert len(cloud.log.entries) == 2


def test_doctor_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No cloud: the exit code says so and the line says what to look at."""
    assert main(["doctor", "--data", str(tmp_path / "data"), "--cloud", "127.0.0.1:1"]) == 1
    said = capsys.readouterr().out
    assert "MISSING  cloud" in said
    assert "Images wait in the spool" in said
    assert said.count("ok       ") >= 7


@pytest.mark.parametrize("command", ["run", "send", "status", "quarantine", "doctor"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help of each command, with the exit codes."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "exit codes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("label", "travels"), [("study-7", "study-7"), (None, ""), ("Zhang Wei", None), ("张伟", None)]
)
def test_only_a_given_code_is_the_label_of_a_series(
    tmp_path: Path, label: str | None, travels: str | None
) -> None:
    """The folder's name, which may be a patient's, stays at the site; a label that is no code is refused."""
    folder = tmp_path / "Zhang_Wei"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"x")
    if travels is None:
        with pytest.raises(OrderInvalid, match="no name of a patient"):
            resolve(path=folder, label=label, labels={}, scale=None, is_series=True)
        return
    order = resolve(path=folder, label=label, labels={}, scale=None, is_series=True)
    assert (travels, "series") == (order.label, order.input_name)
