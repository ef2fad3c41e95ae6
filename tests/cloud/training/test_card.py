"""The card is valid TOML and states finite figures only."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

from cloud.training.card import Table, mean_metric, to_toml


def test_what_is_written_is_read_back() -> None:
    """Text with quotes and other scripts, numbers, lists, tables and lists of tables survive the file."""
    card: Table = {
        "task": 'say "brain", 胎儿',
        "count": 3,
        "share": 0.25,
        "yes": True,
        "labels": ["a", "b"],
        "widths": [1, 2],
        "input": {"image": "FP32", "deeper": {"unit": "mm"}},
        "data": [{"name": "first"}, {"name": "second", "figures": [{"value": 1.5}]}],
    }
    assert card == tomllib.loads(to_toml(card))


def test_a_figure_that_is_no_number_is_refused() -> None:
    """A card never states "nan": what was not measured is left out."""
    with pytest.raises(ValueError, match="finite"):
        to_toml({"value": float("nan")})


def test_a_mean_carries_its_interval_and_count() -> None:
    """A metric states value, interval, unit, groups and frames."""
    row = mean_metric("Dice", np.array([0.9, 1.0, 0.8, 0.9]), ["a", "a", "b", "c"], 1, "0..1", "dev")
    assert (0.9, 3, "0..1", "dev; 4 frames") == (row["value"], row["groups"], row["unit"], row["note"])
    assert isinstance(row["low_95"], float)
    assert isinstance(row["high_95"], float)
    assert row["low_95"] < 0.9 < row["high_95"]
