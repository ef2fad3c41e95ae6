"""Beside the thirteen steps: report: the QR code: what a verifier needs, as lines of text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import segno

from cloud.report.facts import ReportFacts

HEADER: Final = "sonorelay.org/report@v1"
_QUIET: Final = 4
"""Width of the empty border, modules (ISO/IEC 18004)."""


def code_text(facts: ReportFacts) -> str:
    """The examination, the entry of its signature with the digest that was signed, and the checkpoint of the log."""
    signed = facts.signature
    lines = [
        HEADER,
        f"examination {facts.examination_id}",
        f"signed {signed.ledger_index} {signed.digest}" if signed else "signed -",
        f"state {facts.standing}",
        f"log {facts.log.verifier_key}",
        f"checkpoint {facts.log.size} {facts.log.root}",
    ]
    return "\n".join(lines) + "\n"


def drawn(text: str) -> tuple[int, str]:
    """Modules along the code's side with its quiet zone, and its dark modules as an SVG path of whole runs."""
    code = segno.make(text, error="m", micro=False)
    rows = [bytes(row) for row in code.matrix_iter(border=_QUIET)]
    runs = [
        f"M{begin} {y}h{end - begin}v1h-{end - begin}z"
        for y, row in enumerate(rows)
        for begin, end in _dark(row)
    ]
    return len(rows), "".join(runs)


def _dark(row: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of dark modules."""
    for found in re.finditer(rb"\x01+", row):
        yield found.span()
