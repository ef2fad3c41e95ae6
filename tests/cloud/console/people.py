"""Requests to a running console as a person at a browser, as a machine, or as nobody."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from cloud.accounts.roles import Role
from cloud.console.api.door import COOKIE
from tests.cloud.console.conftest import Answer
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import PASSWORD

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


def ask(
    console: RunningConsole,
    method: str,
    path: str,
    body: object = None,
    *,
    cookie: str | None = None,
    token: str | None = None,
    headers: Mapping[str, str] = OWN_PAGE,
) -> Answer:
    """Sends one request; by default as a page of the console would."""
    sent = dict(headers)
    if cookie is not None:
        sent["Cookie"] = f"{COOKIE}={cookie}"
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    data = None
    if body is not None:
        data = json.dumps(body)
        sent["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=20)
    try:
        connection.request(method, path, body=data, headers=sent)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        # An event stream has no end.
        endless = names.get("content-type", "").startswith("text/event-stream")
        return Answer(status=response.status, headers=names, body=b"" if endless else response.read())
    finally:
        connection.close()


def signed_in(console: RunningConsole, name: str, password: str = PASSWORD, code: str = "") -> str:
    """Signs in; the cookie's value."""
    answer = ask(console, "POST", "/api/session", {"name": name, "password": password, "code": code})
    assert 200 == answer.status, answer.body
    return answer.headers["set-cookie"].partition("=")[2].partition(";")[0]


def person(console: RunningConsole, role: Role, name: str = "") -> str:
    """Makes a user of this role, named after it, and signs them in; the cookie's value."""
    known = name or role.value
    console.do(console.world.add_user(known, role))
    return signed_in(console, known)


def reason(answer: Answer) -> tuple[int, Any]:
    """Status and reason code."""
    return answer.status, answer.json.get("reason")
