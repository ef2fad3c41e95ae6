"""Uploads of folders to a running console, as the page makes them."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.cloud.console.conftest import Answer
from tests.cloud.console.running import RunningConsole


def send(
    console: RunningConsole, method: str, path: str, body: bytes | None = None, *, token: str | None = None
) -> Answer:
    """One request with the console's token (or another) and these bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=60)
    try:
        headers = {"Authorization": f"Bearer {token or console.token}"}
        if method == "POST" and body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=names, body=response.read())
    finally:
        connection.close()


def begin(console: RunningConsole) -> str:
    """A new upload's id."""
    return str(send(console, "POST", "/api/uploads").json["upload_id"])


def put(console: RunningConsole, upload_id: str, path: str, data: bytes) -> Answer:
    """One file."""
    return send(console, "PUT", f"/api/uploads/{upload_id}/files?path={quote(path)}", data)


def upload(console: RunningConsole, files: Iterable[tuple[str, bytes]]) -> Any:
    """A whole upload of these paths and bytes; its account."""
    upload_id = begin(console)
    for path, data in files:
        answer = put(console, upload_id, path, data)
        assert 200 == answer.status, answer.body
    answer = send(console, "POST", f"/api/uploads/{upload_id}/finish")
    assert 200 == answer.status, answer.body
    return answer.json


def upload_folder(console: RunningConsole, folder: Path) -> Any:
    """Every file below a folder, under its relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return upload(console, ((str(path.relative_to(folder)), path.read_bytes()) for path in paths))


def series_of(account: Any) -> Any:
    """The only series of an account."""
    (only,) = account["series"]
    return only["series"]
