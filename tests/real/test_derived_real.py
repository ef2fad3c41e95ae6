"""The graphs around the models and the other precisions on real heads that no model was trained on (dev)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cloud.training.data import HeadFrame, head_frames
from cloud.training.export_crop import crop_model
from cloud.training.publish import newest_version
from cloud.training.segmentation import score
from cloud.training.variant_figures import crop_agreement, head_finder
from cloud.training.variants import INT8, open_session, rounded
from tests.derived_repository import SHIPPED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", name="frames")
def _frames(data: Path) -> list[HeadFrame]:
    """Every second head of hc18 dev."""
    return list(head_frames(data, "dev"))[::2]


@pytest.fixture(scope="module", name="folder")
def _folder() -> Path:
    """The newest version of the shipped head model."""
    folder = SHIPPED / "fetal_head_seg"
    return folder / str(newest_version(folder))


@pytest.mark.req("READ-06")
def test_the_crop_is_the_readings_own(frames: list[HeadFrame], folder: Path) -> None:
    """The square of the graph lies within 4 pixels of the reading's, on average within 1; the enhanced crops differ
    by at most 3 gray values on average."""
    find = head_finder((folder / "model.onnx").read_bytes())
    probabilities = [find(frame.gray) for frame in frames]
    hw = (probabilities[0].shape[0], probabilities[0].shape[1])
    crop = open_session(crop_model(hw).SerializeToString())
    compared = [
        crop_agreement(crop, frame.gray, probability)
        for frame, probability in zip(frames, probabilities, strict=True)
    ]
    found = [agreement for agreement in compared if agreement is not None]
    assert len(found) >= 0.95 * len(frames)
    assert np.mean([agreement.centre_px for agreement in found]) <= 1
    assert np.mean([agreement.side_px for agreement in found]) <= 1
    assert max(agreement.centre_px for agreement in found) <= 4
    assert np.mean([agreement.gray for agreement in found]) <= 3


@pytest.mark.req("READ-05")
def test_other_precisions_find_the_same_heads(frames: list[HeadFrame], folder: Path) -> None:
    """Mean Dice changes by at most 0.001 in half precision, and by at most 0.002 in 8 bits where they ship."""
    weights = (folder / "model.onnx").read_bytes()
    forms = {"single": weights, "half": rounded(weights)}
    if (folder / INT8).is_file():
        forms["int8"] = (folder / INT8).read_bytes()
    overlap = {
        name: np.mean([score(frame, find(frame.gray)).dice for frame in frames])
        for name, find in ((name, head_finder(data)) for name, data in forms.items())
    }
    assert overlap["half"] == pytest.approx(overlap["single"], abs=0.001)
    assert overlap.get("int8", overlap["single"]) == pytest.approx(overlap["single"], abs=0.002)
