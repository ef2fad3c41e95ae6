"""Statements of the hot paths: SQLAlchemy Core compiles them once, the driver runs them."""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.selectable import ExecutableReturnsRows

from cloud.db import Tx

T = TypeVar("T")

Core: TypeAlias = "sa.Select[Any] | sa.Insert | sa.Update | sa.Delete"
Values: TypeAlias = Mapping[str, Any]
Convert: TypeAlias = Callable[[Any], Any]
_KEY: Final = "the_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    """A statement in the words of one dialect."""

    sql: str
    """Text for the driver."""
    named: bool
    """The driver takes its parameters by name; False: in order."""
    constants: Mapping[str, Any]
    """Parameters whose value stands in the statement itself."""
    parameters: Sequence[tuple[str, Convert | None]]
    """Name of each parameter, in the driver's order, and what turns a value into the driver's."""
    row: Callable[[Sequence[Any]], Any]
    """Makes a named tuple of a driver's row."""
    converted: Sequence[tuple[int, Convert]]
    """Places in a row whose values have to be turned into the program's, and how."""
    driver_error: type[Exception]
    """Base class of the driver's errors."""


class Prepared:
    """A Core statement with the same meaning as `tx.execute(statement, values)`, at a tenth of its cost.

    SQLAlchemy spends most of a short statement's time around the driver: events, cursors, rows. Here it only
    compiles, once per dialect, and gives the types' conversions. Takes what is fixed: no expanding IN, and
    every column of an INSERT or UPDATE named in the statement. Raises SQLAlchemy's DBAPIError as it would.
    """

    def __init__(self, statement: Core) -> None:
        self._statement = statement
        self._by_dialect: dict[str, _Compiled] = {}

    def run(self, tx: Tx, values: Values) -> int:
        """Executes with `values`; the number of rows it changed."""
        compiled = self._compiled(tx.dialect)
        return _execute(tx, compiled, _bound(compiled, values), lambda cursor: int(cursor.rowcount))

    def run_many(self, tx: Tx, rows: Sequence[Values]) -> None:
        """Executes once for each of `rows`."""
        compiled = self._compiled(tx.dialect)
        for values in rows:
            _execute(tx, compiled, _bound(compiled, values), lambda _: None)

    def all(self, tx: Tx, values: Values | None = None) -> list[Any]:
        """Every row as a named tuple."""
        compiled = self._compiled(tx.dialect)
        bound = _bound(compiled, values or {})
        rows: list[Sequence[Any]] = _execute(tx, compiled, bound, lambda cursor: cursor.fetchall())
        return [_converted(compiled, row) for row in rows]

    def first(self, tx: Tx, values: Values | None = None) -> Any | None:
        """The first row as a named tuple, None where there is none."""
        rows = self.all(tx, values)
        return rows[0] if rows else None

    def one(self, tx: Tx, values: Values | None = None) -> Any:
        """The only row as a named tuple; raises LookupError for none or several."""
        rows = self.all(tx, values)
        if len(rows) != 1:
            raise LookupError(f"{len(rows)} rows instead of one")
        return rows[0]

    def _compiled(self, dialect: Dialect) -> _Compiled:
        found = self._by_dialect.get(dialect.name)
        if found is None:
            found = self._by_dialect[dialect.name] = _compile(self._statement, dialect)
        return found


@functools.cache
def insert(table: sa.Table, *names: str, returning: str | None = None) -> Prepared:
    """INSERT of the named columns; `returning` names a column to give back."""
    statement = sa.insert(table).values(
        {name: sa.bindparam(name, type_=table.c[name].type) for name in names}
    )
    return Prepared(statement if returning is None else statement.returning(table.c[returning]))


def change(tx: Tx, key: sa.Column[Any], key_value: Any, values: Values) -> int:
    """Sets columns by name in the rows whose column `key` has `key_value`; how many these are."""
    return _update(key, *values).run(tx, {_KEY: key_value, **values})


@functools.cache
def _update(key: sa.Column[Any], *names: str) -> Prepared:
    columns = key.table.c
    return Prepared(
        sa.update(key.table)
        .where(key == sa.bindparam(_KEY, type_=key.type))
        .values({name: sa.bindparam(name, type_=columns[name].type) for name in names})
    )


def _compile(statement: Core, dialect: Dialect) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect)
    names = compiled.positiontup if compiled.positional else list(compiled.binds)
    parameters = [
        (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names
    ]
    columns = list(statement.exported_columns) if isinstance(statement, ExecutableReturnsRows) else []
    processors = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    assert dialect.loaded_dbapi is not None
    make_type: Any = namedtuple
    return _Compiled(
        sql=str(compiled),
        named=not compiled.positional,
        constants={name: compiled.params[name] for name in names if not compiled.binds[name].required},
        parameters=parameters,
        row=make_type("Row", [str(column.key) for column in columns])._make,
        converted=[(place, convert) for place, convert in enumerate(processors) if convert is not None],
        driver_error=dialect.loaded_dbapi.Error,
    )


def _execute(tx: Tx, compiled: _Compiled, parameters: Any, take: Callable[[Any], T]) -> T:
    """What `take` takes from the cursor: the driver may fail there too, at any row."""
    cursor = tx.connection.cursor()
    try:
        cursor.execute(compiled.sql, parameters)
        return take(cursor)
    except compiled.driver_error as error:
        raise DBAPIError.instance(
            compiled.sql,
            None,
            error,
            compiled.driver_error,
            hide_parameters=True,
            dialect=tx.dialect,
        ) from error


def _bound(compiled: _Compiled, values: Values) -> list[Any] | dict[str, Any]:
    bound = []
    for name, convert in compiled.parameters:
        value = values[name] if name in values else compiled.constants[name]
        bound.append(value if convert is None else convert(value))
    if compiled.named:
        return dict(zip((name for name, _ in compiled.parameters), bound, strict=True))
    return bound


def _converted(compiled: _Compiled, row: Sequence[Any]) -> Any:
    if not compiled.converted:
        return compiled.row(row)
    values = list(row)
    for place, convert in compiled.converted:
        values[place] = convert(values[place])
    return compiled.row(values)
