"""Step 13: the report of an examination, over HTTP."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass
from typing import Any

import pypdfium2
import pytest
import sqlalchemy as sa

from cloud.accounts.audit import Search, search
from cloud.accounts.roles import Role
from cloud.db.tables import examination_signature, image_review, result
from cloud.infer.reasons import AbstainReason
from cloud.items import CaptureState
from sonorelay.contract.notes import Checkpoint, open_note
from sonorelay.contract.reasons import EdgeReason
from tests.cloud.console.conftest import Get
from tests.cloud.console.people import ask, person
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, png_of

SEED = 8


def examination_of(get: Get, capture_id: str) -> str:
    """The examination that a capture belongs to."""
    found: str = get(f"/api/captures/{capture_id}").json["examination_id"]
    return found


def text_of(pdf: bytes) -> str:
    """The text of a PDF, without spaces and breaks."""
    document = pypdfium2.PdfDocument(pdf)
    text = "".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    return "".join(text.split())


@pytest.fixture
def examination_id(console: RunningConsole, get: Get) -> str:
    """An examination with a normal, an abnormal, a doubtful, and a refused print."""
    world = console.world
    first = console.do(world.result(SEED, Verdict(ventricle_mm=9.1)))
    console.do(world.result(5, Verdict(finding="ventriculomegaly", probability=0.94, ventricle_mm=12.6)))
    console.do(world.result(11, Verdict(reasons=(AbstainReason.LOW_CONFIDENCE,), scaled=False)))
    refused = console.do(world.announce())
    console.do(world.stop(refused, CaptureState.REFUSED, EdgeReason.NOT_AN_IMAGE))
    return examination_of(get, first)


@pytest.mark.parametrize(
    ("language", "notice", "file"),
    [
        ("en", "Researchuse,notfordiagnosis", "report-1-en.pdf"),
        ("zh", "仅供研究，不用于诊断", "report-1-zh.pdf"),
    ],
)
def test_the_report_is_a_pdf_in_the_asked_language(
    get: Get, examination_id: str, language: str, notice: str, file: str
) -> None:
    """With a plain file name; nothing keeps a copy on the way."""
    answer = get(f"/api/examinations/{examination_id}/report.pdf?language={language}")
    assert (200, "application/pdf") == (answer.status, answer.headers["content-type"])
    assert f'attachment; filename="{file}"' == answer.headers["content-disposition"]
    assert "no-store" == answer.headers["cache-control"]
    assert answer.body.startswith(b"%PDF-1.7")
    assert notice in text_of(answer.body)


def test_the_page_gets_what_the_pdf_says(get: Get, examination_id: str) -> None:
    """Both are laid out from one sheet: every sentence of the one stands in the other."""
    sheet = get(f"/api/examinations/{examination_id}/report?language=zh").json
    text = text_of(get(f"/api/examinations/{examination_id}/report.pdf?language=zh").body)
    said = [line["text"] for line in sheet["summary"]]
    said += [cell for row in sheet["measurements"]["rows"] for cell in row["cells"]]
    said += [pair["value"] for pair in sheet["head"][:-1]]
    assert 10 < len(said)
    assert [] == [each for each in said if "".join(each.split()) not in text]


def test_the_report_tells_what_was_read_and_what_was_not(get: Get, examination_id: str) -> None:
    """Each image is named, the doubtful one with its reason, pixels where the scale is not known, the refused print
    with its reason; an examination that nobody signed is a draft."""
    sheet = get(f"/api/examinations/{examination_id}/report").json
    lines = [line["text"] for line in sheet["summary"]]
    assert "no anomaly" in lines[0]
    assert any("suspected anomaly, hint: ventriculomegaly" in line for line in lines)
    assert any("moderately wide: 12 mm" in line for line in lines)
    assert any("No class is probable enough" in line for line in lines)
    assert any("refused. The file is not an image" in line for line in lines)
    values = {(row["cells"][0], row["cells"][1]): row["cells"][3] for row in sheet["measurements"]["rows"]}
    assert values["Head circumference (HC)", "1"].endswith(" mm")
    assert values["Head circumference (HC)", "3"].endswith(" px")
    assert ("DRAFT", "review") == (sheet["mark"], sheet["standing"]["tone"])
    assert "by device and time" in next(p["value"] for p in sheet["head"] if p["label"] == "Images joined")


def test_the_receipt_is_that_of_the_log(console: RunningConsole, get: Get, examination_id: str) -> None:
    """Checkpoint and entries are those that the ledger itself signs; the QR code has the same."""
    sheet = get(f"/api/examinations/{examination_id}/report").json
    ledger = console.world.services.ledger
    verifier = ledger.verifier
    text, _ = open_note(console.do(ledger.checkpoint()), [verifier])
    checkpoint = Checkpoint.parse(text)
    proof = {pair["label"]: pair["value"] for pair in sheet["proof"]}
    assert f"{checkpoint.size} entries" == proof["Checkpoint"]
    root = base64.b64encode(checkpoint.root).decode()
    assert (root, str(verifier)) == (proof["Root"], proof["Verifier key"])
    assert f"checkpoint {checkpoint.size} {root}\n" in sheet["code"]["text"]
    assert f"examination {examination_id}\n" in sheet["code"]["text"]


def test_every_report_is_audited(console: RunningConsole, get: Get, examination_id: str) -> None:
    """Who looked at it, and who took it away, stands in the audit with the examination's id."""
    get(f"/api/examinations/{examination_id}/report")
    get(f"/api/examinations/{examination_id}/report.pdf")
    rows = console.do(
        console.world.database.read(lambda tx: search(tx, Search(object_id=examination_id), 10))
    )
    assert {"report_look", "report_export"} <= {row.act for row in rows}


def test_it_cannot_keep_reports_from_it(console: RunningConsole, get: Get, examination_id: str) -> None:
    """A role without images gets no report, in either form."""
    token = console.do(console.world.add_token(Role.IT, "it"))
    bearer = {"Authorization": f"Bearer {token}"}
    for form in ("report", "report.pdf"):
        assert 403 == get(f"/api/examinations/{examination_id}/{form}", bearer).status


def test_unknown_examinations_have_no_report(get: Get, examination_id: str) -> None:
    """404, in both forms; another language is refused."""
    unknown = uuid.uuid4()
    assert 404 == get(f"/api/examinations/{unknown}/report").status
    assert 404 == get(f"/api/examinations/{unknown}/report.pdf").status
    assert 422 == get(f"/api/examinations/{examination_id}/report.pdf?language=fr").status


def test_an_examination_without_readings_has_a_report(console: RunningConsole, get: Get) -> None:
    """It says that nothing was read, and what is still being analysed."""
    world, shot = console.world, brain_shot(SEED)
    capture_id = console.do(world.announce())
    console.do(world.store_images(capture_id, [png_of(shot)], [shot]))
    examination_id = examination_of(get, capture_id)
    lines = [line["text"] for line in get(f"/api/examinations/{examination_id}/report").json["summary"]]
    assert "No image of this examination has been read." == lines[0]
    assert "being analysed" in lines[1]
    assert 200 == get(f"/api/examinations/{examination_id}/report.pdf").status


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """A doctor at a browser, who works on one examination."""

    console: RunningConsole
    """The console."""
    cookie: str
    """The doctor's session."""
    examination_id: str
    """The examination."""

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the server answers, which is not a refusal."""
        answer = ask(self.console, method, path, body, cookie=self.cookie)
        assert 300 > answer.status, answer.body
        return answer.json

    @property
    def detail(self) -> Any:
        """The examination as it is now."""
        return self.send("GET", f"/api/examinations/{self.examination_id}")

    def review(self, capture: int, **changes: Any) -> None:
        """Reviews the image of the n-th print."""
        image = self.detail["captures"][capture]["images"][0]
        said = {
            "review_id": str(uuid.uuid4()),
            "result_ledger_index": image["result_ledger_index"],
            **changes,
        }
        self.send("POST", f"/api/images/{image['image_id']}/reviews", said)

    def sign(self, **changes: Any) -> Any:
        """Signs what is there."""
        said = {"signature_id": str(uuid.uuid4()), "content": self.detail["content"], **changes}
        return self.send("POST", f"/api/examinations/{self.examination_id}/signatures", said)

    def report(self, language: str = "en") -> Any:
        """The report."""
        return self.send("GET", f"/api/examinations/{self.examination_id}/report?language={language}")


@pytest.fixture
def doctor(console: RunningConsole, examination_id: str) -> Doctor:
    """A doctor."""
    return Doctor(console=console, cookie=person(console, Role.DOCTOR), examination_id=examination_id)


def test_what_persons_did_stands_in_the_report(doctor: Doctor) -> None:
    """Age and who gave it, agreement, correction beside the model's value, ticks, signature with its entry; then a
    change after signing."""
    doctor.send("PATCH", f"/api/examinations/{doctor.examination_id}", {"gestational_age": {"days": 152}})
    ellipse = doctor.detail["captures"][1]["images"][0]["reading"]["head"]["ellipse"]
    drawn = {**ellipse, "a": ellipse["a"] * 0.95, "b": ellipse["b"] * 0.95}
    doctor.review(0, decision="agree")
    doctor.review(
        1, decision="disagree", reason="WRONG_OUTLINE", note="skull left out", corrected={"ellipse": drawn}
    )
    doctor.review(2, decision="disagree", reason="POOR_IMAGE")
    item = next(each["key"] for each in doctor.detail["protocol"]["items"] if each["by_hand"])
    doctor.send("PUT", f"/api/examinations/{doctor.examination_id}/protocol/{item}", {"seen": True})
    signature = doctor.sign()
    sheet = doctor.report()
    assert (None, "normal") == (sheet["mark"], sheet["standing"]["tone"])
    head = {pair["label"]: pair["value"] for pair in sheet["head"]}
    assert head["Gestational age"] == "21w5d, given by doctor"
    signed = {pair["label"]: pair["value"] for pair in sheet["signature"]}
    assert signature["content"] == signed["SHA-256 of what was signed"]
    assert str(signature["ledger_index"]) == signed["Ledger entry"]
    rows = [
        row["cells"]
        for row in sheet["measurements"]["rows"]
        if row["cells"][:2] == ["Head circumference (HC)", "2"]
    ]
    model, by_person = (float(cells[3].split()[0]) for cells in rows)
    assert ["model", "person"] == [cells[2] for cells in rows]
    assert model * 0.95 == pytest.approx(by_person, abs=0.11)
    assert "–" not in {cells[4] for cells in rows}
    decisions = [row["cells"][1:3] for row in sheet["reviews"]["rows"]]
    assert [
        ["agrees", "–"],
        ["disagrees", "outline of the head is wrong; skull left out"],
        ["disagrees", "the image is not fit to be read"],
    ] == decisions
    assert "ticked by doctor" in {row["cells"][2] for row in sheet["checklist"]["rows"]}
    assert {"HC, mm", "Lateral ventricle, mm"} <= {chart["title"] for chart in sheet["charts"]}
    assert f"signed {signature['ledger_index']} {signature['content']}\n" in sheet["code"]["text"]
    corrected = next(image for image in sheet["images"] if image["number"] == 2)
    assert "corrected" in {stroke["kind"] for stroke in corrected["strokes"]}
    doctor.review(0, decision="disagree", reason="MISSED")
    changed = doctor.report("zh")
    assert ("签署后有更改", "abnormal") == (changed["mark"], changed["standing"]["tone"])


@pytest.mark.req("BEY-06")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_report_does_not_tell_the_sex(console: RunningConsole, doctor: Doctor, language: str) -> None:
    """What stands in the database from before the policy, a model's label or a name of the site's limits: wherever a
    text that was given comes into the report, it says only that something is withheld."""
    doctor.review(0, decision="disagree", reason="OTHER", note="see note")
    doctor.sign(override="urgent")
    with console.world.database.begin() as tx:
        tx.execute(sa.update(image_review).values(note="It is a boy"))
        tx.execute(sa.update(examination_signature).values(override="女胎"))
        for row in tx.execute(sa.select(result.c.image_id, result.c.reading)).all():
            reading = {
                **row.reading,
                "finding": "male_fetus",
                "plane": "genitalia",
                "subplane": {"label": "penis", "probabilities": {"penis": 1.0}, "sure": True},
                "abstain_reasons": ["GIRL"],
            }
            tx.execute(sa.update(result).where(result.c.image_id == row.image_id).values(reading=reading))
    sheet = doctor.report(language)
    pdf = doctor_pdf(doctor, language)
    for text in (json.dumps(sheet, ensure_ascii=False), text_of(pdf)):
        for word in ("boy", "女胎", "male_fetus", "genitalia", "penis", "GIRL"):
            assert word not in text
    assert ("(withheld)" if language == "en" else "（不予显示）") in json.dumps(sheet, ensure_ascii=False)


def doctor_pdf(doctor: Doctor, language: str) -> bytes:
    """The report as PDF."""
    path = f"/api/examinations/{doctor.examination_id}/report.pdf?language={language}"
    return ask(doctor.console, "GET", path, cookie=doctor.cookie).body
