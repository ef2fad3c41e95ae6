"""A capture's way into the cloud: pre-notify, open, put, commit; and every repeat of a call."""

from __future__ import annotations

import os
from typing import Any

import grpc
import pytest

from cloud.db.sqlite import SqliteDatabase
from cloud.items import CaptureState
from cloud.publish.worklist import WorkItem, read_item
from sonorelay.ingest.v1 import ingest_service_pb2 as pb


def item(running: Any, capture_id: str) -> WorkItem:
    """The capture as the console would show it, read beside the running server."""
    database = SqliteDatabase(running.config.data_dir / "state.db")
    try:
        with database.begin() as tx:
            found = read_item(tx, capture_id)
    finally:
        database.close()
    assert found is not None
    return found


@pytest.mark.req("TX-08")
async def test_capture_is_delivered_and_its_receipt_verifies(running: Any, agent: Any) -> None:
    """Announced, it is incoming; committed, it is analysing, with every image and a receipt that verifies."""
    made = agent.capture(os.urandom(300_000), os.urandom(1000))
    notified = await agent.notify(made)
    assert notified.slot == 1
    assert item(running, made.capture_id).state is CaptureState.INCOMING
    committed = await agent.deliver(made)
    assert agent.check_receipts(made, committed) == [0]
    shown = item(running, made.capture_id)
    assert shown.state is CaptureState.ANALYSING
    assert [image.image_id for image in shown.images] == made.parts[0].image_ids
    assert {"capture", "upload", "verify", "store"} <= set(shown.steps_ms)


async def test_every_call_can_be_repeated(running: Any, agent: Any) -> None:
    """A repeat of each call gives the same slot, session and indices, and there is one of everything."""
    made = agent.capture(os.urandom(1000))
    first = [await agent.notify(made) for _ in range(3)]
    assert {1} == {response.slot for response in first}
    opened = [await agent.open(made) for _ in range(3)]
    assert [1, 2, 3] == [response.fencing_token for response in opened]
    assert len({response.session_id for response in opened}) == 1
    for _ in range(2):
        await agent.put(agent.fragments(made, opened[-1]))
    commits = [await agent.commit(opened[-1]) for _ in range(3)]
    assert [[0]] * 3 == [agent.check_receipts(made, each) for each in commits]
    again = await agent.open(made)
    assert again.committed
    assert not again.missing
    assert agent.check_receipts(made, await agent.commit(again)) == [0]
    assert len(item(running, made.capture_id).images) == 1


async def test_several_parts_have_a_receipt_each(agent: Any, make_sub_file: Any, small_capture: Any) -> None:
    """Each part's block is an entry of its own, and large parts come in several shards."""
    made = small_capture()
    for image_type, size in (("brain", 700_000), ("femur", 10)):
        agent.add_part(made, *make_sub_file(image_type, [os.urandom(size)]), image_type, 1)
    committed = await agent.deliver(made)
    assert agent.check_receipts(made, committed) == [0, 1]


@pytest.mark.req("TX-04")
async def test_an_unsorted_part_is_taken_as_any_other(running: Any, agent: Any) -> None:
    """A part without a sure type is stored, has a receipt, and waits to be read."""
    made = agent.capture(os.urandom(1000), image_type="unsorted")
    assert agent.check_receipts(made, await agent.deliver(made)) == [0]
    shown = item(running, made.capture_id)
    assert shown.state is CaptureState.ANALYSING
    assert ["unsorted"] == [image.image_type for image in shown.images]


async def test_upload_without_first_word_gets_its_slot(running: Any, agent: Any) -> None:
    """A pre-notification may come after the upload: it fills in what it knows, never sets the state back."""
    made = agent.capture(os.urandom(1000))
    await agent.deliver(made)
    notified = await agent.notify(made)
    shown = item(running, made.capture_id)
    assert shown.slot == notified.slot == 1
    assert shown.state is CaptureState.ANALYSING
    assert shown.size_bytes == len(made.parts[0].data)


@pytest.mark.parametrize(
    ("field", "value"), [("size_bytes", 5), ("request_id", "00000000-0000-4000-8000-00000000000a")]
)
async def test_same_capture_with_other_words_is_refused(
    agent: Any, refused: Any, field: str, value: Any
) -> None:
    """The same capture announced with other words, or under another request, is REQUEST_ID_REUSED."""
    made = agent.capture(b"x")
    await agent.notify(made)
    request = agent.notification(made)
    setattr(request, field, value)
    answer = await refused(agent.ingest.PreNotify(request, timeout=5))
    assert answer.reason == "REQUEST_ID_REUSED"
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_same_request_for_another_capture_is_refused(agent: Any, refused: Any) -> None:
    """A request id names one capture of a device."""
    made, other = agent.capture(b"x"), agent.capture(b"x")
    other.request_id = made.request_id
    await agent.notify(made)
    answer = await refused(agent.notify(other))
    assert answer.reason == "REQUEST_ID_REUSED"


async def test_capture_opened_with_other_parts_is_refused(agent: Any, refused: Any) -> None:
    """What a session will hold is fixed by its first opening."""
    made, other = agent.capture(b"x"), agent.capture(b"y")
    other.capture_id = made.capture_id
    other.parts.clear()
    rebuilt = agent.capture(b"y")
    agent.add_part(other, rebuilt.parts[0].image_ids, rebuilt.parts[0].data, "brain", 1)
    await agent.open(made)
    assert (await refused(agent.open(other))).reason == "REQUEST_ID_REUSED"


async def test_key_is_pinned_at_first_word(running: Any, agent: Any, refused: Any) -> None:
    """A device that comes back with another key is not known; one revoked is told so."""
    await agent.notify(agent.capture(b"x"))
    stranger = running.agent()
    answer = await refused(stranger.notify(stranger.capture(b"x")))
    assert (answer.code, answer.reason) == (grpc.StatusCode.PERMISSION_DENIED, "DEVICE_UNKNOWN")
    answer = await refused(stranger.open(stranger.capture(b"x")))
    assert answer.reason == "DEVICE_UNKNOWN"


async def test_capture_of_another_device_is_refused(running: Any, agent: Any, refused: Any) -> None:
    """A capture belongs to the device that named it first."""
    made = agent.capture(b"x")
    await agent.notify(made)
    other = running.agent("room-2")
    theirs = other.capture(b"x")
    theirs.capture_id = made.capture_id
    assert (await refused(other.notify(theirs))).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(("held", "state"), [(False, CaptureState.REFUSED), (True, CaptureState.HELD)])
async def test_withdrawn_capture_shows_its_reason(
    running: Any, agent: Any, held: bool, state: CaptureState
) -> None:
    """Refused or held, with the reason; released later, it comes all the same."""
    made = agent.capture(os.urandom(100))
    await agent.notify(made)
    request = pb.WithdrawRequest(
        device_id=agent.device_id, capture_id=made.capture_id, reason="NOT_ULTRASOUND", held=held
    )
    for _ in range(2):
        await agent.ingest.Withdraw(request, timeout=5)
    shown = item(running, made.capture_id)
    assert (shown.state, shown.reason) == (state, "NOT_ULTRASOUND")
    agent.check_receipts(made, await agent.deliver(made))
    await agent.ingest.Withdraw(request, timeout=5)
    assert item(running, made.capture_id).state is CaptureState.ANALYSING


async def test_withdrawal_may_overtake_the_first_word(running: Any, agent: Any, refused: Any) -> None:
    """A known device's withdrawal makes the slot; the late first word leaves its state alone."""
    await agent.notify(agent.capture(b"x"))
    made = agent.capture(b"x")
    request = pb.WithdrawRequest(device_id=agent.device_id, capture_id=made.capture_id, reason="BLANK")
    await agent.ingest.Withdraw(request, timeout=5)
    await agent.notify(made)
    assert item(running, made.capture_id).state is CaptureState.REFUSED
    request.reason = "BECAUSE"
    assert (await refused(agent.ingest.Withdraw(request, timeout=5))).reason == "MANIFEST_INVALID"
    request.device_id = "room-9"
    request.reason = "BLANK"
    assert (await refused(agent.ingest.Withdraw(request, timeout=5))).reason == "DEVICE_UNKNOWN"
