"""Accounts: looks at examinations, captures and images, in the audit before they are answered; its search."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from cloud.accounts.audit import Act, AuditEntry, Search, about, search
from cloud.accounts.errors import Refusal
from cloud.accounts.services import AccountServices
from cloud.accounts.values import Principal
from cloud.db import Tx

ONE_LOOK: Final = timedelta(seconds=60)
"""Requests of one person or machine for one object within this time are one look: a still, its heat map and its
crop come as several requests."""
_REMEMBERED: Final = 20_000


class Looks:
    """When `note` returns, the look is in the audit; without it nothing is shown."""

    def __init__(self, services: AccountServices) -> None:
        self._services = services
        self._writing: dict[tuple[str, Act, str | None], asyncio.Future[None]] = {}
        self._last: OrderedDict[tuple[str, Act, str | None], datetime] = OrderedDict()

    async def note(self, by: Principal, act: Act, object_id: str | None) -> None:
        """Adds a look, unless the same one was added within the last minute."""
        now = self._services.clock()
        # One person at two places is two looks.
        key = (f"{by.actor} {by.address} {by.tenant_id or ''}", act, object_id)
        last = self._last.get(key)
        if last is not None and now - last < ONE_LOOK:
            return
        writing = self._writing.get(key)
        if writing is None:
            # Requests of one look come at the same moment: all wait for the one row.
            writing = asyncio.ensure_future(
                self._services.database.write(
                    lambda tx: self._services.note(
                        tx,
                        act,
                        actor=by.actor,
                        origin=by.address,
                        object_id=object_id,
                        tenant_id=by.tenant_id,
                    )
                )
            )
            self._writing[key] = writing
            writing.add_done_callback(lambda _: self._writing.pop(key, None))
        await asyncio.shield(writing)
        self._last[key] = now
        self._last.move_to_end(key)
        while len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)

    async def note_refused(self, by: Principal, what: str) -> None:
        """Adds that someone asked for what their role does not allow; `what` is method and route."""
        await self._services.database.write(
            lambda tx: self._services.note(
                tx,
                Act.REQUEST,
                actor=by.actor,
                origin=by.address,
                object_id=what,
                outcome=Refusal.NOT_PERMITTED,
                tenant_id=by.tenant_id,
            )
        )

    def enter(self, tx: Tx, by: Principal, act: Act, object_id: str) -> None:
        """Adds a change of something that is no account, in the transaction that makes it."""
        self._services.note(
            tx, act, tenant_id=by.tenant_id, actor=by.actor, origin=by.address, object_id=object_id
        )

    async def about(self, object_ids: Sequence[str], before: int | None, limit: int) -> list[AuditEntry]:
        """Rows about any of these objects, newest first."""
        return await self._services.database.read(lambda tx: about(tx, object_ids, before, limit))

    async def search(self, by: Principal, wanted: Search, limit: int) -> list[AuditEntry]:
        """Rows of the audit, newest first, of the reader's tenant where there is one; that they were looked at is
        itself a row."""
        await self.note(by, Act.AUDIT_LOOK, None)
        own = wanted if by.tenant_id is None else replace(wanted, tenant_id=by.tenant_id)
        return await self._services.database.read(lambda tx: search(tx, own, limit))
