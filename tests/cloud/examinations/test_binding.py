"""Which examination a print belongs to."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import examination, examination_capture
from cloud.examinations.adopt import adopt
from cloud.examinations.binding import GUESSED_MAX, Identity
from cloud.examinations.protocol import shipped_protocol
from cloud.examinations.read import read_examination
from cloud.publish.worklist import read_item
from tests.cloud.conftest import refusal_of
from tests.cloud.console.conftest import Get
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import GAP_S


def identity(study: str, patient: str | None = None, age_days: float | None = None) -> Identity:
    """A made-up study, and its patient."""
    key = f"S{patient:0>15}" if patient else None
    return Identity(examination_key=f"{study:0>64}", patient_key=key, age_days=age_days)


def examination_of(get: Get, capture_id: str) -> dict[str, Any]:
    """The examination of a capture, as the API shows it."""
    found: dict[str, Any] = get(f"/api/captures/{capture_id}").json["examination"]
    return found


def together(get: Get, *capture_ids: str) -> bool:
    """Whether these captures are in one examination."""
    return len({examination_of(get, each)["examination_id"] for each in capture_ids}) == 1


@pytest.mark.req("BEY-01")
def test_prints_without_identity_are_bound_by_device_and_pause(console: RunningConsole, get: Get) -> None:
    """Within the pause one examination, after it a new one; another device has its own; all say it is a guess."""
    world = console.world
    first = console.do(world.announce())
    world.clock.forward(seconds=GAP_S - 5)
    second = console.do(world.announce())
    other = console.do(world.announce(device_id="us-room-4"))
    world.clock.forward(seconds=GAP_S + 5)
    third = console.do(world.announce())
    assert together(get, first, second)
    assert not together(get, first, third)
    assert not together(get, first, other)
    for each in (first, second, third, other):
        shown = examination_of(get, each)
        assert ("device_and_time", "device_and_time") == (shown["bound_by"], shown["capture_bound_by"])
    assert [3, 2, 1] == [e["number"] for e in get("/api/examinations").json["items"]]


@pytest.mark.req("BEY-01")
def test_a_study_decides(console: RunningConsole, get: Get) -> None:
    """Prints of one study are together whenever they come; two studies never, however close."""
    world = console.world
    a1 = console.do(world.announce(identity=identity("a", "1")))
    b1 = console.do(world.announce(identity=identity("b", "2")))
    a2 = console.do(world.announce(identity=identity("a", "1")))
    world.clock.forward(seconds=3 * GAP_S)
    a3 = console.do(world.announce(identity=identity("a", "1")))
    assert together(get, a1, a2, a3)
    assert not together(get, a1, b1)
    shown = examination_of(get, a1)
    assert ("study", "study", "S000000000000001") == (
        shown["bound_by"],
        shown["capture_bound_by"],
        shown["patient_key"],
    )
    assert 2 == len(get("/api/examinations").json["items"])


@pytest.mark.req("BEY-01")
def test_one_study_on_two_machines_is_one_examination(console: RunningConsole, get: Get) -> None:
    """A study's key is unique at the site, whichever device printed."""
    world = console.world
    here = console.do(world.announce(identity=identity("a")))
    there = console.do(world.announce(device_id="us-room-4", identity=identity("a")))
    assert together(get, here, there)


@pytest.mark.req("BEY-01")
def test_a_print_without_identity_may_join_the_study_that_runs(console: RunningConsole, get: Get) -> None:
    """The examination is the study's; the print itself is said to be there by device and time."""
    world = console.world
    keyed = console.do(world.announce(identity=identity("a")))
    paper = console.do(world.announce())
    assert together(get, keyed, paper)
    shown = examination_of(get, paper)
    assert ("study", "device_and_time") == (shown["bound_by"], shown["capture_bound_by"])


@pytest.mark.req("BEY-01")
def test_a_study_never_takes_over_prints_that_came_without_identity(
    console: RunningConsole, get: Get
) -> None:
    """What was printed before the first word of a study is not said to be of that study."""
    world = console.world
    paper = console.do(world.announce())
    console.do(world.open_upload(paper))
    keyed = console.do(world.announce(identity=identity("a")))
    assert not together(get, paper, keyed)
    assert "device_and_time" == examination_of(get, paper)["bound_by"]


@pytest.mark.req("BEY-01")
def test_uploads_in_another_order_than_the_first_words(console: RunningConsole, get: Get) -> None:
    """Four prints are announced, then opened in every wrong order: each ends where its study is, the one without
    identity where the print before it is, and no examination is left empty."""
    world = console.world
    ids = [console.do(world.announce()) for _ in range(4)]
    a1, b1, paper, b2 = ids
    console.do(world.open_upload(b2, identity("b")))
    console.do(world.open_upload(paper))
    console.do(world.open_upload(b1, identity("b")))
    console.do(world.open_upload(a1, identity("a")))
    assert together(get, b1, b2)
    assert not together(get, a1, b1)
    assert {e["capture_count"] for e in get("/api/examinations").json["items"]} <= {1, 2, 3}
    for _ in range(2):
        console.do(world.open_upload(b1, identity("b")))
    assert together(get, b1, b2)


def test_prints_that_followed_a_moved_one_go_with_it(console: RunningConsole, get: Get) -> None:
    """A study begins while the examination before it still runs: what was guessed beside its first print follows."""
    world = console.world
    old = console.do(world.announce(identity=identity("a")))
    new = console.do(world.announce())
    paper = console.do(world.announce())
    assert together(get, old, new, paper)
    console.do(world.open_upload(new, identity("b")))
    assert together(get, new, paper)
    assert not together(get, old, new)


def test_a_guess_has_an_end(console: RunningConsole) -> None:
    """A folder of thousands of pictures is not one examination."""
    world = console.world
    for _ in range(GUESSED_MAX + 1):
        console.do(world.announce())

    def counts(tx: Tx) -> list[int]:
        return [row[0] for row in tx.execute(sa.select(examination.c.capture_count))]

    assert [1, GUESSED_MAX] == sorted(console.do(world.database.read(counts)))


def test_an_age_in_the_header_is_the_examinations(console: RunningConsole, get: Get) -> None:
    """It is kept as days with its source, and later prints do not change it."""
    world = console.world
    first = console.do(world.announce(identity=identity("a", "1", 141.0)))
    console.do(world.announce(identity=identity("a", "1", 150.0)))
    shown = get(f"/api/examinations/{examination_of(get, first)['examination_id']}").json["examination"]
    age = shown["gestational_age"]
    assert (141.0, "20w1d", "header", None) == (age["days"], age["text"], age["source"], age["by"])


def test_rows_of_an_earlier_version_are_adopted(console: RunningConsole, get: Get) -> None:
    """A start gives captures without an examination one by device and time, at the times when they came; a second
    start changes nothing."""
    world = console.world
    ids = []
    for pause_s in (0, 10, GAP_S + 10):
        world.clock.forward(seconds=pause_s)
        ids.append(console.do(world.announce()))
    with world.database.begin() as tx:
        tx.execute(sa.delete(examination_capture))
        tx.execute(sa.delete(examination))
    assert 3 == console.do(adopt(world.database, GAP_S))
    assert 0 == console.do(adopt(world.database, GAP_S))
    assert together(get, ids[0], ids[1])
    assert not together(get, ids[1], ids[2])
    assert "incoming" == get("/api/examinations").json["items"][0]["status"]


@pytest.mark.req("BEY-01")
async def test_the_manifest_binds_over_the_wire(running: Any, agent: Any) -> None:
    """The keys of OpenUpload reach the examination; repeats of both calls change nothing."""
    made = agent.capture(os.urandom(1000))
    request = agent.opening(made)
    request.examination_key, request.patient_key = "a" * 64, "S0123456789ABCDE"
    request.gestational_age_days = 147.0
    await agent.notify(made)
    for _ in range(2):
        await agent.ingest.OpenUpload(request, timeout=15)
    await agent.notify(made)
    database = SqliteDatabase(Path(running.config.data_dir) / "state.db")
    with database.begin() as tx:
        item = read_item(tx, made.capture_id)
        assert item is not None
        assert item.examination is not None
        stored = read_examination(tx, shipped_protocol(), item.examination.examination_id)
        assert stored is not None
    await asyncio.to_thread(database.close)
    assert ("study", "S0123456789ABCDE", 147.0) == (
        stored.bound_by.value,
        stored.patient_key,
        stored.age.days if stored.age else None,
    )
    assert 1 == stored.capture_count


@pytest.mark.parametrize(
    "changes",
    [
        {"examination_key": "A" * 64},
        {"examination_key": "a" * 63},
        {"examination_key": "a" * 64, "patient_key": "Jane Doe"},
        {"patient_key": "S0123456789ABCDE"},
        {"gestational_age_days": 100.0},
        {"examination_key": "a" * 64, "gestational_age_days": 316.0},
        {"examination_key": "a" * 64, "gestational_age_days": float("nan")},
        {"examination_key": "a" * 64, "gestational_age_days": -1.0},
    ],
)
async def test_an_identity_that_is_no_pseudonym_is_refused(agent: Any, changes: dict[str, Any]) -> None:
    """What is not a pseudonym of the contract might be a name: it is never stored."""
    request = agent.opening(agent.capture(os.urandom(1000)))
    for name, value in changes.items():
        setattr(request, name, value)
    refusal = await refusal_of(agent.ingest.OpenUpload(request, timeout=15))
    assert "MANIFEST_INVALID" == refusal.reason
