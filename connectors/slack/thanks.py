"""Thanks in Slack: what was typed or reacted with, read; what is said about it, and about what stands in the way.

A typed thanks mentions people and has one of the program's emoji; each more of it counts again. What else is typed is
the reason.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.slack import blocks
from connectors.slack.guide import ENTRIES
from connectors.slack.markup import Markup, bold, joined, person
from connectors.slack.mentions import mentioned
from connectors.slack.texts import Texts, later
from domain.asks import Topic
from domain.commands import Refused
from domain.recognitions import MAX_REASON
from domain.sentences import Value

_EMOJI = re.compile(r":([a-z0-9_+'-]{1,100})(?:::skin-tone-[2-6])?:")
_MARKS = re.compile(r"<[@#!][^>]*>|:[a-z0-9_+'-]{1,100}:")


@dataclass(frozen=True, slots=True)
class Typed:
    """Thanks as they were typed: `amount` for each of the people."""

    receivers: tuple[str, ...]
    amount: int
    reason: str


def typed(text: str, amounts: Mapping[str, int]) -> Typed | None:
    """The thanks in a message; None if it mentions nobody, or has none of these emoji."""
    amount = sum(amounts.get(name, 0) for name in _EMOJI.findall(text))
    receivers = tuple(mentioned(text))
    if not amount or not receivers:
        return None
    return Typed(receivers, amount, " ".join(_MARKS.sub(" ", text).split())[:MAX_REASON])


def emoji_of(reaction: str) -> str:
    """The emoji's name without its skin tone."""
    return reaction.partition("::")[0]


# -- What is said --------------------------------------------------------------------------------------------------


def announcement(
    giver: Markup, receivers: Sequence[Markup], amount: int, value: str | None, reason: str, texts: Texts
) -> Mapping[str, Any]:
    """What everybody in the channel reads; giver and receivers are mentions, or names."""
    said = [texts.say("{giver} thanks {receivers}", giver=giver, receivers=texts.listed(receivers))]
    detail = [texts.change(amount), f"#{value}" if value else ""]
    block = blocks.section(joined("\n", [*said, *([reason] if reason else [])]))
    return blocks.message(said[0], [block, blocks.context(joined(" · ", [bold(one) for one in detail if one]))])


def taken_back(texts: Texts) -> Mapping[str, Any]:
    """What everybody reads where it stood, when all of it was taken back."""
    return blocks.message(texts.say("These thanks were taken back."))


def given(receivers: Sequence[str], amount: int, texts: Texts) -> Mapping[str, Any]:
    """What the giver reads."""
    who: dict[str, Value] = {"receivers": texts.listed([person(one) for one in receivers]), "amount": amount}
    return blocks.message(
        texts.count("You gave {receivers} {amount}.", "You gave {receivers} {amount} each.", len(receivers), **who)
    )


_REFUSALS: Mapping[str, str] = {
    "self_recognition": later("Nobody thanks themselves. Is there a colleague?"),
    "member_not_found": later("I do not know everybody whom you thank: ask your HR team to add them."),
    "member_inactive": later("Somebody whom you thank does not take part any more."),
    "nobody_thanked": later("Whom do you thank? Name at least one colleague."),
    "amount_out_of_range": later("Each of them gets a whole number from 1 to {limit}."),
    "too_many_receivers": later("{receivers} people at once are too many: at most {limit}."),
    "reason_too_short": later("Say why, in at least {least} characters: that is what they will remember."),
    "reason_too_long": later("That is {characters} characters: at most {limit} say why."),
    "value_not_declared": later("That is none of our values."),
    "pair_limit_reached": later("You have thanked the same person as much as one may for now."),
    "allowance_short": later("You have {available} left to give, and this takes {needed}."),
    "recognition_not_configured": later("Your company has no thanks with points yet: ask your HR team."),
}


_FIELDS = {
    "reason_too_short": "reason",
    "reason_too_long": "reason",
    "value_not_declared": "value",
    "allowance_short": "amount",
    "amount_out_of_range": "amount",
}


def refusal(refused: Refused, texts: Texts) -> str:
    """Why it was not given, and that nothing was spent."""
    message = _REFUSALS.get(refused.code, later("That cannot be given."))
    said, nothing = texts.say(message, **(refused.numbers or {})), texts.say("Nothing was given.")
    return f"{said} {nothing}"


def lacking(texts: Texts) -> Mapping[str, Any]:
    """What a thanks without people or without a reason is answered."""
    example = texts.say(ENTRIES[Topic.THANKS].example)
    return blocks.message(texts.say("Whom, and for what? For example: {example}", example=example))


def field_of(code: str) -> str:
    """Beside which field of the form a refusal is said."""
    return _FIELDS.get(code, "receivers")
