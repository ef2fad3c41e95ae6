"""The shipped plane model on real images that it has not learned from: its card's figures, and rejection."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from cloud.infer.preprocess import Plane, plane_input
from cloud.training import planes
from cloud.training.data import brain_frames, plane_frames
from cloud.training.plane_figures import Readings, Rules, plane_metrics, robustness
from cloud.training.planes import BRAIN
from cloud.training.strangers import SETS, strangers

FOLDER = Path(__file__).resolve().parents[2] / "model_repository" / "fetal_plane_cls" / "4"

pytestmark = pytest.mark.slow

LEAST_REJECTED = {"us_dicom": 0.82, "mpr": 0.95, "noise": 0.95}
"""The goal is 0.95 for each; ultrasound of adults misses it, as the card says: its floor guards what was reached."""


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    """The card of the shipped weights."""
    return tomllib.loads((FOLDER / "card.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules(card: dict[str, Any]) -> Rules:
    """The thresholds that the card states."""
    return Rules(
        temperature=card["calibration"]["temperature"],
        min_probability=card["abstain"]["min_probability"],
        novelty_max=card["novelty"]["max"],
        frame_count=card["calibration"]["frames"],
    )


class _Shipped:
    """The published graph."""

    def __init__(self) -> None:
        self._session = onnxruntime.InferenceSession(
            str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"]
        )

    def __call__(self, pictures: Sequence[Plane], /) -> Readings:
        ports = ["logits", "novelty"]
        found = [
            self._session.run(ports, {"image": np.stack(pictures[start : start + 16])[:, np.newaxis]})
            for start in range(0, len(pictures), 16)
        ]
        logits, novelty = (np.concatenate(port) for port in zip(*found, strict=True))
        return Readings(logits=logits, novelty=novelty[:, 0])


@pytest.fixture(scope="module")
def shipped() -> _Shipped:
    """A session on the shipped weights."""
    return _Shipped()


def _values(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {row["name"]: row["value"] for row in rows}


@pytest.mark.req("BEY-07")
def test_the_figures_of_the_card_are_true(
    data: Path, card: dict[str, Any], rules: Rules, shipped: _Shipped
) -> None:
    """The shipped weights give the card's dev figures; the four planes are told apart in at least 0.985. Those on
    the virtual scanner's stills, which take minutes to print, are left to `make eval`."""
    found = _values(plane_metrics(shipped, rules, planes.load(data, "dev"), card["seed"]))
    stated = _values(card["metrics"])
    assert {name for name in stated if not name.startswith(planes.SCANNER)} == found.keys()
    for name, value in found.items():
        assert stated[name] == pytest.approx(value, abs=0.002), name
    assert found["accuracy over four planes"] >= 0.985
    assert found["false rejection"] <= 0.03


def test_altered_stills_are_read_as_the_card_says(
    data: Path, card: dict[str, Any], rules: Rules, shipped: _Shipped
) -> None:
    """Gain, gamma, crop, flip, size, compression and blur cost at most what the card states."""
    found = _values(robustness(shipped, rules, list(plane_frames(data, "dev")), card["seed"]))
    stated = _values(card["robustness"])
    assert stated.keys() == found.keys()
    for name, value in found.items():
        assert value >= stated[name] - 0.008, name
        assert value >= 0.92, name


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("name", SETS)
def test_what_is_no_plane_is_rejected(data: Path, rules: Rules, shipped: _Shipped, name: str) -> None:
    """At the card's thresholds no fewer of the set's pictures are rejected than when the card was written."""
    pictures = [plane_input(stranger.gray)[0] for stranger in strangers(data, name)]
    assert rules.rejects(shipped(pictures)).mean() >= LEAST_REJECTED[name]


def test_malformed_brains_are_brains(data: Path, rules: Rules, shipped: _Shipped) -> None:
    """Dev brains with an abnormality, as well as normal ones, are read as brains in at least 90 %."""
    samples = [sample for sample in planes.load(data, "dev") if sample.source == "brain_abnormal"]
    assert len(samples) == len(list(brain_frames(data, "dev")))
    read = rules.chances(shipped(planes.inputs(samples))).argmax(axis=1)
    assert np.mean(read == BRAIN) >= 0.9
