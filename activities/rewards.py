"""The steps of a reward: ordered for its member, or offered until the member has chosen or the offer has expired."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from connectors.vendors import REQUEST_BODIES
from domain.configuration import Reward
from domain.orders import OrderRefused, Refusal
from domain.rewards import PASSING, GivenReward, RewardEvent, RewardState, items_of, main_reason, remind_at
from domain.sentences import Sentence, sentence
from domain.time import Clock
from storage import configurations, notifications, rewards
from storage.database import Database

SYSTEM = "system"  # the actor of an automatic reward's order


@dataclass(frozen=True, slots=True)
class RewardAt:
    """Which reward, and the workflow's time."""

    program_id: str
    reward_id: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class RewardStatus:
    """How the reward stands: all that its workflow decides from. `since` is when that began."""

    state: RewardState
    reason: str | None
    title: str
    automatic: bool
    since: datetime
    remind_at: datetime | None
    expires_at: datetime | None


def status(given: GivenReward, definition: Reward) -> RewardStatus:
    """The reward as its workflow sees it."""
    return RewardStatus(
        state=given.state,
        reason=given.reason,
        title=definition.title,
        automatic=definition.automatic,
        since=given.updated_at,
        remind_at=remind_at(definition, given.expires_at) if given.expires_at else None,
        expires_at=given.expires_at,
    )


class RewardActivities:
    """Holds what the steps need; the clock is the process's, business time comes from the workflow."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @activity.defn
    async def read_reward(self, at: RewardAt) -> RewardStatus:
        """How the reward stands."""
        async with self._database.begin() as session:
            given = await rewards.get(session, at.program_id, at.reward_id)
            return status(given, await rewards.get_definition(session, given))

    @activity.defn
    async def order_reward(self, at: RewardAt) -> RewardStatus:
        """It is ordered as the first item that the member can have.

        Where none can be, the member is asked to choose; where that may pass, it stays and administrators are told.
        """
        async with self._database.begin() as session:
            given = await rewards.lock(session, at.program_id, at.reward_id)
            definition = await rewards.get_definition(session, given)
            if given.state is RewardState.UNLOCKED:
                given = await self._order(session, given, definition, self._now(at))
            return status(given, definition)

    async def _order(self, session: AsyncSession, given: GivenReward, definition: Reward, now: datetime) -> GivenReward:
        configuration = await configurations.read_active(session, given.program_id)
        refusals = []
        for item in items_of(definition, configuration.catalog):
            try:
                await rewards.order(
                    session, given, definition, item=item.key, request_bodies=REQUEST_BODIES, actor=SYSTEM, now=now
                )
            except OrderRefused as refused:
                refusals.append(refused.code)
            else:
                return await rewards.get(session, given.program_id, given.id)
        return await self._postpone(session, given, definition, refusals, now)

    async def _postpone(
        self, session: AsyncSession, given: GivenReward, definition: Reward, refusals: Sequence[Refusal], now: datetime
    ) -> GivenReward:
        """It stays where what stood in the way may pass, else it is offered; `refusals` has one for each item."""
        reason = main_reason(refusals)
        await _tell_administrators(session, given, definition, reason, now)
        return given if reason in PASSING else await _offer(session, given, definition, now, reason)

    @activity.defn
    async def offer_reward(self, at: RewardAt) -> RewardStatus:
        """The member is asked to choose."""
        async with self._database.begin() as session:
            given = await rewards.lock(session, at.program_id, at.reward_id)
            definition = await rewards.get_definition(session, given)
            if given.state is RewardState.UNLOCKED:
                given = await _offer(session, given, definition, self._now(at))
            return status(given, definition)

    @activity.defn
    async def remind_of_reward(self, at: RewardAt) -> RewardStatus:
        """The member is told once more, if the offer still waits."""
        async with self._database.begin() as session:
            given = await rewards.lock(session, at.program_id, at.reward_id)
            definition = await rewards.get_definition(session, given)
            if given.state is RewardState.OFFERED:
                subject = sentence("{title} waits for you", title=definition.title)
                body = sentence("Choose before {day}, or it expires.", day=_day(given))
                await _tell_member(session, given, "reward_reminder", subject, body, at.as_of)
            return status(given, definition)

    @activity.defn
    async def expire_reward(self, at: RewardAt) -> RewardStatus:
        """An offer whose time is up expires."""
        async with self._database.begin() as session:
            given = await rewards.lock(session, at.program_id, at.reward_id)
            definition = await rewards.get_definition(session, given)
            now = self._now(at)
            if given.state is RewardState.OFFERED and given.expires_at is not None and given.expires_at <= now:
                given = await rewards.move(session, given, RewardEvent.EXPIRE, now=now)
                subject = sentence("{title} has expired", title=definition.title)
                body = sentence("Nothing was chosen in time.")
                await _tell_member(session, given, "reward_expired", subject, body, now)
            return status(given, definition)

    def _now(self, at: RewardAt) -> datetime:
        """The book's time: never before the workflow's, never before the process's."""
        return max(at.as_of, self._clock())


async def _offer(
    session: AsyncSession, given: GivenReward, definition: Reward, now: datetime, reason: str | None = None
) -> GivenReward:
    offered = await rewards.offer(session, given, definition, now=now, reason=reason)
    subject = sentence("{title}: your choice", title=definition.title)
    body = sentence("Choose what you would like before {day}.", day=_day(offered))
    await _tell_member(session, offered, "reward_offered", subject, body, now)
    return offered


def _day(given: GivenReward) -> date:
    assert given.expires_at is not None, "only an offer has a last day"
    return given.expires_at.date()


async def _tell_member(
    session: AsyncSession, given: GivenReward, kind: str, subject: Sentence, body: Sentence, now: datetime
) -> None:
    """Tell the member, once per offer."""
    await notifications.tell(
        session,
        given.program_id,
        member_id=given.member_id,
        kind=kind,
        subject=subject,
        body=body,
        reference=f"{given.id}/{given.offered_at.isoformat() if given.offered_at else ''}",
        now=now,
    )


async def _tell_administrators(
    session: AsyncSession, given: GivenReward, definition: Reward, reason: str, now: datetime
) -> None:
    """Tell the program's administrators, once per reward and reason."""
    await notifications.tell(
        session,
        given.program_id,
        member_id=None,
        kind="reward_not_ordered",
        subject=sentence("{title} could not be ordered", title=definition.title),
        body=sentence("Reward {id} of {member}: {reason}.", id=given.id, member=given.member_id, reason=reason),
        reference=f"{given.id}/{reason}",
        now=now,
    )
