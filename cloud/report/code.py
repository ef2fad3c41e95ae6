"""Beside the thirteen steps: report: the QR code: what a verifier needs, as lines of text."""

from __future__ import annotations

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
    runs: list[str] = []
    side = 0
    for y, row in enumerate(code.matrix_iter(border=_QUIET)):
        side = len(row)
        x = 0
        while x < side:
            begin = x
            while x < side and row[x]:
                x += 1
            if x > begin:
                runs.append(f"M{begin} {y}h{x - begin}v1h-{x - begin}z")
            x += 1
    return side, "".join(runs)
