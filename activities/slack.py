"""Saying things in Slack: the open messages of one conversation, one after the other, until none is left.

What got no answer is looked for by its metadata before it is said again. What nobody can look for is sent at most once.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.outside import retried
from connectors.errors import Ambiguous, Rejected, Unauthorized, Unavailable
from connectors.slack import home
from connectors.slack.texts import Texts
from connectors.slack.web import Slack, Slacks
from domain.connections import Connection
from domain.sentences import sentence
from domain.slack import (
    CLOSED_CHANNEL,
    EXPIRED_URL,
    RESPONSE_URL,
    Delivery,
    Message,
    MessageKind,
    MessageState,
    is_person,
    otherwise,
    place_of,
    sayable,
)
from domain.time import Clock
from storage import connections, homes, notifications, slack_messages, slack_users
from storage.database import Database
from storage.keyring import Keyring

# Messages of one turn; beyond them the activity is tried again, which begins where this one stopped.
MESSAGES_MAX = 200
# Where a message is looked for: so many messages, so often, from the newest on.
HISTORY_LIMIT = 100
HISTORY_PAGES = 20
METADATA = "laurel_message"

# The person is unknown, deactivated or a bot, or the app's manifest has no direct messages. In a channel the same codes
# are about one message, and so is what is said of a Home (`not_enabled`) or of a response URL, each of which is a
# conversation of its own.
CLOSED_PERSON = CLOSED_CHANNEL | {"user_not_found", "user_disabled", "cannot_dm_bot", "messages_tab_disabled"}
IN_CONVERSATION = {MessageKind.POST, MessageKind.EDIT, MessageKind.EPHEMERAL}
CONVERSATION_CLOSED = "slack_conversation_closed"
UNKNOWN = "answer_lost"

log = structlog.get_logger()


class SlackActivities:
    """Says what is open; registered on Slack's task queue."""

    def __init__(self, database: Database, keyring: Keyring, slacks: Slacks, redis: Redis, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._slacks = slacks
        self._redis = redis
        self._clock = clock

    @activity.defn(name="say")
    async def say(self, delivery: Delivery) -> None:
        """Nothing of the conversation is open afterwards."""
        for _ in range(MESSAGES_MAX):
            taken = await self._take(delivery)
            if taken is None:
                return
            with retried():
                await self._say(delivery, *taken)
        raise ApplicationError(f"more than {MESSAGES_MAX} messages wait in {delivery.conversation_id}")

    async def _take(self, delivery: Delivery) -> tuple[Connection, str, Message] | None:
        """The next message with all that it takes to say it: what cannot be read leaves it untaken."""
        async with self._database.begin() as session:
            connection = await connections.get(session, self._keyring, delivery.program_id, delivery.connection_id)
            target = await slack_messages.get_target(session, delivery)
            message = await slack_messages.take_next(session, delivery, now=self._clock())
        return (connection, place_of(target), message) if message else None

    async def _say(self, delivery: Delivery, connection: Connection, target: str, message: Message) -> None:
        try:
            slack = await self._slacks.of(connection)
            said = await self._once(slack, connection, target, message)
        except Rejected as refused:
            await self._give_up(delivery, message, target, refused)
        except Unavailable:
            # One that was asked of Slack before is looked for again first, whatever was not answered now.
            if message.state is MessageState.OPEN:
                async with self._database.begin() as session:
                    await slack_messages.put_back(session, delivery.program_id, message.id)
            raise
        else:
            await self._end(delivery, message, *said)

    async def _once(
        self, slack: Slack, connection: Connection, target: str, message: Message
    ) -> tuple[str | None, str | None]:
        """Say it, if it was not said; channel and ts of what a message is."""
        if message.kind is MessageKind.POST:
            return await _post(slack, target, message)
        if message.kind is MessageKind.EDIT:
            return await _edit(slack, message)
        if message.kind is MessageKind.HOME:
            await slack.write("views.publish", {"user_id": target, "view": await self._home(connection, target)})
            return None, None
        await self._at_most_once(slack, target, message)
        return None, None

    async def _at_most_once(self, slack: Slack, target: str, message: Message) -> None:
        if message.state is MessageState.SENDING:
            raise Rejected(slack.system, 0, UNKNOWN)
        content = sayable(message.content)
        try:
            if message.kind is MessageKind.EPHEMERAL:
                await slack.write("chat.postEphemeral", {**content, "channel": target, "user": message.user})
            elif message.takes_answers(self._clock()):
                await self._slacks.anonymous.respond(message.content[RESPONSE_URL], content)
            else:
                raise Rejected(slack.system, 404, EXPIRED_URL)
        except Ambiguous:
            raise Rejected(slack.system, 0, UNKNOWN) from None

    async def _home(self, connection: Connection, user_id: str) -> Mapping[str, Any]:
        """The person's Home as it is now."""
        async with self._database.begin() as session:
            user = await slack_users.find(session, connection.program_id, connection.id, user_id)
            texts = Texts.of(user.locale if user else None)
            why = await slack_users.read_apart(session, connection.program_id, user)
            if why is not None:
                return home.render_apart(why, texts)
            assert user is not None, "who takes part is known"
            assert user.member_id is not None, "who takes part is a member"
            found = await homes.read(session, connection.program_id, user.member_id, self._clock(), boards=self._redis)
        return home.render(found, texts)

    async def _give_up(self, delivery: Delivery, message: Message, target: str, refused: Rejected) -> None:
        """It is said otherwise, or never; what follows it neither, where the conversation is what is refused."""
        log.warning("message refused", key=message.key, conversation=delivery.conversation_id, code=refused.code)
        state = MessageState.UNKNOWN if refused.code == UNKNOWN else MessageState.FAILED
        error, now = f"{refused.code} {refused.detail}".strip(), self._clock()
        instead = otherwise(message, delivery.connection_id, target, refused.code, now=now)
        async with self._database.begin() as session:
            await slack_messages.end(session, delivery.program_id, message.id, state, error=error, now=now)
            if _closes(message, target, refused):
                await slack_messages.close(session, delivery, refused.code, now=now)
                await self._tell(session, delivery, target, refused)
            await slack_messages.send(session, delivery.program_id, [instead] if instead else [], now=now)

    async def _tell(self, session: AsyncSession, delivery: Delivery, target: str, refused: Rejected) -> None:
        """Administrators hear of it once for each reason."""
        of_all = isinstance(refused, Unauthorized)
        await notifications.tell(
            session,
            delivery.program_id,
            member_id=None,
            kind=CONVERSATION_CLOSED,
            subject=sentence("Slack takes nothing from us any more")
            if of_all
            else sentence("Slack takes nothing for {conversation} any more", conversation=target),
            body=sentence(
                "Slack answers: {code}. What was to be said is kept as failed. `laurel slack doctor` says what to do.",
                code=refused.code,
            )
            if of_all
            else sentence("Slack answers: {code}. What was to be said there is kept as failed.", code=refused.code),
            reference=f"{delivery.connection_id if of_all else delivery.conversation_id}/{refused.code}",
            now=self._clock(),
        )

    async def _end(self, delivery: Delivery, message: Message, channel: str | None, ts: str | None) -> None:
        async with self._database.begin() as session:
            sent = delivery.program_id, message.id, MessageState.SENT
            await slack_messages.end(session, *sent, channel=channel, ts=ts, now=self._clock())


def _closes(message: Message, target: str, refused: Rejected) -> bool:
    """Whether what waits behind the message would be refused as well.

    An announcement says nothing of its conversation: it goes wherever somebody thanks, invited or not.
    """
    codes = CLOSED_PERSON if is_person(target) else CLOSED_CHANNEL
    is_closed = refused.code in codes and not message.is_announcement
    return message.kind in IN_CONVERSATION and (is_closed or isinstance(refused, Unauthorized))


async def _post(slack: Slack, target: str, message: Message) -> tuple[str, str]:
    if message.state is MessageState.SENDING and (found := await _look_up(slack, target, message)):
        return found
    metadata = {"event_type": METADATA, "event_payload": {"key": message.key}}
    body = {**_in_thread(target, message), "channel": target, "metadata": metadata}
    said = await slack.write("chat.postMessage", body)
    return said["channel"], said["ts"]


def _in_thread(target: str, message: Message) -> dict[str, Any]:
    """The content of a post, as a reply to the message that it names; what was never said here has no replies."""
    content = sayable(message.content)
    return content | {"thread_ts": message.ts} if message.ts and message.channel == target else content


async def _look_up(slack: Slack, target: str, message: Message) -> tuple[str, str] | None:
    """Where the message is, if Slack took it unnoticed; raises Rejected if there is too much to look at."""
    channel = target
    if is_person(target):
        channel = (await slack.write("conversations.open", {"users": target}))["channel"]["id"]
    since = f"{message.created_at.timestamp() - 60:.6f}"
    asked: dict[str, str | int] = {
        "channel": channel,
        "oldest": since,
        "limit": HISTORY_LIMIT,
        "include_all_metadata": "true",
    }
    thread_ts = _in_thread(target, message).get("thread_ts")
    method = "conversations.replies" if thread_ts else "conversations.history"
    asked |= {"ts": thread_ts} if thread_ts else {}
    for _ in range(HISTORY_PAGES):
        found = await slack.read(method, asked)
        for said in found.get("messages", []):
            if _is_said(said, message):
                return channel, said["ts"]
        cursor = (found.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return None
        asked["cursor"] = cursor
    raise Rejected(slack.system, 0, UNKNOWN)


def _is_said(said: Mapping[str, Any], message: Message) -> bool:
    metadata = said.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return metadata.get("event_type") == METADATA and payload.get("key") == message.key


async def _edit(slack: Slack, message: Message) -> tuple[str, str]:
    """The same again changes nothing, so it needs no looking up."""
    if message.channel is None or message.ts is None:
        raise Rejected(slack.system, 404, "nothing_to_edit")
    await slack.write("chat.update", {**message.content, "channel": message.channel, "ts": message.ts})
    return message.channel, message.ts
