"""The sample company: a sandbox program with people, a reviewed configuration, and the local sandboxes connected.

`laurel up` makes it once per state directory and remembers its key there, because the database keeps only a digest;
`laurel demo` makes a new one each time.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import orjson
from babel import Locale

from cli import members
from cli.apply import apply_definitions
from cli.configurations import read_folder
from cli.embedded.stack import Ports
from cli.errors import CommandFailed
from cli.work import now
from connectors.errors import OutsideError
from connectors.slack.oauth import App
from connectors.slack.web import Slacks
from domain import api_keys as keys
from domain.member_changes import MemberChange, managers_first
from domain.programs import Program, ProgramKind
from domain.scopes import Scope
from domain.slack_workspaces import Installation, InstallLink
from sandbox.bamboohr.app import API_KEY, WEBHOOK_KEY
from sandbox.hubspot.app import ACCESS_TOKEN, CLIENT_SECRET
from sandbox.slack import app as slack
from sandbox.slack.company import TEAM_ID
from settings import Settings
from storage import api_keys, connections, expiry, member_changes, programs, slack_workspaces
from storage.database import Database
from storage.keyring import Keyring

NAME = "Sample company"
FILE = "sample-company.json"
CONFIGURATION = Path(__file__).parents[1] / "config"
PEOPLE = CONFIGURATION / "sample" / "people.csv"
VENDOR_KEY = "TEST_sample"
ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """Where the local stand-ins for outside systems answer."""

    hubspot: str
    tremendous: str
    bamboohr: str
    slack: str

    @classmethod
    def at(cls, ports: Ports) -> Self:
        """Those of a running stack."""
        found = (ports.hubspot, ports.tremendous, ports.bamboohr, ports.slack)
        return cls(*(f"http://127.0.0.1:{port}" for port in found))


@dataclass(frozen=True, slots=True)
class SampleCompany:
    """The program, an administrator's key, its connections by their names, and what its LMS shows to be believed."""

    program_id: str
    key: str = field(repr=False)
    connections: Mapping[str, str]
    lms_token: str = field(repr=False)


async def sample_company(settings: Settings, sandboxes: Sandboxes) -> SampleCompany:
    """The sample company of this state directory, made now if the database does not have it.

    The sandboxes send it their notices afterwards.
    """
    file = settings.laurel_state_dir / FILE
    database = Database(settings.database_url, pool_size=1)
    try:
        known = _remembered(file)
        if known is None or not await _exists(database, known):
            known = await make_company(database, settings, sandboxes, NAME)
            _remember(file, known)
        if speaks_with_sandbox(settings, sandboxes):
            await connect_slack(database, settings, known.program_id, TEAM_ID)
    finally:
        await database.dispose()
    await connect_sandboxes(settings, sandboxes, known)
    return known


async def make_company(database: Database, settings: Settings, sandboxes: Sandboxes, name: str) -> SampleCompany:
    """A new sandbox program with the sample's people, what they may give away, configuration and connections."""
    keyring, at = Keyring.from_setting(settings.laurel_secret_keys), now()
    async with database.begin() as session:
        program = await programs.insert(session, name=name, kind=ProgramKind.SANDBOX, now=at)
        _, key = await api_keys.insert(session, program, name="sandbox", scopes={Scope.PROGRAMS_ADMIN}, now=at)
    await apply_definitions(database, program.id, read_folder(CONFIGURATION))
    await _import_people(database, program)
    await expiry.run_all(database, as_of=now(), clock=now, program_ids=[program.id])
    token = secrets.token_urlsafe(24)
    webhook_key = await _webhook_key(sandboxes, settings)
    outside = _outside_systems(sandboxes, token, webhook_key)
    for employee in _employees():
        await _call("POST", f"{sandboxes.bamboohr}/_control/employees", employee)
    async with database.begin() as session:
        made = [await connections.insert(session, keyring, program, **system, now=now()) for system in outside]
    return SampleCompany(program.id, key, {one.name: one.id for one in made}, token)


async def _import_people(database: Database, program: Program) -> None:
    changes, at = [line.change for line in members.read(PEOPLE)], now()
    readable = [change for change in changes if change is not None]
    results = await member_changes.import_all(database, program.id, readable, effective_at=at, now=at)
    if len(readable) < len(changes) or any(result.faults for result in results):
        raise CommandFailed(f"{PEOPLE} has faults; `laurel members import --dry-run` names them")


def _outside_systems(sandboxes: Sandboxes, lms_token: str, webhook_key: str) -> list[dict[str, Any]]:
    return [
        {
            "kind": "hubspot",
            "name": "hubspot",
            "config": {"base_url": sandboxes.hubspot},
            "secrets": {"client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN},
        },
        {
            "kind": "bamboohr",
            "name": "people",
            "config": {"company": "sample", "base_url": sandboxes.bamboohr, "promotion_reason": "Promotion"},
            "secrets": {"api_key": API_KEY, "webhook_key": WEBHOOK_KEY},
        },
        {"kind": "xapi", "name": "lms", "config": {}, "secrets": {"token": lms_token}},
        {
            "kind": "tremendous",
            "name": "tremendous",
            "config": {"base_url": f"{sandboxes.tremendous}/api/v2/"},
            "secrets": {"api_key": VENDOR_KEY, "webhook_key": webhook_key},
        },
    ]


# -- The sandboxes' side -------------------------------------------------------------------------------------------


async def connect_sandboxes(settings: Settings, sandboxes: Sandboxes, company: SampleCompany) -> None:
    """Their notices go to this company from now on, and HubSpot knows its people as owners."""
    hubspot, tremendous, bamboohr = (
        f"{settings.laurel_public_url}/intake/{company.connections[name]}"
        for name in ("hubspot", "tremendous", "people")
    )
    for owner in _owners():
        await _call("POST", f"{sandboxes.hubspot}/_control/owners", owner)
    await _call("PUT", f"{sandboxes.hubspot}/_control/webhook", {"url": hubspot})
    await _call("POST", f"{sandboxes.tremendous}/api/v2/webhooks", {"url": tremendous})
    await _call("PUT", f"{sandboxes.bamboohr}/_control/webhook", {"url": bamboohr})
    await _call("PUT", f"{sandboxes.slack}/_control/webhook", {"url": f"{settings.laurel_public_url}/slack/events"})


def speaks_with_sandbox(settings: Settings, sandboxes: Sandboxes) -> bool:
    """Whether the Slack that the settings name is the sandbox, and no real one."""
    return settings.slack_api_url == f"{sandboxes.slack}/api/"


async def connect_slack(database: Database, settings: Settings, program_id: str, team_id: str) -> None:
    """The sandbox's workspace is this program's, by the consent of somebody in it, unless it was some program's before.

    Whoever connects it to another program, or removes it, has it stay so.
    """
    async with database.begin() as session:
        if await slack_workspaces.find(session, team_id) is not None:
            return
    installation = await _consent(settings, team_id)
    keyring, link = Keyring.from_setting(settings.laurel_secret_keys), InstallLink(program_id, "sandbox")
    async with database.begin() as session:
        await slack_workspaces.install(session, keyring, link, installation, now=now())


async def make_workspace(sandboxes: Sandboxes, name: str) -> str:
    """One more workspace of the sandbox, with the sample's people, for a program of its own; its id."""
    made = await _call("POST", f"{sandboxes.slack}/_control/teams", {"name": name})
    team_id: str = made["id"]
    return team_id


async def _consent(settings: Settings, team_id: str) -> Installation:
    """What Slack hands over for the code with which a browser would come back."""
    app = App(slack.CLIENT_ID, slack.CLIENT_SECRET, settings.laurel_public_url)
    slacks = Slacks(settings.slack_api_url)
    try:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as browser:
            back = await browser.get(f"{app.approval_url(settings.slack_api_url, state='')}&team={team_id}")
        return await app.exchange(slacks.anonymous, httpx.URL(back.headers["location"]).params["code"])
    except (httpx.HTTPError, KeyError, OutsideError) as error:
        raise CommandFailed(f"the Slack sandbox lets nobody in: {type(error).__name__}") from None
    finally:
        await slacks.aclose()


async def _webhook_key(sandboxes: Sandboxes, settings: Settings) -> str:
    """The key with which Tremendous signs; it stays when the address of the webhook changes."""
    body = {"url": settings.laurel_public_url}
    answer = await _call("POST", f"{sandboxes.tremendous}/api/v2/webhooks", body)
    key: str = answer["webhook"]["private_key"]
    return key


def _owners() -> list[dict[str, str]]:
    known = [(line.change, name) for line in members.read(PEOPLE) if line.change for name in line.change.identities]
    return [
        {"id": name.external_id, "email": change.values["email"], "first_name": change.values["name"]}
        for change, name in known
        if name.source == "hubspot"
    ]


def _employees() -> list[dict[str, Any]]:
    """The sample's people as BambooHR has them, managers first."""
    changes = [line.change for line in members.read(PEOPLE) if line.change]
    names = {change.external_id: change.values["name"] for change in changes}
    return [
        {"id": change.external_id.removeprefix("e-"), "fields": _fields(change, names)}
        for change in managers_first(changes)
    ]


def _fields(change: MemberChange, names: Mapping[str, str]) -> dict[str, str | None]:
    given = change.values
    return {
        "firstName": given["name"],
        "workEmail": given["email"],
        "jobTitle": given["role"],
        "department": given["department"],
        "location": given["location"],
        "country": Locale("en").territories[given["country"]],
        "hireDate": given["hired_on"].isoformat(),
        "supervisor": names.get(change.manager or ""),
    }


async def _call(method: str, url: str, body: Mapping[str, Any]) -> Any:
    headers = {"authorization": f"Bearer {VENDOR_KEY}"}
    try:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
            answer = await client.request(method, url, json=body, headers=headers)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise CommandFailed(f"{method} {url}: {type(error).__name__}") from None
    return answer.json()


# -- The state directory's memory ----------------------------------------------------------------------------------


async def _exists(database: Database, company: SampleCompany) -> bool:
    async with database.begin() as session:
        key = await api_keys.find_by_digest(session, keys.digest(company.key))
        return key is not None and key.valid_at(now())


def _remembered(file: Path) -> SampleCompany | None:
    return SampleCompany(**orjson.loads(file.read_bytes())) if file.exists() else None


def _remember(file: Path, company: SampleCompany) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as writer:
        writer.write(orjson.dumps(asdict(company)))
