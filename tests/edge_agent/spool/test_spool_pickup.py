"""From `keep` to the line's threads: handed on from memory, each capture to one thread, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edge_agent.build import build_spool
from edge_agent.config import Config
from edge_agent.errors import SpoolFull
from edge_agent.items import CaptureState
from edge_agent.spool.pickup import Pickup
from edge_agent.spool.records import PRIORITY_BATCH, Capture
from edge_agent.spool.spool import Spool
from tests.edge_agent.bench_parts import arrival


@dataclass
class Heard:
    """Arrivals that only note what they hear."""

    announced: list[str] = field(default_factory=list)
    settled: list[tuple[str, Capture | None]] = field(default_factory=list)

    def announce(self, capture_id: str) -> None:
        self.announced.append(capture_id)

    def settle(self, capture_id: str, kept: Capture | None) -> None:
        self.settled.append((capture_id, kept))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = build_spool(Config(data=tmp_path / "data", free_min_bytes=0))
    yield made
    made.close()


@pytest.fixture
def heard(spool: Spool) -> Heard:
    listener = Heard()
    spool.listen(on_change=lambda: None, on_expect=lambda: None, arrivals=listener)
    return listener


def pickup_of(spool: Spool) -> tuple[Pickup, list[bool]]:
    idle: list[bool] = []
    pickup = Pickup(spool, (CaptureState.CAPTURED,), time.monotonic, lambda: idle.append(True))
    return pickup, idle


def taken(pickup: Pickup) -> str:
    found = pickup.take()
    assert found is not None
    return found[0].capture_id


def test_what_is_handed_on_is_what_the_spool_holds(spool: Spool, heard: Heard) -> None:
    """The capture that a listener gets is the one that a restart would read."""
    capture_id = spool.keep(replace(arrival(spool, b"x", "näme.png"), mm_per_pixel=0.1))
    assert heard.announced == [capture_id]
    assert heard.settled == [(capture_id, spool.get_known(capture_id))]


def test_what_was_announced_is_settled_in_any_case(spool: Spool, heard: Heard) -> None:
    """Known bytes and a failing disk settle with nothing: nobody waits for ever."""
    spool.keep(arrival(spool, b"x"))
    spool.keep(arrival(spool, b"x"))
    spool.folders.raw.rename(spool.folders.data / "moved")
    with pytest.raises(SpoolFull):
        spool.keep(arrival(spool, b"y"))
    assert [one for one, _ in heard.settled] == heard.announced
    assert [kept is None for _, kept in heard.settled] == [False, True, True]


def test_a_reserved_capture_is_not_read_from_the_spool(spool: Spool, heard: Heard) -> None:
    """Between its row and its offer nobody else may take it; after that it is taken once."""
    first, second = (spool.keep(arrival(spool, name.encode(), name)) for name in "ab")
    pickup, idle = pickup_of(spool)
    pickup.reserve(first)
    assert taken(pickup) == second
    pickup.give_back(second)
    assert not idle
    kept = heard.settled[0][1]
    assert kept is not None
    pickup.offer(kept)
    assert taken(pickup) == first
    pickup.give_back(first)
    assert idle == [True]


def test_the_most_urgent_goes_first(spool: Spool, heard: Heard) -> None:
    """A still overtakes the batch captures that were offered before it."""
    batch = spool.keep(replace(arrival(spool, b"a", "a"), label="femur"))
    still = spool.keep(arrival(spool, b"b", "b"))
    captures = {one: kept for one, kept in heard.settled if kept is not None}
    assert captures[batch].priority == PRIORITY_BATCH
    pickup, _ = pickup_of(spool)
    for one in (batch, still):
        pickup.reserve(one)
        pickup.offer(captures[one])
    assert [taken(pickup), taken(pickup)] == [still, batch]


def test_a_crowd_waits_in_the_spool_and_is_taken_whole(spool: Spool, heard: Heard) -> None:
    """More than memory holds is read from the spool when its turn comes; nothing is left out."""
    ids = [spool.keep(arrival(spool, b"%d" % n, str(n))) for n in range(70)]
    pickup, _ = pickup_of(spool)
    for one, kept in heard.settled:
        assert kept is not None
        pickup.reserve(one)
        pickup.offer(kept)
    assert sorted(taken(pickup) for _ in ids) == sorted(ids)
