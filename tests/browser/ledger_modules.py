"""The page's ledger modules as one script for a browser: bundled as they are, so that a test can call them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from cloud.console.node import WEB_DIR, run_npm

_ENTRY = """
export * as bytes from '{src}/bytes';
export * as merkle from '{src}/merkle';
export * as notes from '{src}/notes';
export * as verify from '{src}/verify';
"""


@functools.cache
def ledger_script() -> str:
    """Defines `ledger` with the modules bytes, merkle, notes and verify."""
    with tempfile.TemporaryDirectory() as folder:
        entry, made = Path(folder) / "entry.ts", Path(folder) / "ledger.js"
        entry.write_text(_ENTRY.format(src=WEB_DIR / "src/ledger"))
        bundle = [
            "exec",
            "--",
            "rolldown",
            str(entry),
            "--format",
            "iife",
            "--name",
            "ledger",
            "-o",
            str(made),
        ]
        assert run_npm(bundle, WEB_DIR)
        return f"{made.read_text()}\nglobalThis.ledger = ledger;"
