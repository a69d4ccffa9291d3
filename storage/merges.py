"""Merges of members: one becomes an alias of the other, and what was theirs moves over; undone by another merge.

Everything happens in one transaction under both members' locks. Holds, promises and orders stay where they are: what
comes back from them later is moved on by whoever gives it back. Entries never move.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Refused
from domain.configuration import Configuration
from domain.deciding import Inputs, crossings
from domain.ladders import Ladders
from domain.ledger import AccountClosed, Book, Cause, member_account, member_of
from domain.merges import Merge, Moved, Stood, recount, unite
from domain.units import policies
from storage import (
    badges,
    configurations,
    earned_days,
    ladders,
    leaderboards,
    ledger,
    outbox,
    people,
    slack_users,
    streaks,
    tiers,
)
from storage.hot_path import run, run_together, savepoint
from storage.ids import new_id
from storage.sets import array, texts
from storage.tables import accounts, identities, members, merges, rewards
from storage.tables import crossings as crossings_table

MAX_PAGE = 101  # a page, and one more that tells whether another follows

_COLUMNS = [merges.c[name] for name in Merge.__dataclass_fields__]


async def merge(
    session: AsyncSession,
    program_id: str,
    *,
    source: str,
    destination: str,
    actor: str,
    reason: str,
    as_of: datetime,
) -> Merge | Refused:
    """Make `source` an alias of `destination`; who was merged into the source follows. Done already, it is that merge.

    Raises LookupError for an unknown member, Overtaken if somebody was merged meanwhile.
    """
    configuration = await configurations.get_active(session, program_id)
    persons, into = await people.follow_again(session, program_id, [source, destination])
    for member in (source, destination):
        if member not in persons:
            raise LookupError(f"no member {member}")
    destination = into.get(destination, destination)
    if source == destination:
        return Refused("self_merge", "both are the same member", source)
    if source in into:
        found = await _standing(session, program_id, source, destination)
        return found or Refused("already_merged", f"{source} was merged into {into[source]}", source)
    merged = Merge(new_id("mrg"), source, destination, None, actor, reason, as_of)
    try:
        async with savepoint(session):
            await _join(session, configuration, merged)
    except AccountClosed as closed:
        return Refused("account_closed", str(closed), destination)
    return merged


async def _join(session: AsyncSession, configuration: Configuration, merged: Merge) -> None:
    """Raises AccountClosed if something would go to a closed account."""
    program_id, as_of = configuration.program_id, merged.recorded_at
    source, destination = merged.from_member_id, merged.to_member_id
    moved = Moved(aliases=await _aliases(session, program_id, source))
    climbed = Ladders(configuration.milestones, new_id)
    await _unite(session, program_id, source, destination, moved, climbed, as_of)
    await _add_counters(session, program_id, source, destination, moved)
    book = await _open(session, configuration, merged)
    moved.units = _stood(book, merged)
    _move(book, merged)
    climbed.marks = await ladders.marks(session, program_id, [destination])
    _cross(configuration, book, destination, moved.units, climbed)
    await _write(session, configuration.number, book, merged, climbed)
    await _rename(session, program_id, source, destination, moved, as_of)
    await _insert(session, program_id, merged, moved)
    await streaks.refold(session, program_id, [source, destination], as_of=as_of)
    await badges.take_along(session, program_id, source, destination, as_of=as_of)
    await _settle_days(session, configuration, merged)


async def undo(
    session: AsyncSession, program_id: str, merge_id: str, *, actor: str, reason: str, as_of: datetime
) -> Merge | Refused:
    """Make the alias a member again, with what was moved and is still there. Raises LookupError, Overtaken."""
    configuration = await configurations.get_active(session, program_id)
    own = merges.c.program_id == program_id, merges.c.id == merge_id
    row = (await session.execute(select(*_COLUMNS, merges.c.moved).where(*own))).one_or_none()
    if row is None:
        raise LookupError(f"no merge {merge_id}")
    first, moved = Merge(*row[:-1]), Moved.from_json(row.moved)
    _, into = await people.follow_again(session, program_id, [first.from_member_id, first.to_member_id])
    if (again := await _find_undoing(session, program_id, merge_id)) is not None:
        return again
    if first.undoes is not None or into.get(first.from_member_id) != first.to_member_id:
        return Refused("not_merged", f"{first.from_member_id} is no alias of {first.to_member_id}")
    undone = Merge(new_id("mrg"), first.to_member_id, first.from_member_id, first.id, actor, reason, as_of)
    both = first.from_member_id, first.to_member_id
    lost = await _return_rungs(session, program_id, first, moved)
    climbed = await ladders.lock(session, configuration, counting=both, falling=both)
    await _return_counters(session, program_id, first, moved)
    book = await _part(session, configuration, first, undone, moved)
    theirs = {unit: stood.from_lifetime for unit, stood in moved.units.items()}
    others = {unit: stood.to_lifetime for unit, stood in moved.units.items()}
    recount(configuration, climbed, both[0], _lifetimes(book, both[0], theirs), lost)
    recount(configuration, climbed, both[1], _lifetimes(book, both[1], others))
    await ladders.withdraw(session, program_id, climbed, as_of=as_of)
    await _write(session, configuration.number, book, undone, climbed)
    await _restore(session, program_id, first, moved, as_of)
    await _insert(session, program_id, undone, Moved())
    await streaks.refold(session, program_id, both, as_of=as_of)
    await _settle_days(session, configuration, undone)
    return undone


async def _settle_days(session: AsyncSession, configuration: Configuration, merged: Merge) -> None:
    """What each of the two has earned by day, and the tiers that this leaves them, silently."""
    both, units = (merged.from_member_id, merged.to_member_id), earned_days.units_by_day(configuration)
    await earned_days.recount(session, configuration.program_id, units, both)
    for ladder in configuration.tiers.values():
        await tiers.settle_members(session, configuration, ladder, both, as_of=merged.recorded_at, silent=True)


async def list_page(
    session: AsyncSession, program_id: str, *, member_id: str | None, before: str | None, limit: int
) -> list[Merge]:
    """Merges and what undid them, newest first: a member's, or everybody's."""
    query = select(*_COLUMNS).where(merges.c.program_id == program_id)
    if member_id is not None:
        query = query.where(or_(merges.c.from_member_id == member_id, merges.c.to_member_id == member_id))
    if before is not None:
        query = query.where(merges.c.id < before)
    page = query.order_by(merges.c.id.desc()).limit(min(limit, MAX_PAGE))
    return [Merge(*row) for row in await session.execute(page)]


# -- Value ---------------------------------------------------------------------------------------------------------

_EARNED = """SELECT coalesce(sum(f.amount), 0)::bigint - coalesce(sum(r.amount), 0)::bigint
    FROM transactions t
    JOIN transfers f ON f.transaction_id = t.id AND f.to_account = ANY(CAST(%(account_ids)s AS text[]))
    LEFT JOIN LATERAL (SELECT sum(b.amount) AS amount FROM transactions o JOIN transfers b ON b.transaction_id = o.id
        WHERE o.program_id = t.program_id AND o.reverses_id = t.id AND f.n = 1) r ON true
    WHERE t.program_id = %(program_id)s AND t.kind IN ('earn', 'confirm')"""
# By unit, what came to the account since from those who were merged, less what was taken from it again that they had
# once earned or been given; and the transactions by which it came.
_CAME = """SELECT a.unit, sum(CASE WHEN f.to_account = a.id THEN f.amount ELSE -f.amount END)::bigint,
        array_agg(t.id) FILTER (WHERE f.to_account = a.id)
    FROM accounts a JOIN unnest(CAST(%(units)s AS text[]), CAST(%(versions)s AS bigint[])) AS s(unit, version)
        ON s.unit = a.unit
    JOIN entries e ON e.account_id = a.id AND e.version > s.version
    JOIN transactions t ON t.id = e.transaction_id
    JOIN transfers f ON f.transaction_id = e.transaction_id AND f.n = e.n
    WHERE a.program_id = %(program_id)s AND a.member_id = %(to)s AND (
        (t.kind = 'merge' AND EXISTS (SELECT FROM accounts o
            WHERE o.id IN (f.from_account, f.to_account) AND o.member_id = ANY(CAST(%(theirs)s AS text[]))))
        OR (t.kind = 'reverse' AND f.from_account = a.id AND EXISTS (
            SELECT FROM transfers g JOIN accounts o ON o.id = g.to_account
            WHERE g.transaction_id = t.reverses_id AND o.member_id = ANY(CAST(%(theirs)s AS text[])))))
    GROUP BY a.unit"""


async def _open(
    session: AsyncSession, configuration: Configuration, merged: Merge, granted_by: Collection[str] = ()
) -> Book:
    """All accounts of available value of both, with all their lots."""
    program_id, both = configuration.program_id, (merged.from_member_id, merged.to_member_id)
    query = select(accounts.c.unit).where(accounts.c.program_id == program_id, accounts.c.member_id.in_(both))
    units = sorted(set((await session.execute(query)).scalars()))
    wanted = {member_account(member, unit) for member in both for unit in units}
    return await ledger.open_accounts(
        session,
        program_id,
        wanted,
        recorded_at=merged.recorded_at,
        debited=dict.fromkeys(wanted),
        granted_by=granted_by,
        policies=policies(configuration),
    )


def _cause(merged: Merge, unit: str) -> Cause:
    return {
        "business_key": f"merge:{merged.id}:{unit}",
        "effective_at": merged.recorded_at,
        "actor": merged.actor,
        "reason": merged.reason,
    }


def _units(book: Book) -> list[str]:
    return sorted({account.unit for account in book.accounts.values()})


def _ends(merged: Merge, unit: str) -> tuple[str, str]:
    return member_account(merged.from_member_id, unit), member_account(merged.to_member_id, unit)


def _stood(book: Book, merged: Merge) -> dict[str, Stood]:
    found = {unit: [book.accounts[one] for one in _ends(merged, unit)] for unit in _units(book)}
    return {unit: Stood(ours.lifetime, theirs.lifetime, theirs.version) for unit, (ours, theirs) in found.items()}


def _move(book: Book, merged: Merge) -> None:
    """Everything of the one to the other."""
    for unit in _units(book):
        source, destination = _ends(merged, unit)
        book.merge(source=source, destination=destination, **_cause(merged, unit))


async def _part(session: AsyncSession, configuration: Configuration, first: Merge, undone: Merge, moved: Moved) -> Book:
    """Of what came by the merge and after it, what is there goes back, with the lifetime of whoever was merged."""
    program_id, theirs = configuration.program_id, [first.from_member_id, *moved.aliases]
    query = {
        "program_id": program_id,
        "to": first.to_member_id,
        "theirs": texts(theirs),
        "units": texts(list(moved.units)),
        "versions": array(accounts.c.version, [stood.to_version for stood in moved.units.values()]),
    }
    came = {unit: (amount, moved_by or []) for unit, amount, moved_by in await run(session, _CAME, query)}
    book = await _open(session, configuration, undone, [one for _, moved_by in came.values() for one in moved_by])
    for unit in _units(book):
        source, destination = _ends(undone, unit)
        earned = {"program_id": program_id, "account_ids": texts([member_account(one, unit) for one in theirs])}
        [(lifetime,)] = await run(session, _EARNED, earned)
        amount, moved_by = came.get(unit, (0, []))
        terms = {"amount": amount, "moved_by": moved_by, "lifetime": lifetime}
        book.part(source=source, destination=destination, **terms, **_cause(undone, unit))
    return book


def _lifetimes(book: Book, member: str, before: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """By unit, the member's lifetime before and now."""
    now = {unit: book.accounts[member_account(member, unit)].lifetime for unit in _units(book)}
    return {unit: (before.get(unit, 0), lifetime) for unit, lifetime in now.items()}


def _cross(
    configuration: Configuration, book: Book, member: str, before: Mapping[str, Stood], climbed: Ladders
) -> None:
    """Cross what both have passed together and neither had alone."""
    for unit, stood in before.items():
        account = book.accounts[member_account(member, unit)]
        inputs = Inputs({}, stood.to_lifetime, 0, climbed.marks_of(member))
        for milestone, n in crossings(configuration, unit, inputs, account.lifetime - stood.to_lifetime):
            if milestone.on == "lifetime":
                climbed.cross(member, milestone, n)


async def _write(
    session: AsyncSession,
    number: int,
    book: Book,
    merged: Merge,
    climbed: Ladders,
) -> None:
    as_of, program_id = merged.recorded_at, book.program_id
    ranked = {member_of(account.id) for account in book.changed_accounts.values() if account.running}
    scores = [leaderboards.outbox_row(program_id, member_id) for member_id in sorted(ranked)]
    effects = [*ladders.effects(program_id, climbed), *scores]
    await ledger.write(
        session,
        book,
        *ladders.rows(program_id, climbed, number, as_of=as_of),
        outbox.rows(session, effects, now=as_of),
    )


# -- Crossings, rewards, counters, names ---------------------------------------------------------------------------


async def _unite(
    session: AsyncSession,
    program_id: str,
    source: str,
    destination: str,
    moved: Moved,
    climbed: Ladders,
    as_of: datetime,
) -> None:
    """Crossings and open rewards go along; of one that both have crossed one goes, with its reward if it is open."""
    standing = await ladders.lock_crossings(session, program_id, [source, destination])
    theirs, ours = ([one for one in standing if one.member_id == member] for member in (source, destination))
    along, twins = unite(theirs, ours)
    given = await ladders.lock_rewards(session, program_id, [], [source])
    gone = [reward for reward in given if reward.crossing_id in {twin.id for twin in twins}]
    climbed.withdrawn_crossings += twins
    climbed.withdrawn_rewards += gone
    await ladders.withdraw(session, program_id, climbed, as_of=as_of)
    moved.crossings, moved.twins = [one.id for one in along], [one.id for one in twins]
    moved.rewards = [reward.id for reward in given if reward not in gone]
    await _take_along(session, program_id, destination, moved.crossings, moved.rewards)


async def _take_along(
    session: AsyncSession, program_id: str, member: str, crossing_ids: Sequence[str], reward_ids: Sequence[str]
) -> None:
    for table, ids in ((crossings_table, crossing_ids), (rewards, reward_ids)):
        if ids:
            these = table.c.program_id == program_id, table.c.id.in_(ids)
            await session.execute(update(table).where(*these).values(member_id=member))


_RUNGS = """SELECT c.id, c.milestone, c.n, coalesce(r.state, ''), coalesce(r.member_id, '') FROM crossings c
    LEFT JOIN rewards r ON r.program_id = c.program_id AND r.crossing_id = c.id
    WHERE c.program_id = %(program_id)s AND c.id = ANY(CAST(%(ids)s AS text[])) ORDER BY c.id FOR NO KEY UPDATE OF c"""
_UNPLACED = """SELECT id FROM rewards WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[]))
    AND state <> 'ordered' ORDER BY id FOR NO KEY UPDATE"""


async def _return_rungs(session: AsyncSession, program_id: str, first: Merge, moved: Moved) -> list[tuple[str, int]]:
    """Crossings and rewards go back, but for what the other has ordered; (mark, n) of what is lost by that.

    Lost is also a crossing that both had and whose reward the merge withdrew.
    """
    rungs = {"program_id": program_id, "ids": texts([*moved.crossings, *moved.twins])}
    ordered = {"program_id": program_id, "ids": texts(moved.rewards)}
    found, unplaced = await run_together(session, (_RUNGS, rungs), (_UNPLACED, ordered))
    lost = {
        id: (mark, n)
        for id, mark, n, state, whose in found
        if (state == "ordered" and whose == first.to_member_id) or (state == "withdrawn" and id in moved.twins)
    }
    along = [one for one in moved.crossings if one not in lost]
    await _take_along(session, program_id, first.from_member_id, along, [one for (one,) in unplaced])
    back = [one for one in moved.twins if one not in lost]
    twins = crossings_table.c.program_id == program_id, crossings_table.c.id.in_(back)
    await session.execute(update(crossings_table).where(*twins).values(state="standing"))
    return list(lost.values())


_ADD_COUNTERS = """INSERT INTO counters (program_id, member_id, name, period, period_on, uses, total)
    SELECT program_id, %(to)s, name, period, period_on, uses, total FROM counters
    WHERE program_id = %(program_id)s AND member_id = %(from)s AND (uses <> 0 OR total <> 0)
    ON CONFLICT (member_id, name, period, period_on)
    DO UPDATE SET uses = counters.uses + excluded.uses, total = counters.total + excluded.total"""
_EMPTY_COUNTERS = """UPDATE counters SET uses = 0, total = 0 FROM counters was
    WHERE counters.program_id = %(program_id)s AND counters.member_id = %(from)s AND (was.uses <> 0 OR was.total <> 0)
        AND (was.member_id, was.name, was.period, was.period_on)
            = (counters.member_id, counters.name, counters.period, counters.period_on)
    RETURNING was.name, was.period, was.period_on::text, was.uses, was.total"""
# No more goes back than is there: what was taken back meanwhile counts for neither.
_RETURN_COUNTERS = """UPDATE counters SET uses = counters.uses + k.sign * k.uses,
        total = counters.total + k.sign * k.total
    FROM (SELECT m.member_id, m.sign, c.name, c.period, c.period_on, least(c.uses, now.uses) AS uses,
            CASE WHEN c.total < 0 THEN c.total ELSE least(c.total, now.total) END AS total
        FROM (VALUES (%(from)s, 1), (%(to)s, -1)) AS m(member_id, sign)
        CROSS JOIN jsonb_to_recordset(CAST(%(counters)s AS jsonb))
            AS c(name text, period text, period_on date, uses bigint, total bigint)
        JOIN counters now ON now.member_id = %(to)s AND now.name = c.name AND now.period = c.period
            AND now.period_on = c.period_on) AS k
    WHERE counters.program_id = %(program_id)s AND counters.member_id = k.member_id AND counters.name = k.name
        AND counters.period = k.period AND counters.period_on = k.period_on"""


async def _add_counters(session: AsyncSession, program_id: str, source: str, destination: str, moved: Moved) -> None:
    query = {"program_id": program_id, "from": source, "to": destination}
    await run(session, _ADD_COUNTERS, query)
    moved.counters = [(*row,) for row in await run(session, _EMPTY_COUNTERS, query)]


async def _return_counters(session: AsyncSession, program_id: str, first: Merge, moved: Moved) -> None:
    names = ("name", "period", "period_on", "uses", "total")
    kept = orjson.dumps([dict(zip(names, one, strict=True)) for one in moved.counters]).decode()
    query = {"program_id": program_id, "from": first.from_member_id, "to": first.to_member_id, "counters": kept}
    await run(session, _RETURN_COUNTERS, query)


async def _aliases(session: AsyncSession, program_id: str, member: str) -> list[str]:
    """Who was merged into the member before, locked."""
    query = select(members.c.id).where(members.c.program_id == program_id, members.c.merged_into == member)
    return list((await session.execute(query.order_by(members.c.id).with_for_update(key_share=True))).scalars())


async def _rename(
    session: AsyncSession, program_id: str, source: str, destination: str, moved: Moved, as_of: datetime
) -> None:
    """The other member is known by all names of the alias."""
    known = identities.c.program_id == program_id, identities.c.member_id == source
    named = update(identities).where(*known).values(member_id=destination)
    found = await session.execute(named.returning(identities.c.source, identities.c.external_id))
    moved.identities = [(one.source, one.external_id) for one in found]
    await slack_users.rename(session, program_id, moved.identities, destination)
    await _become(session, program_id, [source, *moved.aliases], destination, as_of)


async def _restore(session: AsyncSession, program_id: str, first: Merge, moved: Moved, as_of: datetime) -> None:
    """The alias is a member again, with its names and its aliases."""
    member = first.from_member_id
    names = tuple_(identities.c.source, identities.c.external_id).in_(moved.identities)
    known = identities.c.program_id == program_id, identities.c.member_id == first.to_member_id, names
    await session.execute(update(identities).where(*known).values(member_id=member))
    await slack_users.rename(session, program_id, moved.identities, member)
    await _become(session, program_id, [member], None, as_of)
    await _become(session, program_id, moved.aliases, member, as_of)


async def _become(
    session: AsyncSession, program_id: str, several: Sequence[str], into: str | None, as_of: datetime
) -> None:
    these = members.c.program_id == program_id, members.c.id.in_(several)
    await session.execute(update(members).where(*these).values(merged_into=into, updated_at=as_of))


# -- Rows ----------------------------------------------------------------------------------------------------------


async def _insert(session: AsyncSession, program_id: str, merged: Merge, moved: Moved) -> None:
    values = {name: getattr(merged, name) for name in Merge.__dataclass_fields__}
    await session.execute(merges.insert().values(program_id=program_id, moved=moved.as_json(), **values))


async def _standing(session: AsyncSession, program_id: str, source: str, destination: str) -> Merge | None:
    """The newest merge of these two that nothing undoes."""
    undone = select(merges.c.undoes).where(merges.c.program_id == program_id, merges.c.undoes.is_not(None))
    query = select(*_COLUMNS).where(
        merges.c.program_id == program_id,
        merges.c.from_member_id == source,
        merges.c.to_member_id == destination,
        merges.c.undoes.is_(None),
        merges.c.id.not_in(undone),
    )
    row = (await session.execute(query.order_by(merges.c.id.desc()).limit(1))).one_or_none()
    return Merge(*row) if row else None


async def _find_undoing(session: AsyncSession, program_id: str, merge_id: str) -> Merge | None:
    query = select(*_COLUMNS).where(merges.c.program_id == program_id, merges.c.undoes == merge_id)
    row = (await session.execute(query)).one_or_none()
    return Merge(*row) if row else None
