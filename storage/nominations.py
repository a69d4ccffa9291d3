"""Nominations as rows: what was proposed, who was asked, what was decided; and who is told of it, each thing once.

A nomination moves behind its own lock, which comes after the locks of members. Whoever was merged is the other member
wherever a nomination names them; the rows stay as they were written, so that undoing a merge needs nothing here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, update
from sqlalchemy import insert as sql_insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.cards import APPROVALS
from domain.members import Member, MemberStatus
from domain.nominations import (
    NOMINEE_LEFT,
    SAME_MEMBER,
    Approver,
    Because,
    Decision,
    Nomination,
    NominationCategory,
    NominationEvent,
    NominationState,
    Verdict,
    about,
    nomination_after,
)
from domain.notifications import Telling
from domain.outbox import Kind, Lane, OutboxRow
from domain.sentences import Sentence, sentence
from storage import configurations, dispatches, members, notifications, outbox, slack_homes
from storage.nomination_tables import nomination_approvers, nomination_decisions, nominations
from storage.tables import members as members_table

MAX_PAGE = 101  # nominations: a page, and one more that tells whether another follows
MAX_LEAVING = 1_000  # nominations that one transaction closes or wakes for those who leave

_NAMES = tuple(Nomination.__dataclass_fields__)
_COLUMNS = tuple(nominations.c[name] for name in _NAMES)
_APPROVER = tuple(nomination_approvers.c[name] for name in Approver.__dataclass_fields__)
_DECISION = tuple(nomination_decisions.c[name] for name in Decision.__dataclass_fields__)


# -- Rows ----------------------------------------------------------------------------------------------------------


async def get(session: AsyncSession, program_id: str, nomination_id: str) -> Nomination:
    """The program's nomination of this id; raises LookupError."""
    return await _one(session, _own(program_id, nomination_id), nomination_id)


async def lock(session: AsyncSession, program_id: str, nomination_id: str) -> Nomination:
    """The nomination, locked until the transaction ends; raises LookupError."""
    return await _one(session, _own(program_id, nomination_id).with_for_update(key_share=True), nomination_id)


def _own(program_id: str, nomination_id: str) -> Select[Any]:
    return select(*_COLUMNS).where(nominations.c.program_id == program_id, nominations.c.id == nomination_id)


async def _one(session: AsyncSession, query: Select[Any], nomination_id: str) -> Nomination:
    row = (await session.execute(query)).mappings().first()
    if row is None:
        raise LookupError(f"no nomination {nomination_id}")
    return _nomination(row)


def _nomination(row: Mapping[Any, Any]) -> Nomination:
    return Nomination(**{**row, "state": NominationState(row["state"])})


async def get_category(session: AsyncSession, nomination: Nomination) -> NominationCategory:
    """What the nominee was nominated for, as it was declared then."""
    configuration = await configurations.get(session, nomination.program_id, nomination.configuration)
    return configuration.nominations[nomination.category]


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    state: NominationState | None = None,
    nominator_id: str | None = None,
    nominee_id: str | None = None,
    approver_id: str | None = None,
    before: str | None = None,
    limit: int = MAX_PAGE,
) -> list[Nomination]:
    """Up to `limit` nominations, newest first, older than the id `before`.

    Those of an approver are what waits for that member's decision.
    """
    chosen = select(*_COLUMNS).where(nominations.c.program_id == program_id)
    if state is not None:
        chosen = chosen.where(nominations.c.state == state)
    for column, member_id in ((nominations.c.nominator_id, nominator_id), (nominations.c.nominee_id, nominee_id)):
        if member_id is not None:
            chosen = chosen.where(column.in_(_known_as(program_id, member_id)))
    if approver_id is not None:
        chosen = chosen.where(nominations.c.state == NominationState.PENDING, _waits_for(program_id, approver_id))
    if before is not None:
        chosen = chosen.where(nominations.c.id < before)
    rows = await session.execute(chosen.order_by(nominations.c.id.desc()).limit(min(limit, MAX_PAGE)))
    return [_nomination(row) for row in rows.mappings()]


def _known_as(program_id: str, member_id: str) -> Select[Any]:
    """The member, and those who were merged into them."""
    ids = select(members_table.c.id).where(members_table.c.program_id == program_id)
    return ids.where(or_(members_table.c.id == member_id, members_table.c.merged_into == member_id))


def _waits_for(program_id: str, member_id: str) -> ColumnElement[bool]:
    """Whether the member was asked on the nomination's level, and nobody has decided for whom they decide."""
    asked, decided = nomination_approvers.c, nomination_decisions.c
    done = exists().where(
        decided.nomination_id == asked.nomination_id,
        decided.level == asked.level,
        decided.approver_id == asked.approver_id,
    )
    return exists().where(
        asked.nomination_id == nominations.c.id,
        asked.level == nominations.c.level,
        asked.member_id.in_(_known_as(program_id, member_id)),
        asked.asked_at.is_not(None),
        ~done,
    )


async def insert(session: AsyncSession, nomination: Nomination) -> None:
    """A new row, whose workflow will start."""
    await session.execute(sql_insert(nominations).values({name: getattr(nomination, name) for name in _NAMES}))
    line = about(nomination.id, nomination.category, nomination.nominee_id)
    payload = {"nomination_id": nomination.id, "about": line}
    await _leave(session, nomination, Kind.START_NOMINATION, payload, now=nomination.created_at)


async def move(
    session: AsyncSession, nomination: Nomination, event: NominationEvent, *, now: datetime, **values: Any
) -> Nomination:
    """The locked nomination after the event; raises IllegalNomination."""
    state = nomination_after(nomination.state, event)
    await dispatches.retell(session, nomination.program_id, APPROVALS, [nomination.id], now=now)
    if nomination.state is NominationState.PENDING and state is not NominationState.PENDING:
        await _show_nominator(session, nomination, now)
    return await note(session, nomination, state=state, updated_at=now, **values)


async def _show_nominator(session: AsyncSession, nomination: Nomination, now: datetime) -> None:
    """Where its nominator could take it back, it says what became of it: the message that confirmed it, and Home."""
    effect = OutboxRow(nomination.program_id, Lane.NOTIFY, Kind.CONFIRMATION, {"nomination_id": nomination.id})
    await outbox.add(session, [effect], now=now)
    people = await find_people(session, nomination.program_id, [nomination.nominator_id])
    await slack_homes.follow(session, nomination.program_id, [one.id for one in people.values()], now=now)


async def note(session: AsyncSession, nomination: Nomination, **values: Any) -> Nomination:
    """The locked nomination with these values."""
    own = nominations.c.program_id == nomination.program_id, nominations.c.id == nomination.id
    await session.execute(update(nominations).where(*own).values(values))
    return replace(nomination, **values)


async def wake(session: AsyncSession, nomination: Nomination, *, now: datetime) -> None:
    """The nomination's workflow looks at its rows again, once this transaction is committed."""
    await _leave(session, nomination, Kind.WAKE_NOMINATION, {"nomination_id": nomination.id}, now=now)


async def _leave(
    session: AsyncSession, nomination: Nomination, kind: Kind, payload: Mapping[str, Any], *, now: datetime
) -> None:
    key = f"nomination/{nomination.id}"
    await outbox.add(session, [OutboxRow(nomination.program_id, Lane.TEMPORAL, kind, payload, order_key=key)], now=now)


# -- Approvers and decisions ---------------------------------------------------------------------------------------


async def list_approvers(session: AsyncSession, nomination: Nomination, level: int | None = None) -> list[Approver]:
    """Who decides, or stands in, on the level or on all of them: whom it names first, then as they were asked."""
    own = nomination_approvers.c.nomination_id == nomination.id
    chosen = select(*_APPROVER).where(nomination_approvers.c.program_id == nomination.program_id, own)
    if level is not None:
        chosen = chosen.where(nomination_approvers.c.level == level)
    in_order = (
        nomination_approvers.c.level,
        nomination_approvers.c.because != Because.NAMED,
        nomination_approvers.c.asked_at.nulls_first(),
        nomination_approvers.c.member_id,
    )
    rows = (await session.execute(chosen.order_by(*in_order))).mappings()
    return [Approver(**{**row, "because": Because(row["because"])}) for row in rows]


async def add_approvers(session: AsyncSession, nomination: Nomination, found: Sequence[Approver]) -> None:
    """Keep who decides; one who is there already only gets the time at which they were asked."""
    for one in found:
        own = (
            nomination_approvers.c.nomination_id == nomination.id,
            nomination_approvers.c.level == one.level,
            nomination_approvers.c.approver_id == one.approver_id,
            nomination_approvers.c.member_id == one.member_id,
        )
        again = update(nomination_approvers).where(*own).values(asked_at=one.asked_at)
        if (await session.execute(again.returning(nomination_approvers.c.level))).first() is None:
            values = {name: getattr(one, name) for name in Approver.__dataclass_fields__}
            ours = {"program_id": nomination.program_id, "nomination_id": nomination.id}
            await session.execute(sql_insert(nomination_approvers).values(ours | values))


async def list_decisions(session: AsyncSession, nomination: Nomination, level: int | None = None) -> list[Decision]:
    """What was decided, on the level or on all of them, in its order."""
    own = nomination_decisions.c.nomination_id == nomination.id
    chosen = select(*_DECISION).where(nomination_decisions.c.program_id == nomination.program_id, own)
    if level is not None:
        chosen = chosen.where(nomination_decisions.c.level == level)
    rows = (await session.execute(chosen.order_by(nomination_decisions.c.n))).mappings()
    return [Decision(**{**row, "verdict": Verdict(row["verdict"])}) for row in rows]


async def add_decision(session: AsyncSession, nomination: Nomination, decision: Decision) -> None:
    """Keep the decision; of one level and approver the first that is committed stands, a second is an error."""
    values = {name: getattr(decision, name) for name in Decision.__dataclass_fields__}
    ours = {"program_id": nomination.program_id, "nomination_id": nomination.id}
    await session.execute(sql_insert(nomination_decisions).values(ours | values))
    await dispatches.retell(session, nomination.program_id, APPROVALS, [nomination.id], now=decision.decided_at)


async def count_decisions(session: AsyncSession, nomination: Nomination) -> int:
    """How many decisions were made on all its levels."""
    own = nomination_decisions.c.program_id == nomination.program_id
    of_it = select(func.count()).where(own, nomination_decisions.c.nomination_id == nomination.id)
    return int(await session.scalar(of_it) or 0)


# -- Who they are today, and what they are told --------------------------------------------------------------------


async def find_people(session: AsyncSession, program_id: str, member_ids: Iterable[str]) -> dict[str, Member]:
    """By id, who these members are today: whoever was merged is the other."""
    wanted = sorted(set(member_ids))
    found = await _members(session, program_id, wanted)
    into = {one.id: one.merged_into for one in found if one.merged_into}
    others = {one.id: one for one in await _members(session, program_id, sorted(set(into.values())))}
    return {one.id: others[into[one.id]] if one.id in into else one for one in found}


async def _members(session: AsyncSession, program_id: str, member_ids: Sequence[str]) -> list[Member]:
    if not member_ids:
        return []
    own = members_table.c.program_id == program_id, members_table.c.id.in_(member_ids)
    return [members.from_row(row) for row in (await session.execute(select(members_table).where(*own))).mappings()]


async def tell(
    session: AsyncSession,
    nomination: Nomination,
    kind: str,
    whom: Mapping[str, Member | None],
    *,
    subject: Sentence,
    body: Sentence,
    now: datetime,
) -> None:
    """Tell each member once (None: the administrators), by what follows the nomination's id in the reference.

    Whoever has left is told nothing.
    """
    tellings = [
        Telling(member.id if member else None, subject, body, f"{nomination.id}{'/' if rest else ''}{rest}")
        for rest, member in whom.items()
        if member is None or member.status is not MemberStatus.LEFT
    ]
    await notifications.tell_all(session, nomination.program_id, kind, tellings, now=now)


async def list_asked(session: AsyncSession, nomination: Nomination) -> dict[str, Member]:
    """Whoever was asked on any of the nomination's levels, by their id as it is today."""
    asked = await list_approvers(session, nomination)
    people = await find_people(session, nomination.program_id, [one.member_id for one in asked if one.asked_at])
    return {one.id: one for one in people.values()}


# -- Who withdraws, and who leaves ---------------------------------------------------------------------------------


async def withdraw(
    session: AsyncSession,
    nomination: Nomination,
    *,
    by_nominator: bool = False,
    because: str | None = None,
    now: datetime,
) -> Nomination:
    """The locked nomination is withdrawn and whoever was asked is told; its nominator too, unless it was them."""
    withdrawn = await move(session, nomination, NominationEvent.WITHDRAW, now=now, closing=because)
    people = await find_people(session, nomination.program_id, [nomination.nominator_id, nomination.nominee_id])
    nominator, nominee = people[nomination.nominator_id], people[nomination.nominee_id].name
    title = (await get_category(session, nomination)).title
    asked = await list_asked(session, nomination)
    asked.pop(nominator.id, None)
    subject = sentence("The nomination of {nominee} was withdrawn", nominee=nominee)
    body = sentence("{category}: nothing is to be decided any more.", category=title)
    await tell(session, withdrawn, "nomination_withdrawn", asked, subject=subject, body=body, now=now)
    if not by_nominator:
        subject = sentence("Your nomination of {nominee} was withdrawn", nominee=nominee)
        body, whom = _why_withdrawn(because, title, nominee), {nominator.id: nominator}
        await tell(session, withdrawn, "nomination_withdrawn", whom, subject=subject, body=body, now=now)
    await wake(session, withdrawn, now=now)
    return withdrawn


def _why_withdrawn(because: str | None, category: str, nominee: str) -> Sentence:
    """Why it was withdrawn by somebody else than its nominator."""
    if because == NOMINEE_LEFT:
        return sentence("{category}: {nominee} has left.", category=category, nominee=nominee)
    if because == SAME_MEMBER:
        return sentence("{category}: nobody nominates themselves.", category=category)
    return sentence("{category}: an administrator has withdrawn it.", category=category)


async def close(session: AsyncSession, program_id: str, member_ids: Collection[str], *, now: datetime) -> None:
    """Of those who leave, whom the caller has locked: what would be given to them is withdrawn.

    What they have proposed goes on. What waits for them is looked at anew, so that somebody else is asked.
    """
    pending = select(nominations.c.id).where(
        nominations.c.program_id == program_id, nominations.c.state == NominationState.PENDING
    )
    asked = select(nomination_approvers.c.nomination_id).where(
        nomination_approvers.c.program_id == program_id,
        nomination_approvers.c.member_id.in_(member_ids),
        nomination_approvers.c.level == nominations.c.level,
    )
    theirs = or_(nominations.c.nominee_id.in_(member_ids), nominations.c.id.in_(asked))
    found = await session.execute(pending.where(theirs).order_by(nominations.c.id).limit(MAX_LEAVING))
    for nomination_id in found.scalars().all():
        nomination = await lock(session, program_id, nomination_id)
        if nomination.state is not NominationState.PENDING:
            continue
        if nomination.nominee_id in member_ids:
            await withdraw(session, nomination, now=now, because=NOMINEE_LEFT)
        else:
            await wake(session, nomination, now=now)
