"""Brings a database to the newest tables. Needs no alembic.ini; the revisions lie in cloud/db/migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.pool import NullPool


def upgrade(path_or_url: Path | str) -> None:
    """Creates or alters the tables of an SQLite file (Path) or of a database (URL) up to the newest revision.

    When it returns, the tables are those of cloud/db/tables.py; on an up-to-date database it changes nothing.
    All revisions are one transaction: a crash in between leaves the tables as they were.
    """
    if isinstance(path_or_url, Path):
        # Before SQLite makes it: hashes of passwords lie in it, and its journals take its mode.
        path_or_url.touch(mode=0o600)
        url = sa.URL.create("sqlite", database=str(path_or_url))
    else:
        url = sa.make_url(path_or_url)
    engine = sa.create_engine(url, poolclass=NullPool)
    if url.get_backend_name() == "sqlite":
        # The driver would commit each CREATE TABLE by itself.
        sa.event.listen(engine, "connect", _leave_transactions_to_us)
        sa.event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            command.upgrade(_config(connection), "head")
    finally:
        engine.dispose()


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
