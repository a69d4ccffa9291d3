"""What members are told when they ask: whole, in few words, and in their language."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.slack import commands
from connectors.slack.answers import MAX_ITEMS, render
from connectors.slack.guide import ENTRIES
from connectors.slack.reasons import paragraph
from connectors.slack.texts import Texts
from domain import asks
from domain.answers import Answer, Balances, Holding, Line, OpenChallenges, Places, Streaks
from domain.configuration import POINTS
from domain.explanations import CapExplained, ChallengeExplained, RuleExplained
from domain.game import Board, Window
from domain.members import Balance
from domain.rules import AUDIENCE, OUTSIDE
from domain.streaks import StreakState
from tests.connectors.slack_answers import (
    AT,
    BIG_DEAL,
    LONG,
    STREAK,
    decision,
    listing,
    longest,
    ordinary,
    reasons,
    shop,
)
from tests.connectors.slack_judge import judge_blocks

LANGUAGES = ("en-US", "de-DE", "fr-FR")
ENGLISH = Texts.of("en-US")
PLAIN = RuleExplained("deal", 1, "A deal", expression="50", raw=50, rounded=50, points=50)


def said(answer: Answer, texts: Texts = ENGLISH) -> str:
    """All the words of a message."""
    found = re.findall(r'"text": "((?:[^"\\]|\\.)*)"', json.dumps(render(answer, texts)["blocks"], ensure_ascii=False))
    return "\n".join(found).replace("\\n", "\n")


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("answer", [*ordinary(), *longest()], ids=lambda answer: type(answer).__name__)
def test_slack_takes_every_answer(answer: Answer, locale: str):
    rendered = render(answer, Texts.of(locale))

    judge_blocks(rendered["blocks"])
    assert rendered["text"]


@pytest.mark.parametrize("answer", longest(), ids=lambda answer: type(answer).__name__)
def test_what_people_typed_mentions_nobody(answer: Answer):
    assert "<!channel>" not in json.dumps(render(answer, ENGLISH))


def test_a_balance_says_what_lapses_what_waits_and_what_is_there_to_give():
    told = said(ordinary()[0])

    assert told.startswith("*You have 1,234 points.*")
    assert "100 points will lapse on" in told
    assert "ordered: 60 points" in told
    assert "You owe 7 points" in told
    assert "To give away: *20 Hearts*" in told


def test_who_has_nothing_is_told_so():
    assert "You have 0 points" in said(Balances((Holding(POINTS, Balance("points")),), "UTC"))


# -- Why -----------------------------------------------------------------------------------------------------------


def test_an_award_is_explained_by_its_rule_its_arithmetic_and_what_cut_it():
    assert paragraph(reasons(decision(BIG_DEAL, points=120), earned=120), ENGLISH) == (
        "*A deal was won*, on Wed, Mar 4, 12:00\u202fPM, earned you 120 points. The rule “Big deals” gives 185 points: "
        "`event.amount / 100.0` = 123.4 \N{MULTIPLICATION SIGN} 1.5 (happy-hour) → 185. You may have 150 a day by it "
        "and had 30, so 120 of 185 were left."
    )


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (PLAIN, "The rule “A deal” gives 50 points."),
        (replace(PLAIN, left_out="group default pays only what comes to most"), "another of its group pays instead"),
        (replace(PLAIN, caps=(CapExplained("week", None, 2, 0, 2, 50, 0, True),)), "It pays 2 times a week."),
        (replace(PLAIN, caps=(CapExplained("month", 90, None, 60, 0, 50, 30, True, "budget"),)), "All together may"),
        (replace(PLAIN, expression=None, reward="coffee"), "gives a reward"),
        (replace(PLAIN, withheld="coffee"), "Its reward was not given"),
        (replace(PLAIN, failed="is big"), "No rule fits it. “A deal” asks for this: is big."),
        (replace(PLAIN, failed="is big", error="no such key"), "“A deal” could not be computed."),
        (replace(PLAIN, failed=AUDIENCE), "is not meant for you"),
        (replace(PLAIN, failed=OUTSIDE), "was not in force then"),
        (replace(PLAIN, failed="a draft is not judged", state="draft"), "No rule is about this."),
    ],
)
def test_each_verdict_of_a_rule_has_its_words(rule: RuleExplained, told: str):
    assert told in paragraph(reasons(decision(rule)), ENGLISH)


@pytest.mark.parametrize(
    ("points", "refused", "told"),
    [
        (20, None, "The challenge “The sprint” adds 20 points."),
        (5, None, "adds 5 points of 20: its limits leave no more."),
        (0, "once", "it counts once for each person"),
        (0, "places", "its places were taken"),
    ],
)
def test_a_challenge_says_what_it_adds_or_why_nothing(points: int, refused: str | None, told: str):
    made = ChallengeExplained("sprint", 1, "The sprint", True, "", 20, 20, points, 1)
    verdict = {"challenges": [{"challenge": "sprint", "refused": refused}]}

    assert told in paragraph(reasons(decision(PLAIN, challenges=(made,), verdict=verdict)), ENGLISH)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": "quarantined", "decision": None}, "an administrator looks at it"),
        ({"state": "retracted"}, "It was taken back later"),
        ({"decision": None}, "cannot be shown any more"),
        ({"decision": decision(reason="member_left")}, "You had left"),
        ({"takes_back": True, "earned": ((POINTS, -50),)}, "With it went 50 points"),
    ],
)
def test_what_no_rule_decided_is_explained_too(changes: dict[str, Any], told: str):
    assert told in paragraph(replace(reasons(decision(PLAIN)), **changes), ENGLISH)


# -- Streaks, boards, challenges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "1 more by Wed, Mar 4, 12:00\u202fPM will keep it: A course was finished."),
        ({"done": 1}, "You have done enough until"),
        (
            {"state": StreakState.AT_RISK, "breaks_at": AT + timedelta(hours=4)},
            "at risk and breaks on Wed, Mar 4, 4:00",
        ),
        ({"state": StreakState.PROTECTED}, "nothing is asked of you now"),
        ({"state": StreakState.BROKEN, "current": 0, "deadline": None}, "It is not running. This starts it, 1 more"),
    ],
)
def test_a_streak_says_what_is_to_be_done_until_when(changes: dict[str, Any], told: str):
    assert told in said(Streaks((replace(STREAK, **changes),), "UTC"))


def test_a_board_has_names_and_ranks_and_some_without_a_number():
    lines = (Line(7, "Ben\n<@U1>", 90, False), Line(8, "Ada", 80, True), Line(None, "Cleo", 70, False))

    told = said(Places(Board("week", 1, "Sales", window=Window.WEEK), POINTS, ("Berlin",), lines, None))

    assert told == (
        "*Sales, Berlin, this week*\n7. Ben &lt;@U1&gt; · 90 points\n*8. Ada (you) · 80 points*\n· Cleo · 70 points"
    )


def test_points_per_working_day_are_told_in_parts():
    board = Board("week", 1, "Sales", window=Window.WEEK, per_working_day=True)

    assert "12.5 a working day" in said(Places(board, POINTS, (), (Line(1, "Ada", 12_500, True),), None))


def test_a_challenge_says_how_far_one_is_and_until_when_in_ones_own_zone():
    [open_ones] = [one for one in ordinary() if isinstance(one, OpenChallenges)]

    told = said(replace(open_ones, time_zone="Asia/Tokyo"))

    assert "until Sat, Mar 7, 9:00\u202fPM · 4 of 10 · place 2 so far · 3 places left · 200 points so far" in told


# -- Rewards and help ----------------------------------------------------------------------------------------------


def test_rewards_are_offers_and_what_the_points_pay_for():
    blocks = render(shop(), ENGLISH)["blocks"]

    values = [block["accessory"]["value"] for block in blocks if "accessory" in block]
    assert values == ["rwd_1", "coffee|1000", "grocer|500"]


def test_the_first_thing_is_told_when_the_points_are_too_few():
    assert "You lack 40 points for the first thing" in said(shop(10))


def test_an_empty_catalog_is_told_of():
    assert "Nothing is offered in your country" in said(shop(offers=(), listings=()))


def test_what_does_not_fit_is_counted():
    many = tuple(listing(f"item-{n}") for n in range(MAX_ITEMS + 3))

    assert "and 3 more" in said(shop(listings=many))


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("topic", asks.Topic)
def test_examples_in_every_language_are_commands(topic: asks.Topic, locale: str):
    example = Texts.of(locale).say(ENTRIES[topic].example)

    first, *rest = example.removeprefix("/laurel ").split(" ", 1)
    assert example.startswith("/laurel ")
    assert commands.topic_of(first) is topic
    assert not isinstance(commands.parse(" ".join((first, *rest))), asks.Unknown)


def test_an_unknown_word_is_told_back_harmlessly():
    told = said(asks.Unknown(LONG[:50], "balance"))

    assert told.startswith("I do not know “&lt;!channel&gt; &amp; *Ada*")
    assert "Did you mean `/laurel balance`?" in told
