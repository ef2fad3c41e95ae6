"""Tables of the spool (SQLite, WAL) and the connection to them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from edge_agent.errors import ConfigInvalid

SCHEMA_VERSION: Final = 1
BUSY_TIMEOUT_MS: Final = 10_000

metadata: Final = sa.MetaData()

capture: Final = sa.Table(
    "capture",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("capture_id", sa.Text, nullable=False, unique=True),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("input", sa.Text, nullable=False),
    # Bytes, since a name need not be text in any encoding. Stays at the edge.
    sa.Column("source_name", sa.LargeBinary, nullable=False),
    sa.Column("copy_name", sa.Text, nullable=False, default=""),
    sa.Column("label", sa.Text),
    sa.Column("sha256", sa.LargeBinary),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("received_us", sa.Integer, nullable=False),
    sa.Column("monotonic_ns", sa.Integer, nullable=False),
    sa.Column("boot_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text, nullable=False, default=""),
    sa.Column("duplicate_of", sa.Text),
    sa.Column("pixels", sa.Text),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("notify_due", sa.Boolean, nullable=False),
    sa.Column("withdraw_due", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_try_us", sa.Integer),
    sa.Column("last_error", sa.Text, nullable=False, default=""),
    sa.Column("manifest", sa.LargeBinary),
    sa.Column("receipts", sa.LargeBinary),
    sa.Column("ledger_indices", sa.Text, nullable=False, default="[]"),
    sa.Column("steps_ms", sa.Text, nullable=False, default="{}"),
    sa.Column("mm_per_pixel", sa.Float),
    sa.Column("saved_bytes", sa.Integer, nullable=False, default=0),
    sa.Column("done_us", sa.Integer),
    sa.Index("capture_by_state", "state", "priority", "seq"),
    sa.Index("capture_by_bytes", "input", "sha256"),
)
sa.Index(
    "capture_with_word_due",
    capture.c.seq,
    sqlite_where=sa.or_(capture.c.notify_due == sa.true(), capture.c.withdraw_due == sa.true()),
)

result: Final = sa.Table(
    "result",
    metadata,
    sa.Column("capture_id", sa.Text, primary_key=True),
    sa.Column("image_id", sa.Text, primary_key=True),
    sa.Column("ok", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("result_us", sa.Integer, nullable=False),
    sa.Column("reading_json", sa.Text, nullable=False),
)

setting: Final = sa.Table(
    "setting",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


def open_engine(path: Path, *, writer: bool) -> sa.Engine:
    """Engine on the spool's database. A writer's transaction takes the write lock when it begins."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        poolclass=sa.StaticPool if writer else sa.QueuePool,
    )

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        # None: BEGIN is ours; the driver's own idea of transactions breaks savepoints.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "cache_size=-1024",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # By the driver: a cursor of SQLAlchemy's costs more than the small transactions here.
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def prepare(engine: sa.Engine) -> None:
    """Creates the tables in an empty file; raises ConfigInvalid for a file of another version."""
    with engine.begin() as connection:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if version == SCHEMA_VERSION:
            return
        if version != 0:
            raise ConfigInvalid(
                f"the spool has version {version}, this agent knows {SCHEMA_VERSION}: "
                "update the agent, or choose another data folder"
            )
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
