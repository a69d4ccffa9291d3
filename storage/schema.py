"""The schema's life: upgrade to head, ask how far it is. Only the owner's role may run these.

The first migration also makes `laurel_app`, the role the application works under: it reads and writes rows, but cannot
update or delete what is append-only.
"""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from storage import (  # noqa: F401 - their tables belong to the metadata
    game_tables,
    nomination_tables,
    preference_tables,
    recognition_tables,
    slack_tables,
)
from storage.database import with_driver
from storage.tables import Xid, metadata

ischema_names["xid8"] = Xid  # for comparing: SQLAlchemy does not know the type

# Two deployments that start at once must not migrate at once.
MIGRATION_LOCK = 0x4C41_5552_454C


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")


async def migrate(owner_url: str) -> None:
    """Bring the database to the newest revision; a second caller waits and then finds nothing to do."""
    engine = create_async_engine(with_driver(owner_url))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def head() -> str:
    """The newest revision that this code knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


async def current(connection: AsyncConnection) -> str | None:
    """The revision the database is at; None before the first migration."""
    return await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())


def drift(connection: Connection) -> list[object]:
    """What differs between the database and `storage.tables`; empty when they agree."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))
