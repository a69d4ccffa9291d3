"""Slack as Laurel keeps it: envelopes that came and messages that are said, each once by its key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

MAX_KEY = 300  # characters of an envelope's or a message's key
# In a post's content: the key of the message that it is a reply to, if that was said in the same conversation.
THREAD_OF = "thread_of"
# In the content of an answer, and of an announcement: the URL that came with the request, and until when (an ISO
# instant) Slack takes what is said there.
RESPONSE_URL, RESPONSE_UNTIL = "response_url", "response_until"
RESPONSE_FOR = timedelta(minutes=30)
_HOW = {RESPONSE_URL, RESPONSE_UNTIL, "response_type", "replace_original"}

# What Slack answers to whatever is said in a conversation, until somebody does something there: the channel is gone or
# hidden from us, archived, without us, or the workspace lets us say nothing in it.
CLOSED_CHANNEL = frozenset({"channel_not_found", "is_archived", "not_in_channel", "restricted_action"})
# What it answers to a response URL whose time is over.
EXPIRED_URL = "expired_url"


class EnvelopeKind(StrEnum):
    """What a request of Slack is; the comment is what makes its key."""

    EVENT = "event"  # the event's id
    COMMAND = "command"  # the trigger's id
    SHORTCUT = "shortcut"  # the trigger's id
    ACTION = "action"  # who pressed what, and when
    VIEW = "view"  # the view, its hash and what was filled in


@dataclass(frozen=True, slots=True)
class Envelope:
    """One request of Slack; `body` is its JSON as Slack documents it, `user_id` who caused it, if somebody did."""

    team_id: str
    key: str
    kind: EnvelopeKind
    body: Mapping[str, Any]
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class KeptEnvelope:
    """An envelope as it was kept; handled, there is nothing left to do, and `answer` is what it was told at once."""

    id: int
    program_id: str
    connection_id: str
    key: str
    kind: EnvelopeKind
    body: Mapping[str, Any]
    recorded_at: datetime
    handled_at: datetime | None = None
    answer: Mapping[str, Any] | None = None


class MessageKind(StrEnum):
    """How something is said. An ephemeral message and a response are sent at most once: nobody can look for them."""

    POST = "post"
    EPHEMERAL = "ephemeral"  # to `user`, in a channel
    EDIT = "edit"  # of the message whose key is `edits`
    HOME = "home"  # the person's Home, made when it is shown
    RESPOND = "respond"  # to the `response_url` in the content


# What has a conversation of its own for each person.
_APART = {MessageKind.HOME, MessageKind.RESPOND}


class MessageState(StrEnum):
    """What became of a message."""

    OPEN = "open"
    SENDING = "sending"  # asked of Slack, and the answer is not known yet
    SENT = "sent"
    SUPERSEDED = "superseded"  # a later edit says everything that this one said
    UNKNOWN = "unknown"  # sent at most once, and nobody knows whether
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something to say, once for its key in the program.

    `conversation` is a channel's id, or a person's: a direct message. `content` is what chat.postMessage takes: text,
    blocks, thread_ts; or `thread_of`, where the message that it answers has no ts yet.
    """

    key: str
    connection_id: str
    conversation: str
    content: Mapping[str, Any] = field(default_factory=dict)
    kind: MessageKind = MessageKind.POST
    user: str | None = None
    edits: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.key) <= MAX_KEY:
            raise ValueError(f"a message's key has 1 to {MAX_KEY} characters")

    @property
    def target(self) -> str:
        """What names its conversation: answers, whose URLs end soon, and Homes wait for no direct message."""
        return f"{self.kind}:{self.conversation}" if self.kind in _APART else self.conversation


def place_of(target: str) -> str:
    """The channel or the person of the conversation with this name."""
    return target.rpartition(":")[2]


def is_person(place: str) -> bool:
    """Whether an id is a person's, so that what is said there is a direct message."""
    return place.startswith(("U", "W"))


@dataclass(frozen=True, slots=True)
class Delivery:
    """A conversation whose open messages are taken one after the other; no other activity takes them in this turn."""

    program_id: str
    connection_id: str
    conversation_id: str
    turn: int

    @property
    def activity_id(self) -> str:
        """One for each turn."""
        return f"say/{self.conversation_id}/{self.turn}"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is due in its conversation; `channel` and `ts` name what an edit changes or a post answers."""

    id: int
    key: str
    kind: MessageKind
    content: Mapping[str, Any]
    state: MessageState
    created_at: datetime
    user: str | None = None
    edits: str | None = None
    channel: str | None = None
    ts: str | None = None

    @property
    def is_announcement(self) -> bool:
        """Whether it is a post on behalf of `user`, perhaps in a conversation that the app was never in."""
        return self.kind is MessageKind.POST and RESPONSE_URL in self.content

    def takes_answers(self, now: datetime) -> bool:
        """Whether Slack takes what is said at its response URL."""
        return now < datetime.fromisoformat(self.content[RESPONSE_UNTIL])


def way_back(body: Mapping[str, Any], asked_at: datetime) -> dict[str, Any]:
    """In the content of what answers the request of this body, which came then: its URL, and until when."""
    return {RESPONSE_URL: body[RESPONSE_URL], RESPONSE_UNTIL: (asked_at + RESPONSE_FOR).isoformat()}


def otherwise(message: Message, connection_id: str, place: str, code: str, *, now: datetime) -> Outgoing | None:
    """What was refused with the code, said in another way; None if there is none.

    An announcement that was not asked of Slack before is said by its response URL, an answer that comes too late for
    its URL directly.
    """
    key = f"{message.key}/otherwise"
    if message.is_announcement and code in CLOSED_CHANNEL and message.state is MessageState.OPEN:
        assert message.user is not None, "an announcement is somebody's"
        to_all = {**message.content, "response_type": "in_channel"}
        said = Outgoing(key, connection_id, message.user, to_all, MessageKind.RESPOND)
        return said if message.takes_answers(now) else None
    if code == EXPIRED_URL and message.content["response_type"] == "ephemeral":
        words = {name: value for name, value in message.content.items() if name not in _HOW}
        return Outgoing(key, connection_id, place, words)
    return None


def sayable(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content without what only says how it is said."""
    return {name: value for name, value in content.items() if name not in {RESPONSE_URL, RESPONSE_UNTIL, THREAD_OF}}
