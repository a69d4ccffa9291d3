"""Set by set: one statement inserts any number of rows, as arrays that the server unfolds."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Column, Table, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def _sql_type(column: Column[Any]) -> str:
    return str(column.type.compile(dialect=_DIALECT)).split(" COLLATE ")[0]


@lru_cache(maxsize=256)
def _insert(table: Table, columns: tuple[str, ...], suffix: str) -> TextClause:
    arrays = ", ".join(f"CAST(:{name} AS {_sql_type(table.c[name])}[])" for name in columns)
    names = ", ".join(columns)
    return text(f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) {suffix}")


def _columns(table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    values = list(zip(*rows, strict=True))
    arrays = {name: list(column) for name, column in zip(names, values, strict=True)}
    for name in names:
        if isinstance(table.c[name].type, JSONB):
            arrays[name] = [None if value is None else orjson.dumps(value).decode() for value in arrays[name]]
    return arrays


async def insert(
    session: AsyncSession, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]], suffix: str = ""
) -> Sequence[Mapping[str, Any]]:
    """Insert rows (values in the order of `names`); `suffix` may add ON CONFLICT and RETURNING, whose rows come back."""
    if not rows:
        return []
    result = await session.execute(_insert(table, tuple(names), suffix), _columns(table, names, rows))
    return result.mappings().all() if result.returns_rows else []
