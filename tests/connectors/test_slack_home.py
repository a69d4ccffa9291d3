"""A member's home says all that it was given, in their language, and Slack takes it whatever there is."""

import json
import re
from dataclasses import replace

import pytest

from connectors.slack import home
from connectors.slack.blocks import View
from connectors.slack.cards import APPROVE
from connectors.slack.forms import CHANGE_AMOUNT, DECLINE
from connectors.slack.nominations import WITHDRAW
from connectors.slack.redeem import CHOOSE
from connectors.slack.texts import Texts
from domain.account_statements import Category
from domain.answers import NoPlaces, Unplaced
from domain.derived import EVENT_TYPES, RECOGNITION_RECEIVED, described
from domain.homes import Activity
from domain.slack_users import Apart
from tests.connectors.slack_answers import AT, shop
from tests.connectors.slack_homes import largest, new, ordinary
from tests.connectors.slack_judge import judge_view

ENGLISH = Texts.of("en-US")


def words(view: View) -> str:
    """All that the view says."""
    return "\n".join(json.loads(f'"{one}"') for one in re.findall(r'"text": "((?:[^"\\]|\\.)*)"', json.dumps(view)))


@pytest.mark.parametrize("locale", ["en-US", "de-DE", "fr-FR"])
@pytest.mark.parametrize("shown", [new(), ordinary(), largest()], ids=["new", "ordinary", "largest"])
def test_slack_takes_every_home(shown, locale):
    judge_view(home.render(shown, Texts.of(locale)))
    for why in Apart:
        judge_view(home.render_apart(why, Texts.of(locale)))


@pytest.mark.parametrize("locale", ["en-US", "de-DE", "fr-FR"])
def test_nothing_of_an_ordinary_home_is_cut(locale):
    assert "…" not in words(home.render(ordinary(), Texts.of(locale)))


def test_what_people_typed_mentions_nobody():
    """Slack reads mentions in markup; plain text, such as the name in the header, it shows as it is."""
    read = re.findall(r'"mrkdwn", "text": "((?:[^"\\]|\\.)*)"', json.dumps(home.render(largest(), ENGLISH)))

    assert len(read) >= 40
    assert "<!channel>" not in "".join(read)


def test_what_waits_for_the_member_comes_with_its_buttons():
    view = home.render(ordinary(), ENGLISH)

    pressed = re.findall(r'"action_id": "([^"]+)"[^}]*\}[^}]*?"value": "([^"]+)"', json.dumps(view))
    assert pressed == [
        (CHOOSE, "rwd_1"),
        (APPROVE, "nom_1"),
        (CHANGE_AMOUNT, "nom_1"),
        (DECLINE, "nom_1"),
        (WITHDRAW, "nom_2"),
    ]


def test_a_new_member_is_told_what_to_do():
    """Thanks are only proposed where there are any."""
    alone, together = new(), replace(new(), has_recognition=True)

    assert "the first will show on this page" in words(home.render(alone, ENGLISH))
    assert "you can thank a colleague" in words(home.render(together, ENGLISH))
    assert "Nothing yet." in words(home.render(alone, ENGLISH))
    assert "You have none yet" not in words(home.render(ordinary(), ENGLISH))


def test_ranks_that_cannot_be_read_are_a_sentence():
    view = home.render(replace(ordinary(), board=NoPlaces(Unplaced.AWAY, [])), ENGLISH)

    assert "The boards cannot be read just now." in words(view)
    assert "1,234 points" in words(view)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Activity(Category.EARNED, 50, AT, "A finished course"), "*+50* · A finished course · Mar 4, 2026"),
        (Activity(Category.HELD, -1_250, AT, "A mug"), "*\N{MINUS SIGN}1,250* · Ordered: A mug · Mar 4, 2026"),
        (Activity(Category.HELD, 1_250, AT, "A mug"), "*+1,250* · Given back: A mug · Mar 4, 2026"),
        (Activity(Category.EXPIRED, -10, AT), "*\N{MINUS SIGN}10* · Lapsed · Mar 4, 2026"),
        (Activity(Category.EARNED, 5, AT), "*+5* · Mar 4, 2026"),
    ],
)
def test_an_entry_is_a_line_in_words(entry, said):
    assert said in words(home.render(replace(new(), activity=(entry,)), ENGLISH))


def test_what_laurel_has_found_itself_is_said_in_the_members_language():
    thanked = Activity(Category.EARNED, 5, AT, described(RECOGNITION_RECEIVED, EVENT_TYPES))

    view = home.render(replace(new(), activity=(thanked,)), Texts.of("de-DE"))

    assert "*+5* · Dank aus dem Team · 04.03.2026" in words(view)


def test_more_offers_than_are_shown_are_counted():
    view = home.render(replace(new(), shop=shop(offers=shop().offers * 7)), ENGLISH)

    assert json.dumps(view).count(CHOOSE) == home.MAX_OFFERS
    assert "and 2 more" in words(view)
