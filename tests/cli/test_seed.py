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
from domain.syncs import Sync, begin
from sandbox import bamboohr, hubspot, slack, tremendous
from settings import Settings
from storage import api_keys, members, programs
from storage.database import Database
from storage.keyring import Keyring
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
