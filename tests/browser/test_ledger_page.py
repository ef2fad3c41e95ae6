"""Step 13: the ledger's page in a real browser: entries in words, receipts checked, a log that was made anew."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Page, expect

from cloud.accounts.roles import Role
from cloud.db import Tx
from cloud.db.tables import device, part
from cloud.ledger.keys import load_key
from cloud.models.entry import entry
from cloud.models.rules import Action, ModelEvent
from sonorelay.contract.blocks import Block
from sonorelay.contract.notes import Signer
from tests.browser.conftest import address, sign_in
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import DEVICE, Verdict

pytestmark = pytest.mark.browser

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What the log of the tests holds."""

    capture_id: str
    """The print whose block is entry `block`."""
    block: int
    """Index of a block that a device signed."""
    model: int
    """Index of an entry about a model, signed by the log."""


@pytest.fixture
def filled(console: RunningConsole) -> Filled:
    """A print with a real block of its device, and a change of a model."""
    world = console.world
    capture_id = console.do(world.result(22, Verdict()))
    edge = Signer(DEVICE, Ed25519PrivateKey.generate())
    log = Signer("test.example/log", load_key(world.services.ledger_dir.parent / "log.key"))
    block = Block(
        device_id=DEVICE,
        capture_id=capture_id,
        part_index=0,
        image_type="brain",
        image_count=1,
        size_bytes=3,
        shard_size_bytes=262_144,
        shard_count=1,
        root=bytes(32),
        block_time=NOW,
    ).sign(edge)
    event = ModelEvent(
        model="fetal_brain_cls",
        action=Action.PROMOTED,
        version="100",
        before="3",
        actor="user:li.wei",
        time=NOW,
    )

    def work(tx: Tx) -> tuple[int, int]:
        stored, changed = world.services.ledger.append(tx, [block, entry(event, bytes(32), log)])
        tx.execute(sa.update(device).values(verifier_key=str(edge.verifier)))
        tx.execute(sa.update(part).where(part.c.capture_id == capture_id).values(ledger_index=stored))
        return stored, changed

    stored, changed = console.do(world.database.write(work))
    return Filled(capture_id=capture_id, block=stored, model=changed)


def test_entries_in_words_and_their_receipts_checked(page: Page, filled: Filled) -> None:
    """Newest first; the one that is opened is proved step by step, by the log's signature and the device's own."""
    page.goto("/ledger")
    rows = page.get_by_role("row")
    expect(rows.nth(1)).to_contain_text("Model change")
    expect(rows.nth(1)).to_contain_text("fetal_brain_cls 100: promoted")
    expect(rows.nth(1)).to_contain_text("user:li.wei")
    expect(rows.nth(2)).to_contain_text("Images stored")
    page.get_by_role("button", name=f"Open entry {filled.block}").click()
    check = page.get_by_role("region", name="Check of the receipt")
    expect(check.get_by_role("status")).to_have_text("Proved: the log holds exactly this entry.")
    expect(check.get_by_role("listitem")).to_have_count(7)
    expect(check).to_contain_text(DEVICE)
    expect(page).to_have_url(re.compile(f"entry={filled.block}$"))
    with page.expect_download() as download:
        page.get_by_role("region", name="Entry").get_by_role("link", name="Receipt").click()
    assert f"receipt-{filled.block}.txt" == download.value.suggested_filename


def test_an_images_receipt_leads_here_and_a_print_is_looked_up(
    page: Page, console: RunningConsole, filled: Filled
) -> None:
    """From the live page to the proof; by trace id to every entry about the print."""
    page.goto(address(console, filled.capture_id))
    page.get_by_role("link", name=f"Image, entry {filled.block}").click()
    expect(page.get_by_text("Proved: the log holds exactly this entry.")).to_be_visible()
    page.get_by_label("Number, trace id or image id").fill(filled.capture_id.replace("-", ""))
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_text("2 entries", exact=True).first).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_label("Number, trace id or image id").fill("0" * 32)
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_text("Nothing in the ledger has this id.")).to_be_visible()


def test_a_kept_receipt_is_checked_and_an_altered_one_is_found(
    page: Page, filled: Filled, tmp_path: Path
) -> None:
    """A file that a person kept: proved as it is; with one letter changed it says at which step it fails."""
    good, bad = tmp_path / "receipt.txt", tmp_path / "altered.txt"
    page.goto(f"/ledger?entry={filled.model}")
    with page.expect_download() as download:
        page.get_by_role("region", name="Entry").get_by_role("link", name="Receipt").click()
    download.value.save_as(good)
    text = good.read_text()
    bad.write_text(text.replace(f"index {filled.model}", f"index {filled.model - 1}"))
    chooser = page.locator("input[type=file]")
    chooser.set_input_files(good)
    verdict = page.get_by_role("region", name="Check of the receipt").get_by_role("status")
    expect(verdict).to_have_text("Proved: the log holds exactly this entry.")
    chooser.set_input_files(bad)
    expect(verdict).to_have_text("Not proved. Something is not as it should be.")
    expect(page.get_by_text("The entry is not the one that the log holds at this place.")).to_be_visible()


def test_a_log_that_grew_is_proved_and_one_made_anew_is_found(
    page: Page, console: RunningConsole, filled: Filled
) -> None:
    """The first visit keeps the checkpoint; a later one proves the growth; a checkpoint of another history is told."""
    page.goto("/ledger")
    expect(page.get_by_text("First visit with this browser")).to_be_visible()
    console.do(console.world.result(23, Verdict()))
    page.reload()
    growth = page.get_by_role("region", name="Since your last visit")
    expect(growth.get_by_role("status")).to_have_text("The log only grew.")
    log = Signer("test.example/log", load_key(console.world.services.ledger_dir.parent / "log.key"))
    forged = log.sign("test.example/log\n2\n" + "A" * 43 + "=\n").decode()
    page.evaluate("kept => localStorage.setItem('sonorelay.ledger.seen.test.example/log', kept)", forged)
    page.reload()
    expect(growth.get_by_role("status")).to_have_text("Not proved. Something is not as it should be.")
    expect(growth).to_contain_text("It was rewritten.")
    # What was found wrong is not covered up by the next visit.
    page.reload()
    expect(growth).to_contain_text("It was rewritten.")


def test_a_pinned_key_decides(page: Page, filled: Filled) -> None:
    """With another key pinned nothing of this log is good, whatever the server says; forgotten, it is again."""
    page.goto(f"/ledger?entry={filled.block}")
    expect(page.get_by_text("Proved: the log holds exactly this entry.")).to_be_visible()
    other = Signer("test.example/log", Ed25519PrivateKey.generate()).verifier
    page.get_by_label("Verifier key of the site").fill(str(other))
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("another key than the one that you pinned")
    check = page.get_by_role("region", name="Check of the receipt")
    expect(check).to_contain_text("This key did not sign it")
    page.get_by_role("button", name="Forget the pinned key").click()
    expect(page.get_by_text("Proved: the log holds exactly this entry.")).to_be_visible()


def test_a_browser_that_cannot_check_says_so(page: Page, filled: Filled) -> None:
    """Without Ed25519 nothing is called good."""
    page.add_init_script("crypto.subtle.generateKey = () => Promise.reject(new Error('no'))")
    page.goto(f"/ledger?entry={filled.block}")
    expect(page.get_by_role("alert")).to_contain_text("cannot check Ed25519")
    expect(page.get_by_role("heading", name=f"Entry {filled.block}")).to_be_visible()
    expect(page.get_by_text("Proved")).to_have_count(0)


def test_it_sees_the_ledger_too(stranger: Page, console: RunningConsole, filled: Filled) -> None:
    """Its entries hold no patient data: who keeps the machines may check them."""
    sign_in(stranger, console, Role.IT)
    stranger.goto(f"/ledger?entry={filled.block}")
    expect(stranger.get_by_text("Proved: the log holds exactly this entry.")).to_be_visible()
