"""Rules at full strength in real histories: a batch is its events one by one, and every point is in the arithmetic."""

import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event
from storage import explanations, intake, verification
from storage.game_tables import program_counters
from storage.tables import events
from tests.programs import NOW, SAMPLE, course, deal, make_member, make_program
from tests.storage.test_intake import POLICY, TAKEN, outline, snapshot

# Every kind of limit, so small that a short history meets it; rolling and calendar totals decide who is multiplied.
LIMITED: dict[str, Any] = {
    **SAMPLE,
    "aggregates": {
        "deals_in_two_weeks": {"event_type": "deal.won", "days": 14},
        "sold_this_quarter": {"event_type": "deal.won", "per": "quarter", "field": "amount_minor"},
        "courses_this_year": {"event_type": "course.completed", "per": "year"},
    },
    "groups": {
        "default": {
            "stacking": "best",
            "ceiling": "2.5",
            "rounding": "half_even",
            "caps": [{"per": "week", "points": 300}],
        },
        "thanks": {"within": "default", "priority": -1, "caps": [{"per": "month", "times": 2}]},
        "first-steps": {"stacking": "exclusive"},
    },
    "rules": {
        "deal": {
            "event_type": "deal.won",
            "award": {"expression": "33.3", "rounding": "ceiling"},
            "budgets": [{"points": 250, "per": "month"}],
        },
        "large": {
            "event_type": "deal.won",
            "when": [{"name": "is large", "expression": "event.amount_minor >= 1000000"}],
            "award": {"expression": "double(event.amount_minor) * 0.0001", "rounding": "half_up"},
            "caps": [{"per": "day", "points": 150}],
            "budgets": [{"points": 300, "per": "quarter"}, {"points": 500, "per": "lifetime"}],
        },
        "often": {
            "event_type": "deal.won",
            "when": [{"name": "two in two weeks", "expression": "totals.deals_in_two_weeks >= 2"}],
            "multiplier": "1.45",
        },
        "much": {
            "event_type": "deal.won",
            "when": [{"name": "sold a lot", "expression": "totals.sold_this_quarter > 2000000"}],
            "multiplier": "2",
        },
        "small-thanks": {
            "event_type": "deal.won",
            "group": "thanks",
            "award": {"expression": "20"},
            "reward": "coffee",
        },
        "more-thanks": {"event_type": "deal.won", "group": "thanks", "award": {"expression": "25"}},
        "first-course": {
            "event_type": "course.completed",
            "group": "first-steps",
            "when": [{"name": "is the first this year", "expression": "totals.courses_this_year == 1"}],
            "award": {"expression": "100"},
        },
        "course": {
            "event_type": "course.completed",
            "award": {"expression": "40"},
            "budgets": [{"points": 60, "per": "week"}],
        },
        "tried": {"event_type": "deal.won", "state": "shadow", "award": {"expression": "1000"}},
    },
}


async def shared(session: AsyncSession, program_id: str) -> list[Any]:
    columns = program_counters.c
    query = select(columns.name, columns.period, columns.period_on, columns.uses, columns.total)
    used = (columns.program_id == program_id) & ((columns.uses != 0) | (columns.total != 0))
    return sorted(tuple(row) for row in await session.execute(query.where(used)))


async def check_arithmetic(session: AsyncSession, program_id: str) -> None:
    """Every decision derives again, and what its rules and their steps come to is what was posted."""
    query = select(events.c.id).where(events.c.program_id == program_id, events.c.state == "decided")
    for event_id in (await session.execute(query)).scalars():
        explanation = await explanations.get(session, program_id, event_id)
        for decision in (one for one in explanation.decisions if one.kind != "retraction"):
            assert decision.not_derived is None
            assert sum(rule.points for rule in decision.rules) == decision.points
            posted = [one.amount for one in explanation.transactions if one.id == decision.transaction_id]
            assert posted == ([decision.points] if decision.points else [])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(taken=TAKEN, cuts=st.lists(st.integers(1, 13), max_size=4))
async def test_a_batch_under_groups_caps_and_budgets_is_its_events_one_by_one(
    session: AsyncSession, taken: list[Event], cuts: list[int]
) -> None:
    alone, split = [await make_program(session, LIMITED) for _ in range(2)]
    for program_id in (alone, split):
        for name in ("ada", "ben"):
            await make_member(session, program_id, name)
    bounds = sorted({0, len(taken), *(cut for cut in cuts if cut < len(taken))})

    one_by_one = [
        outcome for event in taken for outcome in await intake.record(session, alone, [event], POLICY, as_of=NOW)
    ]
    batched = [
        outcome
        for start, end in itertools.pairwise(bounds)
        for outcome in await intake.record(session, split, taken[start:end], POLICY, as_of=NOW)
    ]

    assert outline(batched) == outline(one_by_one)
    assert await snapshot(session, split) == await snapshot(session, alone)
    assert await shared(session, split) == await shared(session, alone)
    assert [check for check in await verification.verify(session, split) if check.violations] == []
    await check_arithmetic(session, split)


async def test_every_limit_is_met_by_a_short_history(session: AsyncSession) -> None:
    """What the property above relies on: its program bites in every way."""
    program_id = await make_program(session, LIMITED)
    await make_member(session, program_id, "ada")
    courses, small = [course(n) for n in range(3)], [deal(n) for n in (8, 9)]
    facts = [*courses, *small, *(deal(n, amount_minor=20_000_00) for n in range(8))]

    outcomes = await intake.record(session, program_id, facts, POLICY, as_of=NOW)

    told = [await explanations.get(session, program_id, outcome.event_id or "") for outcome in outcomes]
    rules = [rule for one in told for rule in one.decisions[-1].rules]
    assert {limit.kind for rule in rules for limit in rule.caps if limit.bit} == {"cap", "budget", "group"}
    assert {rule.left_out for rule in rules} == {
        None,
        "group default pays only what comes to most",
        "group first-steps pays alone",
    }
    assert {step.after for rule in rules for step in rule.multiplied} == {"1.45", "2.5"}
    assert {rule.would_pay for rule in rules} == {None, 1000}
