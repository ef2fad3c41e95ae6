"""Step 13 of 13: console. Serves the built page, or says how to build it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

STATIC_DIR: Final = Path(__file__).resolve().parent.parent / "static"
"""Where the build hook (hatch_build.py) puts the page."""

_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>SonoRelay</title></head>
<body><h1>The page has not been built</h1>
<p>The server works; its API answers under <a href="/api/health/ready">/api/health/ready</a>. To build the page, run
<code>make setup</code> in the project's root and start the server again.</p>
<p><strong>Research use, not for diagnosis.</strong></p></body></html>
"""


class _Assets(StaticFiles):
    """Files whose names carry a digest of their content: a browser may keep them for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def mount_page(app: FastAPI, static_dir: Path) -> None:
    """Adds the page's own addresses to `app`; an unknown address stays a 404."""
    routes = APIRouter(include_in_schema=False)
    index = static_dir / "index.html"

    @routes.get("/")
    @routes.get("/live")
    @routes.get("/live/{examination_id}")
    @routes.get("/viewer")
    @routes.get("/viewer/{series_id}")
    @routes.get("/report/{examination_id}")
    @routes.get("/login")
    @routes.get("/welcome")
    @routes.get("/unlocked")
    @routes.get("/account")
    @routes.get("/ledger")
    @routes.get("/admin")
    @routes.get("/admin/{part}")
    @routes.get("/system")
    def get_page() -> Response:
        if not index.is_file():
            return HTMLResponse(_NOT_BUILT, status_code=503)
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    @routes.get("/favicon.svg")
    def get_icon() -> Response:
        icon = static_dir / "favicon.svg"
        return FileResponse(icon) if icon.is_file() else Response(status_code=404)

    app.include_router(routes)
    app.mount("/assets", _Assets(directory=static_dir / "assets", check_dir=False), name="assets")
