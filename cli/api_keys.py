"""`laurel keys`: the API keys of a program."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain import scopes
from domain.api_keys import ApiKey
from domain.scopes import DESCRIPTIONS
from settings import Settings
from storage import api_keys

app = typer.Typer(name="keys", help="API keys: one for each integration.", no_args_is_help=True)

MAX_DAYS = 3_650


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Who will use it, for example the name of the integration.")],
    scope: Annotated[list[str], typer.Option(help="What it may do, one of `laurel keys scopes`; may be repeated.")],
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, max=MAX_DAYS, help="When it stops working; never if left out.")
    ] = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Make a key and show it once."""
    key, secret = asyncio.run(_create(Settings(), program, name, scope, expires_in_days))
    if json:
        answer_json({**_described(key), "key": secret})
        return
    console = Console(soft_wrap=True)
    console.print(f"Key [bold]{key.id}[/bold] for {', '.join(sorted(key.scopes))}, shown only now:")
    console.print(secret, style="bold", highlight=False)


async def _create(
    settings: Settings, wanted: str | None, name: str, scope: list[str], days: int | None
) -> tuple[ApiKey, str]:
    at = now()
    expires_at = at + timedelta(days=days) if days else None
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        try:
            held = scopes.parse(scope)
            return await api_keys.insert(session, program, name=name, scopes=held, expires_at=expires_at, now=at)
        except ValueError as error:
            raise CommandFailed(str(error)) from None


@app.command("list")
def list_keys(program: InProgram = None, json: Json = False) -> None:
    """List the program's keys, without the keys themselves."""
    found = asyncio.run(_list(Settings(), program))
    if json:
        answer_json([_described(key) for key in found])
        return
    table = Table(Column("key", no_wrap=True), "name", "begins", "may", "made", "expires", "state")
    for key in found:
        expires = f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "never"
        made = f"{key.created_at:%Y-%m-%d}"
        table.add_row(key.id, key.name, key.prefix, ", ".join(sorted(key.scopes)), made, expires, _state(key))
    Console().print(table)


async def _list(settings: Settings, wanted: str | None) -> list[ApiKey]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        return await api_keys.list_of(session, program.id)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `laurel keys list` shows it.")],
    program: InProgram = None,
) -> None:
    """End a key at once and for ever."""
    if not asyncio.run(_revoke(Settings(), program, key_id)):
        raise CommandFailed(f"the program has no key {key_id} that still works")
    typer.echo(f"{key_id} opens nothing any more.")


async def _revoke(settings: Settings, wanted: str | None, key_id: str) -> bool:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        return await api_keys.revoke(session, program.id, key_id, now=now())


@app.command("scopes")
def list_scopes() -> None:
    """List what keys can be allowed to do."""
    table = Table("scope", "allows")
    for scope, description in DESCRIPTIONS.items():
        table.add_row(scope, description)
    Console().print(table)


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return "revoked"
    return "valid" if key.valid_at(now()) else "expired"


def _described(key: ApiKey) -> dict[str, Any]:
    columns = ("id", "name", "prefix", "created_at", "expires_at", "revoked_at")
    return {name: getattr(key, name) for name in columns} | {"scopes": sorted(key.scopes), "state": _state(key)}
