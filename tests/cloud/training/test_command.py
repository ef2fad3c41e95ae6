"""`python -m cloud.training`: what it says, what it refuses, and one whole small training from images to card."""

from __future__ import annotations

import csv
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.training.__main__ import MODELS, main, make_all, parser
from cloud.training.options import Options, Say
from cloud.training.publish import VersionExists, check_free

ROOT = Path(__file__).resolve().parents[3]


def _table(path: Path, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(name="samples")
def _samples(tmp_path: Path) -> Path:
    """Made-up heads: bright ellipses in grain, four to learn from and three to measure on."""
    folder, rng = tmp_path / "data", np.random.default_rng(1)
    splits: list[list[object]] = [["set", "file", "group", "split"]]
    facts: list[list[object]] = [["filename", "pixel_size_mm", "head_circumference_mm"]]
    boxes: list[list[object]] = [["file", "type", "boxes"]]
    for data_set in ("hc18", "brain_abnormal"):
        (folder / data_set / "images").mkdir(parents=True)
    (folder / "hc18" / "masks").mkdir()
    for number in range(7):
        split, name = "train" if number < 4 else "dev", f"{number}.png"
        gray = rng.integers(0, 60, (120, 180), dtype=np.uint8)
        mask = np.zeros_like(gray)
        cv2.ellipse(mask, (80 + 5 * number, 60), (45, 35), 10 * number, 0, 360, 255, -1)
        gray[mask > 0] += 120
        for data_set in ("hc18", "brain_abnormal"):
            cv2.imwrite(str(folder / data_set / "images" / name), gray)
            splits.append([data_set, f"images/{name}", f"{data_set}:{number}", split])
        cv2.imwrite(str(folder / "hc18" / "masks" / name), mask)
        facts.append([name, 0.5, 126])
        boxes.append([f"images/{name}", "normal", "0.5 0.5 0.5 0.6"])
    _table(folder / "splits.csv", splits)
    _table(folder / "hc18" / "pixel_size_and_HC.csv", facts)
    _table(folder / "brain_abnormal" / "labels.csv", boxes)
    return folder


@pytest.mark.req("READ-10")
@pytest.mark.timeout(300)
def test_one_command_goes_from_images_to_a_published_model(samples: Path, tmp_path: Path) -> None:
    """The command learns, measures and publishes; a second run of the version is refused and changes nothing."""
    out = tmp_path / "models"
    command = ["segmentation", "--data", str(samples), "--out", str(out), "--work", str(tmp_path / "work")]
    assert main([*command, "--epochs", "2", "--quiet"]) == 0
    card = tomllib.loads((out / "fetal_head_seg" / "1" / "card.toml").read_text(encoding="utf-8"))
    assert card["epochs"] == 2
    assert card["architecture"]["initial_weights"] == "random, seed 0"
    assert {"hc18"} == {row["name"] for row in card["data"]}
    assert (out / "fetal_head_seg" / "1" / "model.onnx").is_file()
    before = (out / "fetal_head_seg" / "1" / "model.onnx").read_bytes()
    assert main([*command, "--epochs", "1", "--quiet"]) == 2
    assert before == (out / "fetal_head_seg" / "1" / "model.onnx").read_bytes()


class _Maker:
    """Publishes an empty version, and counts how often it was asked to."""

    def __init__(self, name: str) -> None:
        self.name, self.made = name, 0

    def check_new(self, options: Options) -> None:
        check_free(options.out, self.name, options.version)

    def make(self, options: Options, _say: Say) -> Path:
        self.made += 1
        folder = options.out / self.name / str(options.version)
        folder.mkdir(parents=True)
        return folder


def test_a_resumed_run_keeps_what_it_had_published(tmp_path: Path) -> None:
    """After a stop between two models the first is kept and the second made; unasked, nothing is trained."""
    first, second = _Maker("first"), _Maker("second")
    makers = {"first": first, "second": second}
    options = Options(
        data=tmp_path,
        out=tmp_path / "out",
        work=tmp_path / "work",
        version=1,
        epochs=1,
        seed=0,
        resume=False,
        initial_weights=None,
    )
    first.make(options, print)
    with pytest.raises(VersionExists, match="first version 1"):
        make_all(makers, options)
    assert (first.made, second.made) == (1, 0)
    make_all(makers, replace(options, resume=True))
    assert (first.made, second.made) == (1, 1)


def test_missing_images_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the data the command ends with code 2 and says which file is missing."""
    assert main(["segmentation", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert "pixel_size_and_HC.csv" in capsys.readouterr().err


def test_the_brain_model_needs_a_head_model(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a published head model the brain training says what to train first."""
    assert main(["brain", "--data", str(samples), "--out", str(tmp_path / "out")]) == 2
    assert "train segmentation first" in capsys.readouterr().err


def test_every_model_can_be_asked_for() -> None:
    """Each model, and all of them, are choices of the command line with the stated defaults."""
    for model in (*MODELS, "all"):
        asked = parser().parse_args([model])
        assert (model, 1, 0) == (asked.model, asked.version, asked.seed)


def test_help_does_without_pytorch() -> None:
    """`--help` answers at once: the heavy library is only imported to train."""
    code = (
        "import sys; from cloud.training.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as exc: assert exc.code == 0\n"
        "sys.exit('torch' in sys.modules or 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "--resume" in done.stdout
    assert "not for diagnosis" in done.stdout
