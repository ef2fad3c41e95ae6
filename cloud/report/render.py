"""Beside the thirteen steps: report: a report's PDF here and now; the server lets a process of its own do it."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cloud.report.facts import ReportFacts
from cloud.report.sheet import Language, Sheet
from cloud.report.typeset import SHEET, typeset
from cloud.report.wording import worded


def render_pdf(facts: ReportFacts, language: Language, pictures: Mapping[str, bytes]) -> bytes:
    """The PDF; the same facts, language and pictures give the same bytes.

    `pictures` are JPEG files by name: still-N.jpg for each image N, heat-N.jpg where it has a heat map.
    """
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder), worded(facts, language), pictures)
        return typeset(Path(folder))


def lay_out(folder: Path, sheet: Sheet, pictures: Mapping[str, bytes]) -> None:
    """Puts all that a report is made of into an empty folder."""
    (folder / SHEET).write_text(json.dumps(dataclasses.asdict(sheet), ensure_ascii=False), encoding="utf-8")
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
