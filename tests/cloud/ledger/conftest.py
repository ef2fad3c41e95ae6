"""A site's log with its database, closed and opened again as a server would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.ledger.file_log import FileLedger
from cloud.ledger.first_start import open_or_begin


class Site:
    """One data folder; `start` is a start of the server, `kill` ends it without a last publish."""

    ORIGIN = "site.example/log"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.key = folder / "log.key"
        self.database_path = folder / "state.db"
        self._running: SqliteDatabase | None = None

    @property
    def database(self) -> SqliteDatabase:
        assert self._running is not None
        return self._running

    async def start(self) -> FileLedger:
        self.kill()
        upgrade(self.database_path)
        self._running = SqliteDatabase(self.database_path)
        return await open_or_begin(self.log, self._running, self.ORIGIN, self.key)

    async def append(self, ledger: FileLedger, entries: Sequence[bytes]) -> list[int]:
        return await self.database.write(lambda tx: ledger.append(tx, entries))

    def kill(self) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.kill()
