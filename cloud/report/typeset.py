"""Beside the thirteen steps: report: from a folder with a sheet to its PDF: `python -m cloud.report.typeset DIR`.

It runs as a process of its own (press.py), so that it can be ended, and what it takes is given back. It needs no
network, no font of the system and nothing of the server. The same folder gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import typst

from cloud.report.fonts import FONTS_DIR, coverage, shown

SHEET: Final = "sheet.json"
CODE: Final = "code.svg"
TEMPLATE: Final = "template.typ"
REPORT: Final = "report.pdf"
STANDARDS: Final[tuple[typst.PDFStandard, ...]] = ("a-2a", "ua-1")
"""Made to be kept (ISO 19005-2, level A) and to be read aloud (ISO 14289-1)."""


def typeset(folder: Path) -> bytes:
    """The PDF of the sheet and the pictures in `folder`. Raises typst.TypstError where they do not fit the template."""
    sheet = json.loads((folder / SHEET).read_text(encoding="utf-8"))
    printable = shown(sheet, coverage())
    (folder / SHEET).write_text(json.dumps(printable, ensure_ascii=False), encoding="utf-8")
    (folder / CODE).write_text(_svg(sheet["code"]), encoding="utf-8")
    (folder / TEMPLATE).write_bytes(Path(__file__).with_name(TEMPLATE).read_bytes())
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS_DIR])
    return typst.compile(
        folder / TEMPLATE,
        root=folder,
        font_paths=fonts,
        format="pdf",
        pdf_standards=list(STANDARDS),
        timestamp=sheet["made_time_s"],
    )


def _svg(code: dict[str, object]) -> str:
    side = code["modules"]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">'
        f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{code["path"]}"/></svg>'
    )


def main() -> int:
    """Writes report.pdf into the folder; 1 where it could not, without words: they would hold the report's."""
    folder = Path(sys.argv[1])
    try:
        pdf = typeset(folder)
    except typst.TypstError:
        return 1
    (folder / REPORT).write_bytes(pdf)
    return 0


if __name__ == "__main__":
    sys.exit(main())
