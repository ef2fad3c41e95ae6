"""Studies: searched, paged, exported; read again, deleted and restored; what each role may do."""

from __future__ import annotations

import csv
import io
import urllib.parse
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.accounts.roles import Role
from cloud.console.api.access import RULES
from cloud.console.api.study_present import CSV_HEAD, csv_text
from cloud.db import Tx
from cloud.db.tables import image, job, ledger_entry
from cloud.examinations.hidden import NAMES
from cloud.examinations.refresh import examination_of
from cloud.line import READ_JOB
from cloud.work.result_entry import ReadImage
from cloud.work.results import ResultLedger, store_result
from tests.cloud.console.people import ask, person, reason
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, made_reading


def made(console: RunningConsole, verdict: Verdict, device_id: str = "") -> str:
    """A print with this reading, of a device and so in an examination of its own; the examination's id."""
    world = console.world
    capture_id = console.do(world.result(3, verdict, device_id=device_id or f"us-{uuid.uuid4().hex}"))
    found = console.do(world.database.read(lambda tx: examination_of(tx, capture_id)))
    assert found is not None
    return found


def listed(console: RunningConsole, cookie: str, **query: Any) -> Any:
    """The answer of the list."""
    asked = urllib.parse.urlencode(query, doseq=True)
    answer = ask(console, "GET", f"/api/studies?{asked}", cookie=cookie)
    assert 200 == answer.status, answer.body
    return answer.json


def numbers(found: Mapping[str, Any]) -> list[int]:
    return [item["examination"]["number"] for item in found["items"]]


@pytest.fixture
def doctor(console: RunningConsole) -> str:
    """A doctor's cookie."""
    return person(console, Role.DOCTOR)


def test_a_study_is_found_by_words_and_by_pinyin(console: RunningConsole, doctor: str) -> None:
    """Chinese, English, full-width, accents, tones, pinyin whole, with blanks and by first letters find the same."""
    made(console, Verdict(finding="normal"))
    made(console, Verdict(finding="ventriculomegaly"))
    for text in (
        "脑室扩张",
        "naoshikuozhang",
        "nǎo shì kuò zhāng",
        "NSKZ",
        "Ventriculomegaly",
        "ｖｅｎｔｒｉｃｕｌｏ",
        "wide ventricle",
        "#2",
    ):
        assert [2] == numbers(listed(console, doctor, text=text)), text
    for text in ("xxyzz", "%", "_", "'; DROP TABLE study; --", "#2222"):
        assert 0 == listed(console, doctor, text=text)["total"], text
    assert 1 == listed(console, doctor, text="\u0000wide\u200b ventricle\u0000")["total"]


def test_notes_and_tags_are_found_and_guarded(console: RunningConsole, doctor: str) -> None:
    """What a person notes is found at once; what tells the sex is refused, and a machine may not write."""
    study = made(console, Verdict())
    body = {"note_id": str(uuid.uuid4()), "note": "复查 für Müller"}
    for _ in range(2):
        assert 200 == ask(console, "POST", f"/api/studies/{study}/notes", body, cookie=doctor).status
    tagging = {"study_ids": [study], "tag": "  教学   病例 ", "on": True}
    assert 200 == ask(console, "POST", "/api/studies/tags", tagging, cookie=doctor).status
    for text in ("fucha", "fc", "MULLER", "jiaoxue", "教学病例"):
        assert 1 == listed(console, doctor, text=text)["total"], text
    assert ["教学 病例"] == listed(console, doctor, tag="教学 病例")["items"][0]["tags"]
    detail = ask(console, "GET", f"/api/studies/{study}", cookie=doctor).json
    assert ["复查 für Müller"] == [note["note"] for note in detail["notes"]]
    told = {"note_id": str(uuid.uuid4()), "note": "It is a boy."}
    assert (422, "SEX_WITHHELD") == reason(
        ask(console, "POST", f"/api/studies/{study}/notes", told, cookie=doctor)
    )
    other = {**body, "note": "other"}
    assert (409, "REVIEW_ID_USED") == reason(
        ask(console, "POST", f"/api/studies/{study}/notes", other, cookie=doctor)
    )
    assert 403 == ask(console, "POST", f"/api/studies/{study}/notes", told, token=console.token).status
    tagging["on"] = False
    ask(console, "POST", "/api/studies/tags", tagging, cookie=doctor)
    assert 0 == listed(console, doctor, text="jiaoxue")["total"]


def test_filters_and_orders(console: RunningConsole, doctor: str) -> None:
    """Each filter narrows to what it names, and each order is by what it names."""
    made(console, Verdict(finding="normal", probability=0.9))
    made(console, Verdict(finding="ventriculomegaly", probability=0.8), "us-room-4")
    made(console, Verdict(finding="other", probability=0.95))
    wanted: list[tuple[dict[str, Any], list[int]]] = [
        ({"status": ["abnormal"]}, [3, 2]),
        ({"finding": "other"}, [3]),
        ({"plane": "brain"}, [3, 2, 1]),
        ({"plane": "femur"}, []),
        ({"device_id": "us-room-4"}, [2]),
        ({"reviewing": "none"}, [3, 2, 1]),
        ({"signing": "signed"}, []),
        ({"agreement": "disagrees"}, []),
        ({"begun_from": "2020-01-01T00:00:00Z", "begun_before": "2020-01-02T00:00:00Z"}, []),
        ({"age_from_days": 100}, []),
        ({"sort": "probability"}, [3, 2, 1]),
        ({"sort": "probability", "ascending": True}, [1, 2, 3]),
        ({"sort": "age", "ascending": True}, [1, 2, 3]),
    ]
    for query, expected in wanted:
        found = listed(console, doctor, **query)
        assert (expected, len(expected)) == (numbers(found), found["total"]), query
    assert 422 == ask(console, "GET", "/api/studies?after=nonsense", cookie=doctor).status
    assert 422 == ask(console, "GET", "/api/studies?begun_from=2020-01-01T00:00:00", cookie=doctor).status


@pytest.mark.parametrize("sort", ["number", "probability"])
def test_pages_skip_and_repeat_nothing(console: RunningConsole, doctor: str, sort: str) -> None:
    """Forwards and back again, while new studies come, every study that was there is shown exactly once."""
    for n in range(5):
        made(console, Verdict(finding="normal", probability=0.9 if n % 2 else 0.8))
    query: dict[str, Any] = {"limit": 2, "sort": sort}
    first = listed(console, doctor, **query)
    assert first["before"] is None
    pages = [first]
    made(console, Verdict(finding="normal", probability=0.999))
    while pages[-1]["after"] is not None:
        pages.append(listed(console, doctor, **query, after=pages[-1]["after"]))
    seen = [number for page in pages for number in numbers(page) if number <= 5]
    assert [1, 2, 3, 4, 5] == sorted(seen)
    back = listed(console, doctor, **query, before=pages[-1]["before"])
    assert numbers(pages[-2]) == numbers(back)
    assert numbers(first) == numbers(listed(console, doctor, **query, before=back["before"]))


def deleted(console: RunningConsole, cookie: str, study: str) -> None:
    body = {"study_ids": [study], "reason": "wrong patient"}
    answer = ask(console, "POST", "/api/studies/deletions", body, cookie=cookie)
    assert 200 == answer.status, answer.body


def test_a_deleted_study_is_shown_by_no_address(console: RunningConsole, doctor: str) -> None:
    """Every address of the API that names an object of it, and every list, knows nothing of it until it is restored."""
    study = made(console, Verdict(finding="ventriculomegaly"))
    detail = ask(console, "GET", f"/api/studies/{study}", cookie=doctor).json
    capture = detail["captures"][0]
    (shown,) = capture["images"]
    review = {
        "review_id": str(uuid.uuid4()),
        "result_ledger_index": shown["result_ledger_index"],
        "decision": "agree",
    }
    reviewed = ask(console, "POST", f"/api/images/{shown['image_id']}/reviews", review, cookie=doctor)
    assert 200 == reviewed.status, reviewed.body
    ids = {
        "examination_id": study,
        "capture_id": capture["capture_id"],
        "image_id": shown["image_id"],
        "review_id": review["review_id"],
    }
    rest = {"part": "0", "picture": "still", "signature_id": str(uuid.uuid4()), "item": "head"}
    named = [
        (method, template.format_map({**ids, **rest}))
        for method, template in RULES
        if template.startswith("/api/") and any(f"{{{name}}}" in template for name in NAMES)
    ]
    assert len(named) > 15
    before = {place: ask(console, *place, cookie=doctor).status for place in named if place[0] == "GET"}
    assert sum(status == 200 for status in before.values()) > 8
    deleted(console, doctor, study)
    for method, path in named:
        answer = ask(console, method, path, {} if method != "GET" else None, cookie=doctor)
        assert answer.status in ((404,) if method == "GET" else (404, 422)), (method, path, answer.body)
    for path in ("/api/captures", "/api/examinations", "/api/studies"):
        assert [] == ask(console, "GET", path, cookie=doctor).json["items"], path
    assert 1 == listed(console, doctor, deleted=True)["total"]
    hidden = ask(console, "GET", f"/api/studies/{study}", cookie=doctor).json
    assert ("wrong patient", []) == (hidden["study"]["deleted"]["reason"], hidden["captures"])
    assert 200 == ask(console, "POST", f"/api/studies/{study}/restore", cookie=doctor).status
    again = {place: ask(console, *place, cookie=doctor).status for place in named if place[0] == "GET"}
    assert before == again


def test_deletion_stands_in_ledger_and_audit_without_its_reason(console: RunningConsole, doctor: str) -> None:
    """Both acts have an entry and a row; no free text is in the log; a repeat adds nothing."""
    study = made(console, Verdict())
    for _ in range(2):
        deleted(console, doctor, study)
    for _ in range(2):
        ask(console, "POST", f"/api/studies/{study}/restore", cookie=doctor)
    looks = ask(console, "GET", f"/api/studies/{study}/looks", cookie=doctor).json["rows"]
    acts = [row["act"] for row in looks]
    assert (1, 1) == (acts.count("study_delete"), acts.count("study_restore"))
    query = sa.select(ledger_entry.c.entry)
    entries = console.do(console.world.database.read(lambda tx: [row.entry for row in tx.execute(query)]))
    ours = [entry for entry in entries if study.encode() in entry]
    assert 2 == len(ours)
    assert not any(b"wrong patient" in entry for entry in entries)


def test_a_study_whose_print_is_on_its_way_is_not_deleted(console: RunningConsole, doctor: str) -> None:
    """What has not come yet would be hidden before anybody saw it."""
    capture_id = console.do(console.world.announce())
    study = console.do(console.world.database.read(lambda tx: examination_of(tx, capture_id)))
    body = {"study_ids": [study], "reason": "by mistake"}
    answer = ask(console, "POST", "/api/studies/deletions", body, cookie=doctor)
    assert (409, "STILL_ARRIVING") == reason(answer)


def read_again(console: RunningConsole, image_id: str, verdict: Verdict, version: str) -> None:
    """What the worker does: claims the job, reads by other models, stores."""
    world = console.world
    read, _ = made_reading(brain_shot(3), verdict)
    reading = read.to_json()
    reading["models"]["fetal_brain_cls"]["version"] = version
    services = world.services
    signer = services.examinations.studies._services.signer
    jobs = services.examinations.studies._jobs

    def work(tx: Tx) -> None:
        (lease,) = jobs.claim(tx, READ_JOB, 5)
        assert image_id == lease.subject_id
        assert jobs.done(tx, lease)
        digest = tx.execute(sa.select(image.c.sha256).where(image.c.image_id == image_id)).scalar_one()
        result = ReadImage(
            image_id=image_id, sha256=digest, reason=None, reading=reading, pictures={}, infer_ms=9.0
        )
        store_result(
            tx, ResultLedger(ledger=services.ledger, signer=signer), result, services.clock(), 0.0, {}
        )

    console.do(world.database.write(work))


def test_reading_again_keeps_every_result_with_its_receipt(console: RunningConsole, doctor: str) -> None:
    """By another version there are two results and two entries; a review of the first is none of the second."""
    study = made(console, Verdict(finding="normal"))
    detail = ask(console, "GET", f"/api/studies/{study}", cookie=doctor).json
    shown = detail["captures"][0]["images"][0]
    review = {
        "review_id": str(uuid.uuid4()),
        "result_ledger_index": shown["result_ledger_index"],
        "decision": "agree",
    }
    ask(console, "POST", f"/api/images/{shown['image_id']}/reviews", review, cookie=doctor)
    path = f"/api/studies/{study}/reanalyse"
    for _ in range(2):
        answer = ask(console, "POST", path, {"image_ids": []}, cookie=doctor)
        assert [shown["image_id"]] == answer.json["image_ids"]
    jobs = sa.select(sa.func.count()).select_from(job)
    assert 1 == console.do(console.world.database.read(lambda tx: tx.execute(jobs).scalar_one()))
    waiting = ask(console, "GET", f"/api/studies/{study}", cookie=doctor).json
    assert waiting["images"][0]["waiting"]
    read_again(console, shown["image_id"], Verdict(finding="normal"), "2")
    after = ask(console, "GET", f"/api/studies/{study}", cookie=doctor).json
    (history,) = after["images"]
    assert not history["waiting"]
    assert [True, False] == [each["current"] for each in history["results"]]
    versions = [{m["name"]: m["version"] for m in each["models"]} for each in history["results"]]
    assert ["2", "1"] == [each["fetal_brain_cls"] for each in versions]
    for each in history["results"]:
        receipt = ask(
            console, "GET", f"/api/studies/{study}/results/{each['ledger_index']}.txt", cookie=doctor
        )
        assert 200 == receipt.status, receipt.body
    assert 404 == ask(console, "GET", f"/api/studies/{study}/results/0.txt", cookie=doctor).status
    examination = after["study"]["examination"]
    assert ("review", 0) == (examination["status"], examination["reviewed_count"])
    assert (409, "REVIEW_STALE") == reason(
        ask(
            console,
            "POST",
            f"/api/images/{shown['image_id']}/reviews",
            {**review, "review_id": str(uuid.uuid4())},
            cookie=doctor,
        )
    )
    unknown = {"image_ids": [str(uuid.uuid4())]}
    assert (404, "UNKNOWN") == reason(ask(console, "POST", path, unknown, cookie=doctor))


def test_roles(console: RunningConsole) -> None:
    """Each act is allowed to exactly the roles that the table names."""
    study = made(console, Verdict())
    acts = {
        "reanalyse": (f"/api/studies/{study}/reanalyse", {"image_ids": []}),
        "delete": ("/api/studies/deletions", {"study_ids": [str(uuid.uuid4())], "reason": "no such one"}),
        "looks": (f"/api/studies/{study}/looks", None),
        "list": ("/api/studies", None),
        "deleted": ("/api/studies?deleted=true", None),
    }
    allowed = {
        Role.DOCTOR: {"reanalyse", "delete", "looks", "list", "deleted"},
        Role.SONOGRAPHER: {"list"},
        Role.RESEARCHER: {"reanalyse", "list"},
        Role.IT: set(),
        Role.ADMINISTRATOR: {"reanalyse", "delete", "looks", "list", "deleted"},
    }
    for role, expected in allowed.items():
        cookie = person(console, role, f"{role.value}-2")
        found = set()
        for name, (path, body) in acts.items():
            answer = ask(console, "GET" if body is None else "POST", path, body, cookie=cookie)
            unknown = name == "delete" and answer.status == 404
            if answer.status == 200 or unknown:
                found.add(name)
        assert expected == found, role


def test_the_table_is_whole_and_no_cell_is_a_formula(console: RunningConsole, doctor: str) -> None:
    """The file holds every study that is asked for; what a spreadsheet would reckon is a text; it is audited."""
    study = made(console, Verdict(finding="ventriculomegaly"))
    made(console, Verdict(finding="normal"))
    hostile = '=HYPERLINK("http://x.example";"x")'
    tagging = {"study_ids": [study], "tag": hostile, "on": True}
    assert 200 == ask(console, "POST", "/api/studies/tags", tagging, cookie=doctor).status
    answer = ask(console, "GET", "/api/studies.csv", cookie=doctor)
    rows = list(csv.reader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [list(CSV_HEAD), "2", "1"] == [rows[0], rows[1][0], rows[2][0]]
    assert "'" + hostile == rows[2][CSV_HEAD.index("tags")]
    assert all("research use, not for diagnosis" == row[-1] for row in rows[1:])
    part = ask(console, "GET", "/api/studies.csv?finding=normal", cookie=doctor)
    assert 2 == len(part.body.decode().splitlines())
    admin = person(console, Role.ADMINISTRATOR)
    audit = ask(console, "GET", "/api/audit?act=studies_export", cookie=admin).json["rows"]
    assert ["user:doctor"] == [row["actor"] for row in audit]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1+1"])
def test_formulas_become_texts(text: str) -> None:
    """Everything that a spreadsheet reckons begins with an apostrophe; numbers stay numbers."""
    (row,) = csv.reader(io.StringIO(csv_text([[text, -1.5, "a=b"]]), newline=""))
    assert ["'" + text, "-1.5", "a=b"] == row
