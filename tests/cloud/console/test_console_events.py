"""Step 13: the stream of changes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from cloud.items import CaptureState
from sonorelay.contract.reasons import EdgeReason
from tests.cloud.console.running import RunningConsole


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the stream."""

    fields: dict[str, str]
    """event, id, data, retry; a comment under the empty name."""

    @property
    def item(self) -> Any:
        """The capture that it carries."""
        return json.loads(self.fields["data"])


class Stream:
    """Reads a stream message by message."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def __next__(self) -> Message:
        fields: dict[str, str] = {}
        while line := self._response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        return Message(fields=fields)

    def change(self) -> Message:
        """The next message that is a change of a capture."""
        return self.named("capture")

    def named(self, *names: str) -> Message:
        """The next message of one of these kinds."""
        while (message := next(self)).fields.get("event") not in names:
            pass
        return message


@contextmanager
def events(console: RunningConsole, last_event_id: str | None = None) -> Iterator[Stream]:
    """An open stream, after its greeting."""
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=10)
    headers = {"Authorization": f"Bearer {console.token}"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    connection.request("GET", "/api/events", headers=headers)
    response = connection.getresponse()
    assert response.getheader("content-type", "").startswith("text/event-stream")
    stream = Stream(response)
    assert "1000" == next(stream).fields["retry"]
    yield stream
    connection.close()


@pytest.mark.req("READ-09")
def test_a_change_comes_whole_and_in_order(console: RunningConsole) -> None:
    """Each message carries the capture as it is, under a growing id."""
    with events(console) as stream:
        first = console.do(console.world.announce())
        one = stream.change()
        second = console.do(console.world.announce())
        two = stream.change()
    assert [(first, "incoming"), (second, "incoming")] == [
        (each.item["capture_id"], each.item["status"]) for each in (one, two)
    ]
    assert int(one.fields["id"]) < int(two.fields["id"])


def test_a_reader_that_was_away_misses_nothing(console: RunningConsole) -> None:
    """With Last-Event-ID the stream goes on right behind it, oldest first."""
    world = console.world
    with events(console) as stream:
        console.do(world.announce())
        seen = stream.change().fields["id"]
    missed = [console.do(world.announce()) for _ in range(3)]
    with events(console, seen) as stream:
        assert missed == [stream.change().item["capture_id"] for _ in missed]


def test_several_changes_of_one_capture_come_as_the_newest(console: RunningConsole) -> None:
    """What waited together is sent once, in its newest state and under its newest id."""
    world = console.world
    start = console.do(world.services.hub.newest())
    changed = console.do(world.announce())
    other = console.do(world.announce())
    console.do(world.stop(changed, CaptureState.REFUSED, EdgeReason.BLANK))
    with events(console, str(start)) as stream:
        messages = [stream.change(), stream.change()]
    shown = [(m.item["capture_id"], m.item["status"]) for m in messages]
    assert [(other, "incoming"), (changed, "refused")] == shown
    assert console.do(world.services.hub.newest()) == int(messages[-1].fields["id"])


@pytest.mark.parametrize("unusable", ["999999", "-1", "abc", "", "９", "9" * 5000])
def test_an_unusable_id_starts_at_now(console: RunningConsole, unusable: str) -> None:
    """An id of another data folder or no id at all does not break the stream: the page fetches the list."""
    console.do(console.world.announce())
    with events(console, unusable.encode("utf-8").decode("latin-1")) as stream:
        new = console.do(console.world.announce())
        assert new == stream.change().item["capture_id"]


def test_a_quiet_stream_says_that_it_lives(console: RunningConsole) -> None:
    """Comments come while nothing changes, so that a dead connection is noticed."""
    with events(console) as stream:
        assert [{"": "ping"}, {"": "ping"}] == [next(stream).fields, next(stream).fields]


def test_the_stream_ends_with_the_server(console: RunningConsole) -> None:
    """When the hub closes the stream ends cleanly: the server's stop does not wait for browsers."""

    async def close() -> None:
        console.world.services.hub.close()

    with events(console) as stream:
        console.do(close())
        while next(stream).fields:
            pass
