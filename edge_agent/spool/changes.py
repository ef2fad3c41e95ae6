"""Moves that change columns of one capture."""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sa

from edge_agent.spool.journal import Move
from edge_agent.spool.prepared import Prepared
from edge_agent.spool.schema import capture


def update(capture_id: str, **values: Any) -> Move[None]:
    """The move that gives these columns of the capture these values."""
    statement = _statement(tuple(values))

    def move(tx: sa.Connection) -> None:
        statement.run(tx, {"the_capture": capture_id, **values})

    return move


@functools.cache
def _statement(names: tuple[str, ...]) -> Prepared:
    """Building a statement costs more than running it, so each set of columns has one."""
    return Prepared(
        sa.update(capture)
        .where(capture.c.capture_id == sa.bindparam("the_capture"))
        .values({name: sa.bindparam(name) for name in names})
    )
