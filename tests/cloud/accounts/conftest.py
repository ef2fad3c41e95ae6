"""Accounts over a real database, with a clock that the test moves."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.accounts.all import Accounts, make_accounts
from cloud.accounts.audit import AuditEntry, Search, search
from cloud.accounts.passwords import Parameters, Passwords
from cloud.accounts.roles import Role
from cloud.accounts.seal import open_seal
from cloud.accounts.services import AccountServices
from cloud.accounts.sign_in import SignedIn
from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase

PASSWORD = "a quiet room with a view"
ADDRESS = "192.0.2.7"
CHEAP = Parameters(memory_kib=64, passes=1)


class StillClock:
    """A time that only the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Moves the time on."""
        self.now += timedelta(**by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site with its accounts."""

    database: SqliteDatabase
    clock: StillClock
    services: AccountServices
    accounts: Accounts

    async def first(self, name: str = "ada") -> SignedIn:
        """The first administrator, signed in."""
        link = await self.accounts.people.begin_first()
        assert link is not None
        return await self.accounts.people.make_first(link, name, PASSWORD, ADDRESS)

    async def user(self, by: SignedIn, name: str, role: Role = Role.DOCTOR) -> str:
        """A user with PASSWORD; their id."""
        user, link = await self.accounts.people.create(by.principal, name, role)
        await self.accounts.people.set_password(link, PASSWORD, ADDRESS)
        return user.user_id

    async def sign_in(self, name: str, password: str = PASSWORD, code: str = "") -> SignedIn:
        """Signs in from ADDRESS."""
        return await self.accounts.sign_in.sign_in(name, password, code, ADDRESS)

    async def audit(self, **wanted: object) -> list[AuditEntry]:
        """Rows of the audit, oldest first."""
        found = await self.database.read(lambda tx: search(tx, Search(**wanted), 1000))  # type: ignore[arg-type]
        return found[::-1]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty site."""
    upgrade(tmp_path / "state.db")
    database, clock, passwords = SqliteDatabase(tmp_path / "state.db"), StillClock(), Passwords(CHEAP)
    services = AccountServices(
        database=database,
        clock=clock,
        random=secrets.token_bytes,
        passwords=passwords,
        seal=open_seal(tmp_path, database, secrets.token_bytes),
    )
    yield Site(database=database, clock=clock, services=services, accounts=make_accounts(services))
    passwords.close()
    database.close()
