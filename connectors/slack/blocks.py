"""Blocks: what Slack's messages, modals and homes are made of, so that Slack takes all that these builders give.

Texts are clipped to Slack's limits, lists cut to them, and what is not markup is escaped where Slack would read it.
Ids and metadata are ours and short: too long ones are our mistake, and raise ValueError.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.slack.markup import clip, markup

# Slack's limits: https://docs.slack.dev/reference/block-kit and /reference/views. Texts in characters.
MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
HEADER = 150
SECTION = 3_000
CONTEXT_ELEMENTS = 10
ACTIONS = 25
BUTTON = 75
VALUE = 2_000
ACTION_ID = 255
OPTION = 75
OPTION_VALUE = 150
OPTIONS = 100
PLACEHOLDER = 150
LABEL = 2_000
HINT = 2_000
TITLE = 24  # of a modal, and of its two buttons
DIALOG_TITLE = 100
DIALOG = 300
DIALOG_BUTTON = 30
METADATA = 3_000
FALLBACK = 4_000
INPUT = 3_000

Block = dict[str, Any]
Element = dict[str, Any]
View = dict[str, Any]


# -- Blocks --------------------------------------------------------------------------------------------------------


def header(text: str) -> Block:
    return {"type": "header", "text": _plain(text, HEADER)}


def section(text: str, *, accessory: Element | None = None, block_id: str | None = None) -> Block:
    """A paragraph, with a button or a picture beside it."""
    return _block("section", block_id, text=_read(text, SECTION), accessory=accessory)


def context(*texts: str) -> Block:
    """Small grey texts beside each other."""
    return {"type": "context", "elements": [_read(text, SECTION) for text in texts[:CONTEXT_ELEMENTS]]}


def divider() -> Block:
    return {"type": "divider"}


def actions(*elements: Element, block_id: str | None = None) -> Block:
    return _block("actions", block_id, elements=list(elements[:ACTIONS]))


def input(
    label: str, element: Element, *, block_id: str, hint: str | None = None, optional: bool = False, tell: bool = False
) -> Block:
    """A question in a modal. `tell` has Slack say at once what was chosen, not only with the submission."""
    return _block(
        "input",
        block_id,
        label=_plain(label, LABEL),
        element=element,
        hint=_plain(hint, HINT) if hint else None,
        optional=optional,
        dispatch_action=tell,
    )


# -- Elements ------------------------------------------------------------------------------------------------------


def button(
    text: str, action: str, *, value: str | None = None, style: str | None = None, confirm: Element | None = None
) -> Element:
    """A button that asks us; `value` carries ids only, `style` is None, "primary" or "danger".

    With `confirm` Slack asks first whether it is meant.
    """
    return _element(
        "button", action, text=_plain(text, BUTTON), value=_short(value, VALUE), style=style, confirm=confirm
    )


def dialog(title: str, text: str, *, confirm: str, deny: str, style: str | None = None) -> Element:
    """What Slack asks before it passes on that a button was pressed."""
    return _given(
        {
            "title": _plain(title, DIALOG_TITLE),
            "text": _plain(text, DIALOG),
            "confirm": _plain(confirm, DIALOG_BUTTON),
            "deny": _plain(deny, DIALOG_BUTTON),
            "style": style,
        }
    )


def option(text: str, value: str, *, description: str | None = None) -> Element:
    described = {"description": _plain(description, OPTION)} if description else {}
    return {"text": _plain(text, OPTION), "value": _short(value, OPTION_VALUE), **described}


def select(action: str, options: Sequence[Element], *, placeholder: str, initial: Element | None = None) -> Element:
    """One of up to OPTIONS; there is at least one."""
    return _element(
        "static_select",
        action,
        options=list(options[:OPTIONS]),
        placeholder=_plain(placeholder, PLACEHOLDER),
        initial_option=initial,
    )


def grouped_select(action: str, groups: Sequence[tuple[str, Sequence[Element]]], *, placeholder: str) -> Element:
    """One of up to OPTIONS in all, which stand under the names of their groups; no group is empty."""
    left, shown = OPTIONS, []
    for name, options in groups:
        if left:
            shown.append({"label": _plain(name, OPTION), "options": list(options[:left])})
            left -= len(shown[-1]["options"])
    return _element("static_select", action, option_groups=shown, placeholder=_plain(placeholder, PLACEHOLDER))


def checkboxes(action: str, options: Sequence[Element], *, initial: Sequence[Element] = ()) -> Element:
    """Any of up to ten, all in sight."""
    return _element("checkboxes", action, options=list(options[:10]), initial_options=list(initial) or None)


def time_picker(action: str, *, initial: str) -> Element:
    """A time of the day, written 20:00."""
    return _element("timepicker", action, initial_time=initial)


def user_select(action: str, *, placeholder: str, initial: str | None = None) -> Element:
    """One person of the workspace."""
    return _element("users_select", action, placeholder=_plain(placeholder, PLACEHOLDER), initial_user=initial)


def multi_user_select(
    action: str, *, placeholder: str, initial: Sequence[str] = (), most: int | None = None
) -> Element:
    """People of the workspace."""
    return _element(
        "multi_users_select",
        action,
        placeholder=_plain(placeholder, PLACEHOLDER),
        initial_users=list(initial) or None,
        max_selected_items=most,
    )


def text_input(
    action: str,
    *,
    placeholder: str | None = None,
    initial: str | None = None,
    multiline: bool = False,
    least: int | None = None,
    most: int = INPUT,
) -> Element:
    """A field to type in, of `least` to `most` characters."""
    return _element(
        "plain_text_input",
        action,
        placeholder=_plain(placeholder, PLACEHOLDER) if placeholder else None,
        initial_value=initial,
        multiline=multiline,
        min_length=least,
        max_length=most,
    )


def email_input(action: str, *, initial: str | None = None) -> Element:
    """A field for an e-mail address, which Slack checks."""
    return _element("email_text_input", action, initial_value=initial or None)


def number_input(action: str, *, least: str, most: str, decimals: bool, initial: str | None = None) -> Element:
    """A field for a number between these two, written as Slack writes them: 12.50."""
    return _element(
        "number_input", action, is_decimal_allowed=decimals, min_value=least, max_value=most, initial_value=initial
    )


# -- Wholes --------------------------------------------------------------------------------------------------------


def message(text: str, blocks: Sequence[Block] = ()) -> dict[str, Any]:
    """A message's content; `text` is what notifications and screen readers say."""
    return {"text": clip(markup(text), FALLBACK), "blocks": list(blocks[:MESSAGE_BLOCKS])}


def modal(
    title: str, blocks: Sequence[Block], *, callback: str, close: str, submit: str | None = None, metadata: str = ""
) -> View:
    """A window; without `submit` there is nothing to send. `metadata` comes back with what is sent."""
    return {
        "type": "modal",
        "callback_id": _short(callback, ACTION_ID),
        "title": _plain(title, TITLE),
        "blocks": list(blocks[:VIEW_BLOCKS]),
        "close": _plain(close, TITLE),
        "private_metadata": _short(metadata, METADATA),
        **({"submit": _plain(submit, TITLE)} if submit else {}),
    }


def home(blocks: Sequence[Block]) -> View:
    """The app's own page for one person."""
    return {"type": "home", "blocks": list(blocks[:VIEW_BLOCKS])}


# -- Parts ---------------------------------------------------------------------------------------------------------


def _plain(text: str, limit: int) -> Element:
    """Text that Slack shows as it is, but for the names of emoji."""
    return {"type": "plain_text", "text": clip(text, limit), "emoji": True}


def _read(text: str, limit: int) -> Element:
    """Text that Slack reads. Verbatim: names of channels and addresses that people typed do not become links."""
    return {"type": "mrkdwn", "text": clip(markup(text), limit), "verbatim": True}


def _short(text: str | None, limit: int) -> str | None:
    if text is not None and len(text) > limit:
        raise ValueError(f"{len(text)} characters where Slack takes {limit}")
    return text


def _block(type: str, block_id: str | None, **parts: Any) -> Block:
    return _given({"type": type, "block_id": block_id, **parts})


def _element(type: str, action: str, **parts: Any) -> Element:
    return _given({"type": type, "action_id": _short(action, ACTION_ID), **parts})


def _given(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part is not None}
