"""Step 13: the ledger over HTTP: pages of entries, receipts of any of them, proofs of growth, what it never says."""

from __future__ import annotations

import base64

import pytest

from cloud.ledger.entries import UNKNOWN, entry_text
from sonorelay.contract.merkle import consistency_holds
from sonorelay.contract.notes import Checkpoint, Proof, Verifier, open_note
from tests.cloud.console.conftest import Get
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict


@pytest.fixture
def prints(console: RunningConsole) -> list[str]:
    """Three prints with results: six entries; the prints' ids."""
    return [console.do(console.world.result(seed, Verdict())) for seed in (22, 23, 24)]


def test_pages_reach_every_entry_once(get: Get, prints: list[str]) -> None:
    """Newest first, page after page, without a gap and without a repeat."""
    found, before = [], ""
    while True:
        page = get(f"/api/ledger/entries?limit=4{before}").json
        found += [entry["index"] for entry in page["entries"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert [5, 4, 3, 2, 1, 0] == found
    assert {"entries": [], "next_before": None} == get("/api/ledger/entries?before=0").json


@pytest.mark.req("TX-07")
def test_any_entry_comes_with_its_receipt_and_bytes(get: Get, prints: list[str]) -> None:
    """Receipt and bytes prove each other with the log's key alone."""
    log = Verifier.parse(get("/api/ledger").json["verifier_key"])
    for index in range(6):
        receipt, entry = (get(f"/api/ledger/entries/{index}/{part}") for part in ("receipt", "bytes"))
        proof = Proof.parse(receipt.body)
        assert index == proof.index
        assert 6 == proof.verify(entry.body, log).size
        assert f'attachment; filename="receipt-{index}.txt"' == receipt.headers["content-disposition"]
        shown = get(f"/api/ledger/entries/{index}").json
        assert entry.body.decode() == shown["text"]
    for part in ("", "/receipt", "/bytes"):
        assert 404 == get(f"/api/ledger/entries/6{part}").status


def test_growth_is_proved(console: RunningConsole, get: Get, prints: list[str]) -> None:
    """Between two checkpoints the proof holds; for a size that the log never had there is none."""
    log = console.world.services.ledger.verifier
    older = Checkpoint.parse(open_note(get("/api/ledger").json["checkpoint"].encode(), [log])[0])
    console.do(console.world.result(25, Verdict()))
    newer = Checkpoint.parse(open_note(get("/api/ledger").json["checkpoint"].encode(), [log])[0])
    sizes = f"old_size={older.size}&new_size={newer.size}"
    hashes = [base64.b64decode(each) for each in get(f"/api/ledger/consistency?{sizes}").json["hashes"]]
    assert consistency_holds(older.size, older.root, newer.size, newer.root, hashes)
    for sizes in ("old_size=6&new_size=9", "old_size=7&new_size=6"):
        assert 404 == get(f"/api/ledger/consistency?{sizes}").status


def test_a_print_and_an_image_are_found(get: Get, prints: list[str]) -> None:
    """By the print's id or its trace id, and by an image's; an id that nobody has is in no entry."""
    image = get(f"/api/captures/{prints[1]}").json["images"][0]
    places = [image["ledger_index"], image["result_ledger_index"]]
    for object_id in (prints[1], prints[1].replace("-", ""), image["image_id"]):
        assert {"indices": places} == get(f"/api/ledger/places?object_id={object_id}").json
    assert {"indices": []} == get(f"/api/ledger/places?object_id={'0' * 32}").json


@pytest.mark.parametrize(
    ("entry", "kind", "by", "signer"),
    [
        (b"sonorelay.org/block@v1\ndevice room-3\n\n\xe2\x80\x94 room-3 AAAA\n", "block", "room-3", "room-3"),
        (b"sonorelay.org/model@v1\nactor user:li.wei\ntime soon\n", "model", "user:li.wei", None),
        (b"sonorelay.org/tomorrow@v7\nx y\n", "tomorrow", None, None),
        (b"example.org/block@v1\ndevice room-3\n", UNKNOWN, None, None),
        (b"\xff\xfe", UNKNOWN, None, None),
        (b"\n\n\n", UNKNOWN, None, None),
    ],
)
def test_entries_of_any_form_are_shown(entry: bytes, kind: str, by: str | None, signer: str | None) -> None:
    """Kinds that come later are named, strange bytes are no error, and what cannot be read says nothing."""
    text = entry_text(7, entry)
    assert (7, kind, by, signer, None) == (text.index, text.kind, text.by, text.signer, text.time)
