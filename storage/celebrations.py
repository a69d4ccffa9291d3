"""Celebrations: what is celebrated, read as it was told at last, and the words that colleagues add, a line of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived, employment
from domain.cards import MAX_WORDS_SHOWN, Celebration, Words
from domain.celebrations import KINDS, MAX_WORDS, Occasion, WordsRefused, check_words
from domain.configuration import Unit
from domain.dispatches import turn_of
from domain.employment import Telling, TellingState
from domain.members import Member
from domain.notifications import Notification, policy_of
from storage import configurations, dispatches, explanations, notifications
from storage.game_tables import employment_facts
from storage.ids import new_id
from storage.preference_tables import celebration_words
from storage.tables import events, members


async def read(session: AsyncSession, told: Notification, member: Member) -> Celebration | None:
    """What is celebrated, with what it has brought; None if it turned out not to hold."""
    occasion = Occasion.read(told.reference)
    telling = await _standing(session, told.program_id, occasion)
    if telling is None:
        return None
    configuration = await configurations.read_active(session, told.program_id)
    event_id = await _find_event(session, told.program_id, telling)
    earned = await _earned(session, told.program_id, event_id, configuration.every_unit) if event_id else []
    count, words = await _list_words(session, told.program_id, told.id)
    return Celebration(
        notification_id=told.id,
        name=member.name,
        years=telling.data.get("years"),
        earned=earned,
        event_id=event_id,
        is_public=bool(policy_of(configuration).celebrations.channel),
        words=words,
        more=count - len(words),
    )


async def _standing(session: AsyncSession, program_id: str, occasion: Occasion) -> Telling | None:
    of = employment_facts.c
    own = select(of.member_id, of.type, of.name, of.n, of.data).where(
        of.program_id == program_id,
        of.member_id == occasion.member_id,
        of.type == occasion.type,
        of.name == occasion.name,
        of.state == TellingState.STANDING,
    )
    row = (await session.execute(own)).one_or_none()
    return Telling(*row) if row else None


async def _find_event(session: AsyncSession, program_id: str, telling: Telling) -> str | None:
    """The event that the telling became, once it was decided."""
    named = employment.event(telling, "UTC").external_id
    own = select(events.c.id).where(
        events.c.program_id == program_id, events.c.source == derived.SOURCE, events.c.external_id == named
    )
    found: str | None = await session.scalar(own)
    return found


async def _earned(
    session: AsyncSession, program_id: str, event_id: str, units: Mapping[str, Unit]
) -> list[tuple[Unit, int]]:
    """What the event has brought and was not taken back, unit by unit."""
    left: Counter[str] = Counter()
    for posting in (await explanations.get(session, program_id, event_id)).transactions:
        left[posting.unit] += -posting.amount if posting.reverses_id else posting.amount
    return [(units[unit], amount) for unit, amount in sorted(left.items()) if amount > 0 and unit in units]


async def _list_words(session: AsyncSession, program_id: str, notification_id: str) -> tuple[int, Sequence[Words]]:
    """How many have written, and what those wrote who were first."""
    own = celebration_words.c.program_id == program_id, celebration_words.c.notification_id == notification_id
    count = await session.scalar(select(func.count()).where(*own))
    named = (
        select(members.c.name, celebration_words.c.words)
        .join(members, members.c.id == celebration_words.c.member_id)
        .where(*own)
        .order_by(celebration_words.c.id)
        .limit(MAX_WORDS_SHOWN)
    )
    return int(count or 0), [Words(*row) for row in await session.execute(named)]


# -- Words ---------------------------------------------------------------------------------------------------------


async def find_words(session: AsyncSession, program_id: str, notification_id: str, member_id: str) -> str | None:
    """What the member wrote for the celebration before; raises LookupError if it is none of the program's."""
    await _get(session, program_id, notification_id)
    own = select(celebration_words.c.words).where(
        celebration_words.c.program_id == program_id,
        celebration_words.c.notification_id == notification_id,
        celebration_words.c.member_id == member_id,
    )
    found: str | None = await session.scalar(own)
    return found


async def add_words(
    session: AsyncSession, program_id: str, notification_id: str, member_id: str, words: str, *, now: datetime
) -> None:
    """The member's words are beneath the celebration, in the place of what they wrote before; the post is edited.

    Raises WordsRefused, LookupError.
    """
    said = check_words(words)
    told = await _get(session, program_id, notification_id)
    await dispatches.take_turn(session, turn_of(told))
    count, _ = await _list_words(session, program_id, told.id)
    if count >= MAX_WORDS and await find_words(session, program_id, told.id, member_id) is None:
        raise WordsRefused(f"{MAX_WORDS} have written already")
    row = insert(celebration_words).values(
        program_id=program_id,
        id=new_id("wrd"),
        notification_id=told.id,
        member_id=member_id,
        words=said,
        written_at=now,
    )
    changed = {"words": said, "written_at": now}
    await session.execute(row.on_conflict_do_update(index_elements=["notification_id", "member_id"], set_=changed))
    await dispatches.retell(session, program_id, KINDS, [told.about], now=now)


async def _get(session: AsyncSession, program_id: str, notification_id: str) -> Notification:
    told = await notifications.get(session, program_id, notification_id)
    if told.kind not in KINDS:
        raise LookupError(f"{notification_id} is no celebration")
    return told
