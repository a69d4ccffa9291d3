"""What is said in Slack: a row before it is said, once by its key, in order within its conversation.

A conversation's row is locked before messages are added to it or taken from it, and after every other lock. So
whoever delivers it either sees a new message before its turn ends, or the message begins the next turn.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.dispatches import Place
from domain.outbox import Kind, Lane, OutboxRow
from domain.slack import RESPONSE_URL, THREAD_OF, Delivery, Message, MessageKind, MessageState, Outgoing, place_of
from storage import outbox, sets
from storage.hot_path import run
from storage.ids import new_id
from storage.sets import Rows
from storage.slack_tables import slack_conversations, slack_messages

MAX_SENT = 500  # messages added at once
KEPT = timedelta(days=30)  # what was said; that it was is known for ever

# Those who find the row there lock it, too: a row that is left alone by DO NOTHING would stay unlocked.
_OPEN = "ON CONFLICT (connection_id, target) DO UPDATE SET target = excluded.target RETURNING id, target, delivering"
_KNOWN_HOMES = f"""SELECT conversation_id FROM slack_messages WHERE conversation_id = ANY(CAST(%(ids)s AS text[]))
    AND kind = '{MessageKind.HOME}' AND state = '{MessageState.OPEN}'"""
_BEGIN = """UPDATE slack_conversations SET delivering = true, turn = turn + 1, turned_at = %(now)s
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[])) AND NOT delivering
    RETURNING connection_id, id, turn"""


async def send(session: AsyncSession, program_id: str, messages: Sequence[Outgoing], *, now: datetime) -> None:
    """Have these said, each once for its key; of a person's Home that is not shown yet, once is enough.

    Locks the conversations until the transaction ends, so it comes last in it. At most MAX_SENT at once.
    """
    if len(messages) > MAX_SENT:
        raise ValueError(f"at most {MAX_SENT} messages are added at once")
    if not messages:
        return
    conversations = await _lock_conversations(session, program_id, messages)
    shown = await _find_open_homes(session, conversations.values())
    columns = ("conversation_id", "key", "kind", "content", "user_id", "edits")
    values = [
        (conversations[one.connection_id, one.target], one.key, one.kind, one.content, one.user, one.edits)
        for one in messages
        if one.kind is not MessageKind.HOME or conversations[one.connection_id, one.target] not in shown
    ]
    fixed = {"program_id": program_id, "state": MessageState.OPEN, "created_at": now}
    suffix = "ON CONFLICT (program_id, key) DO NOTHING RETURNING conversation_id"
    added = await sets.insert(session, Rows(slack_messages, columns, values, suffix, fixed))
    await _begin_turns(session, program_id, {conversation_id for (conversation_id,) in added}, now)


async def _lock_conversations(
    session: AsyncSession, program_id: str, messages: Sequence[Outgoing]
) -> dict[tuple[str, str], str]:
    """The ids of the conversations by connection and target, locked in that order, made where there are none."""
    conversations: dict[tuple[str, str], str] = {}
    for connection_id in sorted({one.connection_id for one in messages}):
        targets = sorted({one.target for one in messages if one.connection_id == connection_id})
        fixed = {"program_id": program_id, "connection_id": connection_id}
        rows = Rows(slack_conversations, ("id", "target"), [(new_id("cnv"), one) for one in targets], _OPEN, fixed)
        conversations |= {(connection_id, target): id for id, target, _ in await sets.insert(session, rows)}
    return conversations


async def _find_open_homes(session: AsyncSession, conversation_ids: Collection[str]) -> set[str]:
    found = await run(session, _KNOWN_HOMES, {"ids": sets.texts(list(conversation_ids))})
    return {conversation_id for (conversation_id,) in found}


async def _begin_turns(
    session: AsyncSession, program_id: str, conversation_ids: Collection[str], now: datetime
) -> None:
    """A turn of delivery for each of these that is in none."""
    asked = {"program_id": program_id, "ids": sets.texts(sorted(conversation_ids)), "now": now}
    begun = await run(session, _BEGIN, asked) if conversation_ids else []
    effects = [
        OutboxRow(
            program_id,
            Lane.TEMPORAL,
            Kind.SAY,
            {"connection_id": connection_id, "conversation_id": id, "turn": turn},
        )
        for connection_id, id, turn in begun
    ]
    await outbox.add(session, effects, now=now)


# -- Delivering ----------------------------------------------------------------------------------------------------

_NEXT = f"""SELECT m.id, m.key, m.kind, m.content, m.state, m.created_at, m.user_id, m.edits, o.channel, o.ts
    FROM slack_messages m
    LEFT JOIN slack_messages o ON o.program_id = m.program_id AND o.key = COALESCE(m.edits, m.content ->> '{THREAD_OF}')
        AND o.state = '{MessageState.SENT}'
    WHERE m.program_id = %(program_id)s AND m.conversation_id = %(conversation_id)s
        AND m.state IN ('{MessageState.OPEN}', '{MessageState.SENDING}')
    ORDER BY m.id LIMIT 1"""
_SUPERSEDE = f"""UPDATE slack_messages SET state = '{MessageState.SUPERSEDED}', ended_at = %(now)s
    WHERE program_id = %(program_id)s AND id IN (
        SELECT e.id FROM slack_messages e
        JOIN slack_messages l ON l.conversation_id = e.conversation_id AND l.edits = e.edits AND l.id > e.id
        WHERE e.conversation_id = %(conversation_id)s AND e.state = '{MessageState.OPEN}')"""


async def take_next(session: AsyncSession, delivery: Delivery, *, now: datetime) -> Message | None:
    """The next message to say in this turn, which is `sending` from now on; without one the turn is over.

    One that is returned as `sending` was asked of Slack before, and nobody knows what came of it. Of edits that a later
    one takes back, none is said.
    """
    if not await _is_in_turn(session, delivery):
        return None
    asked = {"program_id": delivery.program_id, "conversation_id": delivery.conversation_id, "now": now}
    await run(session, _SUPERSEDE, asked)
    found = await run(session, _NEXT, asked)
    if not found:
        await session.execute(_own(delivery).values(delivering=False))
        return None
    id, key, kind, content, state, *rest = found[0]
    message = Message(id, key, MessageKind(kind), content, MessageState(state), *rest)
    await _set(session, delivery.program_id, id, state=MessageState.SENDING)
    return message


async def _is_in_turn(session: AsyncSession, delivery: Delivery) -> bool:
    """Lock the conversation, and say whether this turn still lasts."""
    own = select(slack_conversations.c.id).where(
        slack_conversations.c.program_id == delivery.program_id,
        slack_conversations.c.id == delivery.conversation_id,
        slack_conversations.c.turn == delivery.turn,
        slack_conversations.c.delivering,
    )
    return (await session.execute(own.with_for_update(key_share=True))).one_or_none() is not None


async def get_target(session: AsyncSession, delivery: Delivery) -> str:
    """What names the conversation; `domain.slack.place_of` says where it is."""
    own = select(slack_conversations.c.target).where(
        slack_conversations.c.program_id == delivery.program_id, slack_conversations.c.id == delivery.conversation_id
    )
    target: str = (await session.execute(own)).scalar_one()
    return target


async def put_back(session: AsyncSession, program_id: str, message_id: int) -> None:
    """It was not said: the next attempt begins anew."""
    await _set(session, program_id, message_id, state=MessageState.OPEN)


async def end(
    session: AsyncSession,
    program_id: str,
    message_id: int,
    state: MessageState,
    *,
    channel: str | None = None,
    ts: str | None = None,
    error: str | None = None,
    now: datetime,
) -> None:
    """It was said, there as this, or it will never be."""
    await _set(session, program_id, message_id, state=state, channel=channel, ts=ts, error=error, ended_at=now)


async def close(session: AsyncSession, delivery: Delivery, because: str, *, now: datetime) -> None:
    """What waits in the conversation will never be said: Slack refuses it all. Announcements find another way."""
    of_it = (
        slack_messages.c.program_id == delivery.program_id,
        slack_messages.c.conversation_id == delivery.conversation_id,
    )
    waiting = update(slack_messages).where(
        *of_it, slack_messages.c.state == MessageState.OPEN, ~slack_messages.c.content.has_key(RESPONSE_URL)
    )
    await session.execute(waiting.values(state=MessageState.FAILED, error=because, ended_at=now))


async def close_all(session: AsyncSession, program_id: str, connection_id: str, because: str, *, now: datetime) -> None:
    """What waits in any conversation of the workspace will never be said, but for what Slack is being asked now.

    Conversations are locked in the order in which `send` locks them.
    """
    of_it = select(slack_conversations.c.id).where(
        slack_conversations.c.program_id == program_id, slack_conversations.c.connection_id == connection_id
    )
    locked = (
        await session.execute(of_it.order_by(slack_conversations.c.target).with_for_update(key_share=True))
    ).scalars()
    waiting = update(slack_messages).where(
        slack_messages.c.program_id == program_id,
        slack_messages.c.conversation_id.in_(locked.all()),
        slack_messages.c.state == MessageState.OPEN,
    )
    await session.execute(waiting.values(state=MessageState.FAILED, error=because, ended_at=now))


async def find_place(session: AsyncSession, program_id: str, key: str) -> Place | None:
    """Where the message of this key is, or will be, said, if there is one that Slack has not refused."""
    own = (
        select(slack_conversations.c.connection_id, slack_conversations.c.target)
        .join(slack_messages, slack_messages.c.conversation_id == slack_conversations.c.id)
        .where(slack_messages.c.program_id == program_id, slack_messages.c.key == key)
        .where(slack_messages.c.state != MessageState.FAILED)
    )
    row = (await session.execute(own)).one_or_none()
    return Place(row.connection_id, place_of(row.target)) if row else None


_FORGET = """UPDATE slack_messages SET content = '{}' WHERE id IN (
    SELECT id FROM slack_messages WHERE ended_at < %(before)s AND content <> '{}'
    ORDER BY ended_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED) RETURNING id"""


async def forget(session: AsyncSession, before: datetime, limit: int) -> int:
    """Forget the words of up to `limit` messages that ended before then; how many those were."""
    return len(await run(session, _FORGET, {"before": before, "limit": limit}))


def _own(delivery: Delivery) -> Any:
    return update(slack_conversations).where(
        slack_conversations.c.program_id == delivery.program_id, slack_conversations.c.id == delivery.conversation_id
    )


async def _set(session: AsyncSession, program_id: str, message_id: int, **values: Any) -> None:
    own = slack_messages.c.program_id == program_id, slack_messages.c.id == message_id
    await session.execute(update(slack_messages).where(*own).values(**values))
