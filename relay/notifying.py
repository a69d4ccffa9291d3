"""The lane "notify": a notification becomes a message where its member is in Slack, when they want it, else a line.

Everything that is decided of one member is decided one after the other, in a transaction that ends with the message's
row, so that a day's limit holds and the same is told once. What waits is passed on by a loop when it is due.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from connectors import console
from connectors.slack import cards
from connectors.slack.texts import Texts
from domain.cards import is_over
from domain.celebrations import KINDS as CELEBRATIONS
from domain.celebrations import Occasion
from domain.dispatches import Dispatch, DispatchState, Place, message_key, turn_of
from domain.members import Member
from domain.notifications import CHALLENGE_OPENED, CHALLENGE_STEPS, Notification, NotificationPolicy, policy_of
from domain.outbox import ClaimedRow, Kind
from domain.preferences import (
    At,
    Gathered,
    Never,
    Now,
    Quiet,
    Topic,
    When,
    Wishes,
    day_began,
    hour_of,
    next_digest,
    topic_of,
    when,
)
from domain.recognitions import RECEIVED
from domain.slack import THREAD_OF, MessageKind, Outgoing
from domain.time import Clock
from relay.outages import is_outage
from relay.slack import announcements, nominators
from storage import (
    configurations,
    dispatches,
    members,
    notifications,
    orders,
    preferences,
    slack_cards,
    slack_homes,
    slack_messages,
    slack_users,
)
from storage.database import Database

PASS_SECONDS = 10.0
AT_ANY_HOUR = Quiet(time(), time(), frozenset())

log = structlog.get_logger()


class NotifyLane:
    """Acts on the rows of the lane "notify", and passes on what is due; any number may run."""

    def __init__(self, database: Database, redis: Redis, *, clock: Clock) -> None:
        self._database = database
        self._redis = redis
        self._clock = clock
        acts: Mapping[str, Callable[[ClaimedRow], Awaitable[None]]] = {
            Kind.NOTIFICATION: self._tell,
            Kind.RETELL: self._retell,
            Kind.GATHERED: self._tell_gathered,
            Kind.CONFIRMATION: self._say_ended,
        }
        self._acts = acts

    async def __call__(self, row: ClaimedRow) -> None:
        await self._acts[row.kind](row)

    async def run(self) -> None:
        """Pass on what is due until cancelled; while the database is away, try again at the next pass."""
        while True:
            try:
                await self.pass_due()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.info("due notifications not passed on", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(PASS_SECONDS)

    async def pass_due(self) -> int:
        """Whatever waited and is due now, page by page; how much."""
        done = 0
        while True:
            async with self._database.begin() as session:
                page = await dispatches.pass_due(session, now=self._clock())
            done += page
            if page < dispatches.PAGE:
                return done

    async def _tell(self, row: ClaimedRow) -> None:
        async with self._database.begin() as session:
            told = await notifications.get(session, row.program_id, row.payload["notification_id"])
            in_slack = await _dispatch(session, told, self._clock(), self._redis)
            await _show_home(session, told, self._clock())
        if not in_slack:
            console.tell(told)

    async def _retell(self, row: ClaimedRow) -> None:
        async with self._database.begin() as session:
            told = await notifications.get(session, row.program_id, row.payload["notification_id"])
            # Conversations are locked in their order: channels, people, Homes.
            if told.kind == RECEIVED:
                await announcements.edit(session, told, row.id, now=self._clock())
            await _tell_anew(session, told, f"{message_key(told.id)}/{row.id}", self._clock(), self._redis)
            await _show_home(session, told, self._clock())

    async def _tell_gathered(self, row: ClaimedRow) -> None:
        async with self._database.begin() as session:
            await _dispatch_gathered(session, row.program_id, row.payload["member_id"], self._clock(), self._redis)

    async def _say_ended(self, row: ClaimedRow) -> None:
        async with self._database.begin() as session:
            ended = await nominators.say_ended(session, row.program_id, row.payload["nomination_id"])
            await slack_messages.send(session, row.program_id, ended, now=self._clock())


# -- One notification ----------------------------------------------------------------------------------------------


async def _dispatch(session: AsyncSession, told: Notification, now: datetime, boards: Redis) -> bool:
    """Have it told, let it wait, or withhold it; False if there is nowhere to tell it."""
    await dispatches.take_turn(session, turn_of(told))
    known = await dispatches.find(session, told.program_id, told.id)
    if known is not None and known.state is not DispatchState.WAITING:
        return True
    return await _decide(session, told, now, boards)


async def _decide(session: AsyncSession, told: Notification, now: datetime, boards: Redis) -> bool:
    """What becomes of what was not told yet, in turn; False if there is nowhere to tell it."""
    policy = policy_of(await configurations.read_active(session, told.program_id))
    member = await members.get(session, told.program_id, told.member_id) if told.member_id else None
    place = await _find_place(session, told, policy)
    if place is None:
        return False
    card = await slack_cards.read(session, told, member, now=now, boards=boards)
    match Never() if is_over(card) else await _when(session, told, member, policy, now):
        case Never():
            await _put(session, told, DispatchState.WITHHELD)
        case At(instant):
            await _put(session, told, DispatchState.WAITING, due_at=instant)
        case Gathered(instant):
            await _put(session, told, DispatchState.GATHERED, due_at=instant)
        case Now():
            assert card is not None, "who has nothing to say says it never"
            await _put(session, told, DispatchState.TOLD, place=place, told_at=now)
            content = cards.render(card, _texts(place)) | await _thread(session, told)
            await _say(session, told.program_id, message_key(told.id), place, content, now)
    return True


async def _thread(session: AsyncSession, told: Notification) -> dict[str, str]:
    """How a challenge goes on is a reply to the post in which it began."""
    if told.member_id is not None or told.kind not in CHALLENGE_STEPS or told.kind == CHALLENGE_OPENED:
        return {}
    opening = await notifications.find(session, told.program_id, CHALLENGE_OPENED, told.reference)
    return {THREAD_OF: message_key(opening)} if opening else {}


async def _show_home(session: AsyncSession, told: Notification, now: datetime) -> None:
    """What the member is told of may be in their Home, whether or not they want to be told."""
    if told.member_id is not None:
        homes = await slack_homes.find_all(session, told.program_id, [told.member_id])
        await slack_messages.send(session, told.program_id, homes, now=now)


def _texts(place: Place) -> Texts:
    return Texts.of(place.locale)


async def _say(
    session: AsyncSession, program_id: str, key: str, place: Place, content: Mapping[str, Any], now: datetime
) -> None:
    said = Outgoing(key, place.connection_id, place.conversation, content)
    await slack_messages.send(session, program_id, [said], now=now)


async def _put(
    session: AsyncSession,
    told: Notification,
    state: DispatchState,
    *,
    due_at: datetime | None = None,
    place: Place | None = None,
    told_at: datetime | None = None,
) -> None:
    found = Dispatch(told.id, told.member_id, state, due_at, place, told_at)
    await dispatches.put(session, told.program_id, found)


async def _find_place(session: AsyncSession, told: Notification, policy: NotificationPolicy) -> Place | None:
    """The channel of challenges or celebrations, administrators' channel, or the member themselves; None if none is."""
    channel = policy.admin_channel
    if told.member_id is None and told.kind in CHALLENGE_STEPS:
        channel = policy.challenges.channel or channel
    if told.member_id is not None:
        channel = policy.celebrations.channel if told.kind in CELEBRATIONS else ""
    if channel:
        return await _find_channel(session, told.program_id, policy.workspace, channel)
    return await _find_person(session, told.program_id, told.member_id) if told.member_id else None


async def _find_channel(session: AsyncSession, program_id: str, workspace: str, channel: str) -> Place | None:
    place = await dispatches.find_place(session, program_id, workspace, channel)
    if place is None:
        return None
    return replace(place, locale=await slack_users.locale_of(session, program_id, place.connection_id, channel))


async def _find_person(session: AsyncSession, program_id: str, member_id: str) -> Place | None:
    """The member's account that was last heard of."""
    known = await slack_users.list_of_member(session, program_id, member_id)
    return Place(known[0].connection_id, known[0].user_id, known[0].locale) if known else None


async def _when(
    session: AsyncSession, told: Notification, member: Member | None, policy: NotificationPolicy, now: datetime
) -> When:
    """Administrators are told at any hour; a channel keeps nobody's quiet hours."""
    if member is None:
        return Now()
    wishes = await preferences.wishes_of(session, told.program_id, member.id, policy)
    if told.kind in CELEBRATIONS and policy.celebrations.channel:
        wishes = replace(wishes, quiet=AT_ANY_HOUR)
    since = day_began(now, member.time_zone)
    return when(
        told.kind,
        wishes,
        member.time_zone,
        told_today=await dispatches.count_told(session, told.program_id, member.id, since=since),
        now=now,
        asked_at=await _asked_at(session, told),
        not_before=_hour_of(told, member, policy, wishes),
    )


async def _asked_at(session: AsyncSession, told: Notification) -> datetime | None:
    """When the member did what this answers: an order answers who has just placed it."""
    if told.kind.partition("_")[0] != "order":
        return None
    return (await orders.get(session, told.program_id, told.about)).created_at


def _hour_of(told: Notification, member: Member, policy: NotificationPolicy, wishes: Wishes) -> datetime | None:
    """The hour that celebrations and the week's digest have, from when they were found on."""
    match topic_of(told.kind):
        case Topic.BIRTHDAYS | Topic.ANNIVERSARIES:
            day, clock = Occasion.read(told.reference).on, time(policy.celebrations.hour)
        case Topic.DIGEST:
            day, clock = date.fromisoformat(told.reference.partition("/")[2]), wishes.digest_at
        case _:
            return None
    return hour_of(day, told.created_at, clock, member.time_zone)


# -- What changes, and what was gathered ---------------------------------------------------------------------------


async def _tell_anew(session: AsyncSession, told: Notification, key: str, now: datetime, boards: Redis) -> None:
    """What was told says what holds now, what was withheld may be news again.

    In turn, so that who has read last is said last; what waits or is gathered is read when its time has come.
    """
    await dispatches.take_turn(session, turn_of(told))
    known = await dispatches.find(session, told.program_id, told.id)
    if known is None:
        return
    if known.state is DispatchState.WITHHELD:
        await _decide(session, told, now, boards)
    elif known.place is not None:
        await _edit(session, told, known.place, key, now, boards)


async def _edit(
    session: AsyncSession, told: Notification, where: Place, key: str, now: datetime, boards: Redis
) -> None:
    """The message that told it there says what holds now."""
    member = await members.get(session, told.program_id, told.member_id) if told.member_id else None
    card = await slack_cards.read(session, told, member, now=now, boards=boards)
    if card is None:
        return
    locale = await slack_users.locale_of(session, told.program_id, where.connection_id, where.conversation)
    content = cards.render(card, Texts.of(locale))
    edit = Outgoing(key, where.connection_id, where.conversation, content, MessageKind.EDIT, edits=message_key(told.id))
    await slack_messages.send(session, told.program_id, [edit], now=now)


async def _dispatch_gathered(
    session: AsyncSession, program_id: str, member_id: str, now: datetime, boards: Redis
) -> None:
    """What was gathered for the member, and is not over, is one message, or waits for the next digest."""
    await dispatches.take_turn(session, member_id)
    gathered = await dispatches.list_gathered(session, program_id, member_id)
    place = await _find_person(session, program_id, member_id)
    policy = policy_of(await configurations.read_active(session, program_id))
    wishes = await preferences.wishes_of(session, program_id, member_id, policy)
    member = await members.get(session, program_id, member_id)
    wanted = [
        one
        for one in gathered
        if place is not None
        and topic_of(one.kind) not in wishes.opted_out
        and not is_over(await slack_cards.read(session, one, member, now=now, boards=boards))
    ]
    is_quiet = wishes.quiet.over_at(now, member.time_zone) > now
    for one in gathered:
        if one not in wanted:
            await _put(session, one, DispatchState.WITHHELD)
        elif is_quiet:
            await _put(session, one, DispatchState.GATHERED, due_at=next_digest(wishes, member.time_zone, now))
        else:
            await _put(session, one, DispatchState.TOLD, told_at=now)
    if place is not None and wanted and not is_quiet:
        content = cards.digest(wanted, _texts(place))
        await _say(session, program_id, f"digest/{wanted[-1].id}", place, content, now)
