"""The schema goes from empty to head, agrees with the tables in code, and keeps the past from the application."""

import asyncio
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cli.embedded.postgres import OWNER, create_roles
from storage import schema
from storage.tables import metadata
from tests.servers import Servers

APPEND_ONLY = (
    "configurations",
    "decisions",
    "transactions",
    "transfers",
    "entries",
    "lot_moves",
    "seals",
    "commitments",
    "checkpoints",
    "erasures",
    "event_revisions",
    "member_versions",
    "order_steps",
)
FORBIDDEN = ("UPDATE {} SET program_id = program_id", "DELETE FROM {}", "TRUNCATE {}")


@pytest.fixture
def empty_url(servers: Servers) -> Iterator[str]:
    """The owner's URL of a database in which nothing has been made."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.postgres(), autocommit=True) as connection:
        create_roles(connection)
        statement = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(OWNER)))
        url = make_url(servers.postgres()).set(username=OWNER, database=name)
        yield url.render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def revision(url: str) -> str | None:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return await schema.current(connection)
    finally:
        await engine.dispose()


async def test_an_empty_database_goes_to_head_and_stays_there(empty_url: str) -> None:
    assert await revision(empty_url) is None

    await schema.migrate(empty_url)
    await schema.migrate(empty_url)

    assert await revision(empty_url) == schema.head()


async def test_two_deployments_may_migrate_at_once(empty_url: str) -> None:
    await asyncio.gather(schema.migrate(empty_url), schema.migrate(empty_url))

    assert await revision(empty_url) == schema.head()


async def test_the_migrated_database_is_what_the_code_says(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.run_sync(schema.drift) == []


def test_every_table_carries_its_program() -> None:
    assert [table.name for table in metadata.sorted_tables if "program_id" not in table.columns] == []


def test_a_table_that_is_append_only_exists() -> None:
    assert [name for name in APPEND_ONLY if name not in metadata.tables] == []


@pytest.mark.parametrize("statement", FORBIDDEN)
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_application_cannot_change_what_is_append_only(database_url: str, table: str, statement: str) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql.SQL(statement).format(sql.Identifier(table)))


@pytest.mark.parametrize("statement", ["CREATE TABLE mine (n int)", "DROP TABLE events", "DELETE FROM alembic_version"])
def test_the_application_cannot_change_the_schema(database_url: str, statement: str) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)
