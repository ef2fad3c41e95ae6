"""The edge's line: its table, its log, its lightness."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.line import STEPS
from edge_agent.log import ALLOWED_KEYS, KeyNotAllowed, open_log

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "cv2", "pydicom", "pypdfium2", "PIL", "openjpeg", "gdcm")
FOREIGN = (
    "onnxruntime",
    "torch",
    "fastapi",
    "uvicorn",
    "starlette",
    "tritonclient",
    "psycopg",
    "asyncpg",
    "cloud",
)


def now() -> datetime:
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_table_names_places_that_claim_their_step() -> None:
    """Each step's module or folder says in its first words that it is this step."""
    assert [step.number for step in STEPS] == [1, 2, 3, 4, 5, 6, 7]
    for step in STEPS:
        where = ROOT / step.where.removesuffix("*.py")
        paths = sorted(where.glob("*.py")) if where.is_dir() else [where]
        claim = f"Step {step.number} of 13: {step.name}."
        assert any((ast.get_docstring(ast.parse(p.read_text())) or "").startswith(claim) for p in paths), (
            claim
        )


def test_the_agents_process_loads_no_parser_and_no_server() -> None:
    """Light: building an agent loads neither image libraries nor inference, web or database servers."""
    code = (
        "import sys, pathlib, tempfile\n"
        "from edge_agent.build import build_agent\n"
        "from edge_agent.config import Config\n"
        "import edge_agent.__main__\n"
        "with tempfile.TemporaryDirectory() as data:\n"
        "    agent = build_agent(Config(data=pathlib.Path(data)))\n"
        f"    print([m for m in {HEAVY + FOREIGN!r} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_log_lines_are_json_with_a_trace_id() -> None:
    """One object a line; time and level are added."""
    out = io.StringIO()
    open_log(out, now=now).info("capture_done", trace_id="ab", ledger_index=[3])
    assert json.loads(out.getvalue()) == {
        "event": "capture_done",
        "ledger_index": [3],
        "level": "info",
        "time": "2026-01-02T03:04:05.000+00:00",
        "trace_id": "ab",
    }


def test_a_key_that_is_not_on_the_list_never_reaches_the_log() -> None:
    """In earnest it is dropped, in tests it raises: a name must not slip in."""
    out = io.StringIO()
    open_log(out, now=now).info("x", source_name="DOE^JANE")
    assert "DOE" not in out.getvalue()
    with pytest.raises(KeyNotAllowed, match="source_name"):
        open_log(out, now=now, strict=True).info("x", source_name="DOE^JANE")


def test_no_allowed_key_names_a_person() -> None:
    """The list itself holds no key for names, paths or tag values."""
    assert not {key for key in ALLOWED_KEYS if "name" in key or "path" in key or "patient" in key}
