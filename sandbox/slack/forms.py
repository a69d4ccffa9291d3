"""What a person does with the elements of a message or view: an action, or the state of a modal that is filled in."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sandbox.slack.blocks import elements_of

Json = dict[str, Any]

# What each kind of element says was chosen, and what it was given in the beginning.
_ONE_OPTION = ("static_select", "radio_buttons", "external_select", "overflow")
_OPTIONS = ("multi_static_select", "checkboxes")
_CHOSEN = {
    "plain_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "users_select": ("selected_user", "initial_user"),
    "channels_select": ("selected_channel", "initial_channel"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_users_select": ("selected_users", "initial_users"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    **dict.fromkeys(_ONE_OPTION, ("selected_option", "initial_option")),
    **dict.fromkeys(_OPTIONS, ("selected_options", "initial_options")),
}


def action(blocks: Sequence[Json], action_id: str, value: Any, ts: str, nth: int) -> Json:
    """The action of the `nth` element with this id; raises KeyError if there is none."""
    found = [(block, one) for block in blocks for one in elements_of(block) if one.get("action_id") == action_id]
    if nth >= len(found):
        raise KeyError(f"nothing with the action id {action_id}")
    block, element = found[nth]
    taken = {"type": element["type"], "action_id": action_id, "block_id": block["block_id"], "action_ts": ts}
    if element["type"] == "button":
        return taken | {name: element[name] for name in ("text", "value", "style", "confirm") if name in element}
    return taken | _chosen(element, value)


def state(view: Json, values: Mapping[str, Any]) -> Json:
    """The values of the view's inputs: those that are given by action id now, filled in before, or there at first."""
    unknown = set(values) - {element["action_id"] for _, element in _stateful(view)}
    if unknown:
        raise KeyError(f"no inputs {', '.join(sorted(unknown))}")
    found: dict[str, Json] = {}
    for block, element in _stateful(view):
        name = element["action_id"]
        before = view["state"]["values"].get(block["block_id"], {}).get(name)
        given = before if before and name not in values else _chosen(element, values.get(name))
        found.setdefault(block["block_id"], {})[name] = {"type": element["type"], **given}
    return {"values": found}


def require_filled(view: Json) -> None:
    """Raises ValueError where Slack's own client would not let anybody send it."""
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        element = block["element"]
        name = _CHOSEN[element["type"]][0]
        given = view["state"]["values"][block["block_id"]][element["action_id"]].get(name)
        if not given and not block.get("optional"):
            raise ValueError(f"{element['action_id']} is required")
        if isinstance(given, str) and given and name == "value":
            _require_length(element, given)


def _require_length(element: Json, given: str) -> None:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if not least <= len(given) <= most:
        raise ValueError(f"{element['action_id']} takes {least} to {most} characters")


def require_blocks(view: Json, errors: Mapping[str, str]) -> None:
    """Slack shows an error only under an input block that exists; raises ValueError otherwise."""
    inputs = {block["block_id"] for block in view["blocks"] if block["type"] == "input"}
    if not errors or not errors.keys() <= inputs:
        raise ValueError(f"errors of {sorted(errors)}, and inputs are {sorted(inputs)}")


def _stateful(view: Json) -> Iterator[tuple[Json, Json]]:
    for block in view["blocks"]:
        for element in elements_of(block):
            if element.get("type") in _CHOSEN and "action_id" in element:
                yield block, element


def _chosen(element: Json, value: Any) -> Json:
    """What is chosen as the element says it; without a value what was there in the beginning."""
    name, initial = _CHOSEN[element["type"]]
    if value is None:
        return {name: element.get(initial, [] if name.endswith("s") else None)}
    if element["type"] in _ONE_OPTION:
        return {name: _option(element, value)}
    if element["type"] in _OPTIONS:
        return {name: [_option(element, one) for one in value]}
    return {name: value}


def _option(element: Json, value: str) -> Json:
    groups = element.get("option_groups") or [element]
    offered = {option["value"]: option for group in groups for option in group.get("options", [])}
    if value not in offered and element["type"] != "external_select":
        raise KeyError(f"{element['action_id']} offers no {value}")
    found: Json = offered.get(value, {"text": {"type": "plain_text", "text": value}, "value": value})
    return found
