"""Set by set: one statement inserts any number of rows, as arrays that the server unfolds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Column, RowMapping, Table, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for one table, values in the order of `columns`; `suffix` may add ON CONFLICT or RETURNING."""

    table: Table
    columns: tuple[str, ...]
    values: Sequence[Sequence[Any]]
    suffix: str = ""


async def insert(session: AsyncSession, rows: Rows) -> Sequence[RowMapping]:
    """Insert the rows in their order; what a RETURNING suffix asks for comes back."""
    if not rows.values:
        return []
    result = await session.execute(statement(((rows.table, rows.columns, rows.suffix),)), _arrays(0, rows))
    return result.mappings().all() if "RETURNING" in rows.suffix else []


async def insert_all(session: AsyncSession, sets: Iterable[Rows]) -> None:
    """Insert several tables' rows in one statement: foreign keys among them are checked when all are there."""
    filled = [rows for rows in sets if rows.values]
    if not filled:
        return
    written = statement(tuple((rows.table, rows.columns, rows.suffix) for rows in filled))
    arrays: dict[str, str] = {}
    for number, rows in enumerate(filled):
        arrays |= _arrays(number, rows)
    await session.execute(written, arrays)


@lru_cache(maxsize=1_000)
def statement(sets: tuple[tuple[Table, tuple[str, ...], str], ...]) -> TextClause:
    """The statement that inserts into these (table, columns, suffix); its parameters are arrays, `column_number`."""
    inserts = [_insert(number, *rows) for number, rows in enumerate(sets)]
    others = [f"s{number} AS ({insert})" for number, insert in enumerate(inserts[:-1])]
    return text((f"WITH {', '.join(others)} " if others else "") + inserts[-1])


def _insert(number: int, table: Table, columns: tuple[str, ...], suffix: str) -> str:
    arrays = ", ".join(f"CAST(:{name}_{number} AS {_sql_type(table.c[name])}[])" for name in columns)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest({arrays}) {suffix}"


def _sql_type(column: Column[Any]) -> str:
    return str(column.type.compile(dialect=_DIALECT)).split(" COLLATE ")[0]


def _arrays(number: int, rows: Rows) -> dict[str, str]:
    columns = zip(rows.columns, zip(*rows.values, strict=True), strict=True)
    return {f"{name}_{number}": array(rows.table.c[name], values) for name, values in columns}


def array(column: Column[Any], values: Iterable[Any]) -> str:
    """The values as PostgreSQL's array literal, ten times as fast to write as the driver's own lists."""
    return "{" + ",".join(map(_element(column), values)) + "}"


def _element(column: Column[Any]) -> Callable[[Any], str]:
    if isinstance(column.type, JSONB):
        return _json
    return _ELEMENTS.get(column.type.python_type, _quoted)


def _json(value: Any) -> str:
    return "NULL" if value is None else _quoted(orjson.dumps(value).decode())


def _quoted(value: Any) -> str:
    if value is None:
        return "NULL"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(value: Any) -> str:
    return "NULL" if value is None else str(value)


def _hex(value: bytes | None) -> str:
    return "NULL" if value is None else f'"\\\\x{value.hex()}"'


_ELEMENTS: dict[type, Callable[[Any], str]] = {int: _plain, bool: _plain, bytes: _hex}
