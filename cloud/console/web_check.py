"""Part of step 13: checks the page's sources: `python -m cloud.console.web_check`.

The committed API description equals the code's, the page's types equal the description, and the page passes
its type check (which also proves that both languages have the same keys) and its lint.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from cloud.console.api.schema import OPENAPI_FILE, openapi_text
from cloud.console.node import WEB_DIR, NodeMissing, run_npm

_TYPES = WEB_DIR / "src/api/schema.d.ts"


def main() -> int:
    """0 where everything agrees; otherwise 1, with what to do."""
    if OPENAPI_FILE.read_text(encoding="utf-8") != openapi_text():
        return _failed("openapi.json is old: run python -m cloud.console.api.schema")
    try:
        if not (WEB_DIR / "node_modules").is_dir() and not run_npm(
            ["ci", "--no-audit", "--no-fund"], WEB_DIR
        ):
            return _failed("the page's packages could not be installed")
        if not _types_are_current():
            return _failed("src/api/schema.d.ts is old: run npm run api in cloud/console/web")
        return 0 if run_npm(["run", "check"], WEB_DIR) else _failed("the page's own checks failed")
    except NodeMissing as exc:
        return _failed(str(exc))


def _types_are_current() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "schema.d.ts"
        tool = ["exec", "--", "openapi-typescript", str(OPENAPI_FILE), "-o", str(made)]
        return run_npm(tool, WEB_DIR) and made.read_text(encoding="utf-8") == _TYPES.read_text(
            encoding="utf-8"
        )


def _failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
