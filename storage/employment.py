"""What is told of employment, set by set: what holds is compared with what was told, under the members' locks.

A telling is a row and an outbox row of one transaction, so it is told once; nothing that was told is changed but by
ending it. What an alias was told counts as told to the member that it turned out to be; the rows stay the alias's, so
that each has their own again when the merge is undone.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain import celebrations, derived, employment
from domain import notifications as notice
from domain.celebrations import Occasion
from domain.employment import Fact, PageSettled, Promotion, Settlement, Telling, TellingState
from domain.members import MemberStatus
from domain.notifications import policy_of
from domain.outbox import OutboxRow
from domain.preferences import Topic
from domain.sentences import alone
from storage import configurations, notifications, outbox, sets
from storage.game_tables import employment_facts
from storage.preference_tables import preferences
from storage.sets import Rows
from storage.tables import members, programs

PAGE = 500  # members
OF_DATES = (derived.WORK_ANNIVERSARY, derived.PROBATION_ENDED, derived.MEMBER_BIRTHDAY)
OF_PROMOTIONS = (derived.MEMBER_PROMOTED,)

_TELLING = ("member_id", "type", "name", "n", "data", "state")
_COLUMNS = (*_TELLING, "told_at", "ended_at")
_ENDED = "ON CONFLICT (member_id, type, name, n) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at"


@dataclass(frozen=True, slots=True)
class Employed:
    """What a member's dates say; no birthday of who does without theirs."""

    id: str
    time_zone: str
    hired_on: date | None
    probation_ends_on: date | None
    birthday: str | None
    created_at: datetime

    def today(self, as_of: datetime) -> date:
        """The day that it is where the member is."""
        return as_of.astimezone(ZoneInfo(self.time_zone)).date()

    def since(self, as_of: datetime) -> date:
        """The first day of which a member is told something that nobody knew."""
        return employment.since(self.today(self.created_at), self.today(as_of))


# What holds of a member, of whom this was told.
Holds = Callable[[Employed, Sequence[Telling]], Sequence[Fact]]


async def list_programs(session: AsyncSession) -> list[str]:
    """Every program, by id."""
    return list((await session.execute(select(programs.c.program_id).order_by(programs.c.program_id))).scalars())


async def settle_page(session: AsyncSession, program_id: str, *, after: str, as_of: datetime) -> PageSettled:
    """Of the next PAGE members, what their dates say is told and what they do not say any more is taken back."""
    page = await _list(session, program_id, members.c.id > after, limit=PAGE)

    def holds(one: Employed, known: Sequence[Telling]) -> list[Fact]:
        today = one.today(as_of)
        birthdays = employment.facts_of_birthday(one.birthday, today, known) if one.birthday else []
        return [*employment.facts_of_dates(one.hired_on, one.probation_ends_on, today), *birthdays]

    done = await _settle(session, program_id, page, OF_DATES, holds, as_of)
    return PageSettled(done, page[-1].id if len(page) == PAGE else None)


async def settle_promotions(
    session: AsyncSession, program_id: str, promotions: Mapping[str, Sequence[Promotion]], *, as_of: datetime
) -> int:
    """Of these members, by id, the promotions are told and those that are none any more taken back; of how many."""
    concerned = await _list(session, program_id, members.c.id.in_(sorted(promotions)), limit=len(promotions))

    def holds(one: Employed, known: Sequence[Telling]) -> list[Fact]:
        return employment.facts_of_promotions(promotions[one.id], one.today(as_of))

    return await _settle(session, program_id, concerned, OF_PROMOTIONS, holds, as_of)


async def close(session: AsyncSession, program_id: str, member_ids: Collection[str], *, now: datetime) -> None:
    """These members have left: what was told of their employment stays as it is, whatever their dates become."""
    everybody = select(members.c.id).where(members.c.program_id == program_id, _is_one_of(member_ids))
    own = update(employment_facts).where(
        employment_facts.c.program_id == program_id,
        employment_facts.c.member_id.in_(everybody),
        employment_facts.c.state == TellingState.STANDING,
    )
    await session.execute(own.values(state=TellingState.CLOSED, ended_at=now))


# -- Comparing -----------------------------------------------------------------------------------------------------


async def _settle(
    session: AsyncSession,
    program_id: str,
    concerned: Sequence[Employed],
    types: Collection[str],
    holds: Holds,
    as_of: datetime,
) -> int:
    """Compare without locks, then once more and in earnest those of whom there is something to tell."""
    wanted = await _plan(session, program_id, concerned, types, holds, as_of)
    if not wanted:
        return 0
    locked = await _list(session, program_id, members.c.id.in_(sorted(wanted)), limit=len(wanted), lock=True)
    settled = await _plan(session, program_id, locked, types, holds, as_of)
    await _write(session, program_id, {one.id: one for one in locked}, settled, as_of)
    return len(settled)


async def _plan(
    session: AsyncSession,
    program_id: str,
    concerned: Sequence[Employed],
    types: Collection[str],
    holds: Holds,
    as_of: datetime,
) -> dict[str, Settlement]:
    known = await _list_tellings(session, program_id, [one.id for one in concerned], types)
    found = {}
    for one in concerned:
        told = employment.comparable(known.get(one.id, ()), one.birthday, one.today(as_of))
        found[one.id] = employment.settle(one.id, holds(one, told), told, since=one.since(as_of))
    return {member_id: settlement for member_id, settlement in found.items() if settlement}


async def _list(
    session: AsyncSession, program_id: str, which: Any, *, limit: int, lock: bool = False
) -> list[Employed]:
    """Members who are employed, in the order of their ids."""
    dates = _date("hired_on"), _date("probation_ends_on"), _birthday()
    own = select(members.c.id, members.c.time_zone, *dates, members.c.created_at).where(
        members.c.program_id == program_id, members.c.status != MemberStatus.LEFT, members.c.merged_into.is_(None)
    )
    own = own.where(which).order_by(members.c.id).limit(limit)
    return [Employed(*row) for row in await session.execute(own.with_for_update(key_share=True) if lock else own)]


def _date(name: str) -> ColumnElement[date]:
    """The member's date; for want of one, that of somebody who turned out to be the member and has not left."""
    alias = members.alias()
    theirs = select(func.min(alias.c[name])).where(
        alias.c.program_id == members.c.program_id,
        alias.c.merged_into == members.c.id,
        alias.c.status != MemberStatus.LEFT,
    )
    return func.coalesce(members.c[name], theirs.scalar_subquery())


def _birthday() -> ColumnElement[str | None]:
    """The member's, unless they do without it."""
    without = exists().where(
        preferences.c.program_id == members.c.program_id,
        preferences.c.member_id == members.c.id,
        preferences.c.opted_out.contains([Topic.BIRTHDAYS]),
    )
    return case((~without, members.c.birthday))


def _is_one_of(member_ids: Collection[str]) -> ColumnElement[bool]:
    """These members, and whoever turned out to be one of them."""
    return or_(members.c.id.in_(member_ids), members.c.merged_into.in_(member_ids))


async def _list_tellings(
    session: AsyncSession, program_id: str, member_ids: Collection[str], types: Collection[str]
) -> dict[str, list[Telling]]:
    """By member, what was told of them and of whoever turned out to be them, the first first."""
    of = employment_facts.c
    whose = func.coalesce(members.c.merged_into, members.c.id).label("whose")
    own = select(whose, *(of[name] for name in _TELLING)).join(members, members.c.id == of.member_id)
    own = own.where(members.c.program_id == program_id, _is_one_of(member_ids), of.type.in_(types))
    found: dict[str, list[Telling]] = {}
    for row in (await session.execute(own.order_by(of.told_at, of.member_id, of.n))).mappings():
        told = {name: row[name] for name in _TELLING} | {"state": TellingState(row["state"])}
        found.setdefault(row["whose"], []).append(Telling(**told))
    return found


async def _write(
    session: AsyncSession,
    program_id: str,
    concerned: Mapping[str, Employed],
    settled: Mapping[str, Settlement],
    as_of: datetime,
) -> None:
    told, withdrawn, effects = [], [], []
    for member_id, settlement in settled.items():
        withdrawn += [_row(one, TellingState.WITHDRAWN, as_of) for one in settlement.withdrawn]
        told += [_row(one, TellingState.STANDING, as_of) for one in settlement.told]
        effects += _effects(program_id, concerned[member_id].time_zone, settlement, as_of)
    await _celebrate(session, program_id, concerned, settled, as_of)
    # Those that end go first: of each fact one telling stands at most.
    await sets.insert(session, Rows(employment_facts, _COLUMNS, withdrawn, _ENDED, {"program_id": program_id}))
    await sets.insert(session, Rows(employment_facts, _COLUMNS, told, "", {"program_id": program_id}))
    await outbox.add(session, effects, now=as_of)


async def _celebrate(
    session: AsyncSession,
    program_id: str,
    concerned: Mapping[str, Employed],
    settled: Mapping[str, Settlement],
    as_of: datetime,
) -> None:
    """Days that are told for the first time, or on another day than before, are celebrated as the program declares."""
    declared = policy_of(await configurations.read_active(session, program_id)).celebrations
    known = await _list_tellings(session, program_id, sorted(settled), OF_DATES)
    for member_id, settlement in settled.items():
        today = concerned[member_id].today(as_of)
        for telling in settlement.told:
            if not celebrations.is_celebrated(telling, known.get(member_id, ()), declared, today):
                continue
            occasion = Occasion.of(telling)
            told = [notice.Telling(member_id, occasion.subject, alone(occasion.on), occasion.reference)]
            await notifications.tell_all(session, program_id, occasion.kind, told, now=as_of)


def _row(telling: Telling, state: TellingState, at: datetime) -> tuple[object, ...]:
    ended_at = None if state is TellingState.STANDING else at
    return telling.member_id, telling.type, telling.name, telling.n, telling.data, state, at, ended_at


def _effects(program_id: str, zone: str, settlement: Settlement, at: datetime) -> list[OutboxRow]:
    gone = [employment.retraction(one, at) for one in settlement.withdrawn]
    told = [employment.event(one, zone) for one in settlement.told]
    return [derived.outbox_row(program_id, event) for event in (*gone, *told)]
