"""Step 13: signing in over HTTP: cookie, answers, locks, streams, looks."""

from __future__ import annotations

import re

import pytest

from cloud.accounts.roles import Role
from cloud.console.api.door import COOKIE
from tests.cloud.console.conftest import Get
from tests.cloud.console.people import ask, person, reason, signed_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.test_console_events import events
from tests.cloud.console.world import PASSWORD, Verdict


def test_the_cookie_is_out_of_reach(console: RunningConsole) -> None:
    """No script reads it, no other site sends it, no other host and no plain name can put one in its place."""
    console.do(console.world.add_user("ada", Role.DOCTOR))
    answer = ask(console, "POST", "/api/session", {"name": "ada", "password": PASSWORD})
    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert COOKIE == name
    assert name.startswith("__Host-")
    assert re.fullmatch(r"[\w-]{43}", value)
    # No Max-Age and no Expires: it goes with the browser. No Domain: this host alone.
    assert {"httponly", "secure", "samesite=strict", "path=/"} == {each.lower() for each in attributes}
    assert {"name": "ada", "role": "doctor", "locked": False} == {
        key: answer.json[key] for key in ("name", "role", "locked")
    }
    assert value not in answer.body.decode()


def test_from_the_first_link_to_a_doctor_at_work(console: RunningConsole) -> None:
    """First administrator, invitation, password by link, sign-in, who am I, sign-out."""
    world = console.world
    link = console.do(world.accounts.people.begin_first())
    body = {"link": link, "name": "li.wei", "password": PASSWORD}
    made = ask(console, "POST", "/api/first-administrator", body)
    assert (200, "administrator") == (made.status, made.json["role"])
    assert (403, "LINK_INVALID") == reason(ask(console, "POST", "/api/first-administrator", body))
    admin = signed_in(console, "li.wei")
    invited = ask(console, "POST", "/api/users", {"name": "bob", "role": "doctor"}, cookie=admin)
    assert not invited.json["user"]["has_password"]
    assert (409, "NAME_TAKEN") == reason(
        ask(console, "POST", "/api/users", {"name": "BOB", "role": "it"}, cookie=admin)
    )
    chosen = {"link": invited.json["link"], "password": "twelve or more"}
    assert {"name": "bob"} == ask(console, "POST", "/api/password", chosen).json
    bob = signed_in(console, "bob", "twelve or more")
    facts = ask(console, "GET", "/api/session", cookie=bob).json["session"]
    allowed = [
        *("see_images", "see_system", "review", "sign", "arrange"),
        *("reanalyse", "delete", "see_looks", "acknowledge_alarms", "upload"),
    ]
    assert allowed == facts["may"]
    assert 200 == ask(console, "GET", "/api/captures", cookie=bob).status
    gone = ask(console, "DELETE", "/api/session", cookie=bob)
    assert 204 == gone.status
    assert "Max-Age=0" in gone.headers["set-cookie"]
    nobody = {"session": None, "ended": False, "provider": None}
    assert {**nobody, "ended": True} == ask(console, "GET", "/api/session", cookie=bob).json
    assert nobody == ask(console, "GET", "/api/session").json


def test_administrators_manage_users_and_tokens(console: RunningConsole) -> None:
    """List, role, close, open, reset; a token works until it is revoked."""
    admin = person(console, Role.ADMINISTRATOR)
    bob = console.do(console.world.add_user("bob", Role.DOCTOR))
    listed = ask(console, "GET", "/api/users", cookie=admin).json["users"]
    assert ["administrator", "bob"] == [user["name"] for user in listed]
    changed = ask(console, "PATCH", f"/api/users/{bob}", {"role": "it", "disabled": True}, cookie=admin)
    assert ("it", True) == (changed.json["role"], changed.json["disabled"])
    me = listed[0]["user_id"]
    assert (409, "LAST_ADMINISTRATOR") == reason(
        ask(console, "PATCH", f"/api/users/{me}", {"role": "it"}, cookie=admin)
    )
    assert not ask(console, "PATCH", f"/api/users/{bob}", {"disabled": False}, cookie=admin).json["disabled"]
    assert len(ask(console, "POST", f"/api/users/{bob}/reset", cookie=admin).json["link"]) == 43
    made = ask(
        console, "POST", "/api/tokens", {"name": "pacs", "role": "researcher", "days": 3}, cookie=admin
    )
    value = made.json["value"]
    assert 200 == ask(console, "GET", "/api/captures", token=value).status
    tokens = ask(console, "GET", "/api/tokens", cookie=admin)
    assert value not in tokens.body.decode()
    token_id = made.json["token"]["token_id"]
    assert 204 == ask(console, "DELETE", f"/api/tokens/{token_id}", cookie=admin).status
    assert (401, "TOKEN_INVALID") == reason(ask(console, "GET", "/api/captures", token=value))
    # Bearer requests carry nothing that a browser adds by itself: no page of another site can make them.
    machine = console.do(console.world.add_token(Role.ADMINISTRATOR))
    assert (
        200
        == ask(console, "POST", "/api/tokens", {"name": "xx", "role": "it"}, token=machine, headers={}).status
    )


def test_too_many_tries_say_when_to_come_again(console: RunningConsole) -> None:
    """429 with Retry-After, for names that there are and for others."""
    console.do(console.world.add_user("ada", Role.DOCTOR))
    for name in ("ada", "nobody"):
        body = {"name": name, "password": "wrong"}
        tried = [ask(console, "POST", "/api/session", body) for _ in range(6)]
        assert [(401, "SIGN_IN_WRONG")] * 5 + [(429, "TOO_MANY_TRIES")] == [reason(each) for each in tried]
        assert 1 <= int(tried[-1].headers["retry-after"]) <= 30


def test_only_a_person_keeps_a_session_alive(console: RunningConsole) -> None:
    """List, pictures and the open stream do not; /api/session/seen does. After 15 minutes: 423, then unlock."""
    world, cookie = console.world, person(console, Role.DOCTOR)
    for _ in range(2):
        world.clock.forward(minutes=14)
        assert 200 == ask(console, "GET", "/api/captures", cookie=cookie).status
        assert 204 == ask(console, "POST", "/api/session/seen", cookie=cookie).status
    world.clock.forward(minutes=14)
    assert 200 == ask(console, "GET", "/api/captures", cookie=cookie).status
    assert 200 == ask(console, "GET", "/api/reasons", cookie=cookie).status
    world.clock.forward(minutes=1)
    assert (423, "LOCKED") == reason(ask(console, "GET", "/api/captures", cookie=cookie))
    assert (423, "LOCKED") == reason(ask(console, "POST", "/api/session/seen", cookie=cookie))
    wrong = ask(console, "POST", "/api/session/unlock", {"password": "wrong"}, cookie=cookie)
    assert (403, "PASSWORD_WRONG") == reason(wrong)
    opened = ask(console, "POST", "/api/session/unlock", {"password": PASSWORD}, cookie=cookie)
    assert (False, 900) == (opened.json["locked"], round(opened.json["locks_in_s"]))
    assert 200 == ask(console, "GET", "/api/captures", cookie=cookie).status
    world.clock.forward(hours=12)
    assert (401, "SESSION_ENDED") == reason(ask(console, "GET", "/api/captures", cookie=cookie))


def test_a_stream_ends_when_its_token_is_revoked(console: RunningConsole) -> None:
    """What is open already does not stay open: at the next batch or heartbeat the server ends it."""
    world = console.world
    with events(console) as stream:
        console.do(world.announce())
        stream.change()
        (token,) = [t for t in console.do(world.accounts.tokens.tokens()) if t.name == "machine"]
        console.do(world.accounts.tokens.revoke(token.token_id, actor="a", origin="b"))
        console.do(world.announce())
        while message := next(stream).fields:
            assert "event" not in message


def test_every_look_is_in_the_audit_before_it_is_answered(console: RunningConsole) -> None:
    """List, print, image, receipt: who, which id, from where; requests of one look are one row."""
    world, cookie = console.world, person(console, Role.DOCTOR)
    capture_id = console.do(world.result(6, Verdict()))
    item = ask(console, "GET", f"/api/captures/{capture_id}", cookie=cookie).json
    image_id = item["images"][0]["image_id"]
    for path in (
        "/api/captures",
        f"/api/images/{image_id}/still.png",
        f"/api/images/{image_id}/heatmap.png",
        f"/api/images/{image_id.upper()}/assessment?gestational_age_days=160",
        f"/api/captures/{capture_id}/receipts/0.txt",
    ):
        assert 200 == ask(console, "GET", path, cookie=cookie).status
    admin = person(console, Role.ADMINISTRATOR)
    rows = ask(console, "GET", "/api/audit?actor=doctor", cookie=admin).json["rows"][::-1]
    rows = [row for row in rows if row["act"].endswith("look")]
    looks = [(row["act"], row["object_id"]) for row in rows]
    assert [
        ("capture_look", capture_id),
        ("worklist_look", None),
        ("image_look", image_id),
        ("receipt_look", capture_id),
    ] == looks
    assert {("user:doctor", "127.0.0.1", "done")} == {(r["actor"], r["origin"], r["outcome"]) for r in rows}


def test_without_the_audit_nothing_is_shown(console: RunningConsole, get: Get) -> None:
    """A look that cannot be written down is not answered."""
    capture_id = console.do(console.world.result(6, Verdict()))
    image_id = get(f"/api/captures/{capture_id}").json["images"][0]["image_id"]
    with console.world.database.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE audit_entry RENAME TO gone")
    answer = get(f"/api/images/{image_id}/still.png")
    assert answer.status == 500
    assert b"PNG" not in answer.body


def test_the_audit_comes_page_by_page(console: RunningConsole) -> None:
    """Newest first, on from a number, to the first row; a wrong question is refused."""
    admin = person(console, Role.ADMINISTRATOR)
    first = ask(console, "GET", "/api/audit?limit=3", cookie=admin).json
    numbers = [row["number"] for row in first["rows"]]
    assert first["next_before"] == numbers[-1]
    seen = list(numbers)
    page = first
    while page["next_before"]:
        page = ask(console, "GET", f"/api/audit?limit=3&before={page['next_before']}", cookie=admin).json
        seen += [row["number"] for row in page["rows"]]
    assert list(range(numbers[0], 0, -1)) == seen
    for query in ("limit=0", "before=0", "act=nothing", "actor=" + "x" * 81):
        assert 422 == ask(console, "GET", f"/api/audit?{query}", cookie=admin).status


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a"},
        {"name": "a", "password": "b", "role": "administrator"},
        {"name": "a" * 999, "password": "b"},
    ],
)
def test_a_body_of_another_form_is_refused_without_its_values(console: RunningConsole, body: object) -> None:
    """422; what was typed does not come back."""
    answer = ask(console, "POST", "/api/session", body)
    assert 422 == answer.status
    assert b"a" * 99 not in answer.body
