"""Snapshots of configurations: immutable, numbered, active for everybody or nobody."""

import asyncio
import copy
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.definitions import Definitions, definitions_of
from storage import configurations, intake, tables
from tests.programs import NOW, SAMPLE, apply, course, deal, definitions, make_member, make_program, retraction
from tests.storage.test_intake import POLICY


def changed(**sections: Any) -> dict[str, Any]:
    """The sample with definitions added, or taken out where they are None."""
    body = copy.deepcopy(SAMPLE)
    for section, added in sections.items():
        body[section] |= added
        body[section] = {key: value for key, value in body[section].items() if value is not None}
    return body


async def counters(session: AsyncSession, name: str) -> list[tuple[str, str, str, int, int]]:
    columns = tables.counters.c
    query = select(columns.member_id, columns.period, columns.period_on, columns.uses, columns.total)
    rows = await session.execute(query.where(columns.name == name, columns.uses != 0).order_by(*query.selected_columns))
    return [(member, period, on.isoformat(), uses, total) for member, period, on, uses, total in rows]


async def test_a_program_begins_with_nothing_configured(session: AsyncSession) -> None:
    program_id = await make_program(session, {})

    active = await configurations.get_active(session, program_id)

    assert (active.number, definitions_of(active)) == (0, Definitions())


async def test_what_is_applied_is_active_and_stays_readable(session: AsyncSession) -> None:
    program_id = await make_program(session)
    await apply(session, program_id, changed(rules={"deal-won": None}))

    active = await configurations.get_active(session, program_id)
    first = await configurations.get(session, program_id, 1)

    assert active.number == 2
    assert [rule.key for rule in active.rules["deal.won"]] == ["big-deal", "third-deal"]
    assert [rule.key for rule in first.rules["deal.won"]] == ["big-deal", "deal-won", "third-deal"]
    assert await configurations.get(session, program_id, 2) == active


async def test_only_what_changed_takes_the_new_number(session: AsyncSession) -> None:
    program_id = await make_program(session)
    survey = SAMPLE["rules"]["survey"] | {"title": "Thank you"}

    await apply(session, program_id, changed(rules={"survey": survey}))

    active = await configurations.get_active(session, program_id)
    versions = {key: rule.version for key, rule in definitions_of(active).rules.items()}
    assert versions == {"deal-won": 1, "big-deal": 1, "third-deal": 1, "course": 1, "survey": 2}
    assert active.rewards["coffee"].version == 1


async def test_applying_the_same_again_changes_nothing(session: AsyncSession) -> None:
    program_id = await make_program(session)

    applied = await configurations.apply(
        session, program_id, definitions(), applied_by="somebody else", applied_at=NOW + timedelta(days=1)
    )

    count = select(func.count()).select_from(tables.configurations)
    assert (applied.configuration.number, applied.changes) == (1, ())
    assert (await session.execute(count)).scalar_one() == 1


async def test_changes_are_shown_before_they_are_applied(session: AsyncSession) -> None:
    program_id = await make_program(session)
    body = changed(rules={"deal-won": {"event_type": "deal.won", "award": {"expression": "60"}}})

    number, shown = await configurations.preview(session, program_id, definitions(body))

    assert number == 1
    assert [(change.key, change.fields) for change in shown] == [("deal-won", (("award.expression", "50", "60"),))]
    assert (await configurations.get_active(session, program_id)).number == 1


async def test_changes_that_were_shown_against_another_configuration_are_not_applied(session: AsyncSession) -> None:
    program_id = await make_program(session)

    with pytest.raises(configurations.Outdated, match="configuration 1 has become active, not 0"):
        await configurations.apply(session, program_id, Definitions(), applied_by="a test", applied_at=NOW, expected=0)


async def test_a_program_or_number_that_does_not_exist_is_not_found(session: AsyncSession) -> None:
    program_id = await make_program(session)

    with pytest.raises(LookupError, match="prg_none"):
        await configurations.get_active(session, "prg_none")
    with pytest.raises(LookupError, match="no configuration 7"):
        await configurations.get(session, program_id, 7)
    with pytest.raises(LookupError):
        await configurations.get(session, await make_program(session, {}), 1)


async def test_a_snapshot_is_never_replaced(session: AsyncSession) -> None:
    program_id = await make_program(session)
    row = {"program_id": program_id, "number": 1, "body": {}, "digest": b"", "applied_at": NOW, "applied_by": "x"}

    with pytest.raises(IntegrityError):
        await session.execute(tables.configurations.insert().values(row))


async def test_a_snapshot_that_was_rolled_back_is_forgotten(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session, session.begin():
        program_id = await make_program(session, {})
    async with AsyncSession(engine) as session:
        await apply(session, program_id, SAMPLE)
        assert (await configurations.get_active(session, program_id)).rules
        await session.rollback()
    async with AsyncSession(engine) as session, session.begin():
        await apply(session, program_id, changed(rules=dict.fromkeys(SAMPLE["rules"])))

    async with AsyncSession(engine) as session:
        active = await configurations.get_active(session, program_id)

    assert (active.number, definitions_of(active).rules) == (1, {})


async def test_events_that_are_being_taken_hold_up_an_application_and_then_count(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session, session.begin():
        program_id = await make_program(session)
        ada = await make_member(session, program_id, "ada")
    body = changed(aggregates={"deals_ever": {"event_type": "deal.won", "per": "lifetime"}})

    async with AsyncSession(engine) as taking, AsyncSession(engine) as applying:
        await intake.record(taking, program_id, [deal(1)], POLICY, as_of=NOW)
        application = asyncio.create_task(apply(applying, program_id, body))
        await until_somebody_waits(engine)
        await taking.commit()
        await application
        await applying.commit()

    async with AsyncSession(engine) as session:
        assert (ada, "lifetime", "0001-01-01", 1, 1) in await counters(session, "event:deal.won")


async def test_of_two_applications_of_the_same_preview_one_is_outdated(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session, session.begin():
        program_id = await make_program(session)

    async def attempt(title: str) -> str:
        body = changed(rules={"survey": SAMPLE["rules"]["survey"] | {"title": title}})
        async with AsyncSession(engine) as session, session.begin():
            try:
                await configurations.apply(
                    session, program_id, definitions(body), applied_by=title, applied_at=NOW, expected=1
                )
            except configurations.Outdated:
                return "outdated"
            return title

    results = await asyncio.gather(attempt("one"), attempt("two"))

    async with AsyncSession(engine) as session:
        active = await configurations.get_active(session, program_id)
    [winner] = [result for result in results if result != "outdated"]
    assert (active.number, active.rules["survey.submitted"][0].title) == (2, winner)


async def until_somebody_waits(engine: AsyncEngine) -> None:
    """Return once some session waits for an advisory lock of this database."""
    waiting = text(
        """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    )
    async with AsyncSession(engine) as session:
        while not (await session.execute(waiting)).scalar_one():
            await session.execute(text("SELECT pg_sleep(0.01)"))


# -- Back-fills ----------------------------------------------------------------------------------------------------

BARE = changed(aggregates=dict.fromkeys(SAMPLE["aggregates"]), rules=dict.fromkeys(SAMPLE["rules"]))


async def test_a_back_fill_counts_what_deciding_would_have_counted(session: AsyncSession) -> None:
    facts = [
        deal(1, occurred_at=NOW - timedelta(days=40)),
        deal(2, amount_minor=7),
        deal(3, "ben", amount_minor=5),
        deal(4, data={"currency": "EUR"}),
        course(1, occurred_at=NOW - timedelta(days=3)),
        course(2, "ben"),
        retraction(deal(1)),
    ]
    counted, filled = await make_program(session), await make_program(session, BARE)
    members = {}
    for program_id in (counted, filled):
        members[program_id] = [
            await make_member(session, program_id, "ada", time_zone="Pacific/Auckland"),
            await make_member(session, program_id, "ben", time_zone="America/New_York"),
        ]
        await intake.record(session, program_id, facts, POLICY, as_of=NOW)

    await apply(session, filled, changed(rules=dict.fromkeys(SAMPLE["rules"])))

    for name in ("event:deal.won", "event:deal.won.amount_minor", "event:course.completed"):
        rows = await counters(session, name)
        of_each = [
            [(members[program_id].index(row[0]), *row[1:]) for row in rows if row[0] in members[program_id]]
            for program_id in (counted, filled)
        ]
        assert of_each[0]
        assert of_each[0] == of_each[1]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"per": "day"}, 2),
        ({"per": "week"}, 3),
        ({"per": "month"}, 4),
        ({"per": "quarter"}, 5),
        ({"per": "year"}, 5),
        ({"per": "lifetime"}, 6),
        ({"days": 1}, 2),
        ({"days": 2}, 3),
        ({"days": 5}, 4),
        ({"days": 92}, 6),
    ],
)
async def test_an_aggregate_is_over_a_calendar_period_or_over_rolling_days_back_filled_or_not(
    session: AsyncSession, over: dict[str, Any], expected: int
) -> None:
    """A deal of today, Wednesday 4 March, one each of yesterday, Sunday, January and December; then one more today."""
    body = copy.deepcopy(BARE) | {"aggregates": {"n": {"event_type": "deal.won", **over}}}
    thresholds = {"expression": "totals.n", "rounding": "floor"}
    body |= {"rules": {"count": {"event_type": "deal.won", "award": thresholds}}}
    facts = [deal(n, occurred_at=NOW - timedelta(days=back)) for n, back in enumerate((0, 1, 3, 45, 65))]
    counted, filled = await make_program(session, body), await make_program(session, BARE)

    for program_id in (counted, filled):
        await make_member(session, program_id, "ada", time_zone="America/New_York")
        await intake.record(session, program_id, facts, POLICY, as_of=NOW)
    await apply(session, filled, body)

    for program_id in (counted, filled):
        [outcome] = await intake.record(session, program_id, [deal(9, occurred_at=NOW)], POLICY, as_of=NOW)
        assert outcome.points == expected


async def test_a_member_who_had_left_is_not_counted(session: AsyncSession) -> None:
    program_id = await make_program(session, BARE)
    await make_member(session, program_id, "ada", status="left")
    await intake.record(session, program_id, [deal(1)], POLICY, as_of=NOW)

    await apply(session, program_id, SAMPLE)

    assert await counters(session, "event:deal.won") == []


async def test_a_parked_event_counts_once_it_is_decided(session: AsyncSession) -> None:
    program_id = await make_program(session, BARE)
    [outcome] = await intake.record(session, program_id, [deal(1)], POLICY, as_of=NOW)
    await apply(session, program_id, SAMPLE)
    before = await counters(session, "event:deal.won")
    ada = await make_member(session, program_id, "ada")

    assert outcome.event_id
    await intake.decide_parked(session, program_id, [outcome.event_id], as_of=NOW)

    assert before == []
    assert await counters(session, "event:deal.won") == [(ada, "month", "2026-03-01", 1, 1)]


async def test_what_a_back_fill_counted_is_uncounted_by_a_retraction(session: AsyncSession) -> None:
    program_id = await make_program(session, BARE)
    ada = await make_member(session, program_id, "ada")
    await intake.record(session, program_id, [deal(1), deal(2)], POLICY, as_of=NOW)
    await apply(session, program_id, SAMPLE)

    await intake.record(session, program_id, [retraction(deal(1))], POLICY, as_of=NOW)

    assert await counters(session, "event:deal.won") == [(ada, "month", "2026-03-01", 1, 1)]


async def test_what_a_back_fill_counted_is_counted_anew_by_an_amendment(session: AsyncSession) -> None:
    program_id = await make_program(session, BARE)
    ada = await make_member(session, program_id, "ada")
    await intake.record(session, program_id, [deal(1, amount_minor=5)], POLICY, as_of=NOW)
    await apply(session, program_id, SAMPLE)

    await intake.record(session, program_id, [deal(1, amount_minor=70)], POLICY, as_of=NOW)

    assert await counters(session, "event:deal.won.amount_minor") == [(ada, "month", "2026-03-01", 1, 70)]


async def test_an_aggregate_that_comes_back_is_counted_from_the_events(session: AsyncSession) -> None:
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    await intake.record(session, program_id, [deal(1)], POLICY, as_of=NOW)
    await apply(session, program_id, BARE)
    await intake.record(session, program_id, [deal(2)], POLICY, as_of=NOW)

    await apply(session, program_id, SAMPLE)

    assert await counters(session, "event:deal.won") == [(ada, "month", "2026-03-01", 2, 2)]


async def test_other_programs_are_left_alone(session: AsyncSession) -> None:
    other, program_id = await make_program(session), await make_program(session, BARE)
    ada = await make_member(session, other, "ada")
    await intake.record(session, other, [deal(1)], POLICY, as_of=NOW)

    await apply(session, program_id, SAMPLE)

    assert await counters(session, "event:deal.won") == [(ada, "month", "2026-03-01", 1, 1)]


async def test_a_unit_in_which_somebody_has_something_keeps_its_scale(session: AsyncSession) -> None:
    program_id = await make_program(session)
    await make_member(session, program_id, "ada")
    await intake.record(session, program_id, [deal(1)], POLICY, as_of=NOW)

    with pytest.raises(configurations.UnitInUse, match="there are accounts in points"):
        await apply(session, program_id, SAMPLE | {"units": {"points": {"exponent": 2}}})


async def test_a_unit_in_which_nobody_has_anything_may_go(session: AsyncSession) -> None:
    program_id = await make_program(session, SAMPLE | {"units": {"miles": {"exponent": 1}}})

    await apply(session, program_id, SAMPLE)

    assert (await configurations.get_active(session, program_id)).units == {}


async def test_a_streak_policy_keeps_its_cadence(session: AsyncSession) -> None:
    walk = {"cadence": "daily", "qualifying": [{"event_type": "walk.done"}]}
    body = {"event_types": {"walk.done": {"fields": {}}}, "streaks": {"walk": walk}}
    program_id = await make_program(session, body)

    with pytest.raises(configurations.CadenceChanged, match="the cadence of walk stays"):
        await apply(session, program_id, {**body, "streaks": {"walk": {**walk, "cadence": "weekly"}}})
