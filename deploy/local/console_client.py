"""Reads the console's HTTP API as any client would: events, pictures, receipts. Standard library only."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

Item = dict[str, Any]
"""A worklist item as the API gives it (/api/openapi.json: WorkItem)."""

READ = frozenset({"normal", "abnormal", "review", "failed"})
"""Statuses of a capture whose analysis ended."""
FINAL = READ | {"refused", "held", "missing"}
"""Statuses after which nothing more comes by itself."""
_TIMEOUT_S = 30.0
_COME_AGAIN = frozenset({429, 503})
"""Too many requests, or busy: Retry-After says when."""


class ConsoleClient:
    """One console at `base_url` (ends in a slash), with a machine's `token`. Loopback: proxies of the environment
    are ignored."""

    def __init__(self, base_url: str, token: str, wait: Callable[[float], None] = time.sleep) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._wait = wait
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> bytes:
        """Body of `path`, asked again when the server says to; raises urllib.error.HTTPError, OSError."""
        request = urllib.request.Request(self._base_url + path, headers=self._headers)
        while True:
            try:
                with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                    body: bytes = answer.read()
                    return body
            except urllib.error.HTTPError as error:
                with error:
                    after_s = error.headers.get("Retry-After", "")
                if error.code not in _COME_AGAIN or not after_s.isdecimal():
                    raise
            self._wait(min(float(after_s), _TIMEOUT_S))

    def get_json(self, path: str) -> Any:
        """Body of `path` as JSON."""
        return json.loads(self.get(path))

    def events(self, after: int) -> Iterator[tuple[int, Item]]:
        """(event id, worklist item) of each change after event `after`; ends when the connection does."""
        request = urllib.request.Request(
            f"{self._base_url}/api/events",
            headers={**self._headers, "Accept": "text/event-stream", "Last-Event-ID": str(after)},
        )
        with self._opener.open(request, timeout=_TIMEOUT_S) as stream:
            event_id, kind, data = 0, "", ""
            for raw in stream:
                field, _, value = raw.decode().rstrip("\n").partition(": ")
                if field == "id":
                    event_id = int(value)
                elif field == "event":
                    kind = value
                elif field == "data":
                    data += value
                elif field == "" and data:
                    if kind == "capture":
                        yield event_id, json.loads(data)
                    kind, data = "", ""


def steps_ms(item: Item) -> dict[str, float]:
    """Duration of each step of the line that was timed, milliseconds, by name."""
    return {step["name"]: step["ms"] for step in item["steps"] if step["ms"] is not None}


class Watcher:
    """Follows the event stream on its own thread, resuming by event id; `on_item` gets each change."""

    def __init__(self, client: ConsoleClient, on_item: Callable[[Item], None]) -> None:
        self._client = client
        self._on_item = on_item
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="watcher", daemon=True)

    def start(self) -> None:
        """Begins with the first event of the log."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the event being handled; the stream's heartbeat wakes it."""
        self._stopped.set()

    def _follow(self) -> None:
        cursor = 0
        while not self._stopped.is_set():
            try:
                for event_id, item in self._client.events(cursor):
                    if self._stopped.is_set():
                        return
                    cursor = event_id
                    self._on_item(item)
            except (OSError, urllib.error.URLError):
                self._stopped.wait(0.2)
