"""Back-tests of simulated histories: nothing differs under what was live, and what would differ is foretold."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.backtest_outcomes import Outcome
from simulation.company import Company
from simulation.life import company_of, live
from storage import backtests, configurations
from storage.database import Database
from storage.tables import accounts, members
from tests.programs import SAMPLE, definitions, make_program


async def lived(
    db: Database, body: Mapping[str, Any] = SAMPLE, then: Mapping[str, Any] | None = None, **made: int
) -> tuple[str, Company]:
    """A company that has lived under a configuration, and under another one from its 30th day."""
    async with db.begin() as session:
        program_id = await make_program(session, body)
    company = await company_of(db, program_id, **made)

    async def change(midnight: datetime) -> None:
        if then is not None and midnight == middle(company):
            async with db.begin() as session:
                await configurations.apply(
                    session, program_id, definitions(then), applied_by="a test", applied_at=midnight
                )

    await live(db, program_id, company, daily=change)
    return program_id, company


def middle(company: Company) -> datetime:
    return company.starts_at + timedelta(days=30)


async def as_it_was(db: Database, program_id: str, begins_at: datetime, until: datetime) -> Outcome:
    return await backtests.run(
        db, program_id, backtests.as_it_was, begins_at=begins_at, until=until, by=("department",)
    )


def differences(outcome: Outcome) -> dict[Any, int]:
    """Everything that differs."""
    every = (outcome.units, outcome.named, outcome.cohorts, outcome.members, outcome.tiers, outcome.badges)
    return {key: one.difference for compared in every for key, one in compared.items() if one.difference}


async def test_under_what_was_live_nothing_differs(db: Database) -> None:
    program_id, company = await lived(db, members=30, months=3, seed=1)

    whole = await as_it_was(db, program_id, company.starts_at, company.ends_at)
    last_month = await as_it_was(db, program_id, company.ends_at - timedelta(days=30), company.ends_at)

    assert differences(whole) == differences(last_month) == {}
    assert whole.differing == last_month.differing == 0
    assert whole.decisions > last_month.decisions > 100
    assert whole.units["points"].given > last_month.units["points"].given > 0


# Changes everything that a rule can have: awards, conditions, aggregates, caps, budgets, groups, milestones.
CANDIDATE: dict[str, Any] = SAMPLE | {
    "aggregates": SAMPLE["aggregates"]
    | {
        "surveys": {"event_type": "survey.submitted", "per": "lifetime"},
        "courses_lately": {"event_type": "course.completed", "days": 10},
    },
    "groups": {"deals": {"stacking": "sum", "caps": [{"per": "week", "points": 130}]}},
    "rules": {
        "deal-won": {"event_type": "deal.won", "award": {"expression": "60"}, "group": "deals"},
        "big-deal": SAMPLE["rules"]["big-deal"] | {"caps": [{"per": "day", "points": 90}], "group": "deals"},
        "course": SAMPLE["rules"]["course"] | {"budgets": [{"points": 2_000, "per": "month"}]},
        "survey": SAMPLE["rules"]["survey"] | {"caps": [{"per": "quarter", "times": 1}]},
        "third-survey": {
            "event_type": "survey.submitted",
            "when": [{"name": "is the third", "expression": "totals.surveys == 3"}],
            "award": {"expression": "25"},
            "caps": [{"per": "week", "times": 1}],
        },
        # Other events' counters, which the sample's rules do not read here.
        "survey-of-a-learner": {
            "event_type": "survey.submitted",
            "when": [{"name": "has learnt", "expression": "totals.courses_this_week + totals.courses_lately > 2"}],
            "award": {"expression": "totals.courses_this_week + 10 * totals.courses_lately"},
        },
    },
    "milestones": {"every-300": {"reward": "card", "every": 300}},
}


async def test_what_would_have_been_is_what_comes_of_living_under_the_candidate(db: Database) -> None:
    """The same company lives twice, under either configuration; the back-test of the one foretells the other."""
    program_id, company = await lived(db, members=30, months=2, seed=6)
    other, _ = await lived(db, CANDIDATE, members=30, months=2, seed=6)

    await foretells(db, program_id, other, company.starts_at, company.ends_at)


async def test_what_would_have_been_from_a_day_on_is_what_comes_of_a_change_on_that_day(db: Database) -> None:
    """What was before stands: caps begin at nothing, new aggregates are filled, old events are still corrected.

    The history with the change differs in nothing from what it was.
    """
    program_id, company = await lived(db, members=30, months=2, seed=9)
    other, _ = await lived(db, SAMPLE, CANDIDATE, members=30, months=2, seed=9)

    whole = await as_it_was(db, other, company.starts_at, company.ends_at)

    await foretells(db, program_id, other, middle(company), company.ends_at)
    assert differences(whole) == {}
    assert whole.differing == 0


async def foretells(
    db: Database,
    program_id: str,
    other: str,
    begins_at: datetime,
    until: datetime,
    body: Mapping[str, Any] = CANDIDATE,
) -> None:
    """What the one would have given under the candidate is what the other has given, to whom and by what."""
    async with db.begin() as session:
        candidate = await backtests.in_place_of_live(session, program_id, definitions(body))
    found = await backtests.run(db, program_id, candidate, begins_at=begins_at, until=until)
    real = await as_it_was(db, other, begins_at, until)

    async with db.begin() as session:
        here, there = await names(session, program_id), await names(session, other)
    would = {here[member]: one.would for member, one in found.members.items()}
    assert would == {there[member]: one.given for member, one in real.members.items()}
    assert {name: one.would for name, one in found.named.items() if one.would} == {
        name: one.given for name, one in real.named.items() if one.given
    }
    assert {key: one.would for key, one in found.tiers.items() if one.would} == {
        key: one.given for key, one in real.tiers.items() if one.given
    }
    assert {key: one.would for key, one in found.badges.items() if one.would} == {
        key: one.given for key, one in real.badges.items() if one.given
    }
    assert differences(found)


async def names(session: AsyncSession, program_id: str) -> dict[str, str]:
    """By id, the external ids of the members."""
    query = select(members.c.id, members.c.external_id).where(members.c.program_id == program_id)
    return dict((await session.execute(query)).tuples().all())


async def test_what_was_given_is_what_the_ledger_has(db: Database) -> None:
    program_id, company = await lived(db, members=20, months=2, seed=2)

    found = await as_it_was(db, program_id, company.starts_at, company.ends_at)

    async with db.begin() as session:
        query = select(accounts.c.member_id, accounts.c.lifetime).where(
            accounts.c.program_id == program_id, accounts.c.lifetime != 0
        )
        earned = dict((await session.execute(query)).tuples().all())
    assert {member: one.given for member, one in found.members.items() if one.given} == earned


# With everything that is found by Laurel itself: lengths of streaks, prizes of challenges, tiers and badges.
GAME: dict[str, Any] = SAMPLE | {
    "aggregates": SAMPLE["aggregates"]
    | {
        "deals": {"event_type": "deal.won", "per": "lifetime"},
        "courses": {"event_type": "course.completed", "per": "lifetime"},
    },
    "tiers": {
        "status": {
            "levels": [
                {"key": "bronze", "at": 100, "keep": 80},
                {"key": "silver", "at": 300},
                {"key": "gold", "at": 900},
            ]
        },
        "lately": {"days": 14, "levels": [{"key": "warm", "at": 80}, {"key": "hot", "at": 200, "keep": 150}]},
    },
    "badges": {
        "closer": {"aggregate": "deals", "at_least": 4},
        "learner": {"aggregate": "courses", "at_least": 3},
        "all-round": {"badges": ["closer", "learner"]},
        "steady": {"streak": "answering", "at_least": 4},
        "winner": {"challenge": "january"},
    },
    "streaks": {
        "answering": {
            "cadence": "weekly",
            "qualifying": [{"event_type": "survey.submitted"}, {"event_type": "course.completed"}],
            "reached": [2, 4],
            "reached_every": 3,
        },
        "selling": {"cadence": "daily", "qualifying": [{"event_type": "deal.won"}], "reached": [2, 3]},
    },
    "challenges": {
        "january": {
            "event_types": ["deal.won"],
            "starts_at": "2025-01-13T00:00:00Z",
            "ends_at": "2025-01-27T00:00:00Z",
            "multiplier": "1.5",
            "member_points": 60,
            "goal": {"target": 3, "points": 30},
            "prizes": [{"first": 1, "last": 3, "points": 100}],
        },
        "first-to-learn": {
            "event_types": ["course.completed"],
            "starts_at": "2025-01-13T00:00:00Z",
            "ends_at": "2025-02-10T00:00:00Z",
            "bonus": "25",
            "first": 8,
            "once": True,
        },
        "fair-places": {
            "event_types": ["survey.submitted"],
            "starts_at": "2025-01-20T00:00:00Z",
            "ends_at": "2025-02-03T00:00:00Z",
            "late_hours": 96,
            "bonus": "15",
            "first": 6,
            "fairness": "event_time",
        },
    },
    "rules": SAMPLE["rules"]
    | {
        "streak": {"event_type": "streak.reached", "award": {"expression": "event.length * 10"}},
        "upgraded": {
            "event_type": "tier.changed",
            "when": [{"name": "is higher", "expression": "event.upgraded"}],
            "award": {"expression": "event.ladder == 'status' ? 45 : 5"},
            "caps": [{"per": "month", "points": 55}],
        },
        "fallen": {
            "event_type": "tier.changed",
            "when": [{"name": "is lower", "expression": "!event.upgraded"}],
            "award": {"expression": "3"},
        },
        "badge": {"event_type": "badge.earned", "award": {"expression": "20"}, "reward": "coffee"},
    },
}


async def test_a_history_with_all_of_the_game_differs_in_nothing(db: Database) -> None:
    program_id, company = await lived(db, GAME, members=30, months=3, seed=11)

    whole = await as_it_was(db, program_id, company.starts_at, company.ends_at)
    part = await as_it_was(db, program_id, middle(company), company.ends_at)

    assert differences(whole) == differences(part) == {}
    assert whole.differing == part.differing == 0
    given = {name.key for name, one in whole.named.items() if one.given}
    assert {"streak", "laurel.challenge-prize", "january", "first-to-learn", "upgraded", "fallen", "badge"} <= given
    assert {"gold", "hot"} <= {level for _, level in whole.tiers}
    assert set(whole.badges) == set(GAME["badges"])


async def test_a_challenge_that_was_not_there_is_foretold_exactly(db: Database) -> None:
    """Bonuses, multipliers, places and maxima; prizes of the final standings are not of any one event."""
    challenges = {
        key: {name: value for name, value in one.items() if name not in ("goal", "prizes", "fairness", "late_hours")}
        for key, one in GAME["challenges"].items()
    }
    body = SAMPLE | {"challenges": challenges}
    program_id, company = await lived(db, SAMPLE, members=30, months=2, seed=12)
    other, _ = await lived(db, body, members=30, months=2, seed=12)

    await foretells(db, program_id, other, company.starts_at, company.ends_at, body)


async def test_a_streak_policy_that_was_not_there_is_foretold_exactly(db: Database) -> None:
    """Lengths that late events and absences have healed included."""
    body = SAMPLE | {name: GAME[name] for name in ("streaks", "rules")}
    program_id, company = await lived(db, SAMPLE, members=20, months=2, seed=15)
    other, _ = await lived(db, body, members=20, months=2, seed=15)

    await foretells(db, program_id, other, company.starts_at, company.ends_at, body)


# Only what is found by what members earn and have done, so that either history is the same but for it.
ACHIEVING: dict[str, Any] = SAMPLE | {
    "aggregates": GAME["aggregates"],
    "tiers": GAME["tiers"],
    "badges": {key: GAME["badges"][key] for key in ("closer", "learner", "all-round")},
    "rules": {key: rule for key, rule in GAME["rules"].items() if key != "streak"},
}
# Other thresholds, another part, another window, a rule that gives more, and what none had before.
STEEPER: dict[str, Any] = ACHIEVING | {
    "aggregates": ACHIEVING["aggregates"] | {"surveys": {"event_type": "survey.submitted", "per": "lifetime"}},
    "tiers": {
        "status": {"levels": [{"key": "bronze", "at": 60}, {"key": "gold", "at": 500, "keep": 450}]},
        "lately": GAME["tiers"]["lately"] | {"days": 10},
        "season": {"days": 30, "levels": [{"key": "in season", "at": 120}]},
    },
    "badges": {
        "closer": {"aggregate": "deals", "at_least": 2},
        "learner": {"aggregate": "courses", "at_least": 3},
        "all-round": {"badges": ["closer", "learner", "asked"]},
        "asked": {"aggregate": "surveys", "at_least": 3},
    },
    "rules": ACHIEVING["rules"] | {"deal-won": {"event_type": "deal.won", "award": {"expression": "65"}}},
}


async def test_tiers_and_badges_that_were_not_there_are_foretold_exactly(db: Database) -> None:
    """What rules pay for them, who rises by that, whose events are taken back, and who falls with time."""
    program_id, company = await lived(db, SAMPLE, members=20, months=2, seed=21)
    other, _ = await lived(db, ACHIEVING, members=20, months=2, seed=21)

    await foretells(db, program_id, other, company.starts_at, company.ends_at, ACHIEVING)


async def test_other_tiers_and_badges_from_a_day_on_are_foretold_exactly(db: Database) -> None:
    """Whoever has achieved them by then has them silently."""
    program_id, company = await lived(db, ACHIEVING, members=20, months=2, seed=22)
    other, _ = await lived(db, ACHIEVING, STEEPER, members=20, months=2, seed=22)

    await foretells(db, program_id, other, middle(company), company.ends_at, STEEPER)


async def test_whoever_earns_more_climbs_higher_on_the_same_ladders(db: Database) -> None:
    body = ACHIEVING | {"rules": STEEPER["rules"]}
    program_id, company = await lived(db, ACHIEVING, members=20, months=2, seed=23)
    other, _ = await lived(db, body, members=20, months=2, seed=23)

    await foretells(db, program_id, other, company.starts_at, company.ends_at, body)
