"""Whom a request of Slack names: who caused it, and whom it is about."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.slack import commands
from domain.asks import Nominate, Thanks
from domain.slack import EnvelopeKind

_MENTION = re.compile(r"<@([UW][A-Z0-9]{2,30})(?:\|[^>]*)?>")
_ID = re.compile(r"[UW][A-Z0-9]{2,30}")


def mentioned(text: str) -> list[str]:
    """The people who are mentioned, each once, in order."""
    return list(dict.fromkeys(_MENTION.findall(text)))


def people_in(kind: EnvelopeKind, body: Mapping[str, Any]) -> tuple[str | None, Sequence[str]]:
    """Who caused it, None if nobody has to be known, and whom it names. What is taken back is nobody's any more."""
    match kind:
        case EnvelopeKind.COMMAND:
            return body["user_id"], _in_command(body.get("text", ""))
        case EnvelopeKind.EVENT:
            return _in_event(body["event"])
        case EnvelopeKind.VIEW:
            return body["user"]["id"], _in_view(body["view"])
        case EnvelopeKind.SHORTCUT if body["type"] == "message_action":
            return body["user"]["id"], [body["message"]["user"]] if body["message"].get("user") else []
    return body["user"]["id"], []


def _in_command(text: str) -> Sequence[str]:
    match commands.parse(text):
        case Thanks(receivers):
            return receivers
        case Nominate(str(nominee)):
            return [nominee]
    return []


def _in_event(event: Mapping[str, Any]) -> tuple[str | None, Sequence[str]]:
    match event["type"]:
        case "reaction_added":
            return event["user"], [event["item_user"]] if event.get("item_user") else []
        case "message" if not event.get("subtype"):
            return event["user"], mentioned(event["text"])
        case "app_home_opened":
            return event["user"], []
    return None, []


def _in_view(view: Mapping[str, Any]) -> Sequence[str]:
    """The people who were chosen in its fields."""
    fields = [field for block in view["state"]["values"].values() for field in block.values()]
    one = [field.get("selected_user") for field in fields]
    several = [user for field in fields for user in field.get("selected_users") or ()]
    return [user for user in (*one, *several) if user and _ID.fullmatch(user)]
