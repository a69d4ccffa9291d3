"""`laurel slack`: the app at Slack, the workspaces that have it, and what is wrong where something is."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from slack_sdk.errors import SlackApiError
from sqlalchemy.ext.asyncio import AsyncSession

import runtime
from api.slack import socket as sockets
from cli.connections import STANDARD_INPUT
from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from connectors.breakers import Breaker
from connectors.errors import OutsideError
from connectors.slack import doctor as looks
from connectors.slack import manifest as manifests
from connectors.slack.doctor import Finding
from connectors.slack.oauth import INSTALL_PATH
from connectors.slack.web import KIND, Slack
from domain import notifications
from domain.connections import Connection
from domain.programs import Program
from domain.slack_users import Deactivation
from domain.slack_workspaces import (
    LINK_MINUTES,
    BelongsToAnother,
    Installation,
    InstallLink,
    Workspace,
    WorkspaceState,
)
from settings import Settings
from storage import configurations, connections, slack_install_links, slack_workspaces
from storage.keyring import Keyring
from storage.wakeups import Wakeups

app = typer.Typer(name="slack", help="Slack: the app, and the workspaces that have it.", no_args_is_help=True)

OPERATOR = "operator"
MAX_TOKEN = 1_000  # characters

OfTeam = Annotated[str, typer.Argument(help="The workspace's id, as T024BE7LD.", metavar="TEAM")]


@app.command()
def manifest(
    url: Annotated[str | None, typer.Option(help="Where Slack reaches Laurel: https and no slash at the end.")] = None,
    socket: Annotated[bool, typer.Option("--socket", help="For Socket Mode: Slack reaches nothing.")] = False,
) -> None:
    """Print the manifest to make the app from, at api.slack.com/apps; LAUREL_PUBLIC_URL is its URL if none is given."""
    if socket:
        typer.echo(manifests.ready_for_socket(), nl=False)
        return
    url = (url or Settings().laurel_public_url).rstrip("/")
    if not url.startswith("https://"):
        raise CommandFailed(f"Slack sends to https alone, not to {url}; give --url https://..., or --socket")
    typer.echo(manifests.ready(url), nl=False)


@app.command()
def socket() -> None:
    """Take Slack's requests over a WebSocket, for installations that Slack cannot reach; Ctrl-C ends it."""
    settings = Settings()
    if settings.slack_app_token is None:
        raise CommandFailed("set SLACK_APP_TOKEN first: an app-level token with the scope connections:write")
    runtime.run(_listen(settings, settings.slack_app_token.get_secret_value()))


async def _listen(settings: Settings, app_token: str) -> None:
    wakeups = Wakeups(settings.listen_url)
    sending = asyncio.create_task(wakeups.send())
    try:
        async with sockets.app(settings, wakeups, now) as taker, sockets.listening(settings, taker, app_token):
            typer.echo("Slack's requests are taken. Ctrl-C ends it.")
            await _asked_to_end()
    except SlackApiError as error:
        raise CommandFailed(f"Slack refuses the app-level token: {error.response['error']}") from None
    finally:
        await runtime.end([sending])


async def _asked_to_end() -> None:
    """Whoever asks for it before this, while Slack is not reached, ends the process as it is."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()


@app.command()
def install(program: InProgram = None, json: Json = False) -> None:
    """Make a link by which one workspace is connected, once, and show it once."""
    settings = Settings()
    if settings.slack_client_id is None or settings.slack_client_secret is None:
        raise CommandFailed("set SLACK_CLIENT_ID and SLACK_CLIENT_SECRET first, from the app's Basic Information page")
    link = f"{settings.laurel_public_url}{INSTALL_PATH}?state={asyncio.run(_make_link(settings, program))}"
    if json:
        answer_json({"link": link, "minutes": LINK_MINUTES})
        return
    console = Console(soft_wrap=True)
    console.print(f"For whoever administers the workspace, once, within {LINK_MINUTES} minutes:", highlight=False)
    console.print(link, style="bold", highlight=False)


async def _make_link(settings: Settings, wanted: str | None) -> str:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        return await slack_install_links.make(session, program.id, actor=OPERATOR, now=now())


@app.command()
def connect(
    token: Annotated[
        Path | None,
        typer.Option(help="A file with the bot token (xoxb-...); - reads standard input. Without it it is asked for."),
    ] = None,
    program: InProgram = None,
) -> None:
    """Connect the workspace into which the app was installed on its own page at Slack, by its bot token.

    For Socket Mode, where no browser can come back to Laurel.
    """
    workspace = asyncio.run(_connect(Settings(), program, _read_token(token)))
    typer.echo(f"{workspace.name} ({workspace.team_id}) is connected.")


def _read_token(file: Path | None) -> str:
    if file is None:
        asked: str = typer.prompt("The bot token", hide_input=True)
        return asked.strip()
    try:
        with sys.stdin if file == STANDARD_INPUT else file.open() as source:
            return source.read(MAX_TOKEN).strip()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from None


async def _connect(settings: Settings, wanted: str | None, token: str) -> Workspace:
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with opened(settings) as database:
        async with database.begin() as session:
            program = await choose(session, wanted)
        installation = await _find_out(settings, token)
        async with database.begin() as session:
            link = InstallLink(program.id, OPERATOR)
            try:
                return await slack_workspaces.install(session, keyring, link, installation, now=now())
            except BelongsToAnother as error:
                raise CommandFailed(str(error)) from None


async def _find_out(settings: Settings, token: str) -> Installation:
    """What Slack says of the token, as an installation."""
    async with _speaking(settings, token) as slack:
        try:
            found = await slack.introduce()
            bot = (await slack.read("bots.info", {"bot": found.bot_id}))["bot"]
        except OutsideError as error:
            raise CommandFailed(f"Slack does not take this token: {error}") from None
    return Installation(found.team_id, found.team_name, bot["app_id"], found.user_id, found.scopes, token)


@app.command("list")
def list_workspaces(program: InProgram = None, json: Json = False) -> None:
    """List the program's workspaces."""
    found = asyncio.run(_list(Settings(), program))
    if json:
        answer_json([_described(one) for one in found])
        return
    table = Table(Column("workspace", no_wrap=True), "name", "state", "since", "scopes")
    for one in found:
        since = one.removed_at or one.installed_at
        table.add_row(one.team_id, one.name, one.state, f"{since:%Y-%m-%d}", ", ".join(one.scopes))
    Console().print(table)


async def _list(settings: Settings, wanted: str | None) -> list[Workspace]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        return await slack_workspaces.list_of(session, program.id)


def _described(workspace: Workspace) -> dict[str, Any]:
    names = ("team_id", "name", "state", "scopes", "app_id", "enterprise_id", "installed_at", "removed_at")
    return {name: getattr(workspace, name) for name in names}


@app.command()
def deactivation(
    team: OfTeam,
    means: Annotated[
        Deactivation, typer.Argument(help="What it means for a member that their account is deactivated.")
    ],
    program: InProgram = None,
) -> None:
    """Say what a deactivated account means: `leave`, that the member has left, or `ignore`, that you are told."""
    asyncio.run(_set_deactivation(Settings(), program, team, means))
    typer.echo("From now on they have left." if means is Deactivation.LEAVE else "From now on you are told.")


async def _set_deactivation(settings: Settings, wanted: str | None, team: str, means: Deactivation) -> None:
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with opened(settings) as database, database.begin() as session:
        workspace = await _named(session, await choose(session, wanted), team)
        connection = await connections.get(session, keyring, workspace.program_id, workspace.connection_id)
        config = {"deactivation": means.value}
        await connections.rotate(session, keyring, connection, secrets={}, config=config, now=now())


@app.command()
def remove(team: OfTeam, program: InProgram = None) -> None:
    """Disconnect a workspace: its token is forgotten here, and the app is uninstalled there."""
    typer.echo(asyncio.run(_remove(Settings(), program, team)))


async def _remove(settings: Settings, wanted: str | None, team: str) -> str:
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with opened(settings) as database, database.begin() as session:
        workspace = await _named(session, await choose(session, wanted), team)
        connection = await connections.get(session, keyring, workspace.program_id, workspace.connection_id)
        await slack_workspaces.remove(session, keyring, team, told_at=now(), now=now())
    return f"{workspace.name} is disconnected. {await _uninstall(settings, connection)}"


async def _uninstall(settings: Settings, connection: Connection) -> str:
    by_hand = "Remove the app there by hand."
    if settings.slack_client_id is None or settings.slack_client_secret is None:
        return by_hand
    client = {"client_id": settings.slack_client_id, "client_secret": settings.slack_client_secret.get_secret_value()}
    async with _speaking(settings, connection.secrets["bot_token"]) as slack:
        try:
            await slack.submit("apps.uninstall", client)
        except OutsideError as error:
            return f"{by_hand} Slack says: {error}"
    return "The app is uninstalled there."


async def _named(session: AsyncSession, program: Program, team: str) -> Workspace:
    found = await slack_workspaces.find(session, team)
    if found is None or found.program_id != program.id or found.state is WorkspaceState.REMOVED:
        raise CommandFailed(f"the program has no workspace {team}; see laurel slack list")
    return found


@app.command()
def doctor(program: InProgram = None, json: Json = False) -> None:
    """Look at settings, address, tokens, scopes, channels and clock, and say what to do; fails if anything is wrong."""
    found = asyncio.run(_examine(Settings(), program))
    if json:
        answer_json([{"what": one.what, "ok": one.is_well, "advice": one.advice} for one in found])
    else:
        for one in found:
            typer.echo(f"{'ok  ' if one.is_well else 'FAIL'}  {one.what}")
            if one.advice:
                typer.echo(f"      {one.advice}")
    if not all(one.is_well for one in found):
        raise typer.Exit(1)


async def _examine(settings: Settings, wanted: str | None) -> list[Finding]:
    keyring = Keyring.from_setting(settings.laurel_secret_keys)
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        configuration = await configurations.read_active(session, program.id)
        workspaces = await slack_workspaces.list_of(session, program.id)
        installed = [one for one in workspaces if one.state is WorkspaceState.INSTALLED]
        known = [await connections.get(session, keyring, program.id, one.connection_id) for one in installed]
    said_in = notifications.policy_of(configuration).channels
    channels = sorted(said_in.union(*(policy.channels for policy in configuration.recognition.values())))
    tokens = [one.secrets["bot_token"] for one in known]
    return [*await _look_at_app(settings), *await _look_at(settings, installed, tokens, channels)]


async def _look_at_app(settings: Settings) -> list[Finding]:
    """The way in: Socket Mode if there is a token for it, else our own address."""
    if settings.slack_app_token is not None:
        async with _speaking(settings, settings.slack_app_token.get_secret_value()) as slack:
            return [await looks.ask_for_socket(slack)]
    if settings.slack_signing_secret is None:
        advice = "Set SLACK_SIGNING_SECRET, from the app's Basic Information page; for Socket Mode, SLACK_APP_TOKEN."
        return [Finding("nothing that Slack sends is taken", advice)]
    found = [await looks.reach(settings.laurel_public_url, settings.slack_signing_secret.get_secret_value(), now())]
    if settings.slack_client_id is None or settings.slack_client_secret is None:
        advice = "Set SLACK_CLIENT_ID and SLACK_CLIENT_SECRET, from the app's Basic Information page."
        return [*found, Finding("no workspace can be connected by a link", advice)]
    return found


async def _look_at(
    settings: Settings, workspaces: Sequence[Workspace], tokens: Sequence[str], channels: Sequence[str]
) -> list[Finding]:
    if not workspaces:
        return [
            Finding(
                "no workspace is connected", "laurel slack install makes a link; in Socket Mode, laurel slack connect."
            )
        ]
    slacks = [Slack(token, Breaker(KIND), settings.slack_api_url) for token in tokens]
    try:
        found = [
            one
            for slack, workspace in zip(slacks, workspaces, strict=True)
            for one in await looks.examine(slack, workspace, now())
        ]
        return found + [await looks.look_for(slacks, channel) for channel in channels]
    finally:
        for slack in slacks:
            await slack.aclose()


@asynccontextmanager
async def _speaking(settings: Settings, token: str) -> AsyncIterator[Slack]:
    slack = Slack(token, Breaker(KIND), settings.slack_api_url)
    try:
        yield slack
    finally:
        await slack.aclose()
