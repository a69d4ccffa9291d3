"""Ranks of the past: as of an effective time, as known at a recorded time; now they are the live ones."""

from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import SourcePolicy
from domain.member_changes import read
from storage import board_builds, board_opt_outs, intake, leaderboards, member_changes, ranks
from tests.programs import NOW, SAMPLE, deal, make_program, retraction

BOARDS = SAMPLE | {
    "boards": {
        "week": {"window": "week", "by": ["department"], "least_members": 1},
        "few": {"by": ["department"], "least_members": 3},
    }
}
DAY = timedelta(days=1)


class Company:
    """A program with a weekly board, and people in it."""

    def __init__(self, session: AsyncSession, program_id: str):
        self.session = session
        self.id = program_id
        self.ids: dict[str, str] = {}

    async def hire(self, name: str, department: str, days: int = 0) -> None:
        row = {"external_id": name, "name": name, "department": department,
               "identities": [{"source": "crm", "external_id": name}]}  # fmt: skip
        at = NOW + days * DAY
        [result] = await member_changes.write(self.session, self.id, [read(row)], effective_at=at, now=at)
        self.ids[name] = result.member_id or ""

    async def take(self, *events: Any, days: int = 0) -> None:
        await intake.record(self.session, self.id, events, SourcePolicy(), as_of=NOW + days * DAY)

    async def rank(self, name: str, board: str = "company", *, at: int = 9, known_at: int = 9) -> tuple[Any, ...]:
        known = {"at": NOW + at * DAY, "known_at": NOW + known_at * DAY}
        found = await ranks.get(self.session, self.id, self.ids[name], board, **known)
        return found.rank, found.points, found.members


@pytest.fixture
async def company(session: AsyncSession) -> Company:
    company = Company(session, await make_program(session, BOARDS))
    for name in ("ada", "bob"):
        await company.hire(name, "Sales", days=-30)
    return company


async def test_what_came_late_counts_from_when_it_took_effect_and_not_before_it_was_known(company: Company) -> None:
    await company.take(deal(1, "bob"))
    await company.take(deal(2, occurred_at=NOW - 2 * DAY), deal(3, occurred_at=NOW - 2 * DAY), days=3)

    assert await company.rank("ada", at=0, known_at=0) == (None, 0, 1)
    assert await company.rank("ada", at=0, known_at=3) == (1, 100, 2)
    assert await company.rank("bob", at=0, known_at=0) == (1, 50, 1)
    assert await company.rank("bob", at=0, known_at=3) == (2, 50, 2)


async def test_what_was_taken_back_counted_while_it_was_known(company: Company) -> None:
    await company.take(deal(1), deal(2), deal(3, "bob"))
    await company.take(retraction(deal(1)), retraction(deal(2)), days=2)

    assert await company.rank("ada", known_at=1) == (1, 100, 2)
    assert await company.rank("ada", known_at=2) == (None, 0, 1)
    assert await company.rank("ada", at=0, known_at=2) == (None, 0, 1)


async def test_a_cohort_is_that_of_then(company: Company) -> None:
    await company.take(deal(1), deal(2, "bob"))
    await company.hire("ada", "Legal", days=1)

    assert (await company.rank("bob", "department", at=0))[2] == 2
    assert (await company.rank("bob", "department", at=2))[2] == 1


async def test_a_week_is_that_of_then(company: Company) -> None:
    await company.take(deal(1))

    assert await company.rank("ada", "week", at=0) == (1, 50, 1)
    assert await company.rank("ada", "week", at=7) == (None, 0, 0)


async def test_now_it_is_the_live_rank(company: Company, redis: Redis) -> None:
    await company.take(deal(1), deal(2, "bob"), deal(3, "bob"))
    await company.hire("cyd", "Legal")
    await company.take(deal(4, "cyd"), days=1)
    await board_opt_outs.set_shown(company.session, company.id, company.ids["bob"], shown=False, now=NOW)
    as_of = NOW + DAY
    await board_builds.rebuild(company.session, redis, company.id, as_of=as_of)

    on = await leaderboards.scheme(company.session, company.id, as_of=as_of)
    live = await leaderboards.top(redis, company.id, on.ranking("company"), 10)

    told = {place.member_id: (place.rank, place.points, len(live)) for place in live}
    assert {company.ids[name]: await company.rank(name, at=1, known_at=1) for name in ("ada", "cyd")} == told
    assert (await company.rank("bob"))[0] is None


async def test_of_a_cohort_that_is_too_small_nothing_is_told(company: Company) -> None:
    """Neither a rank, nor who is above, nor how many there are; three are enough, and two again are not."""
    await company.take(deal(1), deal(2, "bob"), deal(3, "bob"))
    known = {"at": NOW, "known_at": NOW}
    alone = await ranks.get(company.session, company.id, company.ids["ada"], "few", **known)
    await company.hire("cyd", "Sales")
    await company.take(deal(4, "cyd"), days=1)

    reached = await company.rank("ada", "few", at=1, known_at=1)
    await company.hire("cyd", "Legal", days=2)
    lost = await company.rank("ada", "few", at=2, known_at=2)

    assert (alone.rank, alone.members, alone.above) == (None, 0, None)
    assert alone.reason == "fewer than 3 have a place there, so it is not shown"
    assert (reached[0], reached[2], lost) == (2, 3, (None, 0, 0))


async def test_a_board_that_nobody_has_has_no_ranks(company: Company) -> None:
    with pytest.raises(LookupError, match="no board galaxy"):
        await company.rank("ada", "galaxy")
