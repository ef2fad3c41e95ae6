"""Monitor: ledger and audit are checked whole, and an alteration of either is an alarm."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.accounts.roles import Role
from cloud.monitor.metrics import Metric
from cloud.monitor.sample import Sample
from tests.cloud.console.world import World
from tests.cloud.monitor.made import NOON


async def checked(world: World) -> tuple[list[float], list[str]]:
    """What the checks find now, ledger first, and the alarms that they raise."""
    monitor = world.services.monitor
    await monitor.watched.checks.check(again_after_s=0.0)
    readings = monitor.watched.checks.read()
    await monitor.book.consider(Sample(time=NOON, readings=readings))
    wanted = (Metric.LEDGER_CHECK_FAILED, Metric.AUDIT_CHECK_FAILED)
    return [readings.single[m] for m in wanted if m in readings.single], [
        a.rule for a in monitor.book.raised()
    ]


async def test_what_is_whole_raises_nothing(world: World) -> None:
    """An intact ledger and an intact audit: both were found good, and when is known."""
    await world.add_user("ada", Role.DOCTOR)
    assert ([0.0, 0.0], []) == await checked(world)
    assert world.services.monitor.watched.checks.checked_time is not None


@pytest.mark.req("DATA-11")
async def test_an_altered_audit_is_an_alarm(world: World) -> None:
    """One changed row breaks the chain; put right again, the alarm is over."""
    await world.add_user("ada", Role.DOCTOR)
    with world.database.begin() as tx:
        (actor,) = tx.exec_driver_sql("SELECT actor FROM audit_entry WHERE number = 1").one()
        tx.exec_driver_sql("UPDATE audit_entry SET actor = 'user:eve' WHERE number = 1")
    assert ([0.0, 1.0], ["audit_check"]) == await checked(world)
    with world.database.begin() as tx:
        tx.exec_driver_sql("UPDATE audit_entry SET actor = ? WHERE number = 1", (actor,))
    assert ([0.0, 0.0], []) == await checked(world)


async def test_altered_files_of_the_ledger_are_an_alarm(world: World, tmp_path: Path) -> None:
    """One flipped byte in a published entry is found; about the audit nothing is said then."""
    ledger_dir = tmp_path / "world/ledger"
    await world.announce()
    with world.database.begin() as tx:
        world.services.ledger.append(tx, [b"an entry\n"])
    await world.services.ledger.publish()  # type: ignore[attr-defined]  # of the file log, beside the seam
    assert ([0.0, 0.0], []) == await checked(world)
    bundle = next(path for path in (ledger_dir / "tile/entries").rglob("*") if path.is_file())
    data = bytearray(bundle.read_bytes())
    data[-3] ^= 1
    bundle.write_bytes(bytes(data))
    assert ["ledger_check"] == (await checked(world))[1]
