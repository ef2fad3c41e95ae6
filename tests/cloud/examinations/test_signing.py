"""Signatures under examinations."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import pytest

from cloud.accounts.roles import Role
from cloud.examinations.review_entry import SIGNED_HEADER
from cloud.ledger.verify import check_receipt
from sonorelay.contract.notes import open_note
from tests.cloud.console.conftest import Answer
from tests.cloud.console.people import ask, person
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict


class Desk:
    """A doctor, and an examination of two read prints."""

    def __init__(self, console: RunningConsole) -> None:
        self.console = console
        self.cookie = person(console, Role.DOCTOR)
        self.captures = [console.do(console.world.result(seed, Verdict())) for seed in (3, 4)]
        shown = self.get(f"/api/captures/{self.captures[0]}")
        self.path = f"/api/examinations/{shown['examination_id']}"

    def get(self, path: str) -> dict[str, Any]:
        """What a GET of the doctor's gives."""
        found: dict[str, Any] = ask(self.console, "GET", path, cookie=self.cookie).json
        return found

    @property
    def detail(self) -> dict[str, Any]:
        """The examination as it is."""
        return self.get(self.path)

    @property
    def signed(self) -> dict[str, Any] | None:
        """The newest signature as the list shows it."""
        found: dict[str, Any] | None = self.detail["examination"]["signed"]
        return found

    def review(self) -> None:
        """Agrees with every image."""
        for capture in self.detail["captures"]:
            (image,) = capture["images"]
            body = {
                "review_id": str(uuid.uuid4()),
                "result_ledger_index": image["result_ledger_index"],
                "decision": "agree",
            }
            path = f"/api/images/{image['image_id']}/reviews"
            assert 200 == ask(self.console, "POST", path, body, cookie=self.cookie).status

    def sign(self, **changes: Any) -> Answer:
        """Signs the examination as it is."""
        body = {"signature_id": str(uuid.uuid4()), "content": self.detail["content"], **changes}
        return ask(self.console, "POST", f"{self.path}/signatures", body, cookie=self.cookie)


@pytest.fixture
def desk(console: RunningConsole) -> Desk:
    """A doctor and an examination."""
    return Desk(console)


@pytest.mark.req("BEY-03")
def test_a_signature_is_in_the_ledger_over_what_was_signed(desk: Desk) -> None:
    """The digest is that of the lines which SPEC.md gives; the receipt verifies; the entry names no person."""
    desk.review()
    signature = desk.sign().json
    detail = desk.detail
    images = sorted(
        (image["image_id"], image["sha256"], image["result_ledger_index"], image["review"]["ledger_index"])
        for capture in detail["captures"]
        for image in capture["images"]
    )
    lines = [f"examination {detail['examination']['examination_id']}", "age -"]
    lines += [f"image {image_id} {sha} {read} {said}" for image_id, sha, read, said in images]
    expected = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    assert expected == signature["content"] == detail["content"]
    assert [signature] == detail["signatures"]
    world = desk.console.world
    log = world.services.ledger.verifier
    entry = desk.console.do(world.services.ledger.entry(signature["ledger_index"]))
    path = f"{desk.path}/signatures/{signature['signature_id']}.txt"
    receipt = ask(desk.console, "GET", path, cookie=desk.cookie).body
    assert signature["ledger_index"] == check_receipt(receipt, entry, log)[0]
    text, _ = open_note(entry, [log])
    assert SIGNED_HEADER == text.splitlines()[0]
    assert f"content {expected}\nimages 2\nreviewed 2\noverride no\n" in text
    assert "doctor" not in text
    assert ("user:doctor", False) == (desk.signed["by"], desk.signed["changed_after"])


def test_what_is_not_reviewed_is_signed_only_for_a_stated_reason(desk: Desk) -> None:
    """Without reviews 409; with a reason it is signed, and the ledger says that there was one, not which."""
    refused = desk.sign()
    assert (409, "NOT_ALL_REVIEWED") == (refused.status, refused.json["reason"])
    assert desk.signed is None
    assert 422 == desk.sign(override="x").status
    assert (422, "SEX_WITHHELD") == (
        (told := desk.sign(override="a boy, all well")).status,
        told.json["reason"],
    )
    signature = desk.sign(override="reviewed on the printed pictures").json
    world = desk.console.world
    entry = desk.console.do(world.services.ledger.entry(signature["ledger_index"]))
    assert b"override yes" in entry
    assert b"printed" not in entry


def test_a_change_since_the_look_is_not_signed(desk: Desk) -> None:
    """Who looked at something else signs nothing; a repeat of a signature is the same one."""
    desk.review()
    seen = desk.detail["content"]
    desk.review()
    refused = desk.sign(content=seen)
    assert (409, "CHANGED_MEANWHILE") == (refused.status, refused.json["reason"])
    body = {"signature_id": str(uuid.uuid4()), "content": desk.detail["content"]}
    once, again = desk.sign(**body), desk.sign(**body)
    assert once.json == again.json
    assert 1 == len(desk.detail["signatures"])
    other = desk.sign(signature_id=body["signature_id"], content="0" * 64)
    assert (409, "SIGNED_ALREADY") == (other.status, other.json["reason"])


@pytest.mark.parametrize("change", ["image", "review", "age", "moved"])
def test_a_later_change_is_seen_to_be_one(desk: Desk, change: str) -> None:
    """A new image, a new review, a new age and a moved print make it changed after signing; ticks and looks do not."""
    console, world = desk.console, desk.console.world
    desk.review()
    assert 200 == desk.sign().status
    ticked = ask(console, "PUT", f"{desk.path}/protocol/cavum", {"seen": True}, cookie=desk.cookie)
    assert 200 == ticked.status
    assert not desk.signed["changed_after"]
    if change == "image":
        console.do(world.result(5, Verdict()))
    elif change == "review":
        desk.review()
    elif change == "age":
        ask(console, "PATCH", desk.path, {"gestational_age": {"days": 140}}, cookie=desk.cookie)
    else:
        path = f"/api/captures/{desk.captures[0]}/examination"
        assert 200 == ask(console, "POST", path, {"examination_id": None}, cookie=desk.cookie).status
    assert desk.signed["changed_after"]
    desk.review()
    assert 200 == desk.sign().status
    assert not desk.signed["changed_after"]
    assert 2 == len(desk.detail["signatures"])


def test_only_doctors_sign(desk: Desk) -> None:
    """An administrator may review but signs nothing; nor does anybody else."""
    for role in (Role.ADMINISTRATOR, Role.SONOGRAPHER, Role.RESEARCHER, Role.IT):
        cookie = person(desk.console, role)
        body = {"signature_id": str(uuid.uuid4()), "content": "0" * 64, "override": "because"}
        answer = ask(desk.console, "POST", f"{desk.path}/signatures", body, cookie=cookie)
        assert (403, "NOT_PERMITTED") == (answer.status, answer.json["reason"])


def test_an_examination_without_results_is_not_signed(console: RunningConsole) -> None:
    """There is nothing to stand for."""
    cookie = person(console, Role.DOCTOR)
    capture_id = console.do(console.world.announce())
    shown = ask(console, "GET", f"/api/captures/{capture_id}", cookie=cookie).json
    path = f"/api/examinations/{shown['examination_id']}"
    content = ask(console, "GET", path, cookie=cookie).json["content"]
    body = {"signature_id": str(uuid.uuid4()), "content": content, "override": "because"}
    answer = ask(console, "POST", f"{path}/signatures", body, cookie=cookie)
    assert (409, "NOTHING_TO_SIGN") == (answer.status, answer.json["reason"])
