"""The workspace's records: people, conversations with what was said, views, and what the app may do; and its events.

An event is told to the app only where Slack would: with the scope that it needs, and of a conversation only while the
app's bot is in it.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

Json = dict[str, Any]
Kind = Literal["channel", "group", "im", "mpim"]

APP_ID = "A0SANDBOX1"
BOT_ID = "B0SANDBOX1"
BOT_USER = "U0SANDBOXBOT"
TRIGGER = timedelta(seconds=3)
RESPONSE_URL = timedelta(minutes=30)
RESPONSES_MAX = 5

# How the scopes of a conversation begin, by its kind.
SCOPES: dict[Kind, str] = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


@dataclass(slots=True)
class User:
    """A person or a bot; one of another team is only seen in shared channels."""

    id: str
    name: str
    real_name: str
    email: str | None
    team_id: str
    tz: str = "Europe/Berlin"
    locale: str = "en-US"
    title: str = ""
    deleted: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    updated: int = 0

    def as_json(self, now: datetime, *, email: bool, locale: bool = False) -> Json:
        """As users.info has it; the e-mail and the locale are shown on their conditions only."""
        zone = now.astimezone(ZoneInfo(self.tz))
        offset = zone.utcoffset() or timedelta()
        profile = {
            "title": self.title,
            "real_name": self.real_name,
            "real_name_normalized": self.real_name,
            "display_name": self.name,
            "display_name_normalized": self.name,
            "first_name": self.real_name.split(" ")[0],
            "status_text": "",
            "status_emoji": "",
            "team": self.team_id,
        }
        if email and self.email and not self.is_stranger:
            profile["email"] = self.email
        shown: Json = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": self.deleted,
            "is_bot": self.is_bot,
            "updated": self.updated,
            "profile": profile,
        }
        if self.deleted:
            return shown
        shown |= {
            "real_name": self.real_name,
            "tz": self.tz,
            "tz_label": zone.tzname(),
            "tz_offset": int(offset.total_seconds()),
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": self.is_ultra_restricted,
            "is_app_user": False,
            "is_email_confirmed": True,
        }
        shown |= {"is_stranger": True} if self.is_stranger else {}
        return shown | ({"locale": self.locale} if locale else {})


@dataclass(slots=True)
class Conversation:
    """A channel, a private one (group) or a direct message, with its messages by their ts."""

    id: str
    kind: Kind
    created: int
    name: str = ""
    members: list[str] = field(default_factory=list)
    is_archived: bool = False
    is_ext_shared: bool = False
    messages: dict[str, Json] = field(default_factory=dict)
    ephemerals: list[Json] = field(default_factory=list)  # each with the user who sees it

    @property
    def partner(self) -> str:
        """With whom the bot talks in a direct message."""
        return next((one for one in self.members if one != BOT_USER), "")

    def is_visible(self) -> bool:
        """Whether the bot can know of it."""
        return self.kind == "channel" or BOT_USER in self.members

    def as_json(self, team_id: str) -> Json:
        shown: Json = {"id": self.id, "created": self.created, "is_archived": self.is_archived}
        shown |= {"is_im": self.kind == "im", "is_org_shared": False, "context_team_id": team_id}
        if self.kind == "im":
            return shown | {"user": self.partner, "is_user_deleted": False, "is_open": True}
        return shown | {
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_mpim": self.kind == "mpim",
            "is_private": self.kind != "channel",
            "is_general": self.name == "general",
            "is_member": BOT_USER in self.members,
            "is_shared": self.is_ext_shared,
            "is_ext_shared": self.is_ext_shared,
            "shared_team_ids": [team_id],
            "creator": self.members[0] if self.members else "",
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(slots=True)
class Trigger:
    """What lets the app open one view for this user, once and soon."""

    user: str
    until: datetime
    used: bool = False


@dataclass(slots=True)
class ResponseUrl:
    """Where the app may answer an interaction a few times; `ts` is the message that was used, if one was."""

    channel: str
    user: str
    until: datetime
    ts: str | None = None
    uses: int = 0


@dataclass(slots=True)
class Installation:
    """The bot's token and what it may do."""

    scopes: list[str]
    is_active: bool = True


@dataclass(slots=True)
class Records:
    """Everything that a workspace remembers; `homes` are by user, `modals` the stack that each user looks at."""

    users: dict[str, User] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    homes: dict[str, Json] = field(default_factory=dict)
    modals: dict[str, list[Json]] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    response_urls: dict[str, ResponseUrl] = field(default_factory=dict)
    installations: dict[str, Installation] = field(default_factory=dict)
    codes: dict[str, list[str]] = field(default_factory=dict)  # of OAuth, with the scopes consented to
    last_ts: int = 0  # microseconds


class Workspace:
    """One team that has installed one app."""

    def __init__(self, team_id: str, name: str, clock: Callable[[], datetime], tell: Callable[[Json], None]) -> None:
        self.team_id = team_id
        self.name = name
        self.domain = name.lower().replace(" ", "-")
        self.bot_token = f"xoxb-{team_id}"
        self.records = Records()
        self._clock = clock
        self._tell = tell

    def now(self) -> datetime:
        return self._clock().astimezone(UTC)

    def next_ts(self) -> str:
        """A moment that no message has; messages are told apart and ordered by it."""
        microseconds = int(self.now().timestamp() * 1_000_000)
        self.records.last_ts = max(self.records.last_ts + 1, microseconds)
        seconds, rest = divmod(self.records.last_ts, 1_000_000)
        return f"{seconds}.{rest:06}"

    # -- Finding ---------------------------------------------------------------------------------------------------

    def user(self, wanted: str) -> User:
        """By id or name; raises KeyError."""
        named = {one.name: one for one in self.records.users.values()}
        return self.records.users.get(wanted) or named[wanted]

    def conversation(self, wanted: str) -> Conversation:
        """By id or name; raises KeyError."""
        named = {one.name: one for one in self.records.conversations.values() if one.name}
        return self.records.conversations.get(wanted) or named[wanted]

    def view(self, view_id: str) -> Json | None:
        shown = [*self.records.homes.values(), *(one for stack in self.records.modals.values() for one in stack)]
        return next((one for one in shown if view_id in (one["id"], one["external_id"])), None)

    def direct(self, *users: str) -> Conversation:
        """The bot's direct message with this user, or with these, opened if it is not yet."""
        kind: Kind = "im" if len(users) == 1 else "mpim"
        known = [one for one in self.records.conversations.values() if one.kind == kind]
        found = next((one for one in known if set(one.members) == {*users, BOT_USER}), None)
        if found is None:
            made = int(self.now().timestamp())
            found = Conversation(new_id("D" if kind == "im" else "C"), kind, made, members=[*users, BOT_USER])
            self.records.conversations[found.id] = found
        return found

    # -- Messages --------------------------------------------------------------------------------------------------

    def post(self, conversation: Conversation, user: str, content: Json) -> Json:
        """A new message, of which the app is told."""
        author = {"bot_id": BOT_ID, "app_id": APP_ID} if user == BOT_USER else {"client_msg_id": secrets.token_hex(16)}
        team = self.records.users[user].team_id
        message = {"type": "message", "user": user, "ts": self.next_ts(), "team": team, **author, **content}
        conversation.messages[message["ts"]] = message
        self.tell_of_message(conversation, message)
        return message

    def edit(self, conversation: Conversation, message: Json, content: Json) -> Json:
        before = dict(message)
        message |= content | {"edited": {"user": message["user"], "ts": self.next_ts()}}
        change = {"subtype": "message_changed", "message": message, "previous_message": before, "hidden": True}
        self.tell_of_message(conversation, {"type": "message", "ts": message["edited"]["ts"], **change})
        return message

    def erase(self, conversation: Conversation, message: Json) -> None:
        del conversation.messages[message["ts"]]
        gone = {"subtype": "message_deleted", "deleted_ts": message["ts"], "previous_message": message, "hidden": True}
        self.tell_of_message(conversation, {"type": "message", "ts": self.next_ts(), **gone})

    def whisper(self, conversation: Conversation, user: str, content: Json) -> Json:
        """A message that only this user sees, and nobody is told of."""
        ephemeral = {"type": "message", "ts": self.next_ts(), "user": BOT_USER, "to": user, **content}
        conversation.ephemerals.append(ephemeral)
        return ephemeral

    # -- Views -----------------------------------------------------------------------------------------------------

    def show(self, view: Json, *, over: Json | None = None, instead: Json | None = None) -> Json:
        """The view as Slack keeps it: on top of another one, or in the place of an older self."""
        view_id = instead["id"] if instead else new_id("V")
        root = over["root_view_id"] if over else instead["root_view_id"] if instead else view_id
        previous = over["id"] if over else instead["previous_view_id"] if instead else None
        defaults = {"private_metadata": "", "callback_id": "", "external_id": "", "clear_on_close": False}
        defaults |= {"notify_on_close": False, "close": None, "submit": None, "title": _plain("View Title")}
        kept = defaults | view | {"blocks": with_ids(view["blocks"])}
        return kept | {
            "id": view_id,
            "team_id": self.team_id,
            "state": {"values": {}},
            "hash": f"{self.next_ts()}.{secrets.token_hex(4)}",
            "root_view_id": root,
            "previous_view_id": previous,
            "app_id": APP_ID,
            "app_installed_team_id": self.team_id,
            "bot_id": BOT_ID,
        }

    # -- What lets the app act -------------------------------------------------------------------------------------

    def install(self, scopes: list[str]) -> Installation:
        """The app is in the workspace; what it was allowed before it may still do."""
        known = self.records.installations.get(self.bot_token)
        before = known.scopes if known and known.is_active else []
        installed = Installation(list(dict.fromkeys([*before, *scopes])))
        self.records.installations[self.bot_token] = installed
        return installed

    def trigger(self, user: str) -> str:
        trigger_id = f"{self.records.last_ts}.{self.team_id}.{secrets.token_hex(16)}"
        self.records.triggers[trigger_id] = Trigger(user, self.now() + TRIGGER)
        return trigger_id

    def response_url(self, channel: str, user: str, ts: str | None = None) -> str:
        """The last part of an address to which the app may answer."""
        token = secrets.token_urlsafe(18)
        self.records.response_urls[token] = ResponseUrl(channel, user, self.now() + RESPONSE_URL, ts)
        return token

    # -- Events ----------------------------------------------------------------------------------------------------

    def tell_of_message(self, conversation: Conversation, message: Json) -> None:
        event = message | {"channel": conversation.id, "channel_type": conversation.kind, "event_ts": message["ts"]}
        event.pop("metadata", None)
        self.tell(event, f"{SCOPES[conversation.kind]}:history", conversation)

    def tell(self, event: Json, scope: str | None = None, of: Conversation | None = None) -> None:
        """Wrap the event and queue it for the app, if the app is told of such events."""
        active = [one for one in self.records.installations.values() if one.is_active]
        allowed = scope is None or any(scope in one.scopes for one in active)
        if not active or not allowed or (of is not None and BOT_USER not in of.members):
            return
        self._tell(
            {
                "token": "sandbox-verification-token",
                "team_id": self._team_of(event, of),
                "context_team_id": self.team_id,
                "context_enterprise_id": None,
                "api_app_id": APP_ID,
                "event": event,
                "type": "event_callback",
                "event_id": new_id("Ev"),
                "event_time": int(self.now().timestamp()),
                "authorizations": [
                    {
                        "enterprise_id": None,
                        "team_id": self.team_id,
                        "user_id": BOT_USER,
                        "is_bot": True,
                        "is_enterprise_install": False,
                    }
                ],
                "is_ext_shared_channel": of is not None and of.is_ext_shared,
                "event_context": f"4-{secrets.token_hex(12)}",
            }
        )

    def _team_of(self, event: Json, of: Conversation | None) -> str:
        """The workspace in which it happened: in a channel that is shared, that of whoever did it."""
        author = self.records.users.get(event.get("user", "")) if of is not None and of.is_ext_shared else None
        return author.team_id if author else self.team_id


def with_ids(blocks: list[Json]) -> list[Json]:
    """Blocks and elements as Slack keeps them: each has an id, given or made up."""
    return [_with_action_ids({"block_id": secrets.token_hex(3), **block}) for block in blocks]


def _with_action_ids(block: Json) -> Json:
    if block["type"] not in ("actions", "section", "input"):
        return block
    named: Json = {name: _with_action_id(block[name]) for name in ("accessory", "element") if name in block}
    if "elements" in block:
        named["elements"] = [_with_action_id(one) for one in block["elements"]]
    return block | named


def _with_action_id(element: Json) -> Json:
    return {"action_id": secrets.token_hex(3), **element} if element["type"] != "image" else element


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text, "emoji": True}


def new_id(prefix: str) -> str:
    """An id as Slack gives them: a letter or two say of what."""
    return prefix + secrets.token_hex(5).upper()
