"""Step 13 of 13: console. What belongs to a deleted examination is answered by no address but those of studies."""

from __future__ import annotations

from typing import Final

from fastapi import HTTPException, Request

from cloud.console.api.services import Injected
from cloud.db import Tx
from cloud.examinations.hidden import NAMES, is_hidden

_UNKNOWN: Final = "There is no such object."


async def not_deleted(request: Request, services: Injected) -> None:
    """Runs before every route: 404 where an address of the API names an object of a deleted examination.

    The page itself, which anybody may have, is the same for every address.
    """
    if not request.url.path.startswith("/api/"):
        return
    named = {name: str(value).lower() for name, value in request.path_params.items() if name in NAMES}

    def work(tx: Tx) -> bool:
        return any(is_hidden(tx, name, value) for name, value in named.items())

    hidden: bool = bool(named) and await services.database.read(work)
    if hidden:
        raise HTTPException(404, _UNKNOWN)
