"""Settled periods: each member in one cohort, none of a small one, and nobody who hides."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.events import SourcePolicy
from domain.leaderboards import Ranking
from domain.member_changes import read
from storage import board_opt_outs, board_snapshots, intake, leaderboards, member_changes, standings
from tests.programs import NOW, SAMPLE, deal, make_program

WEEK = date(2026, 3, 2)
AFTER = NOW + timedelta(days=7)
BOARDS = SAMPLE | {"boards": {"week": {"window": "week", "by": ["department"], "least_members": 2}}}
PEOPLE = {"ada": "Sales", "bob": "Sales", "cyd": "Legal", "dan": "Legal", "eve": "Legal"}


async def hire(session: AsyncSession, program_id: str, name: str, department: str) -> str:
    row = {"external_id": name, "name": name, "department": department,
           "identities": [{"source": "crm", "external_id": name}]}  # fmt: skip
    [result] = await member_changes.write(session, program_id, [read(row)], effective_at=NOW, now=NOW)
    return result.member_id or ""


@pytest.fixture
async def program(engine: AsyncEngine) -> tuple[str, dict[str, str]]:
    """A program in which everybody has earned, and their ids."""
    async with AsyncSession(engine) as session, session.begin():
        program_id = await make_program(session, BOARDS)
        ids = {name: await hire(session, program_id, name, department) for name, department in PEOPLE.items()}
        facts = [deal(n, name) for n, name in enumerate(PEOPLE)]
        await intake.record(session, program_id, facts, SourcePolicy(), as_of=NOW)
        return program_id, ids


async def shown(session: AsyncSession, program_id: str, department: str) -> list[str]:
    on = await leaderboards.scheme(session, program_id, as_of=AFTER)
    ranking = Ranking(on.board("week"), (department,), WEEK)
    return [one.member_id for one in await board_snapshots.list_places(session, program_id, ranking, after=0, limit=9)]


async def test_who_hides_after_a_week_was_settled_is_not_shown_in_it_until_shown_again(
    engine: AsyncEngine, program: tuple[str, dict[str, str]]
) -> None:
    program_id, ids = program
    async with AsyncSession(engine) as session, session.begin():
        await board_snapshots.settle(session, program_id, "week", WEEK, as_of=AFTER)
        before = await shown(session, program_id, "Legal")

        await board_opt_outs.set_shown(session, program_id, ids["cyd"], shown=False, now=AFTER)
        hidden = await shown(session, program_id, "Legal")
        await board_opt_outs.set_shown(session, program_id, ids["cyd"], shown=True, now=AFTER)

        assert before == sorted(ids[name] for name in ("cyd", "dan", "eve"))
        assert hidden == [one for one in before if one != ids["cyd"]]
        assert await shown(session, program_id, "Legal") == before


async def test_who_moves_while_a_week_is_settled_is_in_one_cohort(
    engine: AsyncEngine, program: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody's standing is read once, also when the pages see different states of the book."""
    program_id, ids = program
    monkeypatch.setattr(standings, "PAGE", 1)
    rows, moved = standings.rows, list[str]()

    async def rows_and_moves(session: AsyncSession, on: Any) -> Any:
        async for page in rows(session, on):
            yield page
            if not moved:
                moved.extend(name for name, member_id in ids.items() if member_id != page[0][1])
                async with AsyncSession(engine) as other, other.begin():
                    for name in moved:
                        await hire(other, program_id, name, "Sales")

    monkeypatch.setattr(standings, "rows", rows_and_moves)
    async with AsyncSession(engine) as session, session.begin():
        count = await board_snapshots.settle(session, program_id, "week", WEEK, as_of=AFTER)

        places = await shown(session, program_id, "Sales") + await shown(session, program_id, "Legal")
        assert len(moved) == len(PEOPLE) - 1
        assert count == len(places) == len(set(places))
        assert len(places) >= len(moved)
