"""The `sonorelay` command as a new user runs it: process, demo, doctor."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.simulator.printer import Printed, Printer
from sonorelay.contract import notes

TIMEOUT_S = 110.0


def sonorelay(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the command and returns what it said."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", *map(str, arguments)],
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip


def drawn(folder: Path, count: int, formats: tuple[str, ...]) -> list[Printed]:
    """Made-up stills in a folder of their own."""
    folder.mkdir()
    return Printer(folder, formats=formats, seed=4, cines=False).print(count)


@pytest.mark.req("TX-01")
@pytest.mark.req("READ-05")
@pytest.mark.req("READ-08")
@pytest.mark.req("BEY-10")
def test_process_reports_every_input(tmp_path: Path) -> None:
    """One entry per input, pictures and receipt for what was read, a reason for what was not; exit code 0."""
    images, out = tmp_path / "images", tmp_path / "out"
    printed = drawn(images, 4, ("png",))
    (images / "broken.png").write_bytes((images / printed[0].name).read_bytes()[:5000])
    brains = [one for one in printed if one.truth.type == "brain"]
    scale = tmp_path / "mm.csv"
    with scale.open("w", newline="") as file:
        csv.writer(file).writerows([one.name, one.truth.mm_per_pixel] for one in brains)
    done = sonorelay("process", "--images", images, "--out", out, "--scale", scale)
    assert 0 == done.returncode, done.stderr + done.stdout
    assert "already de-identified" in done.stdout
    report = json.loads((out / "report.json").read_text())
    assert report["notice"] == "research use, not for diagnosis"
    entries = {entry["name"]: entry for entry in report["entries"]}
    assert {one.name for one in printed} | {"broken.png"} == set(entries)
    assert ("refused", "TRUNCATED") == (entries["broken.png"]["status"], entries["broken.png"]["reason"])
    log = notes.Verifier.parse(report["log_verifier_key"])
    for one in printed:
        check_read(entries[one.name], out / one.name, one, log)
    measured = [(entries[one.name]["hc_mm"], one.truth.hc_mm) for one in brains if entries[one.name]["hc_mm"]]
    assert measured
    assert all(truth is not None and abs(mm - truth) < 0.06 * truth for mm, truth in measured)


def check_read(entry: dict[str, Any], folder: Path, one: Printed, log: notes.Verifier) -> None:
    """An entry that was read holds what the README promises, and its pictures have their sizes."""
    assert "done" == entry["status"], entry["reason"]
    assert one.sha256 == entry["sha256"]
    mask = cv2.imread(str(folder / "mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert (one.truth.height_px, one.truth.width_px) == mask.shape
    assert set(np.unique(mask)) <= {0, 255}
    assert (folder / "overlay.png").stat().st_size > 1000
    assert entry["ledger_index"] == notes.Proof.parse((folder / "receipt.txt").read_bytes()).index
    assert 0 <= entry["plane_probability"] <= 1
    if entry["finding"] is not None:
        assert {"normal", "ventriculomegaly", "other"} == set(entry["finding_probabilities"])
        assert all((folder / f"{name}.png").is_file() for name in ("crop", "heatmap", "fused"))
    if entry["abstained"]:
        assert entry["abstain_reasons"]
    assert {"cx", "cy", "a", "b", "angle_deg"} == set(entry["ellipse"] or ("cx", "cy", "a", "b", "angle_deg"))


def test_process_refuses_a_folder_that_is_none(tmp_path: Path) -> None:
    """A bad path is answered by name, before anything is started."""
    done = sonorelay("process", "--images", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert 2 == done.returncode
    assert "nowhere is not a folder" in done.stderr


def test_guard_holds_what_it_cannot_clean_and_says_so(tmp_path: Path) -> None:
    """Under the site's rule a picture without a visible sector is held, never sent: exit code 3."""
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    noise = np.random.default_rng(1).integers(1, 255, (400, 600), np.uint8)
    cv2.imwrite(str(images / "full.png"), noise)
    done = sonorelay("process", "--images", images, "--out", out, "--pixels", "guard")
    assert 3 == done.returncode, done.stderr + done.stdout
    (entry,) = json.loads((out / "report.json").read_text())["entries"]
    assert "held" == entry["status"]
    assert entry["reason"] in ("SECTOR_NOT_FOUND", "PIXELS_MAY_IDENTIFY")


@pytest.mark.req("READ-01")
def test_the_demo_ends_by_itself_after_n_results(tmp_path: Path) -> None:
    """`--count N`: N results, exit code 0, the console named, the mark shown."""
    done = sonorelay("demo", "--count", "3", "--rate", "2", "--no-open")
    assert 0 == done.returncode, done.stderr + done.stdout
    assert "http://127.0.0.1:" in done.stdout
    assert "not for diagnosis" in done.stdout


def test_ctrl_c_stops_the_demo_cleanly(tmp_path: Path) -> None:
    """Ctrl-C ends every program and the command says so."""
    data = tmp_path / "data"
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "deploy.local", "demo", "--data", str(data), "--no-open"],
        stdout=subprocess.PIPE, text=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Ctrl-C" in line:
                break
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        assert 0 == demo.wait(30)
    assert "stopped" in rest
    assert not (data / "cloud" / "endpoints.json").exists()


def test_the_doctor_finds_everything_here() -> None:
    """On a machine that is set up the doctor names nothing that is needed and missing."""
    done = sonorelay("doctor")
    assert 0 == done.returncode, done.stdout
    assert "MISSING" not in done.stdout
