"""Absences in PostgreSQL: versions that are ended and never lost, whoever says them at once."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.absences import AbsenceChange, AbsenceKind, AbsenceStatus, Away
from domain.events import MEMBER_ID, Identity
from storage import absences, merges
from storage.database import Database
from storage.game_tables import absences as table
from tests.programs import NOW, make_member, make_program

MONDAY, FRIDAY = date(2026, 3, 2), date(2026, 3, 6)


class Program:
    """A program with Ada and Ben, of whom absences are said."""

    def __init__(self, session: AsyncSession, program_id: str, ada: str, ben: str):
        self.session = session
        self.id = program_id
        self.ada = ada
        self.ben = ben

    async def say(self, *changes: AbsenceChange, after_days: int = 0) -> list[AbsenceStatus]:
        as_of = NOW + timedelta(days=after_days)
        return [one.status for one in await absences.write(self.session, self.id, changes, as_of=as_of)]

    async def known(self, member_id: str, **which: Any) -> list[tuple[str, str, date]]:
        found = await absences.list_page(self.session, self.id, member_id=member_id, limit=50, **which)
        return [(one.external_id, one.state, one.ends_on) for one in found]


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    program_id = await make_program(session)
    ada, ben = [await make_member(session, program_id, name) for name in ("ada", "ben")]
    return Program(session, program_id, ada, ben)


def away(name: str = "a-1", member: str = "ada", ends_on: date = FRIDAY) -> AbsenceChange:
    return AbsenceChange("hr", name, Away(Identity("crm", member), AbsenceKind.SICK, MONDAY, ends_on))


def withdrawn(name: str = "a-1") -> AbsenceChange:
    return AbsenceChange("hr", name, None)


async def test_what_is_said_anew_ends_the_version_that_stood_and_keeps_it(program: Program) -> None:
    said = await program.say(away())
    said += await program.say(away(), after_days=1)
    said += await program.say(away(ends_on=MONDAY), after_days=2)
    said += await program.say(withdrawn(), after_days=3)
    said += await program.say(withdrawn(), after_days=4)

    assert said == ["created", "unchanged", "updated", "withdrawn", "unchanged"]
    assert await program.known(program.ada) == []
    assert await program.known(program.ada, ended=True) == [
        ("a-1", "withdrawn", MONDAY),
        ("a-1", "replaced", FRIDAY),
    ]


async def test_one_batch_may_say_several_things_of_one_absence(program: Program) -> None:
    said = await program.say(away(), withdrawn(), away(ends_on=MONDAY), away("a-2", "ben"))

    assert said == ["created", "withdrawn", "created", "created"]
    assert await program.known(program.ada) == [("a-1", "standing", MONDAY)]
    assert await program.known(program.ada, ended=True) == [("a-1", "standing", MONDAY), ("a-1", "withdrawn", FRIDAY)]


async def test_an_absence_may_turn_out_to_be_somebody_elses(program: Program) -> None:
    await program.say(away())

    await program.say(away(member="ben"), after_days=1)

    assert await program.known(program.ada) == []
    assert await program.known(program.ben) == [("a-1", "standing", FRIDAY)]


async def test_who_is_not_known_fails_alone(program: Program) -> None:
    said = await program.say(away(member="nobody"), away("a-2", "ben"), withdrawn("a-3"))

    assert said == ["failed", "created", "unchanged"]


async def test_a_member_may_be_named_by_laurels_own_id(program: Program) -> None:
    change = AbsenceChange("hr", "a-1", Away(Identity(MEMBER_ID, program.ada), AbsenceKind.PTO, MONDAY, FRIDAY))

    assert await program.say(change) == ["created"]
    assert await program.known(program.ada) == [("a-1", "standing", FRIDAY)]


async def test_who_was_merged_is_the_other_member(program: Program) -> None:
    named = {"source": program.ada, "destination": program.ben, "actor": "a test", "reason": "the same"}
    await merges.merge(program.session, program.id, as_of=NOW, **named)

    await program.say(away(member="ada"))

    assert await program.known(program.ben) == [("a-1", "standing", FRIDAY)]


async def test_an_absence_is_withdrawn_by_the_id_of_any_version(program: Program) -> None:
    await program.say(away())
    await program.say(away(ends_on=MONDAY))
    *_, first = await absences.list_page(program.session, program.id, ended=True, limit=50)

    last = await absences.withdraw(program.session, program.id, program.ada, first.id, as_of=NOW)
    again = await absences.withdraw(program.session, program.id, program.ada, first.id, as_of=NOW)

    assert (last.state, last.ends_on) == ("withdrawn", MONDAY)
    assert again == first
    with pytest.raises(LookupError):
        await absences.withdraw(program.session, program.id, program.ben, first.id, as_of=NOW)


async def test_two_who_say_the_same_at_once_say_it_once(engine: AsyncEngine, database_url: str) -> None:
    async with AsyncSession(engine) as session, session.begin():
        program_id = await make_program(session)
        await make_member(session, program_id, "ada")
    database = Database(database_url)

    said = await asyncio.gather(*(absences.import_all(database, program_id, [away()], as_of=NOW) for _ in range(4)))

    await database.dispose()
    async with AsyncSession(engine) as session:
        kept = await session.scalar(select(func.count()).select_from(table))
    assert kept == 1
    assert sorted(result.status for [result] in said) == ["created", "unchanged", "unchanged", "unchanged"]
