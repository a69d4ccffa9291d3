"""Configurations: immutable snapshots of a program's definitions, of which one is active.

Whoever takes events shares a lock on the program's configuration until its transaction ends; an application takes the
lock alone. So no event is decided under a snapshot that is not active any more, and none escapes a back-fill.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, text, update
from sqlalchemy import insert as sql_insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import Configuration
from domain.definitions import (
    Change,
    Definitions,
    changes,
    definitions_of,
    digest,
    keep_commanded,
    number_versions,
    read_body,
    snapshot,
    write_body,
)
from domain.streak_checks import changed_cadences
from domain.units import rescaled
from storage import aggregates, badges, challenges, clocks, earned_days, proposals, tiers
from storage.hot_path import Found, Query, run, run_together
from storage.tables import accounts, configurations, programs

MAX_HISTORY = 51  # snapshots, each read whole: a page, and one more that tells whether another follows
MAX_NUMBER = 2**31 - 1  # of a snapshot
MAX_CACHED = 200  # configurations in one process
APPLY_TIMEOUT = "15min"  # for one statement of an application: back-fills read every event of a type

_NONE = digest(Definitions())
_LOCK_SPACE = 0x4C41  # advisory locks of two keys: this one and the program's hash
_SHARE = f"SELECT pg_advisory_xact_lock_shared({_LOCK_SPACE}, hashtext(%(program_id)s))"
_PRESENT = """SELECT p.configuration, c.digest FROM programs p LEFT JOIN configurations c
    ON c.program_id = p.program_id AND c.number = p.configuration WHERE p.program_id = %(program_id)s"""
_OWN = text(f"SELECT pg_advisory_xact_lock({_LOCK_SPACE}, hashtext(:program_id))")

# A snapshot that was rolled back may have left its number to another: the digest tells them apart.
_cache: OrderedDict[tuple[str, int, bytes], Configuration] = OrderedDict()


class Outdated(Exception):
    """Another configuration became active since the changes were shown."""


class UnitInUse(Exception):
    """Amounts that somebody has would mean something else, or nothing."""


class CadenceChanged(Exception):
    """A streak policy would have other periods: that is another streak, under another key."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The configuration that is active after an application and what it changed; nothing when it was the same."""

    configuration: Configuration
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot in the program's history."""

    number: int
    applied_by: str
    applied_at: datetime
    changes: tuple[Change, ...]


async def get_active(session: AsyncSession, program_id: str) -> Configuration:
    """The active configuration, which stays active until the transaction ends; LookupError for an unknown program.

    To be called before the transaction locks anything else.
    """
    _, present = await run_together(session, *sharing(program_id))
    return await pick(session, program_id, present)


def sharing(program_id: str) -> tuple[Query, Query]:
    """The statements of `get_active`, for whoever asks more in the same round trip; `pick` takes the second's rows."""
    named = {"program_id": program_id}
    return (_SHARE, named), (_PRESENT, named)


async def pick(session: AsyncSession, program_id: str, present: Found) -> Configuration:
    """The configuration that was found present; raises LookupError for an unknown program."""
    if not present:
        raise LookupError(f"no program {program_id}")
    [(number, digest_)] = present
    return await _get_cached(session, program_id, number, digest_ or _NONE)


async def read_active(session: AsyncSession, program_id: str) -> Configuration:
    """The configuration that is active now, for what may be read under one and done under the next; no lock."""
    return await _get_present(session, program_id)


async def get(session: AsyncSession, program_id: str, number: int) -> Configuration:
    """The snapshot of this number (0 is the empty one); LookupError if there is none."""
    if number == 0:
        return await _load(session, program_id, 0)
    query = select(configurations.c.digest).where(
        configurations.c.program_id == program_id, configurations.c.number == number
    )
    found = (await session.execute(query)).scalar()
    if found is None:
        raise LookupError(f"program {program_id} has no configuration {number}")
    return await _get_cached(session, program_id, number, found)


async def list_page(
    session: AsyncSession, program_id: str, *, before: int | None = None, limit: int = MAX_HISTORY
) -> list[Snapshot]:
    """Up to `limit` snapshots, newest first, of numbers below `before`, each with what it changed in the last one."""
    own = configurations.c.program_id == program_id
    chosen = (
        select(configurations).where(own, configurations.c.number < before)
        if before
        else select(configurations).where(own)
    )
    newest = chosen.order_by(configurations.c.number.desc()).limit(min(limit, MAX_HISTORY) + 1)
    rows = (await session.execute(newest)).mappings().all()
    bodies = [*(read_body(row["body"]) for row in rows), Definitions()]
    return [
        Snapshot(row["number"], row["applied_by"], row["applied_at"], tuple(changes(bodies[n + 1], bodies[n])))
        for n, row in enumerate(rows[:limit])
    ]


async def preview(session: AsyncSession, program_id: str, definitions: Definitions) -> tuple[int, list[Change]]:
    """The active number and what applying these definitions would change now; raises as `apply` does."""
    active = await _get_present(session, program_id)
    before = definitions_of(active)
    wanted = keep_commanded(before, definitions)
    await _refuse_other_meanings(session, program_id, before, wanted)
    await challenges.require_open(session, program_id, before.challenges, wanted.challenges)
    return active.number, changes(before, wanted)


async def apply(
    session: AsyncSession,
    program_id: str,
    definitions: Definitions,
    *,
    applied_by: str,
    applied_at: datetime,
    expected: int | None = None,
) -> Applied:
    """Make these definitions the active snapshot, together with the challenges that people made by commands.

    Definitions are taken as checked (`domain.definition_checks`). Raises Outdated if another number than `expected` is
    active, UnitInUse if a unit with accounts is gone or counts something else, KeyTaken if a challenge's key is,
    IllegalChallenge if one that has closed would say something else, CadenceChanged.
    """
    return await change(
        session,
        program_id,
        lambda before: keep_commanded(before, definitions),
        applied_by=applied_by,
        applied_at=applied_at,
        expected=expected,
    )


async def lock_alone(session: AsyncSession, program_id: str) -> None:
    """Nobody takes events of the program, or changes its configuration, until the transaction ends."""
    await session.execute(_OWN, {"program_id": program_id})


async def change(
    session: AsyncSession,
    program_id: str,
    edit: Callable[[Definitions], Definitions],
    *,
    applied_by: str,
    applied_at: datetime,
    expected: int | None = None,
) -> Applied:
    """Make the active snapshot, as edited, the next one; versions are given here, unchanged definitions keep theirs.

    The counters of aggregates that were not counted before are filled from the stored events first, the days of units
    of which none were kept from the ledger, and challenges follow. Nothing is written when nothing changes. Raises as
    `apply` does.
    """
    await lock_alone(session, program_id)
    await session.execute(select(programs.c.program_id).where(_is(program_id)).with_for_update(key_share=True))
    active = await _get_present(session, program_id)
    if expected is not None and active.number != expected:
        raise Outdated(f"configuration {active.number} has become active, not {expected}")
    before = definitions_of(active)
    definitions = edit(before)
    found = changes(before, definitions)
    if not found:
        return Applied(active, ())
    await _refuse_other_meanings(session, program_id, before, definitions)
    versioned = number_versions(before, definitions, active.number + 1)
    await session.execute(text(f"SET LOCAL statement_timeout = '{APPLY_TIMEOUT}'"))
    new = aggregates.not_counted(before.aggregates, versioned.aggregates)
    await aggregates.fill(session, program_id, new)
    by_day = earned_days.units_by_day(versioned) - earned_days.units_by_day(before)
    await earned_days.recount(session, program_id, by_day)
    await challenges.follow(session, program_id, before.challenges, versioned.challenges, by=applied_by, now=applied_at)
    await clocks.follow(session, program_id, before.streaks, versioned.streaks, now=applied_at)
    await _insert(session, program_id, active.number + 1, versioned, applied_by, applied_at)
    await proposals.overtake(session, program_id, versioned, by=applied_by, at=applied_at)
    applied = snapshot(program_id, active.number + 1, versioned, active.time_zone)
    await tiers.fill(session, applied, as_of=applied_at)
    await badges.fill(session, applied, as_of=applied_at)
    return Applied(applied, tuple(found))


async def _insert(
    session: AsyncSession, program_id: str, number: int, definitions: Definitions, applied_by: str, applied_at: datetime
) -> None:
    row = {
        "program_id": program_id,
        "number": number,
        "body": write_body(definitions),
        "digest": digest(definitions),
        "applied_at": applied_at,
        "applied_by": applied_by,
    }
    await session.execute(sql_insert(configurations).values(row))
    await session.execute(update(programs).where(_is(program_id)).values(configuration=number))


async def _refuse_other_meanings(
    session: AsyncSession, program_id: str, before: Definitions, wanted: Definitions
) -> None:
    """Raises UnitInUse, CadenceChanged."""
    await _refuse_in_use(session, program_id, rescaled(before.units, wanted.units))
    if keys := changed_cadences(before.streaks, wanted.streaks):
        raise CadenceChanged(f"the cadence of {', '.join(keys)} stays: give what has another one another key")


async def _refuse_in_use(session: AsyncSession, program_id: str, units: set[str]) -> None:
    query = select(accounts.c.unit).where(accounts.c.program_id == program_id, accounts.c.unit.in_(units)).distinct()
    if units and (used := sorted((await session.execute(query)).scalars())):
        raise UnitInUse(
            f"there are accounts in {', '.join(used)}: kind, currency and exponent stay, and so does the unit"
        )


async def _get_present(session: AsyncSession, program_id: str) -> Configuration:
    return await pick(session, program_id, await run(session, _PRESENT, {"program_id": program_id}))


async def _get_cached(session: AsyncSession, program_id: str, number: int, digest_: bytes) -> Configuration:
    key = (program_id, number, bytes(digest_))
    if key not in _cache:
        _cache[key] = await _load(session, program_id, number)
        if len(_cache) > MAX_CACHED:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]


async def _load(session: AsyncSession, program_id: str, number: int) -> Configuration:
    zone = (await session.execute(select(programs.c.time_zone).where(_is(program_id)))).scalar_one()
    if number == 0:
        return Configuration(program_id, 0, zone)
    query = select(configurations.c.body).where(
        configurations.c.program_id == program_id, configurations.c.number == number
    )
    return snapshot(program_id, number, read_body((await session.execute(query)).scalar_one()), zone)


def _is(program_id: str) -> ColumnElement[bool]:
    return programs.c.program_id == program_id
