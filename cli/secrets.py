"""`laurel secrets`: what is stored encrypted."""

import asyncio

import typer

from cli.errors import CommandFailed
from cli.work import Json, answer_json, opened
from settings import Settings
from storage import sealed_rows
from storage.database import Database
from storage.keyring import CannotOpen, Keyring

app = typer.Typer(name="secrets", help="Secrets that are stored encrypted.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Hold the commands below this name, even while there is only one."""


@app.command()
def rotate(json: Json = False) -> None:
    """Encrypt every stored secret again under the first of LAUREL_SECRET_KEYS.

    It may be run at any time and again: what the first key has encrypted already is left alone. Keep the older keys for
    as long as Temporal keeps the histories of closed workflows: their payloads stay as they were written.
    """
    settings = Settings()
    try:
        counts = asyncio.run(_rotate(settings))
    except CannotOpen as error:
        raise CommandFailed(f"{error}; every key that was ever first must still be in LAUREL_SECRET_KEYS") from None
    if json:
        answer_json({"key_id": settings.laurel_secret_keys.current_id, "sealed_again": counts})
        return
    for name, count in counts.items():
        typer.echo(f"{name}: {count} sealed again")


async def _rotate(settings: Settings) -> dict[str, int]:
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    counts = {}
    async with opened(settings) as database:
        for sealed in sealed_rows.COLUMNS:
            name = f"{sealed.table.name}.{sealed.column.name}"
            counts[name] = 0
            while count := await _page(database, keyring, sealed):
                counts[name] += count
    return counts


async def _page(database: Database, keyring: Keyring, sealed: sealed_rows.SealedColumn) -> int:
    async with database.begin() as session:
        return await sealed_rows.reseal(session, keyring, sealed)
