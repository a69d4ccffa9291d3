"""The sample company is made once per state directory and database."""

from pathlib import Path

from cli import seed
from domain import api_keys as keys
from domain.programs import ProgramKind
from settings import Settings
from storage import api_keys, programs
from storage.database import Database


async def test_the_sample_company_is_a_sandbox_whose_key_opens_it(settings: Settings) -> None:
    company = await seed.sample_company(settings)

    database = Database(settings.database_url)
    async with database.begin() as session:
        program = await programs.get(session, company.program_id)
        key = await api_keys.find_by_digest(session, keys.digest(company.key))
    await database.dispose()
    assert program.kind is ProgramKind.SANDBOX
    assert key is not None
    assert key.program_id == program.id


async def test_a_second_start_finds_the_same_company(settings: Settings) -> None:
    first = await seed.sample_company(settings)
    second = await seed.sample_company(settings)

    assert second == first
    assert (settings.laurel_state_dir / seed.FILE).stat().st_mode & 0o077 == 0


async def test_a_new_database_gets_a_new_company(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / seed.FILE).write_text('{"program_id": "prg_gone", "key": "lrl_test_gone"}')

    company = await seed.sample_company(settings)

    assert company.program_id != "prg_gone"
