"""Carrying commands out, on paper: each is decided on the state that the one before it has left.

An Execution holds what one database transaction has locked and loaded, and collects what it must write. Whoever was
merged into another is that other; what still comes back to the old accounts is moved on in the same breath.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain import units
from domain.commands import (
    Accepted,
    Adjust,
    Balance,
    Cancel,
    CloseAccount,
    Command,
    Confirm,
    Convert,
    Earn,
    KeptCommand,
    Outcome,
    PlaceHold,
    Refused,
    Release,
    Replayed,
    Reverse,
    Settle,
    Spend,
    Transfer,
)
from domain.configuration import Configuration, Period, Unit
from domain.counters import CounterKey
from domain.deciding import Inputs, Person, crossings, still_crossed
from domain.ladders import Crossing, Ladders
from domain.ledger import (
    AccountClosed,
    Book,
    Cause,
    ExceedsOriginal,
    Grant,
    Hold,
    InsufficientPoints,
    NotEmpty,
    NotReversible,
    Pending,
    Posted,
    held_account,
    member_account,
    member_accounts,
    member_of,
    pending_account,
)
from domain.time import CLOCK_TOLERANCE, period_on

HOLD_DAYS = 7  # until a hold expires whose caller does not say when

_CODES: Mapping[type[Exception], str] = {
    InsufficientPoints: "insufficient_points",
    ExceedsOriginal: "exceeds_original",
    NotReversible: "not_reversible",
    AccountClosed: "account_closed",
    NotEmpty: "account_not_empty",
}


class _Refuse(Exception):
    def __init__(self, code: str, detail: str, **numbers: int):
        super().__init__(detail)
        self.code = code
        self.numbers = numbers


@dataclass(slots=True)
class Loaded:
    """What the transaction has locked and read for these commands; `into` are those who were merged."""

    book: Book
    ladders: Ladders
    people: Mapping[str, Person]
    into: Mapping[str, str]
    known: dict[str, KeptCommand] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    pendings: Mapping[str, Pending] = field(default_factory=dict)
    posted: Mapping[str, Posted] = field(default_factory=dict)
    reversed: set[str] = field(default_factory=set)
    counters: dict[tuple[str, CounterKey], tuple[int, int]] = field(default_factory=dict)


# By account, its lifetime and balance.
_Before = Mapping[str, tuple[int, int]]


class Execution:
    """Carries commands out in order; afterwards its lists hold all that must be written."""

    def __init__(self, configuration: Configuration, loaded: Loaded):
        self.configuration = configuration
        self.book = loaded.book
        self.ladders = loaded.ladders
        self.done: list[tuple[Command, KeptCommand]] = []
        self.new_holds: list[Hold] = []
        self.new_pendings: list[Pending] = []
        self.changed_holds: dict[str, Hold] = {}
        self.closed_pendings: list[Pending] = []
        self.changed_counters: dict[tuple[str, CounterKey], tuple[int, int]] = {}
        # Member accounts whose lifetime changed, and those whose balance alone did.
        self.ranked: set[str] = set()
        self.spent: set[str] = set()
        self._loaded = loaded
        self._now = loaded.book.recorded_at

    def carry_out(self, command: Command) -> Outcome:
        """Decide one command; what is refused has moved nothing but what had lapsed."""
        known, fingerprint = self._loaded.known.get(command.reference), command.fingerprint
        if known is not None:
            if known.fingerprint == fingerprint:
                return Replayed(known.outcome)
            return Refused("duplicate_request", "the reference was used for another command", self._first(command))
        try:
            accepted = self._decide(command)
        except _Refuse as refusal:
            return Refused(refusal.code, str(refusal), self._first(command), refusal.numbers)
        except InsufficientPoints as lack:
            numbers = {"available": lack.available, "needed": lack.needed}
            return Refused(_CODES[type(lack)], str(lack), self._first(command), numbers)
        except tuple(_CODES) as error:
            return Refused(_CODES[type(error)], str(error), self._first(command))
        self._loaded.known[command.reference] = kept = KeptCommand(fingerprint, accepted)
        self.done.append((command, kept))
        return accepted

    def _decide(self, command: Command) -> Accepted:
        match command:
            case Earn():
                return self._earn(command)
            case Adjust():
                return self._adjust(command)
            case PlaceHold():
                return self._hold(command)
            case Spend():
                return self._spend(command)
            case Settle() | Release():
                return self._end_hold(command)
            case Confirm():
                return self._confirm(command)
            case Cancel():
                return self._cancel(command)
            case Reverse():
                return self._reverse(command)
            case Transfer():
                return self._transfer(command)
            case Convert():
                return self._convert(command)
            case CloseAccount():
                return self._close(command)
        raise TypeError(f"no command: {command!r}")

    # -- Each kind -------------------------------------------------------------------------------------------------

    def _earn(self, command: Earn) -> Accepted:
        unit, person = self._unit(command.unit), self._active(command.member_id)
        account, cause = member_account(person.id, unit.key), self._cause(command, unit)
        lapses_at = command.expires_at or units.expires_at(unit, self._now, person.time_zone)
        self._refuse_lapsed(lapses_at)
        before = self._before(account)
        if command.awaits_approval or (command.available_at is not None and command.available_at > self._now):
            return self._pend(command, account, cause, before)
        transaction = self.book.earn(member=account, grants=[Grant(command.amount, lapses_at)], **cause)
        return self._accept(transaction.id, before)

    def _pend(self, command: Earn, account: str, cause: Cause, before: _Before) -> Accepted:
        pending = self.book.pend(
            member=account,
            pending=pending_account(member_of(account), command.unit),
            grant=Grant(command.amount, command.expires_at),
            available_at=None if command.awaits_approval else command.available_at,
            **cause,
        )
        self.new_pendings.append(pending)
        return self._accept(pending.transaction_id, before, pending_id=pending.id)

    def _confirm(self, command: Confirm) -> Accepted:
        pending, unit = self._promise(command.pending_id)
        person = self._active(member_of(pending.account_id))
        before, cause = self._before(pending.account_id), self._cause(command, unit)
        # When it lapses is counted from when it can be spent, unless its grant said when.
        pending.expires_at = pending.expires_at or units.expires_at(unit, self._now, person.time_zone)
        transaction = self.book.confirm(pending, **cause)
        self.closed_pendings.append(pending)
        self._move_on(transaction.id, pending.account_id)
        return self._accept(transaction.id, before)

    def _cancel(self, command: Cancel) -> Accepted:
        pending, unit = self._promise(command.pending_id)
        before = self._before(pending.account_id)
        transaction = self.book.cancel(pending, **self._cause(command, unit))
        self.closed_pendings.append(pending)
        return self._accept(transaction.id, before)

    def _adjust(self, command: Adjust) -> Accepted:
        unit, person = self._unit(command.unit), self._person(command.member_id)
        self._refuse_alone(command, unit)
        lapses_at = command.expires_at or units.expires_at(unit, self._now, person.time_zone)
        self._refuse_lapsed(lapses_at if command.amount > 0 else command.expires_at)
        account = member_account(person.id, unit.key)
        before = self._before(account)
        cause = self._cause(command, unit)
        transaction = self.book.adjust(member=account, amount=command.amount, expires_at=lapses_at, **cause)
        return self._accept(transaction.id, before)

    def _hold(self, command: PlaceHold) -> Accepted:
        unit, person = self._unit(command.unit), self._active(command.member_id)
        self._refuse_lapsed(command.expires_at)
        account = member_account(person.id, unit.key)
        before = self._before(account)
        hold = self.book.hold(
            member=account,
            held=held_account(person.id, unit.key),
            amount=command.amount,
            expires_at=command.expires_at or self._now + timedelta(days=HOLD_DAYS),
            **self._cause(command, unit),
        )
        self.new_holds.append(hold)
        return self._accept(hold.transaction_id, before, hold_id=hold.id)

    def _spend(self, command: Spend) -> Accepted:
        unit, person = self._unit(command.unit), self._active(command.member_id)
        account = member_account(person.id, unit.key)
        before = self._before(account)
        transaction = self.book.spend(member=account, amount=command.amount, **self._cause(command, unit))
        return self._accept(transaction.id, before)

    def _end_hold(self, command: Settle | Release) -> Accepted:
        hold, unit = self._standing_hold(command)
        before = self._before(hold.account_id)
        end = self.book.settle if isinstance(command, Settle) else self.book.release
        transaction = end(hold, amount=command.amount, **self._cause(command, unit))
        self.changed_holds[hold.id] = hold
        self._move_on(transaction.id, hold.account_id)
        return self._accept(transaction.id, before, hold_id=hold.id)

    def _reverse(self, command: Reverse) -> Accepted:
        original = self._loaded.posted.get(command.transaction_id)
        if original is None:
            raise _Refuse("not_found", f"no transaction {command.transaction_id}")
        if original.transaction.order_id is not None:
            raise _Refuse("belongs_to_order", "what an order moved comes back when the order is cancelled")
        if command.transaction_id in self._loaded.reversed:
            raise _Refuse("already_reversed", f"{command.transaction_id} was reversed already")
        accounts = sorted(member_accounts(self.book.program_id, original.accounts))
        cause = self._cause(command, self._unit(original.transfers[0].unit))
        before = self._before(*accounts)
        ends = {account: self._end_of(account) for account in accounts}
        transaction = self.book.reverse(original, amount=command.amount, ends=ends, **cause)
        self._loaded.reversed.add(command.transaction_id)
        if original.transaction.kind == "transfer":
            self._return_limits(original, command.amount or original.amount)
        self._move_on(transaction.id, *accounts)
        return self._accept(transaction.id, before)

    def _transfer(self, command: Transfer) -> Accepted:
        unit = self._unit(command.unit)
        giver, taker = self._active(command.from_member_id), self._active(command.to_member_id)
        if giver.id == taker.id:
            raise _Refuse("self_transfer", "both are the same member")
        used = self._refuse_beyond_limits(command, unit, giver)
        source, destination = (member_account(one.id, unit.key) for one in (giver, taker))
        before = self._before(source, destination)
        transaction = self.book.transfer(
            source=source, destination=destination, amount=command.amount, **self._cause(command, unit)
        )
        self._loaded.counters |= used
        self.changed_counters |= used
        return self._accept(transaction.id, before)

    def _convert(self, command: Convert) -> Accepted:
        rate, person = self.configuration.conversions.get(command.conversion), self._active(command.member_id)
        if rate is None:
            raise _Refuse("conversion_not_found", f"the program has no conversion {command.conversion[:100]!r}")
        to_amount = command.amount * rate.to_amount // rate.from_amount
        if to_amount == 0:
            raise _Refuse("amount_too_small", f"{command.amount} {rate.from_unit} are less than one {rate.to_unit}")
        from_unit, to_unit = self._unit(rate.from_unit), self._unit(rate.to_unit)
        lapses_at = units.expires_at(to_unit, self._now, person.time_zone)
        self._refuse_lapsed(lapses_at)
        source, destination = (member_account(person.id, unit.key) for unit in (from_unit, to_unit))
        before = self._before(source, destination)
        transaction = self.book.convert(
            source=source,
            destination=destination,
            conversion=rate.key,
            from_amount=command.amount,
            to_amount=to_amount,
            rate=(rate.from_amount, rate.to_amount),
            expires_at=lapses_at,
            **self._cause(command, from_unit),
        )
        return self._accept(transaction.id, before)

    def _close(self, command: CloseAccount) -> Accepted:
        unit, person = self._unit(command.unit), self._person(command.member_id)
        account = member_account(person.id, unit.key)
        before = self._before(account)
        self.book.expire_lapsed(account)
        # What is held or promised to those who were merged into the member still comes to this account.
        whole = [person.id, *(alias for alias, end in self._loaded.into.items() if end == person.id)]
        standing = [kind(member, unit.key) for member in whole for kind in (held_account, pending_account)]
        self.book.close(account, standing)
        return self._accept(None, before)

    # -- What a command names --------------------------------------------------------------------------------------

    def _first(self, command: Command) -> str | None:
        """Whom a refusal concerns, if it concerns somebody who is known."""
        match command:
            case Settle(hold_id=hold_id) | Release(hold_id=hold_id):
                account = hold.account_id if (hold := self._loaded.holds.get(hold_id)) else None
            case Confirm(pending_id=pending_id) | Cancel(pending_id=pending_id):
                account = pending.account_id if (pending := self._loaded.pendings.get(pending_id)) else None
            case _:
                account = None
        named = (member_of(account),) if account else command.member_ids
        found = (self._canonical(member) for member in named)
        return next((member for member in found if member in self._loaded.people), None)

    def _canonical(self, member_id: str) -> str:
        return self._loaded.into.get(member_id, member_id)

    def _person(self, member_id: str) -> Person:
        person = self._loaded.people.get(self._canonical(member_id))
        if person is None:
            raise _Refuse("member_not_found", f"no member {member_id}")
        return person

    def _active(self, member_id: str) -> Person:
        person = self._person(member_id)
        if person.has_left:
            raise _Refuse("member_inactive", f"{person.id} has left")
        return person

    def _unit(self, key: str) -> Unit:
        unit = self.configuration.unit(key)
        if unit is None:
            raise _Refuse("unknown_unit", f"the program has no unit {key[:100]!r}")
        return unit

    def _promise(self, pending_id: str) -> tuple[Pending, Unit]:
        pending = self._loaded.pendings.get(pending_id)
        if pending is None:
            raise _Refuse("not_found", f"no pending {pending_id}")
        if pending.state != "open":
            raise _Refuse("pending_not_open", f"{pending_id} is {pending.state}")
        return pending, self._unit(self.book.accounts[pending.account_id].unit)

    def _standing_hold(self, command: Settle | Release) -> tuple[Hold, Unit]:
        hold = self._loaded.holds.get(command.hold_id)
        if hold is None:
            raise _Refuse("not_found", f"no hold {command.hold_id}")
        if hold.order_id is not None:
            raise _Refuse("belongs_to_order", f"{hold.id} ends with its order {hold.order_id}")
        if hold.state != "open":
            raise _Refuse("hold_not_open", f"{hold.id} is {hold.state}")
        if isinstance(command, Settle) and hold.expires_at is not None and hold.expires_at <= self._now:
            raise _Refuse("hold_not_open", f"{hold.id} expired at {hold.expires_at.isoformat()}")
        return hold, self._unit(self.book.accounts[hold.account_id].unit)

    # -- What stands in the way ------------------------------------------------------------------------------------

    def _cause(self, command: Command, unit: Unit) -> Cause:
        at = command.effective_at or self._now
        if at > self._now + CLOCK_TOLERANCE:
            raise _Refuse("effective_in_future", f"effective_at is after {self._now.isoformat()}")
        if at < self._now - timedelta(days=unit.backdate_days) - CLOCK_TOLERANCE:
            raise _Refuse("backdating_refused", f"{unit.key} may take effect up to {unit.backdate_days} days ago")
        key = f"command:{command.reference}"
        return {"business_key": key, "effective_at": at, "actor": command.actor, "reason": command.reason}

    def _refuse_lapsed(self, expires_at: datetime | None) -> None:
        if expires_at is not None and expires_at <= self._now:
            raise _Refuse("expires_in_past", f"it would lapse at {expires_at.isoformat()}, which has passed")

    def _refuse_alone(self, command: Adjust, unit: Unit) -> None:
        limit = unit.approval_above
        if limit is not None and abs(command.amount) > limit and command.approved_by is None:
            raise _Refuse("needs_approval", f"above {limit} a second person approves", limit=limit)

    def _refuse_beyond_limits(
        self, command: Transfer, unit: Unit, giver: Person
    ) -> dict[tuple[str, CounterKey], tuple[int, int]]:
        """The counters of the giver as they are after the transfer."""
        if unit.transfer is None:
            raise _Refuse("transfers_not_allowed", f"{unit.key} is not transferred between members")
        at_once = unit.transfer.at_once
        if at_once is not None and command.amount > at_once:
            raise _Refuse("limit_reached", f"at most {at_once} at once", limit=at_once)
        used = {}
        for limit, key in transfer_limits(unit, self._now, giver.time_zone):
            uses, total = self._loaded.counters.get((giver.id, key), (0, 0))
            if total + command.amount > limit:
                raise _Refuse("limit_reached", f"{total} of {limit} are given this {key[1]}", limit=limit, used=total)
            used[giver.id, key] = uses + 1, total + command.amount
        return used

    def _return_limits(self, original: Posted, amount: int) -> None:
        """What comes back of a transfer counts no more in the periods in which it was made."""
        for (giver, key), (uses, total) in self._counted(original).items():
            now = uses - (amount == original.amount), max(total - amount, 0)
            self._loaded.counters[giver, key] = self.changed_counters[giver, key] = now

    def _counted(self, original: Posted) -> dict[tuple[str, CounterKey], tuple[int, int]]:
        keys = counted_by(self.configuration, original, self._loaded.people, self._loaded.into)
        return {key: self._loaded.counters[key] for key in keys if self._loaded.counters.get(key, (0, 0))[0] > 0}

    # -- Afterwards ------------------------------------------------------------------------------------------------

    def _before(self, *account_ids: str) -> _Before:
        """How the accounts stand that these operations end in."""
        found = (self.book.accounts[self._end_of(account_id)] for account_id in account_ids)
        return {account.id: (account.lifetime, account.balance) for account in found}

    def _end_of(self, account_id: str) -> str:
        unit = self.book.accounts[account_id].unit
        return member_account(self._canonical(member_of(account_id)), unit)

    def _move_on(self, transaction_id: str, *account_ids: str) -> None:
        """What came back to somebody who was merged belongs to whom they were merged into."""
        for account_id in account_ids:
            if (end := self._end_of(account_id)) != account_id:
                key = f"follow:{transaction_id}:{account_id}"
                self.book.merge(source=account_id, destination=end, business_key=key, effective_at=self._now)

    def _accept(
        self,
        transaction_id: str | None,
        before: _Before,
        *,
        hold_id: str | None = None,
        pending_id: str | None = None,
    ) -> Accepted:
        for account_id, then in before.items():
            self._mark(account_id, *then)
            self.book.expire_lapsed(account_id)  # what has lapsed is not told as if it could be spent
        found = (self.book.accounts[account_id] for account_id in before)
        balances = tuple(Balance(member_of(one.id), one.unit, one.balance) for one in found)
        return Accepted(transaction_id, balances, hold_id, pending_id)

    def _mark(self, account_id: str, lifetime: int, balance: int) -> None:
        """Cross the milestones that a risen lifetime has passed, withdraw those that a fallen one has left."""
        account = self.book.accounts[account_id]
        gained = account.lifetime - lifetime
        if gained:
            self.ranked.add(account_id)
        elif account.balance != balance:
            self.spent.add(account_id)
        if gained > 0:
            self._cross(member_of(account_id), account.unit, lifetime, balance, gained)
        elif gained < 0:
            self._withdraw(member_of(account_id), account.unit, account.lifetime)

    def _cross(self, member_id: str, unit: str, lifetime: int, balance: int, gained: int) -> None:
        inputs = Inputs({}, lifetime, balance, self.ladders.marks_of(member_id))
        for milestone, n in crossings(self.configuration, unit, inputs, gained):
            self.ladders.cross(member_id, milestone, n)

    def _withdraw(self, member_id: str, unit: str, lifetime: int) -> None:
        fallen = {one.mark: one for one in self.configuration.milestones if one.unit == unit and one.on == "lifetime"}

        def stands(crossing: Crossing) -> bool:
            milestone = fallen.get(crossing.mark)
            return milestone is None or still_crossed(milestone, crossing.n, lifetime)

        self.ladders.withdraw(member_id, stands)


def counted_by(
    configuration: Configuration, original: Posted, people: Mapping[str, Person], into: Mapping[str, str]
) -> set[tuple[str, CounterKey]]:
    """What counted a transfer: by the giver's day and month then, of whoever the giver is now."""
    first = original.transfers[0]
    giver, unit = people[member_of(first.from_account)], configuration.unit(first.unit)
    limits = transfer_limits(unit, original.recorded_at, giver.time_zone) if unit else []
    return {(into.get(giver.id, giver.id), key) for _, key in limits}


def transfer_limits(unit: Unit, at: datetime, time_zone: str) -> list[tuple[int, CounterKey]]:
    """How much one member may transfer in the periods that hold the instant, each with what counts it."""
    if unit.transfer is None:
        return []
    limits = ((unit.transfer.per_day, Period.DAY), (unit.transfer.per_month, Period.MONTH))
    name = f"transfer:{unit.key}"
    return [(limit, (name, per.value, period_on(per, at, time_zone))) for limit, per in limits if limit is not None]
