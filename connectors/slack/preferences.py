"""Preferences: the form in which a member says what they want to be told and when, beside what the program declares."""

from collections.abc import Mapping
from typing import Any

from connectors.slack import forms
from connectors.slack.blocks import Block, View, checkboxes, input, modal, number_input, option, time_picker
from connectors.slack.texts import Texts, later
from domain.calendars import WEEKDAYS
from domain.preferences import MAX_DAILY_LIMIT, Quiet, Topic, Wishes

OPEN = "laurel.preferences.open"
SAVE = "laurel.preferences.save"

# By topic its name, and what belongs to it.
_TOPICS: Mapping[Topic, tuple[str, str]] = {
    Topic.RECOGNITION: (later("Thanks"), later("when a colleague thanks you")),
    Topic.NOMINATIONS: (later("Nominations"), later("what became of yours, and what you are given")),
    Topic.STREAKS: (later("Streaks"), later("when one is at risk, has ended or is whole again")),
    Topic.CHALLENGES: (later("Challenges"), later("how they go, and where you stand")),
    Topic.REWARDS: (later("Rewards"), later("what you can choose, and until when")),
    Topic.POINTS: (later("Points, badges and levels"), later("what you reach, and what lapses soon")),
    Topic.BIRTHDAYS: (later("Your birthday"), later("that it is celebrated")),
    Topic.ANNIVERSARIES: (later("Your anniversaries at work"), later("that they are celebrated")),
    Topic.DIGEST: (later("Digests"), later("your week on Mondays, and what was too much for a day")),
}


class Mistaken(Exception):
    """What was filled in cannot be kept; `field` is where, and the text says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def title(texts: Texts) -> str:
    return texts.say("Notifications")


def form(holds: Wishes, declared: Wishes, texts: Texts) -> View:
    """What holds for the member, to be changed; beneath each field what the program declares."""
    return modal(
        title(texts),
        [
            _topics(holds, texts),
            *_hours(holds.quiet, declared.quiet, texts),
            _days(holds.quiet, declared.quiet, texts),
            _limit(holds, declared, texts),
        ],
        callback=SAVE,
        close=texts.say("Cancel"),
        submit=texts.say("Save"),
    )


def read(values: Mapping[str, Any], declared: Wishes, texts: Texts) -> Wishes:
    """What was filled in; raises Mistaken."""
    wanted = forms.ticks(values, "topics")
    return Wishes(
        frozenset(topic for topic in Topic if topic not in wanted),
        _read_quiet(values, texts),
        _read_limit(values, texts),
        declared.digest_at,
    )


# -- Fields --------------------------------------------------------------------------------------------------------


def _topics(holds: Wishes, texts: Texts) -> Block:
    options = {
        topic: option(texts.say(name), topic, description=texts.say(about)) for topic, (name, about) in _TOPICS.items()
    }
    told = [options[topic] for topic in options if topic not in holds.opted_out]
    return input(
        texts.say("What do you want to be told?"),
        checkboxes("topics", [*options.values()], initial=told),
        block_id="topics",
        hint=texts.say("What waits for your decision, and what became of your orders, you are told in any case."),
        optional=True,
    )


def _hours(holds: Quiet, declared: Quiet, texts: Texts) -> list[Block]:
    hint = texts.say(
        "Your company's are from {since} to {until}, by your own clock. The same time twice: no hours are quiet.",
        since=texts.clock(declared.since),
        until=texts.clock(declared.until),
    )
    since = time_picker("since", initial=f"{holds.since:%H:%M}")
    until = time_picker("until", initial=f"{holds.until:%H:%M}")
    return [
        input(texts.say("Quiet hours from"), since, block_id="since"),
        input(texts.say("Quiet hours until"), until, block_id="until", hint=hint),
    ]


def _days(holds: Quiet, declared: Quiet, texts: Texts) -> Block:
    options = {day: option(texts.weekday(n), day) for n, day in enumerate(WEEKDAYS)}
    quiet = [options[day] for day in options if day in holds.days]
    theirs = [texts.weekday(n) for n, day in enumerate(WEEKDAYS) if day in declared.days]
    hint = texts.say("Your company's: {days}.", days=texts.listed(theirs)) if theirs else None
    label = texts.say("Days on which we leave you alone")
    return input(
        label, checkboxes("days", [*options.values()], initial=quiet), block_id="days", hint=hint, optional=True
    )


def _limit(holds: Wishes, declared: Wishes, texts: Texts) -> Block:
    hint = texts.say(
        "Your company's: {limit}. What is beyond that comes as one message in the next morning.",
        limit=declared.daily_limit,
    )
    field = number_input("limit", least="0", most=str(MAX_DAILY_LIMIT), decimals=False, initial=str(holds.daily_limit))
    return input(texts.say("How many messages a day are enough?"), field, block_id="limit", hint=hint)


# -- What was filled in --------------------------------------------------------------------------------------------


def _read_quiet(values: Mapping[str, Any], texts: Texts) -> Quiet:
    days = frozenset(forms.ticks(values, "days"))
    if days.issuperset(WEEKDAYS):
        raise Mistaken("days", texts.say("Leave one day of the week on which we may tell you something."))
    return Quiet(forms.picked(values, "since"), forms.picked(values, "until"), days)


def _read_limit(values: Mapping[str, Any], texts: Texts) -> int:
    try:
        limit = forms.whole(forms.written(values, "limit"))
    except ValueError:
        limit = None
    if limit is None or limit > MAX_DAILY_LIMIT:
        raise Mistaken("limit", texts.say("Write a whole number, at most {most}.", most=MAX_DAILY_LIMIT))
    return limit
