"""Monitor: the book: what is stored, who is told, what a restart leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.accounts.audit import Act, Search, search
from cloud.accounts.roles import Role
from cloud.accounts.values import Principal
from cloud.db.tables import alarm_change
from cloud.errors import StoreFull
from cloud.monitor.alarm import AlarmState
from cloud.monitor.book import ALARMS_TOPIC, AlarmBook
from cloud.monitor.errors import AlarmUnknown, RuleInvalid, RuleUnknown
from cloud.monitor.metrics import Metric
from cloud.monitor.rules import DEFAULTS, Severity
from tests.cloud.console.world import World, close_world, open_world
from tests.cloud.monitor.made import look

SILENT = look(Metric.AGENT_SILENT_S, {"room-1": 700.0})
HEARD = look(Metric.AGENT_SILENT_S, {"room-1": 1.0}, 10)
HELD = look(Metric.JOBS_HELD, 2.0)


async def somebody(world: World, role: Role = Role.IT) -> Principal:
    """A machine of this role; the book does not mind."""
    return await world.accounts.sign_in.principal(None, await world.add_token(role), "127.0.0.1")


async def rule_changed(world: World, by: Principal, name: str = "jobs_held", **changes: object) -> None:
    """Changes some of a rule."""
    rule = world.services.monitor.book.rules[name]
    values = {
        "threshold": rule.threshold,
        "clear": rule.clear,
        "hold_s": rule.hold_s,
        "severity": rule.severity,
        "enabled": rule.enabled,
        **changes,
    }
    await world.services.monitor.book.change_rule(by, name, **values)  # type: ignore[arg-type]  # a table of the test


def stored(world: World) -> list[tuple[str, str | None]]:
    """State and actor of every stored change, oldest first."""
    with world.database.begin() as tx:
        query = sa.select(alarm_change.c.state, alarm_change.c.actor).order_by(alarm_change.c.change_id)
        return [(row.state, row.actor) for row in tx.execute(query)]


async def test_every_change_is_stored_with_who_made_it(world: World) -> None:
    """Firing, acknowledged by whom, cleared; a new value alone is no change."""
    book, by = world.services.monitor.book, await somebody(world)
    await book.consider(SILENT)
    await book.consider(look(Metric.AGENT_SILENT_S, {"room-1": 702.0}, 2))
    (alarm,) = book.raised()
    await book.acknowledge(by, alarm.alarm_id, "calling them")
    await book.consider(HEARD)
    assert [("firing", None), ("acknowledged", by.actor), ("cleared", None)] == stored(world)
    (past,) = await book.past(10, None)
    assert (alarm.alarm_id, by.actor, "calling them") == (past.alarm_id, past.acknowledged_by, past.note)
    assert [] == book.raised()
    with world.database.begin() as tx:
        (row,) = search(tx, Search(act=Act.ALARM_ACKNOWLEDGE), 10)
    assert (by.actor, alarm.alarm_id) == (row.actor, row.object_id)


async def test_a_restart_forgets_no_alarm(tmp_path: Path) -> None:
    """Acknowledged stays acknowledged, firing stays firing, and neither is raised a second time."""
    folder = tmp_path / "w"
    folder.mkdir()
    world = await open_world(folder)
    book = world.services.monitor.book
    await book.consider(SILENT)
    await book.consider(HELD)
    silent = next(alarm for alarm in book.raised() if alarm.rule == "agent_silent")
    await book.acknowledge(await somebody(world), silent.alarm_id, None)
    before = {alarm.rule: (alarm.alarm_id, alarm.state) for alarm in book.raised()}
    await close_world(world)
    world = await open_world(folder)
    book = world.services.monitor.book
    for sample in (SILENT, HELD):
        await book.consider(sample)
    assert before == {alarm.rule: (alarm.alarm_id, alarm.state) for alarm in book.raised()}
    assert AlarmState.ACKNOWLEDGED is before["agent_silent"][1]
    assert 3 == len(stored(world))
    await close_world(world)


async def test_a_full_disk_hides_no_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database takes nothing: the alarm shows all the same, and is stored as soon as it does."""
    book = world.services.monitor.book

    async def full(_: object) -> None:
        raise StoreFull("full", 1.0)

    with monkeypatch.context() as broken:
        broken.setattr(world.database, "write", full)
        await book.consider(look(Metric.DISK_FREE_BYTES, 1000.0))
        assert ["disk_full"] == [alarm.rule for alarm in book.raised()]
    assert [] == stored(world)
    await book.consider(look(Metric.DISK_FREE_BYTES, 900.0, 2))
    assert [("firing", None)] == stored(world)


async def test_everybody_is_told_of_changes_and_of_nothing_else(world: World) -> None:
    """The topic wakes for begin, acknowledgement and end; not for a new value, not for what is pending."""
    book = world.services.monitor.book
    wakes = world.bus.subscribe(ALARMS_TOPIC)
    await anext(wakes)
    versions = [book.version]
    for sample in (
        look(Metric.CPU_PERCENT, 99.0),
        SILENT,
        look(Metric.AGENT_SILENT_S, {"room-1": 702.0}, 2),
        HEARD,
    ):
        await book.consider(sample)
        versions.append(book.version)
    assert [0, 0, 1, 1, 2] == versions
    async with asyncio.timeout(5):
        await anext(wakes)


async def test_a_changed_rule_holds_from_the_next_look(world: World) -> None:
    """And for the next process; taken back, the program's rule holds again. Each is in the audit."""
    book, by = world.services.monitor.book, await somebody(world)
    await rule_changed(world, by, threshold=5.0, severity=Severity.CRITICAL)
    await book.consider(HELD)
    assert [] == book.raised()
    again = AlarmBook(
        world.database,
        DEFAULTS,
        world.services.monitor.deliveries,
        world.bus,
        world.clock,
        lambda: "x",
        world.services.monitor.watched.log,
    )
    await again.open()
    assert (5.0, Severity.CRITICAL) == (again.rules["jobs_held"].threshold, again.rules["jobs_held"].severity)
    await book.reset_rule(by, "jobs_held")
    await book.consider(HELD)
    assert ["jobs_held"] == [alarm.rule for alarm in book.raised()]
    with world.database.begin() as tx:
        rows = search(tx, Search(act=Act.ALARM_RULE), 10)
    assert [(by.actor, "jobs_held")] * 2 == [(row.actor, row.object_id) for row in rows]


async def test_what_cannot_be_is_refused_and_changes_nothing(world: World) -> None:
    """A rule that contradicts itself, a rule or an alarm that is not there."""
    book, by = world.services.monitor.book, await somebody(world)
    with pytest.raises(RuleInvalid, match="clear"):
        await rule_changed(world, by, threshold=1.0, clear=2.0)
    with pytest.raises(RuleUnknown):
        await book.reset_rule(by, "nothing")
    with pytest.raises(AlarmUnknown):
        await book.acknowledge(by, "nothing", None)
    assert DEFAULTS["jobs_held"] == book.rules["jobs_held"]


async def test_critical_alarms_come_first(world: World) -> None:
    """Then the newest: what hangs on it counts more than when it began."""
    book = world.services.monitor.book
    await book.consider(SILENT)
    await book.consider(look(Metric.JOBS_HELD, 2.0, 5))
    await book.consider(look(Metric.UPLOADS_STALLED, 1.0, 6))
    await book.consider(look(Metric.UPLOADS_STALLED, 1.0, 90))
    assert ["agent_silent", "upload_stalled", "jobs_held"] == [alarm.rule for alarm in book.raised()]
