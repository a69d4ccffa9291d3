"""What commands that work on a deployment share: its database while they run, the time, and answers for scripts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from psycopg.errors import UndefinedTable
from sqlalchemy.exc import ProgrammingError

from cli.errors import CommandFailed
from settings import Settings
from storage.database import Database

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON value, for scripts.")]
InProgram = Annotated[
    str | None,
    typer.Option(
        "--program", help="The program's id or name; may be left out while there is only one.", metavar="TEXT"
    ),
]


@asynccontextmanager
async def opened(settings: Settings, *, as_owner: bool = False) -> AsyncIterator[Database]:
    """The deployment's database; raises CommandFailed if it has no schema yet."""
    database = Database(settings.owner_url if as_owner else settings.database_url, pool_size=2)
    try:
        yield database
    except ProgrammingError as error:
        if isinstance(error.orig, UndefinedTable):
            raise CommandFailed("the database has no schema yet; run `laurel db upgrade` first") from None
        raise
    finally:
        await database.dispose()


def now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def answer_json(answer: Any) -> None:
    """Write one JSON value to standard output."""
    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
