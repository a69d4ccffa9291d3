"""Forms: what people fill in to nominate, to thank and to decide, and what they are told about a field."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import time
from typing import Any

from connectors.slack import blocks
from connectors.slack.blocks import View
from connectors.slack.texts import Texts, later
from domain.asks import Thanks
from domain.nominations import MAX_EVIDENCE, MAX_REASON, Nomination, NominationCategory, Proposal, Refusal, is_link

# What a member does, as Slack names it to us. Buttons and shortcuts that open a form:
OPEN_NOMINATION = "laurel.nominations.open"
OPEN_THANKS = "laurel.recognitions.open"
THANK_AUTHOR = "laurel.recognitions.thank"  # of a message
# What is sent with each form; a decision's form has the name of its button.
NOMINATE = "laurel.nominations.propose"
CHANGE_AMOUNT = "laurel.nominations.change"
DECLINE = "laurel.nominations.decline"
THANK = "laurel.recognitions.give"
# Windows with nothing to send.
WAITING = "laurel.windows.wait"
EXCUSE = "laurel.windows.excuse"

AMOUNT_DIGITS = 9


def skeleton(title: str, texts: Texts) -> View:
    """What is open until the form is ready."""
    return blocks.modal(title, [blocks.section(texts.say("One moment…"))], callback=WAITING, close=_close(texts))


def excuse(title: str, text: str, texts: Texts) -> View:
    """A window that only says why there is no form."""
    return blocks.modal(title, [blocks.section(text)], callback=EXCUSE, close=_close(texts))


# -- Nominations ---------------------------------------------------------------------------------------------------


def nomination_title(texts: Texts) -> str:
    return texts.say("Nominate a colleague")


def nomination(categories: Collection[NominationCategory], texts: Texts, nominee: str | None = None) -> View:
    """Whom, for what, why and how much; there is at least one category."""
    usual = texts.say("A whole number of points. Leave it empty for what is usual in the category.")
    return blocks.modal(
        nomination_title(texts),
        [
            _nominee(nominee, texts),
            _category(categories, texts),
            _reason(min(one.min_reason for one in categories), texts),
            _evidence(texts),
            _amount(texts.say("Points"), usual, texts, optional=True),
        ],
        callback=NOMINATE,
        close=_cancel(texts),
        submit=texts.say("Nominate"),
    )


def _nominee(nominee: str | None, texts: Texts) -> blocks.Block:
    field = blocks.user_select("nominee", placeholder=texts.say("A colleague"), initial=nominee)
    return blocks.input(texts.say("Who deserves it?"), field, block_id="nominee")


def _category(categories: Collection[NominationCategory], texts: Texts) -> blocks.Block:
    options = [blocks.option(one.title, one.key, description=one.description or None) for one in categories]
    only = options[0] if len(options) == 1 else None
    field = blocks.select("category", options, placeholder=texts.say("A category"), initial=only)
    return blocks.input(texts.say("For what?"), field, block_id="category")


def _reason(least: int, texts: Texts) -> blocks.Block:
    asked = texts.say("What did they do, and what came of it?")
    field = blocks.text_input("reason", multiline=True, placeholder=asked, least=least, most=MAX_REASON)
    return blocks.input(texts.say("Why?"), field, block_id="reason", hint=texts.say("Those who approve read it."))


def _evidence(texts: Texts) -> blocks.Block:
    field = blocks.text_input("evidence", placeholder="https://", most=MAX_EVIDENCE)
    return blocks.input(texts.say("A link that shows it"), field, block_id="evidence", optional=True)


def proposal(values: Mapping[str, Any], nominator_id: str, nominee_id: str) -> Proposal:
    """What was filled in; raises ValueError for an amount that is no number."""
    return Proposal(
        nominator_id,
        nominee_id,
        chosen(values, "category") or "",
        written(values, "reason") or "",
        evidence=written(values, "evidence"),
        amount=whole(written(values, "amount")),
    )


def change_of_amount(nomination: Nomination, most: int, texts: Texts) -> View:
    """Approve with another amount."""
    hint = texts.say("At most {most} points; {proposed} were proposed.", most=most, proposed=nomination.amount)
    return blocks.modal(
        texts.say("Change the amount"),
        [
            _amount(texts.say("Points"), hint, texts),
            _comment(texts.say("Anything to say about it?"), texts, optional=True),
        ],
        callback=CHANGE_AMOUNT,
        close=_cancel(texts),
        submit=texts.say("Approve"),
        metadata=nomination.id,
    )


def decline(nomination: Nomination, texts: Texts) -> View:
    """Decline, and say why: the nominator reads it."""
    return blocks.modal(
        texts.say("Decline"),
        [_comment(texts.say("Why not?"), texts, optional=False)],
        callback=DECLINE,
        close=_cancel(texts),
        submit=texts.say("Decline"),
        metadata=nomination.id,
    )


_REFUSALS: Mapping[Refusal, tuple[str, str]] = {
    Refusal.MEMBER_NOT_FOUND: ("nominee", later("We do not know this person yet: ask your HR team to add them.")),
    Refusal.MEMBER_INACTIVE: ("nominee", later("This person does not take part any more.")),
    Refusal.SELF_NOMINATION: ("nominee", later("Nobody nominates themselves. Is there a colleague?")),
    Refusal.NOMINATION_OPEN: ("nominee", later("You have nominated them for this already, and it is being decided.")),
    Refusal.UNKNOWN_CATEGORY: ("category", later("This category has just gone: choose another.")),
    Refusal.LIMIT_REACHED: ("category", later("You have made as many nominations of this kind as one may for now.")),
    Refusal.AMOUNT_ABOVE_MAXIMUM: ("amount", later("That is more than the category gives.")),
}
_DECIDED: Mapping[Refusal, str] = {
    Refusal.NOT_PENDING: later("It has been decided already: nothing was changed."),
    Refusal.ALREADY_DECIDED: later("You, or somebody who stands in, have decided already: nothing was changed."),
    Refusal.NOT_APPROVER: later("It is not yours to decide: nothing was changed."),
    Refusal.NOT_NOMINATOR: later("Somebody else has made this nomination: nothing was changed."),
    Refusal.AMOUNT_ABOVE_MAXIMUM: later("That is more than the category gives."),
    Refusal.INVALID_NOMINATION: later("Say why not: who has nominated reads it."),
}


def nomination_fault(
    code: Refusal, category: NominationCategory | None, texts: Texts, *, evidence: str | None = None
) -> tuple[str, str]:
    """Beside which field it is said why the nomination is not taken, and what."""
    if code is Refusal.INVALID_NOMINATION:
        if evidence is not None and not is_link(evidence):
            return "evidence", texts.say("Give a link that begins with https://.")
        return "reason", texts.say("Write at least {least} characters.", least=category.min_reason if category else 0)
    field, message = _REFUSALS.get(code, ("reason", later("That cannot be taken just now. Please try again later.")))
    return field, texts.say(message)


def decision_fault(code: Refusal, texts: Texts) -> str:
    """Why a decision, or a withdrawal, was not taken."""
    return texts.say(_DECIDED.get(code, later("That cannot be taken just now. Please try again later.")))


# -- Thanks --------------------------------------------------------------------------------------------------------


def thanks_title(texts: Texts) -> str:
    return texts.say("Thank a colleague")


def thanks(
    values: Sequence[str], texts: Texts, *, least_reason: int, receivers: Sequence[str] = (), channel: str = ""
) -> View:
    """Whom, how much, for what value and why; said in the channel if it is public."""
    return blocks.modal(
        thanks_title(texts),
        [
            blocks.input(
                texts.say("Whom?"),
                blocks.multi_user_select("receivers", placeholder=texts.say("Colleagues"), initial=receivers, most=20),
                block_id="receivers",
            ),
            blocks.input(
                texts.say("For what?"),
                blocks.text_input("reason", multiline=True, least=least_reason or None, most=MAX_REASON),
                block_id="reason",
            ),
            _amount(texts.say("How much for each?"), texts.say("Out of what you have to give."), texts, optional=True),
            *([_value(values, texts)] if values else []),
            _privacy(texts),
        ],
        callback=THANK,
        close=_cancel(texts),
        submit=texts.say("Thank"),
        metadata=channel,
    )


def _value(values: Sequence[str], texts: Texts) -> blocks.Block:
    options = [blocks.option(one, _name_of(one)) for one in values]
    field = blocks.select("value", options, placeholder=texts.say("One of our values"))
    return blocks.input(texts.say("Which of our values?"), field, block_id="value", optional=True)


def _privacy(texts: Texts) -> blocks.Block:
    field = blocks.checkboxes("private", [blocks.option(texts.say("Only the people I thank"), "private")])
    return blocks.input(texts.say("Who may see it?"), field, block_id="private", optional=True)


def thanks_asked(values: Mapping[str, Any], declared: Sequence[str]) -> Thanks:
    """What was filled in; raises ValueError for an amount that is no number.

    A value that is not declared any more is its option's name, which no program declares.
    """
    name = chosen(values, "value")
    return Thanks(
        tuple(people(values, "receivers")),
        whole(written(values, "amount")),
        next((one for one in declared if _name_of(one) == name), name),
        written(values, "reason") or "",
        private=ticked(values, "private"),
    )


def _name_of(value: str) -> str:
    """The option that stands for the company's value, whatever its length, also when others come and go."""
    return f"value:{hashlib.sha256(value.encode()).hexdigest()[:32]}"


# -- What was filled in --------------------------------------------------------------------------------------------


def written(values: Mapping[str, Any], name: str) -> str | None:
    """The text of a field, without the spaces around it; None if it is empty."""
    text: str = values.get(name, {}).get(name, {}).get("value") or ""
    return text.strip() or None


def chosen(values: Mapping[str, Any], name: str) -> str | None:
    """The value of the option that was chosen, or None."""
    option = values.get(name, {}).get(name, {}).get("selected_option") or {}
    return option.get("value")


def ticked(values: Mapping[str, Any], name: str) -> bool:
    """Whether the box of this name is ticked."""
    return bool(ticks(values, name))


def ticks(values: Mapping[str, Any], name: str) -> list[str]:
    """The values of the boxes that are ticked."""
    return [option["value"] for option in values.get(name, {}).get(name, {}).get("selected_options") or ()]


def picked(values: Mapping[str, Any], name: str) -> time:
    """The time of the day that was picked."""
    return time.fromisoformat(values[name][name]["selected_time"])


def people(values: Mapping[str, Any], name: str) -> list[str]:
    """The people who were chosen, one or several."""
    field = values.get(name, {}).get(name, {})
    one = field.get("selected_user")
    return [one] if one else list(field.get("selected_users") or ())


def whole(text: str | None) -> int | None:
    """A whole number as people write it; raises ValueError."""
    if text is None:
        return None
    digits = text.replace(" ", "").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= AMOUNT_DIGITS):
        raise ValueError("not a whole number")
    return int(digits)


def no_number(texts: Texts) -> str:
    """What is said about an amount that is no number."""
    return texts.say("Write a whole number, such as 50.")


def _amount(label: str, hint: str, texts: Texts, *, optional: bool = False) -> blocks.Block:
    field = blocks.text_input("amount", placeholder=texts.say("50"), most=AMOUNT_DIGITS + 3)
    return blocks.input(label, field, block_id="amount", hint=hint, optional=optional)


def _comment(label: str, texts: Texts, *, optional: bool) -> blocks.Block:
    field = blocks.text_input("comment", multiline=True, most=MAX_REASON)
    hint = texts.say("Whoever made the nomination reads it.")
    return blocks.input(label, field, block_id="comment", hint=hint, optional=optional)


def _cancel(texts: Texts) -> str:
    return texts.say("Cancel")


def _close(texts: Texts) -> str:
    return texts.say("Close")
