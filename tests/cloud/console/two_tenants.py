"""Two hospitals on one server, each with everything in it, for tests of what one may find of the other."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud.accounts.audit import COMMAND, LOCAL
from cloud.accounts.roles import Role
from cloud.accounts.tenants import Home
from cloud.console.api.access import Standing
from cloud.db import Tx
from cloud.db.tables import device
from cloud.examinations.binding import Identity
from cloud.monitor.metrics import Metric
from cloud.tenants import rows as tenant_rows
from cloud.tenants.owner import Kind
from tests.cloud.console.conftest import built_page, running_console
from tests.cloud.console.people import ask, signed_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.uploading import send
from tests.cloud.console.world import PASSWORD, Verdict
from tests.cloud.monitor.made import look
from tests.cloud.series.phantom import AXIAL, centred, even, write_series

PERSONS = (Standing.PERSON, Standing.SESSION)
HERE, THERE = "east", "west"
SAME_STUDY = Identity(examination_key="e" * 64, patient_key="S0123456789ABCDE", age_days=147.0)
"""Both hospitals name a study and a patient alike: their edges have one key, or the patient was at both."""
LOOP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One hospital with everything in it."""

    tenant_id: str
    """Its short name."""
    device_id: str
    """Its device."""
    tokens: dict[Role, str]
    """A machine of each role."""
    cookies: dict[Role, str]
    """A signed-in person of each role."""
    ids: dict[Kind, str]
    """One object of each kind."""
    marks: frozenset[str]
    """Texts that tell of something of it: ids, device, names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Two hospitals and the site above them."""

    console: RunningConsole
    """The server."""
    here: Side
    """The one that asks."""
    there: Side
    """The one that nothing may be found of."""
    site: str
    """Token of an administrator of the whole site."""


def token(console: RunningConsole, tenant_id: str | None, role: Role, name: str) -> str:
    """A machine's token."""
    made = console.world.accounts.tokens.create(
        name, role, None, actor=COMMAND, origin=LOCAL, wanted=Home(tenant_id=tenant_id)
    )
    return console.do(made)[1]


async def give(console: RunningConsole, device_id: str, tenant_id: str) -> None:
    """A new device of this tenant."""
    now = console.world.services.clock()

    def work(tx: Tx) -> None:
        seen = {"first_seen_time": now, "last_seen_time": now, "clock_offset_ms": 0.0}
        tx.execute(device.insert().values(device_id=device_id, verifier_key="k", revoked=False, **seen))
        tenant_rows.give_device(tx, device_id, tenant_id)

    await console.world.database.write(work)


def person(console: RunningConsole, tenant_id: str, role: Role, administrator: str) -> tuple[str, str]:
    """A person whom the tenant's administrator invites: their id, and their session's cookie."""
    name = f"{role.value}.{tenant_id}"
    asked_for = {"name": name, "role": role.value}
    made = ask(console, "POST", "/api/users", asked_for, token=administrator).json
    password = {"link": made["link"], "password": PASSWORD}
    assert 200 == ask(console, "POST", "/api/password", password).status
    return made["user"]["user_id"], signed_in(console, name)


def upload(console: RunningConsole, folder: Path, bearer: str) -> tuple[str, str]:
    """A small series of this machine: ids of upload and series."""
    upload_id = send(console, "POST", "/api/uploads", token=bearer).json["upload_id"]
    for path in sorted(folder.glob("*.dcm")):
        place = f"/api/uploads/{upload_id}/files?path=CT/{path.name}"
        answer = send(console, "PUT", place, path.read_bytes(), token=bearer)
        assert (200, None) == (answer.status, answer.json["reason"]), answer.body
    made = send(console, "POST", f"/api/uploads/{upload_id}/finish", token=bearer).json
    (only,) = made["series"]
    return upload_id, only["series"]["series_id"]


def side(console: RunningConsole, tenant_id: str, folder: Path, site: str) -> Side:
    """A hospital with a device, a print, a review, a series, an alarm, a user and a machine of each role."""
    device_id, world = f"us-{tenant_id}", console.world
    made = ask(
        console, "POST", "/api/tenants", {"tenant_id": tenant_id, "name": f"{tenant_id} clinic"}, token=site
    )
    assert 200 == made.status, made.body
    console.do(give(console, device_id, tenant_id))
    # Names of machines need not differ between tenants.
    tokens = {role: token(console, tenant_id, role, role.value) for role in Role}
    doctor, administrator = tokens[Role.DOCTOR], tokens[Role.ADMINISTRATOR]
    capture_id = console.do(world.result(3, Verdict(), device_id=device_id, identity=SAME_STUDY))
    capture = ask(console, "GET", f"/api/captures/{capture_id}", token=doctor).json
    image_id = capture["images"][0]["image_id"]
    upload_id, series_id = upload(console, folder, doctor)
    people = {role: person(console, tenant_id, role, administrator) for role in Role}
    cookies = {role: cookie for role, (_, cookie) in people.items()}
    review = {
        "review_id": str(uuid.uuid4()),
        "result_ledger_index": capture["images"][0]["result_ledger_index"],
        "decision": "agree",
    }
    place = f"/api/images/{image_id}/reviews"
    assert 200 == ask(console, "POST", place, review, cookie=cookies[Role.DOCTOR]).status
    machine = {"name": "pacs", "role": "researcher"}
    token_id = ask(console, "POST", "/api/tokens", machine, token=administrator).json["token"]["token_id"]
    console.do(world.services.monitor.book.consider(look(Metric.CAPTURES_MISSING, {device_id: 9.0})))
    alarms = ask(console, "GET", "/api/system/alarms", token=doctor).json
    alarm = next(each for each in alarms["raised"] + alarms["pending"] if each["subject"] == device_id)
    ids = {
        Kind.CAPTURE: capture_id,
        Kind.IMAGE: image_id,
        Kind.EXAMINATION: capture["examination"]["examination_id"],
        Kind.SERIES: series_id,
        Kind.UPLOAD: upload_id,
        Kind.DEVICE: device_id,
        Kind.USER: people[Role.DOCTOR][0],
        Kind.TOKEN: token_id,
        Kind.ALARM: alarm["alarm_id"],
        Kind.REVIEW: review["review_id"],
    }
    return Side(
        tenant_id=tenant_id,
        device_id=device_id,
        tokens=tokens,
        cookies=cookies,
        ids=ids,
        marks=frozenset({*ids.values(), f"doctor.{tenant_id}", f"{tenant_id} clinic"}),
    )


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    """One server for all."""
    folder = tmp_path_factory.mktemp("tenants")
    write_series(folder / "CT", centred(AXIAL, even(12, 2)))
    with running_console(folder, built_page(folder)) as console:
        site = token(console, None, Role.ADMINISTRATOR, "site")
        here, there = (side(console, each, folder / "CT", site) for each in (HERE, THERE))
        yield Sides(console=console, here=here, there=there, site=site)
