"""`laurel connections`: the outside systems of a program. Secrets come from a prompt, a file or standard input only."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table
from temporalio.service import RPCError

from cli.errors import CommandFailed
from cli.programs import choose
from cli.tabular import instant, show
from cli.work import InProgram, Json, answer_json, now, opened
from domain.connections import KINDS, Connection, ConnectionKind
from domain.outages import InvalidOutage, Outage
from domain.syncs import Sync
from relay import temporal
from relay.schedules import SYNCED
from settings import Settings
from storage import connections, outages
from storage.keyring import CannotOpen, Keyring
from workflows.clients import connect

app = typer.Typer(
    name="connections", help="Connections: outside systems and the secrets for them.", no_args_is_help=True
)

MAX_SECRETS_BYTES = 64 * 1024
STANDARD_INPUT = Path("-")

FromFile = Annotated[
    Path | None,
    typer.Option(
        "--secrets",
        help="A file with a JSON object of secrets by name; - reads standard input. Without it they are asked for. "
        "They are never given on the command line, which shells and process lists remember.",
    ),
]


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help=f"What kind of system: {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Option(help="What rules and people call it; unique in the program.")],
    config: Annotated[list[str] | None, typer.Option(help="One field as name=value; may be repeated.")] = None,
    secrets: FromFile = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Add an outside system; its secrets are encrypted before they are stored."""
    given = _secrets(_kind(kind), secrets)
    settings = Settings()
    added = asyncio.run(_add(settings, program, kind, name, _pairs(config or []), given))
    url = f"{settings.laurel_public_url}/intake/{added.id}"
    if json:
        answer_json(_described(added) | {"intake_url": url})
        return
    console = Console(soft_wrap=True)
    console.print(f"Connection [bold]{added.id}[/bold] ({added.kind}, {added.name}) is kept.")
    console.print(f"It sends its notices to {url}", highlight=False)


async def _add(
    settings: Settings,
    wanted: str | None,
    kind: str,
    name: str,
    config: Mapping[str, str],
    secrets: Mapping[str, str],
) -> Connection:
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        try:
            return await connections.insert(
                session, keyring, program, kind=kind, name=name, config=config, secrets=secrets, now=now()
            )
        except (ValueError, connections.NameTaken) as error:
            raise CommandFailed(str(error)) from None


@app.command("list")
def list_connections(program: InProgram = None, json: Json = False) -> None:
    """List the program's connections, without their secrets."""
    found = asyncio.run(_list(Settings(), program))
    if json:
        answer_json([_described(connection) for connection in found])
        return
    table = Table(Column("connection", no_wrap=True), "name", "kind", "configuration", "made", "secrets rotated")
    for one in found:
        config = ", ".join(f"{name}={value}" for name, value in one.config.items())
        rotated = f"{one.rotated_at:%Y-%m-%d}" if one.rotated_at else "never"
        table.add_row(one.id, one.name, one.kind, config, f"{one.created_at:%Y-%m-%d}", rotated)
    Console().print(table)


async def _list(settings: Settings, wanted: str | None) -> list[Connection]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        return await connections.list_of(session, program.id)


@app.command()
def rotate(
    name: Annotated[str, typer.Argument(help="The connection's name.")],
    secrets: FromFile = None,
    program: InProgram = None,
) -> None:
    """Put new secrets in place of a connection's old ones; those that are not given stay."""
    names = asyncio.run(_rotate(Settings(), program, name, secrets))
    typer.echo(f"{name} has new secrets: {', '.join(names)}." if names else f"{name} keeps its secrets.")


async def _rotate(settings: Settings, wanted: str | None, name: str, file: Path | None) -> list[str]:
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with opened(settings) as database:
        async with database.begin() as session:
            program = await choose(session, wanted)
            connection = await _named(session, keyring, program.id, name)
        given = _secrets(_kind(connection.kind), file, rotating=True)
        async with database.begin() as session:
            try:
                await connections.rotate(session, keyring, connection, secrets=given, now=now())
            except ValueError as error:
                raise CommandFailed(str(error)) from None
    return sorted(given)


MOMENT = "A day of the program's zone, or a moment with its offset."


@app.command()
def outage(
    name: Annotated[str, typer.Argument(help="The connection's name, which is its source's.")],
    from_: Annotated[str | None, typer.Option("--from", help=MOMENT)] = None,
    to: Annotated[str | None, typer.Option(help=MOMENT)] = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Say when a source could not be heard, so that nobody's streak breaks for it; without --to it is still down.

    With --to alone the outage that is open ends. Without either all that are known are listed. An outage protects the
    streaks of policies that name the source, or that count events which it brings.
    """
    known = asyncio.run(_outages(Settings(), program, name, from_, to))
    if json:
        answer_json([asdict(one) for one in known])
        return
    columns = ("outage", "source", "began_at", "ended_at", "recorded_at")
    rows = [(one.id, one.source, one.began_at, one.ended_at or "goes on", one.recorded_at) for one in known]
    show(f"Outages of {name}", columns, rows)


async def _outages(
    settings: Settings, wanted: str | None, name: str, from_: str | None, to: str | None
) -> Sequence[Outage]:
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        connection = await _named(session, keyring, program.id, name)
        began_at, ended_at = instant(from_, program.time_zone), instant(to, program.time_zone)
        if began_at or ended_at:
            try:
                await outages.tell(session, connection, began_at=began_at, ended_at=ended_at, now=now())
            except InvalidOutage as error:
                raise CommandFailed(str(error)) from None
        return await outages.list_of(session, program.id, connection_id=connection.id)


@app.command()
def sync(
    name: Annotated[str, typer.Argument(help="The connection's name.")],
    full: Annotated[bool, typer.Option("--full", help="Read everything, not only what changed.")] = False,
    program: InProgram = None,
) -> None:
    """Read what an HRIS has now, and not at its next hour. The worker does it; one run at a time."""
    asyncio.run(_sync(Settings(), program, name, full))
    typer.echo(f"{name} is read {'from the beginning' if full else 'from where the last run got to'}.")


async def _sync(settings: Settings, wanted: str | None, name: str, full: bool) -> None:
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        connection = await _named(session, keyring, program.id, name)
    if connection.kind not in SYNCED:
        raise CommandFailed(f"{connection.kind} is not read: it sends what there is to know")
    try:
        client = await connect(settings.temporal_address, settings.temporal_namespace, keyring)
        await temporal.sync(client, Sync(program.id, connection.id, connection.kind), full=full)
    except (RPCError, RuntimeError) as error:
        raise CommandFailed(f"Temporal at {settings.temporal_address}: {error}") from None


async def _named(session: Any, keyring: Keyring, program_id: str, name: str) -> Connection:
    try:
        connection = await connections.find_by_name(session, keyring, program_id, name)
    except CannotOpen as error:
        raise CommandFailed(f"the secrets of {name} cannot be read: {error}; is LAUREL_SECRET_KEYS complete?") from None
    if connection is None:
        raise CommandFailed(f"the program has no connection named {name!r}")
    return connection


def _kind(name: str) -> ConnectionKind:
    if name not in KINDS:
        raise CommandFailed(f"{name!r} is not a kind of connection; there are {', '.join(KINDS)}")
    return KINDS[name]


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in texts)
    if not all(pairs.values()):
        raise CommandFailed("each --config is written as name=value")
    return pairs


def _secrets(kind: ConnectionKind, file: Path | None, *, rotating: bool = False) -> dict[str, str]:
    if file is not None:
        return _read(file)
    if not sys.stdin.isatty():
        raise CommandFailed(
            "nobody is there to ask for secrets; give --secrets FILE, or --secrets - for standard input"
        )
    return _ask(kind, rotating)


def _read(file: Path) -> dict[str, str]:
    try:
        with sys.stdin.buffer if file == STANDARD_INPUT else file.open("rb") as source:
            found = orjson.loads(source.read(MAX_SECRETS_BYTES))
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError:
        raise CommandFailed(f"{file} is not JSON of at most {MAX_SECRETS_BYTES} bytes") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CommandFailed(f"{file} is not a JSON object of texts")
    return found


def _ask(kind: ConnectionKind, rotating: bool) -> dict[str, str]:
    answers = {}
    for field in kind.secrets:
        note = " (leave empty to keep it)" if rotating else "" if field.required else " (may be left empty)"
        default = None if field.required and not rotating else ""
        text = f"{field.name}: {field.description}{note}"
        answers[field.name] = typer.prompt(text, default=default, hide_input=True, show_default=False)
    return {name: value for name, value in answers.items() if value}


def _described(connection: Connection) -> dict[str, Any]:
    columns = ("id", "name", "kind", "config", "created_at", "rotated_at")
    return {name: getattr(connection, name) for name in columns}
