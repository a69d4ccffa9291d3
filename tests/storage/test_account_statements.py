"""Statements: that they add up whatever happened, as of any time and as known at any time, and what they cost."""

import random
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.account_statements import Category, Line, Period, Standing
from domain.ledger import held_account, member_account, pending_account, program_account
from storage import account_statements, members
from storage.account_statements import Span
from tests.programs import NOW, make_member, make_program
from tests.tellers import Teller, live

SOON = timedelta(microseconds=1)


class Fact(NamedTuple):
    account: str
    amount: int
    effective_at: datetime
    recorded_at: datetime


async def all_facts(session: AsyncSession) -> list[Fact]:
    """Every entry with its two times: what statements are compared with."""
    query = """SELECT e.account_id, e.amount, t.effective_at, t.recorded_at
        FROM entries e JOIN transactions t ON t.id = e.transaction_id"""
    return [Fact(*row) for row in await session.execute(text(query))]


def summed(facts: Sequence[Fact], account: str, before: datetime, known_at: datetime) -> int:
    return sum(
        one.amount
        for one in facts
        if one.account == account and one.effective_at < before and one.recorded_at <= known_at
    )


def expected(facts: Sequence[Fact], member: str, unit: str, at: datetime, known_at: datetime) -> Standing:
    accounts = (kind(member, unit) for kind in (member_account, held_account, pending_account))
    return Standing(*(summed(facts, account, at, known_at) for account in accounts))


async def every_line(session: AsyncSession, program_id: str, period: Period) -> list[Line]:
    return [line async for line in account_statements.stream_lines(session, program_id, period)]


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(6))
async def test_opening_and_lines_and_opening_and_totals_make_the_closing_balance(session: AsyncSession, seed: int):
    """I10, for random histories, periods and knowledge, against sums over all entries."""
    program_id = await make_program(session)
    everybody = [await make_member(session, program_id, name) for name in ("ada", "bob")]
    teller = Teller(session, program_id)
    await live(teller, everybody, 120, seed)
    facts = await all_facts(session)
    rng = random.Random(seed)

    for _ in range(25):
        first, last = sorted(NOW + (teller.now - NOW) * rng.uniform(-0.2, 1.2) for _ in range(2))
        known_at = NOW + (teller.now - NOW) * rng.uniform(0, 1.1)
        period = Period(rng.choice(everybody), rng.choice(("points", "points", "cash")), first, last, known_at)
        summary = await account_statements.summary(session, program_id, period, "UTC")
        lines = await every_line(session, program_id, period)

        assert summary.opening == expected(facts, period.member_id, period.unit, first, known_at)
        assert summary.closing == expected(facts, period.member_id, period.unit, last, known_at)
        assert summary.opening.balance + sum(line.amount for line in lines) == summary.closing.balance
        assert summary.opening.balance + sum(summary.totals.values()) == summary.closing.balance
        assert [line.balance for line in lines[-1:]] in ([], [summary.closing.balance])
        assert all(first <= line.effective_at < last and line.recorded_at <= known_at for line in lines)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(6))
async def test_the_balance_as_of_now_is_the_present_balance(session: AsyncSession, seed: int):
    program_id = await make_program(session)
    everybody = [await make_member(session, program_id, name) for name in ("ada", "bob")]
    teller = Teller(session, program_id)
    await live(teller, everybody, 120, seed)

    for member in everybody:
        for unit in ("points", "cash"):
            period = Period(member, unit, teller.now + SOON, teller.now + SOON, teller.now)
            then = await account_statements.balance(session, program_id, period, "UTC")
            now = await members.balance(session, program_id, member, as_of=teller.now, unit=unit)
            assert then == replace(now, lifetime=None)


async def everything(session: AsyncSession, program_id: str, period: Period) -> tuple[Any, list[Line]]:
    summary = await account_statements.summary(session, program_id, period, "UTC")
    return summary, await every_line(session, program_id, period)


async def test_what_is_recorded_later_changes_only_what_is_known_later(session: AsyncSession):
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    teller = Teller(session, program_id)
    await teller.earn(ada, 100, event_id="evt_deal")
    known_at = teller.now
    period = Period(ada, "points", NOW - timedelta(days=30), NOW + timedelta(days=1), known_at)
    before = await everything(session, program_id, period)

    teller.now += timedelta(days=3)
    await teller.adjust(ada, -40, effective_at=NOW - timedelta(days=2), reason="counted twice")
    after = await everything(session, program_id, period)
    known_now = Period(ada, "points", period.from_at, period.until_at, teller.now)
    summary, lines = await everything(session, program_id, known_now)

    assert after == before
    assert (before[0].closing.balance, summary.closing.balance) == (100, 60)
    assert [(line.kind, line.amount, line.balance, line.reason) for line in lines] == [
        ("earn", 100, 100, None),
        ("adjust", -40, 60, "counted twice"),
    ]


async def test_totals_say_what_became_of_what_was_held(session: AsyncSession):
    program_id = await make_program(session)
    ada, bob = [await make_member(session, program_id, name) for name in ("ada", "bob")]
    teller = Teller(session, program_id)
    await teller.earn(ada, 500, event_id="evt_deal")
    await teller.earn(ada, 100)
    await teller.transfer(ada, bob, 25)
    await teller.hold(ada, 70)
    await teller.end_hold("settle")
    await teller.hold(ada, 30)

    period = Period(ada, "points", NOW, NOW + SOON, NOW)
    summary, lines = await everything(session, program_id, period)

    assert {name: amount for name, amount in summary.totals.items() if amount} == {
        Category.EARNED: 500,
        Category.BONUS: 100,
        Category.TRANSFERRED: -25,
        Category.SPENT: -70,
        Category.HELD: -30,
    }
    assert summary.closing == Standing(balance=475, held=30)
    assert [line.counterparty for line in lines] == ["issued", "issued", bob, "held", "held"]


async def test_the_schedule_of_a_past_moment_is_that_of_the_lots_as_they_were(session: AsyncSession):
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    teller = Teller(session, program_id)
    await teller.earn(ada, 100, datetime(2026, 12, 31, 23, 30, tzinfo=NOW.tzinfo))
    await teller.earn(ada, 50, datetime(2027, 6, 1, tzinfo=NOW.tzinfo))
    await teller.earn(ada, 7)
    teller.now += timedelta(days=5)
    then = teller.now
    await teller.hold(ada, 80)
    teller.now += timedelta(days=500)
    await teller.expire(ada)

    async def schedule(at: datetime, known_at: datetime, zone: str = "UTC") -> Any:
        return await account_statements.expiry(session, program_id, Period(ada, "points", at, at, known_at), zone)

    first, held, now = [await schedule(at, teller.now) for at in (then, then + SOON, teller.now)]
    in_berlin = await schedule(then, then, "Europe/Berlin")

    assert [(one.period, one.amount) for one in first.months] == [("2026-12", 100), ("2027-06", 50)]
    assert [(one.period, one.amount) for one in held.years] == [("2026", 20), ("2027", 50)]
    assert [(one.period, one.amount) for one in in_berlin.years] == [("2027", 150)]
    assert (held.next.amount, held.never, held.lapsed) == (20, 7, 0)
    assert (now.next, now.never, now.months) == (None, 7, ())


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
async def test_lots_make_the_balance_at_any_time_known_at_any_time(session: AsyncSession, seed: int):
    """Where nothing was backdated and nothing is owed, what lapses, never lapses and has lapsed is the balance."""
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    teller = Teller(session, program_id)
    rng = random.Random(seed)
    for _ in range(40):
        teller.now += timedelta(days=1)
        await teller.earn(ada, rng.randint(50, 90), rng.choice((None, teller.now + timedelta(days=30))))
        await teller.hold(ada, rng.randint(1, 40))
        await teller.end_hold(rng.choice(("settle", "release")))

    for day in range(0, 45, 4):
        at = NOW + timedelta(days=day)
        period = Period(ada, "points", at, at, rng.choice((at, teller.now)))
        standing = await account_statements.standing(session, program_id, period)
        schedule = await account_statements.expiry(session, program_id, period, "UTC")
        assert schedule.spendable + schedule.lapsed == standing.balance


MANY = 100_000
_MANY = """
    WITH n AS (SELECT n, 'txn_' || lpad(to_hex(n), 26, '0') AS id FROM generate_series(1, :many) AS n),
    opened AS (INSERT INTO accounts (id, program_id, unit, member_id, running, balance, version, created_at) VALUES
        (:account, :program_id, 'points', :member_id, true, :many, :many, :now),
        (:issued, :program_id, 'points', NULL, false, 0, 0, :now)),
    posted AS (INSERT INTO transactions (id, program_id, kind, business_key, effective_at, recorded_at)
        SELECT id, :program_id, 'earn', id, :now + n * interval '6 seconds', :now + n * interval '6 seconds' FROM n),
    moved AS (INSERT INTO transfers (program_id, transaction_id, n, unit, from_account, to_account, amount)
        SELECT :program_id, id, 1, 'points', :issued, :account, 1 FROM n)
    INSERT INTO entries (program_id, transaction_id, n, account_id, amount, balance, version)
    SELECT :program_id, id, 1, :account, 1, n, n FROM n"""


async def read_of(session: AsyncSession, table: str) -> int:
    """How many rows of the table this database transaction has read so far."""
    query = (
        "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = :t"
    )
    return int((await session.execute(text(query), {"t": table})).scalar_one())


@pytest.mark.thorough
async def test_a_page_of_a_long_account_costs_the_page_and_a_past_balance_what_came_since(session: AsyncSession):
    """Of 100,000 entries of one member, ten a minute, the tables' own counts say how many were read."""
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    named = {"program_id": program_id, "member_id": ada, "many": MANY, "now": NOW}
    accounts = {"account": member_account(ada, "points"), "issued": program_account(program_id, "issued", "points")}
    await session.execute(text(_MANY), named | accounts)
    at = NOW + timedelta(seconds=6 * 50_000)
    in_the_middle = Period(ada, "points", at, at + timedelta(days=3), at + timedelta(days=3))
    last_hour = NOW + timedelta(seconds=6 * MANY - 3600)
    read = {}

    async def measured(name: str, work: Awaitable[Any]) -> Any:
        before = [await read_of(session, table) for table in ("entries", "transactions")]
        found = await work
        after = [await read_of(session, table) for table in ("entries", "transactions")]
        read[name] = max(b - a for a, b in zip(before, after, strict=True))
        return found

    among = await measured("span", account_statements.span(session, program_id, in_the_middle))
    page = await measured(
        "page", account_statements.list_lines(session, program_id, in_the_middle, Span(60_000, among.through), 0, 50)
    )
    recent = Period(ada, "points", last_hour, last_hour, last_hour + timedelta(days=1))
    standing = await measured("standing", account_statements.standing(session, program_id, recent))

    assert [line.position for line in page] == list(range(60_001, 60_051))
    assert standing.balance == MANY - 600 - 1
    # A day of slack is 14,400 entries of such an account.
    assert read["span"] <= 80
    assert read["page"] <= 50
    assert read["standing"] <= 600 + 14_400 + 80
