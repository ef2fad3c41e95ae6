"""Reviews of images: what counts, what is kept, what the ledger holds."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.accounts.roles import Role
from cloud.db.tables import audit_entry, image_review, result
from cloud.examinations.review_entry import REVIEW_HEADER, review_entry, signed_entry
from cloud.examinations.review_items import REASON_STATUS, Corrected, Decision, Reason, Said, status_after
from cloud.infer.annotate import Ellipse
from cloud.infer.measure import Scale, measure
from cloud.infer.reasons import AbstainReason
from cloud.items import Status
from cloud.ledger.verify import check_receipt
from sonorelay.contract.limits import BLOCK_MAX_BYTES
from sonorelay.contract.notes import Signer, Verifier, open_note
from tests.cloud.console.conftest import Answer, Get
from tests.cloud.console.people import ask, person
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict

ABNORMAL = Verdict(finding="ventriculomegaly", probability=0.93)


class Reviewer:
    """A doctor at a browser, and one print that was read."""

    def __init__(self, console: RunningConsole, verdict: Verdict = ABNORMAL) -> None:
        self.console = console
        self.cookie = person(console, Role.DOCTOR)
        self.capture_id = console.do(console.world.result(3, verdict))

    @property
    def capture(self) -> dict[str, Any]:
        """The print as the API shows it."""
        found: dict[str, Any] = ask(
            self.console, "GET", f"/api/captures/{self.capture_id}", cookie=self.cookie
        ).json
        return found

    @property
    def image(self) -> dict[str, Any]:
        """Its image."""
        found: dict[str, Any] = self.capture["images"][0]
        return found

    def body(self, **changes: Any) -> dict[str, Any]:
        """A review of the image as it is now."""
        return {
            "review_id": str(uuid.uuid4()),
            "result_ledger_index": self.image["result_ledger_index"],
            "decision": "agree",
            **changes,
        }

    def send(self, body: dict[str, Any], cookie: str | None = None) -> Answer:
        """Hands a review in."""
        path = f"/api/images/{self.image['image_id']}/reviews"
        return ask(self.console, "POST", path, body, cookie=cookie or self.cookie)

    def reviews(self) -> list[dict[str, Any]]:
        """Every review of the image."""
        path = f"/api/images/{self.image['image_id']}/reviews"
        found: list[dict[str, Any]] = ask(self.console, "GET", path, cookie=self.cookie).json["reviews"]
        return found

    def rows(self, table: sa.Table) -> int:
        """Rows of a table."""
        with self.console.world.database.begin() as tx:
            return int(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


@pytest.fixture
def reviewer(console: RunningConsole) -> Reviewer:
    """A doctor and an abnormal print."""
    return Reviewer(console)


def test_a_review_counts_and_the_reading_stays(reviewer: Reviewer) -> None:
    """A corrected finding decides how image, print and examination stand; the model's own word is shown beside."""
    before = reviewer.image["reading"]
    answer = reviewer.send(
        reviewer.body(decision="disagree", reason="FALSE_ALARM", corrected={"finding": "normal"})
    )
    assert 200 == answer.status, answer.body
    image = reviewer.image
    assert ("normal", "abnormal") == (image["status"], image["read_status"])
    assert before == image["reading"]
    assert "normal" == reviewer.capture["status"]
    assert ("normal", "user:doctor") == (
        image["review"]["corrected"]["finding"],
        image["review"]["reviewer"],
    )
    path = f"/api/examinations/{reviewer.capture['examination_id']}"
    shown = ask(reviewer.console, "GET", path, cookie=reviewer.cookie).json["examination"]
    assert ("normal", ["normal"], 1) == (shown["status"], shown["findings"], shown["reviewed_count"])


def test_the_newest_counts_and_none_is_lost(reviewer: Reviewer) -> None:
    """A second thought is a second review; the first stays as it was."""
    first = reviewer.send(reviewer.body(decision="disagree", reason="FALSE_ALARM")).json
    second = reviewer.send(reviewer.body()).json
    assert [second, first] == reviewer.reviews()
    assert "abnormal" == reviewer.image["status"]
    assert first["ledger_index"] < second["ledger_index"]


@pytest.mark.req("BEY-03")
def test_a_review_is_in_the_ledger_and_its_receipt_verifies(reviewer: Reviewer) -> None:
    """The entry holds pseudonyms and digests, never the note; the independent verifier accepts the receipt."""
    body = reviewer.body(decision="disagree", reason="OTHER", note="see the second loop of the afternoon")
    review = reviewer.send(body).json
    path = f"/api/reviews/{review['review_id']}.txt"
    receipt = ask(reviewer.console, "GET", path, cookie=reviewer.cookie).body
    world = reviewer.console.world
    log: Verifier = world.services.ledger.verifier
    entry = reviewer.console.do(world.services.ledger.entry(review["ledger_index"]))
    assert review["ledger_index"] == check_receipt(receipt, entry, log)[0]
    text, _ = open_note(entry, [log])
    lines = text.splitlines()
    assert REVIEW_HEADER == lines[0]
    assert f"review {review['review_id']}" in lines
    assert f"sha256 {reviewer.image['sha256']}" in lines
    assert f"result {body['result_ledger_index']}" in lines
    assert "decision disagree" in lines
    assert "afternoon" not in text
    assert "doctor" not in text


def test_a_review_that_is_sent_again_is_one_review(reviewer: Reviewer) -> None:
    """Twice the same is one row, one entry and one audit row; another text under the same id is refused."""
    body = reviewer.body(decision="disagree", reason="MISSED", note="wide")
    with ThreadPoolExecutor(4) as at_once:
        answers = list(at_once.map(lambda _: reviewer.send(body), range(4)))
    assert [200] * 4 == [answer.status for answer in answers]
    assert 1 == len({answer.json["ledger_index"] for answer in answers})
    assert 1 == reviewer.rows(image_review)
    with reviewer.console.world.database.begin() as tx:
        rows = tx.execute(sa.select(audit_entry.c.act).where(audit_entry.c.act == "review")).all()
    assert 1 == len(rows)
    other = reviewer.send({**body, "note": "not wide"})
    assert (409, "REVIEW_ID_USED") == (other.status, other.json["reason"])
    assert 1 == reviewer.rows(image_review)


def test_a_review_of_another_result_is_refused_in_words_and_nothing_is_lost(reviewer: Reviewer) -> None:
    """The image was read again meanwhile: 409, nothing stored; the same words for the new result are taken."""
    body = reviewer.body(decision="disagree", reason="MISSED")
    world = reviewer.console.world
    with world.database.begin() as tx:
        (index,) = world.services.ledger.append(tx, [b"a newer result\n"])
        tx.execute(sa.update(result).values(ledger_index=index))
    stale = reviewer.send(body)
    assert (409, "REVIEW_STALE") == (stale.status, stale.json["reason"])
    assert "another result" in stale.json["detail"]
    assert 0 == reviewer.rows(image_review)
    assert 200 == reviewer.send({**body, "result_ledger_index": index}).status


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reason": "OTHER"}, "REASON_MISSING"),
        ({"decision": "disagree"}, "REASON_MISSING"),
        ({"decision": "disagree", "reason": "OTHER"}, "REASON_MISSING"),
        ({"corrected": {"finding": "normal"}}, "REASON_MISSING"),
        (
            {"decision": "disagree", "reason": "WRONG_TYPE", "corrected": {"finding": "cyst"}},
            "LABEL_UNKNOWN",
        ),
        (
            {"decision": "disagree", "reason": "WRONG_PLANE", "corrected": {"plane": "heart"}},
            "LABEL_UNKNOWN",
        ),
        (
            {
                "decision": "disagree",
                "reason": "WRONG_OUTLINE",
                "corrected": {"ellipse": {"cx": 5000, "cy": 10, "a": 20, "b": 10, "angle_deg": 0}},
            },
            "OUTLINE_IMPOSSIBLE",
        ),
        (
            {
                "decision": "disagree",
                "reason": "WRONG_OUTLINE",
                "corrected": {"ellipse": {"cx": 100, "cy": 100, "a": 10, "b": 20, "angle_deg": 0}},
            },
            "OUTLINE_IMPOSSIBLE",
        ),
        ({"decision": "disagree", "reason": "OTHER", "note": "男胎"}, "SEX_WITHHELD"),
    ],
)
def test_what_makes_no_sense_is_refused(reviewer: Reviewer, changes: dict[str, Any], reason: str) -> None:
    """Contradictions, unknown labels and impossible outlines are refused in words; nothing is stored."""
    answer = reviewer.send(reviewer.body(**changes))
    assert reason == answer.json["reason"], answer.body
    assert answer.status in (409, 422)
    assert 0 == reviewer.rows(image_review)


def test_an_unknown_field_is_refused(reviewer: Reviewer) -> None:
    """A field that this version does not know is said to be unknown, not dropped."""
    assert 422 == reviewer.send(reviewer.body(colour="red")).status


@pytest.mark.req("BEY-07")
def test_a_corrected_outline_is_measured_again(reviewer: Reviewer) -> None:
    """HC, BPD, OFD, CI, z-scores and centiles come from the person's ellipse by the program's own functions, at the
    examination's age; the model's own lengths stay beside it."""
    image = reviewer.image
    path = f"/api/examinations/{reviewer.capture['examination_id']}"
    given = ask(reviewer.console, "PATCH", path, {"gestational_age": {"days": 160}}, cookie=reviewer.cookie)
    assert 200 == given.status, given.body
    ellipse = {"cx": 400.0, "cy": 280.0, "a": 150.0, "b": 118.0, "angle_deg": 12.0}
    body = reviewer.body(decision="disagree", reason="WRONG_OUTLINE", corrected={"ellipse": ellipse})
    review = reviewer.send(body).json
    expected = measure(
        Ellipse(**ellipse), Scale(mm_per_pixel=image["mm_per_pixel"], source=image["scale_source"])
    )
    corrected = review["corrected"]
    for name in ("hc_mm", "bpd_mm", "ofd_mm"):
        assert pytest.approx(getattr(expected, name), abs=0.006) == corrected["measurements"][name]
    assert pytest.approx(118 / 150, abs=1e-4) == corrected["measurements"]["cephalic_index"]
    assert {"hc", "bpd", "ofd"} == set(corrected["growth"])
    assert corrected["growth"]["hc"]["z_score"] is not None
    assert ("examination", 160.0) == (
        corrected["gestational_age"]["source"],
        corrected["gestational_age"]["days"],
    )
    shown = reviewer.image
    assert image["reading"]["measurements"] == shown["reading"]["measurements"]
    assert corrected == shown["review"]["corrected"]


def test_only_persons_whose_role_allows_it_review(console: RunningConsole) -> None:
    """Doctors and administrators do; sonographers, researchers and machines do not."""
    reviewer = Reviewer(console)
    for role, status in (
        (Role.ADMINISTRATOR, 200),
        (Role.SONOGRAPHER, 403),
        (Role.RESEARCHER, 403),
        (Role.IT, 403),
    ):
        assert status == reviewer.send(reviewer.body(), person(console, role)).status, role
    path = f"/api/images/{reviewer.image['image_id']}/reviews"
    machine = console.do(console.world.add_token(Role.DOCTOR))
    answer = ask(console, "POST", path, reviewer.body(), token=machine)
    assert (403, "SESSION_NEEDED") == (answer.status, answer.json["reason"])


def test_unknown_and_unread_images(console: RunningConsole, get: Get) -> None:
    """An image that is not there is 404, one without a result 409."""
    reviewer = Reviewer(console)
    body = reviewer.body()
    path = f"/api/images/{uuid.uuid4()}/reviews"
    assert (404, "UNKNOWN") == (
        ask(console, "POST", path, body, cookie=reviewer.cookie).status,
        ask(console, "POST", path, body, cookie=reviewer.cookie).json["reason"],
    )
    assert 404 == get(f"/api/reviews/{uuid.uuid4()}.txt").status


def test_every_reason_says_what_an_image_counts_as() -> None:
    """The table is complete, and each row gives what the rule says, whatever the reading said."""
    assert set(Reason) == set(REASON_STATUS)

    def said(reason: Reason | None, finding: str | None = None) -> Said:
        return Said(
            review_id="r",
            image_id="i",
            result_ledger_index=0,
            decision=Decision.AGREE if reason is None else Decision.DISAGREE,
            reason=reason,
            note=None,
            corrected=Corrected(finding=finding) if finding else None,
        )

    for read in (Status.NORMAL, Status.ABNORMAL, Status.FAILED):
        assert read == status_after(read, said(None))
    assert Status.NORMAL == status_after(Status.REVIEW, said(None))
    assert Status.NORMAL == status_after(Status.ABNORMAL, said(Reason.FALSE_ALARM))
    assert Status.ABNORMAL == status_after(Status.NORMAL, said(Reason.MISSED))
    assert Status.REVIEW == status_after(Status.NORMAL, said(Reason.POOR_IMAGE))
    assert Status.ABNORMAL == status_after(Status.ABNORMAL, said(Reason.WRONG_OUTLINE))
    assert Status.ABNORMAL == status_after(Status.REVIEW, said(Reason.OTHER, "other"))


def test_the_largest_entries_fit() -> None:
    """At most 1 KiB, whatever a review or a signature says."""
    signer = Signer("sonorelay.example/site-log", Ed25519PrivateKey.generate())
    said = Said(
        review_id=str(uuid.uuid4()),
        image_id=str(uuid.uuid4()),
        result_ledger_index=2**63 - 1,
        decision=Decision.DISAGREE,
        reason=Reason.WRONG_OUTLINE,
        note="x" * 2000,
        corrected=Corrected(finding="ventriculomegaly"),
    )
    time = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    assert len(review_entry(said, bytes(32), str(uuid.uuid4()), time, signer)) <= BLOCK_MAX_BYTES
    entry = signed_entry(
        signature_id=str(uuid.uuid4()),
        examination_id=str(uuid.uuid4()),
        content=bytes(32),
        image_count=10**9,
        reviewed_count=10**9,
        overrides=True,
        signer_id=str(uuid.uuid4()),
        time=time,
        signer=signer,
    )
    assert len(entry) <= BLOCK_MAX_BYTES


def test_an_abstained_reading_that_a_person_confirms_does_not_wait_any_more(console: RunningConsole) -> None:
    """A person has looked and raised nothing."""
    reviewer = Reviewer(
        console, Verdict(finding=None, plane="femur", reasons=(AbstainReason.NOT_BRAIN_PLANE,))
    )
    assert "review" == reviewer.image["status"]
    assert 200 == reviewer.send(reviewer.body()).status
    assert "normal" == reviewer.image["status"]
