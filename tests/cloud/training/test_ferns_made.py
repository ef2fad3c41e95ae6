"""Step 5's ferns are made from training frames alone: folds, sorting floor, card, and the same bytes each time."""

from __future__ import annotations

import csv
import tomllib
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.training import fern_samples, make_ferns
from cloud.training.fern_card import network_figure
from cloud.training.fern_samples import TYPES, FernSamples
from cloud.training.ferns import channels
from cloud.training.make_ferns import folds_of, sorting_floor
from cloud.training.options import Options

PLANES = ("Fetal brain", "Fetal abdomen", "Fetal femur", "Fetal thorax")


def _picture(kind: int, rng: np.random.Generator) -> np.ndarray:
    """Grain with one bright bar per kind."""
    gray = rng.integers(0, 90, (96, 96), dtype=np.uint8)
    gray[12 + 20 * kind : 28 + 20 * kind, 10:86] += 120
    return gray


def _table(path: Path, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(name="data")
def _data(tmp_path: Path) -> Path:
    """Four kinds of planes, and a few heads, to learn from and to measure on."""
    folder, rng = tmp_path / "data", np.random.default_rng(1)
    splits: list[list[object]] = [["set", "file", "group", "split"]]
    labels: list[list[object]] = [["file", "plane", "brain_plane", "us_machine"]]
    facts: list[list[object]] = [["filename", "pixel_size_mm", "head_circumference_mm"]]
    boxes: list[list[object]] = [["file", "type", "boxes", "augmented"]]
    for name in ("planes/images", "hc18/images", "hc18/masks", "brain_abnormal/images"):
        (folder / name).mkdir(parents=True)
    for number in range(32):
        name, split = f"{number}.png", "train" if number < 20 else "dev"
        cv2.imwrite(str(folder / "planes" / "images" / name), _picture(number % 4, rng))
        labels.append([f"images/{name}", PLANES[number % 4], "", "Aloka"])
        splits.append(["planes", f"images/{name}", f"p{number}", split])
    for number in range(8):
        name, split = f"{number}.png", "train" if number < 4 else "dev"
        for data_set in ("hc18", "brain_abnormal"):
            cv2.imwrite(str(folder / data_set / "images" / name), _picture(0, rng))
            splits.append([data_set, f"images/{name}", f"{data_set}:{number}", split])
        cv2.imwrite(str(folder / "hc18" / "masks" / name), np.zeros((96, 96), np.uint8))
        facts.append([name, 0.5, 126])
        boxes.append([f"images/{name}", "normal", "0.5 0.5 0.5 0.6", 0])
    _table(folder / "splits.csv", splits)
    _table(folder / "planes" / "labels.csv", labels)
    _table(folder / "hc18" / "pixel_size_and_HC.csv", facts)
    _table(folder / "brain_abnormal" / "labels.csv", boxes)
    return folder


def _options(data: Path, out: Path) -> Options:
    return Options(
        data=data, out=out, work=out, version=7, epochs=None, seed=3, resume=False, initial_weights=None
    )


@pytest.mark.req("TX-04")
@pytest.mark.timeout(300)
def test_the_same_frames_give_the_same_file(data: Path, tmp_path: Path) -> None:
    """Two runs write the same bytes, file and card; the card is the file's, and a version is never
    overwritten."""
    said: list[str] = []
    first, again = (make_ferns.make(_options(data, tmp_path / name), said.append) for name in ("one", "two"))
    assert first.read_bytes() == again.read_bytes()
    text = (first.parent / "card.toml").read_text("utf-8")
    assert text == (again.parent / "card.toml").read_text("utf-8")
    card = tomllib.loads(text)
    assert (card["version"], card["sha256"]) == ("7", sha256(first.read_bytes()).hexdigest())
    figures = {row["name"]: row["value"] for row in card["metrics"]}
    assert figures["accuracy over four planes"] >= 0.75
    assert "cross-validated accuracy over four planes" in figures
    assert any("accuracy over four planes" in line for line in said)
    with pytest.raises(FileExistsError):
        make_ferns.make(_options(data, tmp_path / "one"), said.append)


def test_frames_of_a_group_share_a_fold() -> None:
    """A patient's frames never lie on both sides of a fold, and every fold has frames."""
    groups = [f"patient {number % 17}" for number in range(60)]
    folds = folds_of(groups, 0)
    assert all(len({folds[n] for n, name in enumerate(groups) if name == one}) == 1 for one in set(groups))
    assert {0, 1, 2, 3} == set(folds.tolist())


@pytest.mark.req("TX-04")
def test_the_floor_is_the_lowest_that_keeps_the_promise() -> None:
    """From the floor on the wanted share is right; one hundredth lower it is not; hopeless ferns sort nothing."""
    confidence = np.linspace(0.4, 0.995, 400)
    chances = np.stack([confidence, 1 - confidence], axis=1)
    chances[confidence < 0.5] = chances[confidence < 0.5, ::-1]
    top, best = chances.max(axis=1), chances.argmax(axis=1)
    labels = np.where((top < 0.8) & (np.arange(400) % 2 == 0), 1 - best, best)
    floor = sorting_floor(chances, labels, 0.97)
    right = labels == best
    assert 0.5 < floor <= 0.8
    assert right[top >= floor].mean() >= 0.97 > right[top >= floor - 0.01].mean()
    assert sorting_floor(chances, 1 - best, 0.97) == 0.99


def test_data_sets_weigh_what_they_shall() -> None:
    """Every type weighs the same, however many frames it has, and a data set its share of the type."""
    samples = FernSamples(grays=[], labels=[], groups=[], sources=[])
    gray = np.zeros((30, 40), np.uint8)
    for number in range(20):
        samples.add(gray, "brain", str(number), ("planes", "hc18", "brain_abnormal")[min(number // 4, 2)])
    samples.add(gray, "femur", "f", "planes")
    weights, brains = samples.weights(), samples.types() == TYPES.index("brain")
    assert weights[brains].sum() == pytest.approx(1) == weights[~brains].sum()
    assert weights[samples.chosen("hc18")].sum() == pytest.approx(0.3)


def test_a_posed_frame_is_still_the_frame() -> None:
    """New poses differ from each other and from the frame, yet most are nearer to it than to another's."""
    rng = np.random.default_rng(2)
    frame, other = _picture(0, rng), _picture(3, rng)
    poses = [fern_samples.posed(frame, rng) for _ in range(20)]
    near = [np.abs(pose[0] - channels(frame)[0]).mean() for pose in poses]
    far = [np.abs(pose[0] - channels(other)[0]).mean() for pose in poses]
    assert min(near) > 0.05
    assert np.mean(np.array(near) < np.array(far)) >= 0.8
    assert len({pose.tobytes() for pose in poses}) == 20


def test_the_networks_figure_comes_from_its_newest_card(tmp_path: Path) -> None:
    """Of a card beside and a card inside of a version folder the newest counts; without one nothing is claimed."""
    for where, version, value in ((".", 1, 0.9), ("3", 3, 0.95)):
        folder = tmp_path / "fetal_plane_cls" / where
        folder.mkdir(parents=True, exist_ok=True)
        row = f'name = "accuracy over four planes"\nvalue = {value}\nlow_95 = 0.8\nhigh_95 = 1.0\n'
        (folder / "card.toml").write_text(f'version = "{version}"\n[[metrics]]\n{row}', "utf-8")
    assert network_figure((tmp_path / "none", tmp_path))["value"] == 0.95
    assert "value" not in network_figure((tmp_path / "none",))
