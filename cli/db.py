"""`laurel db`: the schema."""

import asyncio

import typer
from sqlalchemy.ext.asyncio import create_async_engine

from settings import Settings
from storage import schema
from storage.database import with_driver

app = typer.Typer(name="db", help="The database's schema.", no_args_is_help=True)


@app.callback()
def db() -> None:
    """Hold the commands below this name, even while there is only one."""


@app.command()
def upgrade() -> None:
    """Bring the database to the newest revision, as the role of DATABASE_OWNER_URL."""
    asyncio.run(schema.migrate(Settings().owner_url))
    typer.echo(f"The database is at revision {schema.head()}.")


@app.command()
def current() -> None:
    """Show the database's revision beside the newest one; status 1 if they differ."""
    revision = asyncio.run(_current(Settings().owner_url))
    typer.echo(f"The database is at revision {revision or 'none'}, the newest is {schema.head()}.")
    if revision != schema.head():
        raise typer.Exit(1)


async def _current(owner_url: str) -> str | None:
    engine = create_async_engine(with_driver(owner_url))
    try:
        async with engine.connect() as connection:
            return await schema.current(connection)
    finally:
        await engine.dispose()
