"""What the ledger's rules come to, in plain lists and dicts: the judge of the real one.

Written from the glossary and the design, and simpler than the ledger wherever that is possible: no accounts, entries or
rows, and value that lapses is gone at that very instant. A command may be refused for several reasons at once; which
of them is named is not the oracle's business, whether there is one is.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from domain.commands import (
    Adjust,
    Cancel,
    CloseAccount,
    Command,
    Confirm,
    Convert,
    Earn,
    PlaceHold,
    Release,
    Reverse,
    Settle,
    Spend,
    Transfer,
)

CLOCKS_DIFFER = timedelta(minutes=5)
HOLD_LASTS = timedelta(days=7)


@dataclass(frozen=True)
class Rules:
    """What one unit allows."""

    lapses_after_days: int | None = None
    lapses_with_month: bool = False
    may_owe: bool = True
    renewed_for_days: int | None = None
    transfers: bool = False
    at_once: int | None = None
    per_day: int | None = None
    per_month: int | None = None
    approval_above: int | None = None
    backdate_days: int = 0


class Rate(NamedTuple):
    """So much of one unit for so much of another."""

    from_unit: str
    to_unit: str
    give: int
    get: int


@dataclass
class Person:
    """A member: merged into another is that other."""

    time_zone: str = "UTC"
    has_left: bool = False
    merged_into: str | None = None


@dataclass(eq=False)
class Lot:
    """Value granted together. `number` is its place in the order in which lots were granted."""

    purse: "Purse"
    deed: "Deed | None"
    number: int
    expires_at: datetime | None
    left: int
    expired: int = 0

    @property
    def turn(self) -> tuple[bool, float, int]:
        return self.expires_at is None, self.expires_at.timestamp() if self.expires_at else 0, self.number


Taken = list[tuple[Lot, int]]


@dataclass(eq=False)
class Gift:
    """What a transfer counts for its giver's limits, on the giver's day; nothing once it has come back."""

    giver: str
    unit: str
    day: date
    amount: int


@dataclass(eq=False)
class Purse:
    """All that one member has of one unit."""

    unit: str
    lots: list[Lot] = field(default_factory=list)
    debt: int = 0
    lifetime: int = 0
    held: int = 0
    pending: int = 0
    closed: bool = False

    @property
    def available(self) -> int:
        return sum(lot.left for lot in self.lots) - self.debt

    @property
    def open_lots(self) -> list[Lot]:
        return sorted((lot for lot in self.lots if lot.left), key=lambda lot: lot.turn)


@dataclass(eq=False)
class Hold:
    purse: Purse
    amount: int
    expires_at: datetime
    taken: Taken
    id: str = ""
    settled: int = 0
    released: int = 0

    @property
    def left(self) -> int:
        return self.amount - self.settled - self.released

    @property
    def state(self) -> str:
        return "open" if self.left else "settled" if self.settled else "released"


@dataclass(eq=False)
class Promise:
    purse: Purse
    amount: int
    expires_at: datetime | None
    id: str = ""
    state: str = "open"


@dataclass(eq=False)
class Deed:
    """What a command did: enough to turn it round."""

    kind: str
    unit: str = ""
    amount: int = 0
    giver: Purse | None = None
    taker: Purse | None = None
    taken: Taken = field(default_factory=list)
    got: int = 0
    hold: Hold | None = None
    promise: Promise | None = None
    gift: Gift | None = None
    id: str | None = None
    original: "Deed | None" = None
    reversed: bool = False
    balances: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class Verdict:
    """What must come of a command: a deed, the same deed again, or a refusal by one of these codes."""

    deed: Deed | None = None
    again: bool = False
    codes: frozenset[str] = frozenset()


class _Refused(Exception):
    def __init__(self, *codes: str):
        self.codes = frozenset(codes)


REVERSIBLE = {"earn", "confirm", "adjust", "transfer", "convert", "settle", "spend"}


class Oracle:
    """One program's ledger."""

    def __init__(
        self, people: Mapping[str, Person], units: Mapping[str, Rules], rates: Mapping[str, Rate], now: datetime
    ):
        self.people = dict(people)
        self.units = units
        self.rates = rates
        self.now = now
        self.purses = {(member, unit): Purse(unit) for member in people for unit in units}
        # What the program has issued, redeemed, seen expire, adjusted, and has in its conversions.
        self.program: Counter[tuple[str, str]] = Counter()
        self.deeds: dict[str, Deed] = {}
        self.holds: dict[str, Hold] = {}
        self.promises: dict[str, Promise] = {}
        self.references: dict[str, tuple[Command, Deed]] = {}
        self.given: list[Gift] = []
        self._numbers = itertools.count()

    def pass_time(self, to: datetime) -> None:
        self.now = to
        for purse in self.purses.values():
            for lot in purse.lots:
                self._expire_if_lapsed(lot)

    def carry_out(self, command: Command) -> Verdict:
        if command.reference in self.references:
            first, deed = self.references[command.reference]
            if _content(first) == _content(command):
                return Verdict(deed, again=True)
            return Verdict(codes=frozenset({"duplicate_request"}))
        try:
            deed = getattr(self, f"_{command.kind}")(command)
        except _Refused as refused:
            return Verdict(codes=refused.codes)
        self.references[command.reference] = command, deed
        return Verdict(deed)

    def name(self, deed: Deed, transaction_id: str | None, hold_id: str | None, pending_id: str | None) -> None:
        """Learn by which ids the ledger knows what was done."""
        deed.id = transaction_id or ""
        if transaction_id is not None:
            self.deeds[transaction_id] = deed
        if deed.kind == "hold" and deed.hold is not None and hold_id is not None:
            deed.hold.id = hold_id
            self.holds[hold_id] = deed.hold
        if deed.kind == "pend" and deed.promise is not None and pending_id is not None:
            deed.promise.id = pending_id
            self.promises[pending_id] = deed.promise

    def end_of(self, member: str) -> str:
        """Who the member is now."""
        while (into := self.people[member].merged_into) is not None:
            member = into
        return member

    # -- Each kind of command --------------------------------------------------------------------------------------

    def _earn(self, command: Earn) -> Deed:
        why = self._why(command, [command.member_id], command.unit, expires_at=command.expires_at)
        purse = self._purse(command.member_id, command.unit, why)
        _refuse(why | _closed(purse))
        if command.awaits_approval or (command.available_at is not None and command.available_at > self.now):
            purse.pending += command.amount
            self.program["issued", purse.unit] -= command.amount
            promise = Promise(purse, command.amount, command.expires_at)
            return self._done(Deed("pend", purse.unit, command.amount, promise=promise), purse)
        deed = Deed("earn", purse.unit, command.amount, taker=purse)
        self.program["issued", purse.unit] -= command.amount
        purse.lifetime += command.amount
        self._give(purse, command.amount, command.expires_at or self._lapses_at(purse), deed)
        return self._done(deed, purse)

    def _confirm(self, command: Confirm) -> Deed:
        promise = self._promise(command)
        end = self._end(promise.purse)
        why = self._why_time(command, end.unit) | _closed(end)
        _refuse(why | ({"member_inactive"} if self.people[self._owner(end)].has_left else set()))
        promise.state = "confirmed"
        promise.purse.pending -= promise.amount
        deed = Deed("confirm", end.unit, promise.amount, taker=promise.purse, promise=promise)
        promise.purse.lifetime += promise.amount
        self._give(promise.purse, promise.amount, promise.expires_at or self._lapses_at(end), deed)
        self._move_on(promise.purse)
        return self._done(deed, end)

    def _cancel(self, command: Cancel) -> Deed:
        promise = self._promise(command)
        _refuse(self._why_time(command, promise.purse.unit))
        promise.state = "cancelled"
        promise.purse.pending -= promise.amount
        self.program["issued", promise.purse.unit] += promise.amount
        return self._done(Deed("cancel", promise=promise), self._end(promise.purse))

    def _adjust(self, command: Adjust) -> Deed:
        why = self._why(command, [command.member_id], command.unit, expires_at=command.expires_at, may_have_left=True)
        rules = self.units.get(command.unit)
        if rules and rules.approval_above is not None and not command.approved_by:
            why |= {"needs_approval"} if abs(command.amount) > rules.approval_above else set()
        purse = self._purse(command.member_id, command.unit, why)
        why |= _closed(purse) | _short(purse, -command.amount)
        _refuse(why)
        deed = Deed("adjust", purse.unit, abs(command.amount))
        self.program["adjusted", purse.unit] -= command.amount
        if command.amount > 0:
            deed.taker = purse
            self._give(purse, command.amount, command.expires_at or self._lapses_at(purse), deed)
        else:
            deed.giver, deed.taken = purse, _take(purse.open_lots, -command.amount)
        return self._done(deed, purse)

    def _hold(self, command: PlaceHold) -> Deed:
        why = self._why(command, [command.member_id], command.unit, expires_at=command.expires_at)
        purse = self._purse(command.member_id, command.unit, why)
        _refuse(why | _short(purse, command.amount))
        taken = _take(purse.open_lots, command.amount)
        purse.held += command.amount
        hold = Hold(purse, command.amount, command.expires_at or self.now + HOLD_LASTS, taken)
        return self._done(Deed("hold", hold=hold), purse)

    def _spend(self, command: Spend) -> Deed:
        why = self._why(command, [command.member_id], command.unit)
        purse = self._purse(command.member_id, command.unit, why)
        _refuse(why | _short(purse, command.amount))
        taken = _take(purse.open_lots, command.amount)
        self.program["redeemed", purse.unit] += command.amount
        return self._done(Deed("spend", purse.unit, command.amount, purse, taken=taken), purse)

    def _settle(self, command: Settle) -> Deed:
        hold, amount = self._part(command)
        deed = Deed("settle", hold.purse.unit, amount, giver=hold.purse, hold=hold)
        deed.taken = _between(hold.taken, hold.settled, hold.settled + amount)
        hold.settled += amount
        hold.purse.held -= amount
        self.program["redeemed", hold.purse.unit] += amount
        return self._done(deed, self._end(hold.purse))

    def _release(self, command: Release) -> Deed:
        hold, amount = self._part(command)
        end = hold.amount - hold.released
        hold.released += amount
        hold.purse.held -= amount
        self._put_back(hold.purse, _between(hold.taken, end - amount, end))
        return self._done(Deed("release", hold=hold), self._end(hold.purse))

    def _transfer(self, command: Transfer) -> Deed:
        members = [command.from_member_id, command.to_member_id]
        why = self._why(command, members, command.unit)
        rules = self.units.get(command.unit)
        why |= {"transfers_not_allowed"} if rules and not rules.transfers else set()
        if command.from_member_id in self.people:
            why |= self._why_limited(command, rules or Rules())
            if command.to_member_id in self.people:
                why |= {"self_transfer"} if len({self.end_of(member) for member in members}) == 1 else set()
        giver, taker = (self._purse(member, command.unit, why) for member in members)
        _refuse(why | _closed(taker) | _short(giver, command.amount))
        deed = Deed("transfer", giver.unit, command.amount, giver, taker)
        deed.taken = _take(giver.open_lots, command.amount)
        for lot, amount in deed.taken:
            self._give(taker, amount, lot.expires_at, deed)
        by = self.end_of(members[0])
        deed.gift = Gift(by, command.unit, self._day(by), command.amount)
        self.given.append(deed.gift)
        return self._done(deed, giver, taker)

    def _convert(self, command: Convert) -> Deed:
        rate = self.rates.get(command.conversion)
        why = self._why(command, [command.member_id], rate.from_unit if rate else None)
        if rate is None:
            raise _Refused("conversion_not_found", *why)
        got = command.amount * rate.get // rate.give
        why |= {"amount_too_small"} if got == 0 else set()
        giver, taker = (self._purse(command.member_id, unit, why) for unit in (rate.from_unit, rate.to_unit))
        _refuse(why | _closed(taker) | _short(giver, command.amount))
        deed = Deed("convert", giver.unit, command.amount, giver, taker, _take(giver.open_lots, command.amount), got)
        self.program["liquidity", giver.unit] += command.amount
        self.program["liquidity", taker.unit] -= got
        self._give(taker, got, self._lapses_at(taker), deed)
        return self._done(deed, giver, taker)

    def _close(self, command: CloseAccount) -> Deed:
        why = self._why(command, [command.member_id], command.unit, may_have_left=True) - _TIMES
        purse = self._purse(command.member_id, command.unit, why)
        theirs = [one for one in self.purses.values() if one.unit == purse.unit and self._end(one) is purse]
        empty = not any(one.open_lots or one.debt or one.held or one.pending for one in theirs)
        _refuse(why | (set() if empty else {"account_not_empty"}))
        purse.closed = True
        return self._done(Deed("close"), purse)

    def _reverse(self, command: Reverse) -> Deed:
        original = self.deeds.get(command.transaction_id)
        if original is None:
            raise _Refused("not_found")
        why = {"already_reversed"} if original.reversed else set()
        if original.kind not in REVERSIBLE:
            raise _Refused("not_reversible", *why, *_TIMES)
        why |= self._why_time(command, original.unit)
        if command.amount is not None:
            why |= {"not_reversible"} if original.kind == "convert" else set()
            why |= {"exceeds_original"} if command.amount > original.amount else set()
        amount = command.amount or original.amount
        taken_back = original.got or amount
        for purse in (original.giver, original.taker):
            why |= _closed(self._end(purse)) if purse else set()
        if original.taker and not self.units[original.taker.unit].may_owe:
            why |= _short(self._end(original.taker), taken_back - self._gone(original, taken_back))
        _refuse(why)
        original.reversed = True
        if original.gift:
            original.gift.amount -= amount
        whole = sum(part for _, part in original.taken)
        back = _between(original.taken, whole - amount, whole)
        if original.giver and original.taker and self._end(original.taker) is original.giver:
            # Both are one by now: nobody's lots are more their own than others.
            self._put_back(original.giver, back)
            self._take_back(original, taken_back, own_first=False)
        else:
            if original.taker:
                self._take_back(original, taken_back)
            if original.giver:
                self._put_back(original.giver, back)
        self._book_reversal(original, amount)
        purses = {id(one): one for one in (original.giver, original.taker) if one}
        return self._done(Deed("reverse", original=original), *(self._end(one) for one in purses.values()))

    # -- Merging ---------------------------------------------------------------------------------------------------

    def merge(self, member: str, into: str) -> None:
        """Make the one the other, with all that they have; what is held or promised follows when it ends."""
        self.people[member].merged_into = into
        for unit in self.units:
            self._move_on(self.purses[member, unit])

    def _move_on(self, purse: Purse) -> None:
        """What comes to somebody who was merged belongs to whom they were merged into."""
        end = self._end(purse)
        if end is purse:
            return
        end.lifetime, purse.lifetime = end.lifetime + purse.lifetime, 0
        for lot in purse.open_lots:
            amount, lot.left = lot.left, 0
            self._give(end, amount, lot.expires_at, lot.deed)
        owed, purse.debt = purse.debt, 0
        end.debt += owed - sum(amount for _, amount in _take(end.open_lots, owed))

    # -- Value -----------------------------------------------------------------------------------------------------

    def _give(self, purse: Purse, amount: int, expires_at: datetime | None, deed: Deed | None) -> Lot:
        lot = Lot(purse, deed, next(self._numbers), expires_at, amount)
        purse.lots.append(lot)
        self._expire_if_lapsed(lot)
        self._repay(purse, [lot])
        return lot

    def _put_back(self, purse: Purse, taken: Taken) -> None:
        """Into the lots it came from; a lapsed one's expires again, or is renewed."""
        renewed_for = self.units[purse.unit].renewed_for_days
        lots = []
        for lot, amount in taken:
            if renewed_for and lot.expires_at is not None and lot.expires_at <= self.now:
                lot = Lot(purse, lot.deed, next(self._numbers), self.now + timedelta(days=renewed_for), 0)
                purse.lots.append(lot)
            lot.left += amount
            self._expire_if_lapsed(lot)
            lots.append(lot)
        self._repay(purse, sorted(lots, key=lambda one: one.turn))
        self._move_on(purse)

    def _take_back(self, original: Deed, amount: int, *, own_first: bool = True) -> None:
        """What the deed granted: its own lots first, then the others, then as debt; what expired of it is gone."""
        assert original.taker is not None
        gone = self._gone(original, amount)
        self.program["expired", original.taker.unit] -= gone
        end = self._end(original.taker)
        lots = sorted(end.open_lots, key=lambda lot: own_first and lot.deed is not original)
        end.debt += amount - gone - sum(taken for _, taken in _take(lots, amount - gone))
        if original.kind in ("earn", "confirm"):
            end.lifetime -= amount

    def _gone(self, original: Deed, amount: int) -> int:
        own = [lot for purse in self.purses.values() for lot in purse.lots if lot.deed is original]
        return min(max(0, amount - sum(lot.left for lot in own)), sum(lot.expired for lot in own))

    def _book_reversal(self, original: Deed, amount: int) -> None:
        if original.kind in ("earn", "confirm"):
            self.program["issued", original.unit] += amount
        if original.kind == "adjust":
            self.program["adjusted", original.unit] += amount if original.taker else -amount
        if original.kind in ("settle", "spend"):
            self.program["redeemed", original.unit] -= amount
        if original.kind == "convert":
            assert original.taker is not None
            self.program["liquidity", original.unit] -= amount
            self.program["liquidity", original.taker.unit] += original.got

    def _expire_if_lapsed(self, lot: Lot) -> None:
        if lot.expires_at is not None and lot.expires_at <= self.now and lot.left:
            self.program["expired", lot.purse.unit] += lot.left
            lot.expired, lot.left = lot.expired + lot.left, 0

    def _repay(self, purse: Purse, lots: Sequence[Lot]) -> None:
        purse.debt -= sum(amount for _, amount in _take(lots, purse.debt))

    # -- Finding and refusing --------------------------------------------------------------------------------------

    def _why(
        self,
        command: Command,
        members: Sequence[str],
        unit: str | None,
        *,
        expires_at: datetime | None = None,
        may_have_left: bool = False,
    ) -> set[str]:
        why = {"expires_in_past"} if expires_at is not None and expires_at <= self.now else set()
        for member in members:
            if member not in self.people:
                why.add("member_not_found")
            elif self.people[self.end_of(member)].has_left and not may_have_left:
                why.add("member_inactive")
        if unit is not None:
            why |= self._why_time(command, unit)
        return why

    def _why_time(self, command: Command, unit: str) -> set[str]:
        if unit not in self.units:
            return {"unknown_unit"}
        at = command.effective_at or self.now
        why = {"effective_in_future"} if at > self.now + CLOCKS_DIFFER else set()
        if at < self.now - timedelta(days=self.units[unit].backdate_days) - CLOCKS_DIFFER:
            why.add("backdating_refused")
        return why

    def _why_limited(self, command: Transfer, rules: Rules) -> set[str]:
        giver = self.end_of(command.from_member_id)
        today = self._day(giver)
        theirs = (one for one in self.given if (self.end_of(one.giver), one.unit) == (giver, command.unit))
        mine = [(one.day, one.amount) for one in theirs]
        limits = (
            (rules.at_once, 0),
            (rules.per_day, sum(n for day, n in mine if day == today)),
            (rules.per_month, sum(n for day, n in mine if (day.year, day.month) == (today.year, today.month))),
        )
        return {"limit_reached" for limit, used in limits if limit is not None and used + command.amount > limit}

    def _day(self, member: str) -> date:
        return self.now.astimezone(ZoneInfo(self.people[member].time_zone)).date()

    def _purse(self, member: str, unit: str, why: Iterable[str]) -> Purse:
        if member not in self.people or unit not in self.units:
            raise _Refused(*why)
        return self.purses[self.end_of(member), unit]

    def _promise(self, command: Confirm | Cancel) -> Promise:
        promise = self.promises.get(command.pending_id)
        if promise is None:
            raise _Refused("not_found")
        if promise.state != "open":
            raise _Refused("pending_not_open")
        return promise

    def _part(self, command: Settle | Release) -> tuple[Hold, int]:
        hold = self.holds.get(command.hold_id)
        if hold is None:
            raise _Refused("not_found")
        if not hold.left:
            raise _Refused("hold_not_open")
        why = self._why_time(command, hold.purse.unit)
        if command.kind == "settle" and hold.expires_at <= self.now:
            why.add("hold_not_open")
        _refuse(why | ({"exceeds_original"} if command.amount and command.amount > hold.left else set()))
        return hold, command.amount or hold.left

    def _lapses_at(self, purse: Purse) -> datetime | None:
        rules = self.units[purse.unit]
        if rules.lapses_after_days is not None:
            return self.now + timedelta(days=rules.lapses_after_days)
        if rules.lapses_with_month:
            zone = ZoneInfo(self.people[self._owner(purse)].time_zone)
            first = self.now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            return (first + timedelta(days=32)).replace(day=1).astimezone(ZoneInfo("UTC"))
        return None

    def _owner(self, purse: Purse) -> str:
        return next(member for (member, _), one in self.purses.items() if one is purse)

    def _end(self, purse: Purse) -> Purse:
        return self.purses[self.end_of(self._owner(purse)), purse.unit]

    def _done(self, deed: Deed, *purses: Purse) -> Deed:
        deed.balances = {(self._owner(purse), purse.unit): purse.available for purse in purses}
        return deed


_TIMES = frozenset({"effective_in_future", "backdating_refused"})


def _content(command: Command) -> Any:
    """What is ordered, whoever asks."""
    nobody = {"actor": ""} | ({"approved_by": None} if isinstance(command, Adjust) else {})
    return replace(command, **nobody)  # type: ignore[arg-type]


def _refuse(why: Iterable[str]) -> None:
    if codes := frozenset(why):
        raise _Refused(*codes)


def _closed(purse: Purse) -> set[str]:
    return {"account_closed"} if purse.closed else set()


def _short(purse: Purse, amount: int) -> set[str]:
    return {"insufficient_points"} if amount > 0 and purse.available < amount else set()


def _take(lots: Sequence[Lot], amount: int) -> Taken:
    """Up to so much from the lots in their order."""
    taken = []
    for lot in lots:
        part = min(lot.left, amount)
        if part:
            lot.left -= part
            amount -= part
            taken.append((lot, part))
    return taken


def _between(taken: Taken, start: int, end: int) -> Taken:
    """What lies between two points, if all parts are laid in a line."""
    units = [lot for lot, amount in taken for _ in range(amount)][start:end]
    return [(lot, len(list(same))) for lot, same in itertools.groupby(units, key=lambda lot: lot)]
