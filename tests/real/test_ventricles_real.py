"""The shipped ventricle model on real heads of the dev split: painted widths, and what it says of them as they are."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cloud.training.data import head_frames
from cloud.training.make_ventricles import NAME, looking
from cloud.training.onnx_model import OnnxModel
from cloud.training.ventricle_figures import (
    WIDE_MM,
    Look,
    Measured,
    baseline_row,
    measured_painted,
    midline_rows,
    reading_of,
)
from cloud.training.ventricles import HeadStill, still_of_mask

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(name="look", scope="module")
def _look() -> Look:
    versions = sorted(
        (ROOT / "model_repository" / NAME).glob("*/model.onnx"), key=lambda p: int(p.parent.name)
    )
    assert versions, f"{NAME} is not in the repository"
    return looking(OnnxModel(versions[-1]))


@pytest.fixture(name="stills", scope="module")
def _stills(data: Path) -> list[HeadStill]:
    found = [still_of_mask(frame) for frame in head_frames(data, "dev")]
    return [still for still in found if still is not None]


@pytest.mark.req("READ-05")
def test_painted_widths_are_measured(stills: list[HeadStill], look: Look) -> None:
    """Most painted ventricles are measured, within 1 mm on average and far better than by stating the mean."""
    rows = measured_painted(stills, look, np.random.default_rng(5))
    kept = [row for row in rows if math.isfinite(row.width_px)]
    assert len(rows) == 103
    assert len(kept) >= 0.8 * len(rows)
    errors = np.array([_error_mm(row) for row in kept])
    assert errors.mean() <= 1.0
    stated = np.mean([abs(row.width_px - row.truth_px) <= 2 * row.sd_px for row in kept])
    assert stated >= 0.85
    baseline = baseline_row(rows, 0)["value"]
    assert isinstance(baseline, float)
    assert np.mean([abs(row.error) for row in kept]) < 0.4 * baseline


def _error_mm(row: Measured) -> float:
    assert row.mm_per_pixel is not None
    return abs(row.width_px - row.truth_px) * row.mm_per_pixel


def test_normal_heads_are_seldom_measured_as_wide(stills: list[HeadStill], look: Look) -> None:
    """Of normal heads as they are, at most one in ten is measured at 10 mm or more."""
    wide = 0
    for still in stills:
        found = reading_of(still.gray, still.head, look).measured
        assert still.mm_per_pixel is not None
        wide += found is not None and found.width_px * still.mm_per_pixel >= WIDE_MM
    assert wide <= 0.1 * len(stills)


def test_a_pushed_midline_is_followed(stills: list[HeadStill], look: Look) -> None:
    """Where the midline is traced, a known push of the head's inside is measured within 1.5 % of the BPD."""
    rows = {row["name"]: row["value"] for row in midline_rows(stills, look, np.random.default_rng(6), 0)}
    error = rows["midline shift, mean absolute error, reading"]
    assert isinstance(error, float)
    assert error <= 0.015
