"""The steps of a challenge as plain functions: everybody is told once, also by a process that dies in between."""

from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import func, select

from activities import challenges as steps
from activities.challenges import ChallengeActivities, ChallengeAt, CheckpointAt
from domain.challenges import ChallengeEvent, Checkpoint
from domain.events import SourcePolicy
from storage import challenges, intake, unfinished
from storage.database import Database
from storage.tables import notifications
from tests.challenges import days, sprint, with_challenges
from tests.programs import NOW, deal, make_member, make_program
from tests.shop import Shop

NAMES = ("ada", "ben", "cleo", "dan", "eve")
SETTLED_AT = days(10)


class Died(Exception):
    """The process ended."""


def dies_after(calls: int) -> Callable[[], datetime]:
    """A clock that tells the time so often, and takes its process down then."""
    left = iter(range(calls))

    def clock() -> datetime:
        if next(left, None) is None:
            raise Died
        return NOW

    return clock


async def begun(database: Database) -> ChallengeAt:
    """A challenge under way that everybody has completed."""
    async with database.begin() as session:
        program_id = await make_program(session, with_challenges(sprint=sprint()))
        for name in NAMES:
            await make_member(session, program_id, name)
        events = [deal(n, name) for n, name in enumerate(NAMES)]
        await intake.record(session, program_id, events, SourcePolicy(), as_of=NOW)
        found = await challenges.find(session, program_id, "sprint")
        assert found is not None
        await challenges.move(session, found, ChallengeEvent.BEGIN, now=NOW)
    return ChallengeAt(program_id, found.id, SETTLED_AT)


async def told(database: Database, kind: str) -> list[int]:
    """How many notifications of the kind each person has; the administrators' last."""
    own = select(func.count()).where(notifications.c.kind == kind).group_by(notifications.c.member_id)
    async with database.begin() as session:
        return list((await session.execute(own.order_by(notifications.c.member_id.nulls_last()))).scalars())


async def left_to_do(database: Database) -> int:
    async with database.begin() as session:
        return len(await unfinished.list_challenges(session, before=days(11), after=None, limit=9))


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "TOLD_AT_ONCE", 2)


@pytest.mark.usefixtures("two_at_once")
async def test_whoever_was_told_a_checkpoint_before_the_process_died_is_not_told_again(shop: Shop) -> None:
    at = await begun(shop.database)
    checkpoint = CheckpointAt(at, Checkpoint.HALF_TIME)

    with pytest.raises(Died):
        await ChallengeActivities(shop.database, dies_after(2)).tell_checkpoint(checkpoint)
    half = await told(shop.database, "challenge_half_time")
    for _ in range(2):
        await ChallengeActivities(shop.database, lambda: NOW).tell_checkpoint(checkpoint)

    assert half == [1] * 4
    assert await told(shop.database, "challenge_half_time") == [1] * 6


@pytest.mark.usefixtures("two_at_once")
async def test_a_settled_challenge_is_unfinished_until_everybody_knows_how_it_ended(shop: Shop) -> None:
    at = await begun(shop.database)
    living = ChallengeActivities(shop.database, lambda: NOW)
    await living.close_challenge(at)
    await living.settle_challenge(at)

    with pytest.raises(Died):
        await ChallengeActivities(shop.database, dies_after(1)).tell_settled(at)
    before = await told(shop.database, "challenge_settled"), await left_to_do(shop.database)
    await living.tell_settled(at)

    assert before == ([1] * 2, 1)
    assert (await told(shop.database, "challenge_settled"), await left_to_do(shop.database)) == ([1] * 6, 0)
