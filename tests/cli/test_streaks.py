"""`laurel streaks`, read by a person and by a script."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import MEMBER_EXTERNAL_ID, Event, Identity, SourcePolicy
from storage import intake, programs
from storage.database import Database
from storage.game_tables import streaks
from storage.tables import identities
from tests.cli.conftest import Laurel
from tests.programs import NOW, make_member, make_program

BODY: dict[str, Any] = {
    "event_types": {"walk.done": {"fields": {}}},
    "streaks": {
        "walk": {"cadence": "daily", "qualifying": [{"event_type": "walk.done"}], "grace": {"missed": 0}},
    },
}


@pytest.fixture(autouse=True)
def walks(database_url: str) -> None:
    """Ada walked on a Monday and a Tuesday, long ago."""
    asyncio.run(_walk(database_url))


async def _walk(database_url: str) -> None:
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session, BODY)
        ada = await make_member(session, program_id, "ada")
        name = {"source": MEMBER_EXTERNAL_ID, "external_id": "ada", "member_id": ada, "created_at": NOW}
        await session.execute(insert(identities).values(program_id=program_id, **name))
        for day in (2, 3):
            await _tell(session, program_id, day, told_at=datetime(2026, 3, day, 9, tzinfo=UTC))
    await database.dispose()


async def _tell(session: AsyncSession, program_id: str, day: int, *, told_at: datetime) -> None:
    at = datetime(2026, 3, day, 9, tzinfo=UTC)
    event = Event("app", f"walk-{day}", "walk.done", Identity("crm", "ada"), at, {})
    await intake.record(session, program_id, [event], SourcePolicy(), as_of=told_at)


async def _walk_untold(database_url: str) -> None:
    """Ada walked on the Wednesday too, which is told on Saturday."""
    database = Database(database_url)
    async with database.begin() as session:
        [program] = await programs.list_all(session)
        await _tell(session, program.id, 4, told_at=datetime(2026, 3, 7, 9, tzinfo=UTC))
    await database.dispose()


async def _tamper(database_url: str) -> None:
    database = Database(database_url)
    async with database.begin() as session:
        await session.execute(update(streaks).values(longest=7, next_deadline_at=None))
    await database.dispose()


def test_streaks_are_listed_as_they_are_stored(laurel: Laurel) -> None:
    [streak] = orjson.loads(laurel("streaks", "list", "--json").stdout)

    assert (streak["streak_type"], streak["state"], streak["current_streak"]) == ("walk", "active", 2)
    assert streak["external_id"] == "ada"
    shown = laurel("streaks", "list", "--policy", "walk").stdout
    assert "ada" in shown
    assert "active" in shown
    assert "mem_" not in shown
    assert orjson.loads(laurel("streaks", "list", "--state", "broken", "--json").stdout) == []


def test_a_person_reads_what_became_of_each_period(laurel: Laurel) -> None:
    lines = [
        line.strip() for line in laurel("streaks", "show", "ada", "walk", "--at", "2026-03-05").stdout.splitlines()
    ]

    assert lines[0] == "walk: broken, the longest was 2"
    assert lines[1] == "a run of 2 from 2026-03-02 to 2026-03-03"
    assert lines[2].startswith("2026-03-02  met       1 of 1, length 1  evt_")
    assert lines[4] == "2026-03-04  missed    0 of 1, length 0"


@pytest.mark.parametrize("asked", [("streaks", "show", "ada", "walk"), ("explain", "ada", "--streak", "walk")])
def test_a_past_day_is_told_as_it_was_and_as_it_was_known(
    laurel: Laurel, database_url: str, asked: tuple[str, ...]
) -> None:
    asyncio.run(_walk_untold(database_url))
    on = (*asked, "--at", "2026-03-05")

    assert laurel(*on).stdout.startswith("walk: 3 in a row")
    assert laurel(*on, "--known-at", "2026-03-06").stdout.startswith("walk: broken, the longest was 2")


def test_what_has_not_begun_is_not_called_broken(laurel: Laurel) -> None:
    told = laurel("streaks", "show", "ada", "walk", "--at", "2026-03-01").stdout

    assert told == "walk: not begun\n"


def test_who_and_what_is_unknown_is_said(laurel: Laurel) -> None:
    assert "no member has the external_id 'bob'" in str(laurel("streaks", "show", "bob", "walk").exception)
    assert "no streak swim" in str(laurel("streaks", "show", "ada", "swim").exception)
    assert "is not a day" in str(
        laurel("streaks", "freeze", "ada", "walk", "--on", "soon", "--reason", "r", "--by", "hr").exception
    )


def test_a_freeze_is_given(laurel: Laurel) -> None:
    told = laurel("streaks", "freeze", "ada", "walk", "--reason", "the lift was stuck", "--by", "hr", "--amount", "2")

    assert told.stdout == "walk: broken, the longest was 2\n"


def test_verifying_says_how_many_there_are_and_ends_with_1_if_one_differs(laurel: Laurel, database_url: str) -> None:
    sound = laurel("streaks", "verify")
    asyncio.run(_tamper(database_url))
    tampered = laurel("streaks", "verify", "--json")

    assert (sound.exit_code, tampered.exit_code) == (0, 1)
    assert "1 streaks, 1 of them due, 0 differ" in sound.stdout
    [found] = orjson.loads(tampered.stdout).values()
    assert any("longest is 7, its facts give 2" in one for one in found["differences"])
