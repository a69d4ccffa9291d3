"""What everybody in the Slack sandbox's workspace sees at one moment, also as lines of plain text."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

BOT = "app"

Json = dict[str, Any]

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)>")


class Screens:
    """Read from what the sandbox has been told to show; people are named as they are in the workspace."""

    def __init__(self, said: Json) -> None:
        self._said = said
        self._ids: dict[str, str] = {one["name"]: one["id"] for one in said["users"]}
        self._names: dict[str, str] = {one["id"]: one["real_name"] for one in said["users"]}

    def user_id(self, name: str) -> str:
        return self._ids[name]

    def modal(self, name: str) -> Json | None:
        """The window on top of this person's screen."""
        stack: list[Json] = self._said["modals"].get(self._ids[name], [])
        return stack[-1] if stack else None

    def has_home(self, name: str) -> bool:
        """Whether the app has shown this person their home tab."""
        return self._ids[name] in self._said["homes"]

    def told(self, name: str) -> list[Json]:
        """What the app has written to this person directly, the oldest first."""
        pair = {self._ids[name], self._ids[BOT]}
        return [
            message for one in self._said["conversations"] if set(one["members"]) == pair for message in one["messages"]
        ]

    def heard(self, channel: str) -> list[Json]:
        """What everybody in the channel reads, the oldest first."""
        found: list[Json] = next(one["messages"] for one in self._said["conversations"] if one["name"] == channel)
        return found

    def lines(self, message: Json) -> list[str]:
        """The message as it looks, line by line, with its buttons in brackets."""
        shown = [line for block in message.get("blocks", []) for line in _texts(block)] or [message["text"]]
        return [line for text in shown for line in self._plain(text).splitlines()]

    def _plain(self, text: str) -> str:
        named = _MENTION.sub(lambda found: f"@{self._names[found[1]]}", text)
        return unescape(named).replace("*", "")


def has_button(message: Json, action_id: str) -> bool:
    """Whether the message can be acted upon so."""
    elements = [one for block in message.get("blocks", []) for one in block.get("elements", [])]
    return any(one.get("action_id") == action_id for one in elements)


def _texts(block: Json) -> Iterator[str]:
    match block["type"]:
        case "section" | "header":
            yield block["text"]["text"]
        case "context":
            yield " ".join(one["text"] for one in block["elements"])
        case "actions":
            yield " ".join(f"[{one['text']['text']}]" for one in block["elements"])
