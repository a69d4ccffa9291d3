"""`laurel db`: the schema."""

import asyncio

import typer

from settings import Settings
from storage import schema

app = typer.Typer(name="db", help="The database's schema.", no_args_is_help=True)


@app.callback()
def db() -> None:
    """Hold the commands below this name, even while there is only one."""


@app.command()
def upgrade() -> None:
    """Bring the database to the newest revision, as the role of DATABASE_OWNER_URL."""
    asyncio.run(schema.migrate(Settings().owner_url))
    typer.echo(f"The database is at revision {schema.head()}.")
