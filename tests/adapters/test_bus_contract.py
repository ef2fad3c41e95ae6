"""Contract of the bus: whoever subscribes looks at once and is woken after each publish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from cloud.publish import Bus
from cloud.publish.topic import TopicBus


@pytest.fixture(params=[TopicBus], ids=lambda kind: kind.__name__)
def bus(request: pytest.FixtureRequest) -> Bus:
    """Each implementation."""
    make: Callable[[], Bus] = request.param
    return make()


async def woken(subscription: AsyncIterator[None]) -> None:
    """Waits for the next wake, not for ever."""
    async with asyncio.timeout(5):
        await anext(subscription)


async def test_first_look_is_due_at_once(bus: Bus) -> None:
    """What was published before the subscription is seen by its first look."""
    await woken(bus.subscribe("a"))


async def test_every_subscriber_is_woken(bus: Bus) -> None:
    """A publish wakes all subscribers of its topic and nobody else's."""
    here = [bus.subscribe("a") for _ in range(3)]
    elsewhere = bus.subscribe("b")
    for subscription in (*here, elsewhere):
        await woken(subscription)
    await bus.publish("a")
    for subscription in here:
        await woken(subscription)
    waiting = asyncio.ensure_future(anext(elsewhere))
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    waiting.cancel()


async def test_messages_in_between_are_merged_and_none_is_lost(bus: Bus) -> None:
    """Many publishes while a reader is busy wake it at least once, and it may not wait for ever."""
    subscription = bus.subscribe("a")
    await woken(subscription)
    for _ in range(1000):
        await bus.publish("a")
    await woken(subscription)


async def test_publish_without_subscribers_is_nothing(bus: Bus) -> None:
    """Nobody has to listen."""
    await bus.publish("a")


async def test_reader_that_left_is_forgotten(bus: Bus) -> None:
    """A subscription that was cancelled does not hinder the others."""
    left, stays = bus.subscribe("a"), bus.subscribe("a")
    await woken(left)
    await woken(stays)
    waiting = asyncio.ensure_future(anext(left))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await bus.publish("a")
    await woken(stays)
