"""Set by set: one statement inserts any number of rows, as arrays that the server unfolds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from storage.hot_path import Query, run, send

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for one table: values in the order of `columns`, and what is the same in all of them in `fixed`.

    `suffix` may add ON CONFLICT or RETURNING.
    """

    table: Table
    columns: tuple[str, ...]
    values: Sequence[Sequence[Any]]
    suffix: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> "Shape":
        return self.table, self.columns, self.suffix, tuple(self.fixed)


# Table, columns, suffix, fixed columns: what a statement depends on.
Shape = tuple[Table, tuple[str, ...], str, tuple[str, ...]]


async def insert(session: AsyncSession, rows: Rows) -> list[tuple[Any, ...]]:
    """Insert the rows in their order; what a RETURNING suffix asks for comes back."""
    if not rows.values:
        return []
    return await run(session, _statement((rows.shape,)), _parameters(0, rows))


async def insert_all(session: AsyncSession, sets: Iterable[Rows]) -> None:
    """Insert several tables' rows in one statement: foreign keys among them are checked when all are there."""
    if query := inserting(sets):
        await send(session, *query)


def inserting(sets: Iterable[Rows]) -> Query | None:
    """The one statement that inserts several tables' rows; None if there are none."""
    filled = [rows for rows in sets if rows.values]
    parameters: dict[str, Any] = {}
    for number, rows in enumerate(filled):
        parameters |= _parameters(number, rows)
    return (_statement(tuple(rows.shape for rows in filled)), parameters) if filled else None


@lru_cache(maxsize=1_000)
def _statement(shapes: tuple[Shape, ...]) -> str:
    inserts = [_insert(number, *shape) for number, shape in enumerate(shapes)]
    others = [f"s{number} AS ({insert})" for number, insert in enumerate(inserts[:-1])]
    return (f"WITH {', '.join(others)} " if others else "") + inserts[-1]


def _insert(number: int, table: Table, columns: tuple[str, ...], suffix: str, fixed: tuple[str, ...]) -> str:
    names = ", ".join((*columns, *fixed))
    scalars = "".join(f", CAST(%({name}_{number})s AS {_sql_type(table.c[name])})" for name in fixed)
    arrays = ", ".join(f"CAST(%({name}_{number})s AS {_sql_type(table.c[name])}[])" for name in columns)
    return f"INSERT INTO {table.name} ({names}) SELECT u.*{scalars} FROM unnest({arrays}) AS u {suffix}"


def _sql_type(column: Column[Any]) -> str:
    return str(column.type.compile(dialect=_DIALECT)).split(" COLLATE ")[0]


def _parameters(number: int, rows: Rows) -> dict[str, Any]:
    parameters: dict[str, Any] = {f"{name}_{number}": value for name, value in rows.fixed.items()}
    columns = zip(*rows.values, strict=True)
    for (name, write), values in zip(_writers(number, rows.table, rows.columns), columns, strict=True):
        parameters[name] = _array(write, values)
    return parameters


# -- Array literals ------------------------------------------------------------------------------------------------

# Between elements while they are one text: a control character, which JSON writes escaped.
_BETWEEN = "\x01"

Write = Callable[[Sequence[Any]], str]


def texts(values: Sequence[str]) -> str:
    """Texts as an array literal, for a parameter that is cast to text[], or to whatever the texts say."""
    return "{" + _quoted(values) + "}" if values else "{}"


def array(column: Column[Any], values: Sequence[Any]) -> str:
    """The values as PostgreSQL's array literal, ten times as fast to write as the driver's own lists."""
    return _array(_writer(column), values)


def _array(write: Write, values: Sequence[Any]) -> str:
    if None in values:
        return "{" + ",".join("NULL" if value is None else write((value,)) for value in values) + "}"
    return "{" + write(values) + "}"


@lru_cache(maxsize=1_000)
def _writers(number: int, table: Table, columns: tuple[str, ...]) -> tuple[tuple[str, Write], ...]:
    """What writes each column, by its parameter: asking for the types each time cost more than short arrays do."""
    return tuple((f"{name}_{number}", _writer(table.c[name])) for name in columns)


def _writer(column: Column[Any]) -> Write:
    if isinstance(column.type, JSONB):
        return _documents
    kind = column.type.python_type
    return _WRITERS.get(kind, _instants)


def _documents(values: Sequence[Any]) -> str:
    return _quoted([orjson.dumps(value).decode() for value in values])


def _bytes(values: Sequence[bytes]) -> str:
    return ",".join([f'"\\\\x{value.hex()}"' for value in values])


def _numbers(values: Sequence[int]) -> str:
    return ",".join(map(str, values))


def _instants(values: Sequence[date]) -> str:
    return ",".join([value.isoformat() for value in values])


def _quoted(values: Sequence[str]) -> str:
    """Quoted and escaped, all in one go: a loop over the elements would cost more than the rest of a batch."""
    joined = _BETWEEN.join(values)
    if joined.count(_BETWEEN) != len(values) - 1:
        return ",".join([_quoted((value.replace(_BETWEEN, "\ufffd"),)) for value in values])
    if "\\" in joined or '"' in joined:
        joined = joined.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + joined.replace(_BETWEEN, '","') + '"'


_WRITERS: dict[type, Write] = {str: _quoted, bytes: _bytes, int: _numbers, bool: _numbers}
