"""docs/slack-for-employees.md says all that members can do; `python -m tests.docs.test_slack_help` for commands."""

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.slack import commands, manifest
from connectors.slack.commands import WORDS
from connectors.slack.guide import ENTRIES
from connectors.slack.texts import TRANSLATED, Texts
from domain.asks import Topic
from tests.connectors import slack_gallery

PAGE = Path(__file__).parents[2] / "docs" / "slack-for-employees.md"
MAX_LINES = 160  # one page
BEGIN, END = "<!-- commands: begin -->\n", "<!-- commands: end -->\n"


def page() -> str:
    """The page with its commands as they should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + "".join(map(_section, ENTRIES)) + _grammar() + END + rest.partition(END)[2]


def _section(topic: Topic) -> str:
    entry = ENTRIES[topic]
    examples = [entry.example, *(Texts.of(language).say(entry.example) for language in TRANSLATED)]
    told = " ".join((entry.does, *entry.more))
    return f"\n### {topic.capitalize()}\n\n{told}\n\nFor example {_codes(examples)}. Words: {_codes(WORDS[topic])}.\n"


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def _grammar() -> str:
    told = inspect.getdoc(commands) or ""
    [grammar] = [part for part in told.split("\n\n") if part.startswith("    ")]
    return f"\n### Exactly\n\n```text\n{inspect.cleandoc(grammar)}\n```\n\n"


def _buttons(shown: Any) -> Iterator[str]:
    """What is written on the buttons in it."""
    if isinstance(shown, dict):
        if shown.get("type") == "button":
            yield shown["text"]["text"]
        shown = shown.values()
    elif not isinstance(shown, list):
        return
    for part in shown:
        yield from _buttons(part)


def test_the_page_has_every_command():
    assert PAGE.read_text() == page()


def test_the_page_is_one_page():
    assert len(page().splitlines()) <= MAX_LINES


def test_every_shortcut_and_every_button_is_named():
    features = YAML(typ="safe").load(manifest.FILE.read_text())["features"]
    assert features["app_home"]["home_tab_enabled"]
    room = slack_gallery.ordinary(Texts.of("en-US"))
    shown = [*(message for channel in room.channels.values() for message in channel), *room.homes.values()]
    named = {shortcut["name"] for shortcut in features["shortcuts"]} | {*_buttons(shown)}

    assert len(named) >= 16
    told = " ".join(PAGE.read_text().split())
    assert [name for name in sorted(named) if f"*{name}*" not in told] == []


@pytest.mark.parametrize("topic", Topic)
def test_every_command_has_help(topic: Topic):
    assert topic in ENTRIES


if __name__ == "__main__":
    PAGE.write_text(page())
