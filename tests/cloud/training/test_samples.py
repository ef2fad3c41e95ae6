"""Samples: groups stay together, randomness comes from the generator only, draws keep their ranges."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.training import augment, brain, planes, segmentation
from cloud.training.brain import BrainSample
from cloud.training.classification import ClassifierTask, held_out_groups, least_probability
from cloud.training.data import DataMissing, finding_of, plane_frames, split_rows, undo_stretch
from cloud.training.shortcut import fit_and_score


def _speckled(shape: tuple[int, int], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_only_rows_of_the_split_are_read(tmp_path: Path) -> None:
    """A dev frame is never among the train frames, and planes come back at their true aspect ratio."""
    folder = tmp_path / "planes" / "images"
    folder.mkdir(parents=True)
    with (tmp_path / "splits.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "file", "group", "split"])
        writer.writerows([["planes", "images/a.png", "p1", "train"], ["planes", "images/b.png", "p2", "dev"]])
    with (tmp_path / "planes" / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "plane", "brain_plane", "us_machine"])
        writer.writerows(
            [
                ["images/a.png", "Fetal femur", "Not A Brain", "Aloka"],
                ["images/b.png", "Fetal brain", "Trans-cerebellum", "Other"],
            ]
        )
    for name in ("a", "b"):
        cv2.imwrite(str(folder / f"{name}.png"), _speckled((60, 60)))
    frames = list(plane_frames(tmp_path, "train"))
    assert [("a.png", "p1", "femur", (40, 60))] == [(f.name, f.group, f.plane, f.gray.shape) for f in frames]
    assert {"images/b.png": "p2"} == split_rows(tmp_path, "planes", "dev")
    (brain_frame,) = plane_frames(tmp_path, "dev")
    assert (frames[0].sub_plane, frames[0].machine) == (None, "Aloka")
    assert (brain_frame.sub_plane, brain_frame.machine) == ("trans-cerebellar", "Other")
    (folder / "a.png").unlink()
    with pytest.raises(DataMissing, match=r"a\.png"):
        list(plane_frames(tmp_path, "train"))


def test_type_names_become_findings() -> None:
    """Every degree of ventriculomegaly is one class; what is neither it nor normal is other."""
    assert finding_of("normal") == "normal"
    assert {finding_of(f"{degree}-ventriculomegaly") for degree in ("mild", "severe")} == {"ventriculomegaly"}
    assert finding_of("arachnoid-cyst") == "other"


def test_the_stretch_is_undone() -> None:
    """A circle that was stretched with its 3:2 frame to a square is a circle again."""
    frame = np.zeros((640, 640), np.uint8)
    cv2.ellipse(frame, (320, 320), (100, 150), 0, 0, 360, 255, -1)
    _, _, width, height = cv2.boundingRect(undo_stretch(frame))
    assert width == pytest.approx(height, abs=2)


def test_groups_are_held_out_whole() -> None:
    """Held-out groups cover each class, and never most of one."""
    groups = [f"g{number // 5}" for number in range(100)] + ["big"] * 30
    labels = [number % 2 for number in range(100)] + [2] * 30
    apart = held_out_groups(groups, labels, 0.1, seed=1)
    assert "big" not in apart
    share = np.isin(groups[:100], list(apart)).mean()
    assert 0.1 <= share <= 0.2
    assert apart == held_out_groups(groups, labels, 0.1, seed=1)


def test_rare_classes_are_drawn_as_often() -> None:
    """With chances by class every class is drawn about equally, although one is five times rarer."""
    labels = [0] * 100 + [1] * 20
    chances = [1 / 100] * 100 + [1 / 20] * 20
    task = ClassifierTask(
        labels,
        chances,
        lambda _number, _rng: np.zeros((2, 2), np.float32),
        samples_per_epoch=1000,
        batch_size=50,
    )
    drawn = np.concatenate([target.numpy() for _, target in task.batches(np.random.default_rng(1))])
    assert len(drawn) == 1000
    assert drawn.mean() == pytest.approx(0.5, abs=0.05)


def test_the_abstention_threshold_reaches_the_wanted_accuracy() -> None:
    """The threshold is the lowest that keeps right frames only; where none helps, it is the highest."""
    chances = np.array([[0.95, 0.05], [0.7, 0.3], [0.55, 0.45]])
    assert least_probability(chances, np.array([0, 0, 1]), 1.0) == 0.6
    assert least_probability(chances, np.array([1, 1, 1]), 1.0) == 0.95


def test_made_up_differences_come_from_the_generator_alone() -> None:
    """One seed gives one sample for every model, another seed another; values are finite and in 0..1."""
    gray = _speckled((60, 90))
    sample = BrainSample(
        gray=gray, box=(20.0, 10.0, 40.0, 35.0), stretched=True, label=0, group="g", source="brain_abnormal"
    )
    canvas = _speckled((128, 192))
    for draw in (
        lambda rng: brain.augmented(sample, rng)[0],
        lambda rng: planes.augmented(canvas, rng),
        lambda rng: augment.change_gray(gray, rng, segmentation.STRENGTH),
    ):
        pictures = [draw(np.random.default_rng(seed)) for seed in (1, 1, 2)]
        assert np.array_equal(pictures[0], pictures[1])
        assert not np.array_equal(pictures[0], pictures[2])
        for seed in range(20):
            picture = draw(np.random.default_rng(seed))
            assert picture.dtype == np.float32
            assert np.isfinite(picture).all()
            assert 0 <= picture.min() <= picture.max() <= 1


def test_picture_and_mask_move_together() -> None:
    """After augmentation the mask still covers the bright head it belongs to."""
    gray = np.zeros((256, 256), np.uint8)
    cv2.ellipse(gray, (120, 90), (50, 35), 20, 0, 360, 200, -1)
    mask = np.where(gray > 0, 255, 0).astype(np.uint8)
    task = segmentation.HeadTask([(gray, mask)] * 8)
    for image, target in task.batches(np.random.default_rng(3)):
        inside, outside = image[target > 0.9], image[target < 0.1]
        assert float(inside.mean()) > 5 * float(outside.mean())


def test_the_shortcut_baseline_finds_brightness() -> None:
    """Where one class is merely brighter, the baseline separates it without any anatomy."""
    rng = np.random.default_rng(1)
    dark = [rng.integers(0, 100, (20, 20), dtype=np.uint8) for _ in range(12)]
    bright = [rng.integers(60, 200, (20, 20), dtype=np.uint8) for _ in range(12)]
    positive = np.array([False] * 8 + [True] * 8)
    scores = fit_and_score(dark[:8] + bright[:8], positive, dark[8:] + bright[8:])
    assert scores[:4].max() < scores[4:].min()
