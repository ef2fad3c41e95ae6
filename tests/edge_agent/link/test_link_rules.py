"""Border mapping, backoff, gate, window, channel: small rules of the link, each with its table complete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from edge_agent.errors import ConfigInvalid, ImageRefused, NeedsPerson, RetryLater
from edge_agent.link import faults
from edge_agent.link.channel import TlsFiles, is_loopback, open_channel
from edge_agent.link.cloud import CloudLink
from edge_agent.link.faults import LinkDown
from edge_agent.link.retry import Backoff, Gate
from edge_agent.link.window import FRAGMENT_MIN_BYTES, Window
from sonorelay.contract.limits import SHARD_SIZE_BYTES, WINDOW_MAX_BYTES, WINDOW_START_BYTES
from sonorelay.contract.reasons import WIRE_RULES, WireReason
from tests.edge_agent.fake_cloud import FakeCloud, refuse

EXPECTED = {"wait": RetryLater, "stop": NeedsPerson, "refuse": ImageRefused}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def make_gate(clock: Callable[[], float], alarm_after: int = 3) -> Gate:
    return Gate(Backoff(uniform=lambda _low, high: high), clock, alarm_after)


@pytest.mark.parametrize("reason", list(WireReason))
def test_every_wire_reason_becomes_an_action(reason: WireReason) -> None:
    """The table is complete: each reason that a real server sends arrives as the error its rule names."""
    cloud = FakeCloud()
    cloud.before["FindMissing"] = lambda context: refuse(context, reason, 0.25)
    channel = open_channel(cloud.start(), None)
    link = CloudLink(channel, make_gate(Clock()))
    expected = EXPECTED.get(WIRE_RULES[reason].action, RetryLater)
    try:
        with pytest.raises(expected) as caught:
            link.find_missing("s")
    finally:
        channel.close()
        cloud.stop()
    error = caught.value
    if isinstance(error, RetryLater):
        assert (error.reason, error.after_s) == (reason, 0.25)
        assert not isinstance(error, LinkDown)
    if isinstance(error, ImageRefused):
        assert error.detail == reason.value
    if isinstance(error, NeedsPerson):
        assert error.hint == WIRE_RULES[reason].hint


def test_every_status_code_without_a_reason_is_mapped() -> None:
    """Codes of the transport, of proxies, of newer servers: each waits or calls a person."""
    assert set(grpc.StatusCode) == faults.WAITS | faults.PERSON.keys()
    assert not faults.WAITS & faults.PERSON.keys()


def test_the_text_of_a_foreign_error_goes_no_further() -> None:
    """A server's message may hold anything: our error names call and code only."""
    cloud = FakeCloud()
    cloud.before["FindMissing"] = lambda c: c.abort(grpc.StatusCode.INTERNAL, "Jane Doe, born 1990")
    channel = open_channel(cloud.start(), None)
    try:
        with pytest.raises(LinkDown) as caught:
            CloudLink(channel, make_gate(Clock())).find_missing("s")
    finally:
        channel.close()
        cloud.stop()
    assert str(caught.value) == "find missing: INTERNAL"


def test_backoff_doubles_to_its_ceiling_with_full_jitter() -> None:
    """0.5 s doubling to 60 s; the delay is drawn between 0 and the ceiling."""
    drawn: list[tuple[float, float]] = []
    backoff = Backoff(uniform=lambda low, high: drawn.append((low, high)) or low)
    for failures in (1, 2, 3, 7, 8, 9, 1000):
        backoff.delay_s(failures)
    assert drawn == [(0.0, 0.5), (0.0, 1.0), (0.0, 2.0), (0.0, 32.0), (0.0, 60.0), (0.0, 60.0), (0.0, 60.0)]


def test_the_gate_counts_failures_that_were_under_way_together_once() -> None:
    """Six uploads that fail at the same moment are one failure of the link."""
    clock, alarms = Clock(), list[str]()
    gate = make_gate(clock)
    opened: list[bool] = []
    gate.listen(on_open=lambda: opened.append(True), on_alarm=alarms.append)
    for _ in range(6):
        gate.failed(LinkDown("x: UNAVAILABLE"))
    assert gate.problem == "x: UNAVAILABLE"
    clock.now_s += 0.6
    assert gate.wait()
    gate.failed(LinkDown("y: UNAVAILABLE"))
    assert alarms == []
    clock.now_s += 2.0
    gate.failed(LinkDown("z: UNAVAILABLE"))
    assert alarms == ["z: UNAVAILABLE"]
    gate.succeeded()
    assert (gate.problem, opened) == ("", [True])
    assert gate.wait()


def test_an_answer_about_one_capture_does_not_close_the_gate() -> None:
    """A refused image or a forgotten upload says that the cloud works."""
    gate = make_gate(Clock())
    gate.failed(faults.by_reason(WireReason.IMAGE_TOO_LARGE, None))
    gate.failed(faults.by_reason(WireReason.UPLOAD_UNKNOWN, None))
    assert gate.problem == ""
    gate.failed(faults.by_reason(WireReason.STORE_FULL, 9.0))
    assert gate.problem == "STORE_FULL"


def test_a_stopped_gate_lets_everybody_go() -> None:
    """Whoever waits hears False at once."""
    gate = make_gate(Clock())
    gate.failed(LinkDown("down", 1000.0))
    gate.stop()
    assert not gate.wait()


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("unix:/run/x", True),
        ("127.8.8.8:1", True),
        ("10.0.0.1:1", False),
        ("cloud.example:443", False),
        ("localhost.example:1", False),
    ],
)
def test_plain_text_stays_on_this_machine(address: str, loopback: bool) -> None:
    """Without certificates only loopback addresses are taken."""
    assert is_loopback(address) == loopback
    if loopback:
        open_channel(address, None).close()
    else:
        with pytest.raises(ConfigInvalid, match="tls_ca"):
            open_channel(address, None)


def test_certificate_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """The message says which file."""
    missing = tmp_path / "ca.pem"
    with pytest.raises(ConfigInvalid, match=str(missing)):
        open_channel("cloud.example:443", TlsFiles(ca=missing, certificate=missing, key=missing))


def run_line(window: Window, clock: Clock, rate: float, rtt_s: float, seconds: float) -> list[int]:
    """Sends as the window allows over a line of `rate` bytes/s and `rtt_s`; window after each arrival."""
    sizes: list[int] = []
    arrivals: list[tuple[float, int]] = []
    line_free_s, sent, end_s = clock.now_s, 0, clock.now_s + seconds
    while clock.now_s < end_s:
        size = window.fragment_bytes
        if window.may_send(size):
            window.sent(size, starved=False)
            sent += size
            line_free_s = max(line_free_s, clock.now_s) + size / rate
            arrivals.append((line_free_s + rtt_s, sent))
        else:
            clock.now_s, received = arrivals.pop(0)
            window.acknowledged(received)
            sizes.append(window.window_bytes)
    return sizes


@pytest.mark.req("TX-08")
def test_the_window_starts_small_and_settles_at_twice_the_lines_content() -> None:
    """A slow line: few bytes in flight, so that an urgent still need not wait behind a full buffer."""
    clock = Clock()
    window = Window(clock)
    assert window.window_bytes == WINDOW_START_BYTES
    last = run_line(window, clock, rate=125_000, rtt_s=0.2, seconds=30)[-1]
    assert window.fragment_bytes == pytest.approx(125_000 * 0.25, rel=0.2)
    assert 2 * FRAGMENT_MIN_BYTES <= last <= 3 * 125_000 * (0.2 + 65_536 / 125_000)


def test_the_window_fills_a_fast_line() -> None:
    """A fast line: whole shards, a window that holds the line's content, at most 8 MiB."""
    clock = Clock()
    window = Window(clock)
    last = run_line(window, clock, rate=100e6, rtt_s=0.02, seconds=2)[-1]
    assert window.fragment_bytes == SHARD_SIZE_BYTES
    assert 100e6 * 0.02 <= last <= WINDOW_MAX_BYTES


def test_the_servers_bound_holds_and_one_fragment_may_always_go() -> None:
    """Even a bound below one fragment does not stop the stream."""
    window = Window(Clock())
    window.limit(1000)
    assert window.may_send(window.fragment_bytes)
    window.sent(500, starved=False)
    assert not window.may_send(501)
    assert window.may_send(500)
    window.limit(0)
    assert window.window_bytes == 1000
