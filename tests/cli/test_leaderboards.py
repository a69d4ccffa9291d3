"""`laurel leaderboards`: boards made anew, where a member stands and why, and who is on none."""

import asyncio

import orjson
import pytest

from domain.events import SourcePolicy
from storage import intake
from storage.database import Database
from tests.cli.conftest import Laurel
from tests.programs import NOW, deal, make_member, make_program


@pytest.fixture(autouse=True)
def program(laurel: Laurel) -> None:
    laurel("init", "--name", "Acme")


def test_a_rebuild_tells_how_many_standings_there_are(laurel: Laurel) -> None:
    rebuilt = laurel("leaderboards", "rebuild", "--json")

    answer = orjson.loads(rebuilt.stdout)
    assert rebuilt.exit_code == 0
    assert answer["standings"] == 0


def test_without_redis_a_rebuild_says_so(laurel: Laurel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    refused = laurel("leaderboards", "rebuild")

    assert refused.exit_code == 1
    assert "Redis does not answer" in str(refused.exception)


# -- Where members stand -------------------------------------------------------------------------------------------


@pytest.fixture
def ada(database_url: str) -> str:
    """Ada, who has won a deal, in a program of her own."""

    async def win() -> str:
        database = Database(database_url)
        async with database.begin() as session:
            program_id = await make_program(session, name="Deals")
            member_id = await make_member(session, program_id, "ada")
            await intake.record(session, program_id, [deal(1)], SourcePolicy(), as_of=NOW)
        await database.dispose()
        return member_id

    return asyncio.run(win())


def rank(laurel: Laurel, *asked: str) -> str:
    return laurel("leaderboards", "rank", *asked, "--program", "Deals").stdout


def test_a_rank_is_told_to_a_person_and_to_a_script(laurel: Laurel, ada: str) -> None:
    told = rank(laurel, ada, "company").splitlines()
    answer = orjson.loads(rank(laurel, ada, "company", "--json"))

    assert told[0] == f"{ada} was number 1 of 1 on company, with 50 points."
    assert (answer["board"], answer["rank"], answer["points"], answer["above"]) == ("company", 1, 50, None)


def test_a_rank_before_anything_was_known_is_told_with_the_reason(laurel: Laurel, ada: str) -> None:
    told = rank(laurel, ada, "company", "--known-at", "2026-03-01")

    assert told.startswith(f"{ada} had no place on company: nothing was earned that counted.\n")


def test_who_is_hidden_has_no_place_until_shown_again(laurel: Laurel, ada: str) -> None:
    hidden = laurel("leaderboards", "hide", ada, "--program", "Deals")
    while_hidden = rank(laurel, ada, "company")
    shown = orjson.loads(laurel("leaderboards", "show", ada, "--program", "Deals", "--json").stdout)

    assert hidden.stdout == f"{ada} has no place on boards any more.\n"
    assert while_hidden.startswith(f"{ada} had no place on company: the member does not want to be on boards.\n")
    assert shown == {"member_id": ada, "shown": True}
    assert "number 1 of 1" in rank(laurel, ada, "company")


@pytest.mark.parametrize(
    ("asked", "why"),
    [(("hide", "mem_none"), "no member mem_none"), (("show", "mem_none"), "no member mem_none"),
     (("rank", "mem_none", "company"), "no member mem_none")],
)  # fmt: skip
def test_who_is_not_known_is_said(laurel: Laurel, asked: tuple[str, ...], why: str) -> None:
    refused = laurel("leaderboards", *asked)

    assert (refused.exit_code, str(refused.exception)) == (1, why)


def test_a_board_that_is_not_there_is_said(laurel: Laurel, ada: str) -> None:
    refused = laurel("leaderboards", "rank", ada, "marathon", "--program", "Deals")

    assert "no board marathon" in str(refused.exception)
