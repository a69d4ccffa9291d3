"""Reports: that they agree with one another and with the postings, whatever was posted."""

from datetime import timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.reports import (
    AccountKind,
    BreakageLine,
    Chart,
    Clearing,
    HoldDifference,
    HoldTotals,
    LiabilityBy,
    LiabilityLine,
    SpendBy,
    SpendLine,
    SpendPer,
    TrialLine,
    journal,
    out_of_balance,
)
from storage import reports
from storage.reports import Moment, Months
from storage.tables import holds
from storage.tables import orders as order_table
from tests.programs import NOW, make_member, make_program
from tests.redeemed import place, refund, send
from tests.tellers import Teller, live

DAY = timedelta(days=1)


async def lived(session: AsyncSession, seed: int) -> Teller:
    """A program with a random history, and another one that must not show."""
    for _ in range(2):
        program_id = await make_program(session)
        members = [await make_member(session, program_id, name) for name in ("ada", "bob")]
        teller = Teller(session, program_id)
        await live(teller, members, 120, seed)
    return teller


@pytest.mark.parametrize("seed", range(3))
async def test_the_trial_balance_is_zero_in_each_unit_at_any_time(session: AsyncSession, seed: int):
    teller = await lived(session, seed)

    for days in (0, 3, 9, 1000):
        lines = await reports.trial_balance(session, teller.program_id, Moment(NOW + days * DAY, teller.now))
        assert out_of_balance(lines) == {}
        assert all(line.credits - line.debits == line.balance for line in lines)
    assert {line.account for line in lines} >= set(AccountKind) - {"expired"}
    assert {line.unit for line in lines} == {"points", "cash"}


@pytest.mark.parametrize("by", LiabilityBy)
@pytest.mark.parametrize("seed", range(3))
async def test_the_liability_is_all_that_stands_on_members_accounts(session: AsyncSession, seed: int, by: LiabilityBy):
    teller = await lived(session, seed)
    moment = Moment(teller.now + DAY, teller.now)
    of_members = (AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.PENDING)

    lines = await reports.list_liability(session, teller.program_id, moment, by, "UTC")
    trial = await reports.trial_balance(session, teller.program_id, moment)

    for unit in ("points", "cash"):
        owed = sum(line.amount for line in lines if line.unit == unit)
        assert owed == sum(line.balance for line in trial if line.unit == unit and line.account in of_members)
    remaining = await session.execute(
        text("SELECT sum(remaining) FROM lots WHERE program_id = :p"), {"p": teller.program_id}
    )
    assert sum(line.amount for line in lines if line.part == "spendable") == remaining.scalar()


async def test_liability_is_told_by_age_and_by_the_month_in_which_it_lapses(session: AsyncSession):
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    teller = Teller(session, program_id, NOW - 400 * DAY)
    await teller.earn(ada, 1)
    teller.now = NOW - 60 * DAY
    await teller.earn(ada, 20, NOW + 100 * DAY)
    teller.now = NOW
    await teller.earn(ada, 300, NOW + 101 * DAY)
    await teller.hold(ada, 5)
    moment = Moment(NOW + DAY, NOW)

    by_age = await reports.list_liability(session, program_id, moment, LiabilityBy.AGE, "UTC")
    by_expiry = await reports.list_liability(session, program_id, moment, LiabilityBy.EXPIRY, "UTC")

    held = LiabilityLine("points", "held", "", 5)
    assert by_age == [
        LiabilityLine("points", "spendable", "0-30", 300),
        LiabilityLine("points", "spendable", "31-90", 15),
        LiabilityLine("points", "spendable", "366-", 1),
        held,
    ]
    assert by_expiry == [
        LiabilityLine("points", "spendable", "2026-06", 315),
        LiabilityLine("points", "spendable", "never", 1),
        held,
    ]


async def test_breakage_is_what_expired_against_what_was_issued(session: AsyncSession):
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    teller = Teller(session, program_id)
    await teller.earn(ada, 300, NOW + 30 * DAY)
    await teller.earn(ada, 500)
    await teller.reverse(100)
    teller.now += 40 * DAY
    await teller.expire(ada)

    lines = await reports.list_breakage(session, program_id, Months(NOW - DAY, teller.now, teller.now, "UTC"))

    assert lines == [
        BreakageLine("points", "2026-03", 700, 0, 0, 700, 0, 0),
        BreakageLine("points", "2026-04", 0, 300, None, 700, 300, 4286),
    ]


async def test_spend_is_told_by_day_and_item_and_person_less_what_was_refunded(session: AsyncSession):
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada", country="GB", department="Sales")
    bob = await make_member(session, program_id, "bob", country="DE", department="Sales")
    teller = Teller(session, program_id)
    for member in (ada, bob):
        await teller.earn(member, 10_000)
    await send(session, await place(session, program_id, ada, NOW), NOW)
    await send(session, await place(session, program_id, bob, NOW), NOW + DAY)
    taken_back = await send(session, await place(session, program_id, ada, NOW, points=70), NOW + DAY)
    await refund(session, taken_back, NOW + 2 * DAY)
    await send(session, await place(session, program_id, bob, NOW, points=0), NOW + 2 * DAY)
    await place(session, program_id, ada, NOW)
    await teller.hold(ada, 33)
    await teller.end_hold("settle")

    async def spent(by: SpendBy, per: SpendPer) -> list[SpendLine]:
        months = Months(NOW - DAY, NOW + 30 * DAY, NOW + 30 * DAY, "UTC")
        categories = {"mug": "kitchen"}
        return await reports.list_spend(session, program_id, months, by=by, per=per, categories=categories, limit=100)

    def line(period: str, key: str, value: int, orders: int) -> SpendLine:
        return SpendLine(period, key, "points", value, orders, "USD", 2500 * orders)

    without_order = SpendLine("2026-03-01", "", "points", 33, 0, "", 0)
    assert await spent(SpendBy.NOTHING, SpendPer.DAY) == [
        SpendLine("2026-03-04", "", "points", 33, 0, "", 0),
        line("2026-03-04", "", 2500, 1),
        line("2026-03-05", "", 2570, 2),
        line("2026-03-06", "", -70, 0),
    ]
    assert await spent(SpendBy.CATEGORY, SpendPer.MONTH) == [without_order, line("2026-03-01", "kitchen", 5000, 3)]
    assert await spent(SpendBy.ITEM, SpendPer.MONTH) == [without_order, line("2026-03-01", "mug", 5000, 3)]
    assert await spent(SpendBy.COUNTRY, SpendPer.WEEK) == [
        line("2026-03-02", "DE", 2500, 2),
        SpendLine("2026-03-02", "GB", "points", 33, 0, "", 0),
        line("2026-03-02", "GB", 2500, 1),
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_each_transaction_in_the_journal_balances_and_the_accounts_make_the_trial_balance(
    session: AsyncSession, seed: int
):
    teller = await lived(session, seed)
    chart = Chart.read({"accounts": {"available.cash": {"code": "2199", "name": "Cash"}}})

    moved = [one async for one in reports.stream_journal(session, teller.program_id, NOW, teller.now + DAY)]
    lines = [line for one in moved for line in journal(one, chart)]

    trial = await reports.trial_balance(session, teller.program_id, Moment(teller.now + 1000 * DAY, teller.now))
    assert len({(line.transaction_id, line.line) for line in lines}) == len(lines)
    assert book(trial, chart) == posted((line.unit, line.code, line.credit - line.debit) for line in lines)
    by_transaction = posted((line.transaction_id, line.unit, line.credit - line.debit) for line in lines)
    assert set(by_transaction.values()) == {0}


def book(trial: list[TrialLine], chart: Chart) -> dict[tuple[str, str], int]:
    return {(line.unit, chart.account(line.account, line.unit).code): line.balance for line in trial}


def posted(lines) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for one, other, amount in lines:
        found[one, other] = found.get((one, other), 0) + amount
    return found


async def test_a_page_of_the_journal_goes_on_in_the_middle_of_a_transaction(session: AsyncSession):
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    teller = Teller(session, program_id)
    await teller.earn(ada, 100)
    await teller.convert(ada, 10, "cash")

    first = await reports.list_journal(session, program_id, NOW, NOW + DAY, limit=2)
    after = (first[-1].transaction_id, first[-1].n)
    second = await reports.list_journal(session, program_id, NOW, NOW + DAY, after=after, limit=2)

    assert [(one.kind, one.n, one.from_kind, one.to_kind) for one in first + second] == [
        ("earn", 1, "issued", "available"),
        ("convert", 1, "available", "liquidity"),
        ("convert", 2, "liquidity", "available"),
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_clearing_accounts_agree_with_what_explains_them(session: AsyncSession, seed: int):
    teller = await lived(session, seed)

    found = await reports.clearing(session, teller.program_id)

    assert {(one.unit, one.account) for one in found} >= {
        ("points", "held"), ("points", "pending"), ("points", "liquidity"), ("cash", "liquidity")
    }  # fmt: skip
    assert [one for one in found if one.difference] == []


async def test_a_hold_that_vanishes_shows_on_its_clearing_account(session: AsyncSession):
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    teller = Teller(session, program_id)
    await teller.earn(ada, 100)
    await teller.hold(ada, 40)
    await session.execute(update(holds).values(amount=30))

    found = await reports.clearing(session, program_id)

    assert [one for one in found if one.difference] == [Clearing("points", "held", 40, 30)]


async def test_every_hold_has_its_order_and_nothing_is_unexplained(session: AsyncSession):
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    teller = Teller(session, program_id)
    await teller.earn(ada, 20_000)
    await place(session, program_id, ada, NOW)
    await send(session, await place(session, program_id, ada, NOW), NOW)
    await refund(session, await send(session, await place(session, program_id, ada, NOW), NOW), NOW)
    await refund(session, await place(session, program_id, ada, NOW), NOW)
    await teller.hold(ada, 33)

    totals, differences = await reports.reconcile_holds(session, program_id, 100)

    assert totals == [HoldTotals("points", 2533, 2500, 33, 0)]
    assert (totals[0].unexplained, differences) == (0, [])


async def test_orders_and_holds_that_differ_are_named(session: AsyncSession):
    program_id = await make_program(session)
    ada = await make_member(session, program_id, "ada")
    teller = Teller(session, program_id)
    await teller.earn(ada, 20_000)
    sent_for_nothing = await place(session, program_id, ada, NOW)
    await session.execute(update(order_table).where(order_table.c.id == sent_for_nothing.id).values(state="sent"))
    dearer = await place(session, program_id, ada, NOW, points=50)
    await session.execute(update(order_table).where(order_table.c.id == dearer.id).values(price_points=60))
    await teller.hold(ada, 7, order_id="ord_of_nobody")

    totals, differences = await reports.reconcile_holds(session, program_id, 100)

    assert totals == [HoldTotals("points", 2557, 0, 0, 2557)]
    assert totals[0].unexplained == 0
    assert differences == sorted(
        [
            HoldDifference("points", sent_for_nothing.id, sent_for_nothing.hold_id, "sent", "open", 2500, 2500),
            HoldDifference("points", dearer.id, dearer.hold_id, "placed", "open", 60, 50),
            HoldDifference("points", "ord_of_nobody", teller.holds[0].id, None, "open", None, 7),
        ],
        key=lambda one: str(one.order_id),
    )
