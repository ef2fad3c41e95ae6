"""Step 13 of 13: console. Measures every answer, in front of everything else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_UNKNOWN: Final = "unknown"


class Measure:
    """Tells `answered` method, address, status and the time to the first byte, seconds. The address is the access
    table's, never the path: a path names captures."""

    def __init__(self, app: ASGIApp, answered: Callable[[str, str, int, float], None]) -> None:
        self._app = app
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        state = scope.setdefault("state", {})

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                address = state.get("address", _UNKNOWN)
                method = str(scope["method"]) if address != _UNKNOWN else _UNKNOWN
                self._answered(method, address, message["status"], time.perf_counter() - began_s)
            await send(message)

        await self._app(scope, receive, send_measured)
