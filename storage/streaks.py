"""Streaks as rows: locked with the facts that they follow from, folded on paper, and written back set by set.

Whoever folds has locked the members first, then the streaks' rows in the order of (member, policy). What was known of
a member who was merged counts for the other one: marks, absences, freezes and awards keep their member, and are read
by the alias.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import Configuration
from domain.connections import KINDS
from domain.outbox import Kind, Lane, OutboxRow
from domain.streak_book import Award, Folded, Kept, StoredMark, StreakKey, Streaks, Versions, is_late
from domain.streak_fold import fold
from domain.streaks import Away, Down, Given, Judgement, Mark, Streak, StreakState, Tally, needed_since
from domain.time import ALWAYS, NEVER
from storage import clocks, configurations, grace, outbox, people, sets, streak_awards
from storage.game_tables import streak_freezes, streak_marks, streaks
from storage.hot_path import Found, Query, ahead, run, run_together, savepoint, send
from storage.ids import new_id
from storage.isolation import MAX_RACES, Overtaken, isolate, on_paper, why
from storage.sets import Rows, array, texts
from storage.streak_keys import KEYS, named
from storage.streak_policies import versions_of

MAX_PAGE = 500  # members of one transaction, and streaks of one page
SLICE = 250  # streaks that are folded before the server is told
MAX_SETTLED = 2_000  # streaks of one settlement: each has few new facts
MAX_DUE = 5_000  # streaks that one transaction makes due
PARKED_FOR = timedelta(hours=1)  # what cannot be folded waits so long

STORED = (
    "state", "current", "longest", "started_on", "last_qualifying_at", "last_event_id", "grace_period_until",
    "next_deadline_at", "freezes", "tally",
)  # fmt: skip
_OF_STREAK = "member_id, policy"
_LOCK = f"""SELECT {_OF_STREAK}, {", ".join(STORED)} FROM streaks WHERE program_id = %(program_id)s
    AND ({_OF_STREAK}) IN (SELECT * FROM {KEYS})) ORDER BY {_OF_STREAK} FOR NO KEY UPDATE"""
_ALIASES = """SELECT id, merged_into FROM members
    WHERE program_id = %(program_id)s AND merged_into = ANY(CAST(%(ids)s AS text[]))"""
# What stood at the time of knowledge; what stands today is known at the end of time.
_KNOWN = "recorded_at <= %(known_at)s AND (ended_at IS NULL OR ended_at > %(known_at)s)"
_SINCE = f"{KEYS}, CAST(%(since)s AS timestamptz[])) AS k({_OF_STREAK}, since)"
# OFFSET 0 has each key looked up by the index: planned as one join, it read all marks that there are.
_MARKS = f"""SELECT k.member_id, k.policy, m.* FROM {_SINCE} CROSS JOIN LATERAL (
        SELECT occurred_at, event_id, amount, arrived_at FROM streak_marks m WHERE m.program_id = %(program_id)s
            AND m.member_id = k.member_id AND m.policy = k.policy AND m.occurred_at >= k.since
            AND {_KNOWN} OFFSET 0) m"""
# What a source says anew of an absence was known before, as far as it said the same.
_ABSENCES = f"""SELECT a.member_id, k.policy, greatest(a.starts_on, v.starts_on), least(a.ends_on, v.ends_on),
        v.recorded_at FROM {_SINCE} JOIN absences a USING (member_id)
    JOIN absences v ON v.program_id = a.program_id AND v.member_id = a.member_id AND v.source = a.source
        AND v.external_id = a.external_id AND v.recorded_at <= a.recorded_at
        AND v.starts_on <= a.ends_on AND v.ends_on >= a.starts_on
    WHERE a.program_id = %(program_id)s AND a.ends_on >= CAST(k.since AT TIME ZONE 'UTC' AS date)
        AND a.recorded_at <= %(known_at)s AND (a.ended_at IS NULL OR a.ended_at > %(known_at)s)"""
_FREEZES = f"""SELECT f.member_id, f.policy, f.granted_on, f.amount, f.recorded_at FROM {_SINCE}
    JOIN streak_freezes f USING ({_OF_STREAK}) WHERE f.program_id = %(program_id)s AND {_KNOWN}"""
_AWARDS = f"""SELECT a.member_id, a.policy, a.length, a.n, a.started_on, a.reached_on FROM {_SINCE}
    JOIN streak_awards a USING ({_OF_STREAK}) WHERE a.program_id = %(program_id)s AND a.state = 'paid'
        AND a.reached_on > CAST(k.since AT TIME ZONE 'UTC' AS date)"""
_OUTAGES = """SELECT o.source, o.began_at, o.ended_at, c.kind FROM outages o
    JOIN connections c ON c.program_id = o.program_id AND c.id = o.connection_id WHERE o.program_id = %(program_id)s
    AND (o.ended_at IS NULL OR o.ended_at >= %(oldest)s) AND o.recorded_at <= %(known_at)s ORDER BY o.began_at, o.id"""
_STANDING = """SELECT id, member_id, policy, occurred_at, event_id, amount, arrived_at FROM streak_marks
    WHERE program_id = %(program_id)s AND event_id = ANY(CAST(%(ids)s AS text[])) AND ended_at IS NULL"""


# -- Locking and reading -------------------------------------------------------------------------------------------


async def load(
    session: AsyncSession,
    configuration: Configuration,
    everybody: Mapping[str, people.Versions],
    wanted: Mapping[StreakKey, Collection[datetime]],
    event_ids: Sequence[str] = (),
) -> Streaks:
    """The streaks of these keys, locked, and those that these events mark; the members are locked.

    A streak has the facts since its tally, unless something at one of the instants is told of it, or its member has
    changed: then it has all.
    """
    if not configuration.streaks or not (wanted or event_ids):
        return Streaks(new_id)
    program_id = configuration.program_id
    book = Streaks(new_id, await versions_of(session, configuration), everybody)
    standing = await _standing(session, program_id, event_ids) if event_ids else []
    aliases = await _aliases(session, program_id, everybody)
    touched = {key: list(instants) for key, instants in wanted.items() if key[1] in book.policies}
    for stored in standing:
        stored.key = (aliases.get(stored.key[0], stored.key[0]), stored.key[1])
        book.standing.setdefault(stored.mark.event_id, []).append(stored)
        if stored.key[1] in book.policies:
            touched.setdefault(stored.key, []).append(stored.mark.occurred_at)
    if touched:
        await _lock(session, program_id, book, touched)
        await _read(session, program_id, book, aliases)
    return book


async def _lock(
    session: AsyncSession, program_id: str, book: Streaks, touched: Mapping[StreakKey, Collection[datetime]]
) -> None:
    book.kept = {key: Kept() for key in sorted(touched)}
    found = await run(session, _LOCK, {"program_id": program_id, **named(book.kept)})
    with on_paper():
        for member_id, policy, *values in found:
            key = member_id, policy
            if ALWAYS in touched[key]:
                book.kept[key] = Kept(_stored([*values[:-1], None]))
                continue
            stored = _stored(values)
            tally = stored.tally
            version = book.people[member_id][-1][1].version
            if tally and (tally.member_version != version or is_late(tally, touched[key])):
                tally = None
            book.kept[key] = Kept(stored, tally)


async def _aliases(session: AsyncSession, program_id: str, member_ids: Collection[str]) -> dict[str, str]:
    """Who was merged into one of these members, and into whom."""
    found = await run(session, _ALIASES, {"program_id": program_id, "ids": texts(list(member_ids))})
    return dict(found)


async def _read(
    session: AsyncSession, program_id: str, book: Streaks, aliases: Mapping[str, str], known_at: datetime = NEVER
) -> None:
    """Fill in the facts since each tally."""
    marks, absences, freezes, awards, outages = await run_together(
        session, *_reading(program_id, book, aliases, known_at)
    )
    for kept, values in _belonging(book, aliases, marks):
        kept.marks[values[1]] = Mark(*values)
    for kept, values in _belonging(book, aliases, absences):
        kept.absences.append(Away(*values))
    for kept, values in _belonging(book, aliases, freezes):
        kept.freezes.append(Given(*values))
    for member_id, policy, *award in awards:
        key = (aliases.get(member_id, member_id), policy)
        book.kept[key].awards.append(Award((member_id, policy), *award))
    book.outages = [
        Down(source, began_at, ended_at, KINDS[kind].event_types) for source, began_at, ended_at, kind in outages
    ]


def _reading(program_id: str, book: Streaks, aliases: Mapping[str, str], known_at: datetime) -> list[Query]:
    since = {key: needed_since(kept.tally) if kept.tally else ALWAYS for key, kept in book.kept.items()}
    for alias, member_id in aliases.items():
        since |= {(alias, policy): at for (one, policy), at in since.items() if one == member_id}
    column = streak_marks.c.occurred_at
    asked = {"program_id": program_id, "known_at": known_at, **named(since), "since": array(column, [*since.values()])}
    oldest = {"program_id": program_id, "known_at": known_at, "oldest": min(since.values())}
    unknown = {name: value for name, value in asked.items() if name != "known_at"}
    return [(_MARKS, asked), (_ABSENCES, asked), (_FREEZES, asked), (_AWARDS, unknown), (_OUTAGES, oldest)]


def _belonging(book: Streaks, aliases: Mapping[str, str], found: Found) -> Iterable[tuple[Kept, Sequence[Any]]]:
    for member_id, policy, *values in found:
        yield book.kept[aliases.get(member_id, member_id), policy], values


async def _standing(session: AsyncSession, program_id: str, event_ids: Sequence[str]) -> list[StoredMark]:
    found = await run(session, _STANDING, {"program_id": program_id, "ids": texts(event_ids)})
    return [StoredMark(id, (member_id, policy), Mark(*mark)) for id, member_id, policy, *mark in found]


_STATES = {state.value: state for state in StreakState}


def _stored(values: Sequence[Any]) -> Streak:
    state, *plain, tally = values
    return Streak(_STATES[state], *plain, tally=_tally(tally) if tally else None)  # type: ignore[misc]


# -- Writing -------------------------------------------------------------------------------------------------------

_TYPES = {
    "state": "text", "current": "int", "longest": "int", "started_on": "date", "last_qualifying_at": "timestamptz",
    "last_event_id": "text", "grace_period_until": "timestamptz", "next_deadline_at": "timestamptz", "freezes": "int",
    "tally": "jsonb",
}  # fmt: skip
_END = """UPDATE streak_marks SET ended_at = %(as_of)s
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[]))"""


class Keeping(NamedTuple):
    """What became of streaks, to be inserted with whatever else the transaction writes."""

    rows: tuple[Rows, ...]
    effects: Sequence[OutboxRow]
    folded: Sequence[Folded]


async def keep(
    session: AsyncSession,
    configuration: Configuration,
    book: Streaks,
    *,
    as_of: datetime,
    keys: Collection[StreakKey] | None = None,
) -> Keeping:
    """Fold the streaks of these keys, or of those that marks have touched; what was there is changed, the rest told."""
    program_id = configuration.program_id
    folded: list[Folded] = []
    wanted = list(book.touched if keys is None else keys)
    for first in range(0, len(wanted), SLICE):
        with on_paper():
            some = book.fold(as_of, wanted[first : first + SLICE])
        await _update(session, program_id, [one for one in some if one.before], as_of)
        folded += some
    with on_paper():
        settled = [(one.key, settlement) for one in folded if any(settlement := book.settle(one))]
    new = {stored.id for stored in book.new_marks}
    if ended := [stored.id for stored in book.ended_marks if stored.id not in new]:
        await send(session, _END, {"program_id": program_id, "ids": texts(ended), "as_of": as_of})
    awards, told = await streak_awards.settle(session, program_id, settled, as_of)
    begun = [one for one in folded if one.before is None]
    rows = _mark_rows(program_id, book, as_of), _streak_rows(program_id, begun, as_of), awards
    windows = await grace.follow(session, program_id, book, folded, as_of=as_of)
    return Keeping(rows, [*told, *windows], folded)


def _mark_rows(program_id: str, book: Streaks, as_of: datetime) -> Rows:
    columns = ("id", "member_id", "policy", "event_id", "occurred_at", "amount", "arrived_at", "ended_at")
    values = [
        (new.id, *new.key, new.mark.event_id, new.mark.occurred_at, new.mark.amount, new.mark.arrived_at,
         as_of if new.ended else None)
        for new in book.new_marks
    ]  # fmt: skip
    return Rows(streak_marks, columns, values, fixed={"program_id": program_id, "recorded_at": as_of})


def _streak_rows(program_id: str, folded: Sequence[Folded], as_of: datetime) -> Rows:
    values = [(*one.key, *one.after[: len(STORED) - 1], _tally_as_json(one.after.tally)) for one in folded]
    fixed = {"program_id": program_id, "folded_at": as_of}
    return Rows(streaks, ("member_id", "policy", *STORED), values, fixed=fixed)


async def _update(session: AsyncSession, program_id: str, folded: Sequence[Folded], as_of: datetime) -> None:
    """Write what has changed: columns in which none of these streaks differs from what is stored are left alone."""
    if not folded:
        return
    before = zip(*(one.before or () for one in folded), strict=True)
    after = zip(*(one.after for one in folded), strict=True)
    columns = zip(STORED, before, after, strict=False)  # a streak's fields, as far as they are stored
    changed: dict[str, Sequence[Any]] = {name: new for name, old, new in columns if old != new}
    if "tally" in changed:
        changed["tally"] = [_tally_as_json(tally) for tally in changed["tally"]]
    arrays = {name: array(streaks.c[name], values) for name, values in changed.items()}
    keys = named(one.key for one in folded)
    await send(session, _updating(tuple(changed)), {"program_id": program_id, "as_of": as_of, **keys, **arrays})


@lru_cache(maxsize=1_000)
def _updating(names: tuple[str, ...]) -> str:
    given = "".join(f", CAST(%({name})s AS {_TYPES[name]}[])" for name in names)
    written = "".join(f", {name} = u.{name}" for name in names)
    return f"""UPDATE streaks s SET folded_at = %(as_of)s{written}
        FROM {KEYS}{given}) AS u({", ".join(("member_id", "policy", *names))})
        WHERE s.program_id = %(program_id)s AND s.member_id = u.member_id AND s.policy = u.policy"""


# -- The tally as one document -------------------------------------------------------------------------------------


def _tally_as_json(tally: Tally | None) -> list[Any] | None:
    return list(tally.values()) if tally else None


def _tally(stored: Sequence[Any]) -> Tally:
    (
        through_on, settled_at, member_version, current, longest, peak, started_on, last_on, asked, kept, freezes,
        graces, lapse, spent, last_at, last_event_id,
    ) = stored  # fmt: skip
    return Tally(
        date.fromisoformat(through_on),
        datetime.fromisoformat(settled_at),
        member_version,
        current,
        longest,
        peak,
        started_on and date.fromisoformat(started_on),
        last_on and date.fromisoformat(last_on),
        asked,
        kept,
        freezes,
        tuple(graces),
        lapse and Judgement(lapse),
        tuple(spent),
        last_at and datetime.fromisoformat(last_at),
        last_event_id,
    )


# -- What time and late facts do -----------------------------------------------------------------------------------

_DUE = """SELECT member_id FROM streaks
    WHERE program_id = %(program_id)s AND policy = %(policy)s AND next_deadline_at <= %(as_of)s
    ORDER BY next_deadline_at LIMIT %(limit)s"""
_TOUCHED = f"""SELECT {_OF_STREAK} FROM streaks
        WHERE program_id = %(program_id)s AND member_id = ANY(CAST(%(ids)s AS text[]))
    UNION SELECT {_OF_STREAK} FROM streak_marks
        WHERE program_id = %(program_id)s AND member_id = ANY(CAST(%(ids)s AS text[])) AND ended_at IS NULL"""
_DUE_NOW = """UPDATE streaks s SET tally = NULL, next_deadline_at = least(s.next_deadline_at, %(as_of)s)
    FROM these WHERE (s.member_id, s.policy) = (these.member_id, these.policy) RETURNING s.member_id, s.policy"""
_MAKE_DUE = f"""WITH these AS MATERIALIZED (
        SELECT {_OF_STREAK} FROM streaks
        WHERE program_id = %(program_id)s AND member_id = ANY(CAST(%(ids)s AS text[]))
        ORDER BY {_OF_STREAK} FOR NO KEY UPDATE) {_DUE_NOW}"""
_MAKE_ALL_DUE = f"""WITH these AS MATERIALIZED (
        SELECT {_OF_STREAK} FROM streaks WHERE program_id = %(program_id)s AND ({_OF_STREAK}) > (%(member)s, %(policy)s)
        ORDER BY {_OF_STREAK} LIMIT %(limit)s FOR NO KEY UPDATE) {_DUE_NOW}"""
_PARK = """UPDATE streaks SET next_deadline_at = %(until)s
    WHERE program_id = %(program_id)s AND member_id = %(member_id)s AND policy = %(policy)s"""
_FORGET = """DELETE FROM streaks WHERE program_id = %(program_id)s AND member_id = ANY(CAST(%(ids)s AS text[]))"""


class Parked(NamedTuple):
    """A streak that could not be folded, and why; it waits, and holds up no other."""

    key: StreakKey
    why: str


async def settle_page(
    session: AsyncSession, program_id: str, policy_key: str, *, as_of: datetime, limit: int
) -> Sequence[Folded | Parked]:
    """Fold up to `limit` streaks of the policy whose deadline has come, the most overdue first.

    What cannot be folded is tried again after PARKED_FOR. None are left once it is empty, or the policy is not in
    force. Raises LookupError for an unknown program.
    """
    configuration = await configurations.get_active(session, program_id)
    if policy_key not in configuration.streaks:
        return []
    asked = {"program_id": program_id, "policy": policy_key, "as_of": as_of, "limit": min(limit, MAX_SETTLED)}
    found = [member_id for (member_id,) in await run(session, _DUE, asked)]
    if not found:
        return []

    async def fold_some(member_ids: Sequence[str]) -> list[Folded | Parked]:
        everybody, into = await _lock_people(session, program_id, member_ids)
        wanted: dict[StreakKey, Sequence[datetime]] = {(one, policy_key): () for one in member_ids if one not in into}
        book = await load(session, configuration, everybody, wanted)
        return [*await _fold_all(session, configuration, book, as_of=as_of)]

    async def park(member_id: str, error: Exception) -> Folded | Parked:
        await run(session, _PARK, {**asked, "member_id": member_id, "until": as_of + PARKED_FOR})
        return Parked((member_id, policy_key), why(error)[0])

    async def hold(member_ids: Sequence[str]) -> None:
        await _lock_people(session, program_id, member_ids)

    return await isolate(session, found, fold_some, park, hold)


async def refold(
    session: AsyncSession, program_id: str, member_ids: Collection[str], *, as_of: datetime
) -> Sequence[Folded]:
    """Fold every streak of these members, of at most MAX_PAGE, from the start: facts about their past have come."""
    configuration = await configurations.get_active(session, program_id)
    if not configuration.streaks or not member_ids:
        return []
    if len(member_ids) > MAX_PAGE:
        raise ValueError(f"{len(member_ids)} members, at most {MAX_PAGE} are folded at once")
    book, into = await load_all(session, configuration, sorted(member_ids))
    if into:
        # Whoever was merged has no streaks: what was theirs is the other member's.
        await run(session, _FORGET, {"program_id": program_id, "ids": texts(list(into))})
    return await _fold_all(session, configuration, book, as_of=as_of)


async def load_all(
    session: AsyncSession, configuration: Configuration, member_ids: Sequence[str]
) -> tuple[Streaks, Mapping[str, str]]:
    """Every streak of these members, locked with them, with all its facts; and who of them was merged into whom."""
    program_id = configuration.program_id
    everybody, into = await _lock_people(session, program_id, member_ids)
    keys = await run(session, _TOUCHED, {"program_id": program_id, "ids": texts(list(everybody))})
    wanted: dict[StreakKey, Sequence[datetime]] = {
        (str(into.get(member_id, member_id)), policy): (ALWAYS,) for member_id, policy in keys
    }
    return await load(session, configuration, everybody, wanted), into


async def make_due(session: AsyncSession, program_id: str, member_ids: Collection[str], *, as_of: datetime) -> None:
    """Let the next settlement fold every streak of these members from the start; the clocks concerned are woken."""
    asked = {"program_id": program_id, "ids": texts(list(member_ids)), "as_of": as_of}
    await _wake(session, program_id, await run(session, _MAKE_DUE, asked), as_of)


async def make_all_due(
    session: AsyncSession, program_id: str, *, as_of: datetime, after: StreakKey = ("", ""), limit: int = MAX_DUE
) -> None:
    """The same for everybody, after the key, as when an outage was told: so many now, and the relay does the others."""
    asked = {"program_id": program_id, "member": after[0], "policy": after[1], "limit": limit, "as_of": as_of}
    made = await run(session, _MAKE_ALL_DUE, asked)
    await _wake(session, program_id, made, as_of)
    if len(made) == limit:
        left = OutboxRow(program_id, Lane.INTAKE, Kind.STREAKS_DUE, {"after": max(made)})
        await outbox.add(session, [left], now=as_of)


async def _wake(session: AsyncSession, program_id: str, made: Found, as_of: datetime) -> None:
    await clocks.wake(session, program_id, sorted({policy for _, policy in made}), now=as_of)


class Freeze(NamedTuple):
    """Freezes that somebody gives a member for a policy; they may be used from the day on."""

    member_id: str
    policy: str
    granted_on: date
    amount: int
    reason: str
    actor: str


async def grant_freeze(session: AsyncSession, program_id: str, freeze: Freeze, *, as_of: datetime) -> Sequence[Folded]:
    """Give the freezes, and restore what they would have kept; raises LookupError for a policy not in force."""
    configuration = await configurations.get_active(session, program_id)
    if freeze.policy not in configuration.streaks:
        raise LookupError(f"no streak {freeze.policy}")
    await _lock_people(session, program_id, [freeze.member_id])
    fixed = {"program_id": program_id, "recorded_at": as_of}
    await sets.insert(session, Rows(streak_freezes, ("id", *Freeze._fields), [(new_id("frz"), *freeze)], fixed=fixed))
    return await refold(session, program_id, [freeze.member_id], as_of=as_of)


_NEXT = """SELECT min(next_deadline_at) FROM streaks
    WHERE program_id = %(program_id)s AND policy = %(policy)s AND next_deadline_at IS NOT NULL"""


async def find_next_deadline(session: AsyncSession, program_id: str, policy_key: str) -> datetime | None:
    """When time changes the next streak of the policy, or has changed it already."""
    [(found,)] = await run(session, _NEXT, {"program_id": program_id, "policy": policy_key})
    at: datetime | None = found
    return at


async def _fold_all(
    session: AsyncSession, configuration: Configuration, book: Streaks, *, as_of: datetime
) -> Sequence[Folded]:
    async with ahead(session):  # the server writes some while we fold the next
        kept = await keep(session, configuration, book, as_of=as_of, keys=book.kept)
        await sets.insert_all(session, [*kept.rows, outbox.rows(session, kept.effects, now=as_of)])
    return kept.folded


async def _lock_people(
    session: AsyncSession, program_id: str, member_ids: Sequence[str]
) -> tuple[dict[str, people.Versions], dict[str, str]]:
    for _ in range(MAX_RACES):
        with suppress(Overtaken):
            async with savepoint(session):
                return await people.lock(session, program_id, member_ids)
    raise Overtaken


# -- Reading -------------------------------------------------------------------------------------------------------

_OWN = f"""SELECT policy, {", ".join(STORED)} FROM streaks
    WHERE program_id = %(program_id)s AND member_id = %(member_id)s ORDER BY policy"""
_PAGE = f"""SELECT member_id, policy, {", ".join(STORED)} FROM streaks
    WHERE program_id = %(program_id)s AND (CAST(%(policy)s AS text) IS NULL OR policy = %(policy)s)
        AND (CAST(%(state)s AS text) IS NULL OR state = %(state)s) AND ({_OF_STREAK}) > (%(after)s, %(after_policy)s)
    ORDER BY {_OF_STREAK} LIMIT %(limit)s"""


async def list_of(session: AsyncSession, program_id: str, member_id: str) -> list[tuple[str, Streak]]:
    """The member's streaks as they are stored, by policy."""
    found = await run(session, _OWN, {"program_id": program_id, "member_id": member_id})
    return [(policy, _stored(values)) for policy, *values in found]


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    policy: str | None = None,
    state: StreakState | None = None,
    after: StreakKey = ("", ""),
    limit: int,
) -> list[tuple[StreakKey, Streak]]:
    """Everybody's streaks as they are stored, by member and policy, those after the key; at most MAX_PAGE."""
    asked = {
        "policy": policy,
        "state": state,
        "after": after[0],
        "after_policy": after[1],
        "limit": min(limit, MAX_PAGE),
    }
    found = await run(session, _PAGE, {"program_id": program_id, **asked})
    return [((member_id, of), _stored(values)) for member_id, of, *values in found]


async def read_facts(
    session: AsyncSession,
    program_id: str,
    policies: Mapping[str, Versions],
    everybody: Mapping[str, people.Versions],
    keys: Iterable[StreakKey],
    *,
    known_at: datetime = NEVER,
) -> Streaks:
    """All that these streaks of these members follow from under these policies, as it was known; nothing is locked."""
    book = Streaks(new_id, policies, everybody, {key: Kept() for key in keys})
    await _read(session, program_id, book, await _aliases(session, program_id, everybody), known_at)
    return book


async def read_at(
    session: AsyncSession,
    program_id: str,
    member_id: str,
    policy: str,
    *,
    as_of: datetime,
    known_at: datetime = NEVER,
) -> Streak:
    """The member's streak at the instant, by what was known then, folded from the start with all its periods.

    Raises LookupError for an unknown program or member, or a policy that is not in force.
    """
    configuration = await configurations.read_active(session, program_id)
    if policy not in configuration.streaks:
        raise LookupError(f"no streak {policy}")
    return (await _read_at(session, configuration, member_id, [policy], as_of, known_at))[policy]


async def read_all_at(
    session: AsyncSession, program_id: str, member_id: str, *, as_of: datetime, known_at: datetime = NEVER
) -> dict[str, Streak]:
    """`read_at` of every policy that is in force, by key; raises LookupError for an unknown program or member."""
    configuration = await configurations.read_active(session, program_id)
    return await _read_at(session, configuration, member_id, sorted(configuration.streaks), as_of, known_at)


async def _read_at(
    session: AsyncSession,
    configuration: Configuration,
    member_id: str,
    keys: Sequence[str],
    as_of: datetime,
    known_at: datetime,
) -> dict[str, Streak]:
    program_id = configuration.program_id
    people_then = {member_id: await people.known(session, program_id, member_id, known_at)}
    every = await versions_of(session, configuration)
    policies = {key: [one for one in every[key] if one[0] <= known_at] for key in keys}
    wanted = [(member_id, key) for key in keys if policies[key]]
    if not wanted:
        return dict.fromkeys(keys, Streak())
    book = await read_facts(session, program_id, policies, people_then, wanted, known_at=known_at)
    folded = {key[1]: fold(book.facts(key).until(as_of), as_of) for key in wanted}
    return {key: folded.get(key, Streak()) for key in keys}
