"""Slack cards: what a notification is about as it stands now, read for the message that tells it or is edited."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from domain.cards import APPROVALS, AT_RISK, OFFERS, Approval, AtRisk, Card, Decided, Offer, Plain
from domain.celebrations import KINDS as CELEBRATIONS
from domain.members import Member
from domain.nominations import Approver, Because, Decision, Nomination, NominationState, due
from domain.notifications import CHALLENGE_SETTLED, CHALLENGE_STEPS, WEEKLY_DIGEST, Notification
from domain.recognitions import RECEIVED, TAKEN_BACK
from storage import (
    celebrations,
    challenge_steps,
    challenges,
    configurations,
    findings,
    grace,
    nominations,
    recognitions,
    rewards,
    settlements,
    weeks,
)

Reader = Callable[[AsyncSession, Notification, Member | None, datetime], Awaitable[Card | None]]


async def read(
    session: AsyncSession, told: Notification, member: Member | None, *, now: datetime, boards: Redis
) -> Card | None:
    """The card of what this member (None: the administrators) is told; None if there is nothing left to say."""
    if member is not None and told.kind == WEEKLY_DIGEST:
        return await weeks.read(session, told, member, now=now, boards=boards)
    if member is None and told.kind in CHALLENGE_STEPS:
        return await challenge_steps.read(session, told)
    reader = _READERS.get(told.kind) if member else None
    return await reader(session, told, member, now) if reader else Plain(*told.said)


# -- Nominations ---------------------------------------------------------------------------------------------------


async def _approval(session: AsyncSession, told: Notification, member: Member | None, now: datetime) -> Card:
    assert member is not None, "an approver is a member"
    nomination = await nominations.get(session, told.program_id, told.about)
    decisions = await nominations.list_decisions(session, nomination)
    level, asked = await _asked(session, nomination, told)
    involved = [
        nomination.nominator_id,
        nomination.nominee_id,
        asked.approver_id,
        *(one.decided_by for one in decisions if one.decided_by),
    ]
    people = await nominations.find_people(session, told.program_id, involved)
    category = await nominations.get_category(session, nomination)
    return Approval(
        kind=told.kind,
        nomination_id=nomination.id,
        category=category.title,
        nominator=people[nomination.nominator_id].name,
        nominee=people[nomination.nominee_id].name,
        reason=nomination.reason,
        evidence=nomination.evidence,
        amount=nomination.amount,
        state=nomination.state,
        is_open=nomination.state is NominationState.PENDING
        and nomination.level == level
        and not any(one.decided_by == member.id and one.level == level for one in decisions),
        waited=now - nomination.level_since,
        until=due(nomination, category.levels[nomination.level - 1]).expire_at,
        time_zone=member.time_zone,
        because=asked.because,
        in_place_of="" if asked.because is Because.NAMED else people[asked.approver_id].name,
        decided=[_decided(one, people) for one in decisions],
    )


async def _asked(session: AsyncSession, nomination: Nomination, told: Notification) -> tuple[int, Approver]:
    """The level on which this asks, and for whom."""
    _, level, member_id = told.reference.split("/")
    approvers = await nominations.list_approvers(session, nomination, int(level))
    return int(level), next(one for one in approvers if one.member_id == member_id and one.asked_at is not None)


def _decided(decision: Decision, people: Mapping[str, Member]) -> Decided:
    name = people[decision.decided_by].name if decision.decided_by else decision.actor
    return Decided(name, decision.verdict, decision.amount, decision.comment)


async def _given(session: AsyncSession, told: Notification, member: Member | None, now: datetime) -> Card:
    nomination = await nominations.get(session, told.program_id, told.about)
    return Plain(*told.said, nomination.event_id)


# -- Awards --------------------------------------------------------------------------------------------------------


async def _received(session: AsyncSession, told: Notification, member: Member | None, now: datetime) -> Card:
    """Thanks as long as they stand; a reaction that is there again is told as before, with its new event."""
    event_id = await _find_thanks(session, told)
    subject, body = told.said
    return Plain(subject, body, event_id) if event_id else Plain(subject, TAKEN_BACK, stands=False)


async def _find_thanks(session: AsyncSession, told: Notification) -> str | None:
    """The event of what stands of these thanks; None if they were taken back."""
    first = await recognitions.get(session, told.program_id, told.reference.partition("/")[2])
    given = await recognitions.list_under(session, told.program_id, first.key)
    return next((one.event_id for one in given if one.receiver_id == first.receiver_id and one.stands), None)


async def _achieved(session: AsyncSession, told: Notification, member: Member | None, now: datetime) -> Card:
    return Plain(*told.said, await findings.find_event(session, told))


async def _settled(session: AsyncSession, told: Notification, member: Member | None, now: datetime) -> Card:
    assert member is not None, "administrators read of the whole challenge"
    stored = await challenges.get(session, told.program_id, told.about)
    return Plain(*told.said, await settlements.find_prize(session, stored, member.id))


# -- Rewards and streaks -------------------------------------------------------------------------------------------


async def _offer(session: AsyncSession, told: Notification, member: Member | None, now: datetime) -> Card:
    assert member is not None, "an offer is a member's"
    given = await rewards.get(session, told.program_id, told.about)
    definition = await rewards.get_definition(session, given)
    return Offer(
        given.id,
        definition.title,
        given.state,
        given.expires_at,
        definition.price_points,
        member.time_zone,
        is_latest=datetime.fromisoformat(told.reference.partition("/")[2]) == given.offered_at,
    )


async def _at_risk(session: AsyncSession, told: Notification, member: Member | None, now: datetime) -> Card:
    assert member is not None, "a streak is a member's"
    window = await grace.get(session, told.program_id, told.about)
    policy = (await configurations.read_active(session, told.program_id)).streaks.get(window.policy)
    title = policy.title if policy and policy.title else window.policy
    return AtRisk(title, window.length, window.ends_at, window.state, member.time_zone)


async def _celebration(session: AsyncSession, told: Notification, member: Member | None, now: datetime) -> Card | None:
    assert member is not None, "a celebration is a member's"
    return await celebrations.read(session, told, member)


# By the kinds of notifications that tell an award: each says which event to ask about, if one did it.
AWARDS: Mapping[str, Reader] = {
    "nomination_given": _given,
    RECEIVED: _received,
    **dict.fromkeys(findings.AWARDS, _achieved),
    CHALLENGE_SETTLED: _settled,
    **dict.fromkeys(OFFERS, _offer),
    **dict.fromkeys(CELEBRATIONS, _celebration),
}
_READERS: Mapping[str, Reader] = {**AWARDS, **dict.fromkeys(APPROVALS, _approval), AT_RISK: _at_risk}
