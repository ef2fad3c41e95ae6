"""The rules of promotion, rollback and shadow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloud.errors import CallRefused
from cloud.models.rules import Action, ModelEvent, ModelState, promote, roll_back, set_shadow
from cloud.models.servicer import ACTIONS

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def state(live: str, previous: str | None = None, shadow: str | None = None) -> ModelState:
    return ModelState(model="m", live=live, previous=previous, shadow=shadow)


def test_promotion_keeps_the_way_back() -> None:
    """The live version becomes the previous one; a promoted shadow is none any more; the live one is no news."""
    assert promote(state("1", shadow="3"), "2") == state("2", "1", "3")
    assert promote(state("1", shadow="2"), "2") == state("2", "1")
    assert promote(state("2", "1"), "2") == state("2", "1")


def test_rollback_goes_one_step_and_only_from_what_the_caller_saw() -> None:
    """It is refused where another version is live, or nothing lies behind; its own repeat changes nothing."""
    done = ModelEvent(
        model="m", action=Action.ROLLED_BACK, version="1", before="2", actor="loopback", time=NOW
    )
    assert roll_back(state("2", "1"), "2", None) == state("1")
    assert roll_back(state("2", "1", "1"), "2", None) == state("1")
    assert roll_back(state("1"), "2", done) == state("1")
    for before, leaving, last in (
        (state("1"), "1", done),
        (state("3", "2"), "2", None),
        (state("3"), "2", done),
    ):
        with pytest.raises(CallRefused):
            roll_back(before, leaving, last)


def test_a_shadow_is_never_the_live_version() -> None:
    """Any other version may read along, or none."""
    assert set_shadow(state("1"), "2") == state("1", shadow="2")
    assert set_shadow(state("1", shadow="2"), None) == state("1")
    with pytest.raises(CallRefused):
        set_shadow(state("1"), "1")


def test_every_action_has_its_word_on_the_wire() -> None:
    """The table is complete, and no two actions share a word."""
    assert set(Action) == set(ACTIONS)
    assert len(set(ACTIONS.values())) == len(ACTIONS)
