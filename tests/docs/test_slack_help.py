"""docs/slack-for-employees.md says what `/laurel help` says; `python -m tests.docs.test_slack_help` writes it anew."""

import inspect
from pathlib import Path

import pytest

from connectors.slack import commands
from connectors.slack.commands import WORDS
from connectors.slack.guide import ENTRIES
from connectors.slack.texts import TRANSLATED, Texts
from domain.asks import Topic

PAGE = Path(__file__).parents[2] / "docs" / "slack-for-employees.md"
MAX_LINES = 200  # one page
INTRODUCTION = """\
# Laurel in Slack

What you can do without leaving Slack. Write a command in any conversation: only you see what Laurel answers, in the
language that you have chosen in Slack if that is English, German or French. `/laurel` alone shows this as well.

This page is compared with the code by a test.
"""
REDEEMING = """
## How a reward comes to you

Choose something in `/laurel rewards`: you see what it costs and what you have. Look at the address twice and order. Its
price is set aside at once, and Laurel tells you when it is on its way. A gift card goes to that e-mail address and
nowhere else: no code and no link is ever shown in Slack. If it cannot be carried out, your points come back by
themselves.
"""
CHOOSING = """
## What you are told, and what you take back

`/laurel settings`, or *Notifications* at Home, asks what you want to be told, in which hours and on which days you are
left alone, and how many messages a day are enough. Beneath each field stands what your company has chosen, and what you
leave as it is follows that. A nomination on which nobody has decided is taken back with *Withdraw*, beneath the message
that confirmed it or at Home.
"""
GRAMMAR = """
## Commands, exactly

"""


def page() -> str:
    """docs/slack-for-employees.md as it should be."""
    return INTRODUCTION + "".join(map(_section, ENTRIES)) + REDEEMING + CHOOSING + GRAMMAR + _grammar()


def _section(topic: Topic) -> str:
    entry = ENTRIES[topic]
    examples = "\n".join([entry.example, *(Texts.of(language).say(entry.example) for language in TRANSLATED)])
    words = ", ".join(f"`{word}`" for word in WORDS[topic])
    told = " ".join((entry.does, *entry.more))
    return f"\n## {topic.capitalize()}\n\n{told}\n\n```text\n{examples}\n```\n\nWords: {words}.\n"


def _grammar() -> str:
    told = inspect.getdoc(commands) or ""
    [grammar] = [part for part in told.split("\n\n") if part.startswith("    ")]
    return f"```text\n{inspect.cleandoc(grammar)}\n```\n"


def test_the_page_has_every_command():
    assert PAGE.read_text() == page()


def test_the_page_is_one_page():
    assert len(page().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("topic", Topic)
def test_every_command_has_help(topic: Topic):
    assert topic in ENTRIES


if __name__ == "__main__":
    PAGE.write_text(page())
