"""What people do with nominations: propose one, decide on it, withdraw it. Each is one transaction.

The last approval records the event nomination.approved in the transaction that commits it, so that nothing is approved
and not given. Locks: the configuration, members, the nomination, then what intake takes. The event has a name that
nobody else can use, so that it may come after members here.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, time

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.configuration import Period
from domain.deciding import Person
from domain.members import MemberStatus
from domain.nominations import (
    Approver,
    Because,
    Decision,
    Nomination,
    NominationCategory,
    NominationEvent,
    NominationRefused,
    NominationState,
    Proposal,
    Refusal,
    Ruling,
    Verdict,
    accept,
    agreed,
    check_ruling,
    weigh,
)
from domain.sentences import sentence
from domain.time import period_on, zone
from storage import configurations, intake, nominations, people
from storage.hot_path import savepoint
from storage.ids import new_id
from storage.isolation import MAX_RACES, Overtaken
from storage.nomination_levels import obstacle
from storage.nomination_tables import nominations as table

# -- Proposing -----------------------------------------------------------------------------------------------------


async def nominate(session: AsyncSession, program_id: str, said: Proposal, *, now: datetime) -> Nomination:
    """A nomination that waits for its first level, whose workflow asks whoever approves.

    Raises NominationRefused with nothing written, LookupError for an unknown program.
    """
    configuration = await configurations.get_active(session, program_id)
    persons, into = await _lock(session, program_id, [said.nominator_id, said.nominee_id])
    nominator_id, nominee_id = [into.get(one, one) for one in (said.nominator_id, said.nominee_id)]
    _require_there(persons, nominator_id, nominee_id)
    category = configuration.nominations.get(said.category)
    amount = accept(category, said)
    assert category is not None, "what is accepted has a category"
    await _require_first(session, program_id, nominator_id, nominee_id, category.key)
    await _require_allowed(session, program_id, persons[nominator_id], category, now)
    nomination = Nomination(
        id=new_id("nom"),
        program_id=program_id,
        nominator_id=nominator_id,
        nominee_id=nominee_id,
        category=category.key,
        configuration=configuration.number,
        reason=said.reason.strip(),
        evidence=said.evidence,
        proposed_amount=amount,
        amount=amount,
        state=NominationState.PENDING,
        level=1,
        level_since=now,
        asked_at=None,
        reminded_at=None,
        escalated_at=None,
        event_id=None,
        closing=None,
        created_at=now,
        updated_at=now,
    )
    await nominations.insert(session, nomination)
    return nomination


def _require_there(persons: dict[str, Person], nominator_id: str, nominee_id: str) -> None:
    for one in (nominator_id, nominee_id):
        if one not in persons:
            raise NominationRefused(Refusal.MEMBER_NOT_FOUND, f"there is no member {one}")
        if persons[one].attributes["status"] == MemberStatus.LEFT:
            raise NominationRefused(Refusal.MEMBER_INACTIVE, f"{one} has left")
    if nominator_id == nominee_id:
        raise NominationRefused(Refusal.SELF_NOMINATION, "nobody nominates themselves")


async def _require_first(
    session: AsyncSession, program_id: str, nominator_id: str, nominee_id: str, category: str
) -> None:
    same = exists().where(
        table.c.program_id == program_id,
        table.c.nominator_id == nominator_id,
        table.c.nominee_id == nominee_id,
        table.c.category == category,
        table.c.state == NominationState.PENDING,
    )
    if await session.scalar(select(same)):
        raise NominationRefused(Refusal.NOMINATION_OPEN, "they are nominated already, and that waits for a decision")


async def _require_allowed(
    session: AsyncSession, program_id: str, nominator: Person, category: NominationCategory, now: datetime
) -> None:
    """Those that were withdrawn do not count."""
    if category.limit is None:
        return
    first = period_on(Period(category.limit.per), now, nominator.time_zone)
    since = datetime.combine(first, time.min, zone(nominator.time_zone)).astimezone(UTC)
    made = select(func.count()).where(
        table.c.program_id == program_id,
        table.c.nominator_id == nominator.id,
        table.c.category == category.key,
        table.c.created_at >= since,
        table.c.state != NominationState.WITHDRAWN,
    )
    if int(await session.scalar(made) or 0) >= category.limit.times:
        most = f"{category.limit.times} in a {category.limit.per} are the most by one member"
        raise NominationRefused(Refusal.LIMIT_REACHED, f"{category.title}: {most}")


async def _lock(
    session: AsyncSession, program_id: str, member_ids: Sequence[str]
) -> tuple[dict[str, Person], dict[str, str]]:
    for _ in range(MAX_RACES):
        with suppress(Overtaken):
            async with savepoint(session):
                return await people.follow(session, program_id, member_ids)
    raise Overtaken


# -- Deciding ------------------------------------------------------------------------------------------------------


async def decide(
    session: AsyncSession, program_id: str, nomination_id: str, said: Ruling, *, now: datetime
) -> Nomination:
    """The nomination after one decision on its level; the first that is committed for an approver stands.

    Raises NominationRefused with nothing written, LookupError.
    """
    await configurations.get_active(session, program_id)  # its lock comes before all others
    seen = await nominations.get(session, program_id, nomination_id)
    await _lock(session, program_id, [seen.nominee_id])
    nomination = await nominations.lock(session, program_id, nomination_id)
    category = await nominations.get_category(session, nomination)
    await _require_open(session, nomination)
    check_ruling(category, said)
    made = await nominations.list_decisions(session, nomination, nomination.level)
    approvers = await nominations.list_approvers(session, nomination, nomination.level)
    decision = Decision(
        n=await nominations.count_decisions(session, nomination) + 1,
        level=nomination.level,
        approver_id=await _find_decided_for(session, nomination, approvers, made, said),
        decided_by=said.member_id,
        actor=said.actor,
        verdict=said.verdict,
        amount=_approved(nomination, said),
        comment=said.comment.strip(),
        decided_at=now,
    )
    await nominations.add_decision(session, nomination, decision)
    named = sum(one.because is Because.NAMED for one in approvers)
    verdict = weigh(category.levels[nomination.level - 1], named, [*made, decision])
    if verdict is Verdict.DECLINED:
        return await _decline(session, nomination, category, decision.comment, now)
    if verdict is Verdict.APPROVED:
        return await _approve(session, nomination, category, agreed([*made, decision]), now)
    return nomination


def _approved(nomination: Nomination, said: Ruling) -> int | None:
    if said.verdict is Verdict.DECLINED:
        return None
    return nomination.amount if said.amount is None else said.amount


async def _require_open(session: AsyncSession, nomination: Nomination) -> None:
    if nomination.state is not NominationState.PENDING:
        raise NominationRefused(Refusal.NOT_PENDING, f"the nomination is {nomination.state}")
    parties = await nominations.find_people(
        session, nomination.program_id, [nomination.nominator_id, nomination.nominee_id]
    )
    if because := obstacle(nomination, parties):
        raise NominationRefused(Refusal.NOT_PENDING, f"the nomination will be withdrawn: {because}")


async def _find_decided_for(
    session: AsyncSession, nomination: Nomination, approvers: Sequence[Approver], made: Sequence[Decision], said: Ruling
) -> str | None:
    """For which approver of the level the member decides; None for an administrator."""
    if said.member_id is None:
        return None
    involved = {nomination.nominator_id, nomination.nominee_id, said.member_id}
    known = await nominations.find_people(
        session, nomination.program_id, [*involved, *(one.member_id for one in approvers)]
    )
    member = known.get(said.member_id)
    parties = {known[one].id for one in (nomination.nominator_id, nomination.nominee_id)}
    theirs = [one for one in approvers if member is not None and known[one.member_id].id == member.id]
    if member is None or member.status is MemberStatus.LEFT or member.id in parties or not theirs:
        raise NominationRefused(Refusal.NOT_APPROVER, "the decision is not theirs")
    done = {one.approver_id: one for one in made}
    if waiting := [one for one in theirs if one.approver_id not in done]:
        return waiting[0].approver_id
    earlier = done[theirs[0].approver_id]
    whose = "they have" if earlier.decided_by == said.member_id else "somebody else has, in the same place,"
    raise NominationRefused(Refusal.ALREADY_DECIDED, f"{whose} {earlier.verdict} it already")


async def _approve(
    session: AsyncSession, nomination: Nomination, category: NominationCategory, amount: int, now: datetime
) -> Nomination:
    """The next level begins; after the last one the event is recorded, and rules make of it what they do."""
    level = category.level_after(nomination.level, amount)
    if level is not None:
        begun = {"level": level, "level_since": now, "asked_at": None, "reminded_at": None, "escalated_at": None}
        moved = await nominations.move(session, nomination, NominationEvent.RAISE, now=now, amount=amount, **begun)
    else:
        event_id = await _record(session, nomination, amount, now)
        event = {"event_id": event_id, "amount": amount}
        moved = await nominations.move(session, nomination, NominationEvent.APPROVE, now=now, **event)
    await nominations.wake(session, moved, now=now)
    return moved


async def _record(session: AsyncSession, nomination: Nomination, amount: int, now: datetime) -> str:
    """The id of the event by which the nominee is given something."""
    data = {
        "nomination": nomination.id,
        "category": nomination.category,
        "amount": amount,
        "nominator": nomination.nominator_id,
    }
    fact = derived.event(derived.NOMINATION_APPROVED, nomination.id, nomination.nominee_id, now, data)
    (outcome,) = await intake.record(session, nomination.program_id, [fact], derived.POLICY, as_of=now)
    assert outcome.event_id is not None, f"Laurel's own event is taken: {outcome.detail}"
    return outcome.event_id


async def _decline(
    session: AsyncSession, nomination: Nomination, category: NominationCategory, comment: str, now: datetime
) -> Nomination:
    declined = await nominations.move(session, nomination, NominationEvent.DECLINE, now=now, closing=comment)
    parties = await nominations.find_people(
        session, nomination.program_id, [nomination.nominator_id, nomination.nominee_id]
    )
    subject = sentence("Your nomination of {nominee} was declined", nominee=parties[nomination.nominee_id].name)
    body = sentence("{category}: {comment}", category=category.title, comment=comment)
    await nominations.tell(
        session, declined, "nomination_declined", {"": parties[nomination.nominator_id]},
        subject=subject, body=body, now=now,
    )  # fmt: skip
    await nominations.wake(session, declined, now=now)
    return declined


# -- Withdrawing ---------------------------------------------------------------------------------------------------


async def withdraw(
    session: AsyncSession, program_id: str, nomination_id: str, *, member_id: str | None, now: datetime
) -> Nomination:
    """Its nominator (None: an administrator) takes it back while it waits. Raises NominationRefused, LookupError."""
    nomination = await nominations.lock(session, program_id, nomination_id)
    if member_id is not None:
        known = await nominations.find_people(session, program_id, [member_id, nomination.nominator_id])
        if member_id not in known or known[member_id].id != known[nomination.nominator_id].id:
            raise NominationRefused(Refusal.NOT_NOMINATOR, "somebody else has nominated")
    if nomination.state is not NominationState.PENDING:
        raise NominationRefused(Refusal.NOT_PENDING, f"the nomination is {nomination.state}")
    return await nominations.withdraw(session, nomination, by_nominator=member_id is not None, now=now)
