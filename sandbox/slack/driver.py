"""What people and administrators do in the workspace, and Slack tells the app, signed.

Everybody and everything can be named by id or by name. What changes something is told to the app before it returns,
unless deliveries are held; what asks the app something returns its answer.
"""

import json
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from html import escape
from typing import Any
from urllib.parse import urlencode

from sandbox.slack import company, forms
from sandbox.slack.company import add, identifier
from sandbox.slack.faults import Fault
from sandbox.slack.notices import FORM, JSON, Answer, Webhook
from sandbox.slack.web_api import checked_view
from sandbox.slack.workspace import APP_ID, BOT_USER, SCOPES, Conversation, Json, Kind, User, Workspace

VERIFICATION_TOKEN = "sandbox-verification-token"


@dataclass(slots=True)
class Driver:
    """Slack itself, as far as this workspace goes; its response URLs begin with `base_url`."""

    workspace: Workspace
    webhook: Webhook
    base_url: str
    faults: list[Fault] = field(default_factory=list)  # those to come
    requests: Counter[str] = field(default_factory=Counter)  # how often each path of the API was asked

    @property
    def api_url(self) -> str:
        return f"{self.base_url}/api/"

    def beside(self, team_id: str, name: str) -> "Driver":
        """Another workspace of the same Slack, with a company of the same people, which has not installed the app."""
        workspace = Workspace(team_id, name, self.workspace.now, self.webhook.tell)
        company.found(workspace)
        return replace(self, workspace=workspace)

    # -- What is said ----------------------------------------------------------------------------------------------

    async def say(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> str:
        """A message of a person; its ts. `@name` becomes a mention."""
        content = {"text": self._mentioned(text)} | ({"thread_ts": thread_ts} if thread_ts else {})
        message = self.workspace.post(self._place(user, channel), self.workspace.user(user).id, content)
        await self.webhook.changed()
        return str(message["ts"])

    async def rewrite(self, channel: str, ts: str, text: str) -> None:
        """Its author changes a message."""
        conversation, message = self._message(channel, ts)
        self.workspace.edit(conversation, message, {"text": self._mentioned(text)})
        await self.webhook.changed()

    async def remove(self, channel: str, ts: str) -> None:
        """Its author deletes a message."""
        self.workspace.erase(*self._message(channel, ts))
        await self.webhook.changed()

    async def react(self, user: str, channel: str, ts: str, emoji: str) -> None:
        await self._reacted("reaction_added", user, channel, ts, emoji)

    async def unreact(self, user: str, channel: str, ts: str, emoji: str) -> None:
        await self._reacted("reaction_removed", user, channel, ts, emoji)

    async def _reacted(self, kind: str, user: str, channel: str, ts: str, emoji: str) -> None:
        conversation, message = self._message(channel, ts)
        who = self.workspace.user(user).id
        given = {one["name"]: list(one["users"]) for one in message.get("reactions", [])}
        users = [one for one in given.get(emoji, []) if one != who] + ([who] if kind == "reaction_added" else [])
        given[emoji] = users
        reactions = [{"name": name, "users": by, "count": len(by)} for name, by in given.items() if by]
        message["reactions"] = reactions
        item = {"type": "message", "channel": conversation.id, "ts": ts}
        event = {"type": kind, "user": who, "reaction": emoji, "item": item, "item_user": message["user"]}
        self.workspace.tell(event | {"event_ts": self.workspace.next_ts()}, "reactions:read", conversation)
        await self.webhook.changed()

    # -- Who is there ----------------------------------------------------------------------------------------------

    async def join(self, name: str, email: str | None = None, **more: Any) -> str:
        """Somebody new: the id. What else a user has can be given by its name: locale, is_restricted, team_id..."""
        team = self.workspace.team_id
        user = User(identifier("U", team, secrets.token_hex(8)), name, name.capitalize(), email, team)
        self._set(user, more)
        add(self.workspace, user)
        self.workspace.tell({"type": "team_join", "user": self._told(user)}, "users:read")
        await self.webhook.changed()
        return user.id

    async def change(self, user: str, **changes: Any) -> None:
        """Somebody's name, e-mail, time zone, locale..., or `deleted`: who is deactivated is in no channel."""
        found = self.workspace.user(user)
        self._set(found, changes)
        found.updated = int(self.workspace.now().timestamp())
        for one in self.workspace.records.conversations.values() if found.deleted else ():
            if one.kind in ("channel", "group") and found.id in one.members:
                one.members.remove(found.id)
        event = {"type": "user_change", "user": self._told(found), "cache_ts": found.updated}
        self.workspace.tell(event | {"event_ts": self.workspace.next_ts()}, "users:read")
        await self.webhook.changed()

    @staticmethod
    def _set(user: User, changes: Mapping[str, Any]) -> None:
        unknown = changes.keys() - {one.name for one in fields(User)}
        if unknown:
            raise TypeError(f"users have no {', '.join(sorted(unknown))}")
        for name, value in changes.items():
            setattr(user, name, value)

    def _told(self, user: User) -> Json:
        scopes = [scope for one in self.workspace.records.installations.values() for scope in one.scopes]
        return user.as_json(self.workspace.now(), email="users:read.email" in scopes, locale=True)

    # -- Conversations ---------------------------------------------------------------------------------------------

    def create(self, name: str, kind: Kind = "channel", *, is_ext_shared: bool = False) -> str:
        """A channel in which nobody is yet: its id."""
        made = int(self.workspace.now().timestamp())
        channel = Conversation(identifier("C", self.workspace.team_id, name), kind, made, name)
        channel.is_ext_shared = is_ext_shared
        self.workspace.records.conversations[channel.id] = channel
        return channel.id

    async def invite(self, channel: str, user: str = BOT_USER) -> None:
        """The bot, unless somebody else is named."""
        conversation, who = self.workspace.conversation(channel), self.workspace.user(user).id
        if who not in conversation.members:
            conversation.members.append(who)
        event = {"type": "member_joined_channel", "user": who, "channel": conversation.id}
        event |= {"channel_type": conversation.id[0], "team": self.workspace.team_id}
        scope = f"{SCOPES[conversation.kind]}:read"
        self.workspace.tell(event | {"event_ts": self.workspace.next_ts()}, scope, conversation)
        await self.webhook.changed()

    async def kick(self, channel: str, user: str = BOT_USER) -> None:
        """The bot, unless somebody else is named; the bot is told of its own leaving."""
        conversation, who = self.workspace.conversation(channel), self.workspace.user(user).id
        scope = f"{SCOPES[conversation.kind]}:read"
        if who == BOT_USER:
            kind = "group_left" if conversation.kind == "group" else "channel_left"
            event: Json = {"type": kind, "channel": conversation.id, "actor_id": conversation.members[0]}
        else:
            event = {"type": "member_left_channel", "user": who, "channel": conversation.id}
            event |= {"channel_type": conversation.id[0], "team": self.workspace.team_id}
        self.workspace.tell(event | {"event_ts": self.workspace.next_ts()}, scope, conversation)
        conversation.members.remove(who)
        await self.webhook.changed()

    async def archive(self, channel: str, user: str) -> None:
        await self._archived("archive", channel, user)

    async def unarchive(self, channel: str, user: str) -> None:
        await self._archived("unarchive", channel, user)

    async def _archived(self, what: str, channel: str, user: str) -> None:
        conversation = self.workspace.conversation(channel)
        conversation.is_archived = what == "archive"
        kind = f"{'group' if conversation.kind == 'group' else 'channel'}_{what}"
        event = {"type": kind, "channel": conversation.id, "user": self.workspace.user(user).id}
        scope = f"{SCOPES[conversation.kind]}:read"
        self.workspace.tell(event | {"event_ts": self.workspace.next_ts()}, scope, conversation)
        await self.webhook.changed()

    # -- The app's installation ------------------------------------------------------------------------------------

    def consent(self, scopes: list[str]) -> str:
        """The code that somebody who installs the app brings back to it."""
        code = secrets.token_urlsafe(12)
        self.workspace.records.codes[code] = scopes
        return code

    async def uninstall(self) -> None:
        """Both events come, in an order that Slack does not promise, and the token opens nothing from then on."""
        self.workspace.tell({"type": "app_uninstalled", "event_ts": self.workspace.next_ts()})
        await self.revoke()

    async def revoke(self) -> None:
        """The bot's token alone."""
        tokens = {"oauth": [], "bot": [BOT_USER]}
        self.workspace.tell({"type": "tokens_revoked", "tokens": tokens, "event_ts": self.workspace.next_ts()})
        for installation in self.workspace.records.installations.values():
            installation.is_active = False
        await self.webhook.changed()

    # -- Commands and shortcuts ------------------------------------------------------------------------------------

    async def command(self, user: str, channel: str, command: str, text: str = "") -> Answer:
        """A slash command; what is answered at once is shown to the user. `@name` is escaped as Slack does."""
        who, place = self.workspace.user(user), self._place(user, channel)
        form = {
            "token": VERIFICATION_TOKEN,
            "team_id": self.workspace.team_id,
            "team_domain": self.workspace.domain,
            "channel_id": place.id,
            "channel_name": "directmessage" if place.kind == "im" else place.name,
            "user_id": who.id,
            "user_name": who.name,
            "command": command,
            "text": self._mentioned(text, named=True),
            "api_app_id": APP_ID,
            "is_enterprise_install": "false",
            "response_url": self._response_url(place, who),
            "trigger_id": self.workspace.trigger(who.id),
        }
        answer = await self.webhook.send(self.webhook.signed(urlencode(form).encode(), FORM))
        if answer.is_taken and answer.json.get("text"):
            self._show_reply(place, who, answer.json)
        return answer

    def _show_reply(self, place: Conversation, who: User, reply: Json) -> None:
        content: Json = {name: reply[name] for name in ("text", "blocks") if name in reply}
        if reply.get("response_type") == "in_channel":
            self.workspace.post(place, BOT_USER, content)
        else:
            self.workspace.whisper(place, who.id, content)

    async def shortcut(self, user: str, callback_id: str) -> Answer:
        """A global one."""
        return await self._interact("shortcut", user, callback_id=callback_id, action_ts=self.workspace.next_ts())

    async def message_shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> Answer:
        conversation, message = self._message(channel, ts)
        return await self._interact(
            "message_action",
            user,
            callback_id=callback_id,
            action_ts=self.workspace.next_ts(),
            channel=_named(conversation),
            message_ts=ts,
            message=message,
            response_url=self._response_url(conversation, self.workspace.user(user), ts),
        )

    # -- Messages, home and modals that are used -------------------------------------------------------------------

    async def open_home(self, user: str, tab: str = "home") -> None:
        """The user looks at the app's home tab, or at its messages."""
        who = self.workspace.user(user).id
        event: Json = {"type": "app_home_opened", "user": who, "channel": self.workspace.direct(who).id, "tab": tab}
        home = self.workspace.records.homes.get(who)
        event |= {"view": home} if home and tab == "home" else {}
        self.workspace.tell(event | {"event_ts": self.workspace.next_ts()})
        await self.webhook.changed()

    async def press(
        self, user: str, channel: str, ts: str, action_id: str, value: Any = None, *, nth: int = 0
    ) -> Answer:
        """Use what has this action id in a message, ephemeral or not; `value` is what is chosen, if it is a choice.

        Of several with the same action id the `nth` is used. Raises KeyError if there is none.
        """
        conversation, message = self._seen(user, channel, ts)
        action = forms.action(message.get("blocks", []), action_id, value, self.workspace.next_ts(), nth)
        container = {
            "type": "message",
            "message_ts": ts,
            "channel_id": conversation.id,
            "is_ephemeral": "to" in message,
        }
        shown = {} if "to" in message else {"message": message}
        return await self._interact(
            "block_actions",
            user,
            container=container,
            channel=_named(conversation),
            actions=[action],
            response_url=self._response_url(conversation, self.workspace.user(user), ts),
            **shown,
        )

    async def press_view(
        self, user: str, action_id: str, value: Any = None, *, view: str | None = None, nth: int = 0
    ) -> Answer:
        """Use what has this action id in the modal on top, or else in the home tab, unless a view is named."""
        shown = self.view(user, view)
        action = forms.action(shown["blocks"], action_id, value, self.workspace.next_ts(), nth)
        if shown["type"] == "modal":
            shown["state"] = forms.state(shown, {action_id: value} if value is not None else {})
        container = {"type": "view", "view_id": shown["id"]}
        return await self._interact("block_actions", user, container=container, view=shown, actions=[action])

    async def submit(self, user: str, values: Mapping[str, Any] | None = None, *, view: str | None = None) -> Answer:
        """Fill the modal on top, its inputs named by action id, and send it; then do with it as the app answers.

        Raises ValueError where Slack would not let the user send it: an input is missing, too short or too long.
        """
        shown = self.view(user, view)
        shown["state"] = forms.state(shown, values or {})
        forms.require_filled(shown)
        answer = await self._interact("view_submission", user, view=shown, response_urls=[])
        if answer.is_taken:
            self._obey(self.workspace.user(user).id, shown, answer.json)
        return answer

    def _obey(self, user: str, shown: Json, answer: Json) -> None:
        """Errors leave the modal as it is, and nothing closes it."""
        stack = self.workspace.records.modals[user]
        match answer.get("response_action"):
            case "errors":
                forms.require_blocks(shown, answer["errors"])
            case "update":
                shown |= self.workspace.show(checked_view(answer["view"], "modal"), instead=shown)
            case "push":
                stack.append(self.workspace.show(checked_view(answer["view"], "modal"), over=stack[-1]))
            case "clear":
                stack.clear()
            case _:
                stack.remove(shown)

    async def close(self, user: str) -> Answer | None:
        """Close the modal on top; the app hears of it if the view says so."""
        shown = self.view(user)
        self.workspace.records.modals[self.workspace.user(user).id].remove(shown)
        if not shown["notify_on_close"]:
            return None
        return await self._interact("view_closed", user, view=shown, is_cleared=False)

    def view(self, user: str, view_id: str | None = None) -> Json:
        """The modal on top of the user's screen, or else the home tab, unless another is named; raises KeyError."""
        who = self.workspace.user(user).id
        if view_id is not None:
            found = self.workspace.view(view_id)
        else:
            found = next(reversed(self.workspace.records.modals.get(who, [])), None)
            found = found or self.workspace.records.homes.get(who)
        if found is None:
            raise KeyError(view_id or f"{user} looks at no view")
        return found

    async def _interact(self, kind: str, user: str, **more: Any) -> Answer:
        who = self.workspace.user(user)
        team = {"id": self.workspace.team_id, "domain": self.workspace.domain}
        payload = {
            "type": kind,
            "team": team,
            "user": {"id": who.id, "username": who.name, "name": who.name, "team_id": who.team_id},
            "api_app_id": APP_ID,
            "token": VERIFICATION_TOKEN,
            "enterprise": None,
            "is_enterprise_install": False,
            **({} if kind == "view_closed" else {"trigger_id": self.workspace.trigger(who.id)}),
            **more,
        }
        return await self.webhook.send(self.webhook.signed(urlencode({"payload": json.dumps(payload)}).encode(), FORM))

    # -- Requests that come once more, or from somebody else ---------------------------------------------------------

    async def verify_url(self) -> bool:
        """Whether the app answers Slack's challenge."""
        challenge = secrets.token_hex(16)
        body = {"token": VERIFICATION_TOKEN, "challenge": challenge, "type": "url_verification"}
        answer = await self.webhook.send(self.webhook.signed(json.dumps(body).encode(), JSON))
        return answer.is_taken and challenge.encode() in answer.content

    async def send_again(
        self, nth: int = -1, *, secret: str | None = None, seconds_old: int = 0, reason: str | None = None
    ) -> Answer:
        """What was sent as the `nth`, signed anew: once more, as forged with another secret, or as if it were older."""
        sent = self.webhook.sent[nth]
        more = {"x-slack-retry-num": "1", "x-slack-retry-reason": reason} if reason else {}
        at = self.workspace.now() - timedelta(seconds=seconds_old)
        return await self.webhook.send(
            self.webhook.signed(sent.body, sent.headers["content-type"], more, secret=secret, at=at)
        )

    # -- Finding ---------------------------------------------------------------------------------------------------

    def _place(self, user: str, channel: str) -> Conversation:
        """Where a person is; the bot's name means the direct message with it."""
        if channel in (BOT_USER, self.workspace.user(BOT_USER).name):
            return self.workspace.direct(self.workspace.user(user).id)
        return self.workspace.conversation(channel)

    def _message(self, channel: str, ts: str) -> tuple[Conversation, Json]:
        conversation = self.workspace.conversation(channel)
        return conversation, conversation.messages[ts]

    def _seen(self, user: str, channel: str, ts: str) -> tuple[Conversation, Json]:
        """A message that this user sees, an ephemeral one included."""
        conversation, who = self._place(user, channel), self.workspace.user(user).id
        whispered = {one["ts"]: one for one in conversation.ephemerals if one["to"] == who}
        return conversation, whispered[ts] if ts in whispered else conversation.messages[ts]

    def _response_url(self, place: Conversation, who: User, ts: str | None = None) -> str:
        return f"{self.base_url}/response/{self.workspace.response_url(place.id, who.id, ts)}"

    def _mentioned(self, text: str, *, named: bool = False) -> str:
        """What was typed, as Slack passes it on: mentions as ids, in commands with the name; three signs escaped."""
        text = escape(text, quote=False)
        for user in self.workspace.records.users.values():
            mention = f"<@{user.id}|{user.name}>" if named else f"<@{user.id}>"
            text = re.sub(rf"@{re.escape(user.name)}\b", mention, text)
        return text


def _named(conversation: Conversation) -> Json:
    return {"id": conversation.id, "name": conversation.name or "directmessage"}
