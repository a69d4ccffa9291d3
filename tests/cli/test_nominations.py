"""`laurel nominations`: what waits, and what an administrator decides."""

import asyncio

import orjson
import pytest

from cli.errors import CommandFailed
from settings import Settings
from storage.database import Database
from tests.cli.conftest import Laurel
from tests.nominating import open_nominating


@pytest.fixture
def nominated(settings: Settings) -> str:
    """The id of a nomination that waits for somebody whom nobody manages."""

    async def make() -> str:
        database = Database(settings.database_url)
        company = await open_nominating(database)
        nomination_id = await company.nominate("carl")
        await company.ask(nomination_id)
        await database.dispose()
        return nomination_id

    return asyncio.run(make())


def test_an_administrator_sees_what_waits_and_approves_it(laurel: Laurel, nominated: str) -> None:
    assert "carl" in laurel("nominations", "list", "--state", "pending").stdout

    approved = laurel("nominations", "approve", nominated, "--amount", "70")
    shown = orjson.loads(laurel("nominations", "show", nominated).stdout)

    assert approved.stdout == f"Nomination {nominated} is approved, level 1, amount 70.\n"
    assert [(one["verdict"], one["amount"], one["approver_id"]) for one in shown["decisions"]] == [
        ("approved", 70, None)
    ]
    assert shown["nomination"]["state"] == "approved"
    assert laurel("nominations", "list", "--state", "pending").stdout == "Nominations: none.\n"


def test_what_is_declined_is_not_decided_again(laurel: Laurel, nominated: str) -> None:
    declined = orjson.loads(laurel("nominations", "decline", nominated, "--comment", "Not now.", "--json").stdout)

    assert declined["state"] == "declined"
    refused = [laurel("nominations", *words).exception for words in (("approve", nominated), ("show", "nom_1"))]
    assert [type(one) for one in refused] == [CommandFailed, CommandFailed]
    assert [str(one) for one in refused] == ["the nomination is declined", "no nomination nom_1"]
    assert orjson.loads(laurel("nominations", "list", "--json").stdout)["items"][0]["for"] == "carl"


def test_an_administrator_withdraws_what_waits_and_nothing_else(laurel: Laurel, nominated: str) -> None:
    withdrawn = orjson.loads(laurel("nominations", "withdraw", nominated, "--json").stdout)
    again = laurel("nominations", "withdraw", nominated).exception

    assert withdrawn["state"] == "withdrawn"
    assert str(again) == "the nomination is withdrawn"
