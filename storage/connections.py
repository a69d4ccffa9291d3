"""Connections: outside systems of a program, their secrets sealed to the row and opened only here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection, check
from domain.programs import Program, ProgramKind, check_name
from storage.hot_path import run
from storage.ids import new_id
from storage.keyring import Keyring, Sealed, binding
from storage.tables import connections, programs

MAX_LISTED = 1_000  # connections of one program

# On the driver: each webhook and each step at a vendor reads one.
COLUMNS = ("id", "program_id", "kind", "name", "config", "created_at", "rotated_at", "key_id", "secrets")
_BY_ID = f"SELECT {', '.join(COLUMNS)} FROM connections WHERE id = %(id)s"
_OWN = f"{_BY_ID} AND program_id = %(program_id)s"
_NAMED = f"SELECT {', '.join(COLUMNS)} FROM connections WHERE program_id = %(program_id)s AND name = %(name)s"


class NameTaken(Exception):
    """The program has a connection of this name already."""


async def insert(
    session: AsyncSession,
    keyring: Keyring,
    program: Program,
    *,
    kind: str,
    name: str,
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    now: datetime,
) -> Connection:
    """Keep a new connection; raises InvalidConnection (see domain.connections), ValueError or NameTaken."""
    check(kind, program.kind, config, secrets)
    connection = Connection(new_id("con"), program.id, kind, check_name(name), now, dict(config), dict(secrets))
    if await find_by_name(session, keyring, program.id, connection.name) is not None:
        raise NameTaken(f"a connection named {connection.name!r} exists")
    sealed = _seal(keyring, connection)
    columns = ("id", "program_id", "kind", "name", "config", "created_at")
    row = {name: getattr(connection, name) for name in columns}
    await session.execute(connections.insert().values(row | {"secrets": sealed.ciphertext, "key_id": sealed.key_id}))
    return connection


async def find(session: AsyncSession, keyring: Keyring, connection_id: str) -> Connection | None:
    """The connection of this id, of whichever program (an intake URL names nothing else), with its secrets opened."""
    return await _first(session, keyring, _BY_ID, {"id": connection_id})


async def get(session: AsyncSession, keyring: Keyring, program_id: str, connection_id: str) -> Connection:
    """The program's connection of this id, with its secrets opened; raises LookupError."""
    connection = await _first(session, keyring, _OWN, {"program_id": program_id, "id": connection_id})
    if connection is None:
        raise LookupError(f"no connection {connection_id}")
    return connection


async def find_by_name(session: AsyncSession, keyring: Keyring, program_id: str, name: str) -> Connection | None:
    """The program's connection of this name, with its secrets opened, or None."""
    return await _first(session, keyring, _NAMED, {"program_id": program_id, "name": name})


async def list_of(session: AsyncSession, program_id: str) -> list[Connection]:
    """The program's connections, oldest first, without their secrets, at most MAX_LISTED."""
    own = select(connections).where(connections.c.program_id == program_id).order_by(connections.c.id)
    return [_connection(row, {}) for row in (await session.execute(own.limit(MAX_LISTED))).mappings()]


async def rotate(
    session: AsyncSession,
    keyring: Keyring,
    connection: Connection,
    *,
    secrets: Mapping[str, str],
    config: Mapping[str, str] | None = None,
    now: datetime,
) -> Connection:
    """Put these secrets and fields in place of those of the same names; the others stay. Raises InvalidConnection."""
    rotated = replace(
        connection,
        config={**connection.config, **(config or {})},
        secrets={**connection.secrets, **secrets},
        rotated_at=now,
    )
    kind = select(programs.c.kind).where(programs.c.program_id == connection.program_id)
    check(rotated.kind, ProgramKind((await session.execute(kind)).scalar_one()), rotated.config, rotated.secrets)
    await _update(session, keyring, rotated)
    return rotated


async def forget_secrets(session: AsyncSession, keyring: Keyring, connection: Connection, *, now: datetime) -> None:
    """The connection has no secrets any more: until it is rotated, nothing can be asked of its system."""
    await _update(session, keyring, replace(connection, secrets={}, rotated_at=now))


async def _update(session: AsyncSession, keyring: Keyring, changed: Connection) -> None:
    sealed = _seal(keyring, changed)
    own = update(connections).where(connections.c.program_id == changed.program_id, connections.c.id == changed.id)
    values = {"config": changed.config, "rotated_at": changed.rotated_at}
    await session.execute(own.values(secrets=sealed.ciphertext, key_id=sealed.key_id, **values))


async def _first(
    session: AsyncSession, keyring: Keyring, query: str, parameters: Mapping[str, str]
) -> Connection | None:
    found = await run(session, query, parameters)
    return opened(keyring, found[0]) if found else None


def opened(keyring: Keyring, values: Sequence[Any]) -> Connection:
    """The connection whose row has these values, those of COLUMNS, with its secrets opened."""
    row = dict(zip(COLUMNS, values, strict=True))
    return _connection(row, _open(keyring, row))


def _connection(row: Mapping[Any, Any], secrets: Mapping[str, str]) -> Connection:
    columns = ("id", "program_id", "kind", "name", "created_at", "config", "rotated_at")
    return Connection(**{name: row[name] for name in columns}, secrets=secrets)


def _seal(keyring: Keyring, connection: Connection) -> Sealed:
    return keyring.seal(orjson.dumps(dict(connection.secrets)), binding(connection.program_id, connection.id))


def _open(keyring: Keyring, row: Mapping[Any, Any]) -> dict[str, str]:
    plain = keyring.open(row["key_id"], row["secrets"], binding(row["program_id"], row["id"]))
    opened: dict[str, str] = orjson.loads(plain)
    return opened
