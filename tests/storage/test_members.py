"""What is read of members: pages, balances and history, as the ledger has them."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import SourcePolicy
from domain.ledger import held_account, member_account
from domain.members import Balance
from storage import intake, ledger, members
from tests.programs import NOW, deal, make_member, make_program, retraction

AT = [NOW + timedelta(minutes=n) for n in range(10)]
EXPIRING = timedelta(days=30)  # what the third deal of a month gives lapses after this


class Program:
    """A program with Ada, who earns and spends."""

    def __init__(self, session: AsyncSession, program_id: str, ada: str):
        self.session = session
        self.id = program_id
        self.ada = ada

    async def record(self, *events: Any, n: int) -> list[str | None]:
        policy = SourcePolicy(amendments="redecide")
        outcomes = await intake.record(self.session, self.id, events, policy, as_of=AT[n])
        return [outcome.event_id for outcome in outcomes]

    async def hold(self, amount: int, n: int) -> None:
        book = await ledger.open_book(self.session, self.id, [self.ada], recorded_at=AT[n], debited=[self.ada])
        book.hold(
            member=member_account(self.ada, "points"),
            held=held_account(self.ada, "points"),
            amount=amount,
            business_key="order/1",
            effective_at=AT[n],
            order_id="ord_1",
        )
        await ledger.write(self.session, book)

    async def balance(self, at: Any = AT[9]) -> Balance:
        return await members.balance(self.session, self.id, self.ada, as_of=at)


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    program_id = await make_program(session)
    return Program(session, program_id, await make_member(session, program_id, "ada"))


async def test_who_never_earned_has_nothing(program: Program) -> None:
    assert await program.balance() == Balance("points")
    assert await members.history(program.session, program.id, program.ada, 10) == []


async def test_a_balance_tells_what_can_be_spent_and_what_is_set_aside(program: Program) -> None:
    await program.record(deal(1), deal(2), n=1)
    await program.hold(30, n=2)

    assert await program.balance() == Balance("points", available=70, held=30, lifetime=100)


async def test_a_balance_tells_what_lapses_next_and_no_longer_counts_what_has(program: Program) -> None:
    await program.record(deal(1), deal(2), deal(3), n=1)

    before = await program.balance()
    after = await program.balance(AT[1] + EXPIRING)

    assert (before.available, before.next_expiry_at, before.next_expiry_amount) == (250, AT[1] + EXPIRING, 100)
    assert (after.available, after.next_expiry_at, after.lifetime) == (150, None, 250)


async def test_points_taken_back_after_they_were_spent_are_owed(program: Program) -> None:
    await program.record(deal(1), n=1)
    await program.hold(50, n=2)
    await program.record(retraction(deal(1)), n=3)

    assert await program.balance() == Balance("points", available=0, held=50, debt=50, lifetime=0)


async def test_history_tells_each_transaction_once_newest_first(program: Program) -> None:
    [first, _, third] = await program.record(deal(1), deal(2), deal(3), n=1)
    await program.hold(30, n=2)
    await program.record(retraction(deal(1)), n=3)

    items = await members.history(program.session, program.id, program.ada, 10)

    assert [(item.kind, item.amount, item.balance) for item in items] == [
        ("reverse", -50, 170), ("hold", -30, 220), ("earn", 150, 250), ("earn", 50, 100), ("earn", 50, 50)
    ]  # fmt: skip
    earned = items[2]
    assert (earned.event_id, earned.event_type, earned.rules) == (third, "deal.won", ("deal-won", "third-deal"))
    assert items[-1].event_id == first
    assert items[1].recorded_at == AT[2]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_history_pages_hold_each_item_once(program: Program, limit: int) -> None:
    await program.record(*(deal(n) for n in range(1, 6)), n=1)
    whole = await members.history(program.session, program.id, program.ada, 100)

    paged: list[Any] = []
    while page := await members.history(
        program.session, program.id, program.ada, limit, **({"before": paged[-1].position} if paged else {})
    ):
        paged += page

    assert paged == whole
    assert len(whole) == 5


async def test_members_come_page_by_page(program: Program) -> None:
    for name in ("bob", "cyd", "dan"):
        await make_member(program.session, program.id, name)
    await make_member(program.session, await make_program(program.session), "other")

    first = await members.list_page(program.session, program.id, 3)
    rest = await members.list_page(program.session, program.id, 3, first[-1].id)

    assert [member.name for member in (*first, *rest)] == ["ada", "bob", "cyd", "dan"]


async def test_another_program_reads_nothing_of_a_member(program: Program) -> None:
    await program.record(deal(1), n=1)
    other = await make_program(program.session)

    assert await members.find(program.session, other, program.ada) is None
    assert await members.balance(program.session, other, program.ada, as_of=NOW) == Balance("points")
    assert await members.history(program.session, other, program.ada, 10) == []
    assert await members.list_identities(program.session, other, [program.ada]) == {program.ada: []}


@pytest.mark.parametrize("limit", [0, members.MAX_PAGE + 1])
async def test_a_page_is_bounded(program: Program, limit: int) -> None:
    with pytest.raises(ValueError, match="a page has"):
        await members.list_page(program.session, program.id, limit)
    with pytest.raises(ValueError, match="a page has"):
        await members.history(program.session, program.id, program.ada, limit)
