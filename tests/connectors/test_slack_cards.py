"""Cards: Slack takes each of them in every language, at every length; a button is there while it does something."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.slack import cards
from connectors.slack.texts import TRANSLATED, Texts
from domain import recognitions
from domain.answers import Line, Places
from domain.cards import (
    ESCALATED,
    REMINDER,
    Approval,
    AtRisk,
    Card,
    Celebration,
    ChallengeStep,
    Decided,
    Offer,
    Plain,
    Week,
    Winner,
    Words,
    is_over,
)
from domain.challenges import ChallengeState
from domain.configuration import POINTS, Unit
from domain.expiry import Lapsing, Stage, warning
from domain.grace import GraceState
from domain.leaderboards import BUILT_IN
from domain.nominations import Because, NominationState, Verdict
from domain.notifications import Notification, Telling
from domain.recognitions import Recognition
from domain.rewards import RewardState
from domain.sentences import alone
from tests.connectors.slack_judge import judge_blocks, judge_view
from tests.programs import NOW

ENGLISH, GERMAN = Texts.of("en-US"), Texts.of("de-DE")
THANKS = Recognition(
    "rcg_1", "k", "mem_2", "mem_1", "kudos", 1_250, "Team", "You <b>saved</b> it", True, "txn_1", "evt_1", NOW
)
APPROVED = Decided("Mia", Verdict.APPROVED, 150, "well deserved")
DECLINED = Decided("Leo", Verdict.DECLINED, None, "too early")
APPROVAL = Approval(
    "nomination_to_approve",
    "nom_1",
    "Team spirit",
    "Ben",
    "Ada",
    "She stayed late",
    "https://example.com",
    200,
    NominationState.PENDING,
    is_open=True,
    waited=timedelta(days=3),
    until=NOW,
    time_zone="Europe/Berlin",
)
REMINDED = replace(APPROVAL, kind=REMINDER)
ASKED_AS_WELL = replace(APPROVAL, kind=ESCALATED, because=Because.ESCALATION, in_place_of="Ruth")
OFFER = Offer("rwd_1", "A coffee", RewardState.OFFERED, NOW, 100, "Europe/Berlin")
PLAIN = Plain(alone("A badge"), alone("Closer"))
AT_RISK = AtRisk("Daily learning", 12, NOW, GraceState.OPEN, "Europe/Berlin")
BIRTHDAY = Celebration("ntf_1", "Ada", None, [(POINTS, 25)], "evt_1", is_public=True)
PLACES = Places(BUILT_IN["company"], POINTS, (), (Line(7, "Ada", 1_250, is_own=True),), 40)
WEEK = Week(
    date(2026, 2, 23),
    date(2026, 3, 1),
    [(POINTS, 1_250)],
    [("Daily learning", 12)],
    [("A million together", NOW)],
    "Europe/Berlin",
    PLACES,
)
OPENED = ChallengeStep(
    "challenge_opened",
    "The sprint",
    "Go",
    ["A deal was won"],
    50,
    None,
    NOW,
    "Europe/Berlin",
    ChallengeState.OPEN,
    0,
    20,
)
SETTLED = replace(OPENED, kind="challenge_settled", state=ChallengeState.SETTLED, people=4, first=[Winner(1, "Ada", 7)])
EVERY: list[Card] = [
    Plain(alone("A badge"), alone("Closer"), "evt_1"),
    PLAIN,
    APPROVAL,
    REMINDED,
    ASKED_AS_WELL,
    *(replace(APPROVAL, because=because, in_place_of="Ruth") for because in Because),
    replace(APPROVAL, evidence=None, state=NominationState.GIVEN, is_open=False, decided=[APPROVED, DECLINED]),
    *(replace(OFFER, state=state) for state in RewardState),
    *(replace(AT_RISK, state=state) for state in GraceState),
    BIRTHDAY,
    replace(BIRTHDAY, years=1, is_public=False),
    replace(BIRTHDAY, years=7, earned=(), words=[Words("Ben", "Cheers")], more=2),
    OPENED,
    replace(OPENED, bonus=None, multiplier=2, description="", places_left=None),
    replace(OPENED, kind="challenge_half_time", people=1),
    replace(OPENED, kind="challenge_last_day", people=0),
    *(replace(OPENED, state=state) for state in ChallengeState),
    SETTLED,
    replace(SETTLED, people=0, first=()),
    WEEK,
    replace(WEEK, earned=(), places=None),
]


def pressed(message: dict[str, Any]) -> list[tuple[str, str]]:
    """The buttons, as Slack would name them to us."""
    found = [block["elements"] for block in message["blocks"] if block["type"] == "actions"]
    return [(button["action_id"], button["value"]) for buttons in found for button in buttons]


def read(message: dict[str, Any]) -> str:
    return str(message["blocks"])


@pytest.mark.parametrize("locale", ["en-US", *TRANSLATED])
def test_slack_takes_every_card(locale: str) -> None:
    for card in EVERY:
        message = cards.render(card, Texts.of(locale))

        judge_blocks(message["blocks"])
        assert message["text"]


def longest(texts: Texts) -> list[dict[str, Any]]:
    """As much as there can be of each, in words that are too long and try to be markup."""
    long = "<!channel> & " * 500
    many = [Words(long, long)] * 20
    told = Notification("ntf_1", "prg_1", "mem_1", "badge", long, long, "r", NOW)
    asked = replace(ASKED_AS_WELL, nominee=long, category=long, reason=long, in_place_of=long, decided=[APPROVED] * 20)
    much: list[Card] = [
        asked,
        replace(OFFER, title=long),
        replace(AT_RISK, title=long),
        replace(BIRTHDAY, name=long, words=many, more=30),
        replace(WEEK, streaks=[(long, 1)] * 5, ending=[(long, NOW)] * 5),
        replace(OPENED, title=long, description=long, counts=[long] * 100),
        replace(SETTLED, title=long, first=[Winner(n, long, n) for n in range(3)]),
        Plain(alone(long), alone(long), "evt_1"),
    ]
    return [*(cards.render(card, texts) for card in much), cards.digest([told] * 100, texts)]


def test_slack_takes_the_longest_and_nothing_that_was_typed_is_read_as_markup() -> None:
    for message in longest(ENGLISH):
        judge_blocks(message["blocks"])
        assert "<!" not in read(message) + message["text"]


def test_an_approver_decides_by_buttons_until_it_is_decided_and_then_reads_who_did() -> None:
    waiting = cards.render(APPROVAL, ENGLISH)
    decided = cards.render(
        replace(APPROVAL, state=NominationState.APPROVED, is_open=False, decided=[APPROVED]), ENGLISH
    )

    verbs = ("approve", "change", "decline")
    assert pressed(waiting) == [(f"laurel.nominations.{verb}", "nom_1") for verb in verbs]
    assert pressed(decided) == []
    assert "Mia has approved 150 points. well deserved" in read(decided)
    assert "It was approved." in read(decided)


@pytest.mark.parametrize("reason", ["&" * 700, "a\n" * 1_000])
def test_however_long_the_reason_is_what_is_approved_stands_beside_the_button(reason: str) -> None:
    message = cards.render(replace(APPROVAL, reason=reason), ENGLISH)

    assert "Proposed: 200 points." in read(message)
    assert "<https://example.com|Evidence>" in read(message)


def test_a_reminder_says_that_it_is_one_how_long_it_has_waited_and_until_when_there_is_time() -> None:
    message = cards.render(REMINDED, ENGLISH)

    assert message["text"] == "A reminder: Ben nominates Ada for *Team spirit*."
    assert "It has waited for 3 days. It can be decided until Wed, Mar 4, 1:00" in read(message)


def test_who_is_asked_for_somebody_else_reads_why() -> None:
    message = cards.render(ASKED_AS_WELL, ENGLISH)

    assert message["text"] == "Not decided yet, and now asked of you: Ben nominates Ada for *Team spirit*."
    assert "Ruth has not decided in 3 days, so you are asked as well." in read(message)


def test_nobody_is_reminded_of_what_is_decided() -> None:
    message = cards.render(replace(REMINDED, state=NominationState.GIVEN, is_open=False), ENGLISH)

    assert message["text"] == "Ben nominates Ada for *Team spirit*."
    assert "waited" not in read(message)


def test_a_level_that_has_passed_has_no_buttons_while_the_next_one_waits() -> None:
    message = cards.render(replace(APPROVAL, is_open=False, decided=[APPROVED]), ENGLISH)

    assert pressed(message) == []
    assert "Mia has approved" in read(message)


def test_an_offer_has_its_button_while_there_is_something_to_choose() -> None:
    buttons = [("laurel.offers.open", "rwd_1"), ("laurel.awards.why", "rwd_1")]
    assert pressed(cards.render(OFFER, ENGLISH)) == buttons
    assert pressed(cards.render(replace(OFFER, state=RewardState.ORDERED), ENGLISH)) == []


def test_what_a_card_tells_is_over_once_there_is_nothing_left_of_it() -> None:
    over: list[Card | None] = [
        None,
        replace(PLAIN, stands=False),
        replace(APPROVAL, is_open=False),
        replace(OFFER, state=RewardState.EXPIRED),
        replace(OFFER, is_latest=False),
        replace(AT_RISK, state=GraceState.KEPT),
    ]

    assert [is_over(card) for card in over] == [True] * len(over)
    assert not any(is_over(card) for card in (PLAIN, APPROVAL, OFFER, AT_RISK, BIRTHDAY, WEEK, OPENED))


def test_an_award_says_why_and_a_celebration_takes_words_where_others_read_it() -> None:
    assert pressed(cards.render(Plain(alone("Thanks"), alone("from Ben"), "evt_1"), ENGLISH)) == [
        ("laurel.awards.why", "evt_1")
    ]
    assert pressed(cards.render(BIRTHDAY, ENGLISH)) == [("laurel.celebrations.write", "ntf_1")]
    assert pressed(cards.render(replace(BIRTHDAY, is_public=False), ENGLISH)) == [("laurel.awards.why", "evt_1")]


def test_a_colleague_writes_in_a_form_that_has_what_they_wrote_before() -> None:
    for own in (None, "Cheers"):
        view = cards.words_form("ntf_1", own, ENGLISH, most=280)

        judge_view(view)
        assert (view["callback_id"], view["private_metadata"]) == ("laurel.celebrations.add", "ntf_1")


def test_an_opening_says_what_counts_and_what_it_adds_until_when_and_an_end_who_was_first() -> None:
    opening, results = (cards.render(card, ENGLISH) for card in (OPENED, SETTLED))
    called_off = cards.render(replace(OPENED, state=ChallengeState.CANCELLED), ENGLISH)

    for part in (
        "What counts: A deal was won.",
        "Each time adds 50 points.",
        "until Wed, Mar 4, 1:00",
        "20 places left",
    ):
        assert part in read(opening).replace("\u202f", " ")
    assert "1. Ada with 7" in read(results)
    assert "It was called off." in read(called_off)
    assert "until" not in read(called_off)


def test_a_week_says_which_days_it_had_and_the_place_that_has_a_number() -> None:
    unnumbered = replace(PLACES, lines=(Line(None, "Ada", 1_250, is_own=True),))
    week, lower = (cards.render(replace(WEEK, places=places), ENGLISH) for places in (PLACES, unnumbered))

    assert "Feb 23, 2026 \N{EN DASH} Mar 1, 2026" in read(week)
    assert "Your place now: 7 (Company, of all time)." in read(week)
    assert "Your place" not in read(lower)


def test_a_german_reads_german_and_what_people_wrote_as_they_wrote_it() -> None:
    lapses_at = datetime(2026, 5, 10, 12, tzinfo=UTC)
    lapsing = Lapsing.of("acc_1", "mem_1", "Europe/Berlin", lapses_at)
    tellings = [
        recognitions.telling(THANKS, "Ben", Unit("kudos", 0, "Kudos")),
        Telling("mem_1", *warning(Stage(POINTS, 14), lapsing, {lapses_at: 1_250}), "r"),
    ]
    told = [Notification("ntf_1", "prg_1", "mem_1", "", "", "", "r", NOW, sentences=one.sentences) for one in tellings]

    said = [
        "*Ben dankt dir*\n1.250 Kudos für Team: You <b>saved</b> it",
        "*Bald verfallen: 1.250 Punkte*\nAm 10.05.2026 verfallen: 1.250 Punkte. Nutze sie vorher.",
    ]
    said = [one.replace("<", "&lt;").replace(">", "&gt;") for one in said]
    assert [cards.render(Plain(*one.said), GERMAN)["blocks"][0]["text"]["text"] for one in told] == said
    digest = [block["text"]["text"] for block in cards.digest(told, GERMAN)["blocks"]]
    assert digest == ["2 Sachen, die seitdem passiert sind", *(one.replace("\n", " ") for one in said)]
