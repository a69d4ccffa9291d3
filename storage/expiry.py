"""Expiry: what time does to value, page by page of what is due; domain.expiry says in which order.

A page is one transaction that finds what is due, locks it (members, then accounts), looks again and does it, so any
number of runs may meet. Whatever is done is no longer due: a run that was cut short is simply begun again.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Accepted, Command
from domain.configuration import Configuration, Unit
from domain.expiry import (
    ORDER,
    THOROUGH,
    WARNING,
    Due,
    Duty,
    Lapsing,
    Stage,
    Turns,
    confirm,
    idle_for,
    idling,
    refill,
    refill_on,
    refill_reference,
    refilled,
    release,
    stages,
    warning,
)
from domain.ledger import Book, member_of
from domain.notifications import Telling
from domain.time import ALWAYS, Clock
from domain.units import policies
from storage import commands, configurations, ledger, notifications, people, slack_homes
from storage.database import Database
from storage.failures import retry
from storage.hot_path import run
from storage.sets import texts

PAGE = 200  # commands, accounts or warnings in one transaction: their members wait for it
SCANNED = 20_000  # accounts that one page looks at for who has been idle
MAX_DUE = 6_000  # duties of programs in one run: every one of a thousand programs


class Page(NamedTuple):
    """How much one page did (commands, lots or warnings), and where the next begins; None if this was the last."""

    done: int
    after: str | None


@dataclass(frozen=True, slots=True)
class Moment:
    """`as_of` says what is due; `recorded_at`, never before it, is when the book records."""

    as_of: datetime
    recorded_at: datetime


# -- A run ---------------------------------------------------------------------------------------------------------

_DUE = """SELECT program_id, 'holds' FROM holds
        WHERE state = 'open' AND expires_at IS NOT NULL AND expires_at <= %(at)s GROUP BY program_id
    UNION ALL SELECT program_id, 'promises' FROM pendings
        WHERE state = 'open' AND available_at IS NOT NULL AND available_at <= %(at)s GROUP BY program_id
    UNION ALL SELECT program_id, 'lots' FROM programs p WHERE EXISTS (SELECT FROM lots l
        WHERE l.program_id = p.program_id AND l.remaining > 0 AND l.expires_at <= %(at)s)
    UNION ALL SELECT program_id, 'warnings' FROM programs p WHERE EXISTS (SELECT FROM lots l
        WHERE l.program_id = p.program_id AND l.remaining > 0 AND l.expires_at > %(at)s)
    UNION ALL SELECT p.program_id, d.duty FROM programs p
        JOIN configurations c ON c.program_id = p.program_id AND c.number = p.configuration
        CROSS JOIN LATERAL (VALUES
            ('refills', jsonb_path_exists(c.body, '$.units.*.refill ? (@ != null)')),
            ('idle', jsonb_path_exists(c.body, '$.units.*.expiry ? (@.policy == "inactivity")'))) AS d(duty, wanted)
        WHERE d.wanted"""


async def list_due(session: AsyncSession, as_of: datetime, *, thorough: bool = True) -> list[Due]:
    """The duties that may have something to do, program by program in the order of duties; at most MAX_DUE.

    Without `thorough`, only those that find what is due, and not those that look at every member.
    """
    found = [Due(program_id, Duty(duty)) for program_id, duty in await run(session, _DUE, {"at": as_of})]
    wanted = (due for due in found if thorough or due.duty not in THOROUGH)
    return sorted(wanted, key=lambda due: (due.program_id, ORDER.index(due.duty)))[:MAX_DUE]


async def take_page(session: AsyncSession, due: Due, moment: Moment) -> Page:
    """Do one page of a duty."""
    configuration = await configurations.get_active(session, due.program_id)
    return await _PAGES[due.duty](session, configuration, due.after, moment)


async def take_page_alone(database: Database, due: Due, *, as_of: datetime, clock: Clock) -> Page:
    """`take_page` in a transaction of its own, tried again (bounded) when the database was away or a race was lost."""

    async def attempt() -> Page:
        async with database.begin() as session:
            return await take_page(session, due, Moment(as_of, max(as_of, clock())))

    return await retry(attempt)


async def run_all(
    database: Database,
    *,
    as_of: datetime,
    clock: Clock,
    program_ids: Collection[str] | None = None,
    go_on: Callable[[Page], Awaitable[bool]] | None = None,
) -> dict[Duty, int]:
    """Do all that is due (in these programs); how much was done, by duty.

    `go_on` is awaited after each page, and ends the run where it says no: another one does the rest.
    """
    async with database.begin() as session:
        found = await list_due(session, as_of)
    turns = Turns(due for due in found if program_ids is None or due.program_id in program_ids)
    done = dict.fromkeys(ORDER, 0)
    while turns:
        page = await take_page_alone(database, turns.current, as_of=as_of, clock=clock)
        done[turns.current.duty] += page.done
        turns.take(page.after)
        if go_on and not await go_on(page):
            break
    return done


# -- Holds and promises --------------------------------------------------------------------------------------------

_HOLDS = """SELECT id, expires_at FROM holds WHERE program_id = %(program_id)s AND state = 'open'
        AND expires_at IS NOT NULL AND expires_at <= %(at)s
        AND (expires_at, id) > (CAST(%(after_at)s AS timestamptz), %(after_id)s)
    ORDER BY expires_at, id LIMIT %(limit)s"""
# What was promised to somebody who has left stays a promise.
_PROMISES = """SELECT p.id, p.available_at FROM pendings p JOIN accounts a ON a.id = p.account_id
        JOIN members m ON m.id = a.member_id JOIN members o ON o.id = coalesce(m.merged_into, m.id)
    WHERE p.program_id = %(program_id)s AND p.state = 'open' AND o.status <> 'left'
        AND p.available_at IS NOT NULL AND p.available_at <= %(at)s
        AND (p.available_at, p.id) > (CAST(%(after_at)s AS timestamptz), %(after_id)s)
    ORDER BY p.available_at, p.id LIMIT %(limit)s"""


async def _release(session: AsyncSession, configuration: Configuration, after: str, moment: Moment) -> Page:
    return await _order(session, configuration, _HOLDS, release, after, moment)


async def _confirm(session: AsyncSession, configuration: Configuration, after: str, moment: Moment) -> Page:
    return await _order(session, configuration, _PROMISES, confirm, after, moment)


async def _order(
    session: AsyncSession,
    configuration: Configuration,
    query: str,
    command: Callable[[str], Command],
    after: str,
    moment: Moment,
) -> Page:
    program = {"program_id": configuration.program_id, "at": moment.as_of, "limit": PAGE}
    found = await run(session, query, program | _position(after))
    done = await _execute(session, configuration, [command(id) for id, _ in found], moment)
    return Page(done, _name_position(*reversed(found[-1])) if len(found) == PAGE else None)


async def _execute(
    session: AsyncSession, configuration: Configuration, ordered: Sequence[Command], moment: Moment
) -> int:
    """How many were carried out; whoever was faster leaves nothing to do."""
    if not ordered:
        return 0
    outcomes = await commands.execute(session, configuration.program_id, ordered, as_of=moment.recorded_at)
    return sum(isinstance(outcome, Accepted) for outcome in outcomes)


# -- Refills -------------------------------------------------------------------------------------------------------

_ZONES = "SELECT DISTINCT time_zone FROM members WHERE program_id = %(program_id)s"
_UNREFILLED = """SELECT m.id, m.role, m.time_zone FROM members m
        JOIN unnest(CAST(%(zones)s AS text[]), CAST(%(references)s AS text[])) AS z(zone, reference)
            ON z.zone = m.time_zone
    WHERE m.program_id = %(program_id)s AND m.id > %(after)s AND m.status <> 'left' AND m.merged_into IS NULL
        AND NOT EXISTS (SELECT FROM commands c
            WHERE c.program_id = m.program_id AND c.reference = replace(z.reference, '*', m.id))
        AND NOT EXISTS (SELECT FROM accounts a
            WHERE a.member_id = m.id AND a.unit = %(unit)s AND a.closed_at IS NOT NULL)
    ORDER BY m.id LIMIT %(limit)s"""


async def _refill(session: AsyncSession, configuration: Configuration, after: str, moment: Moment) -> Page:
    units = {unit.key: unit for unit in refilled(configuration)}
    key, _, member = after.partition("/")
    left = [unit for name, unit in units.items() if name >= key]
    if not left:
        return Page(0, None)
    unit = left[0]
    found = await _unrefilled(session, configuration.program_id, unit, member if unit.key == key else "", moment)
    ordered = [refill(unit, id, role, refill_on(unit, moment.as_of, zone)) for id, role, zone in found]
    done = await _execute(session, configuration, ordered, moment)
    if len(found) == PAGE:
        return Page(done, f"{unit.key}/{found[-1][0]}")
    return Page(done, f"{left[1].key}/" if len(left) > 1 else None)


async def _unrefilled(
    session: AsyncSession, program_id: str, unit: Unit, after: str, moment: Moment
) -> list[tuple[str, str | None, str]]:
    """(member, role, time zone) of those who have not had the present period's allowance."""
    zones = [zone for (zone,) in await run(session, _ZONES, {"program_id": program_id})]
    references = [refill_reference(unit.key, "*", refill_on(unit, moment.as_of, zone)) for zone in zones]
    query = {"program_id": program_id, "zones": texts(zones), "references": texts(references)}
    found = await run(session, _UNREFILLED, query | {"after": after, "unit": unit.key, "limit": PAGE})
    return [(member, role, zone) for member, role, zone in found]


# -- Lots ----------------------------------------------------------------------------------------------------------

_LAPSED = """SELECT DISTINCT account_id FROM (SELECT account_id FROM lots
    WHERE program_id = %(program_id)s AND remaining > 0 AND expires_at <= %(at)s
    ORDER BY expires_at, id LIMIT %(limit)s) AS due"""


async def _expire(session: AsyncSession, configuration: Configuration, _: str, moment: Moment) -> Page:
    query = {"program_id": configuration.program_id, "at": moment.as_of, "limit": PAGE}
    accounts = [account for (account,) in await run(session, _LAPSED, query)]
    if not accounts:
        return Page(0, None)
    book = await _open(session, configuration, accounts, moment)
    for account in accounts:
        book.expire_lapsed(account)
    return Page(await _write(session, book), "")


# When somebody last earned or spent: a credit or a debit that a person or a rule had a part in.
_USED_AT = """coalesce((SELECT t.recorded_at FROM entries e JOIN transactions t ON t.id = e.transaction_id
    WHERE e.account_id = a.id AND t.kind IN ('earn', 'confirm', 'adjust', 'hold', 'spend', 'transfer', 'convert',
        'merge')
    ORDER BY e.version DESC LIMIT 1), a.created_at)"""
_WINDOW_END = """SELECT id FROM accounts WHERE program_id = %(program_id)s AND id > %(after)s
    ORDER BY id OFFSET %(skipped)s LIMIT 1"""
_IDLE = f"""SELECT a.id FROM accounts a
        JOIN unnest(CAST(%(units)s AS text[]), CAST(%(since)s AS timestamptz[])) AS u(unit, since) ON u.unit = a.unit
    WHERE a.program_id = %(program_id)s AND a.running AND a.id > %(after)s AND a.id <= %(until)s
        AND EXISTS (SELECT FROM lots l
            WHERE l.account_id = a.id AND l.remaining > 0 AND l.expires_at IS NULL AND l.granted_at <= u.since)
        AND {_USED_AT} <= u.since
    ORDER BY a.id LIMIT %(limit)s"""
_USED = f"""SELECT a.id, {_USED_AT} FROM accounts a
    WHERE a.program_id = %(program_id)s AND a.id = ANY(CAST(%(ids)s AS text[]))"""
_BEYOND = "acd"  # after every account's id


async def _expire_idle(session: AsyncSession, configuration: Configuration, after: str, moment: Moment) -> Page:
    periods = {unit.key: idle_for(unit) for unit in idling(configuration)}
    program = {"program_id": configuration.program_id, "after": after}
    full = await run(session, _WINDOW_END, program | {"skipped": SCANNED - 1})
    until = full[0][0] if full else _BEYOND
    since = [(moment.as_of - period).isoformat() for period in periods.values()]
    query = program | {"until": until, "units": texts(list(periods)), "since": texts(since), "limit": PAGE}
    accounts = [account for (account,) in await run(session, _IDLE, query)]
    done = await _expire_unused(session, configuration, accounts, moment) if accounts else 0
    if len(accounts) == PAGE:
        return Page(done, accounts[-1])
    return Page(done, until if full else None)


async def _expire_unused(
    session: AsyncSession, configuration: Configuration, accounts: Sequence[str], moment: Moment
) -> int:
    """Under the lock it is looked again: somebody may have come back."""
    book = await _open(session, configuration, accounts, moment, debited=accounts)
    used = await run(session, _USED, {"program_id": configuration.program_id, "ids": texts(list(accounts))})
    periods = {unit.key: idle_for(unit) for unit in idling(configuration)}
    for account, used_at in sorted(used):
        lapsed_at = used_at + periods[book.accounts[account].unit]
        if lapsed_at <= moment.as_of:
            book.expire_idle(account, lapsed_at)
    return await _write(session, book)


async def _open(
    session: AsyncSession,
    configuration: Configuration,
    accounts: Sequence[str],
    moment: Moment,
    *,
    debited: Sequence[str] = (),
) -> Book:
    program_id = configuration.program_id
    await people.lock(session, program_id, sorted({member_of(account) for account in accounts}))
    return await ledger.open_accounts(
        session,
        program_id,
        accounts,
        recorded_at=moment.recorded_at,
        debited=dict.fromkeys(debited),
        policies=policies(configuration),
    )


async def _write(session: AsyncSession, book: Book) -> int:
    """How many lots have expired."""
    await ledger.write(session, book)
    poorer = {member_of(account.id) for account in book.changed_accounts.values() if account.running}
    await slack_homes.follow(session, book.program_id, poorer, now=book.recorded_at)
    return len(book.moves)


# -- Warnings ------------------------------------------------------------------------------------------------------

_WARNED = """SELECT l.id, l.expires_at, l.account_id, coalesce(m.merged_into, m.id), m.time_zone FROM lots l
        JOIN accounts a ON a.id = l.account_id AND a.unit = %(unit)s
        JOIN members m ON m.id = a.member_id AND m.status <> 'left'
    WHERE l.program_id = %(program_id)s AND l.remaining > 0 AND l.expires_at <= %(until)s
        AND (l.expires_at, l.id) > (CAST(%(after_at)s AS timestamptz), %(after_id)s)
    ORDER BY l.expires_at, l.id LIMIT %(limit)s"""
_AMOUNTS = """SELECT w.n, l.expires_at, CAST(sum(l.remaining) AS bigint) FROM lots l
        JOIN unnest(CAST(%(accounts)s AS text[]), CAST(%(begins)s AS timestamptz[]), CAST(%(ends)s AS timestamptz[]))
            WITH ORDINALITY AS w(account_id, begins_at, ends_at, n) ON w.account_id = l.account_id
    WHERE l.program_id = %(program_id)s AND l.remaining > 0 AND l.expires_at > %(at)s
        AND l.expires_at >= w.begins_at AND l.expires_at < w.ends_at GROUP BY w.n, l.expires_at"""


async def _warn(session: AsyncSession, configuration: Configuration, after: str, moment: Moment) -> Page:
    every = list(stages(configuration))
    n, _, position = after.partition("/")
    number = int(n or 0)
    if number >= len(every):
        return Page(0, None)
    stage = every[number]
    since, until = stage.window(moment.as_of)
    query = {"program_id": configuration.program_id, "unit": stage.unit.key, "until": until, "limit": PAGE}
    found = await run(session, _WARNED, query | _position(position or _name_position(since, "")))
    lapsing = {Lapsing.of(account, member, zone, at): None for _, at, account, member, zone in found}
    done = await _tell(session, configuration.program_id, stage, list(lapsing), moment)
    if len(found) == PAGE:
        return Page(done, f"{number}/{_name_position(found[-1][1], found[-1][0])}")
    return Page(done, f"{number + 1}/" if number + 1 < len(every) else None)


async def _tell(
    session: AsyncSession, program_id: str, stage: Stage, lapsing: Sequence[Lapsing], moment: Moment
) -> int:
    """How many had not been told before."""
    if not lapsing:
        return 0
    amounts = await _amounts(session, program_id, lapsing, moment)
    tellings = [
        Telling(one.member_id, *warning(stage, one, amounts[one]), one.reference(stage))
        for one in lapsing
        if one in amounts
    ]
    return await notifications.tell_all(session, program_id, WARNING, tellings, now=moment.recorded_at)


async def _amounts(
    session: AsyncSession, program_id: str, lapsing: Sequence[Lapsing], moment: Moment
) -> Mapping[Lapsing, Mapping[datetime, int]]:
    """How much lapses at which instants of the week that each is about."""
    query = {
        "program_id": program_id,
        "at": moment.as_of,
        "accounts": texts([one.account_id for one in lapsing]),
        "begins": texts([one.begins_at.isoformat() for one in lapsing]),
        "ends": texts([one.ends_at.isoformat() for one in lapsing]),
    }
    amounts: dict[Lapsing, dict[datetime, int]] = {}
    for n, at, amount in await run(session, _AMOUNTS, query):
        amounts.setdefault(lapsing[n - 1], {})[at] = amount
    return amounts


# -- Positions -----------------------------------------------------------------------------------------------------


def _name_position(at: datetime, id: str) -> str:
    return f"{at.isoformat()}/{id}"


def _position(name: str) -> dict[str, str]:
    """The instant and the id of the row after which a page begins."""
    at, _, id = name.partition("/")
    return {"after_at": at or ALWAYS.isoformat(), "after_id": id}


_PAGES: Mapping[Duty, Callable[[AsyncSession, Configuration, str, Moment], Awaitable[Page]]] = {
    Duty.HOLDS: _release,
    Duty.PROMISES: _confirm,
    Duty.REFILLS: _refill,
    Duty.IDLE: _expire_idle,
    Duty.LOTS: _expire,
    Duty.WARNINGS: _warn,
}
