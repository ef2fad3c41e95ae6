"""The whole way of one image, all thirteen steps, by real processes."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from cloud.ledger import verify
from cloud.line import STEPS as CLOUD_STEPS
from deploy.local.console_client import READ, Item, steps_ms
from edge_agent.line import STEPS as EDGE_STEPS
from sonorelay.contract import blocks, notes
from sonorelay.contract.digest import trace_id
from tests.line_machine import Line, wait_for, watching

FORMATS = ("png", "jpeg", "bmp", "tiff", "pdf", "dicom")


@pytest.mark.req("READ-01")
@pytest.mark.req("READ-03")
@pytest.mark.req("READ-04")
@pytest.mark.req("READ-09")
@pytest.mark.req("TX-08")
@pytest.mark.req("BEY-03")
def test_a_print_of_every_format_goes_through_all_thirteen_steps(tmp_path: Path) -> None:
    """PRINT is all that is done: each file is seen coming, read, shown, receipted; the raw bytes are gone."""
    with Line(tmp_path) as line:
        line.cloud()
        with watching(line.client) as seen:
            line.agent()
            printed = line.print(len(FORMATS), FORMATS, seed=8)
            items = line.finals(len(FORMATS))
            captures = {capture["capture_id"]: capture for capture in line.agent_done(len(FORMATS))}
        states = {item["capture_id"]: [i["status"] for _, i in seen if i["capture_id"] == item["capture_id"]]
                  for item in items}  # fmt: skip
        names = {step.name for step in (*EDGE_STEPS, *CLOUD_STEPS)}
        digests = {one.sha256: one for one in printed}
        for item in items:
            assert item["status"] in READ, item["reason"]
            assert states[item["capture_id"]][0] == "incoming"
            assert trace_id(item["capture_id"]) == item["trace_id"]
            capture = captures[item["capture_id"]]
            assert capture["state"] == "done"
            assert capture["sha256"] in digests
            # The browser alone knows when a person saw it, and pre-notify runs beside the others.
            assert names - {"console", "pre-notify", "publish", "upload"} <= set(steps_ms(item))
            _check_receipts(line, item)
        assert [] == list(line.prints.iterdir())
        line.state().check_exactly_once(len(FORMATS))
        _check_logs(line, [one.name for one in printed], [one.patient_id for one in printed])
        wait_for(
            lambda: not any((tmp_path / "agent" / "raw").rglob("*.*")), "the raw copies to be shredded", line
        )
    assert 0 == verify.main(["--log", str(tmp_path / "cloud" / "ledger"), "--log-key", line.log_key])


def _check_receipts(line: Line, item: Item) -> None:
    """Each image's part has a receipt at the console and at the agent; both prove the device's own block."""
    log = notes.Verifier.parse(line.log_key)
    for image in item["images"]:
        part = image["part_index"]
        held = (line.data / "agent" / "receipts" / f"{item['capture_id']}.{part}.txt").read_bytes()
        shown = line.client.get(f"/api/captures/{item['capture_id']}/receipts/{part}.txt")
        entry = line.entry(image["ledger_index"])
        for receipt in (held, shown):
            proof = notes.Proof.parse(receipt)
            assert image["ledger_index"] == proof.index
            proof.verify(entry, log)
        block = blocks.Block.open(entry, line.device_key("room-1"))
        assert item["capture_id"] == block.capture_id
        still = line.client.get(f"/api/images/{image['image_id']}/still.png")
        if image["source_format"] != "dicom":
            assert image["sha256"] == hashlib.sha256(still).hexdigest()


def _check_logs(line: Line, names: list[str], patients: list[str]) -> None:
    """No file name and no patient number stands in a log or in the cloud's database."""
    places = [line.logs / "cloud.log", line.logs / "agent.log", line.data / "cloud" / "state.db"]
    for place in places:
        content = place.read_bytes()
        for word in (*names, *patients):
            assert word.encode() not in content, f"{word} in {place.name}"


@pytest.mark.req("TX-03")
def test_what_cannot_be_read_is_refused_with_a_reason_and_the_agent_goes_on(tmp_path: Path) -> None:
    """Bad files land in quarantine with a reason and show on the console; a good print after them is read."""
    with Line(tmp_path) as line:
        line.cloud()
        line.agent()
        bad = {
            "empty.png": b"",
            "foreign.png": b"\x7fELF" + bytes(5000),
            "cut.png": line.png_bytes()[:20_000],
            "words.txt": b"not an image at all\n" * 50,
        }
        for name, content in bad.items():
            aside = line.prints / f".{name}.tmp"
            aside.write_bytes(content)
            aside.rename(line.prints / name)
        line.print(1)
        captures = line.agent_done(len(bad) + 1, timeout_s=100)
        reasons = {c["source_name"]: c["reason"] for c in captures if c["state"] == "refused"}
        assert set(bad) == set(reasons)
        assert all(reasons.values())
        items = line.finals(len(bad) + 1)
        assert 1 == sum(item["status"] in READ for item in items)
        quarantined = [p for p in (tmp_path / "agent" / "quarantine").rglob("*") if p.is_file()]
        kept = {hashlib.sha256(path.read_bytes()).hexdigest() for path in quarantined}
        for name in ("foreign.png", "cut.png", "words.txt"):
            assert hashlib.sha256(bad[name]).hexdigest() in kept
        with sqlite3.connect(tmp_path / "cloud" / "state.db") as db:
            assert 1 == db.execute("select count(*) from image").fetchone()[0]
        db.close()
