"""The revisions create what cloud/db/tables.py says."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cloud.db import migrate
from cloud.db.migrate import upgrade
from cloud.db.tables import metadata


def test_an_upgraded_empty_file_has_exactly_the_tables(tmp_path: Path) -> None:
    """Nothing is left for alembic to add, alter or drop."""
    path = tmp_path / "state.db"
    upgrade(path)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_what_the_comparison_does_not_see_is_the_same_too(tmp_path: Path) -> None:
    """Checks, foreign keys and AUTOINCREMENT are the same words in both ways of creating the tables."""
    upgrade(tmp_path / "migrated.db")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    metadata.create_all(engine)
    engine.dispose()
    schemas = []
    for name in ("migrated.db", "created.db"):
        connection = sqlite3.connect(tmp_path / name)
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        connection.close()
        schemas.append({key: "".join(sorted(sql)).split() for key, sql in rows if key != "alembic_version"})
    assert schemas[0] == schemas[1]


def test_upgrade_again_changes_nothing(tmp_path: Path) -> None:
    """An up-to-date database stays as it is, rows included."""
    path = tmp_path / "state.db"
    upgrade(f"sqlite:///{path}")
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO ledger_state VALUES ('o', 1, x'00', 'k')")
    connection.commit()
    upgrade(path)
    assert connection.execute("SELECT size FROM ledger_state").fetchall() == [(1,)]
    connection.close()


def test_what_was_there_before_tenants_belongs_to_the_first(tmp_path: Path) -> None:
    """Devices and doctors are the first tenant's; administrators and IT go on keeping the whole site."""
    path = tmp_path / "state.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = migrate._config(connection)
        before = ScriptDirectory.from_config(config).get_revision("0010").down_revision
        command.upgrade(config, str(before))
        time = "2026-03-01 12:00:00.000000"
        connection.exec_driver_sql(f"INSERT INTO device VALUES ('us-1', 'k', '{time}', '{time}', 0.0, 0)")
        for role in ("doctor", "it", "administrator"):
            connection.exec_driver_sql(
                "INSERT INTO account_user (user_id, name, name_key, role, totp_last_step, disabled, created_time)"
                f" VALUES ('{role}', '{role}', '{role}', '{role}', 0, 0, '{time}')"
            )
    engine.dispose()
    upgrade(path)
    reading = sqlite3.connect(path)
    assert [("default",)] == reading.execute("SELECT tenant_id FROM device").fetchall()
    users = dict(reading.execute("SELECT name, tenant_id FROM account_user").fetchall())
    assert {"doctor": "default", "it": None, "administrator": None} == users
    assert [("default",)] == reading.execute("SELECT tenant_id FROM tenant").fetchall()
    reading.close()
