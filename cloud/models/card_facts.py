"""Part of step 11: model life: what a person wants to know of a version's card before they let it answer."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of a card."""

    name: str
    """What was measured."""
    value: float | None
    """The figure; None where the card gives only a name."""
    low_95: float | None
    """Lower end of its 95 % interval; None where the card has none."""
    high_95: float | None
    """Upper end of its 95 % interval; None where the card has none."""
    unit: str
    """Its unit; empty where the card has none."""
    note: str
    """On which data; empty where the card has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """A card in short. What it leaves out is empty here: cards of shipped models need not be complete."""

    task: str
    """What the model does."""
    notice: str
    """What it is not for."""
    labels: tuple[str, ...]
    """What it tells apart."""
    data: tuple[str, ...]
    """On which data it was trained, or measured: name, licence, attribution of each."""
    split: str
    """How training data and figures were kept apart."""
    baseline: tuple[Figure, ...]
    """What a simple way reaches on the same data."""
    metrics: tuple[Figure, ...]
    """What the version reaches."""
    known_failures: tuple[str, ...]
    """Where it fails."""


def card_facts(card: str) -> CardFacts | None:
    """The facts of a card (TOML); None where there is none, or it is no TOML."""
    try:
        table = tomllib.loads(card)
    except tomllib.TOMLDecodeError:
        return None
    if not table:
        return None
    baseline = table.get("baseline", {})
    return CardFacts(
        task=_text(table, "task"),
        notice=_text(table, "notice"),
        labels=tuple(map(str, table.get("labels", ()))),
        data=tuple(_source(each) for each in _tables(table, "data")),
        split=_text(table, "split"),
        baseline=tuple(_figure(each) for each in (baseline, *_tables(baseline, "figures")) if each),
        metrics=tuple(_figure(each) for each in _tables(table, "metrics")),
        known_failures=tuple(map(str, table.get("known_failures", ()))),
    )


def _tables(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = table.get(name, [])
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _source(table: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (_text(table, name) for name in ("name", "licence", "attribution"))))


def _figure(table: Mapping[str, Any]) -> Figure:
    return Figure(
        name=_text(table, "name"),
        value=_number(table, "value"),
        low_95=_number(table, "low_95"),
        high_95=_number(table, "high_95"),
        unit=_text(table, "unit"),
        note=_text(table, "note"),
    )


def _text(table: Mapping[str, Any], name: str) -> str:
    return str(table.get(name, ""))


def _number(table: Mapping[str, Any], name: str) -> float | None:
    found = table.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
