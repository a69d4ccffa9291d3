"""What members do has one name each, `laurel.<plural noun>.<verb>`, that its renderer gives and nobody else spells."""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from connectors.slack import cards, forms, manifest, nominations, preferences, redeem

ROOT = Path(__file__).parents[2]
NAME = re.compile(r'"(laurel\.[a-z_.]+)"')
LAYERS = ("connectors/slack", "relay", "api/slack", "cli/demo")


def names() -> set[str]:
    """Of all that members do."""
    modules = (cards, forms, nominations, preferences, redeem)
    return {value for module in modules for value in vars(module).values() if _is_name(value)}


def test_every_name_is_of_the_one_form_and_spelt_once() -> None:
    named = [
        (name, file.parent.name)
        for layer in LAYERS
        for file in (ROOT / layer).rglob("*.py")
        for name in NAME.findall(file.read_text())
    ]

    assert sorted(named) == [(name, "slack") for name in sorted(names())]
    assert [name for name in names() if not re.fullmatch(r"laurel\.[a-z]+s\.[a-z]+", name)] == []


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("laurel.")


def test_the_apps_shortcuts_are_those_that_open_forms() -> None:
    shortcuts = YAML(typ="safe").load(manifest.FILE.read_text())["features"]["shortcuts"]

    assert {one["callback_id"] for one in shortcuts} == {forms.OPEN_NOMINATION, forms.OPEN_THANKS, forms.THANK_AUTHOR}
