"""The demonstration's third act, in Slack: a nomination by a form is approved by a button, and somebody says thanks.

Whatever is said is shown to those who see it, in the sandbox's workspace of this program.
"""

from collections.abc import Callable
from typing import TypeVar

from cli.demo.facts import APPROVER, CATEGORY, CHANNEL, NOMINATOR, NOMINEE, REASON, THANKS
from cli.demo.outside import Api, Json, SlackWorkspace
from cli.demo.record import Talked
from cli.demo.screens import BOT, Screens, has_button
from cli.demo.story import Story
from cli.demo.waiting import DemoFailed, Waiting
from connectors.slack.cards import APPROVE
from connectors.slack.forms import NOMINATE, OPEN_NOMINATION

PEOPLE = (NOMINATOR, NOMINEE, APPROVER)

T = TypeVar("T")


class Talk:
    """Plays the act for one program; members are known by their e-mail addresses."""

    def __init__(
        self, api: Api, slack: SlackWorkspace, waiting: Waiting, story: Story, members: dict[str, str]
    ) -> None:
        self._api = api
        self._slack = slack
        self._waiting = waiting
        self._story = story
        self._members = members

    async def play(self) -> Talked:
        """Both scenes."""
        before = await self._values()
        self._story.chapter("In Slack, a nomination becomes points")
        await self._meet()
        await self._nominate()
        await self._approve()
        self._story.chapter("In Slack, somebody says thanks")
        await self._thank(before)
        after, screens = await self._values(), await self._slack.screens()
        nominated, thanked, spent = (abs(now - then) for now, then in zip(after, before, strict=True))
        told = {name: [one["text"] for one in screens.told(name)] for name in PEOPLE}
        return Talked(nominated, thanked, spent, told)

    async def _meet(self) -> None:
        for name in PEOPLE:
            await self._slack.act("open_home", user=name)
        await self._until("the home tabs", lambda seen: all(map(seen.has_home, PEOPLE)) or None)
        *others, last = map(_name, PEOPLE)
        self._story.tell(f"{', '.join(others)} and {last} open Laurel, which knows them by their e-mail addresses")

    async def _nominate(self) -> None:
        await self._slack.act("shortcut", user=NOMINATOR, callback_id=OPEN_NOMINATION)
        nominee = await self._until("the form", _form_is_open)
        self._story.tell(f"{_name(NOMINATOR)} picks the shortcut “Nominate somebody”, and fills in the form:")
        self._story.quote([_name(NOMINEE), CATEGORY, REASON])
        filled = {"nominee": nominee, "category": CATEGORY, "reason": REASON}
        answer = await self._slack.act("submit", user=NOMINATOR, values=filled)
        if answer["json"]:
            raise DemoFailed(f"the form was answered {answer['json']}")
        await self._read(NOMINATOR, lambda one: "on its way" in one["text"])

    async def _approve(self) -> None:
        card = await self._read(APPROVER, lambda one: has_button(one, APPROVE))
        pressed = {"user": APPROVER, "channel": BOT, "ts": card["ts"], "action_id": APPROVE}
        await self._slack.act("press", **pressed)
        await self._slack.act("send_again", reason="http_timeout")
        self._story.tell(f"{_name(APPROVER)} presses “Approve”, which Slack sends twice")
        await self._read(APPROVER, lambda one: one["text"].startswith("Thank you"))
        await self._read(NOMINEE, lambda one: "nominated you" in one["text"])
        await self._read(NOMINATOR, lambda one: "was approved" in one["text"])
        await self._read(APPROVER, lambda one: one["ts"] == card["ts"] and not has_button(one, APPROVE), "again")

    async def _thank(self, before: tuple[int, int, int]) -> None:
        await self._slack.act("command", user=NOMINEE, channel=CHANNEL, command="/laurel", text=THANKS)
        self._story.tell(f"{_name(NOMINEE)} types in #{CHANNEL}: /laurel {THANKS}")
        lines = await self._until("thanks in the channel", _last_said)
        self._story.tell(f"everybody reads in #{CHANNEL}:")
        self._story.quote(lines)

        async def worth() -> bool | None:
            return True if (await self._values())[1] > before[1] else None

        await self._waiting.until("what the thanks are worth", worth, part="worker")
        self._story.tell(f"everything that was said: {self._slack.page_url}")

    # -- What is seen ----------------------------------------------------------------------------------------------

    async def _read(self, name: str, is_meant: Callable[[Json], bool], again: str = "") -> Json:
        """What the person reads in Laurel's messages, once it is there; the message."""

        def find(seen: Screens) -> tuple[Json, list[str]] | None:
            return next(((one, seen.lines(one)) for one in seen.told(name) if is_meant(one)), None)

        message, lines = await self._until(f"a message to {_name(name)}", find)
        self._story.tell(" ".join(filter(None, [_name(name), "reads", again, "in Laurel's messages:"])))
        self._story.quote(lines)
        return message

    async def _until(self, what: str, find: Callable[[Screens], T | None]) -> T:
        async def look() -> T | None:
            return find(await self._slack.screens())

        return await self._waiting.until(f"{what} in Slack", look, part="worker")

    async def _values(self) -> tuple[int, int, int]:
        """The points that nominee and nominator have earned in all, and what the nominee has to give."""
        nominee, nominator = self._members[f"{NOMINEE}@example.com"], self._members[f"{NOMINATOR}@example.com"]
        return (
            (await self._api.balance(nominee))["lifetime"],
            (await self._api.balance(nominator))["lifetime"],
            (await self._api.balance(nominee, "kudos"))["available"],
        )


def _form_is_open(seen: Screens) -> str | None:
    """Whom the form is about, as Slack names them, once it is there."""
    modal = seen.modal(NOMINATOR)
    return seen.user_id(NOMINEE) if modal and modal["callback_id"] == NOMINATE else None


def _last_said(seen: Screens) -> list[str] | None:
    said = seen.heard(CHANNEL)
    return seen.lines(said[-1]) if said else None


def _name(name: str) -> str:
    return name.capitalize()
