"""The guide: every command with an example, as help in Slack and as docs/slack-for-employees.md.

Examples are commands that work in the language in which they are given.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from connectors.slack.blocks import Block, context, message, section
from connectors.slack.commands import WORDS
from connectors.slack.markup import bold, joined, lines
from connectors.slack.texts import Texts, later
from domain.asks import Help, Topic, Unknown

COMMAND = "/laurel"


class Entry(NamedTuple):
    """What one command does, an example, and what else is worth knowing."""

    does: str
    example: str
    more: tuple[str, ...] = ()


ENTRIES: Mapping[Topic, Entry] = {
    Topic.THANKS: Entry(
        later("Thank colleagues, with points from your allowance if you like."),
        later("/laurel thanks @anna @ben +10 #teamwork for the launch"),
        (
            later("Name as many people as you like; the amount is for each of them."),
            later("A # names one of our company's values."),
            later("Write --private, and only the people you thank will see it."),
        ),
    ),
    Topic.NOMINATE: Entry(
        later("Nominate a colleague for an award."),
        later("/laurel nominate @anna"),
        (later("A form asks for the category and your reason; whoever approves it is asked next."),),
    ),
    Topic.BALANCE: Entry(
        later("See your points, what lapses next, and what you have to give away."),
        later("/laurel balance"),
    ),
    Topic.WHY: Entry(
        later("See why your latest award is what it is: the rule, the arithmetic and its limits."),
        later("/laurel why"),
        (later("Ask why nothing, and you are told of the latest that earned you nothing."),),
    ),
    Topic.STREAK: Entry(
        later("See your streaks, until when to do what, and what saves them."),
        later("/laurel streak"),
    ),
    Topic.BOARD: Entry(
        later("See your place with five above and five below. Nobody is shown as last."),
        later("/laurel board week"),
        (later("Say week, month or ever, or the name of a board."),),
    ),
    Topic.CHALLENGES: Entry(
        later("See what is on, how far you are, and until when."),
        later("/laurel challenges"),
    ),
    Topic.REWARDS: Entry(
        later("See what you can have, and choose it."),
        later("/laurel rewards"),
        (later("Prices are in points. If an order cannot be carried out, you get your points back."),),
    ),
    Topic.SETTINGS: Entry(
        later("Choose what Laurel tells you, and when it leaves you alone."),
        later("/laurel settings"),
        (later("A form asks for topics, quiet hours and days, and how much a day is enough."),),
    ),
    Topic.HELP: Entry(
        later("See all this, or more about one command."),
        later("/laurel help board"),
    ),
}


def help_answer(ask: Help, texts: Texts) -> dict[str, Any]:
    """Every command, or one of them in full."""
    if ask.topic is not None:
        return _about(ask.topic, texts)
    title = texts.say("What you can ask Laurel")
    blocks = [section(bold(title)), *(section(_entry(entry, texts)) for entry in ENTRIES.values())]
    return message(title, [*blocks, context(texts.say("Only you see the answers."))])


def unknown_answer(ask: Unknown, texts: Texts) -> dict[str, Any]:
    """What to do with a word that is no command."""
    said = texts.say("I do not know “{word}”.", word=ask.word)
    guess = texts.say("Did you mean {command}?", command=f"`{COMMAND} {ask.did_you_mean}`") if ask.did_you_mean else ""
    everything = texts.say("{command} shows what you can ask.", command=f"`{COMMAND} help`")
    return message(said, [section(joined(" ", filter(None, (said, guess, everything))))])


def _entry(entry: Entry, texts: Texts) -> str:
    return lines([f"`{texts.say(entry.example)}`", texts.say(entry.does)])


def _about(topic: Topic, texts: Texts) -> dict[str, Any]:
    entry = ENTRIES[topic]
    blocks: list[Block] = [section(_entry(entry, texts))]
    if entry.more:
        blocks.append(section(lines(texts.say(more) for more in entry.more)))
    words = ", ".join(f"`{word}`" for word in WORDS[topic])
    return message(
        texts.say(entry.does), [*blocks, context(texts.say("These words do the same: {words}", words=words))]
    )
