"""Back-tests on paper: what becomes of what an event had completed before it is decided again in the window."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from domain.backtest_outcomes import Outcome
from domain.backtests import Candidate, Recorded, Replay, Step
from domain.badges import Badges
from domain.challenges import ClaimState
from domain.configuration import Condition, Configuration, EventType, Stacking
from domain.counters import NOTHING, CounterKey
from domain.deciding import Person
from domain.events import MEMBER_ID, Event, Identity, SourcePolicy
from domain.game import Challenge, Fairness
from domain.intake import NEW, Fact, Intake, Loaded
from domain.ladders import Ladders
from domain.ledger import Account, Book, member_account
from domain.streak_book import Streaks

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPRINT = Challenge("sprint", 1, START, START + 48 * HOUR, ("deal.won",), bonus="50", late_hours=24)
TOO_LATE = 72  # hours after the start


def under(number: int, *challenges: Challenge) -> Configuration:
    event_types = {"deal.won": EventType("deal.won", 1, {})}
    return Configuration("prg_1", number, event_types=event_types, challenges={one.key: one for one in challenges})


class Life:
    """Members who win a deal each when all begins, of which they tell one after the other, and later otherwise."""

    def __init__(self) -> None:
        self._number = count(1)
        self._facts: dict[str, Fact] = {}
        self._counters: dict[tuple[str, CounterKey], tuple[int, int]] = {}
        self._shared: defaultdict[CounterKey, tuple[int, int]] = defaultdict(lambda: NOTHING)
        self._told: list[tuple[Step, Configuration]] = []

    def tell(self, live: Configuration, name: str, x: int, hour: int) -> None:
        """The member's deal is decided as it is told now."""
        at, member = START + hour * HOUR, Identity(MEMBER_ID, name)
        event = Event("crm", f"deal of {name}", "deal.won", member, START, {"x": x})
        fact = self._facts.setdefault(name, Fact(self._id("evt"), event, b"", NEW, at))
        person = Person(name, 1, "UTC", {})
        account = Account(member_account(name, "points"), "points", True, balance=fact.points, lifetime=fact.points)
        loaded = Loaded(
            facts={fact.key: fact},
            members={member: name},
            people={name: [(START, person)]},
            counters=dict(self._counters),
            shared=self._shared.copy(),
            ladders=Ladders((), self._id, {}, [], []),
            streaks=Streaks(self._id),
            badges=Badges(live),
            book=Book("prg_1", self._id, at, [account]),
        )
        intake = Intake(live, loaded)
        intake.take(event, SourcePolicy(amendments="redecide"))
        self._counters |= intake.changed_counters
        self._shared |= intake.changed_shared
        made = intake.decisions[-1]
        step = Step(
            event_id=fact.event_id,
            event=event,
            revision=made.revision,
            kind=made.kind,
            member_id=name,
            points=made.points,
            verdict=made.verdict,
            inputs=made.inputs,
            told_at=fact.recorded_at,
            decided_at=at,
            person=person,
            again=False,
        )
        before = [(one._replace(again=one.again or one.event_id == fact.event_id), then) for one, then in self._told]
        self._told = [*before, (step, live)]

    def put_out(self, name: str, challenge: Challenge) -> None:
        """The challenge closes, and gives the member's place to somebody else."""
        fact = self._facts[name]
        lent = fact.claims[challenge.key]
        fact.claims[challenge.key] = replace(lent, state=ClaimState.DISPLACED, points=0, prize=None)
        fact.settled.add(challenge.key)

    def again(self, candidate: Candidate, since: int) -> Outcome:
        """What comes of what was decided from this hour on when it is decided again."""
        replay = Replay(candidate, begins_at=START + since * HOUR, recorded=Recorded({}, [], None))
        for step, live in self._told:
            replay.take(step, live)
        replay.close(START + 99 * HOUR)
        return replay.outcome

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._number)}"


@pytest.mark.parametrize(
    ("limits", "cancelled", "told", "since", "points"),
    [
        pytest.param({"first": 1}, False, [("ada", 0), ("ada", 4)], 3, 0, id="a place that it had before"),
        pytest.param({}, True, [("ada", 0), ("ada", 4)], 3, 0, id="cancelled since"),
        pytest.param({}, False, [("ada", 0), ("ada", TOO_LATE)], 3, 0, id="too late by now"),
        pytest.param(
            {"budget_points": 70}, True, [("ben", 0), ("ada", 1), ("ada", 4)], 0, 70, id="a budget, and cancelled since"
        ),
    ],
)
def test_what_was_completed_before_stands_under_what_was_live(
    limits: dict[str, int], cancelled: bool, told: Sequence[tuple[str, int]], since: int, points: int
) -> None:
    life, challenge = Life(), replace(SPRINT, **limits)  # type: ignore[arg-type]
    then = replace(challenge, cancelled_at=START + 2 * HOUR) if cancelled else challenge
    for x, (name, hour) in enumerate(told):
        life.tell(under(2, then) if hour > 2 else under(1, challenge), name, x, hour)

    outcome = life.again(lambda live: live, since)

    assert (outcome.units["points"].given, outcome.units["points"].would) == (points, points)
    assert outcome.differing == 0


def test_what_the_candidate_has_decided_itself_it_has_not_completed_by_the_record() -> None:
    """Ada was first then; where only x > 1 counts, ben is, and she comes too late when hers is amended."""
    live = under(1, replace(SPRINT, first=1))
    stricter = under(1, replace(SPRINT, first=1, when=(Condition("is big", "event.x > 1"),)))
    life = Life()
    for name, x, hour in (("ada", 1, 0), ("ben", 2, 1), ("ada", 2, 2)):
        life.tell(live, name, x, hour)

    outcome = life.again(lambda _: stricter, 0)

    members = {name: (one.given, one.would) for name, one in outcome.members.items()}
    assert members == {"ada": (50, 0), "ben": (0, 50)}


def test_a_place_that_a_close_has_taken_away_is_gone_under_what_was_live() -> None:
    """The challenge that it had outweighed pays instead when the deal is amended."""
    fair = replace(SPRINT, first=1, fairness=Fairness.EVENT_TIME, stacking=Stacking.FIRST)
    other = replace(SPRINT, key="warm-up", bonus="20", late_hours=240, stacking=Stacking.FIRST)
    live, life = under(1, fair, other), Life()
    life.tell(live, "ada", 1, 0)
    life.put_out("ada", fair)
    life.tell(live, "ada", 2, TOO_LATE)

    outcome = life.again(lambda live: live, 0)

    assert (outcome.units["points"].given, outcome.units["points"].would) == (20, 20)
