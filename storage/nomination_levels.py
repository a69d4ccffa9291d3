"""The levels of a nomination as time passes: who is asked, reminded, asked as well, until it expires or is given.

Each step locks the nomination, does what is due of it once, and says nothing twice; whoever calls again changes
nothing. Approvers are found when their level begins; who stands in for whom is looked at anew each time, because people
go on leave, come back and leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.absences import AbsenceState
from domain.expressions import ExpressionError, context, evaluate
from domain.intake import DECIDED
from domain.members import Member, MemberStatus, attributes
from domain.nominations import (
    MAX_APPROVERS,
    MAX_STEPS,
    NOMINEE_LEFT,
    SAME_MEMBER,
    Approver,
    Because,
    Candidate,
    Chain,
    Decision,
    Level,
    Nomination,
    NominationCategory,
    NominationEvent,
    NominationState,
    Verdict,
    due,
    needed,
    stand_in,
)
from domain.sentences import Sentence, alone, lines, points, sentence
from domain.time import zone
from storage import members, nominations
from storage.game_tables import absences
from storage.tables import events
from storage.tables import members as members_table

People = dict[str, Member]


@dataclass(frozen=True, slots=True)
class _Asking:
    """What one look at a level works with: who has a part in the nomination, and who decides on the level so far."""

    nomination: Nomination
    category: NominationCategory
    people: People  # nominator and nominee, by the ids of the row
    approvers: Sequence[Approver]
    now: datetime

    @property
    def level(self) -> Level:
        return self.category.levels[self.nomination.level - 1]

    @property
    def parties(self) -> set[str]:
        """Whom the nomination is by and for: they decide nothing of it."""
        return {one.id for one in self.people.values()}

    @property
    def title(self) -> Sentence:
        who = (self.nomination.nominator_id, self.nomination.nominee_id)
        nominator, nominee = (self.people[one].name for one in who)
        category = self.category.title
        return sentence(
            "{nominator} nominates {nominee}: {category}", nominator=nominator, nominee=nominee, category=category
        )

    @property
    def text(self) -> Sentence:
        parts = [alone(self.nomination.reason), sentence("Proposed: {points}.", points=points(self.nomination.amount))]
        if self.nomination.evidence:
            parts.append(sentence("Evidence: {link}", link=self.nomination.evidence))
        return lines(*parts)


async def _open(session: AsyncSession, nomination: Nomination, now: datetime) -> _Asking:
    people = await nominations.find_people(
        session, nomination.program_id, [nomination.nominator_id, nomination.nominee_id]
    )
    approvers = await nominations.list_approvers(session, nomination, nomination.level)
    return _Asking(nomination, await nominations.get_category(session, nomination), people, approvers, now)


def obstacle(nomination: Nomination, people: People) -> str | None:
    """Why nobody can be given anything by it any more, by people as they are today."""
    nominee = people[nomination.nominee_id]
    if nominee.status is MemberStatus.LEFT:
        return NOMINEE_LEFT
    return SAME_MEMBER if nominee.id == people[nomination.nominator_id].id else None


# -- Asking --------------------------------------------------------------------------------------------------------


async def ask(session: AsyncSession, program_id: str, nomination_id: str, *, now: datetime) -> Nomination:
    """Whoever is to decide on the level has been asked, or who stands in; administrators know if nobody can be found.

    A nomination that can give nothing to anybody any more is withdrawn.
    """
    seen = await nominations.get(session, program_id, nomination_id)
    named = await _find_named(session, await _open(session, seen, now)) if _is_pending(seen) else []
    nomination = await nominations.lock(session, program_id, nomination_id)
    if not _is_pending(nomination) or nomination.level != seen.level:
        return nomination
    asking = await _open(session, nomination, now)
    if because := obstacle(nomination, asking.people):
        return await nominations.withdraw(session, nomination, now=now, because=because)
    asking = replace(asking, approvers=asking.approvers or [_named(asking, one) for one in named])
    found = await _fill(session, asking)
    await nominations.add_approvers(session, nomination, found)
    await _tell_asked(session, asking, [one.member_id for one in found if one.asked_at is not None])
    if nomination.asked_at is None:
        nomination = await nominations.note(session, nomination, asked_at=now)
    return nomination


def _is_pending(nomination: Nomination) -> bool:
    return nomination.state is NominationState.PENDING


def _named(asking: _Asking, member_id: str) -> Approver:
    return Approver(asking.nomination.level, member_id, member_id, Because.NAMED, None)


async def _fill(session: AsyncSession, asking: _Asking) -> list[Approver]:
    """Approvers to be kept: whom the level names, asked if they can decide; and who stands in, if those are too few."""
    named = [one for one in asking.approvers if one.because is Because.NAMED]
    decided = {one.approver_id: one.verdict for one in await _list_decisions(session, asking)}
    there = sum(verdict is Verdict.APPROVED for verdict in decided.values())
    found: list[Approver] = []
    hindered: list[Approver] = []
    for one in named:
        if one.approver_id in decided:
            continue
        is_held = await _is_held(session, asking, one)
        can_decide = not is_held and (await _candidate(session, asking, one.member_id)).can_decide
        there += is_held or can_decide
        if not is_held:
            found.append(replace(one, asked_at=asking.now) if can_decide else one)
        if not is_held and not can_decide:
            hindered.append(one)
    least = needed(asking.level, len(named))
    for one in hindered:
        if there < least and (chosen := await _stand_in(session, asking, one, found)) is not None:
            found.append(chosen)
            there += 1
    if there < least:
        await _tell_administrators(session, asking)
    return found


async def _is_held(session: AsyncSession, asking: _Asking, named: Approver) -> bool:
    """Whether anybody who was asked for this approver, themselves included, can decide now."""
    holders = [one for one in asking.approvers if one.approver_id == named.approver_id and one.asked_at is not None]
    return any([(await _candidate(session, asking, one.member_id)).can_decide for one in holders])


async def _stand_in(
    session: AsyncSession, asking: _Asking, named: Approver, found: Sequence[Approver]
) -> Approver | None:
    hindered, *above = await _chain(session, asking, named.member_id)
    taken = {one.member_id for one in (*asking.approvers, *found) if one.asked_at is not None}
    chosen = stand_in(above, taken)
    if chosen is None:
        return None
    return replace(named, member_id=chosen, because=hindered.hindrance, asked_at=asking.now)


async def _chain(session: AsyncSession, asking: _Asking, member_id: str) -> list[Candidate]:
    """The member and the managers above, nearest first, as they are today."""
    program_id, chain, seen = asking.nomination.program_id, list[Candidate](), set[str]()
    above: str | None = member_id
    while above is not None and len(chain) <= MAX_STEPS:
        member = (await nominations.find_people(session, program_id, [above])).get(above)
        if member is None or member.id in seen:
            break
        chain.append(await _as_candidate(session, asking, member))
        seen.add(member.id)
        above = member.manager_id
    return chain


async def _candidate(session: AsyncSession, asking: _Asking, member_id: str) -> Candidate:
    people = await nominations.find_people(session, asking.nomination.program_id, [member_id])
    return await _as_candidate(session, asking, people[member_id])


async def _as_candidate(session: AsyncSession, asking: _Asking, member: Member) -> Candidate:
    is_away = await _is_away(session, member, asking.now)
    return Candidate(member.id, member.id in asking.parties, member.status is MemberStatus.LEFT, is_away)


async def _is_away(session: AsyncSession, member: Member, now: datetime) -> bool:
    """Whether the member is on leave, or absent on the day that it is where they are."""
    if member.status is MemberStatus.ON_LEAVE:
        return True
    today = now.astimezone(zone(member.time_zone)).date()
    standing = exists().where(
        absences.c.program_id == member.program_id,
        absences.c.member_id == member.id,
        absences.c.state == AbsenceState.STANDING,
        absences.c.starts_on <= today,
        absences.c.ends_on >= today,
    )
    return bool(await session.scalar(select(standing)))


# -- Whom a level names --------------------------------------------------------------------------------------------


async def _find_named(session: AsyncSession, asking: _Asking) -> list[str]:
    """The ids of the members whom the level names, MAX_APPROVERS at most; none if it was found out before."""
    if asking.approvers:
        return []
    if asking.level.approver is not None:
        return await _above(session, asking, 2 if asking.level.approver is Chain.MANAGER_OF_MANAGER else 1)
    if asking.level.members:
        own = members_table.c.program_id == asking.nomination.program_id
        named = members_table.c.external_id.in_(asking.level.members)
        return list((await session.execute(select(members_table.c.id).where(own, named))).scalars())
    return await _in_audience(session, asking)


async def _above(session: AsyncSession, asking: _Asking, steps: int) -> list[str]:
    """Who is so many steps above the nominee; nobody, if there are fewer."""
    chain = await _chain(session, asking, asking.nomination.nominee_id)
    return [one.member_id for one in chain[steps : steps + 1]]


async def _in_audience(session: AsyncSession, asking: _Asking) -> list[str]:
    """Members who are there and have no part in the nomination, by their ids."""
    found: list[str] = []
    after = ""
    while len(found) < MAX_APPROVERS:
        page = await members.list_page(session, asking.nomination.program_id, members.MAX_PAGE, after)
        found += [one.id for one in page if _is_meant(one, asking)]
        if len(page) < members.MAX_PAGE:
            break
        after = page[-1].id
    return found[:MAX_APPROVERS]


def _is_meant(member: Member, asking: _Asking) -> bool:
    if member.merged_into is not None or member.status is MemberStatus.LEFT or member.id in asking.parties:
        return False
    try:
        return evaluate(asking.level.audience or "", context({}, attributes(member), {})) is True
    except ExpressionError:
        return False


# -- What time does ------------------------------------------------------------------------------------------------


async def remind(session: AsyncSession, program_id: str, nomination_id: str, *, now: datetime) -> Nomination:
    """Whoever was asked and has not decided was reminded once, if that is due."""
    nomination = await nominations.lock(session, program_id, nomination_id)
    asking = await _open(session, nomination, now)
    remind_at = due(nomination, asking.level).remind_at
    if not _is_pending(nomination) or remind_at is None or remind_at > now:
        return nomination
    waiting = [one.member_id for one in await _list_waiting(session, asking)]
    people = await nominations.find_people(session, program_id, waiting)
    whom = {f"{nomination.level}/{one}": people[one] for one in waiting}
    subject = sentence("Still to decide: {what}", what=asking.title)
    await nominations.tell(session, nomination, "nomination_reminder", whom, subject=subject, body=asking.text, now=now)
    return await nominations.note(session, nomination, reminded_at=now)


async def escalate(session: AsyncSession, program_id: str, nomination_id: str, *, now: datetime) -> Nomination:
    """The managers of those who have not decided were asked as well, if that is due; who was asked may still decide."""
    nomination = await nominations.lock(session, program_id, nomination_id)
    asking = await _open(session, nomination, now)
    escalate_at = due(nomination, asking.level).escalate_at
    if not _is_pending(nomination) or escalate_at is None or escalate_at > now:
        return nomination
    found: list[Approver] = []
    for approver_id in dict.fromkeys(one.approver_id for one in await _list_waiting(session, asking)):
        above = (await _chain(session, asking, approver_id))[1:]
        taken = {one.member_id for one in (*asking.approvers, *found) if one.asked_at is not None}
        if (chosen := stand_in(above, taken)) is not None:
            found.append(Approver(nomination.level, approver_id, chosen, Because.ESCALATION, now))
    await nominations.add_approvers(session, nomination, found)
    people = await nominations.find_people(session, program_id, [one.member_id for one in found])
    whom: dict[str, Member | None] = {f"{nomination.level}/{one}": member for one, member in people.items()}
    subject = sentence("Not decided yet, and now asked of you: {what}", what=asking.title)
    await nominations.tell(
        session, nomination, "nomination_escalated", whom or {f"{nomination.level}": None},
        subject=subject, body=asking.text, now=now,
    )  # fmt: skip
    return await nominations.note(session, nomination, escalated_at=now)


async def expire(session: AsyncSession, program_id: str, nomination_id: str, *, now: datetime) -> Nomination:
    """A nomination on whose level nobody has decided in time expired, and its nominator was told."""
    nomination = await nominations.lock(session, program_id, nomination_id)
    asking = await _open(session, nomination, now)
    if not _is_pending(nomination) or due(nomination, asking.level).expire_at > now:
        return nomination
    nominator = asking.people[nomination.nominator_id]
    nominee = asking.people[nomination.nominee_id]
    subject = sentence("Your nomination of {nominee} has expired", nominee=nominee.name)
    body = sentence("{category}: nobody has decided in time. You may nominate again.", category=asking.category.title)
    await nominations.tell(
        session, nomination, "nomination_expired", {"": nominator}, subject=subject, body=body, now=now
    )
    return await nominations.move(session, nomination, NominationEvent.EXPIRE, now=now)


async def give(session: AsyncSession, program_id: str, nomination_id: str, *, now: datetime) -> Nomination:
    """Once its event is decided, nominator and nominee know of an approved nomination; until then administrators do."""
    nomination = await nominations.lock(session, program_id, nomination_id)
    if nomination.state is not NominationState.APPROVED:
        return nomination
    asking = await _open(session, nomination, now)
    own = events.c.program_id == program_id, events.c.id == nomination.event_id
    if await session.scalar(select(events.c.state).where(*own)) != DECIDED:
        subject = sentence("Approved, and not given: {category}", category=asking.category.title)
        body = sentence("Event {id} could not be decided: decide it again.", id=nomination.event_id or "")
        await nominations.tell(
            session, nomination, "nomination_not_given", {"": None}, subject=subject, body=body, now=now
        )
        return nomination
    await _tell_given(session, asking)
    return await nominations.move(session, nomination, NominationEvent.GIVE, now=now)


# -- What people are told ------------------------------------------------------------------------------------------


async def _list_waiting(session: AsyncSession, asking: _Asking) -> list[Approver]:
    """Whoever was asked on the level and for whom, or in whose place, nobody has decided."""
    decided = {one.approver_id for one in await _list_decisions(session, asking)}
    return [one for one in asking.approvers if one.asked_at is not None and one.approver_id not in decided]


async def _list_decisions(session: AsyncSession, asking: _Asking) -> list[Decision]:
    return await nominations.list_decisions(session, asking.nomination, asking.nomination.level)


async def _tell_asked(session: AsyncSession, asking: _Asking, member_ids: Sequence[str]) -> None:
    people = await nominations.find_people(session, asking.nomination.program_id, member_ids)
    whom = {f"{asking.nomination.level}/{one}": member for one, member in people.items()}
    await nominations.tell(
        session, asking.nomination, "nomination_to_approve", whom,
        subject=asking.title, body=asking.text, now=asking.now,
    )  # fmt: skip


async def _tell_administrators(session: AsyncSession, asking: _Asking) -> None:
    subject = sentence("Nobody can decide on a nomination: {category}", category=asking.category.title)
    body = sentence(
        "Level {level} of {id} finds too few who may approve: see to a manager, or decide it as an administrator.",
        level=asking.nomination.level,
        id=asking.nomination.id,
    )
    await nominations.tell(
        session, asking.nomination, "nomination_stuck", {f"{asking.nomination.level}": None},
        subject=subject, body=body, now=asking.now,
    )  # fmt: skip


async def _tell_given(session: AsyncSession, asking: _Asking) -> None:
    """The nominee learns by whom and what for; the nominator that it was approved."""
    nomination, category = asking.nomination, asking.category
    nominator, nominee = asking.people[nomination.nominator_id], asking.people[nomination.nominee_id]
    given = sentence("{name} nominated you: {category}", name=nominator.name, category=category.title)
    approved = sentence("Your nomination of {nominee} was approved", nominee=nominee.name)
    amount = sentence("{category}: {amount}.", category=category.title, amount=points(nomination.amount))
    await nominations.tell(
        session, nomination, "nomination_given", {"": nominee},
        subject=given, body=alone(nomination.reason), now=asking.now,
    )  # fmt: skip
    await nominations.tell(
        session, nomination, "nomination_approved", {"": nominator}, subject=approved, body=amount, now=asking.now
    )
