"""What people type after `/laurel`, and what it is read as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.slack.commands import MAX_WORD, WORDS, parse, topic_of
from domain.asks import (
    Ask,
    Balance,
    Board,
    Challenges,
    Help,
    Nominate,
    Rewards,
    Settings,
    Streak,
    Thanks,
    Topic,
    Unknown,
    Why,
)
from domain.game import Window

PIECES = (
    "<@U1|anna>",
    "<@W2>",
    "<#C3|mut>",
    "+10",
    "#team",
    "--private",
    "thanks",
    "why",
    "board",
    "<!here>",
    "“",
    '"',
    "<",
    "&",
)


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        ("", Help()),
        ("  \u00a0\u200b ", Help()),
        ("help rewards", Help(Topic.REWARDS)),
        ("Hilfe Prämien", Help(Topic.REWARDS)),
        ("?", Help()),
        ("b", Balance()),
        ("PUNKTE", Balance()),
        ("solde ?", Balance()),
        ("\u200eSÉRIE\u202c", Streak()),
        ("défis", Challenges()),
        ("einlösen", Rewards()),
        ("Réglages", Settings()),
        ("p", Settings()),
        ("why", Why()),
        ("Why did I get nothing?", Why(nothing=True)),
        ("warum habe ich keine Punkte?", Why(nothing=True)),
        ("why evt_01ab", Why("evt_01ab")),
        ("board", Board()),
        ("board this week", Board(window=Window.WEEK)),
        ("Rangliste des Monats", Board(window=Window.MONTH)),
        ("classement du mois", Board(window=Window.MONTH)),
        ("board der Vertrieb", Board("der Vertrieb")),
        ("board “Sales  of the week”", Board("Sales of the week")),
        ("nominate <@U1|anna>", Nominate("U1")),
        ("n", Nominate()),
        ("blance", Unknown("blance", "balance")),
        ("xyzzy &lt;!channel&gt;", Unknown("xyzzy")),
    ],
)
def test_what_is_asked_is_understood(text: str, ask: Ask) -> None:
    assert parse(text) == ask


@pytest.mark.parametrize(
    "text",
    [
        "thanks <@U1|anna> <@W2> +10 #teamwork for the launch",
        "t <@U1|Anna of the Sales Team><@W2>, the launch +10 #teamwork",
        "danke\u00a0<@U1> und <@W2>: +10 für the launch <#C9|teamwork>",
        "merci #teamwork <@U1> et <@W2> <@U1> +10 pour « the launch »",
        "+10 <@U1> &amp; <@W2> “the launch” #teamwork",
    ],
)
def test_thanks_are_written_in_many_ways(text: str) -> None:
    assert parse(text) == Thanks(("U1", "W2"), 10, "teamwork", "the launch")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("t <@U1> for helping <@U2|ben>.", "helping @ben."),
        ("t <@U1> fixing #12 &lt;b&gt; &amp; <https://a.example|the page>", "fixing #12 <b> & the page"),
        ("t <@U1> you saved +1 day", "you saved +1 day"),
        ("t <@U1> <!channel> wow", "wow"),
    ],
)
def test_a_reason_is_what_was_typed_and_mentions_nobody(text: str, reason: str) -> None:
    assert parse(text) == Thanks(("U1",), reason=reason)


@pytest.mark.parametrize("text", ["t private <@U1> x", "t <@U1> x --private", "t <@U1> privé x", "t <@U1> --PRIVAT x"])
def test_thanks_may_be_private(text: str) -> None:
    assert parse(text) == Thanks(("U1",), reason="x", private=True)


def test_a_value_within_the_reason_counts_and_stays() -> None:
    assert parse("t <@U1> for #courage at work") == Thanks(("U1",), value="courage", reason="#courage at work")


def test_thanks_without_anybody_or_anything_are_thanks() -> None:
    assert parse("thanks") == Thanks()


@given(st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3))).map("".join)))
def test_whatever_was_typed_is_an_ask(text: str) -> None:
    ask = parse(text)

    assert isinstance(ask, Ask)
    assert not isinstance(ask, Unknown) or 0 < len(ask.word) <= MAX_WORD


def test_each_word_asks_for_one_thing() -> None:
    words = [word for known in WORDS.values() for word in known]

    assert len(words) == len(set(words))
    assert [topic_of(word) for word in words] == [topic for topic, known in WORDS.items() for _ in known]
