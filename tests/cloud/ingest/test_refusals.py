"""What the cloud does not accept, in the contract's words; and that no error's text gets out."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from cloud.db.sqlite import SqliteDatabase
from cloud.errors import CallRefused, LedgerBusy, RetryLater, StoreFull
from cloud.ingest.guard import refusal, status
from cloud.ledger.file_log import FileLedger
from sonorelay.contract.reasons import WIRE_RULES, WireReason
from sonorelay.ingest.v1 import ingest_service_pb2 as pb

SECRET = "MUSTERMANN^ERIKA"


def _no_parts(request: pb.OpenUploadRequest) -> None:
    del request.parts[:]


def _twice(request: pb.OpenUploadRequest) -> None:
    request.parts.append(request.parts[0])


def _field(name: str, value: Any) -> Callable[[pb.OpenUploadRequest], None]:
    def change(request: pb.OpenUploadRequest) -> None:
        setattr(request.parts[0], name, value)

    change.__name__ = f"{name}={value!r}"[:40]
    return change


def _short_digest(request: pb.OpenUploadRequest) -> None:
    request.parts[0].shard_sha256[0] = b"short"


@pytest.mark.parametrize(
    "change",
    [
        _no_parts,
        _twice,
        _short_digest,
        _field("part_index", 1),
        _field("image_type", "cat"),
        _field("image_type", "femur"),
        _field("image_count", 0),
        _field("image_count", 2),
        _field("size_bytes", 0),
        _field("size_bytes", 5),
        _field("shard_size_bytes", 65536),
        _field("root", bytes(32)),
        _field("block", b"not a note"),
        _field("priority", 9),
    ],
    ids=lambda change: change.__name__,
)
async def test_manifest_is_checked_completely(
    agent: Any, refused: Any, change: Callable[[pb.OpenUploadRequest], None]
) -> None:
    """Whatever contradicts the contract or the signed block is MANIFEST_INVALID, before anything is kept."""
    made = agent.capture(os.urandom(1000))
    request = agent.opening(made)
    change(request)
    answer = await refused(agent.ingest.OpenUpload(request, timeout=5))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MANIFEST_INVALID")
    assert not (await agent.open(made)).committed


async def test_part_over_the_limit_is_too_large(agent: Any, refused: Any) -> None:
    """A part larger than the contract allows is IMAGE_TOO_LARGE."""
    request = agent.opening(agent.capture(b"x"))
    request.parts[0].size_bytes = 2**40
    assert (await refused(agent.ingest.OpenUpload(request, timeout=5))).reason == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": bytes(32)}, "MANIFEST_INVALID"),
        ({"image_id": "not-a-uuid"}, "MANIFEST_INVALID"),
        ({"media_type": "text/html"}, "MANIFEST_INVALID"),
        ({"offset_bytes": 3}, "MANIFEST_INVALID"),
        ({"width_px": 0}, "MANIFEST_INVALID"),
        ({"mm_per_pixel": float("nan")}, "MANIFEST_INVALID"),
        ({"mm_per_pixel": 0.2}, "MANIFEST_INVALID"),
        ({"width_px": 100_000, "height_px": 100_000}, "IMAGE_TOO_LARGE"),
        ({"frame_count": 6000}, "IMAGE_TOO_LARGE"),
    ],
    ids=str,
)
async def test_sub_file_is_verified_at_commit(
    agent: Any, refused: Any, changes: dict[str, Any], reason: str
) -> None:
    """An index that does not fit, or an image without its digest, is refused at commit; nothing is kept."""
    made = agent.capture(os.urandom(1000), **changes)
    opened = await agent.open(made)
    await agent.put(agent.fragments(made, opened))
    assert (await refused(agent.commit(opened))).reason == reason
    assert not (await agent.open(made)).committed


@pytest.mark.parametrize("data", [b"x", b"SRSUB1\r\n\xff\xff\xff\xff", b"SRSUB1\r\n\0\0\0\5abcde"], ids=repr)
async def test_bytes_that_are_no_sub_file_are_refused(
    agent: Any, refused: Any, small_capture: Any, data: bytes
) -> None:
    """Bytes of any kind are MANIFEST_INVALID, never an internal error."""
    made = small_capture()
    agent.add_part(made, [], data, "brain", 1)
    opened = await agent.open(made)
    await agent.put(agent.fragments(made, opened))
    assert (await refused(agent.commit(opened))).reason == "MANIFEST_INVALID"


async def test_image_id_of_another_capture_is_refused(
    agent: Any, refused: Any, make_sub_file: Any, small_capture: Any
) -> None:
    """An image id names one image for ever."""
    ids, data = make_sub_file("brain", [b"one"])
    first, second = small_capture(), small_capture()
    agent.add_part(first, ids, data, "brain", 1)
    agent.add_part(second, ids, data, "brain", 1)
    await agent.deliver(first)
    assert (await refused(agent.deliver(second))).reason == "MANIFEST_INVALID"


async def test_unary_call_without_deadline_is_refused(agent: Any, refused: Any) -> None:
    """A call that could wait for ever is not begun."""
    answer = await refused(agent.ingest.PreNotify(agent.notification(agent.capture(b"x"))))
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "deadline" in answer.message


async def test_unexpected_error_says_nothing_but_its_trace(
    running: Any, agent: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither answer nor log holds the text of an unexpected error; both hold the trace id."""
    made = agent.capture(b"x")

    def fail(*_: Any) -> None:
        raise KeyError(SECRET)

    with monkeypatch.context() as patch:
        patch.setattr(FileLedger, "append", fail)
        answer = await refused(agent.deliver(made))
    assert answer.code is grpc.StatusCode.INTERNAL
    assert answer.message.startswith("internal error, trace ")
    assert answer.reason is None
    assert answer.message.split()[-1] in running.logged.getvalue()
    assert SECRET not in answer.message + running.logged.getvalue()
    agent.check_receipts(made, await agent.deliver(made))


@pytest.mark.parametrize("after", [False, True], ids=["failed, not done", "done, answer lost"])
async def test_database_that_fails_once_is_survived(
    agent: Any, refused: Any, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """A commit whose transaction fails, or whose answer is lost, is repeated: one entry, the same index."""
    made = agent.capture(os.urandom(500))
    opened = await agent.open(made)
    await agent.put(agent.fragments(made, opened))
    write = SqliteDatabase.write

    async def broken(self: SqliteDatabase, work: Any) -> Any:
        if after:
            await write(self, work)
        raise RetryLater("busy", 0.25)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteDatabase, "write", broken)
        answer = await refused(agent.commit(opened))
    assert (answer.reason, answer.retry_s) == ("STORE_FULL", 0.25)
    assert [0] == agent.check_receipts(made, await agent.commit(opened))
    other = agent.capture(os.urandom(500))
    assert [1] == agent.check_receipts(other, await agent.deliver(other))


@pytest.mark.parametrize("after", [False, True], ids=["failed, not done", "done, answer lost"])
async def test_ledger_that_fails_once_is_survived(
    agent: Any, refused: Any, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """A busy ledger undoes the whole commit; repeated, the block is in the log once."""
    made = agent.capture(os.urandom(500))
    opened = await agent.open(made)
    await agent.put(agent.fragments(made, opened))
    append = FileLedger.append

    def broken(self: FileLedger, tx: Any, entries: Any) -> Any:
        if after:
            append(self, tx, entries)
        raise LedgerBusy("moved", 0.05)

    with monkeypatch.context() as patch:
        patch.setattr(FileLedger, "append", broken)
        answer = await refused(agent.commit(opened))
    assert (answer.code, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "LEDGER_BUSY")
    assert [0] == agent.check_receipts(made, await agent.commit(opened))


@pytest.mark.parametrize("reason", WireReason)
def test_every_reason_has_a_status(reason: WireReason) -> None:
    """Each reason of the contract becomes a status with a gRPC code that exists."""
    answer = status(CallRefused(reason, "why", 1.5))
    assert answer.code == grpc.StatusCode[WIRE_RULES[reason].code].value[0]
    assert len(answer.details) == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreFull("x", 1), WireReason.STORE_FULL),
        (LedgerBusy("x", 1), WireReason.LEDGER_BUSY),
        (RetryLater("x", 1), WireReason.STORE_FULL),
        (ValueError("x"), None),
    ],
)
def test_errors_are_translated_once(error: Exception, reason: WireReason | None) -> None:
    """Each error that waiting mends has its reason; an unexpected one has none."""
    meant = refusal(error)
    assert (meant.reason if meant else None) == reason
