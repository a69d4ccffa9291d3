"""A teller posts to a program's ledger as the engine does, at the instant that its clock shows."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain.ledger import (
    Book,
    Cause,
    Grant,
    Hold,
    InsufficientPoints,
    Pending,
    Posted,
    Transaction,
    held_account,
    member_account,
    pending_account,
)
from storage import ledger
from storage.hot_path import run
from storage.sets import insert_all
from tests.programs import NOW


@dataclass
class Teller:
    """Posts operations of every kind; what may be ended or turned round later is remembered."""

    session: AsyncSession
    program_id: str
    now: datetime = NOW
    holds: list[Hold] = field(default_factory=list)
    pendings: list[Pending] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    count: int = 0

    async def earn(
        self, member: str, amount: int, expires_at: datetime | None = None, unit: str = "points", **cause: Any
    ) -> None:
        book = await self._open(member, units=[unit])
        grants = [Grant(amount, expires_at)]
        await self._keep(book, book.earn(member=member_account(member, unit), grants=grants, **self._cause(cause)))

    async def adjust(self, member: str, amount: int, **cause: Any) -> None:
        book = await self._open(member)
        await self._keep(
            book, book.adjust(member=member_account(member, "points"), amount=amount, **self._cause(cause))
        )

    async def pend(self, member: str, amount: int, **cause: Any) -> None:
        book = await self._open(member)
        promise = book.pend(
            member=member_account(member, "points"),
            pending=pending_account(member, "points"),
            grant=Grant(amount),
            available_at=None,
            **self._cause(cause),
        )
        await ledger.write(self.session, book)
        await insert_all(self.session, [ledger.pending_rows(self.program_id, [promise], created_at=self.now)])
        self.pendings.append(promise)

    async def end_pending(self, how: str, **cause: Any) -> None:
        promise = self.pendings.pop()
        book = await self._open(f"mem_{promise.account_id[4:30]}")
        getattr(book, how)(promise, **self._cause(cause))
        await ledger.write(self.session, book)
        closing = ledger.closing_pendings(self.program_id, [promise])
        assert closing
        await run(self.session, *closing)

    async def hold(self, member: str, amount: int, **cause: Any) -> None:
        book = await self._open(member)
        account, held = member_account(member, "points"), held_account(member, "points")
        hold = book.hold(member=account, held=held, amount=amount, **self._cause(cause))
        await ledger.write(self.session, book)
        await insert_all(self.session, [ledger.hold_rows(self.program_id, [hold], created_at=self.now)])
        self.holds.append(hold)

    async def end_hold(self, how: str, **cause: Any) -> None:
        """Settle or release the last hold; a settled one can be refunded once."""
        hold = self.holds.pop()
        book = await self._open(f"mem_{hold.account_id[4:30]}", lot_ids=list(hold.lots))
        cause.setdefault("order_id", hold.order_id)
        getattr(book, how)(hold, **self._cause(cause))
        await ledger.write(self.session, book)
        if how != "refund":
            await ledger.close_hold(self.session, self.program_id, hold)
        if how == "settle":
            self.holds.insert(0, hold)

    async def transfer(self, source: str, destination: str, amount: int, **cause: Any) -> None:
        book = await self._open(source, destination)
        accounts = {"source": member_account(source, "points"), "destination": member_account(destination, "points")}
        await self._keep(book, book.transfer(**accounts, amount=amount, **self._cause(cause)))

    async def convert(self, member: str, amount: int, to_unit: str, **cause: Any) -> None:
        book = await self._open(member, units=["points", to_unit])
        transaction = book.convert(
            source=member_account(member, "points"),
            destination=member_account(member, to_unit),
            conversion="a test's",
            from_amount=amount,
            to_amount=amount * 2,
            rate=(1, 2),
            expires_at=None,
            **self._cause(cause),
        )
        await self._keep(book, transaction)

    async def reverse(self, amount: int | None = None, **cause: Any) -> None:
        """Turn the last reversible transaction round."""
        original = self.posted.pop()
        amount = None if original.transaction.kind == "convert" else amount
        members = {
            f"mem_{account[4:30]}"
            for transfer in original.transfers
            for account in (transfer.from_account, transfer.to_account)
            if account[4:30] != self.program_id[4:]
        }
        lot_ids = [move.lot_id for move in original.moves]
        granted_by, units = [original.transaction.id], {transfer.unit for transfer in original.transfers}
        book = await self._open(*sorted(members), units=units, lot_ids=lot_ids, granted_by=granted_by)
        book.reverse(original, amount=amount, **self._cause(cause))
        await ledger.write(self.session, book)

    async def expire(self, member: str) -> None:
        book = await self._open(member)
        book.expire_lapsed(member_account(member, "points"))
        await ledger.write(self.session, book)

    async def _open(
        self,
        *members: str,
        units: Iterable[str] = ("points",),
        lot_ids: Iterable[str] = (),
        granted_by: Iterable[str] = (),
    ) -> Book:
        return await ledger.open_book(
            self.session,
            self.program_id,
            members,
            recorded_at=self.now,
            debited=members,
            lot_ids=list(lot_ids),
            granted_by=list(granted_by),
            units=list(units),
            pending=True,
        )

    async def _keep(self, book: Book, transaction: Transaction) -> None:
        await ledger.write(self.session, book)
        transfers = [one for one in book.transfers if one.transaction_id == transaction.id]
        moves = [one for one in book.moves if one.transaction_id == transaction.id]
        self.posted.append(Posted(transaction, book.recorded_at, transfers, moves))

    def _cause(self, cause: dict[str, Any]) -> Cause:
        self.count += 1
        return {"business_key": f"posting {self.count}", "effective_at": self.now, **cause}  # type: ignore[typeddict-item]


async def live(teller: Teller, members: list[str], steps: int, seed: int) -> None:
    """A random history: every kind of operation, time that goes on, and effects that are hours to weeks late."""
    rng = random.Random(seed)
    for _ in range(steps):
        teller.now += timedelta(hours=rng.choice((0, 1, 5, 30)))
        try:
            await _step(teller, members, rng)
        except InsufficientPoints:
            await teller.expire(members[0])


async def _step(teller: Teller, members: list[str], rng: random.Random) -> None:
    member, other = rng.sample(members, 2)
    amount = rng.randint(1, 90)
    late: dict[str, Any] = {"effective_at": teller.now - timedelta(hours=rng.choice((0, 0, 0, 2, 40, 400)))}
    choice = rng.randrange(14)
    if choice < 4:
        expires_at = rng.choice((None, teller.now + timedelta(days=rng.randint(1, 60))))
        await teller.earn(member, amount, expires_at, event_id=rng.choice((None, "evt_deal")), **late)
    elif choice == 4:
        await teller.adjust(member, rng.choice((amount, -amount)), reason="by hand", actor="ada", **late)
    elif choice == 5:
        await teller.pend(member, amount, **late)
    elif choice == 6 and teller.pendings:
        await teller.end_pending(rng.choice(("confirm", "cancel")), **late)
    elif choice in (7, 8):
        await teller.hold(member, amount, **late)
    elif choice in (9, 10) and teller.holds:
        await teller.end_hold("refund" if teller.holds[-1].state == "settled" else rng.choice(("settle", "release")))
    elif choice == 11:
        await teller.transfer(member, other, amount, **late)
    elif choice == 12 and teller.posted:
        await teller.reverse(rng.choice((None, 1)))
    else:
        await teller.convert(member, amount, "cash")
