"""Step 13 of 13: console. The ledger's published files (C2SP tlog-tiles) over HTTP."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from cloud.console.api.services import Injected

# c2sp.org/tlog-tiles: N is written in groups of three digits, all but the last with an x; a partial tile
# says its width.
_TILE: Final = re.compile(
    r"(?:[0-5]?[0-9]|6[0-3]|entries)/(?:x[0-9]{3}/)*[0-9]{3}(?P<partial>\.p/[1-9][0-9]{0,2})?"
)
IMMUTABLE: Final = "public, max-age=31536000, immutable"
CHANGING: Final = "no-cache"


def router() -> APIRouter:
    """Routes under /ledger; a full tile never changes and may be cached for ever."""
    routes = APIRouter(prefix="/ledger", tags=["ledger"], include_in_schema=False)

    @routes.get("/checkpoint")
    def get_checkpoint(services: Injected) -> FileResponse:
        return _file(services.ledger_dir / "checkpoint", "text/plain; charset=utf-8", CHANGING)

    @routes.get("/tile/{path:path}")
    def get_tile(services: Injected, path: str) -> FileResponse:
        form = _TILE.fullmatch(path)
        if form is None:
            raise HTTPException(404, "Not the name of a tile.")
        caching = CHANGING if form["partial"] else IMMUTABLE
        return _file(services.ledger_dir / "tile" / path, "application/octet-stream", caching)

    return routes


def _file(path: Path, media_type: str, caching: str) -> FileResponse:
    if not path.is_file():
        raise HTTPException(404, "The ledger has not published this file.")
    return FileResponse(path, media_type=media_type, headers={"Cache-Control": caching})
