"""What is wrong with blocks and views, in the words in which Slack says it; the limits are those that Slack documents.

Shapes are data: each names its fields and how each is checked. A field that Slack does not know is wrong, too.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Faults = Iterator[str]
Check = Callable[[Any, str], Faults]

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
VIEW_BYTES = 250_000
CONFLICTS = {"options": "option_groups", "image_url": "slack_file"}


def faults_of_message(blocks: Any) -> list[str]:
    """What is wrong with the blocks of a message."""
    return list(_blocks(blocks, "/blocks", MESSAGE_BLOCKS))


def faults_of_view(view: Json) -> list[str]:
    """What is wrong with a modal or a home tab."""
    return list(_view(view, "/view"))


# -- Checks --------------------------------------------------------------------------------------------------------


def _wrong(message: str, at: str) -> str:
    return f"{message} [json-pointer:{at}]"


def _string(most: int, least: int = 1) -> Check:
    def check(value: Any, at: str) -> Faults:
        if not isinstance(value, str):
            yield _wrong("must provide a string", at)
        elif len(value) > most:
            yield _wrong(f"must be less than {most + 1} characters", at)
        elif len(value) < least:
            yield _wrong(f"must be more than {least - 1} characters", at)

    return check


def _whole(least: int, most: int) -> Check:
    def check(value: Any, at: str) -> Faults:
        if type(value) is not int or not least <= value <= most:
            yield _wrong(f"must be between {least} and {most}", at)

    return check


def _flag(value: Any, at: str) -> Faults:
    if not isinstance(value, bool):
        yield _wrong("must provide a boolean", at)


def _among(*values: str) -> Check:
    def check(value: Any, at: str) -> Faults:
        if value not in values:
            yield _wrong("must be a valid enum value", at)

    return check


def _anything(value: Any, at: str) -> Faults:
    return iter(())


def _listed(check_each: Check, most: int, least: int = 1) -> Check:
    def check(value: Any, at: str) -> Faults:
        if not isinstance(value, list):
            yield _wrong("must provide an array", at)
            return
        if len(value) > most:
            yield _wrong(f"no more than {most} items allowed", at)
        if len(value) < least:
            yield _wrong(f"no fewer than {least} items allowed", at)
        for n, item in enumerate(value):
            yield from check_each(item, f"{at}/{n}")

    return check


@dataclass(frozen=True, slots=True)
class Shape:
    """An object with these fields; `also` says what is wrong with the whole."""

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    also: Check = _anything

    def __call__(self, value: Any, at: str) -> Faults:
        if not isinstance(value, dict):
            yield _wrong("must provide an object", at)
            return
        for name in self.required.keys() - value.keys():
            yield _wrong(f"missing required field: {name}", at)
        for name, given in value.items():
            check = self.required.get(name) or self.optional.get(name)
            if check is not None:
                yield from check(given, f"{at}/{name}")
            elif name != "type":
                yield _wrong(f"invalid additional property: {name}", at)
        yield from self.also(value, at)


def _typed(shapes: Mapping[str, Check]) -> Check:
    """One of several shapes, which its type tells apart."""

    def check(value: Any, at: str) -> Faults:
        kind = str(value.get("type")) if isinstance(value, dict) else ""
        if kind in shapes:
            yield from shapes[kind](value, at)
        else:
            yield _wrong(f"unsupported type: {kind}", f"{at}/type")

    return check


def _text(most: int, *kinds: str, least: int = 1) -> Check:
    """A text object; Slack names the object, too, when its text is too long."""
    shapes = {
        "plain_text": Shape({"text": _string(most, least)}, {"emoji": _flag}),
        "mrkdwn": Shape({"text": _string(most, least)}, {"verbatim": _flag}),
    }
    inside = _typed({kind: shapes[kind] for kind in kinds or shapes})

    def check(value: Any, at: str) -> Faults:
        found = list(inside(value, at))
        if found:
            yield _wrong("failed to match all allowed schemas", at)
        yield from found

    return check


def _plain(most: int) -> Check:
    return _text(most, "plain_text")


# -- Elements ------------------------------------------------------------------------------------------------------

OPTION = Shape({"text": _text(75), "value": _string(150)}, {"description": _text(75), "url": _string(3000)})
GROUP = Shape({"label": _plain(75), "options": _listed(OPTION, 100)})
CONFIRM = Shape(
    {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30)},
    {"style": _among("primary", "danger")},
)
IMAGE = Shape({"image_url": _string(3000), "alt_text": _string(2000)})


def _one_source(value: Json, at: str) -> Faults:
    """Options or groups of them; what is chosen at first is one of them."""
    if ("options" in value) == ("option_groups" in value):
        yield _wrong("must provide exactly one of `options` and `option_groups`", at)
    groups = value.get("option_groups") or [value]
    offered = [option for group in groups for option in group.get("options") or []]
    initial = value.get("initial_options") or [value.get("initial_option")]
    for option in initial:
        if option is not None and option not in offered:
            yield _wrong("initial option must be one of the options", at)


def _element(
    optional: Mapping[str, Check], required: Mapping[str, Check] | None = None, also: Check = _anything
) -> Shape:
    """An interactive element; `action_id` may be left to Slack."""
    always: dict[str, Check] = {"action_id": _string(255), "confirm": CONFIRM, "focus_on_load": _flag}
    return Shape(required or {}, {**always, **optional}, also)


_PLACEHOLDER: dict[str, Check] = {"placeholder": _plain(150)}
_OPTIONS: dict[str, Check] = {"options": _listed(OPTION, 100), "option_groups": _listed(GROUP, 100), **_PLACEHOLDER}
_SEVERAL: dict[str, Check] = {"max_selected_items": _whole(1, 10_000), **_PLACEHOLDER}
_FEW: dict[str, Check] = {"options": _listed(OPTION, 10)}
_IDS = _listed(_string(255), 100)
_TYPED: dict[str, Check] = {"initial_value": _string(3000), "dispatch_action_config": _anything, **_PLACEHOLDER}

BUTTON = _element(
    {
        "value": _string(2000),
        "url": _string(3000),
        "style": _among("primary", "danger"),
        "accessibility_label": _string(75),
    },
    {"text": _plain(75)},
)
SELECTS: dict[str, Check] = {
    "static_select": _element({"initial_option": OPTION, **_OPTIONS}, also=_one_source),
    "users_select": _element({"initial_user": _string(255), **_PLACEHOLDER}),
    "channels_select": _element({"initial_channel": _string(255), **_PLACEHOLDER}),
    "conversations_select": _element(
        {
            "initial_conversation": _string(255),
            "default_to_current_conversation": _flag,
            "filter": _anything,
            **_PLACEHOLDER,
        }
    ),
    "external_select": _element({"initial_option": OPTION, "min_query_length": _whole(0, 100), **_PLACEHOLDER}),
}
MULTI_SELECTS: dict[str, Check] = {
    "multi_static_select": _element(
        {"initial_options": _listed(OPTION, 100), **_OPTIONS, **_SEVERAL}, also=_one_source
    ),
    "multi_users_select": _element({"initial_users": _IDS, **_SEVERAL}),
    "multi_channels_select": _element({"initial_channels": _IDS, **_SEVERAL}),
    "multi_conversations_select": _element({"initial_conversations": _IDS, "filter": _anything, **_SEVERAL}),
}
CHOICES: dict[str, Check] = {
    "radio_buttons": _element({"initial_option": OPTION}, _FEW, _one_source),
    "checkboxes": _element({"initial_options": _listed(OPTION, 10)}, _FEW, _one_source),
    "datepicker": _element({"initial_date": _string(10, 10), **_PLACEHOLDER}),
    "timepicker": _element({"initial_time": _string(5, 5), "timezone": _string(255), **_PLACEHOLDER}),
}
OVERFLOW = _element({}, {"options": _listed(OPTION, 5)})
INPUTS: dict[str, Check] = {
    "plain_text_input": _element(
        {"multiline": _flag, "min_length": _whole(0, 3000), "max_length": _whole(1, 3000), **_TYPED}
    ),
    "number_input": _element(
        {"min_value": _string(3000), "max_value": _string(3000), **_TYPED}, {"is_decimal_allowed": _flag}
    ),
    "email_text_input": _element(_TYPED),
    "url_text_input": _element(_TYPED),
}
ACTIONS: dict[str, Check] = {"button": BUTTON, "overflow": OVERFLOW, **SELECTS, **MULTI_SELECTS, **CHOICES}

# -- Blocks --------------------------------------------------------------------------------------------------------

RICH_TEXT = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
_RICH = Shape({"elements": _listed(_anything, 1000, 0)}, dict.fromkeys(("style", "indent", "border"), _anything))


def _block(required: Mapping[str, Check] | None = None, *, also: Check = _anything, **optional: Check) -> Shape:
    return Shape(required or {}, {"block_id": _string(255), **optional}, also)


def _text_or_fields(value: Json, at: str) -> Faults:
    if "text" not in value and "fields" not in value:
        yield _wrong("missing required field: text", at)


BLOCKS: dict[str, Check] = {
    "header": _block({"text": _plain(150)}),
    "divider": _block(),
    "section": _block(
        also=_text_or_fields,
        text=_text(3000),
        fields=_listed(_text(2000), 10),
        accessory=_typed({**ACTIONS, "image": IMAGE}),
        expand=_flag,
    ),
    "context": _block({"elements": _listed(_typed({
        "image": IMAGE, "plain_text": _text(3000), "mrkdwn": _text(3000)
    }), 10)}),
    "actions": _block({"elements": _listed(_typed(ACTIONS), 25)}),
    "image": _block({"image_url": _string(3000), "alt_text": _string(2000)}, title=_plain(2000)),
    "input": _block(
        {"label": _plain(2000), "element": _typed({**INPUTS, **SELECTS, **MULTI_SELECTS, **CHOICES})},
        hint=_plain(2000),
        optional=_flag,
        dispatch_action=_flag,
    ),
    "rich_text": _block({"elements": _listed(_typed(dict.fromkeys(RICH_TEXT, _RICH)), 1000)}),
}  # fmt: skip


def _blocks(blocks: Any, at: str, most: int) -> Faults:
    yield from _listed(_typed(BLOCKS), most)(blocks, at)
    if isinstance(blocks, list):
        known = [(n, block) for n, block in enumerate(blocks) if isinstance(block, dict)]
        yield from _repeated("block_id", [(f"{at}/{n}", block) for n, block in known])
        for n, block in known:
            elements = enumerate(block.get("elements") or [])
            within = [(f"{at}/{n}/elements/{k}", one) for k, one in elements if isinstance(one, dict)]
            yield from _repeated("action_id", within)


def elements_of(block: Json) -> list[Json]:
    """The elements of a block that a person can use."""
    found = [block.get("accessory"), block.get("element"), *(block.get("elements") or [])]
    return [one for one in found if isinstance(one, dict)]


def _repeated(name: str, places: list[tuple[str, Json]]) -> Faults:
    counts = Counter(one[name] for _, one in places if isinstance(one.get(name), str))
    for value, times in counts.items():
        if times > 1:
            last = [at for at, one in places if one.get(name) == value][-1]
            yield _wrong(f'`{name}` "{value}" already exists', f"{last}/{name}")


# -- Views ---------------------------------------------------------------------------------------------------------

_BOTH = {
    "private_metadata": _string(3000, 0),
    "callback_id": _string(255, 0),
    "external_id": _string(255, 0),
    "blocks": lambda blocks, at: _blocks(blocks, at, VIEW_BLOCKS),
}
_MODAL = Shape(
    {"title": _plain(24), "blocks": _BOTH["blocks"]},
    _BOTH
    | {"submit": _plain(24), "close": _plain(24)}
    | dict.fromkeys(("clear_on_close", "notify_on_close", "submit_disabled"), _flag),
)
_HOME = Shape({"blocks": _BOTH["blocks"]}, _BOTH)


def _view(view: Json, at: str) -> Faults:
    found = list(_typed({"modal": _MODAL, "home": _HOME})(view, at))
    if found:
        yield _wrong("failed to match all allowed schemas", at)
    yield from found
    blocks = view.get("blocks")
    asks = isinstance(blocks, list) and any(isinstance(one, dict) and one.get("type") == "input" for one in blocks)
    if asks and view.get("type") == "modal" and "submit" not in view:
        yield _wrong("`submit` is required when an `input` block is within blocks array", f"{at}/submit")


def is_too_large(view: Json) -> bool:
    return len(json.dumps(view).encode()) > VIEW_BYTES
