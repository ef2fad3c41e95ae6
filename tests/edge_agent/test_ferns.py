"""TX-04: random ferns give a probability per type; trainer and runtime agree through the file alone."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from cloud.training import ferns as trainer
from cloud.training.negatives import negative
from edge_agent import ferns as runtime
from edge_agent.ferns import Ferns, FernsInvalid, top

SHIPPED = Path(runtime.__file__).parent / "models" / "capture_type"
TYPES = ("above", "below", "none")


def _picture(kind: int, rng: np.random.Generator) -> np.ndarray:
    gray = rng.integers(0, 120, (130, 90), dtype=np.uint8)
    if kind < 2:
        gray[15 + 60 * kind : 55 + 60 * kind, 20:70] += 120
    return gray


def _trained(seed: int = 1) -> tuple[trainer.TrainedFerns, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(90) % 3
    grays = [_picture(int(kind), rng) for kind in labels]
    pictures = [trainer.channels(gray) for gray in grays]
    return trainer.train(pictures, labels, TYPES, seed=seed, fern_count=12, question_count=5), grays


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    path = tmp_path / "ferns.npz"
    _trained()[0].save(path)
    return path


@pytest.mark.req("TX-04")
def test_trainer_and_runtime_agree(file: Path) -> None:
    """For pictures of many sizes the runtime gives the trainer's probabilities to the last digit."""
    trained, grays = _trained()
    loaded = Ferns.load(file)
    rng = np.random.default_rng(5)
    others = [
        rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((540, 800), (33, 20), (64, 64), (1, 1))
    ]
    for gray in (*grays[:10], *others):
        (expected,) = trained.probabilities([trainer.channels(gray)])
        found = loaded.probabilities(gray)
        assert list(TYPES) == list(found)
        assert expected.tolist() == pytest.approx(list(found.values()), abs=1e-12)


@pytest.mark.req("TX-04")
def test_the_probable_type_is_the_right_one(file: Path) -> None:
    """New pictures of known types are sorted rightly, and the probabilities add up to one."""
    loaded, rng = Ferns.load(file), np.random.default_rng(9)
    for kind, name in enumerate(TYPES):
        chances = loaded.probabilities(_picture(kind, rng))
        assert sum(chances.values()) == pytest.approx(1)
        assert top(chances, 0.0) == name


@pytest.mark.req("TX-04")
def test_below_the_floor_an_image_is_unsorted() -> None:
    """The most probable type counts only from the confidence floor on."""
    assert top({"brain": 0.6, "other": 0.4}, 0.6) == "brain"
    assert top({"brain": 0.59, "other": 0.41}, 0.6) == "unsorted"


def test_gain_does_not_count(file: Path) -> None:
    """Twice the gain gives the same probabilities."""
    loaded = Ferns.load(file)
    gray = _picture(0, np.random.default_rng(3)) // 2
    bright, dim = loaded.probabilities(gray * 2), loaded.probabilities(gray)
    assert list(bright.values()) == pytest.approx(list(dim.values()), abs=1e-4)


@pytest.mark.req("TX-04")
def test_a_mirrored_image_has_the_same_type(file: Path) -> None:
    """A plane may lie either way: an image and its mirror image get the same probabilities."""
    gray = _picture(1, np.random.default_rng(4))[:128, :64]
    loaded = Ferns.load(file)
    one, other = loaded.probabilities(gray), loaded.probabilities(np.ascontiguousarray(gray[:, ::-1]))
    assert list(one.values()) == pytest.approx(list(other.values()), abs=1e-4)


def test_training_is_decided_by_the_seed() -> None:
    """The same seed gives the same ferns, another seed others."""
    first, again, other = _trained(1)[0], _trained(1)[0], _trained(2)[0]
    assert np.array_equal(first.log_posteriors, again.log_posteriors)
    assert not np.array_equal(first.questions.blocks, other.questions.blocks)


@pytest.mark.parametrize(
    "gray",
    [
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((4, 4), np.float32),
        np.zeros((0, 4), np.uint8),
    ],
)
def test_what_is_no_gray_image_is_refused(file: Path, gray: np.ndarray) -> None:
    """Colour, other dtypes and empty images are refused, not guessed at."""
    with pytest.raises(ValueError, match="uint8 HxW"):
        Ferns.load(file).probabilities(gray)


def test_flat_images_give_finite_probabilities(file: Path) -> None:
    """An all-black and an all-white image have no contrast and still get probabilities."""
    for level in (0, 255):
        chances = Ferns.load(file).probabilities(np.full((50, 60), level, np.uint8))
        assert sum(chances.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", np.int64(1)),
        ("types", np.array(["above"])),
        ("thresholds", np.full((12, 5), np.nan, np.float32)),
        ("thresholds", np.zeros((12, 4), np.float32)),
        ("blocks", np.full((12, 5, 2, 5), 70, np.uint8)),
        ("blocks", np.full((12, 5, 2, 5), 6, np.uint8)),
        ("blocks", np.ones((12, 5, 2, 4), np.uint8)),
        ("temperature", np.float64(0)),
        ("min_probability", np.float64(1.1)),
        ("min_probability", np.float64(np.nan)),
        ("more", np.float64(0)),
    ],
)
def test_a_wrong_file_is_refused(file: Path, key: str, value: np.ndarray) -> None:
    """A file of another format, with arrays that do not fit or figures out of range, is not used."""
    with np.load(file) as archive:
        values = {name: archive[name] for name in archive.files}
    np.savez(file, **{**values, key: value})
    with pytest.raises(FernsInvalid):
        Ferns.load(file)


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Truncated or foreign bytes give the same clear error."""
    path = tmp_path / "ferns.npz"
    path.write_bytes(content)
    with pytest.raises(FernsInvalid):
        Ferns.load(path)


def test_a_truncated_file_is_refused(file: Path) -> None:
    """A file that lost its end, or bytes in its middle, is not used."""
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:200] + bytes(100) + whole[300:]):
        file.write_bytes(content)
        with pytest.raises(FernsInvalid):
            Ferns.load(file)


@pytest.mark.req("TX-04")
def test_the_shipped_ferns_know_the_types() -> None:
    """The shipped file loads, is its card's, has at most 5 MB, and calls most noise and pages other."""
    file = SHIPPED / "ferns.npz"
    card = tomllib.loads((SHIPPED / "card.toml").read_text(encoding="utf-8"))
    shipped = Ferns.load(file)
    assert shipped.types == ("brain", "abdomen", "femur", "thorax", "other")
    assert sha256(file.read_bytes()).hexdigest() == card["sha256"]
    assert file.stat().st_size == card["size_bytes"] <= 5_000_000
    assert shipped.temperature == card["calibration"]["temperature"]
    assert shipped.min_probability == card["abstain"]["min_probability"]
    sample = shipped.probabilities(np.zeros((64, 64), np.uint8))
    expected = [float(chance) for chance in card["sample"]["probabilities"]]
    assert list(sample.values()) == pytest.approx(expected, abs=1e-5)
    rng = np.random.default_rng(77)
    sorted_as = [top(shipped.probabilities(negative(rng)), 0.0) for _ in range(60)]
    assert sorted_as.count("other") >= 48
