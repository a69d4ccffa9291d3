"""`laurel expiry`: what time does to value, when somebody asks for it."""

import asyncio

import orjson
import pytest

from settings import Settings
from storage.database import Database
from tests.cli.conftest import Laurel
from tests.storage import expiring

TIME = expiring.DUE.isoformat()


@pytest.fixture
def program_id(settings: Settings) -> str:
    """A sandbox program in which something is due."""

    async def make() -> str:
        database = Database(settings.database_url)
        made = await expiring.make(database, members=8)
        await database.dispose()
        return made

    return asyncio.run(make())


def test_a_run_does_all_that_is_due_once(laurel: Laurel, program_id: str):
    first = orjson.loads(laurel("expiry", "run", "--as-of", TIME, "--json").stdout)
    again = laurel("expiry", "run", "--as-of", TIME, "--program", program_id, "--no-pacing")

    assert (first["refills"], first["lots"] > 0) == (8, True)
    assert "allowances refilled" in again.stdout
    assert not any(digit in again.stdout for digit in "123456789")


def test_a_live_program_is_not_taken_into_the_future(laurel: Laurel):
    laurel("init", "--name", "Acme", "--live")

    refused = laurel("expiry", "run", "--as-of", "2999-01-01T00:00:00Z")

    assert "is live: only a sandbox program" in str(refused.exception)


@pytest.mark.parametrize("time", ["yesterday", "2027-01-31T09:00:00"])
def test_a_time_has_its_offset(laurel: Laurel, time: str):
    assert "not a time with its offset" in str(laurel("expiry", "run", "--as-of", time).exception)
