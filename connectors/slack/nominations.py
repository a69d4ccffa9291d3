"""A member's own nominations: that one is on its way, what became of it, and a button that takes it back."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.slack.blocks import Block, Element, actions, button, context, dialog, header, message, section
from connectors.slack.markup import Markup, bold, name
from connectors.slack.texts import Texts, later
from domain.homes import Home, Proposed
from domain.nominations import NominationState

WITHDRAW = "laurel.nominations.withdraw"  # a button, by the nomination's id

_ENDED: Mapping[NominationState, str] = {
    NominationState.APPROVED: later("It was approved."),
    NominationState.GIVEN: later("It was approved."),
    NominationState.DECLINED: later("It was declined."),
    NominationState.WITHDRAWN: later("It was withdrawn."),
    NominationState.EXPIRED: later("Nobody has decided on it in time."),
}


def render(one: Proposed, texts: Texts) -> dict[str, Any]:
    """The message that confirms it; once it has ended the same message says how, and has no button any more."""
    what = {"nominee": bold(name(one.nominee)), "category": bold(one.category)}
    if one.state is NominationState.PENDING:
        told = texts.say("Your nomination of {nominee} for {category} is on its way.", **what)
        return message(told, [section(told), actions(_withdraw(one, texts))])
    told = texts.say("Your nomination of {nominee} for {category}", **what)
    return message(told, [section(told), context(ended(one.state, texts))])


def ended(state: NominationState, texts: Texts) -> str:
    """What became of a nomination that is not pending any more."""
    return texts.say(_ENDED[state])


def in_home(shown: Home, texts: Texts) -> Iterator[Block]:
    """What the member has proposed and waits for its approval."""
    if shown.proposed:
        yield header(texts.say("Your nominations"))
    for one in shown.proposed:
        yield section(_waits(one, texts), accessory=_withdraw(one, texts))
    if shown.more_proposed:
        yield context(texts.say("More wait behind these."))


def _waits(one: Proposed, texts: Texts) -> Markup | str:
    return texts.say(
        "{nominee} for {category}: {points}. It waits for its approval.",
        nominee=bold(name(one.nominee)),
        category=bold(one.category),
        points=texts.points(one.amount),
    )


def _withdraw(one: Proposed, texts: Texts) -> Element:
    withdraw = texts.say("Withdraw")
    asked = dialog(
        texts.say("Withdraw this nomination?"),
        texts.say("Whoever was asked reads that there is nothing to decide any more."),
        confirm=withdraw,
        deny=texts.say("Keep it"),
        style="danger",
    )
    return button(withdraw, WITHDRAW, value=one.nomination_id, confirm=asked)
