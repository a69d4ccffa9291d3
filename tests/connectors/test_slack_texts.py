"""Words, numbers and dates in one person's language, and what people typed among them."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.slack import blocks
from connectors.slack.markup import Markup, clip, lines, link, markup, name, person, quote
from connectors.slack.texts import Texts
from domain.configuration import POINTS, Unit, UnitKind

NOON = datetime(2026, 11, 22, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("locale", "points", "day", "instant"),
    [
        (None, "1,234 points", "Nov 22, 2026", "Sun, Nov 22, 1:05 PM"),
        ("en-GB", "1,234 points", "22 Nov 2026", "Sun 22 Nov, 13:05"),
        ("de-DE", "1.234 Punkte", "22.11.2026", "So., 22. Nov., 13:05"),
        ("fr-FR", "1\N{NARROW NO-BREAK SPACE}234 points", "22 nov. 2026", "dim. 22 nov., 13:05"),
        ("ja-JP", "1,234 points", "Nov 22, 2026", "Sun, Nov 22, 1:05 PM"),
        ("not a locale", "1,234 points", "Nov 22, 2026", "Sun, Nov 22, 1:05 PM"),
    ],
)
def test_numbers_and_days_are_written_as_the_locale_writes_them(locale, points, day, instant):
    """A language that we do not speak is answered in English, all of it."""
    texts = Texts.of(locale)

    assert texts.points(1234) == points
    assert texts.date(date(2026, 11, 22)) == day
    assert texts.instant(NOON, "Europe/Berlin").replace("\N{NARROW NO-BREAK SPACE}", " ") == instant


def test_each_language_counts_in_its_own_way():
    """French says "0 point", English and German "0 points"."""
    assert [Texts.of(locale).points(n) for locale in ("en-US", "fr-FR", "de-DE") for n in (0, 1)] == [
        "0 points",
        "1 point",
        "0 point",
        "1 point",
        "0 Punkte",
        "1 Punkt",
    ]


def test_amounts_are_written_as_their_unit_is_counted():
    cash = Unit("cash", 0, "Cashback", kind=UnitKind.MONEY, currency="EUR", exponent=2)

    assert Texts.of("en-US").amount(1_250, cash) == "€12.50"
    assert Texts.of("de-DE").amount(1_250, cash) == "12,50\N{NO-BREAK SPACE}€"
    assert Texts.of("en-US").amount(1_250, POINTS) == "1,250 points"
    assert Texts.of("de-DE").amount(1_250, Unit("kudos", 0, "Kudos")) == "1.250 Kudos"


def test_what_people_typed_is_shown_as_they_typed_it():
    """A name is no mention, a reason no link, and a value cannot ask for other values."""
    said = Texts.of(None).say("{who} thanks {whom}", who=person("U1"), whom=name("<!channel> {who}"))

    assert said == "<@U1> thanks &lt;!channel&gt; {who}"
    assert blocks.section(said)["text"]["text"] == said
    assert blocks.section("<!here> & all")["text"] == {
        "type": "mrkdwn",
        "text": "&lt;!here&gt; &amp; all",
        "verbatim": True,
    }
    assert blocks.header("Tom & Ada")["text"]["text"] == "Tom & Ada"
    assert quote("a\n<b>") == ">a\n>&lt;b&gt;"
    assert link("R&D", "https://example.com/?a=1&b=2") == "<https://example.com/?a=1&amp;b=2|R&amp;D>"


def test_people_are_listed_as_the_language_lists_them():
    assert Texts.of("de-DE").listed(["<Ada>", person("U2"), "Cleo"]) == "&lt;Ada&gt;, <@U2> und Cleo"


MARKED = st.sampled_from([person("U0123456789"), link("here", "https://example.com"), markup("<&>"), Markup("word ")])


@given(parts=st.lists(MARKED, min_size=1, max_size=20), limit=st.integers(2, 200))
def test_markup_is_never_cut_within_what_slack_reads(parts, limit):
    whole = Markup("".join(parts))

    clipped = clip(whole, limit)

    assert len(clipped) <= limit
    assert clipped.count("<") == clipped.count(">")
    assert clipped.count("&") == clipped.count(";")
    assert clipped == whole or clipped.endswith("…")


def test_long_texts_end_with_an_ellipsis_and_empty_ones_are_not_empty():
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"
    assert blocks.section("")["text"]["text"] == "-"
    assert lines(["a", person("U1")]) == "a\n<@U1>"
