"""Monitor: the book of alarms: judges each look, stores every change, tells everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from cloud.accounts.audit import Act, append
from cloud.accounts.values import Principal
from cloud.db import Database, Tx
from cloud.db.times import Clock
from cloud.errors import CloudError
from cloud.log import Log
from cloud.monitor import alarm_rows
from cloud.monitor.alarm import RAISED, Alarm, AlarmState, NewId, acknowledged, consider
from cloud.monitor.alarm_rows import RuleChange
from cloud.monitor.deliveries import Deliveries
from cloud.monitor.errors import AlarmUnknown, RuleUnknown
from cloud.monitor.metrics import is_about
from cloud.monitor.rules import Rule, Severity
from cloud.monitor.sample import Sample
from cloud.publish import Bus

ALARMS_TOPIC: Final = "alarms"
"""The alarms that are raised have changed."""
NOTE_MAX_CHARACTERS: Final = 500
_UNSTORED_MAX: Final = 1000


class AlarmBook:
    """Alarms are in memory, where they show at once whatever the disk does; each change is stored as soon as the
    database takes it, and survives then. Call `open` before anything else."""

    def __init__(
        self,
        database: Database,
        rules: Mapping[str, Rule],
        deliveries: Deliveries,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
        log: Log,
    ) -> None:
        self._database = database
        self._rules = rules
        self._changes: dict[str, RuleChange] = {}
        self._deliveries = deliveries
        self._bus = bus
        self._clock = clock
        self._new_id = new_id
        self._log = log
        self._open: dict[tuple[str, str], Alarm] = {}
        self._unstored: list[Alarm] = []
        self._turn = asyncio.Lock()
        self.version = 0
        """Grows with every change of what is raised."""

    async def open(self) -> None:
        """Takes up what is stored: open alarms, acknowledged ones too, and the persons' changes of rules."""

        def work(tx: Tx) -> tuple[list[Alarm], dict[str, RuleChange]]:
            return alarm_rows.open_alarms(tx), alarm_rows.rule_changes(tx, self._rules)

        alarms, self._changes = await self._database.read(work)
        self._open = {(alarm.rule, alarm.subject): alarm for alarm in alarms}

    @property
    def rules(self) -> dict[str, Rule]:
        """The rules that hold now, by name."""
        return {
            name: self._changes[name].rule if name in self._changes else r for name, r in self._rules.items()
        }

    def raised(self, but: Collection[str] = ()) -> list[Alarm]:
        """Alarms that fire or are acknowledged: critical ones first, then the newest; none about the devices `but`."""
        alarms = [alarm for alarm in self._open.values() if alarm.state in RAISED]
        alarms = [alarm for alarm in alarms if not is_about(alarm.metric, alarm.subject, but)]
        alarms.sort(key=lambda alarm: alarm.began_time, reverse=True)
        return sorted(alarms, key=lambda alarm: alarm.severity is not Severity.CRITICAL)

    def pending(self, but: Collection[str] = ()) -> list[Alarm]:
        """Alarms to be, should it last; none about the devices `but`."""
        alarms = [alarm for alarm in self._open.values() if alarm.state is AlarmState.PENDING]
        return [alarm for alarm in alarms if not is_about(alarm.metric, alarm.subject, but)]

    async def past(self, limit: int, before: datetime | None, but: Collection[str] = ()) -> list[Alarm]:
        """Up to `limit` alarms that are over, newest first; none about the devices `but`."""
        # Pages are told before it is stored: who asks at once waits until it is.
        async with self._turn:
            return await self._database.read(lambda tx: alarm_rows.past_alarms(tx, limit, before, but))

    def change_of(self, name: str) -> RuleChange | None:
        """What a person changed of a rule; None where it is the site's or the program's."""
        return self._changes.get(name)

    async def consider(self, sample: Sample) -> None:
        """Judges a look. When it returns every page has been told; stored it is as soon as that is possible."""
        async with self._turn:
            told = [
                alarm for alarm in consider(self.rules, self._open, sample, self._new_id) if self._take(alarm)
            ]
            for alarm in told:
                self._log.warning("alarm", reason=alarm.rule, code=alarm.state.value, hint=alarm.subject)
            if told:
                await self._tell()
            self._unstored = [*self._unstored, *told][-_UNSTORED_MAX:]
            await self._store()

    def _take(self, alarm: Alarm) -> bool:
        """Takes an alarm as it is now; whether people are told: it began or ended. One that came to nothing, and
        a new value, are no news."""
        key = (alarm.rule, alarm.subject)
        before = self._open.pop(key, None)
        if alarm.state is not AlarmState.CLEARED:
            self._open[key] = alarm
            return alarm.state is AlarmState.FIRING and (before is None or before.state is not alarm.state)
        return before is not None and before.state in RAISED

    async def acknowledge(self, by: Principal, alarm_id: str, note: str | None) -> Alarm:
        """Notes that somebody takes care of an alarm, durably and in the audit. Errors: AlarmUnknown."""
        async with self._turn:
            await self._store()
            found = next(
                (a for a in self._open.values() if a.alarm_id == alarm_id and a.state in RAISED), None
            )
            if found is None:
                raise AlarmUnknown(alarm_id)
            changed = acknowledged(found, by.actor, note, self._clock())

            def work(tx: Tx) -> None:
                alarm_rows.store(tx, changed, by.actor)
                self._deliveries.queue(tx, [changed])
                self._note(tx, by, Act.ALARM_ACKNOWLEDGE, alarm_id)

            await self._database.write(work)
            self._open[changed.rule, changed.subject] = changed
            self._deliveries.wake()
            await self._tell()
            return changed

    async def change_rule(
        self,
        by: Principal,
        name: str,
        *,
        threshold: float,
        clear: float,
        hold_s: float,
        severity: Severity,
        enabled: bool,
    ) -> Rule:
        """Changes a rule for the whole site, from the next look on. Errors: RuleUnknown, RuleInvalid."""
        rule = replace(
            self._known(name),
            threshold=threshold,
            clear=clear,
            hold_s=hold_s,
            severity=severity,
            enabled=enabled,
        ).check()
        change = RuleChange(rule=rule, changed_time=self._clock(), changed_by=by.actor)
        await self._keep(by, name, change)
        return rule

    async def reset_rule(self, by: Principal, name: str) -> Rule:
        """Takes back what persons changed of a rule. Errors: RuleUnknown."""
        rule = self._known(name)
        await self._keep(by, name, None)
        return rule

    async def note_trial(self, by: Principal, channel: str) -> None:
        """Notes in the audit that somebody sends a test message."""
        await self._database.write(lambda tx: self._note(tx, by, Act.ALARM_TEST, channel))

    def _known(self, name: str) -> Rule:
        if name not in self._rules:
            raise RuleUnknown(name)
        return self._rules[name]

    async def _keep(self, by: Principal, name: str, change: RuleChange | None) -> None:
        def work(tx: Tx) -> None:
            alarm_rows.set_rule(tx, name, change)
            self._note(tx, by, Act.ALARM_RULE, name)

        async with self._turn:
            await self._database.write(work)
            self._changes.pop(name, None)
            if change is not None:
                self._changes[name] = change

    async def _store(self) -> None:
        """Stores what is not stored yet; what the database does not take now waits for the next look."""
        waiting = self._unstored
        if not waiting:
            return

        def work(tx: Tx) -> None:
            for alarm in waiting:
                alarm_rows.store(tx, alarm)
            self._deliveries.queue(tx, waiting)

        try:
            await self._database.write(work)
        except CloudError as error:
            self._log.warning("alarm_not_stored", count=len(waiting), error=type(error).__name__)
            return
        self._unstored = []
        self._deliveries.wake()

    async def _tell(self) -> None:
        self.version += 1
        await self._bus.publish(ALARMS_TOPIC)

    def _note(self, tx: Tx, by: Principal, act: Act, object_id: str) -> None:
        append(
            tx,
            act,
            time=self._clock(),
            actor=by.actor,
            origin=by.address,
            object_id=object_id,
            tenant_id=by.tenant_id,
        )
