"""Part of step 11: model life: the rules of promotion, rollback and shadow, as pure functions of a state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from cloud.errors import CallRefused
from sonorelay.contract.reasons import WireReason

PROGRAM: Final = "program"
"""The actor of what the server does itself at its start."""


class Action(StrEnum):
    """What can be done with a model; the words of the ledger and the database."""

    SHIPPED = "shipped"
    PUSHED = "pushed"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    SHADOWED = "shadowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """Which versions of a model are in use."""

    model: str
    """Name of the model."""
    live: str
    """The version that answers."""
    previous: str | None = None
    """The version that rollback brings back."""
    shadow: str | None = None
    """The version that reads along; never the live one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvent:
    """Something that was done with a model."""

    model: str
    """Name of the model."""
    action: Action
    """What was done."""
    version: str | None
    """The version that it was done with; None for the end of a shadow."""
    before: str | None
    """The version that had that place before."""
    actor: str
    """Who did it."""
    time: datetime
    """When, server clock, aware UTC."""
    ledger_index: int | None = None
    """Its entry in the ledger; None for what the server did itself at its start."""


def promote(state: ModelState, version: str) -> ModelState:
    """The version answers, and the one that did becomes the previous one; the live version changes nothing.

    A shadow that is promoted is no shadow any more.
    """
    if version == state.live:
        return state
    shadow = None if version == state.shadow else state.shadow
    return replace(state, live=version, previous=state.live, shadow=shadow)


def roll_back(state: ModelState, from_version: str, last: ModelEvent | None) -> ModelState:
    """The previous version answers again, and there is no previous one any more.

    A repeat, which the last thing done (`last`) shows, changes nothing. Refuses MODEL_STATE_CHANGED where
    another version than `from_version` is live, or there is no previous one.
    """
    if state.live != from_version:
        is_repeat = (
            last is not None
            and last.action is Action.ROLLED_BACK
            and (last.version, last.before) == (state.live, from_version)
        )
        if is_repeat:
            return state
        raise CallRefused(
            WireReason.MODEL_STATE_CHANGED,
            f"version {state.live} of {state.model} is live, not version {from_version}",
        )
    if state.previous is None:
        raise CallRefused(
            WireReason.MODEL_STATE_CHANGED, f"{state.model} has no previous version to go back to"
        )
    shadow = None if state.previous == state.shadow else state.shadow
    return replace(state, live=state.previous, previous=None, shadow=shadow)


def set_shadow(state: ModelState, version: str | None) -> ModelState:
    """The version reads along; None: none does. Refuses the live version as MODEL_STATE_CHANGED."""
    if version is not None and version == state.live:
        raise CallRefused(
            WireReason.MODEL_STATE_CHANGED,
            f"version {version} of {state.model} is live: it cannot be its own shadow",
        )
    return replace(state, shadow=version)
