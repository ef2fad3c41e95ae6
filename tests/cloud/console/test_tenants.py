"""Step 13: tenants. Two hospitals on one server: neither finds anything of the other, whatever it asks for."""

from __future__ import annotations

import http.client
import json
import re
import uuid

import pytest

from cloud.accounts.roles import SITE_ACTIONS, Role, may
from cloud.console.api.access import NOBODYS, OBJECTS, RULES, Standing
from cloud.monitor.metrics import Metric
from cloud.tenants.owner import Kind
from tests.cloud.console.conftest import Answer
from tests.cloud.console.people import ask, reason, signed_in
from tests.cloud.console.test_console_access import BODIES
from tests.cloud.console.test_console_events import Stream
from tests.cloud.console.two_tenants import HERE, PERSONS, THERE, Side, Sides, give
from tests.cloud.console.two_tenants import sides as sides
from tests.cloud.monitor.made import look


def asked(sides: Sides, of: Side, by: Side, role: Role, method: str, template: str) -> Answer:
    """An address filled with the ids of one side, as a machine of another, or a person where a machine may not."""
    others = {
        "part": "0",
        "picture": "still",
        "index": "0",
        "item": "head",
        "signature_id": str(uuid.uuid4()),
    }
    others |= {
        "model": "fern",
        "rule": "captures_missing",
        "channel": "mail",
        "measure": "hc",
        "path:path": "x",
    }
    others |= {"tenant_id": of.tenant_id, "ledger_index": "0"}
    known = {name: of.ids[kind] for name, kind in OBJECTS.items()} | others
    path = re.sub(r"{([^}]+)}", lambda match: known[match[1]], template)
    body = BODIES.get((method, template))
    if RULES[method, template].standing in PERSONS:
        return ask(sides.console, method, path, body, cookie=by.cookies[role])
    return ask(sides.console, method, path, body, token=by.tokens[role])


def told(answer: Answer, of: Side) -> set[str]:
    """What an answer tells of a side."""
    text = answer.body.decode("utf-8", "replace") + json.dumps(dict(answer.headers))
    return {mark for mark in of.marks if mark in text}


def named(template: str) -> set[str]:
    """The parts of an address."""
    return set(re.findall(r"{([^}]+)}", template))


def test_every_part_of_an_address_is_somebodys_or_nobodys() -> None:
    """A new address with an id that no resolver knows fails here, not in a hospital."""
    pages = {("GET", path) for path in ("/live/{capture_id}", "/viewer/{series_id}", "/admin/{part}")}
    for method, template in RULES:
        assert named(template) <= OBJECTS.keys() | NOBODYS, template
        rule = RULES[method, template]
        if named(template) & OBJECTS.keys() and (method, template) not in pages:
            is_page = rule.standing is Standing.OPEN and not template.startswith("/api/")
            assert is_page or rule.standing in (Standing.SIGNED_IN, Standing.PERSON), template
    assert set(Kind) == set(OBJECTS.values())


@pytest.mark.parametrize(("method", "template"), [pytest.param(*key, id=" ".join(key)) for key in RULES])
def test_no_role_finds_anything_of_the_other_tenant(sides: Sides, method: str, template: str) -> None:
    """Every address with the other's ids, and every list: as each role, nothing of the other is told; an object of the
    other is answered as one that does not exist, and nothing is done to it."""
    rule = RULES[method, template]
    is_own_session = rule.standing in PERSONS and not named(template) & OBJECTS.keys()
    if rule.standing is Standing.OPEN or is_own_session:
        return
    for role in Role:
        answer = asked(sides, sides.there, sides.here, role, method, template)
        # The log's entries are common, and its files are open to anybody: they hold no patient data.
        if not template.startswith("/api/ledger/entries"):
            assert set() == told(answer, sides.there), role
        allowed = rule.action is None or (may(role, rule.action) and rule.action not in SITE_ACTIONS)
        if allowed and named(template) & OBJECTS.keys():
            assert (404, "UNKNOWN") == (answer.status, answer.json["reason"]), role
        if rule.action in SITE_ACTIONS:
            assert 403 == answer.status, role


@pytest.mark.parametrize("kind", Kind)
def test_every_object_is_there_for_its_own(sides: Sides, kind: Kind) -> None:
    """The ids of these tests are real: its own tenant may see each."""
    tenants = sides.console.world.accounts.tenants
    for by, seen in ((sides.here, False), (sides.there, True)):
        principal = sides.console.world.accounts.sign_in.principal(
            None, by.tokens[Role.ADMINISTRATOR], "test"
        )
        reader = sides.console.do(principal)
        assert seen is sides.console.do(tenants.may_see(reader, {kind: sides.there.ids[kind]}))


LISTS = {
    "/api/captures": (Role.DOCTOR, Kind.CAPTURE),
    "/api/examinations": (Role.DOCTOR, Kind.EXAMINATION),
    "/api/series": (Role.DOCTOR, Kind.SERIES),
    "/api/studies": (Role.DOCTOR, Kind.EXAMINATION),
    "/api/users": (Role.ADMINISTRATOR, Kind.USER),
    "/api/tokens": (Role.ADMINISTRATOR, Kind.TOKEN),
    "/api/devices": (Role.IT, Kind.DEVICE),
}


@pytest.mark.parametrize("path", LISTS)
def test_a_list_has_what_is_ones_own(sides: Sides, path: str) -> None:
    """Each tenant's list has its own and nothing else; the site's has both."""
    role, kind = LISTS[path]
    here, there = sides.here, sides.there
    for own, other in ((here, there), (there, here)):
        answer = ask(sides.console, "GET", path, token=own.tokens[role])
        assert own.ids[kind] in answer.body.decode()
        assert set() == told(answer, other)
    both = ask(sides.console, "GET", path, token=sides.site).body.decode()
    assert here.ids[kind] in both
    assert there.ids[kind] in both


@pytest.mark.parametrize(
    "path",
    [
        "/api/examinations?text=S0123456789ABCDE",
        f"/api/examinations?text=us-{THERE}",
        f"/api/examinations?device_id=us-{THERE}",
        "/api/examinations?status=normal&status=abnormal&status=review",
        "/api/captures?state=result",
        "/api/studies?text=S0123456789ABCDE",
        f"/api/studies.csv?text=us-{THERE}",
        "/api/studies.csv",
        "/api/series?q=CT",
    ],
)
def test_a_search_finds_what_is_ones_own(sides: Sides, path: str) -> None:
    """A search for the other's device, for the shared pseudonym, or by state."""
    answer = ask(sides.console, "GET", path, token=sides.here.tokens[Role.DOCTOR])
    assert 200 == answer.status
    assert set() == told(answer, sides.there)


def test_counts_are_of_ones_own(sides: Sides) -> None:
    """Of both prints each tenant counts one."""
    for by, count in ((sides.here.tokens[Role.DOCTOR], 1), (sides.site, 2)):
        assert count == sum(ask(sides.console, "GET", "/api/system", token=by).json["counts"].values())
        assert count == sum(ask(sides.console, "GET", "/api/examinations", token=by).json["counts"].values())


def test_one_key_of_a_study_is_two_examinations(sides: Sides) -> None:
    """A study or a patient that both hospitals name alike is in neither's examination, nor among its earlier ones."""
    here, there = sides.here, sides.there
    assert here.ids[Kind.EXAMINATION] != there.ids[Kind.EXAMINATION]
    path = f"/api/examinations/{there.ids[Kind.EXAMINATION]}"
    detail = ask(sides.console, "GET", path, token=sides.site).json
    assert [there.ids[Kind.CAPTURE]] == [each["capture_id"] for each in detail["captures"]]
    assert [] == detail["earlier"]


def test_the_same_files_are_two_series(sides: Sides) -> None:
    """Files that the other has uploaded too are taken: neither a refusal nor a joined series tells of them."""
    assert sides.here.ids[Kind.SERIES] != sides.there.ids[Kind.SERIES]


def test_a_print_is_not_moved_to_the_other_tenant(sides: Sides) -> None:
    """Not even by who sees both."""
    console, world = sides.console, sides.console.world
    console.do(world.add_user(name := f"u{uuid.uuid4().hex[:8]}", Role.ADMINISTRATOR))
    user = next(each for each in console.do(world.accounts.people.users()) if each.name == name)
    assert user.tenant_id is None
    path = f"/api/captures/{sides.here.ids[Kind.CAPTURE]}/examination"
    body = {"examination_id": sides.there.ids[Kind.EXAMINATION]}
    answer = ask(console, "POST", path, body, cookie=signed_in(console, name))
    assert (404, "UNKNOWN") == (answer.status, answer.json["reason"])


def test_nothing_is_done_to_studies_of_the_other_tenant(sides: Sides) -> None:
    """Deletions and tags name studies in their body: one of another tenant among them, and nothing is done to any."""
    doctor, own, other = sides.here.cookies[Role.DOCTOR], sides.here.ids, sides.there.ids
    ids = [own[Kind.EXAMINATION], other[Kind.EXAMINATION]]
    for path, more in (("deletions", {"reason": "a mistake"}), ("tags", {"tag": "teaching", "on": True})):
        answer = ask(sides.console, "POST", f"/api/studies/{path}", {"study_ids": ids, **more}, cookie=doctor)
        assert (404, "UNKNOWN") == reason(answer)
    listed = ask(sides.console, "GET", "/api/studies", token=sides.site).json["items"]
    assert 2 <= len(listed)
    assert {()} == {tuple(each["tags"]) for each in listed}


def test_the_ledger_does_not_tell_whose_an_object_is(sides: Sides) -> None:
    """Entries are common; where a print stands in the log is told to its own tenant."""
    for by, found in ((sides.here, 0), (sides.there, 2)):
        path = f"/api/ledger/places?object_id={sides.there.ids[Kind.CAPTURE]}"
        answer = ask(sides.console, "GET", path, token=by.tokens[Role.DOCTOR])
        assert found == len(answer.json["indices"])


def test_the_audit_has_ones_own_acts(sides: Sides) -> None:
    """An administrator reads what users and machines of the own tenant did, although names are the same."""
    path = "/api/audit?limit=200"
    rows = ask(sides.console, "GET", path, token=sides.here.tokens[Role.ADMINISTRATOR])
    assert set() == told(rows, sides.there)
    assert {"user_create", "token_create", "upload"} <= {row["act"] for row in rows.json["rows"]}


def test_alarms_and_agents_are_ones_own(sides: Sides) -> None:
    """An alarm about the other's device is not told, one about the server is."""
    console = sides.console
    console.do(console.world.services.monitor.book.consider(look(Metric.JOBS_HELD, 2.0, 7200)))
    for path in ("/api/system/alarms", "/api/system/now"):
        assert set() == told(ask(console, "GET", path, token=sides.here.tokens[Role.IT]), sides.there)
    alarms = ask(console, "GET", "/api/system/alarms", token=sides.here.tokens[Role.IT]).json
    assert "jobs_held" in {each["rule"] for each in alarms["raised"] + alarms["pending"]}


def test_the_stream_has_ones_own_changes(sides: Sides) -> None:
    """Of two changes, the other's first, a reader gets the own one."""
    console, world = sides.console, sides.console.world
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=10)
    connection.request(
        "GET", "/api/events", headers={"Authorization": f"Bearer {sides.here.tokens[Role.DOCTOR]}"}
    )
    stream = Stream(connection.getresponse())
    next(stream)
    console.do(world.announce(device_id=sides.there.device_id))
    own = console.do(world.announce(device_id=sides.here.device_id))
    changed = stream.named("examination", "capture")
    if changed.fields["event"] == "examination":
        assert sides.here.device_id == changed.item["device_id"]
        changed = stream.named("examination", "capture")
    assert own == changed.item["capture_id"]
    connection.close()


def test_a_moved_device_takes_nothing_with_it(sides: Sides) -> None:
    """What it sent stays where it is, what it sends goes to the new tenant, in an examination of its own."""
    console, world = sides.console, sides.console.world
    console.do(give(console, "us-moved", HERE))
    before = console.do(world.announce(device_id="us-moved"))
    path = "/api/devices/us-moved/tenant"
    assert 204 == ask(console, "PUT", path, {"tenant_id": THERE}, token=sides.site).status
    after = console.do(world.announce(device_id="us-moved"))
    for by, seen, unseen in ((sides.here, before, after), (sides.there, after, before)):
        doctor = by.tokens[Role.DOCTOR]
        assert 200 == ask(console, "GET", f"/api/captures/{seen}", token=doctor).status
        assert 404 == ask(console, "GET", f"/api/captures/{unseen}", token=doctor).status
    assert (422, "TENANT_UNKNOWN") == reason(ask(console, "PUT", path, {"tenant_id": "no"}, token=sides.site))


def test_nobody_gives_what_is_not_theirs(sides: Sides) -> None:
    """An administrator of a tenant makes users and tokens of that tenant, and none of another or of the site."""
    console, administrator = sides.console, sides.here.tokens[Role.ADMINISTRATOR]
    for path, body in (("/api/users", {"name": "eve"}), ("/api/tokens", {"name": "eve"})):
        for wanted in (None, THERE):
            asked_for = {**body, "role": "administrator", "tenant_id": wanted}
            assert (422, "TENANT_UNKNOWN") == reason(
                ask(console, "POST", path, asked_for, token=administrator)
            )
    change = f"/api/users/{sides.here.ids[Kind.USER]}"
    for wanted in (None, THERE):
        answer = ask(console, "PATCH", change, {"tenant_id": wanted}, token=administrator)
        assert (422, "TENANT_UNKNOWN") == reason(answer)


def test_tenants_are_made_and_renamed_by_the_site(sides: Sides) -> None:
    """A short name is taken once and has a form; a tenant's people see their own."""
    console = sides.console
    again = {"tenant_id": HERE, "name": "x"}
    assert (409, "TENANT_TAKEN") == reason(ask(console, "POST", "/api/tenants", again, token=sides.site))
    odd = {"tenant_id": "No Name", "name": "x"}
    assert (422, "TENANT_INVALID") == reason(ask(console, "POST", "/api/tenants", odd, token=sides.site))
    renamed = ask(console, "PATCH", f"/api/tenants/{HERE}", {"name": "East  wing"}, token=sides.site).json
    assert "East wing" in {each["name"] for each in renamed["tenants"]}
    own = ask(console, "GET", "/api/tenants", token=sides.here.tokens[Role.SONOGRAPHER]).json["tenants"]
    assert [HERE] == [each["tenant_id"] for each in own]
