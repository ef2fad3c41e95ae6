"""Alembic's entry: runs the revisions on the connection that cloud/db/migrate.py passes in."""

from __future__ import annotations

from alembic import context

from cloud.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
