"""Step 13: the ledger's proofs as the browser checks them: golden vectors, every altered bit, a log that grew."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Page

from sonorelay.contract import merkle, notes
from tests.browser.ledger_modules import ledger_script
from tests.cloud.console.running import RunningConsole

pytestmark = pytest.mark.browser

VECTORS = json.loads((Path(__file__).parents[2] / "protos/vectors/block_and_receipt.json").read_text())
LOG = notes.Signer("test.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

CHECK = """
async ([receipt, entry, key, signer]) =>
  (await ledger.verify.checkReceipt(
    ledger.bytes.fromBase64(receipt), ledger.bytes.fromBase64(entry), key, signer ?? undefined,
  )).map(({ name, state, problem }) => [name, state, problem ?? null])
"""
FLIPS = """
async ([receipt, entry, key, signer]) => {
  const { bytes, verify } = ledger;
  const text = (raw) => Array.from(raw, (byte) => String.fromCharCode(byte)).join('');
  const check = (all) => verify.checkReceipt(all.receipt, all.entry, text(all.key), text(all.signer));
  const [key_, signer_] = [bytes.utf8(key), bytes.utf8(signer)];
  const given = { receipt: bytes.fromBase64(receipt), entry: bytes.fromBase64(entry), key: key_, signer: signer_ };
  const unseen = [];
  const sound = await check(given);
  if (verify.verdict(sound) !== 'proved') unseen.push(['unaltered', sound]);
  for (const [name, whole] of Object.entries(given))
    for (let place = 0; place < whole.length; place += 1)
      for (let bit = 0; bit < 8; bit += 1) {
        const altered = { ...given, [name]: whole.slice() };
        altered[name][place] ^= 1 << bit;
        if (verify.verdict(await check(altered)) !== 'failed') unseen.push([name, place, bit]);
      }
  return unseen;
}
"""
GROWTH = """
async ([seen, now, key, hashes]) =>
  (await ledger.verify.checkGrowth(seen, now, key, async () => hashes))
    .map(({ name, state, problem }) => [name, state, problem ?? null])
"""


def b64(data: bytes) -> str:
    """As the page's modules read bytes."""
    return base64.b64encode(data).decode()


def given(**changes: Any) -> list[str | None]:
    """Receipt, entry, the log's key and the device's key of the golden vectors, some of them others."""
    values = {
        "receipt": b64(VECTORS["receipt"].encode()),
        "entry": b64(VECTORS["block"].encode()),
        "key": VECTORS["log_verifier_key"],
        "signer": VECTORS["device_verifier_key"],
        **changes,
    }
    return list(values.values())


@pytest.fixture
def modules(stranger: Page, console: RunningConsole) -> Page:
    """A page of the console with the modules in it: WebCrypto is there only on a page of this machine or https."""
    stranger.goto("/login")
    stranger.evaluate(ledger_script())
    return stranger


@pytest.mark.req("TX-07")
def test_the_golden_vectors_hold(modules: Page) -> None:
    """Every step of the vectors' receipt is good, with the device's signature and without knowing it."""
    names = ["key", "receipt", "signature", "origin", "leaf", "inclusion", "own"]
    assert [[name, "good", None] for name in names] == modules.evaluate(CHECK, given())
    unknown = modules.evaluate(CHECK, given(signer=None))
    assert ["own", "skipped", "signerUnknown"] == unknown[-1]
    assert all(state == "good" for _, state, _ in unknown[:-1])


@pytest.mark.req("TX-07")
def test_every_altered_bit_is_found(modules: Page) -> None:
    """Whichever bit of receipt, entry, log's key or device's key is altered: the check fails, none is passed over."""
    assert [] == modules.evaluate(FLIPS, given())


def test_another_receipt_key_or_entry_fails_at_its_step(modules: Page) -> None:
    """The first step that does not hold is named, and what would stand on it is not checked."""
    other = str(LOG.verifier)
    cases = {
        ("signature", "notSigned"): given(key=other),
        ("inclusion", "notIncluded"): given(entry=VECTORS["entries"][0]),
        ("own", "notOwn"): given(signer=other),
        ("receipt", "receiptForm"): given(receipt=b64(b"a letter\n")),
        ("key", "keyForm"): given(key="a key"),
    }
    for (name, problem), values in cases.items():
        steps = modules.evaluate(CHECK, values)
        failed = next(place for place, step in enumerate(steps) if step[1] == "bad")
        assert [name, "bad", problem] == steps[failed]
        assert all(state in ("skipped", "bad") for _, state, _ in steps[failed:]), steps


def test_a_line_that_nothing_covers_is_refused(modules: Page) -> None:
    """tlog-proof allows an `extra` line outside every signature: a receipt of this project has none."""
    extra = VECTORS["receipt"].replace("index 1\n", "extra AAAA\nindex 1\n")
    steps = modules.evaluate(CHECK, given(receipt=b64(extra.encode())))
    assert ["receipt", "bad", "receiptForm"] == steps[1]


def log_of(entries: list[bytes], signer: notes.Signer = LOG) -> tuple[str, list[bytes]]:
    """Signed checkpoint and leaf hashes of a log."""
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    root = merkle.root_of_hashes(leaves)
    text = notes.Checkpoint(origin=LOG.verifier.name, size=len(entries), root=root).text()
    return signer.sign(text).decode(), leaves


def test_every_growth_up_to_twelve_entries_is_proved(modules: Page) -> None:
    """Each pair of sizes, with the proof as the server makes it; with one hash altered or left out it fails."""
    entries = [f"entry {n}".encode() for n in range(12)]
    key = str(LOG.verifier)
    for new in range(1, 13):
        now, leaves = log_of(entries[:new])
        for old in range(0, new + 1):
            seen, _ = log_of(entries[:old])
            path = merkle.consistency_path(
                old, new, lambda lo, hi, leaves=leaves: merkle.root_of_hashes(leaves[lo:hi])
            )
            hashes = [b64(each) for each in path]
            steps = modules.evaluate(GROWTH, [seen, now, key, hashes])
            assert all(state == "good" for _, state, _ in steps), (old, new, steps)
            for place in range(len(path)):
                short = hashes[:place] + hashes[place + 1 :]
                altered = [*hashes[:place], b64(bytes(32)), *hashes[place + 1 :]]
                for wrong in (short, altered):
                    steps = modules.evaluate(GROWTH, [seen, now, key, wrong])
                    assert ["growth", "bad", "rewritten"] == steps[-1], (old, new)


def test_a_log_that_was_made_anew_is_found(modules: Page) -> None:
    """Fewer entries, other entries of the same number, a checkpoint of another key: each is said."""
    key = str(LOG.verifier)
    seen, _ = log_of([b"a", b"b", b"c"])
    shorter, _ = log_of([b"a", b"b"])
    other, _ = log_of([b"a", b"b", b"x"])
    foreign, _ = log_of([b"a", b"b", b"c"], notes.Signer(LOG.verifier.name, Ed25519PrivateKey.generate()))
    for now, step in (
        (shorter, ["growth", "bad", "shrunk"]),
        (other, ["growth", "bad", "rewritten"]),
        (foreign, ["checkpoint", "bad", "notSigned"]),
    ):
        assert step in modules.evaluate(GROWTH, [seen, now, key, []])
