"""The list of examinations: order, pages, filters, search, counts, states, speed; and one with its prints."""

from __future__ import annotations

import itertools
import uuid
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import examination
from cloud.examinations.binding import Identity
from cloud.examinations.protocol import shipped_protocol
from cloud.examinations.read import Wanted, count_by_state, read_list
from cloud.examinations.states import PRECEDENCE, examination_state
from cloud.examinations.words import FINDING_WORDS, PLANES, SUBPLANES
from cloud.infer.reasons import AbstainReason
from cloud.items import CaptureState, Status
from sonorelay.contract.reasons import EdgeReason
from tests.cloud.console.conftest import Get
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import GAP_S, Verdict
from tests.conftest import ROOT

S = Status


def pause(console: RunningConsole) -> None:
    """Long enough that the next print begins a new examination."""
    console.world.clock.forward(seconds=GAP_S + 1)


def test_every_state_has_its_place() -> None:
    """The order is complete, and each pair of statuses gives the more pressing one, but for what nobody saw."""
    assert set(Status) == set(PRECEDENCE)
    assert len(Status) == len(PRECEDENCE)
    for one, other in itertools.combinations(PRECEDENCE, 2):
        unseen = one is S.NORMAL and other in (S.FAILED, S.HELD, S.MISSING)
        assert (S.REVIEW if unseen else one) == examination_state([other, one]), (one, other)
    assert S.REFUSED == examination_state([])


def test_normal_hides_nothing() -> None:
    """Normal only where all is: something on its way, held, missing or unreadable makes it something else."""
    assert S.NORMAL == examination_state([S.NORMAL, S.REFUSED])
    assert S.ANALYSING == examination_state([S.NORMAL, S.ANALYSING])
    assert S.INCOMING == examination_state([S.NORMAL, S.INCOMING])
    assert S.ABNORMAL == examination_state([S.NORMAL, S.ABNORMAL, S.INCOMING])


def test_labels_are_those_of_the_shipped_models() -> None:
    """What a person can correct to, and search for, is what the models can say."""

    def labels(model: str) -> set[str]:
        return set((ROOT / "model_repository" / model / "labels.txt").read_text().split())

    assert labels("fetal_plane_cls") == set(PLANES)
    assert labels("fetal_subplane_cls") == set(SUBPLANES)
    assert labels("fetal_brain_cls") == set(FINDING_WORDS)


def test_states_follow_what_happens(console: RunningConsole, get: Get) -> None:
    """Incoming, analysing, then what the images are; one held print among normal ones is for review."""
    world = console.world

    def status() -> str:
        found: str = get("/api/examinations").json["items"][0]["status"]
        return found

    first = console.do(world.announce())
    assert "incoming" == status()
    console.do(world.stop(first, CaptureState.REFUSED, EdgeReason.NOT_ULTRASOUND))
    assert "refused" == status()
    console.do(world.result(3, Verdict()))
    assert "normal" == status()
    held = console.do(world.announce())
    assert "incoming" == status()
    console.do(world.stop(held, CaptureState.HELD, EdgeReason.SECTOR_NOT_FOUND))
    assert "review" == status()
    console.do(world.result(4, Verdict(finding="other")))
    assert "abnormal" == status()


def test_newest_print_first_and_paged(console: RunningConsole, get: Get) -> None:
    """An old examination that gets a print comes up; pages go on where the last ended, without gap or repeat."""
    world = console.world
    old = Identity(examination_key="a" * 64, patient_key=None, age_days=None)
    console.do(world.announce(identity=old))
    for _ in range(4):
        pause(console)
        console.do(world.announce())
    console.do(world.announce(identity=old))
    numbers: list[int] = []
    before = ""
    while True:
        page = get(f"/api/examinations?limit=2{before}").json
        numbers += [item["number"] for item in page["items"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert [1, 5, 4, 3, 2] == numbers


def test_filters_and_counts(console: RunningConsole, get: Get) -> None:
    """Counts are those of every status under the same device and text, so that buttons can show them."""
    world = console.world
    console.do(world.result(3, Verdict(finding="ventriculomegaly")))
    pause(console)
    console.do(world.result(4, Verdict()))
    pause(console)
    console.do(world.result(5, Verdict(), device_id="us-room-4"))
    page = get("/api/examinations?status=normal").json
    assert [3, 2] == [item["number"] for item in page["items"]]
    assert {"normal": 2, "abnormal": 1} == {k: v for k, v in page["counts"].items() if v}
    assert set(page["counts"]) == {state.value for state in Status}
    page = get("/api/examinations?device_id=us-room-4").json
    assert [3] == [item["number"] for item in page["items"]]
    assert 1 == sum(page["counts"].values())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1", [1]),
        ("#2", [2]),
        ("ventriculomeg", [1]),
        ("脑室扩张", [1]),
        ("脑室", [1]),
        ("正常", [2]),
        ("no anomaly", [2]),
        ("S00000000000000A", [1]),
        ("s000000", [1]),
        ("room-4", [2]),
        ("US-ROOM", [2, 1]),
        ("100%", []),
        ("_", []),
        ("nothing like it", []),
        ("99999999999999999999", []),
        ("  ", [2, 1]),
    ],
)
def test_search(console: RunningConsole, get: Get, text: str, numbers: list[int]) -> None:
    """By number, pseudonym, device and finding, in English and Chinese; signs of SQL are letters."""
    world = console.world
    identity = Identity(examination_key="a" * 64, patient_key="S00000000000000A", age_days=None)
    console.do(world.result(3, Verdict(finding="ventriculomegaly"), identity=identity))
    console.do(world.result(4, Verdict(), device_id="us-room-4"))
    assert numbers == [i["number"] for i in get(f"/api/examinations?text={quote(text)}").json["items"]]


def test_an_abstained_finding_is_not_found_as_one(console: RunningConsole, get: Get) -> None:
    """What a reading does not rely on is no finding of the examination."""
    unsure = Verdict(finding="ventriculomegaly", reasons=(AbstainReason.LOW_CONFIDENCE,))
    console.do(console.world.result(3, unsure))
    assert [] == get("/api/examinations?text=ventriculomegaly").json["items"]


def test_one_examination_with_its_prints_and_earlier_ones(console: RunningConsole, get: Get) -> None:
    """Its prints in order, each saying where it belongs; earlier examinations of the same patient, newest first."""
    world = console.world

    def of(study: str) -> Identity:
        return Identity(examination_key=f"{study:0>64}", patient_key="S00000000000000A", age_days=None)

    for study in ("1", "2", "3"):
        console.do(world.result(3, Verdict(), identity=of(study)))
    console.do(world.announce(identity=of("2")))
    shown = {item["number"]: item for item in get("/api/examinations").json["items"]}
    detail = get(f"/api/examinations/{shown[2]['examination_id']}").json
    assert shown[2] == detail["examination"]
    assert [2, 4] == [capture["slot"] for capture in detail["captures"]]
    assert {shown[2]["examination_id"]} == {capture["examination_id"] for capture in detail["captures"]}
    assert [3, 1] == [each["number"] for each in detail["earlier"]]
    assert 404 == get(f"/api/examinations/{uuid.uuid4()}").status


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "before=0", "status=nothing", f"text={'x' * 65}", f"before={10**30}"]
)
def test_a_wrong_question_is_refused(get: Get, query: str) -> None:
    """Values outside their range are the asker's fault, not a crash."""
    assert 422 == get(f"/api/examinations?{query}").status


def test_a_hundred_thousand_examinations_use_the_indices(console: RunningConsole) -> None:
    """Pages and state filters walk an index and stop; counts read one index and no row. No sort, no scan of the
    table."""
    world = console.world
    states = [state.value for state in Status]
    many = 100_000

    def fill(tx: Tx) -> None:
        row: dict[str, Any] = {
            "bound_by": "study", "capture_count": 1, "image_count": 1, "read_count": 1, "reviewed_count": 0,
            "changed_after_signing": False, "began_time": world.clock(), "updated_time": world.clock(),
        }  # fmt: skip
        tx.execute(
            sa.insert(examination),
            [
                {
                    **row,
                    "examination_id": str(uuid.UUID(int=n)),
                    "device_id": f"us-room-{n % 7}",
                    "patient_key": f"S{n % 5000:015X}",
                    "newest_slot": n,
                    "state": states[n % len(states)],
                    "findings": " normal " if n % 3 else " ventriculomegaly ",
                }
                for n in range(1, many + 1)
            ],
        )

    console.do(world.database.write(fill))
    protocol = shipped_protocol()
    asked = [
        Wanted(tenant_id=None),
        Wanted(tenant_id=None, states=[Status.ABNORMAL]),
        Wanted(tenant_id="default", device_id="us-room-3", states=[Status.NORMAL]),
        Wanted(tenant_id="default", text="脑室扩张"),
        Wanted(tenant_id="default", text="S000000000001234"),
    ]
    for wanted in asked:
        page = console.do(world.database.read(lambda tx, w=wanted: read_list(tx, protocol, w, 50, many // 2)))
        counts = console.do(world.database.read(lambda tx, w=wanted: count_by_state(tx, w)))
        assert len(page) > 0
        assert sum(counts.values()) > 0

    def plans(tx: Tx) -> str:
        queries = (
            "SELECT * FROM examination WHERE newest_slot < 9 ORDER BY newest_slot DESC LIMIT 50",
            "SELECT * FROM examination WHERE state IN ('abnormal') ORDER BY newest_slot DESC LIMIT 50",
            "SELECT * FROM examination WHERE device_id = 'd' AND state IN ('normal') ORDER BY newest_slot DESC",
            "SELECT state, count(*) FROM examination GROUP BY state",
            "SELECT state, count(*) FROM examination WHERE device_id = 'd' GROUP BY state",
        )
        rows = [tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all() for query in queries]
        return "\n".join(str(row[-1]) for plan in rows for row in plan)

    said = console.do(world.database.read(plans))
    assert "TEMP B-TREE" not in said, said
    assert all("USING" in line for line in said.splitlines()), said
