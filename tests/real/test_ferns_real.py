"""The shipped ferns on real images that they were not trained on (the dev split), as the edge sees them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from cloud.training.data import head_frames, plane_frames
from cloud.training.metrics import bootstrap
from edge_agent.ferns import UNSORTED, Ferns, top
from edge_agent.sandbox import FERNS_PATH

pytestmark = [pytest.mark.slow, pytest.mark.req("TX-04")]


@pytest.fixture(name="ferns", scope="module")
def _ferns() -> Ferns:
    return Ferns.load(FERNS_PATH)


def _right(ferns: Ferns, data: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Of the dev planes at full size: whether the most probable type is right, whether sorted, the group."""
    right, is_sorted, groups = [], [], []
    for frame in plane_frames(data, "dev"):
        chances = ferns.probabilities(frame.gray)
        right.append(top(chances, 0.0) == frame.plane)
        is_sorted.append(top(chances, ferns.min_probability) != UNSORTED)
        groups.append(frame.group)
    return np.array(right), np.array(is_sorted), groups


def test_three_quarters_are_sorted_rightly_and_the_sorted_nearly_all(ferns: Ferns, data: Path) -> None:
    """Accuracy is at least 0.75, at least 0.93 among what is given a type, and most images are given one.

    It is printed beside the network's and the baseline's.
    """
    right, is_sorted, groups = _right(ferns, data)
    whole = bootstrap(lambda at: float(right[at].mean()), groups, seed=0)
    card = tomllib.loads(FERNS_PATH.with_name("card.toml").read_text("utf-8"))
    print(
        f"\nferns {whole.value:.3f} ({whole.low:.3f} to {whole.high:.3f}), among the sorted"
        f" {right[is_sorted].mean():.3f}, unsorted {1 - is_sorted.mean():.3f};"
        f" {card['network']['name']} {card['network']['value']}; baseline {card['baseline']['value']}"
    )
    assert whole.value >= 0.75 > card["baseline"]["value"]
    assert right[is_sorted].mean() >= 0.93
    assert is_sorted.mean() >= 0.6


def test_the_card_states_what_the_edge_sees(ferns: Ferns, data: Path) -> None:
    """On frames of full size the figures are the card's, which come from reduced ones, to within 0.04."""
    right, is_sorted, _ = _right(ferns, data)
    card = tomllib.loads(FERNS_PATH.with_name("card.toml").read_text("utf-8"))
    stated = {row["name"]: row["value"] for row in card["metrics"]}
    assert right.mean() == pytest.approx(stated["accuracy over four planes"], abs=0.04)
    assert 1 - is_sorted.mean() == pytest.approx(stated["share unsorted"], abs=0.04)


def test_heads_of_another_machine_are_brains(ferns: Ferns, data: Path) -> None:
    """At least 80 % of the hc18 dev heads are most probably brains; at most 5 % get a wrong type."""
    found = [ferns.probabilities(frame.gray) for frame in head_frames(data, "dev")]
    assert np.mean([top(chances, 0.0) == "brain" for chances in found]) >= 0.8
    given = [top(chances, ferns.min_probability) for chances in found]
    assert np.mean([name not in ("brain", UNSORTED) for name in given]) <= 0.05
