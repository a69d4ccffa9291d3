"""The sample company is made once per state directory and database, and the sandboxes know it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from activities.bamboohr import BambooHRActivities
from cli import seed
from cli.seed import SampleCompany, Sandboxes
from cli.work import now
from connectors.bamboohr import BambooHRs
from domain import api_keys as keys
from domain.events import Identity
from domain.programs import ProgramKind
from domain.slack_workspaces import WorkspaceState
from domain.syncs import Sync, begin
from sandbox import bamboohr, hubspot, slack, tremendous
from sandbox.slack.company import TEAM_ID
from settings import Settings
from storage import api_keys, members, programs, slack_workspaces
from storage.database import Database
from storage.keyring import Keyring
from tests.programs import make_program
from tests.sandboxes import running


@pytest.fixture
def sandboxes() -> Iterator[Sandboxes]:
    with (
        running(hubspot.create_app()) as crm,
        running(tremendous.create_app()) as vendor,
        running(bamboohr.create_app()) as people,
        running(slack.create_app()) as talk,
    ):
        yield Sandboxes(crm, vendor, people, talk)


async def test_the_sample_company_is_a_sandbox_whose_key_opens_it(settings: Settings, sandboxes: Sandboxes) -> None:
    company = await seed.sample_company(settings, sandboxes)

    database = Database(settings.database_url)
    async with database.begin() as session:
        program = await programs.get(session, company.program_id)
        key = await api_keys.find_by_digest(session, keys.digest(company.key))
    await database.dispose()
    assert program.kind is ProgramKind.SANDBOX
    assert program.configuration == 1
    assert key is not None
    assert key.program_id == program.id


async def test_its_people_are_known_to_the_crm_and_the_lms(settings: Settings, sandboxes: Sandboxes) -> None:
    company = await seed.sample_company(settings, sandboxes)

    database = Database(settings.database_url)
    async with database.begin() as session:
        people = await members.list_page(session, company.program_id, 100)
        owner = await members.find_by_identity(session, company.program_id, Identity("hubspot", "71"))
        learner = await members.find_by_identity(session, company.program_id, Identity("lms", "maya"))
    await database.dispose()
    assert len(people) == 12
    assert len({person.country for person in people}) == len({person.time_zone for person in people}) == 3
    assert owner == learner
    assert owner is not None
    assert owner.manager_id in {person.id for person in people}


async def test_the_sandboxes_send_their_notices_to_it(settings: Settings, sandboxes: Sandboxes) -> None:
    company = await seed.sample_company(settings, sandboxes)

    async with httpx.AsyncClient(headers={"authorization": "Bearer TEST_any"}) as client:
        crm = await client.put(f"{sandboxes.hubspot}/_control/webhook", json={})
        vendor = await client.get(f"{sandboxes.tremendous}/api/v2/webhooks")
    intake = f"{settings.laurel_public_url}/intake"
    assert crm.json()["url"] == f"{intake}/{company.connections['hubspot']}"
    assert vendor.json()["webhooks"][0]["url"] == f"{intake}/{company.connections['tremendous']}"


async def test_its_slack_is_the_first_workspace_of_the_sandbox_whatever_else_is_made_of_it(
    settings: Settings, sandboxes: Sandboxes
) -> None:
    beside = settings.model_copy(update={"slack_api_url": f"{sandboxes.slack}/api/"})

    company = await seed.sample_company(beside, sandboxes)
    other = await seed.make_workspace(sandboxes, "Other")
    database = Database(settings.database_url)
    async with database.begin() as session:
        program_id = await make_program(session)
    await seed.connect_slack(database, beside, program_id, other)
    await seed.sample_company(beside, sandboxes)

    async with database.begin() as session:
        own = await slack_workspaces.list_of(session, company.program_id)
        others = await slack_workspaces.list_of(session, program_id)
    await database.dispose()
    assert [(one.team_id, one.state) for one in own] == [(TEAM_ID, WorkspaceState.INSTALLED)]
    assert [(one.team_id, one.name) for one in others] == [(other, "Other")]
    assert "users:read.email" in others[0].scopes


async def test_a_slack_app_of_ones_own_is_left_alone(settings: Settings, sandboxes: Sandboxes) -> None:
    company = await seed.sample_company(settings, sandboxes)

    database = Database(settings.database_url)
    async with database.begin() as session:
        found = await slack_workspaces.list_of(session, company.program_id)
    await database.dispose()
    assert found == []


async def test_its_people_have_this_month_s_allowance_to_give(settings: Settings, sandboxes: Sandboxes) -> None:
    company = await seed.sample_company(settings, sandboxes)

    database = Database(settings.database_url)
    async with database.begin() as session:
        maya = await members.find_by_identity(session, company.program_id, Identity("lms", "maya"))
        assert maya is not None
        balance = await members.balance(session, company.program_id, maya.id, as_of=now(), unit="kudos")
    await database.dispose()
    assert balance.available == 100


async def test_reading_its_people_from_bamboohr_changes_nobody(settings: Settings, sandboxes: Sandboxes) -> None:
    company = await seed.sample_company(settings, sandboxes)
    keyring, bamboohrs = Keyring.from_setting(settings.laurel_secret_keys), BambooHRs()
    database = Database(settings.database_url)

    async with database.begin() as session:
        before = await members.list_page(session, company.program_id, 100)
    sync = Sync(company.program_id, company.connections["people"], "bamboohr")
    reading = BambooHRActivities(database, keyring, bamboohrs, now)
    await reading.sync_page(begin(sync, None, full=True, as_of=now()))

    async with database.begin() as session:
        after = await members.list_page(session, company.program_id, 100)
        maya = await members.find_by_identity(session, company.program_id, Identity("people", "103"))
    await bamboohrs.aclose()
    await database.dispose()
    assert after == before
    assert maya in before


async def test_a_second_start_finds_the_same_company(settings: Settings, sandboxes: Sandboxes) -> None:
    first = await seed.sample_company(settings, sandboxes)
    second = await seed.sample_company(settings, sandboxes)

    assert second == first
    assert (settings.laurel_state_dir / seed.FILE).stat().st_mode & 0o077 == 0


async def test_a_new_database_gets_a_new_company(settings: Settings, sandboxes: Sandboxes, tmp_path: Path) -> None:
    gone = {"program_id": "prg_gone", "key": "lrl_test_gone", "connections": {}, "lms_token": "gone"}
    (tmp_path / seed.FILE).write_bytes(orjson.dumps(gone))

    company = await seed.sample_company(settings, sandboxes)

    assert company.program_id != "prg_gone"


def test_its_secrets_are_not_shown() -> None:
    company = SampleCompany("prg_a", "lrl_test_secret", {}, "secret")

    assert "secret" not in repr(company)
