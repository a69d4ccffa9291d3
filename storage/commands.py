"""Commands, carried out 1 to 500 of one program in one transaction.

What the commands name is resolved, then locked in the fixed order (members, crossings and rewards, accounts) and read
again; domain.execution decides one command after the other, and what came of it is written by one statement for all
tables. A command that fails on data stands alone at last, refused. Carrying out a batch equals carrying out its
commands one by one in order. Refusals are kept, but take no reference: the same command may be accepted later.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import (
    Accepted,
    Adjust,
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
    Reverse,
    Settle,
    Spend,
    Transfer,
)
from domain.configuration import Configuration
from domain.counters import CounterKey
from domain.deciding import Person
from domain.execution import Execution, Loaded, counted_by, transfer_limits
from domain.ledger import (
    Hold,
    Pending,
    Posted,
    held_account,
    member_account,
    member_accounts,
    member_of,
    pending_account,
    unit_of,
)
from domain.outbox import OutboxRow
from domain.refusals import Refusal
from domain.units import policies
from storage import (
    configurations,
    decisions,
    earned_days,
    facts,
    ladders,
    leaderboards,
    ledger,
    measures,
    outbox,
    people,
    refusals,
    slack_homes,
    tiers,
)
from storage.database import Database
from storage.failures import retry
from storage.hot_path import SAVEPOINT, Found, Query, run, run_together
from storage.isolation import isolate, on_paper, why
from storage.sets import Rows, texts
from storage.tables import commands as commands_table

MAX_BATCH = 500  # commands

log = structlog.get_logger(__name__)


async def execute_batch(
    database: Database, program_id: str, commands: Sequence[Command], *, as_of: datetime
) -> list[Outcome]:
    """`execute` in a transaction of its own, tried again (bounded) when the database was away or a race was lost."""

    async def attempt() -> list[Outcome]:
        async with database.begin() as session:
            return await execute(session, program_id, commands, as_of=as_of)

    return await retry(attempt)


async def execute(
    session: AsyncSession, program_id: str, commands: Sequence[Command], *, as_of: datetime
) -> list[Outcome]:
    """Carry out 1 to 500 commands of one program in order; one outcome each, in the same order.

    `as_of` is the instant at which the book records. Raises LookupError for an unknown program, ValueError for an empty
    or too large batch, and the database's transient errors, after which the whole transaction is to be tried again.
    """
    if not 1 <= len(commands) <= MAX_BATCH:
        raise ValueError(f"a batch holds 1 to {MAX_BATCH} commands, not {len(commands)}")
    _, present, _ = await run_together(session, *configurations.sharing(program_id), SAVEPOINT)
    configuration = await configurations.pick(session, program_id, present)

    async def work(some: Sequence[Command]) -> list[Outcome]:
        return await _carry_out(session, configuration, some, as_of)

    async def hold(some: Sequence[Command]) -> None:
        await _lock_people(session, program_id, some)

    outcomes = await isolate(session, commands, work, _give_up, hold, savepoint_is_set=True)
    await refusals.record(session, program_id, _refusals(commands, outcomes, as_of))
    measures.note_commands(session, commands, outcomes)
    return outcomes


async def _give_up(command: Command, error: Exception) -> Outcome:
    reason, shown = why(error)
    log.error("command failed", kind=command.kind, reference=command.reference, reason=reason, exc_info=shown)
    return Refused("command_failed", reason)


def _refusals(commands: Sequence[Command], outcomes: Sequence[Outcome], as_of: datetime) -> list[Refusal]:
    return [
        Refusal(
            command.reference,
            command.kind,
            outcome.code,
            command.actor,
            as_of,
            outcome.member_id,
            {"detail": outcome.detail, **(outcome.numbers or {})},
        )
        for command, outcome in zip(commands, outcomes, strict=True)
        if isinstance(outcome, Refused)
    ]


# -- Locking, deciding, writing ------------------------------------------------------------------------------------


async def _carry_out(
    session: AsyncSession, configuration: Configuration, some: Sequence[Command], as_of: datetime
) -> list[Outcome]:
    execution = Execution(configuration, await _load(session, configuration, some, as_of))
    with on_paper():
        outcomes = [execution.carry_out(command) for command in some]
    await _write(session, execution, as_of)
    return outcomes


@dataclass(slots=True)
class _Named:
    """The rows that commands name by id."""

    holds: list[str] = field(default_factory=list)
    pendings: list[str] = field(default_factory=list)
    transactions: list[str] = field(default_factory=list)

    @classmethod
    def by(cls, some: Sequence[Command]) -> "_Named":
        named = cls()
        for command in some:
            match command:
                case Settle(hold_id=hold_id) | Release(hold_id=hold_id):
                    named.holds.append(hold_id)
                case Confirm(pending_id=pending_id) | Cancel(pending_id=pending_id):
                    named.pendings.append(pending_id)
                case Reverse(transaction_id=transaction_id):
                    named.transactions.append(transaction_id)
        return named

    @property
    def any(self) -> bool:
        return bool(self.holds or self.pendings or self.transactions)


# What never changes of them: whose they are.
_ACCOUNTS_OF = """SELECT account_id FROM holds
        WHERE program_id = %(program_id)s AND id = ANY(CAST(%(holds)s AS text[]))
    UNION SELECT account_id FROM pendings
        WHERE program_id = %(program_id)s AND id = ANY(CAST(%(pendings)s AS text[]))
    UNION SELECT unnest(ARRAY[from_account, to_account]) FROM transfers
        WHERE program_id = %(program_id)s AND transaction_id = ANY(CAST(%(transactions)s AS text[]))"""
_ALIASES = """SELECT id, merged_into FROM members
    WHERE program_id = %(program_id)s AND merged_into = ANY(CAST(%(ids)s AS text[]))"""
_KEPT = """SELECT reference, fingerprint, outcome FROM commands
    WHERE program_id = %(program_id)s AND reference = ANY(CAST(%(references)s AS text[]))"""


async def _load(
    session: AsyncSession, configuration: Configuration, some: Sequence[Command], as_of: datetime
) -> Loaded:
    program_id, named = configuration.program_id, _Named.by(some)
    persons, into, kept = await _lock_people(session, program_id, some)
    known = {reference: KeptCommand(print_, Accepted.from_json(outcome)) for reference, print_, outcome in kept}
    holds = await ledger.find_holds(session, program_id, named.holds)
    pendings = await ledger.find_pendings(session, program_id, named.pendings)
    posted, reversed_ = await ledger.find_posted(session, program_id, named.transactions)
    taken_back = {into.get(m, m) for one in posted.values() for m in _members(program_id, one.accounts)}
    counting = sorted(persons) if _may_rise(some) else []
    climbed = await ladders.lock(session, configuration, counting=counting, falling=taken_back)
    with on_paper():
        wanted = _wanted(configuration, some, into, holds.values(), pendings.values(), posted.values())
    lot_ids = {lot for hold in holds.values() for lot in hold.lots}
    lot_ids |= {move.lot_id for one in posted.values() for move in one.moves}
    book = await ledger.open_accounts(
        session,
        program_id,
        wanted.ids,
        recorded_at=as_of,
        debited=wanted.debited,
        lot_ids=lot_ids,
        granted_by=posted,
        policies=policies(configuration),
    )
    counted = _counted(configuration, some, posted.values(), persons, into, as_of)
    return Loaded(
        book=book,
        ladders=climbed,
        people=persons,
        into=into,
        known=known,
        holds=holds,
        pendings=pendings,
        posted=posted,
        reversed=reversed_,
        counters=await facts.counters_of(session, program_id, counted),
    )


async def _lock_people(
    session: AsyncSession, program_id: str, some: Sequence[Command]
) -> tuple[dict[str, Person], dict[str, str], Found]:
    """Everybody whom the commands concern, locked; who of them was merged into whom; and what is kept of the commands.

    The last is read under the locks: whoever got in between has committed.
    """
    named = _Named.by(some)
    theirs = await _accounts_of(session, program_id, named) if named.any else set()
    everybody = {member for command in some for member in command.member_ids} | {member_of(one) for one in theirs}
    locking = people.following(program_id, everybody), _keeping(program_id, some)
    found, kept = await run_together(session, *locking)
    persons, into = people.followed(found)
    closing = {into.get(m, m) for command in some if isinstance(command, CloseAccount) for m in command.member_ids}
    if closing:
        into |= dict(await run(session, _ALIASES, {"program_id": program_id, "ids": texts(sorted(closing))}))
    return persons, into, kept


async def _accounts_of(session: AsyncSession, program_id: str, named: _Named) -> set[str]:
    query = {
        "program_id": program_id,
        "holds": texts(named.holds),
        "pendings": texts(named.pendings),
        "transactions": texts(named.transactions),
    }
    return member_accounts(program_id, (one for (one,) in await run(session, _ACCOUNTS_OF, query)))


def _keeping(program_id: str, some: Sequence[Command]) -> Query:
    return _KEPT, {"program_id": program_id, "references": texts([command.reference for command in some])}


def _members(program_id: str, account_ids: Iterable[str]) -> set[str]:
    return {member_of(account) for account in member_accounts(program_id, account_ids)}


def _may_rise(some: Sequence[Command]) -> bool:
    """Whether a command may raise or lower what somebody has earned."""
    return any(isinstance(command, Earn | Confirm | Reverse) for command in some)


def _counted(
    configuration: Configuration,
    some: Sequence[Command],
    posted: Iterable[Posted],
    persons: dict[str, Person],
    into: dict[str, str],
    as_of: datetime,
) -> set[tuple[str, CounterKey]]:
    """The counters that limit transfers, and those that have counted what is turned round."""
    turned = (one for one in posted if one.transaction.kind == "transfer")
    keys = set().union(*(counted_by(configuration, one, persons, into) for one in turned))
    for command in some:
        if isinstance(command, Transfer) and (unit := configuration.unit(command.unit)):
            giver = persons.get(into.get(command.from_member_id, command.from_member_id))
            if giver is not None:
                keys |= {(giver.id, key) for _, key in transfer_limits(unit, as_of, giver.time_zone)}
    return keys


def _wanted(
    configuration: Configuration,
    some: Sequence[Command],
    into: dict[str, str],
    holds: Iterable[Hold],
    pendings: Iterable[Pending],
    posted: Iterable[Posted],
) -> "_Accounts":
    """What the commands name, and what the rows do that they name."""
    wanted = _Accounts(into)
    for command in some:
        wanted.add_named(configuration, command)
    for hold in holds:
        wanted.add_standing(hold.account_id, hold.held_account_id)
    for pending in pendings:
        wanted.add_standing(pending.account_id, pending.pending_account_id)
    for one in posted:
        for account in sorted(member_accounts(configuration.program_id, one.accounts)):
            wanted.add_standing(account)
            wanted.debit(account, one.amount)
    return wanted


class _Accounts:
    """The accounts that commands move, and how much at most may be taken from them; None is whatever there is."""

    def __init__(self, into: dict[str, str]) -> None:
        self.ids: set[str] = set()
        self.debited: dict[str, int | None] = {}
        self._into = into

    def add_named(self, configuration: Configuration, command: Command) -> None:
        """The accounts of members whom the command names."""
        members = [self._into.get(member, member) for member in command.member_ids]
        match command:
            case Earn(unit=unit):
                self._add(members, unit, pending=True)
            case Adjust(unit=unit, amount=amount):
                self._add(members, unit)
                self._debit(members[0], unit, -amount)
            case PlaceHold(unit=unit, amount=amount):
                self._add(members, unit, held=True)
                self._debit(members[0], unit, amount)
            case Spend(unit=unit, amount=amount) | Transfer(unit=unit, amount=amount):
                self._add(members, unit)
                self._debit(members[0], unit, amount)
            case CloseAccount(unit=unit):
                aliases = [alias for alias, end in self._into.items() if end in members]
                self._add([*members, *aliases], unit, held=True, pending=True)
            case Convert(conversion=key, amount=amount) if rate := configuration.conversions.get(key):
                self._add(members, rate.from_unit)
                self._add(members, rate.to_unit)
                self._debit(members[0], rate.from_unit, amount)

    def add_standing(self, account_id: str, *others: str) -> None:
        """An account that a row names, and where what comes back to it is moved on."""
        self.ids |= {account_id, *others}
        if (member := self._into.get(member_of(account_id))) is not None:
            end = member_account(member, unit_of(account_id))
            self.ids.add(end)
            self.debited |= {account_id: None, end: None}

    def debit(self, account_id: str, amount: int) -> None:
        """So much more may be taken from the account."""
        so_far = self.debited.get(account_id, 0)
        if amount > 0 and so_far is not None:
            self.debited[account_id] = so_far + amount

    def _debit(self, member: str, unit: str, amount: int) -> None:
        self.debit(member_account(member, unit), amount)

    def _add(self, members: Collection[str], unit: str, *, held: bool = False, pending: bool = False) -> None:
        for member in members:
            self.ids.add(member_account(member, unit))
            if held:
                self.ids.add(held_account(member, unit))
            if pending:
                self.ids.add(pending_account(member, unit))


async def _write(session: AsyncSession, execution: Execution, as_of: datetime) -> None:
    """All that was decided, in one round trip; foreign keys are checked when all of a statement is there."""
    book, program_id, number = execution.book, execution.configuration.program_id, execution.configuration.number
    await ladders.withdraw(session, program_id, execution.ladders, as_of=as_of)
    beside = (
        ledger.hold_rows(program_id, execution.new_holds, created_at=as_of),
        ledger.pending_rows(program_id, execution.new_pendings, created_at=as_of),
        decisions.counter_rows(program_id, execution.changed_counters),
        *ladders.rows(program_id, execution.ladders, number, as_of=as_of),
        outbox.rows(session, _effects(program_id, execution), now=as_of),
        _command_rows(program_id, execution, as_of),
    )
    closings = (
        ledger.closing_holds(program_id, execution.changed_holds.values()),
        ledger.closing_pendings(program_id, execution.closed_pendings),
    )
    closing = [query for query in closings if query]
    if queries := [*ledger.writing(book, ledger.Written(), *beside), *closing]:
        await run_together(session, *queries)
    await tiers.rise(session, execution.configuration, book, as_of=as_of)
    await earned_days.count(session, execution.configuration, book)
    ranked, spent = ({member_of(one) for one in some} for some in (execution.ranked, execution.spent))
    await slack_homes.follow(session, program_id, spent - ranked, now=as_of)
    ledger.note(session, book)


def _effects(program_id: str, execution: Execution) -> list[OutboxRow]:
    return [
        *ladders.effects(program_id, execution.ladders),
        *(leaderboards.outbox_row(program_id, one) for one in sorted(set(map(member_of, execution.ranked)))),
    ]


def _command_rows(program_id: str, execution: Execution, as_of: datetime) -> Rows:
    columns = ("reference", "kind", "fingerprint", "outcome", "actor")
    values = [
        (command.reference, command.kind, kept.fingerprint, kept.outcome.as_json(), command.actor)
        for command, kept in execution.done
    ]
    return Rows(commands_table, columns, values, fixed={"program_id": program_id, "recorded_at": as_of})
