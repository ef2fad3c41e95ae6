"""Step 13: who gets in where. The routes come from the app itself, so that a new one without a rule is found."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from cloud.accounts.roles import Role, may
from cloud.console.api.access import RULES, Access, Standing
from cloud.console.api.app import create_app
from tests.cloud.console.conftest import Answer, built_page, running_console
from tests.cloud.console.people import OWN_PAGE, ask, person, reason, signed_in
from tests.cloud.console.running import RunningConsole

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/session"): {"name": "nobody", "password": "x"},
    ("POST", "/api/first-administrator"): {"link": "x", "name": "eve", "password": "a long enough one"},
    ("POST", "/api/password"): {"link": "x", "password": "a long enough one"},
    ("POST", "/api/session/unlock"): {"password": "x"},
    ("POST", "/api/session/password"): {"password": "x", "new_password": "a long enough one"},
    ("POST", "/api/session/codes"): {"password": "x"},
    ("POST", "/api/session/codes/confirm"): {"code": "000000"},
    ("POST", "/api/session/codes/remove"): {"password": "x"},
    ("POST", "/api/users"): {"name": "-", "role": "doctor"},
    ("PATCH", "/api/users/{user_id}"): {"disabled": True},
    ("POST", "/api/tokens"): {"name": "-", "role": "doctor"},
    ("PATCH", "/api/examinations/{examination_id}"): {"gestational_age": None},
    ("PUT", "/api/examinations/{examination_id}/protocol/{item}"): {"seen": True},
    ("POST", "/api/captures/{capture_id}/examination"): {"examination_id": None},
    ("POST", "/api/examinations/{examination_id}/signatures"): {
        "signature_id": str(uuid.uuid4()),
        "content": "0" * 64,
    },
    ("POST", "/api/images/{image_id}/reviews"): {
        "review_id": str(uuid.uuid4()),
        "result_ledger_index": 0,
        "decision": "agree",
    },
}
ENDS_THE_SESSION = ("DELETE", "/api/session"), ("POST", "/api/session/lock")


ALL = [pytest.param(*key, id=" ".join(key)) for key in RULES]
UNSAFE = [pytest.param(*key, id=" ".join(key)) for key in RULES if key[0] != "GET"]


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Method and address of everything that the app answers, wherever it was added."""
    found: set[tuple[str, str]] = set()

    def walk(routes: Any) -> None:
        for route in routes:
            if isinstance(route, Mount):
                found.add(("GET", f"{route.path}/{{path:path}}"))
            elif getattr(route, "methods", None):
                found.update((method, route.path) for method in route.methods if method != "HEAD")
            else:
                walk(route.original_router.routes)

    walk(app.routes)
    return found


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """One server for all."""
    folder = tmp_path_factory.mktemp("access")
    with running_console(folder, built_page(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def people(console: RunningConsole) -> dict[Role, str]:
    """A signed-in person of each role: the cookie's value."""
    return {role: person(console, role) for role in Role}


@pytest.fixture(scope="module")
def machines(console: RunningConsole) -> dict[Role, str]:
    """A token of each role."""
    return {role: console.do(console.world.add_token(role)) for role in Role}


@pytest.fixture(autouse=True)
def no_tries(console: RunningConsole) -> None:
    """Forgets failed tries: these tests make many, and waiting is not what they are about."""
    with console.world.database.begin() as tx:
        tx.exec_driver_sql("DELETE FROM account_try")


def refused_as(answer: Answer) -> str | None:
    """Code of a refusal; None for any other answer."""
    return answer.json.get("reason") if answer.status in (401, 403, 423) else None


def filled(template: str) -> str:
    """An address of this form, with ids that nothing has."""
    known = {"part": "0", "picture": "still", "path:path": "x"}
    return re.sub(r"{([^}]+)}", lambda match: known.get(match[1], str(uuid.uuid4())), template)


def test_every_route_has_a_rule_and_every_rule_a_route(console: RunningConsole) -> None:
    """The table and the app's own routes are the same: a new route without a rule fails here."""
    app = create_app(console.world.services)
    assert routes_of(app) == set(RULES)


def test_only_these_are_open() -> None:
    """Page, published ledger, health, and what a person without a session needs to get one."""
    api = {key for key, rule in RULES.items() if rule.standing is Standing.OPEN and key[1].startswith("/api")}
    sign_in = {("POST", f"/api/{name}") for name in ("session", "first-administrator", "password")}
    sign_in |= {("GET", f"/api/oidc/{name}") for name in ("begin", "callback")}
    assert {("GET", "/api/health/live"), ("GET", "/api/health/ready"), *sign_in} == api
    assert [("GET", "/api/session")] == [k for k, r in RULES.items() if r.standing is Standing.ANYBODY]


@pytest.mark.parametrize(("method", "template"), ALL)
def test_nobody_gets_only_what_is_open(console: RunningConsole, method: str, template: str) -> None:
    """Without a session, with one that nobody has, and with a wrong token: 401 with its reason."""
    rule, path, body = RULES[method, template], filled(template), BODIES.get((method, template))
    answers = {
        "SIGN_IN_NEEDED": ask(console, method, path, body),
        "SESSION_ENDED": ask(console, method, path, body, cookie="x" * 43),
        "TOKEN_INVALID": ask(console, method, path, body, token="srt_x"),
    }
    for code, answer in answers.items():
        if rule.standing in (Standing.OPEN, Standing.ANYBODY):
            assert refused_as(answer) not in ("SIGN_IN_NEEDED", "SESSION_ENDED", "TOKEN_INVALID", "LOCKED")
        else:
            assert (401, code) == reason(answer)
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "template"), ALL)
def test_each_role_gets_what_the_table_allows(
    console: RunningConsole, people: dict[Role, str], machines: dict[Role, str], method: str, template: str
) -> None:
    """Every route by every role, as a person and as a machine: refused exactly where the table says so."""
    rule, path, body = RULES[method, template], filled(template), BODIES.get((method, template))
    if (method, template) in ENDS_THE_SESSION:
        people = {role: signed_in(console, role.value) for role in Role}
    for role in Role:
        allowed = rule.action is None or may(role, rule.action)
        by_person = ask(console, method, path, body, cookie=people[role])
        by_machine = ask(console, method, path, body, token=machines[role])
        codes = refused_as(by_person), refused_as(by_machine)
        needs_person = rule.standing in (Standing.PERSON, Standing.SESSION)
        if not allowed:
            assert ("NOT_PERMITTED", "SESSION_NEEDED" if needs_person else "NOT_PERMITTED") == codes, role
            continue
        assert "NOT_PERMITTED" not in codes, role
        assert "SIGN_IN_NEEDED" not in codes, role
        assert needs_person is (codes[1] == "SESSION_NEEDED"), role
    if rule.action is not None and not all(may(role, rule.action) for role in Role):
        admin = people[Role.ADMINISTRATOR]
        rows = ask(console, "GET", "/api/audit?act=request&limit=10", cookie=admin).json["rows"]
        assert f"{method} {template}"[:64] in {row["object_id"] for row in rows}


@pytest.mark.parametrize(("method", "template"), ALL)
def test_a_locked_session_gets_nothing(console: RunningConsole, method: str, template: str) -> None:
    """423 for everything but who it is, unlocking, locking again and signing out."""
    rule, path, body = RULES[method, template], filled(template), BODIES.get((method, template))
    console.do(console.world.add_user(name := f"u{uuid.uuid4().hex[:12]}", Role.ADMINISTRATOR))
    cookie = signed_in(console, name)
    assert ask(console, "POST", "/api/session/lock", cookie=cookie).json["locked"]
    answer = ask(console, method, path, body, cookie=cookie)
    if rule.standing in (Standing.SIGNED_IN, Standing.PERSON):
        assert (423, "LOCKED") == reason(answer)
    else:
        assert answer.status != 423


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/ledger-admin/x", "/docs", "/api/captures/", "/api//captures"]
)
def test_what_has_no_rule_is_not_answered(
    console: RunningConsole, machines: dict[Role, str], path: str
) -> None:
    """Whoever asks: not found, before anything of the app runs."""
    assert (404, "UNKNOWN") == reason(ask(console, "GET", path, token=machines[Role.ADMINISTRATOR]))


def test_an_unknown_method_is_not_answered(console: RunningConsole, machines: dict[Role, str]) -> None:
    """A known address under another method is 405."""
    for method, path in (("PUT", "/api/users"), ("POST", "/api/captures"), ("DELETE", "/api/audit")):
        answer = ask(console, method, path, token=machines[Role.ADMINISTRATOR])
        assert (405, "METHOD_UNKNOWN") == reason(answer)


FOREIGN = (
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {},
)


@pytest.mark.parametrize(("method", "template"), UNSAFE)
def test_a_page_of_another_site_changes_nothing(
    console: RunningConsole, people: dict[Role, str], method: str, template: str
) -> None:
    """With the cookie in the browser and the right body: refused before anything is looked at."""
    path, body = filled(template), BODIES.get((method, template))
    for headers in FOREIGN:
        answer = ask(console, method, path, body, cookie=people[Role.ADMINISTRATOR], headers=headers)
        assert (403, "CROSS_SITE") == reason(answer), headers


def test_the_own_page_is_known_by_either_header(console: RunningConsole, people: dict[Role, str]) -> None:
    """Sec-Fetch-Site where the browser sends it, else an Origin with our own host and port."""
    own = {"Origin": f"http://127.0.0.1:{console.port}"}
    for headers, status in ((OWN_PAGE, 204), (own, 204), ({"Origin": "http://127.0.0.1:1"}, 403)):
        cookie = people[Role.DOCTOR]
        assert status == ask(console, "POST", "/api/session/seen", cookie=cookie, headers=headers).status


def test_a_rule_of_a_part_is_no_rule_of_the_whole() -> None:
    """Addresses match from begin to end."""
    access = Access()
    assert access.find("GET", "/api/users/x/y/z") is None
    assert access.find("GET", "/x/api/health/live") is None
    found = access.find("GET", "/api/images/not-an-id/still.png")
    assert found is not None
    assert found.object_id is None


def test_a_page_that_is_not_built_is_open_too(tmp_path: Path) -> None:
    """The page says how to build it before anybody can sign in."""
    with running_console(tmp_path, tmp_path / "none") as running:
        assert 503 == ask(running, "GET", "/login").status
