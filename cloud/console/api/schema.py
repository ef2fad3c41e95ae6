"""Step 13 of 13: console. Writes the API's description: `python -m cloud.console.api.schema`.

Then `npm run api` in cloud/console/web makes the page's types from it. A test keeps both equal to the code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from cloud.console.api.app import openapi_document

OPENAPI_FILE: Final = Path(__file__).resolve().parent.parent / "openapi.json"


def openapi_text() -> str:
    """The document as it is committed."""
    return json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OPENAPI_FILE.write_text(openapi_text(), encoding="utf-8")
