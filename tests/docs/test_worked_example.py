"""ARCHITECTURE.md's ledger chapter shows what the book really does; `python -m tests.docs.test_worked_example` anew."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

from domain.ledger import Account, Book, Grant, Posted, Transaction, held_account, member_account

PAGE = Path(__file__).parents[2] / "ARCHITECTURE.md"
BEGIN, END = "<!-- worked example: begin -->\n", "<!-- worked example: end -->\n"

ADA = member_account("mem_ada", "points")
HELD = held_account("mem_ada", "points")
WIDTH = 22


class Example:
    """A book that tells, after each operation, what it posted and what is left of each lot."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        accounts = [Account(ADA, "points", True), Account(HELD, "points", True)]
        self.book = Book("prg_acme", lambda prefix: f"{prefix}{next(numbers)}", _day(1, 5), accounts)
        self.lines: list[str] = []
        self._told = 0

    def tell(self, what: str) -> None:
        """Say what was done, with its postings and how the account and its lots stand now."""
        self.lines += ["", f"{self.book.recorded_at.day} {self.book.recorded_at:%B}: {what}"]
        for transfer in self.book.transfers[self._told :]:
            kind = next(t.kind for t in self.book.transactions if t.id == transfer.transaction_id)
            way = f"{_short(transfer.from_account):>{WIDTH}} -> {_short(transfer.to_account):<{WIDTH}}"
            self.lines.append(f"    {kind:<8}{way}{transfer.amount:>6}")
        self._told = len(self.book.transfers)
        ada, held = self.book.accounts[ADA], self.book.accounts[HELD].balance
        keys = {transaction.id: transaction.business_key for transaction in self.book.transactions}
        lots = ", ".join(f"{keys[lot.transaction_id]} {lot.remaining}" for lot in self.book.lots.values())
        self.lines.append(f"    Ada has {ada.balance}, {held} held, owes {ada.debt}; left of the lots: {lots}")

    def posted(self, transaction: Transaction) -> Posted:
        """The transaction with what it moved, as a reversal finds it."""
        transfers = [t for t in self.book.transfers if t.transaction_id == transaction.id]
        moves = [m for m in self.book.moves if m.transaction_id == transaction.id]
        return Posted(transaction, self.book.recorded_at, transfers, moves)


def _day(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 9, tzinfo=UTC)


def _short(account_id: str) -> str:
    return {ADA: "ada", HELD: "ada, held"}.get(account_id) or f"program, {account_id.split('.')[1]}"


def worked_example() -> str:
    """From earning to a reversal in part after expiry, as text."""
    example = Example()
    book = example.book
    course = book.earn(
        member=ADA, grants=[Grant(100, _day(3, 31))], business_key="course", effective_at=_day(1, 5), event_id="evt_1"
    )
    example.tell("a course earns 100 points that lapse at the end of March")
    book.recorded_at = _day(2, 10)
    book.earn(member=ADA, grants=[Grant(80)], business_key="deal", effective_at=_day(2, 10), event_id="evt_2")
    example.tell("a deal earns 80 that never lapse")
    book.recorded_at = _day(3, 2)
    hold = book.hold(member=ADA, held=HELD, amount=60, business_key="card", effective_at=_day(3, 2), order_id="ord_1")
    example.tell("a card for 60 is ordered: the lot that lapses first pays")
    book.recorded_at = _day(3, 3)
    book.settle(hold, amount=45, business_key="settle", effective_at=_day(3, 3))
    example.tell("the vendor had it for 45, which are spent")
    book.recorded_at = _day(4, 2)
    book.release(hold, business_key="release", effective_at=_day(4, 2))
    example.tell("the other 15 come back to a lot that has lapsed, and expire with its rest")
    book.recorded_at = _day(4, 20)
    book.reverse(
        example.posted(course), amount=70, business_key="reverse", effective_at=_day(4, 20), reason="score corrected"
    )
    example.tell("70 of the course's points are taken back: 55 have expired already, 15 come from the deal's lot")
    return "\n".join(example.lines[1:]) + "\n"


def page() -> str:
    """ARCHITECTURE.md as it should be."""
    before, rest = PAGE.read_text().split(BEGIN)
    return f"{before}{BEGIN}```text\n{worked_example()}```\n{END}{rest.split(END)[1]}"


def test_the_ledger_chapter_shows_what_the_book_does() -> None:
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
