"""The plane model's samples, loss, thresholds and table of machines, and one whole small making of it."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from cloud.infer.preprocess import Plane
from cloud.training import make_planes, plane_machines, planes
from cloud.training.data import PLANES, SUB_PLANES, DataMissing
from cloud.training.derive import Weights, build_classifier
from cloud.training.options import Options
from cloud.training.plane_figures import (
    ALTERATIONS,
    FALSE_REJECTION,
    Readings,
    Rules,
    fit_rules,
)
from cloud.training.plane_learning import PlaneReader, as_published
from cloud.training.planes import (
    BRAIN,
    CLASSES,
    NO_SUB_PLANE,
    OTHER,
    SHARES,
    Amounts,
    PlaneSample,
    PlaneTask,
)
from cloud.training.strangers import NOISE_COUNT, strangers
from cloud.training.studies import kept
from tests.cloud.training.dicom_bytes import dicom_bytes

LABELS = {
    "abdomen": ("Fetal abdomen", "Not A Brain"),
    "brain": ("Fetal brain", "Trans-thalamic"),
    "femur": ("Fetal femur", "Not A Brain"),
    "thorax": ("Fetal thorax", "Not A Brain"),
}
FEW = Amounts(negatives=6, lookalikes=6, fragments=6, heads=3, prints=12, samples_per_epoch=64)


def _sample(
    label: int,
    *,
    sub_plane: int = NO_SUB_PLANE,
    group: str = "g",
    source: str = "planes",
    machine: str = "",
    seed: int = 0,
) -> PlaneSample:
    rng = np.random.default_rng(seed)
    canvas = rng.integers(0, 256, (128, 192), dtype=np.uint8)
    return PlaneSample(
        canvas=canvas, label=label, sub_plane=sub_plane, group=group, source=source, machine=machine
    )


def _of_each_kind() -> list[PlaneSample]:
    samples = []
    for number, (source, name) in enumerate(SHARES):
        sub_plane = SUB_PLANES.index(name) if name in SUB_PLANES else NO_SUB_PLANE
        label = CLASSES.index(name) if name in CLASSES else BRAIN
        samples.append(_sample(label, sub_plane=sub_plane, source=source, seed=number))
    return samples


def test_each_kind_is_drawn_by_its_share() -> None:
    """However many pictures a kind has, it is drawn as often as its share says; each kind has one."""
    samples = _of_each_kind()
    assert list(SHARES) == [sample.kind for sample in samples]
    many = [*samples, *[_sample(0)] * 50]
    task = PlaneTask(many, samples_per_epoch=1600)
    drawn: Counter[int] = Counter()
    for _, labels in task.batches(np.random.default_rng(1)):
        drawn.update(map(int, labels))
    for label, name in enumerate(CLASSES):
        wanted = sum(SHARES[sample.kind] for sample in samples if sample.label == label) / sum(
            SHARES.values()
        )
        assert drawn[label] / 1600 == pytest.approx(wanted, abs=0.04), name


def test_held_out_patients_are_unseen() -> None:
    """No group lies on both sides, fragments follow their patient, and what is made up only teaches."""
    samples = [_sample(label, group=f"p{label}-{number}") for label in range(4) for number in range(20)]
    samples += [_sample(OTHER, group=f"p0-{number}", source="fragment") for number in range(20)]
    samples += [_sample(OTHER, group=f"made-up:{number}", source="made-up") for number in range(20)]
    samples += [_sample(BRAIN, group=f"h{number}", source="hc18") for number in range(20)]
    learned, apart = planes.hold_out(samples, seed=0)
    assert not {sample.group for sample in learned} & {sample.group for sample in apart}
    assert {"planes", "hc18"} == {sample.source for sample in apart}
    assert {0, 1, 2, 3} == {sample.label for sample in apart}
    assert sum(sample.source == "made-up" for sample in learned) == 20


def _reader(logits: np.ndarray, novelty: np.ndarray) -> object:
    def read(pictures: Sequence[Plane], /) -> Readings:
        times = len(pictures) // len(logits)
        return Readings(
            logits=np.tile(logits, (times, 1)).astype(np.float32),
            novelty=np.tile(novelty, times).astype(np.float32),
        )

    return read


@pytest.mark.req("BEY-07")
def test_the_thresholds_reject_few_planes() -> None:
    """The three rules together reject at most the stated share of held-out planes, and no smaller threshold
    of novelty would do; all three reject by themselves."""
    count = 100
    samples = [_sample(number % 4, sub_plane=NO_SUB_PLANE, group=f"p{number}") for number in range(count)]
    logits = np.eye(5)[np.arange(count) % 4] * 8.0
    logits[0] = [0, 0, 0, 0, 8]
    novelty = np.linspace(0.5, 1.5, count)
    read = _reader(logits, novelty)
    assert callable(read)
    rules = fit_rules(read, samples)
    rejected = rules.rejects(read(planes.inputs(samples)))
    assert 0 < rejected.mean() <= FALSE_REJECTION
    assert rejected[0]
    assert rejected[-1]
    assert (novelty > rules.novelty_max).sum() == 1
    sure = np.array([[8.0, 0, 0, 0, 0], [8.0, 0, 0, 0, 0], [0, 0, 0, 0, 8.0], [0.1, 0, 0, 0, 0]], np.float32)
    readings = Readings(logits=sure, novelty=np.array([1, 9, 1, 1], np.float32))
    assert [False, True, True, True] == Rules(
        temperature=1,
        min_probability=0.6,
        novelty_max=2,
        frame_count=1,
    ).rejects(readings).tolist()


def test_alterations_keep_a_still_a_still() -> None:
    """Each alteration gives a uint8 picture of at least 0.8 of the size, and all but the first change it."""
    gray = np.random.default_rng(1).integers(0, 256, (120, 180), dtype=np.uint8)
    for name, change in ALTERATIONS.items():
        altered = change(gray.copy())
        assert altered.dtype == np.uint8
        assert min(altered.shape[0] / 120, altered.shape[1] / 180) >= 0.8
        assert np.array_equal(altered, gray) == (name == "as it is")


def test_a_machine_left_out_is_wholly_unseen() -> None:
    """No patient with a frame of the machine is learned from, not even by frames of other machines."""
    learned = [
        _sample(0, group="p1", machine="A"),
        _sample(0, group="p1", machine="B"),
        _sample(0, group="p2", machine="B"),
        _sample(OTHER, group="p1", source="fragment"),
        _sample(BRAIN, group="h1", source="hc18"),
    ]
    dev = [_sample(0, group="p3", machine="A"), _sample(0, group="p4", machine="B")]
    others, unseen = plane_machines.apart(learned, dev, "A")
    assert ["p2", "h1"] == [sample.group for sample in others]
    assert ["p1", "p3"] == [sample.group for sample in unseen]


def test_novelty_is_near_one_for_what_was_learned() -> None:
    """Learned pictures lie near 1, and drawn heads and made-up pictures do not count as planes."""
    network = build_classifier(planes.architecture(), Weights(seed=0))
    samples = [_sample(number % 4, seed=number) for number in range(24)]
    strange = [_sample(OTHER, source="made-up"), _sample(BRAIN, source="made-up head")]
    model = as_published(network, [*samples, *strange], seed=0)
    assert len(model.novelty.means) == 4
    distance = PlaneReader(model)(planes.inputs(samples)).novelty
    assert 0.2 < float(np.median(distance)) < 2


def test_a_reader_gives_the_outputs_in_their_order() -> None:
    """Logits and novelty of the reader are those of the network, in batches of any size."""
    network = build_classifier(planes.architecture(), Weights(seed=0))
    samples = [_sample(BRAIN, sub_plane=seed % 3, seed=seed) for seed in range(35)]
    model = as_published(network, samples, seed=0)
    pictures = planes.inputs(samples)
    with torch.no_grad():
        expected = model(torch.from_numpy(np.stack(pictures)[:, np.newaxis]))
    readings = PlaneReader(model)(pictures)
    np.testing.assert_allclose(expected[0].numpy(), readings.logits, atol=1e-4)
    np.testing.assert_allclose(expected[2].numpy()[:, 0], readings.novelty, atol=1e-4)


def _packed(folder: Path, name: str, objects: dict[str, bytes]) -> None:
    with tarfile.open(folder / f"{name}.tar.xz", "w:xz") as archive:
        for path, content in objects.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_strangers_come_from_the_packed_sets(tmp_path: Path) -> None:
    """Frames of a loop are spread, slices are shown by their window and whole, noise is always the same."""
    loop = np.arange(12, dtype=np.uint8)[:, np.newaxis, np.newaxis] * np.ones((12, 40, 60), np.uint8) * 20
    slice_16 = np.linspace(-1000, 1000, 2400).reshape(40, 60).astype(np.int16)
    _packed(tmp_path, "us_dicom", {"a.dcm": dicom_bytes(loop), "index.csv": b"no picture"})
    _packed(tmp_path, "mpr", {"one/1.dcm": dicom_bytes(slice_16, window=(40, 80))})
    loops = strangers(tmp_path, "us_dicom")
    assert [0, 40, 80, 140, 180] == [int(found.gray[0, 0]) for found in loops]
    assert {"us_dicom/a.dcm"} == {found.group for found in loops}
    whole, windowed = strangers(tmp_path, "mpr")
    assert whole.group == windowed.group == "mpr/one"
    assert len(np.unique(whole.gray)) > 2 * len(np.unique(windowed.gray))
    first, second = strangers(tmp_path, "noise"), strangers(tmp_path, "noise")
    assert len(first) == NOISE_COUNT
    assert all(np.array_equal(one.gray, other.gray) for one, other in zip(first, second, strict=True))
    with pytest.raises(DataMissing, match=r"us_dicom\.tar\.xz"):
        strangers(tmp_path / "none", "us_dicom")


def _table(path: Path, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _made_up_data(folder: Path) -> None:
    """Four planes as four patterns, heads, and packed sets: enough to learn something in one epoch."""
    rng = np.random.default_rng(1)
    splits: list[list[object]] = [["set", "file", "group", "split"]]
    planes_table: list[list[object]] = [["file", "plane", "brain_plane", "us_machine"]]
    heads: list[list[object]] = [["filename", "pixel_size_mm", "head_circumference_mm"]]
    boxes: list[list[object]] = [["file", "type", "boxes", "augmented"]]
    for data_set in ("planes", "hc18", "brain_abnormal"):
        (folder / data_set / "images").mkdir(parents=True)
    (folder / "hc18" / "masks").mkdir()
    for number in range(12):
        split = "dev" if number % 3 == 2 else "train"
        for label, plane in enumerate(PLANES):
            name = f"{plane}{number}.png"
            cv2.imwrite(
                str(folder / "planes" / "images" / name),
                rng.integers(0, 40 + 60 * label, (96, 96), dtype=np.uint8),
            )
            splits.append(["planes", f"images/{name}", f"{plane}:{number}", split])
            planes_table.append([f"images/{name}", *LABELS[plane], "AB"[number % 2]])
        for data_set in ("hc18", "brain_abnormal"):
            gray = rng.integers(0, 100, (96, 96), dtype=np.uint8)
            cv2.imwrite(str(folder / data_set / "images" / f"{number}.png"), gray)
            splits.append([data_set, f"images/{number}.png", f"{data_set}:{number}", split])
        cv2.imwrite(str(folder / "hc18" / "masks" / f"{number}.png"), np.full((96, 96), 255, np.uint8))
        heads.append([f"{number}.png", 0.5, 126])
        boxes.append([f"images/{number}.png", "normal", "0.5 0.5 0.5 0.6", "0"])
    _table(folder / "splits.csv", splits)
    _table(folder / "planes" / "labels.csv", planes_table)
    _table(folder / "hc18" / "pixel_size_and_HC.csv", heads)
    _table(folder / "brain_abnormal" / "labels.csv", boxes)
    picture = rng.integers(0, 256, (40, 60), dtype=np.uint8)
    _packed(folder, "us_dicom", {"a.dcm": dicom_bytes(picture)})
    _packed(folder, "mpr", {"one/1.dcm": dicom_bytes(picture)})


@pytest.mark.req("READ-10")
@pytest.mark.req("BEY-07")
@pytest.mark.timeout(300)
def test_a_whole_making_goes_from_images_to_a_card_with_every_table(tmp_path: Path) -> None:
    """The model has the three agreed outputs; its card has thresholds, alterations, strangers and machines."""
    data, work, out = tmp_path / "data", tmp_path / "work", tmp_path / "out"
    _made_up_data(data)
    work.mkdir()
    machine = {
        "name": "accuracy, A",
        "value": 0.5,
        "low_95": 0.4,
        "high_95": 0.6,
        "groups": 3,
        "unit": "share",
    }
    (work / "planes-machines.figures.json").write_text(json.dumps([machine]), encoding="utf-8")
    options = Options(
        data=data,
        out=out,
        work=work,
        version=2,
        epochs=1,
        seed=0,
        resume=False,
        initial_weights=None,
        quiet=True,
    )
    lines: list[str] = []
    path = make_planes.make(options, lines.append, FEW)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    shapes = [port.shape for port in session.run(names, {"image": np.zeros((2, 1, 128, 192), np.float32)})]
    assert ["logits", "map", "novelty"] == names
    assert [(2, 5), (2, 5, 8, 12), (2, 1)] == shapes
    assert (path.parents[1] / "labels.txt").read_text(encoding="utf-8").split() == list(CLASSES)
    card = tomllib.loads((path.parent / "card.toml").read_text(encoding="utf-8"))
    assert 0.4 <= card["abstain"]["min_probability"] <= 0.95
    assert card["novelty"]["max"] > 0
    assert [f"accuracy, {name}" for name in ALTERATIONS] == [row["name"] for row in card["robustness"]]
    assert ["us_dicom", "mpr", "noise"] == [row["name"].split()[-1] for row in card["rejection"]]
    assert [machine] == card["machines"]
    figures = {row["name"] for row in card["metrics"]}
    assert {"accuracy over four planes", "false rejection"} <= figures
    assert {"virtual scanner stills read as their plane", "virtual scanner stills rejected"} <= figures
    assert {"hc18", "planes", "brain_abnormal", "made-up", "virtual scanner"} == {
        row["name"] for row in card["data"]
    }
    assert any("accuracy over four planes" in line for line in lines)


@pytest.mark.timeout(300)
def test_machines_left_out_leave_a_table(tmp_path: Path) -> None:
    """One training for each machine; the figures are kept for the next card and say what they rest on."""
    _made_up_data(tmp_path / "data")
    options = Options(
        data=tmp_path / "data",
        out=tmp_path / "out",
        work=tmp_path / "work",
        version=2,
        epochs=1,
        seed=0,
        resume=False,
        initial_weights=None,
        quiet=True,
    )
    plane_machines.make(options, lambda _line: None, FEW)
    rows = kept(options.work, plane_machines.STUDY)
    assert [] == kept(tmp_path, plane_machines.STUDY)
    assert [
        f"{what}{machine}" for machine in "AB" for what in ("accuracy, ", "accuracy, machines seen, without ")
    ] == [row["name"] for row in rows]
    unseen = [row for row in rows if "seen" not in str(row["name"])]
    assert all("trained without it, 1 epochs, planes alone" in str(row["note"]) for row in unseen)
