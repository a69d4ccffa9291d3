"""The one door: what it does with every kind of fact, and that a batch is the same as its events one by one."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event, Identity, SourcePolicy
from domain.outcomes import Outcome
from storage import events as event_rows
from storage import intake, verification
from storage.tables import (
    accounts,
    counters,
    crossings,
    decisions,
    events,
    identities,
    lots,
    outbox,
    quarantined_amendments,
    rewards,
)
from tests.programs import NOW, SAMPLE, apply, course, deal, make_member, make_program, retraction

POLICY = SourcePolicy(amendments="redecide")


class Program:
    """A program under the sample configuration with Ada in it."""

    def __init__(self, session: AsyncSession, program_id: str, ada: str):
        self.session = session
        self.id = program_id
        self.ada = ada

    async def take(self, *taken: Event, policy: SourcePolicy = POLICY) -> list[Outcome]:
        return await intake.record(self.session, self.id, taken, policy, as_of=NOW)

    async def balance(self, member: str | None = None) -> int:
        query = select(accounts.c.balance).where(accounts.c.id == f"acc_{(member or self.ada)[4:]}.points")
        return (await self.session.execute(query)).scalar() or 0

    async def count(self, table: Any, *where: Any) -> int:
        return (await self.session.execute(select(func.count()).select_from(table).where(*where))).scalar_one()

    async def states(self) -> dict[str, str]:
        rows = await self.session.execute(select(events.c.external_id, events.c.state))
        return dict(rows.tuples().all())


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    program_id = await make_program(session)
    return Program(session, program_id, await make_member(session, program_id, "ada"))


@pytest.fixture(autouse=True)
async def the_ledger_verifies(program: Program):
    """Whatever a test did, every invariant of the ledger holds afterwards."""
    yield
    checks = await verification.verify(program.session, program.id)
    assert [check for check in checks if check.violations] == []


async def test_an_event_becomes_points_with_its_decision(program: Program):
    [outcome] = await program.take(deal(1))

    assert (outcome.status, outcome.state, outcome.points, outcome.member_id) == (
        "recorded",
        "decided",
        50,
        program.ada,
    )
    assert await program.balance() == 50
    assert await program.count(decisions, decisions.c.event_id == outcome.event_id) == 1


async def test_a_repeat_replays_the_first_outcome_and_changes_nothing(program: Program):
    first, second = await program.take(deal(1), deal(1))
    [third] = await program.take(deal(1))

    assert {second.status, third.status} == {"replayed"}
    assert replace(third, status="recorded") == replace(second, status="recorded") == first
    assert await program.balance() == 50


async def test_the_same_fact_with_other_content_is_a_conflict_where_the_source_says_so(program: Program):
    await program.take(deal(1))

    [outcome] = await program.take(deal(1, amount_minor=5), policy=SourcePolicy(amendments="conflict"))

    assert (outcome.status, outcome.code, outcome.points) == ("conflict", "event_conflict", 50)


async def test_an_amended_amount_is_decided_again(program: Program):
    await program.take(deal(1, amount_minor=100_00))

    [outcome] = await program.take(deal(1, amount_minor=10_000_00))

    assert (outcome.status, outcome.points) == ("amended", 150)
    assert await program.balance() == 150
    assert await program.count(decisions) == 2


async def test_an_older_version_never_amends_a_newer(program: Program):
    await program.take(deal(1, amount_minor=10_000_00, source_version=7))

    [outcome] = await program.take(deal(1, amount_minor=1, source_version=6))

    assert (outcome.status, outcome.points) == ("replayed", 150)


async def test_an_amendment_that_names_another_owner_moves_the_points(program: Program):
    ben = await make_member(program.session, program.id, "ben")
    await program.take(deal(1, "ada"))

    [outcome] = await program.take(deal(1, "ben"))

    assert outcome.member_id == ben
    assert (await program.balance(), await program.balance(ben)) == (0, 50)


async def test_an_event_of_the_future_is_rejected_and_leaves_nothing(program: Program):
    [outcome] = await program.take(deal(1, occurred_at=NOW + timedelta(minutes=6)))

    assert (outcome.status, outcome.code) == ("rejected", "occurred_in_future")
    assert await program.count(events) == 0


async def test_data_that_does_not_fit_its_schema_is_rejected_with_the_field(program: Program):
    [outcome] = await program.take(course(1, data={"course": 7}))

    assert (outcome.status, outcome.code) == ("rejected", "invalid_event_data")
    assert "/course" in (outcome.detail or "")


async def test_an_unknown_event_type_is_rejected(program: Program):
    [outcome] = await program.take(replace(deal(1), type="deal.lost"))

    assert (outcome.status, outcome.code) == ("rejected", "unknown_event_type")


async def test_one_bad_event_does_not_stop_its_neighbours(program: Program):
    outcomes = await program.take(deal(1), course(1, data={}), deal(2))

    assert [outcome.status for outcome in outcomes] == ["recorded", "rejected", "recorded"]
    assert await program.balance() == 100


# -- Parked --------------------------------------------------------------------------------------------------------


async def test_an_event_of_an_unknown_member_is_parked_until_the_member_is_known(program: Program):
    [parked] = await program.take(deal(1, "cleo"))
    cleo = await make_member(program.session, program.id, "cleo")

    found = await intake.find_decidable(program.session)
    [decided] = await intake.decide_parked(program.session, program.id, [event for _, event in found], as_of=NOW)

    assert (parked.state, decided.state, decided.points) == ("parked", "decided", 50)
    assert await program.balance(cleo) == 50


async def test_a_repeat_decides_a_parked_event(program: Program):
    await program.take(deal(1, "cleo"))
    cleo = await make_member(program.session, program.id, "cleo")

    [outcome] = await program.take(deal(1, "cleo"))

    assert (outcome.status, outcome.state) == ("replayed", "decided")
    assert await program.balance(cleo) == 50


async def test_parked_events_are_found_by_any_name_they_carry(program: Program):
    by_mail = Identity("email", "cleo@example.com")
    await program.take(deal(1, "cleo", alternatives=(by_mail,)), deal(2, "dora"))

    found = await intake.find_parked(program.session, program.id, [by_mail])

    assert len(found) == 1


async def test_an_alternative_name_finds_the_member(program: Program):
    [outcome] = await program.take(deal(1, "owner-77", alternatives=(Identity("email", "ada@example.com"),)))

    assert outcome.member_id == program.ada


async def test_a_retraction_closes_a_parked_event_unpaid(program: Program):
    parked = deal(1, "cleo")
    await program.take(parked, retraction(parked))
    cleo = await make_member(program.session, program.id, "cleo")

    [outcome] = await program.take(parked)

    assert (outcome.status, outcome.state) == ("replayed", "closed")
    assert await program.balance(cleo) == 0


# -- Retractions ---------------------------------------------------------------------------------------------------


async def test_a_retraction_takes_back_points_counts_and_caps(program: Program):
    first, second, third = course(1), course(2), course(3)
    await program.take(first, second)

    [retracted] = await program.take(retraction(first))
    [again] = await program.take(third)

    assert (retracted.points, again.points) == (-40, 40)
    assert await program.balance() == 80
    assert (await program.states())["course-1"] == "retracted"


async def test_a_retraction_that_comes_first_waits_for_its_original(program: Program):
    await program.take(retraction(deal(1)))

    [outcome] = await program.take(deal(1))

    assert (outcome.status, outcome.state, outcome.points) == ("recorded", "retracted", 0)
    assert await program.balance() == 0


async def test_a_retraction_and_its_original_in_one_batch_cancel_in_either_order(program: Program):
    await program.take(retraction(deal(1)), deal(1), deal(2), retraction(deal(2)))

    assert await program.balance() == 0
    states = await program.states()
    assert (states["deal-1"], states["deal-2"]) == ("retracted", "retracted")


async def test_a_repeated_retraction_takes_back_once(program: Program):
    await program.take(deal(1), deal(2))

    await program.take(retraction(deal(1)), retraction(deal(1)), retraction(deal(1), number=2))

    assert await program.balance() == 50


async def test_a_retracted_fact_stays_retracted_when_it_is_repeated_or_amended(program: Program):
    await program.take(deal(1), retraction(deal(1)))

    repeated, amended = await program.take(deal(1), deal(1, amount_minor=7))

    assert (repeated.state, amended.state) == ("retracted", "retracted")
    assert await program.balance() == 0


# -- Milestones and rewards ----------------------------------------------------------------------------------------


async def test_one_event_may_cross_several_milestones(program: Program):
    outcomes = await program.take(*(deal(n, amount_minor=10_000_00, occurred_at=days_ago(n)) for n in range(1, 9)))

    assert sum(outcome.points for outcome in outcomes) == await program.balance()
    assert await program.count(crossings, crossings.c.milestone == "every-500:500") == await program.balance() // 500
    assert await program.count(crossings, crossings.c.milestone == "first-1000:1000") == 1
    assert await program.count(rewards) == await program.count(outbox, outbox.c.kind == "start_reward")


def days_ago(days: int) -> Any:
    return NOW - timedelta(days=days)


async def test_a_retraction_withdraws_a_crossing_that_nobody_ordered_from(program: Program):
    taken = [deal(n, occurred_at=days_ago(40 * n)) for n in range(1, 11)]
    outcomes = await program.take(*taken)
    assert len(outcomes[-1].rewards) == 1

    await program.take(retraction(taken[0]))
    await program.take(deal(11, occurred_at=days_ago(600)))

    states = (await program.session.execute(select(crossings.c.n, crossings.c.state).order_by(crossings.c.id))).all()
    assert [tuple(row) for row in states] == [(1, "withdrawn"), (1, "standing")]
    assert await program.count(outbox, outbox.c.kind == "wake_reward") == 1


async def test_a_placed_crossing_stays_and_is_not_crossed_again(program: Program):
    taken = [deal(n, occurred_at=days_ago(40 * n)) for n in range(1, 11)]
    outcomes = await program.take(*taken)
    ordered = update(rewards).where(rewards.c.id == outcomes[-1].rewards[0])
    await program.session.execute(ordered.values(state="ordered", order_id="ord_1"))

    await program.take(retraction(taken[0]), deal(11, occurred_at=days_ago(600)))

    assert await program.count(crossings) == 1


async def test_a_rule_gives_a_reward_without_a_threshold_within_its_cap(program: Program):
    surveys = [Event("crm", f"survey-{n}", "survey.submitted", Identity("crm", "ada"), NOW, {}) for n in range(2)]

    first, second = await program.take(*surveys)

    assert (len(first.rewards), len(second.rewards)) == (1, 0)


async def test_an_amendment_keeps_the_crossing_that_still_stands(program: Program):
    taken = [deal(n, occurred_at=days_ago(40 * n)) for n in range(1, 11)]
    outcomes = await program.take(*taken)

    [amended] = await program.take(deal(10, occurred_at=days_ago(400), amount_minor=99))

    assert amended.rewards == outcomes[-1].rewards


# -- Data that cannot be decided -----------------------------------------------------------------------------------


async def test_what_the_database_cannot_keep_is_quarantined_alone(program: Program):
    await program.take(deal(1))
    full = update(counters).where(counters.c.name == "event:deal.won.amount_minor")
    await program.session.execute(full.values(total=2**63 - 1))

    outcomes = await program.take(deal(2, amount_minor=0), deal(3, amount_minor=1), course(4))

    assert [outcome.status for outcome in outcomes] == ["recorded", "quarantined", "recorded"]
    assert (await program.states())["deal-3"] == "quarantined"
    assert await program.balance() == 140


async def test_a_quarantined_event_is_decided_when_it_is_tried_again(program: Program):
    await program.take(deal(1))
    total = update(counters).where(counters.c.name == "event:deal.won.amount_minor")
    await program.session.execute(total.values(total=2**63 - 1))
    [quarantined] = await program.take(deal(2))
    assert quarantined.event_id is not None
    await program.session.execute(total.values(total=0))

    [again] = await intake.retry_quarantined(program.session, program.id, [quarantined.event_id], as_of=NOW)

    assert (quarantined.status, again.state, again.points) == ("quarantined", "decided", 50)
    assert await program.balance() == 100


async def test_an_amendment_that_cannot_be_decided_leaves_what_stood(program: Program):
    await program.take(deal(1))
    total = update(counters).where(counters.c.name == "event:deal.won.amount_minor")
    await program.session.execute(total.values(total=2**63 - 1))

    [outcome] = await program.take(deal(1, amount_minor=200_00))

    assert (outcome.status, outcome.state, outcome.points) == ("quarantined", "decided", 50)
    assert await program.balance() == 50


async def _with_undecided_amendment(program: Program, **more: Any) -> str:
    """Ada's first deal, of which an amendment to 10,000 could not be decided; the cause is gone."""
    await program.take(deal(1))
    total = update(counters).where(counters.c.name == "event:deal.won.amount_minor")
    await program.session.execute(total.values(total=2**63 - 1))
    [outcome] = await program.take(deal(1, amount_minor=10_000_00, **more))
    await program.session.execute(total.values(total=100_00))
    return str(outcome.event_id)


async def test_an_amendment_that_could_not_be_decided_is_decided_when_it_is_tried_again(program: Program):
    event_id = await _with_undecided_amendment(program)

    [again] = await intake.retry_quarantined(program.session, program.id, [event_id], as_of=NOW)

    assert (again.status, again.state, again.points) == ("amended", "decided", 150)
    assert await program.balance() == 150
    assert await intake.retry_quarantined(program.session, program.id, [event_id], as_of=NOW) == []


async def test_an_amendment_that_fails_again_is_still_kept(program: Program):
    event_id = await _with_undecided_amendment(program)
    total = update(counters).where(counters.c.name == "event:deal.won.amount_minor")
    await program.session.execute(total.values(total=2**63 - 1))

    for _ in range(2):
        [again] = await intake.retry_quarantined(program.session, program.id, [event_id], as_of=NOW)
        assert (again.status, again.points) == ("quarantined", 50)

    assert await program.count(quarantined_amendments) == 1


async def test_newer_content_overtakes_an_amendment_that_could_not_be_decided(program: Program):
    event_id = await _with_undecided_amendment(program)

    await program.take(deal(1, amount_minor=11_000_00))

    assert await intake.retry_quarantined(program.session, program.id, [event_id], as_of=NOW) == []
    assert await program.balance() == 160


async def test_older_content_does_not_overtake_an_amendment_that_could_not_be_decided(program: Program):
    event_id = await _with_undecided_amendment(program, source_version=3)

    await program.take(deal(1, amount_minor=11_000_00, source_version=2))
    [again] = await intake.retry_quarantined(program.session, program.id, [event_id], as_of=NOW)

    assert (again.status, again.points) == ("amended", 150)


async def test_an_event_with_an_undecided_amendment_is_listed_among_the_quarantined(program: Program):
    event_id = await _with_undecided_amendment(program)
    await program.take(deal(2))

    [listed] = await event_rows.list_page(program.session, program.id, state="quarantined", limit=10)

    assert (listed.id, listed.state, listed.error) == (event_id, "decided", "NumericValueOutOfRange 22003")


# -- What a stranger tries -----------------------------------------------------------------------------------------


async def test_a_quarantined_retraction_takes_back_when_it_is_tried_again(program: Program):
    await program.take(deal(1))
    total = update(counters).where(counters.c.name == "event:deal.won.amount_minor")
    await program.session.execute(total.values(total=-(2**63)))
    [quarantined] = await program.take(retraction(deal(1)))
    await program.session.execute(total.values(total=100_00))

    [again] = await intake.retry_quarantined(program.session, program.id, [quarantined.event_id or ""], as_of=NOW)

    assert (quarantined.state, again.state, again.points) == ("quarantined", "decided", -50)
    assert await program.balance() == 0
    assert (await program.states())["deal-1"] == "retracted"


async def test_a_repeat_decides_a_quarantined_retraction(program: Program):
    await program.take(deal(1))
    total = update(counters).where(counters.c.name == "event:deal.won.amount_minor")
    await program.session.execute(total.values(total=-(2**63)))
    await program.take(retraction(deal(1)))
    await program.session.execute(total.values(total=100_00))

    [again] = await program.take(retraction(deal(1)))

    assert (again.state, again.points, await program.balance()) == ("decided", -50, 0)


async def test_what_the_domain_cannot_place_in_a_calendar_is_quarantined_alone(program: Program):
    await make_member(program.session, program.id, "ben", time_zone="Not/AZone")

    outcomes = await program.take(deal(1), deal(2, "ben"), deal(3))

    assert [outcome.status for outcome in outcomes] == ["recorded", "quarantined", "recorded"]


UNFIT = [
    replace(deal(2), external_id="deal\0"),
    replace(deal(2), external_id="deal\x01"),
    replace(deal(2), external_id="deal\ud800"),
    replace(deal(2), external_id="ä" * 1_000),
    replace(deal(2), member=Identity("crm", "a\0da")),
    deal(2, alternatives=(Identity("e\x1fmail", "ada"),)),
    deal(2, data={"amount_minor": 1, "currency": "\ud800"}),
    deal(2, source_version=2**63),
    deal(2, occurred_at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))),
    replace(retraction(deal(2)), data={"amount_minor": 2**70}),
]


@pytest.mark.parametrize("unfit", UNFIT, ids=range(len(UNFIT)))
async def test_what_no_row_can_hold_is_rejected_and_does_not_stop_its_neighbours(program: Program, unfit: Event):
    outcomes = await program.take(deal(1), unfit, deal(3))

    assert [(outcome.status, outcome.code) for outcome in outcomes] == [
        ("recorded", None),
        ("rejected", "invalid_event_data"),
        ("recorded", None),
    ]


async def test_the_first_days_of_the_calendar_do_not_stop_a_batch(program: Program):
    await make_member(program.session, program.id, "ben", time_zone="America/New_York")

    outcomes = await program.take(deal(1), deal(2, "ben", occurred_at=datetime(1, 1, 1, tzinfo=UTC)))

    assert [outcome.status for outcome in outcomes] == ["recorded", "rejected"]


async def test_a_retraction_cannot_be_retracted_in_whatever_order_they_come(program: Program):
    undo = {n: retraction(deal(n)) for n in (1, 2)}
    await program.take(deal(1), deal(2))

    await program.take(undo[1], retraction(undo[1]))
    _, late = await program.take(retraction(undo[2]), undo[2])

    assert (late.status, late.state, late.points) == ("recorded", "decided", -50)
    assert await program.balance() == 0


async def test_a_repeat_without_a_version_does_not_forget_the_one_that_is_known(program: Program):
    await program.take(deal(1, amount_minor=10_000_00, source_version=7), deal(1, amount_minor=10_000_00))

    [outcome] = await program.take(deal(1, amount_minor=1, source_version=6))

    assert (outcome.status, outcome.points) == ("replayed", 150)


async def test_an_amendment_without_a_version_does_not_forget_the_one_that_is_known(program: Program):
    await program.take(deal(1, source_version=7), deal(1, amount_minor=10_000_00))

    [outcome] = await program.take(deal(1, amount_minor=1, source_version=6))

    assert (outcome.status, outcome.points) == ("replayed", 150)


async def test_an_amendment_keeps_the_crossing_on_balance_that_still_stands(program: Program):
    taken = [deal(n, amount_minor=10_000_00, occurred_at=days_ago(40 * n)) for n in range(1, 8)]
    outcomes = await program.take(*taken)

    [amended] = await program.take(deal(7, amount_minor=10_100_00, occurred_at=days_ago(280)))

    assert len(outcomes[-1].rewards) == 2
    assert (amended.status, set(amended.rewards)) == ("amended", set(outcomes[-1].rewards))


async def test_an_amendment_withdraws_the_crossing_on_balance_that_it_no_longer_reaches(program: Program):
    taken = [deal(n, amount_minor=10_000_00, occurred_at=days_ago(40 * n)) for n in range(1, 8)]
    await program.take(*taken)

    [amended] = await program.take(deal(7, amount_minor=0, occurred_at=days_ago(280)))

    assert amended.rewards == ()


async def test_owners_that_change_twice_in_one_batch_keep_their_counters(program: Program):
    await make_member(program.session, program.id, "ben")
    yesterday = days_ago(1)
    await program.take(*(deal(n, "ben", 10_000_00, occurred_at=yesterday) for n in (1, 2)))

    await program.take(deal(9), deal(9, "ben"), deal(9, "zed", 10_000_00, occurred_at=yesterday))

    uses = select(counters.c.uses).where(
        counters.c.name == "event:deal.won", counters.c.period_on == NOW.date().replace(day=1)
    )
    assert sorted((await program.session.execute(uses)).scalars()) == [0, 3]


async def test_a_repeat_with_another_name_of_the_member_decides_a_parked_event(program: Program):
    await program.take(deal(1, "owner-77"))

    [outcome] = await program.take(deal(1, "owner-77", alternatives=(Identity("email", "ada@example.com"),)))

    assert (outcome.status, outcome.state, outcome.member_id) == ("replayed", "decided", program.ada)


async def test_a_repeat_with_fewer_names_leaves_a_parked_event_to_the_names_it_had(program: Program):
    by_mail = (Identity("email", "ben@example.com"),)
    await program.take(deal(1, "owner-77", alternatives=by_mail))
    ben = await make_member(program.session, program.id, "ben")
    theirs = replace(course(1), member=by_mail[0])

    _, repeated = await program.take(theirs, deal(1, "owner-77"))

    assert (repeated.status, repeated.state) == ("replayed", "parked")
    assert [one for _, one in await intake.find_decidable(program.session)] == [repeated.event_id]
    assert await program.balance(ben) == 40


async def test_a_crossing_that_falls_with_an_event_of_its_own_batch_takes_its_reward_along(program: Program):
    taken = [deal(n, occurred_at=days_ago(40 * n)) for n in range(1, 11)]
    [*_, last] = await program.take(*taken)
    own = update(rewards).where(rewards.c.id == last.rewards[0])
    await program.session.execute(own.values(state="ordered", order_id="ord_1"))
    await program.take(retraction(taken[0]))
    await program.session.execute(own.values(state="offered", order_id=None))

    await program.take(course(1, occurred_at=days_ago(1)), retraction(course(1)))

    standing = await program.count(crossings, crossings.c.state == "standing")
    assert standing == await program.count(rewards, rewards.c.state != "withdrawn") == 0


async def test_a_milestone_that_came_late_counts_the_same_in_one_batch_as_in_two(session: AsyncSession):
    marks = []
    for cut in (1, 2):
        program_id = await make_program(session, {**SAMPLE, "milestones": {}})
        await make_member(session, program_id, "ada")
        early = [deal(n, occurred_at=days_ago(40 * n)) for n in range(1, 16)]
        await intake.record(session, program_id, early, POLICY, as_of=NOW)
        await apply(session, program_id, {**SAMPLE, "milestones": {"every-500": SAMPLE["milestones"]["every-500"]}})
        late = [deal(n, occurred_at=days_ago(40 * n)) for n in range(16, 21)]
        await intake.record(session, program_id, late, POLICY, as_of=NOW)
        fall = [retraction(event) for event in early[:11]]
        rise = [deal(n, occurred_at=days_ago(40 * n)) for n in range(21, 24)]
        for part in [[*fall, *rise]] if cut == 1 else [fall, rise]:
            await intake.record(session, program_id, part, POLICY, as_of=NOW)
        marks.append((await snapshot(session, program_id))["crossings"])

    assert marks[0] == marks[1]


# -- Batches -------------------------------------------------------------------------------------------------------


async def snapshot(session: AsyncSession, program_id: str) -> dict[str, Any]:
    """What a program's events came to, without ids that differ from run to run."""
    queries = {
        "events": select(events.c.external_id, events.c.state, events.c.revision, events.c.data),
        "decisions": select(
            events.c.external_id,
            decisions.c.n,
            decisions.c.kind,
            decisions.c.points,
            decisions.c.inputs,
            decisions.c.verdict.op("-")("retracts"),
        ).join(events, events.c.id == decisions.c.event_id),
        "accounts": select(
            accounts.c.unit, accounts.c.balance, accounts.c.version, accounts.c.debt, accounts.c.lifetime
        ).where(accounts.c.running),
        "lots": select(lots.c.granted, lots.c.allocated, lots.c.reversed, lots.c.remaining, lots.c.expires_at),
        "counters": select(
            counters.c.name, counters.c.period, counters.c.period_on, counters.c.uses, counters.c.total
        ).where((counters.c.uses != 0) | (counters.c.total != 0)),
        "crossings": select(crossings.c.milestone, crossings.c.n, crossings.c.state),
        "rewards": select(rewards.c.reward, rewards.c.rule, rewards.c.state),
    }
    found = {}
    for name, query in queries.items():
        table = query.get_final_froms()[0].c if name != "decisions" else decisions.c
        rows = (await session.execute(query.where(table.program_id == program_id))).all()
        found[name] = sorted((tuple(row) for row in rows), key=repr)
    return found


def outline(outcomes: Sequence[Outcome]) -> list[Any]:
    return [(o.status, o.state, o.points, len(o.rewards), o.code) for o in outcomes]


async def test_members_without_rules_still_have_their_events_kept(program: Program):
    await program.session.execute(identities.delete().where(identities.c.source == "crm"))

    [outcome] = await program.take(deal(1))

    assert outcome.state == "parked"


FACTS = st.one_of(
    st.builds(
        deal,
        st.integers(1, 6),
        st.sampled_from(["ada", "ben", "cleo"]),
        st.sampled_from([100_00, 10_000_00, 40_000_00]),
        source_version=st.none() | st.integers(1, 3),
        occurred_at=st.integers(0, 40).map(days_ago),
    ),
    st.builds(course, st.integers(1, 4), st.sampled_from(["ada", "ben"])),
)
TAKEN = st.lists(FACTS | st.builds(retraction, FACTS, st.integers(1, 2)), min_size=2, max_size=14)


@pytest.mark.thorough
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(taken=TAKEN, cuts=st.lists(st.integers(1, 13), max_size=4))
async def test_deciding_a_batch_equals_deciding_its_events_one_by_one(
    session: AsyncSession, taken: list[Event], cuts: list[int]
):
    alone, split = [await make_program(session) for _ in range(2)]
    for program_id in (alone, split):
        for name in ("ada", "ben"):
            await make_member(session, program_id, name)
    bounds = sorted({0, len(taken), *(cut for cut in cuts if cut < len(taken))})

    one_by_one = [
        outcome for event in taken for outcome in await intake.record(session, alone, [event], POLICY, as_of=NOW)
    ]
    with pytest.MonkeyPatch.context() as small:
        small.setattr(intake, "SLICE", 3)
        batched = [
            outcome
            for start, end in itertools.pairwise(bounds)
            for outcome in await intake.record(session, split, taken[start:end], POLICY, as_of=NOW)
        ]

    assert outline(batched) == outline(one_by_one)
    assert await snapshot(session, split) == await snapshot(session, alone)
    for program_id in (alone, split):
        assert [check for check in await verification.verify(session, program_id) if check.violations] == []
