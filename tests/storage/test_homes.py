"""A home shows what is stored, by a bounded number of statements, and without ranks while Redis is away."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.account_statements import Category
from domain.answers import NoPlaces, Places, Unplaced
from domain.challenges import ChallengeEvent
from domain.events import SourcePolicy
from domain.homes import MAX_ACTIVITY, MAX_APPROVALS, MAX_CHALLENGES, MAX_PROPOSED, Approval, Home, Proposed
from domain.nominations import Approver, Because, Nomination, NominationState
from domain.sentences import english
from storage import challenges, homes, intake, leaderboards, nominations, standings
from storage.tables import rewards
from tests.challenges import sprint
from tests.programs import NOW, SAMPLE, course, deal, make_member, make_program

# Of the largest home: more than enough, and far from one for each row.
MAX_STATEMENTS = 65

BODY = {
    **SAMPLE,
    "rules": {**SAMPLE["rules"], "course": {**SAMPLE["rules"]["course"], "title": "A finished course"}},
    "units": {"hearts": {"title": "Hearts", "kind": "allowance", "refill": {"amount": 50}}},
    "streaks": {
        key: {"cadence": "daily", "qualifying": [{"event_type": "course.completed"}]} for key in ("learning", "more")
    },
    "challenges": {f"sprint-{n}": sprint() for n in range(MAX_CHALLENGES + 3)},
    "nominations": {
        "team": {"title": "Team player", "levels": [{"approver": "manager"}], "max_amount": 500, "default_amount": 100}
    },
}


@pytest.fixture
async def program_id(session: AsyncSession) -> str:
    """One in which every challenge is open."""
    made = await make_program(session, BODY)
    for challenge in await challenges.list_page(session, made):
        await challenges.move(session, challenge, ChallengeEvent.BEGIN, now=NOW)
    return made


@pytest.fixture
async def ada(session: AsyncSession, program_id: str) -> str:
    return await make_member(session, program_id, "ada")


@pytest.fixture
async def away() -> AsyncIterator[Redis]:
    """A Redis that does not answer."""
    async with Redis.from_url("redis://127.0.0.1:1/0", retry=Retry(NoBackoff(), 0)) as client:
        yield client


async def test_a_home_shows_what_the_member_has_and_what_came_of_it(
    session: AsyncSession, program_id: str, ada: str, redis: Redis
) -> None:
    """In the words of the program: the title of a rule, or what events of the type are."""
    await intake.record(session, program_id, [deal(1), course(1)], SourcePolicy(), as_of=NOW)
    on = await leaderboards.scheme(session, program_id, as_of=NOW)
    await leaderboards.write(redis, on, await standings.list_of(session, on, [ada]))

    home = await homes.read(session, program_id, ada, NOW, boards=redis)

    points = home.balances.holdings[0].balance.available
    assert points == sum(one.amount for one in home.activity) > 0
    assert [(one.category, english(one.about)) for one in home.activity] == [
        (Category.EARNED, "A finished course"),
        (Category.EARNED, "deal.won"),
    ]
    assert [one.current for one in home.streaks.standings] == [1, 1]
    assert (len(home.challenges.progress), home.challenges.more) == (MAX_CHALLENGES, 3)
    assert home.challenges.progress[0].completions == 1
    assert isinstance(home.board, Places)
    assert [line.name for line in home.board.lines] == ["ada"]
    assert home.has_nominations
    assert not home.is_new


async def test_a_new_member_has_an_empty_home(session: AsyncSession, program_id: str, ada: str, redis: Redis) -> None:
    home = await homes.read(session, program_id, ada, NOW, boards=redis)

    assert home.is_new
    assert (home.activity, home.approvals, home.shop.offers) == ((), (), ())


async def test_a_home_is_there_without_ranks_while_redis_is_away(
    session: AsyncSession, program_id: str, ada: str, away: Redis
) -> None:
    home = await homes.read(session, program_id, ada, NOW, boards=away)

    assert isinstance(home.board, NoPlaces)
    assert home.board.reason is Unplaced.AWAY


async def test_nominations_that_wait_are_shown_to_who_decides_and_to_who_has_made_them(
    session: AsyncSession, program_id: str, ada: str, redis: Redis
) -> None:
    bob = await _nominate(session, program_id, ada, MAX_APPROVALS + 1)

    home, theirs = [await homes.read(session, program_id, one, NOW, boards=redis) for one in (ada, bob)]

    assert len(home.approvals) == MAX_APPROVALS
    assert home.more_approvals
    assert replace(home.approvals[0], nomination_id="") == Approval("", "Team player", 100, "eve5", "bob", "They did.")
    assert (home.proposed, theirs.approvals) == ((), ())
    assert (len(theirs.proposed), theirs.more_proposed) == (MAX_PROPOSED, True)
    assert theirs.proposed[0] == Proposed("nom_5", "Team player", 100, "eve5")


async def test_the_largest_home_takes_a_bounded_number_of_statements(
    session: AsyncSession, program_id: str, ada: str, redis: Redis
) -> None:
    """Whatever there is more of than is shown, is not read one by one."""
    deals = [deal(n, occurred_at=NOW - timedelta(minutes=n)) for n in range(3 * MAX_ACTIVITY)]
    await intake.record(session, program_id, deals, SourcePolicy(), as_of=NOW)
    await _nominate(session, program_id, ada, 2 * MAX_APPROVALS)
    await _offer(session, program_id, ada, 40)

    home, statements = await _counted(session, lambda: homes.read(session, program_id, ada, NOW, boards=redis))

    assert len(home.activity) == MAX_ACTIVITY
    assert statements <= MAX_STATEMENTS


async def _nominate(session: AsyncSession, program_id: str, approver_id: str, number: int) -> str:
    """So many nominations by Bob that wait for this member; Bob's id."""
    bob = await make_member(session, program_id, "bob")
    for n in range(number):
        nominee = await make_member(session, program_id, f"eve{n}")
        nomination = Nomination(
            f"nom_{n}", program_id, bob, nominee, "team", 1, "They did.", None, 100, 100, NominationState.PENDING,
            1, NOW, NOW, None, None, None, None, NOW, NOW,
        )  # fmt: skip
        await nominations.insert(session, nomination)
        await nominations.add_approvers(
            session, nomination, [Approver(1, approver_id, approver_id, Because.NAMED, NOW)]
        )
    return bob


async def _offer(session: AsyncSession, program_id: str, member_id: str, number: int) -> None:
    for n in range(number):
        values = {
            "id": f"rwd_{n:04}", "program_id": program_id, "member_id": member_id, "reward": "card", "rule": "survey",
            "configuration": 1, "state": "offered", "created_at": NOW, "updated_at": NOW,
        }  # fmt: skip
        await session.execute(insert(rewards).values(values))


async def _counted(session: AsyncSession, read: Callable[[], Awaitable[Home]]) -> tuple[Home, int]:
    """What was read, and how many statements PostgreSQL was asked for, by what libpq sent."""
    connection = (await (await session.connection()).get_raw_connection()).driver_connection
    assert connection is not None
    with tempfile.TemporaryFile() as trace:
        connection.pgconn.trace(trace.fileno())
        found = await read()
        connection.pgconn.untrace()
        os.lseek(trace.fileno(), 0, os.SEEK_SET)
        return found, sum(b"\tExecute\t" in line or b"\tQuery\t" in line for line in trace)
