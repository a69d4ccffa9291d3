"""What a member asks is answered from what is stored: of the member, as it is now, and of nobody else."""

from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from domain import asks
from domain.answers import (
    Balances,
    Line,
    NoPlaces,
    NothingKnown,
    OpenChallenges,
    Places,
    Reasons,
    Shop,
    Streaks,
    Unplaced,
)
from domain.challenges import ChallengeEvent
from domain.events import Event
from domain.game import Window
from domain.streaks import StreakState
from storage import asks as stored
from storage import board_opt_outs, challenges, intake, leaderboards, standings
from tests.challenges import ENDS_AT, sprint
from tests.programs import NOW, SAMPLE, course, deal, make_member, make_program, retraction
from tests.storage.test_intake import POLICY

GAME: dict[str, Any] = {
    **SAMPLE,
    "units": {"hearts": {"kind": "allowance", "refill": {"amount": 20, "per": "month"}}},
    "streaks": {
        "learning": {
            "title": "Learning",
            "cadence": "daily",
            "qualifying": [{"event_type": "course.completed"}],
            "at_least": "2",
            "holidays": False,
        }
    },
    "challenges": {
        "sprint": sprint(goal={"target": 3}, first=20),
        "abroad": sprint(audience="member.country == 'FR'"),
    },
    "boards": {"sales": {"title": "Sales of the week", "window": "week", "least_members": 1}},
}


class Asked:
    """A program with Ada and Ben, who ask."""

    def __init__(self, session: AsyncSession, program_id: str, redis: Redis) -> None:
        self.session = session
        self.id = program_id
        self.redis = redis
        self.ada = self.ben = ""

    async def take(self, *events: Event) -> list[str]:
        outcomes = await intake.record(self.session, self.id, events, POLICY, as_of=NOW)
        return [outcome.event_id or "" for outcome in outcomes]

    async def answer(self, ask: asks.Question, member_id: str = "") -> Any:
        return await stored.answer(self.session, self.id, member_id or self.ada, ask, NOW, boards=self.redis)

    async def write_boards(self) -> None:
        on = await leaderboards.scheme(self.session, self.id, as_of=NOW)
        await leaderboards.write(self.redis, on, await standings.list_of(self.session, on, [self.ada, self.ben]))


@pytest.fixture
async def program(session: AsyncSession, redis: Redis) -> Asked:
    asked = Asked(session, await make_program(session, GAME), redis)
    asked.ada = await make_member(session, asked.id, "ada", time_zone="Europe/Berlin", country="DE")
    asked.ben = await make_member(session, asked.id, "ben")
    return asked


async def test_a_balance_has_points_first_and_what_there_is_to_give(program: Asked) -> None:
    await program.take(deal(1))

    told = await program.answer(asks.Balance())

    assert isinstance(told, Balances)
    assert [(one.unit.key, one.balance.available) for one in told.holdings] == [("points", 100), ("hearts", 0)]
    assert str(told.holdings[1].refilled_at) == "2026-03-31 22:00:00+00:00"


async def test_why_explains_the_latest_award_and_passes_over_what_earned_nothing(program: Asked) -> None:
    first, *_ = await program.take(deal(1), *(course(n) for n in range(3)))

    told = await program.answer(asks.Why(first))
    latest = await program.answer(asks.Why())

    assert isinstance(told, Reasons)
    assert [amount for _, amount in told.earned] == [100]
    assert latest.description == "course.completed"
    assert [amount for _, amount in latest.earned] == [40]


async def test_why_nothing_explains_the_latest_that_earned_nothing(program: Asked) -> None:
    *_, third, _ = await program.take(*(course(n) for n in range(3)), deal(1))

    told = await program.answer(asks.Why(nothing=True))

    assert (told.event_id, list(told.earned)) == (third, [])
    assert [cap.bit for rule in told.decision.rules for cap in rule.caps] == [True]


async def test_a_transaction_and_a_reward_lead_to_their_event(program: Asked) -> None:
    [event_id] = await program.take(deal(1))
    explained = await program.answer(asks.Why(event_id))

    assert (await program.answer(asks.Why(explained.decision.transaction_id))).event_id == event_id
    assert isinstance(await program.answer(asks.Why("rwd_1")), NothingKnown)


async def test_what_is_anothers_is_not_explained(program: Asked) -> None:
    [event_id] = await program.take(deal(1))
    transaction_id = (await program.answer(asks.Why(event_id))).decision.transaction_id

    for reference in (None, event_id, transaction_id):
        assert isinstance(await program.answer(asks.Why(reference), program.ben), NothingKnown)


async def test_what_was_taken_back_is_explained_as_such(program: Asked) -> None:
    fact = deal(1)
    await program.take(fact)
    [undone] = await program.take(retraction(fact))

    told = await program.answer(asks.Why(undone))

    assert (told.takes_back, [amount for _, amount in told.earned]) == (True, [-100])


async def test_a_streak_says_what_is_done_of_what_is_asked(program: Asked) -> None:
    await program.take(course(1))

    told = await program.answer(asks.Streak())

    assert isinstance(told, Streaks)
    [one] = told.standings
    assert (one.title, one.state, one.current, one.done, one.needed) == ("Learning", StreakState.BROKEN, 0, 1, 2)
    await program.take(course(2))
    [one] = (await program.answer(asks.Streak())).standings
    assert (one.state, one.current, one.done, str(one.deadline)) == (
        StreakState.ACTIVE,
        1,
        2,
        "2026-03-04 23:00:00+00:00",
    )


async def test_a_board_is_named_or_meant(program: Asked) -> None:
    await program.take(deal(1))
    await program.write_boards()
    named = [asks.Board("SALES OF"), asks.Board("sales"), asks.Board(window=Window.WEEK)]

    everybodys = await program.answer(asks.Board())

    assert isinstance(everybodys, Places)
    assert (everybodys.board.key, everybodys.lines) == ("company", (Line(1, "ada", 100, True),))
    assert (await program.answer(asks.Board(window=Window.LIFETIME))).board.key == "company"
    assert [(await program.answer(one)).board.key for one in named] == ["sales"] * 3


async def test_there_may_be_no_place(program: Asked) -> None:
    for ask, reason in ((asks.Board(), Unplaced.NO_PLACE), (asks.Board("month"), Unplaced.NO_BOARD)):
        told = await program.answer(ask)
        assert isinstance(told, NoPlaces)
        assert told.reason is reason
    await board_opt_outs.set_shown(program.session, program.id, program.ada, shown=False, now=NOW)
    assert (await program.answer(asks.Board())).reason is Unplaced.HIDDEN


async def test_while_redis_is_away_that_is_said(program: Asked) -> None:
    program.redis = Redis.from_url("redis://127.0.0.1:9/0")

    assert (await program.answer(asks.Board())).reason is Unplaced.AWAY


async def test_challenges_are_those_that_are_open_for_the_member_with_their_progress(program: Asked) -> None:
    for key in ("sprint", "abroad"):
        found = await challenges.find(program.session, program.id, key)
        assert found is not None
        await challenges.move(program.session, found, ChallengeEvent.BEGIN, now=NOW)
    await program.take(deal(1, "ben"), deal(2), deal(3))

    told = await program.answer(asks.Challenges())

    assert isinstance(told, OpenChallenges)
    [one] = told.progress
    assert (one.challenge.key, one.challenge.until) == ("sprint", ENDS_AT)
    assert (one.amount, one.completions, one.points, one.rank, one.places_left) == (2, 2, 100, 1, 17)
    [bens] = (await program.answer(asks.Challenges(), program.ben)).progress
    assert (bens.amount, bens.rank) == (1, 2)


async def test_rewards_are_what_can_be_had(program: Asked) -> None:
    told = await program.answer(asks.Rewards())

    assert isinstance(told, Shop)
    assert [one.key for one in told.listings] == ["mug"]


async def test_help_is_its_own_answer_and_only_for_members(program: Asked) -> None:
    assert await program.answer(asks.Help()) == asks.Help()
    with pytest.raises(LookupError):
        await program.answer(asks.Help(), "mem_1")
