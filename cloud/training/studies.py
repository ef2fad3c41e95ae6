"""Figures of studies, which train a model several times: kept in the work folder until the card of the model
made next takes them over."""

from __future__ import annotations

import json
from pathlib import Path

from cloud.training.card import Table


def keep(work: Path, study: str, rows: list[Table]) -> Path:
    """Keeps the figures of a study, instead of those of its last run; returns their file."""
    file = _file(work, study)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return file


def kept(work: Path, study: str) -> list[Table]:
    """The figures of a study's last run in this work folder; empty where there was none."""
    file = _file(work, study)
    rows: list[Table] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return rows


def _file(work: Path, study: str) -> Path:
    return work / f"{study}.figures.json"
