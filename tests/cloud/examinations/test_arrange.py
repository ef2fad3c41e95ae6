"""What persons put in order: moved prints and gestational ages; and what the stream of changes says of it."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.accounts.roles import Role
from cloud.db.tables import audit_entry, examination
from cloud.examinations.arrange import age_days
from cloud.examinations.binding import Identity
from cloud.examinations.errors import ExaminationRefused
from cloud.examinations.items import AgeSource
from tests.cloud.console.conftest import Answer
from tests.cloud.console.people import ask, person
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.test_console_events import events
from tests.cloud.console.world import Verdict

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Desk:
    """A sonographer at a browser."""

    def __init__(self, console: RunningConsole) -> None:
        self.console = console
        self.cookie = person(console, Role.SONOGRAPHER)

    def get(self, path: str) -> Any:
        """What a GET gives."""
        return ask(self.console, "GET", path, cookie=self.cookie).json

    def of(self, capture_id: str) -> str:
        """The examination of a print."""
        found: str = self.get(f"/api/captures/{capture_id}")["examination_id"]
        return found

    def move(self, capture_id: str, examination_id: str | None) -> Answer:
        """Moves a print."""
        body = {"examination_id": examination_id}
        return ask(self.console, "POST", f"/api/captures/{capture_id}/examination", body, cookie=self.cookie)

    def age(self, examination_id: str, given: Any) -> Answer:
        """Gives an age."""
        path, body = f"/api/examinations/{examination_id}", {"gestational_age": given}
        return ask(self.console, "PATCH", path, body, cookie=self.cookie)

    def acts(self, act: str) -> list[str]:
        """Objects of an act in the audit."""
        with self.console.world.database.begin() as tx:
            rows = tx.execute(sa.select(audit_entry.c.object_id).where(audit_entry.c.act == act))
            return [row[0] for row in rows]


@pytest.fixture
def desk(console: RunningConsole) -> Desk:
    """A sonographer."""
    return Desk(console)


@pytest.mark.req("BEY-01")
def test_a_print_is_split_off_and_moved_back(desk: Desk) -> None:
    """A new examination made by a person; then back, after which the new one is gone; both in the audit."""
    world = desk.console.world
    first, second = desk.console.do(world.announce()), desk.console.do(world.announce())
    home = desk.of(first)
    split = desk.move(second, None)
    assert (200, "person", 1) == (split.status, split.json["bound_by"], split.json["capture_count"])
    assert split.json["examination_id"] == desk.of(second) != home
    back = desk.move(second, home)
    assert 2 == back.json["capture_count"]
    assert "person" == desk.get(f"/api/captures/{second}")["examination"]["capture_bound_by"]
    assert [home] == [item["examination_id"] for item in desk.get("/api/examinations")["items"]]
    gone = f"/api/examinations/{split.json['examination_id']}"
    assert 404 == ask(desk.console, "GET", gone, cookie=desk.cookie).status
    assert [second, second] == desk.acts("examination_move")


@pytest.mark.req("BEY-01")
def test_what_a_person_moved_stays(desk: Desk) -> None:
    """An upload that is opened later, or again, does not move it back by its study."""
    world = desk.console.world
    study = Identity(examination_key="a" * 64, patient_key=None, age_days=None)
    other = desk.console.do(world.announce(identity=study))
    moved = desk.console.do(world.announce(identity=study))
    desk.console.do(world.announce())
    target = desk.move(moved, None).json["examination_id"]
    desk.console.do(world.open_upload(moved, study))
    assert target == desk.of(moved) != desk.of(other)


@pytest.mark.parametrize(
    ("whither", "status", "reason"),
    [("nowhere", 404, "UNKNOWN"), ("same", 409, "SAME_EXAMINATION"), ("new", 409, "WOULD_BE_EMPTY")],
)
def test_moves_that_make_no_sense_are_refused(desk: Desk, whither: str, status: int, reason: str) -> None:
    """To nowhere, to where it is, and the only print of an examination into a new one."""
    capture_id = desk.console.do(desk.console.world.announce())
    target = {"nowhere": str(uuid.uuid4()), "same": desk.of(capture_id), "new": None}[whither]
    answer = desk.move(capture_id, target)
    assert (status, reason) == (answer.status, answer.json["reason"])
    assert [] == desk.acts("examination_move")


@pytest.mark.parametrize(
    ("source", "value", "days"),
    [
        (AgeSource.DAYS, 141.5, 141.5),
        (AgeSource.LMP, date(2025, 10, 1), 151.0),
        (AgeSource.EDD, date(2026, 7, 8), 151.0),
        (AgeSource.LMP, date(2026, 2, 28), 1.0),
        (AgeSource.LMP, date(2025, 4, 20), 315.0),
    ],
)
def test_an_age_is_reckoned_for_the_day_of_the_examination(
    source: AgeSource, value: float | date, days: float
) -> None:
    """Days as given; from the last menstrual period; or 280 days before the expected delivery."""
    assert days == age_days(source, value, BEGAN)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (AgeSource.DAYS, 0.0),
        (AgeSource.DAYS, 315.1),
        (AgeSource.DAYS, float("nan")),
        (AgeSource.LMP, date(2026, 3, 2)),
        (AgeSource.LMP, date(2025, 4, 19)),
        (AgeSource.EDD, date(2027, 3, 2)),
        (AgeSource.EDD, date(2026, 1, 20)),
        (AgeSource.LMP, date(1, 1, 1)),
        (AgeSource.EDD, date(9999, 12, 31)),
    ],
)
def test_an_impossible_age_is_refused(source: AgeSource, value: float | date) -> None:
    """Above 0 and at most 315 days, whatever it was reckoned from."""
    with pytest.raises(ExaminationRefused):
        age_days(source, value, BEGAN)


def test_an_age_given_by_a_person(desk: Desk) -> None:
    """Kept as days with source and who, never the date; every reading of the examination is judged by it, and the
    stored results stay as they are; null takes it away."""
    world = desk.console.world
    first = desk.console.do(world.result(3, Verdict()))
    second = desk.console.do(world.result(4, Verdict()))
    exam = desk.of(first)

    def readings() -> list[dict[str, Any]]:
        return [desk.get(f"/api/captures/{each}")["images"][0]["reading"] for each in (first, second)]

    before = readings()
    assert [{}, {}] == [reading["growth"] for reading in before]
    lmp = world.clock().astimezone().date() - timedelta(days=150)
    given = desk.age(exam, {"lmp": lmp.isoformat()})
    assert 200 == given.status, given.body
    age = given.json["gestational_age"]
    assert (150.0, "21w3d", "lmp", "user:sonographer") == (age["days"], age["text"], age["source"], age["by"])
    for reading in readings():
        assert reading["growth"]["hc"]["z_score"] is not None
        assert ("examination", 150.0) == (
            reading["gestational_age"]["source"],
            reading["gestational_age"]["days"],
        )
    with world.database.begin() as tx:
        stored = str(tx.execute(sa.select(examination)).one()) + str(
            tx.exec_driver_sql("SELECT reading FROM result").all()
        )
    assert lmp.isoformat() not in stored
    assert '"days": 150' not in stored
    desk.age(exam, None)
    assert before == readings()
    assert [exam, exam] == desk.acts("examination_age")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"days": 0},
        {"days": 316},
        {"days": "NaN"},
        {"days": 100, "lmp": "2026-01-01"},
        {"lmp": "yesterday"},
        {"weeks": 20},
        {"lmp": "1990-01-01"},
    ],
)
def test_a_wrong_age_is_refused(desk: Desk, given: dict[str, Any]) -> None:
    """Exactly one of the three, and a possible one."""
    exam = desk.of(desk.console.do(desk.console.world.announce()))
    assert 422 == desk.age(exam, given).status
    assert desk.get(f"/api/examinations/{exam}")["examination"]["gestational_age"] is None


def test_an_age_by_the_header_gives_way_to_a_persons(desk: Desk) -> None:
    """What a person says stays, also when a later print brings a header."""
    world = desk.console.world
    study = Identity(examination_key="a" * 64, patient_key=None, age_days=140.0)
    capture_id = desk.console.do(world.announce(identity=study))
    exam = desk.of(capture_id)
    desk.age(exam, {"days": 147})
    desk.console.do(world.announce(identity=study))
    age = desk.get(f"/api/examinations/{exam}")["examination"]["gestational_age"]
    assert (147.0, "days") == (age["days"], age["source"])


def test_roles_that_arrange(desk: Desk) -> None:
    """Doctors, sonographers and administrators; researchers and IT change nothing."""
    exam = desk.of(desk.console.do(desk.console.world.announce()))
    for role in (Role.DOCTOR, Role.ADMINISTRATOR, Role.RESEARCHER, Role.IT):
        desk.cookie = person(desk.console, role)
        expected = 403 if role in (Role.RESEARCHER, Role.IT) else 200
        assert expected == desk.age(exam, {"days": 140}).status, role


@pytest.mark.req("READ-09")
def test_an_examination_comes_before_its_print_and_under_the_id_before(desk: Desk) -> None:
    """Both carry what is now; a reader cut off between the two gets both again."""
    world = desk.console.world
    with events(desk.console) as stream:
        capture_id = desk.console.do(world.announce())
        first, second = stream.named("examination", "capture"), stream.named("examination", "capture")
    assert ("examination", "capture") == (first.fields["event"], second.fields["event"])
    assert int(first.fields["id"]) + 1 == int(second.fields["id"])
    assert first.item["examination_id"] == second.item["examination_id"]
    assert ("incoming", 1) == (first.item["status"], first.item["capture_count"])
    with events(desk.console, first.fields["id"]) as stream:
        again = [stream.named("examination", "capture") for _ in range(2)]
    assert [first.fields, second.fields] == [message.fields for message in again]
    assert capture_id == second.item["capture_id"]


@pytest.mark.req("READ-09")
def test_a_move_tells_of_both_examinations(desk: Desk) -> None:
    """The one that it left, or that this one is gone; and the one where it is."""
    world = desk.console.world
    first, second = desk.console.do(world.announce()), desk.console.do(world.announce())
    home = desk.of(first)
    kinds = ("examination", "examination_gone", "capture")
    with events(desk.console) as stream:
        new = desk.move(second, None).json["examination_id"]
        said = [stream.named(*kinds) for _ in range(3)]
        desk.move(second, home)
        then = [stream.named(*kinds) for _ in range(3)]
    assert {("examination", home), ("examination", new), ("capture", new)} == {
        (message.fields["event"], message.item["examination_id"]) for message in said
    }
    assert {("examination", home), ("examination_gone", new), ("capture", home)} == {
        (message.fields["event"], message.item["examination_id"]) for message in then
    }


@pytest.mark.req("READ-09")
def test_a_reader_that_was_away_gets_each_examination_once(desk: Desk) -> None:
    """Of many changes that waited together the newest of each is sent; ids only grow."""
    world = desk.console.world
    start = desk.console.do(world.services.hub.newest())
    first = desk.console.do(world.result(3, Verdict()))
    desk.console.do(world.result(4, Verdict()))
    desk.console.do(world.announce(device_id="us-room-4"))
    desk.age(desk.of(first), {"days": 150})
    with events(desk.console, str(start)) as stream:
        messages = [stream.named("examination", "capture") for _ in range(5)]
    seen = [(m.fields["event"], m.item.get("number") or m.item["capture_id"]) for m in messages]
    assert 5 == len(set(seen))
    ids = [int(message.fields["id"]) for message in messages]
    assert sorted(ids) == ids
    shown = {m.item["number"]: m.item for m in messages if m.fields["event"] == "examination"}
    assert 150.0 == shown[1]["gestational_age"]["days"]
    assert 2 == shown[1]["image_count"]
