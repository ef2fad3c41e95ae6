"""The model card: what a model is, what it was trained on, how good it is, where it fails; as TOML."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from cloud.training.derive import Architecture
from cloud.training.metrics import Interval, bootstrap

Value: TypeAlias = Union[str, int, float, bool, Sequence[str], Sequence[int], Sequence["Table"], "Table"]
Table: TypeAlias = dict[str, Value]

HC18: Table = {
    "name": "hc18",
    "licence": "CC BY 4.0",
    "attribution": "HC18 grand challenge, van den Heuvel et al., PLoS ONE 2018, Zenodo 1327317",
}
FETAL_PLANES: Table = {
    "name": "planes",
    "licence": "CC BY 4.0",
    "attribution": "FETAL_PLANES_DB, Burgos-Artizzu et al., Scientific Reports 2020, Zenodo 3904280",
}
BRAIN_ABNORMAL: Table = {
    "name": "brain_abnormal",
    "licence": "CC BY 4.0 as its uploader states; the origin of the abnormal pictures cannot be checked",
    "attribution": "public fetal brain pictures with head boxes; the normal ones from FETAL_PLANES_DB",
}

SPLIT = (
    "splits.csv: learned from train only, figures on dev only; a patient or examination is in one split only"
)


def metric(name: str, interval: Interval, unit: str, note: str = "") -> Table:
    """One figure with its 95 % interval (bootstrap over groups)."""
    table: Table = {
        "name": name,
        "value": round(interval.value, 4),
        "low_95": round(interval.low, 4),
        "high_95": round(interval.high, 4),
        "groups": interval.count,
        "unit": unit,
    }
    if note:
        table["note"] = note
    return table


def mean_metric(
    name: str,
    values: NDArray[np.floating | np.bool_],
    groups: Sequence[str],
    seed: int,
    unit: str,
    note: str = "",
) -> Table:
    """The mean of one value per frame with its 95 % interval; `note` is completed by the frame count."""
    interval = bootstrap(lambda chosen: float(np.mean(values[chosen])), groups, seed=seed)
    count = f"{len(values)} frames"
    return metric(name, interval, unit, f"{note}; {count}" if note else count)


def architecture_table(
    original: Architecture, derived: Architecture, parameter_count: int, initial_weights: str
) -> Table:
    """How the network was derived from its original (READ-10)."""
    return {
        "name": derived.name,
        "source": derived.source,
        "widths": list(derived.widths),
        "original_widths": list(original.widths),
        "hidden_fully_connected": list(derived.hidden),
        "fully_connected_layers": derived.fully_connected_count,
        "original_fully_connected_layers": original.fully_connected_count,
        "initial_weights": initial_weights,
        "parameters": parameter_count,
    }


def to_toml(card: Table) -> str:
    """The card as TOML: plain values first, then tables, then lists of tables, in the given order.

    Raises ValueError for a figure that is not finite: a card states what was measured.
    """
    return "\n".join(_lines(card, ())).strip() + "\n"


def _lines(table: Mapping[str, Value], path: tuple[str, ...]) -> list[str]:
    lines = [f"{key} = {_value(value)}" for key, value in table.items() if not _is_nested(value)]
    for key, value in table.items():
        here = (*path, key)
        if isinstance(value, Mapping):
            lines += ["", f"[{'.'.join(here)}]", *_lines(value, here)]
        elif _is_nested(value) and isinstance(value, Sequence):
            for item in value:
                if isinstance(item, Mapping):
                    lines += ["", f"[[{'.'.join(here)}]]", *_lines(item, here)]
    return lines


def _is_nested(value: Value) -> bool:
    if isinstance(value, Mapping):
        return True
    return not isinstance(value, str) and isinstance(value, Sequence) and any(map(_is_mapping, value))


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a card states finite figures only")
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes of a string are TOML's as well.
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"a card holds no {type(value).__name__}")
