"""The ledger's book: what always holds, whatever is done in whatever order."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from domain.ledger import (
    Account,
    AccountClosed,
    Book,
    ExceedsOriginal,
    Grant,
    Hold,
    InsufficientPoints,
    NotEmpty,
    NotOpen,
    NotReversible,
    Policy,
    Posted,
    Transaction,
    held_account,
    member_account,
    pending_account,
    program_account,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
MEMBER = "mem_ada"
ADA = member_account(MEMBER, "points")
HELD = held_account(MEMBER, "points")
PROMISED = pending_account(MEMBER, "points")


def counting(start: int = 0) -> Callable[[str], str]:
    """Ids that sort in the order in which they are made."""
    numbers = itertools.count(start)
    return lambda prefix: f"{prefix}_{next(numbers):06}"


def new_book(at: datetime = START) -> Book:
    return Book("prg_acme", counting(), at, [Account(ADA, "points", True), Account(HELD, "points", True)])


def earn(book: Book, amount: int, key: str, lapses_in_days: int | None = None) -> Transaction:
    expires_at = START + timedelta(days=lapses_in_days) if lapses_in_days is not None else None
    return book.earn(
        member=ADA, grants=[Grant(amount, expires_at)], business_key=key, effective_at=START, event_id=f"evt_{key}"
    )


def hold(book: Book, amount: int, key: str) -> Hold:
    return book.hold(member=ADA, held=HELD, amount=amount, business_key=key, effective_at=START, order_id=f"ord_{key}")


def test_a_hold_takes_the_lots_that_lapse_first():
    book = new_book()
    late = earn(book, 50, "late", lapses_in_days=90)
    never = earn(book, 50, "never")
    soon = earn(book, 50, "soon", lapses_in_days=30)

    held = hold(book, 120, "card")

    taken = {book.lots[lot_id].transaction_id: amount for lot_id, amount in held.lots.items()}
    assert taken == {soon.id: 50, late.id: 50, never.id: 20}


def test_a_hold_for_more_than_is_available_moves_nothing():
    book = new_book()
    earn(book, 100, "one")
    before = len(book.entries)

    with pytest.raises(InsufficientPoints, match="100 points available, 101 needed"):
        hold(book, 101, "card")

    assert (len(book.entries), book.accounts[ADA].balance) == (before, 100)


def test_released_value_of_a_lot_that_has_lapsed_meanwhile_expires_at_once():
    book = new_book()
    earn(book, 100, "one", lapses_in_days=10)
    held = hold(book, 100, "card")
    book.recorded_at = START + timedelta(days=11)

    book.release(held, business_key="release", effective_at=START)

    assert book.accounts[ADA].balance == 0
    assert [t.kind for t in book.transactions[-2:]] == ["release", "expire"]


def test_a_refund_gives_back_to_the_lots_it_came_from():
    book = new_book()
    earn(book, 60, "one", lapses_in_days=10)
    earn(book, 60, "two", lapses_in_days=20)
    held = hold(book, 100, "card")
    book.settle(held, business_key="settle", effective_at=START)

    book.refund(held, business_key="refund", effective_at=START)

    assert sorted(lot.remaining for lot in book.lots.values()) == [60, 60]


def test_what_was_spent_before_it_is_taken_back_becomes_debt_that_the_next_earning_repays():
    book = new_book()
    first = earn(book, 100, "one")
    book.settle(hold(book, 80, "card"), business_key="settle", effective_at=START)

    book.reverse_earn(first, member=ADA, amount=100, business_key="reverse", effective_at=START)
    debt = book.accounts[ADA].debt
    earn(book, 90, "two")

    assert (debt, book.accounts[ADA].debt, book.accounts[ADA].balance) == (80, 0, 10)


def test_taking_back_takes_its_own_lot_before_the_others():
    book = new_book()
    first = earn(book, 100, "one", lapses_in_days=90)
    second = earn(book, 100, "two", lapses_in_days=10)

    book.reverse_earn(first, member=ADA, amount=100, business_key="reverse", effective_at=START)

    remaining = {lot.transaction_id: lot.remaining for lot in book.lots.values()}
    assert remaining == {first.id: 0, second.id: 100}


def test_a_hold_is_closed_once():
    book = new_book()
    earn(book, 100, "one")
    held = hold(book, 100, "card")
    book.settle(held, business_key="settle", effective_at=START)

    with pytest.raises(NotOpen, match="is settled"):
        book.release(held, business_key="release", effective_at=START)


GRACE = member_account("mem_grace", "points")
MONEY = member_account(MEMBER, "usd")


def two_people(policy: Policy | None = None) -> Book:
    """Ada with points, money and a promise, Grace with points."""
    names = (ADA, HELD, PROMISED, GRACE)
    accounts = [Account(name, "points", True) for name in names]
    return Book(
        "prg_acme",
        counting(),
        START,
        [*accounts, Account(MONEY, "usd", True)],
        (),
        {"points": policy} if policy else None,
    )


def posted(book: Book, transaction: Transaction) -> Posted:
    """The transaction with all that it moved, as a reversal finds it."""
    return Posted(
        transaction,
        book.recorded_at,
        [transfer for transfer in book.transfers if transfer.transaction_id == transaction.id],
        [move for move in book.moves if move.transaction_id == transaction.id],
    )


def remaining(book: Book, account: str) -> list[int]:
    return [lot.remaining for lot in sorted(book.lots.values(), key=lambda lot: lot.id) if lot.account_id == account]


def test_a_hold_settles_from_the_front_and_releases_from_the_end():
    book = new_book()
    earn(book, 60, "soon", lapses_in_days=10)
    earn(book, 60, "late", lapses_in_days=20)
    held = hold(book, 100, "card")

    book.settle(held, amount=70, business_key="a part", effective_at=START)
    book.release(held, business_key="the rest", effective_at=START)

    assert (held.state, held.settled, held.released) == ("settled", 70, 30)
    assert remaining(book, ADA) == [0, 50]
    assert [move.amount for move in book.moves if move.kind == "settle"] == [60, 10]


def test_more_than_is_left_of_a_hold_is_not_settled():
    book = new_book()
    earn(book, 100, "one")
    held = hold(book, 50, "card")
    book.settle(held, amount=30, business_key="a part", effective_at=START)

    with pytest.raises(ExceedsOriginal, match="21 is more than the 20 left"):
        book.settle(held, amount=21, business_key="another", effective_at=START)


def test_a_promise_is_no_balance_until_it_is_confirmed():
    book = two_people()
    promise = book.pend(
        member=ADA, pending=PROMISED, grant=Grant(40), available_at=None, business_key="promise", effective_at=START
    )
    before = book.accounts[ADA].balance, book.accounts[ADA].lifetime, book.accounts[PROMISED].balance

    book.confirm(promise, business_key="confirm", effective_at=START)

    assert before == (0, 0, 40)
    assert (book.accounts[ADA].balance, book.accounts[ADA].lifetime, book.accounts[PROMISED].balance) == (40, 40, 0)


def test_value_that_is_given_to_another_lapses_when_it_would_have_lapsed():
    book = two_people()
    earn(book, 30, "soon", lapses_in_days=5)
    earn(book, 30, "late", lapses_in_days=50)

    book.transfer(source=ADA, destination=GRACE, amount=40, business_key="gift", effective_at=START)

    assert [(lot.granted, lot.expires_at) for lot in book.lots.values() if lot.account_id == GRACE] == [
        (30, START + timedelta(days=5)),
        (10, START + timedelta(days=50)),
    ]


def test_a_transfer_that_is_turned_round_in_part_gives_back_what_was_taken_last():
    book = two_people()
    earn(book, 30, "soon", lapses_in_days=5)
    earn(book, 30, "late", lapses_in_days=50)
    gift = book.transfer(source=ADA, destination=GRACE, amount=40, business_key="gift", effective_at=START)

    book.reverse(posted(book, gift), amount=15, business_key="back", effective_at=START)

    assert remaining(book, ADA) == [5, 30]
    assert (book.accounts[ADA].balance, book.accounts[GRACE].balance) == (35, 25)


def test_what_lapsed_before_it_was_confirmed_repays_no_debt():
    book = Book("prg_acme", counting(), START, [Account(one, "points", True) for one in (ADA, HELD, PROMISED)])
    first = earn(book, 30, "first")
    hold(book, 30, "card")
    book.reverse_earn(first, member=ADA, amount=30, business_key="reversal", effective_at=START)
    lapsing = Grant(100, START + timedelta(days=1))
    promise = book.pend(
        member=ADA, pending=PROMISED, grant=lapsing, available_at=None, business_key="promise", effective_at=START
    )

    book.recorded_at = START + timedelta(days=2)
    book.confirm(promise, business_key="confirm", effective_at=START)

    assert (book.accounts[ADA].balance, book.accounts[ADA].debt) == (-30, 30)
    assert book.transactions[-1].kind == "expire"


def test_what_was_given_and_spent_is_taken_back_only_where_debt_is_allowed():
    book = two_people(Policy(may_owe=False))
    earn(book, 30, "one")
    gift = book.transfer(source=ADA, destination=GRACE, amount=30, business_key="gift", effective_at=START)
    book.adjust(member=GRACE, amount=-20, business_key="fix", effective_at=START, actor="hr", reason="a mistake")

    with pytest.raises(InsufficientPoints, match="10 points available, 30 needed"):
        book.reverse(posted(book, gift), business_key="back", effective_at=START)


def test_what_expired_in_the_hands_of_the_member_is_not_taken_from_them_again():
    book = new_book()
    lapsing = earn(book, 100, "lapsing", lapses_in_days=10)
    earn(book, 50, "lasting")
    book.settle(hold(book, 30, "card"), business_key="settle", effective_at=START)
    book.recorded_at = START + timedelta(days=11)

    book.reverse_earn(lapsing, member=ADA, amount=100, business_key="reverse", effective_at=START)

    assert (book.accounts[ADA].balance, book.accounts[ADA].debt, book.accounts[ADA].lifetime) == (20, 0, 50)
    sides = {(transfer.from_account, transfer.amount) for transfer in book.transfers[-2:]}
    assert sides == {(ADA, 30), (program_account("prg_acme", "expired", "points"), 70)}


def test_what_is_given_back_to_a_lapsed_lot_is_renewed_where_the_unit_says_so():
    book = two_people(Policy(renewed_for=timedelta(days=30)))
    earn(book, 100, "lapsing", lapses_in_days=10)
    held = hold(book, 60, "card")
    book.recorded_at = START + timedelta(days=11)

    book.release(held, business_key="release", effective_at=START)

    kept = [(lot.remaining, lot.expires_at) for lot in book.lots.values() if lot.remaining]
    assert kept == [(60, START + timedelta(days=41))]


def test_a_conversion_passes_through_both_liquidities_and_is_turned_round_as_a_whole():
    book = two_people()
    earn(book, 500, "one")
    change = book.convert(
        source=ADA, destination=MONEY, conversion="cash-out", from_amount=300, to_amount=3, rate=(100, 1),
        expires_at=None, business_key="change", effective_at=START,
    )  # fmt: skip

    with pytest.raises(NotReversible, match="as a whole"):
        book.reverse(posted(book, change), amount=1, business_key="part", effective_at=START)
    book.reverse(posted(book, change), business_key="back", effective_at=START)

    assert (book.accounts[ADA].balance, book.accounts[MONEY].balance) == (500, 0)
    flow: dict[str, int] = {}
    for entry in book.entries:
        flow[entry.account_id] = flow.get(entry.account_id, 0) + entry.amount
    assert all(flow[program_account("prg_acme", "liquidity", unit)] == 0 for unit in ("points", "usd"))


def test_a_merge_moves_value_debt_and_lifetime():
    book = two_people()
    first = earn(book, 100, "one")
    book.settle(hold(book, 80, "card"), business_key="settle", effective_at=START)
    book.reverse_earn(first, member=ADA, amount=100, business_key="reverse", effective_at=START)
    book.adjust(member=GRACE, amount=50, business_key="gift", effective_at=START, actor="hr", reason="welcome")

    book.merge(source=ADA, destination=GRACE, business_key="merge", effective_at=START)

    assert (book.accounts[ADA].balance, book.accounts[ADA].debt) == (0, 0)
    assert (book.accounts[GRACE].balance, book.accounts[GRACE].debt) == (-30, 30)


def test_what_expired_in_the_hands_of_whoever_it_was_merged_into_is_not_owed():
    book = two_people()
    earned = earn(book, 100, "one", lapses_in_days=10)
    book.merge(source=ADA, destination=GRACE, business_key="merge", effective_at=START)
    book.adjust(member=GRACE, amount=50, business_key="gift", effective_at=START, actor="hr", reason="welcome")
    book.recorded_at = START + timedelta(days=11)

    book.reverse(posted(book, earned), ends={ADA: GRACE}, business_key="back", effective_at=START)

    grace = book.accounts[GRACE]
    assert (grace.balance, grace.debt, grace.lifetime, book.accounts[ADA].version) == (50, 0, 0, 2)


def test_what_is_parted_are_the_lots_that_were_merged_less_what_expired_of_them():
    book = two_people()
    earn(book, 40, "soon", lapses_in_days=10)
    earn(book, 60, "never")
    grant = Grant(100, START + timedelta(days=20))
    book.earn(member=GRACE, grants=[grant], business_key="hers", effective_at=START, event_id="evt_hers")
    merged = book.merge(source=ADA, destination=GRACE, business_key="merge", effective_at=START)
    assert merged is not None
    later = Book(
        "prg_acme",
        counting(start=1_000),
        START + timedelta(days=11),
        book.accounts.values(),
        # As they are loaded for what a merge has moved.
        [replace(lot, origin=lot.transaction_id) for lot in book.lots.values()],
    )

    later.part(
        source=GRACE, destination=ADA, amount=100, moved_by=[merged.id], lifetime=100, business_key="part",
        effective_at=START,
    )  # fmt: skip

    assert (later.accounts[ADA].balance, later.accounts[GRACE].balance) == (60, 100)
    assert [lot.expires_at for lot in later.new_lots] == [None]


def test_only_an_empty_account_is_closed_and_takes_nothing_then():
    book = new_book()
    earn(book, 10, "one")
    with pytest.raises(NotEmpty):
        book.close(ADA, [HELD])
    book.adjust(member=ADA, amount=-10, business_key="fix", effective_at=START, actor="hr", reason="leaves")

    book.close(ADA, [HELD])

    with pytest.raises(AccountClosed):
        earn(book, 10, "two")


class AnyOrder(RuleBasedStateMachine):
    """Every operation in any order, against plain arithmetic."""

    earnings = Bundle("earnings")
    open_holds = Bundle("open_holds")
    settled = Bundle("settled")

    def __init__(self) -> None:
        super().__init__()
        self.book = new_book()
        self.keys = itertools.count()
        self.held = 0

    def key(self) -> str:
        return f"key {next(self.keys)}"

    @rule(target=earnings, amount=st.integers(1, 1_000), days=st.none() | st.integers(0, 40))
    def earn(self, amount: int, days: int | None) -> tuple[Transaction, int]:
        return earn(self.book, amount, self.key(), days), amount

    @rule(earning=consumes(earnings))
    def reverse(self, earning: tuple[Transaction, int]) -> None:
        original, amount = earning
        self.book.reverse_earn(original, member=ADA, amount=amount, business_key=self.key(), effective_at=START)

    @rule(target=open_holds, share=st.integers(1, 100))
    def hold(self, share: int) -> Hold | None:
        amount = max(1, self.book.accounts[ADA].balance * share // 100)
        try:
            held = hold(self.book, amount, self.key())
        except InsufficientPoints:
            return None
        self.held += amount
        return held

    @rule(target=settled, held=consumes(open_holds))
    def settle(self, held: Hold | None) -> Hold | None:
        if held is not None:
            self.book.settle(held, business_key=self.key(), effective_at=START)
            self.held -= held.amount
        return held

    @rule(held=consumes(open_holds))
    def release(self, held: Hold | None) -> None:
        if held is not None:
            self.book.release(held, business_key=self.key(), effective_at=START)
            self.held -= held.amount

    @rule(held=consumes(settled))
    def refund(self, held: Hold | None) -> None:
        if held is not None:
            self.book.refund(held, business_key=self.key(), effective_at=START)

    @rule(days=st.integers(1, 20))
    def time_passes(self, days: int) -> None:
        self.book.recorded_at += timedelta(days=days)

    @invariant()
    def lots_less_debt_make_the_balance(self) -> None:
        account = self.book.accounts[ADA]
        assert account.balance == sum(lot.remaining for lot in self.book.lots.values()) - account.debt
        assert account.balance >= -account.debt
        assert min((lot.remaining for lot in self.book.lots.values()), default=0) >= 0

    @invariant()
    def held_is_what_open_holds_hold(self) -> None:
        assert self.book.accounts[HELD].balance == self.held

    @invariant()
    def entries_balance_and_versions_are_dense(self) -> None:
        assert sum(entry.amount for entry in self.book.entries) == 0
        for account in (ADA, HELD):
            entries = [entry for entry in self.book.entries if entry.account_id == account]
            assert [entry.version for entry in entries] == list(range(1, len(entries) + 1))
            balances = list(itertools.accumulate(entry.amount for entry in entries))
            assert [entry.balance for entry in entries] == balances

    @invariant()
    def moves_explain_every_lot(self) -> None:
        for lot in self.book.lots.values():
            moves = [move for move in self.book.moves if move.lot_id == lot.id and move.kind != "settle"]
            moved = sum(move.amount for move in moves)
            assert lot.remaining == lot.granted - moved

    @invariant()
    def no_transaction_moves_a_lot_twice_for_one_reason(self) -> None:
        moves = [(move.transaction_id, move.lot_id, move.kind) for move in self.book.moves]
        assert len(moves) == len(set(moves))


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40)
