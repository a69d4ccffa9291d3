"""The form of preferences: Slack takes it, what holds is in it, and what is filled in is read or said to be wrong."""

from dataclasses import replace
from datetime import time
from typing import Any

import pytest

from connectors.slack import preferences
from connectors.slack.blocks import View
from connectors.slack.preferences import Mistaken
from connectors.slack.texts import TRANSLATED, Texts
from domain.calendars import WEEKDAYS
from domain.preferences import Quiet, Topic, Wishes
from tests.connectors.slack_judge import judge_view

ENGLISH = Texts.of("en-US")
DECLARED = Wishes()
OWN = Wishes(frozenset({Topic.BIRTHDAYS, Topic.DIGEST}), Quiet(time(17, 30), time(9), frozenset({"sun"})), 3)


def filled(holds: Wishes = OWN, **changed: Any) -> dict[str, Any]:
    """The fields as Slack sends them when nobody has touched them, but for these."""
    fields: dict[str, Any] = {
        "topics": {"selected_options": [{"value": topic} for topic in Topic if topic not in holds.opted_out]},
        "since": {"selected_time": f"{holds.quiet.since:%H:%M}"},
        "until": {"selected_time": f"{holds.quiet.until:%H:%M}"},
        "days": {"selected_options": [{"value": day} for day in holds.quiet.days]},
        "limit": {"value": str(holds.daily_limit)},
    }
    return {name: {name: field} for name, field in (fields | changed).items()}


def shown(view: View, name: str) -> dict[str, Any]:
    """The element of this name."""
    [found] = [block["element"] for block in view["blocks"] if block["block_id"] == name]
    return dict(found)


@pytest.mark.parametrize("locale", ["en-US", *TRANSLATED])
@pytest.mark.parametrize("holds", [DECLARED, OWN, Wishes(frozenset(Topic), Quiet(days=frozenset()))])
def test_slack_takes_the_form_and_nothing_of_it_is_cut(locale: str, holds: Wishes) -> None:
    every_day_but_one = replace(DECLARED, quiet=Quiet(days=frozenset(WEEKDAYS[1:])))
    for declared in (DECLARED, every_day_but_one, replace(DECLARED, quiet=Quiet(days=frozenset()))):
        view = preferences.form(holds, declared, Texts.of(locale))

        judge_view(view)
        assert "…" not in str(view)


def test_what_holds_is_filled_in_and_what_the_program_declares_stands_beneath() -> None:
    view = preferences.form(OWN, DECLARED, ENGLISH)

    told = [option["value"] for option in shown(view, "topics")["initial_options"]]
    assert told == [topic for topic in Topic if topic not in (Topic.BIRTHDAYS, Topic.DIGEST)]
    assert [shown(view, name)["initial_time"] for name in ("since", "until")] == ["17:30", "09:00"]
    assert [option["value"] for option in shown(view, "days")["initial_options"]] == ["sun"]
    assert shown(view, "limit")["initial_value"] == "3"
    hints = " ".join(block["hint"]["text"] for block in view["blocks"] if "hint" in block).replace("\u202f", " ")
    for said in ("from 8:00 PM to 8:00 AM", "Your company's: Saturday and Sunday.", "Your company's: 10."):
        assert said in hints


def test_what_is_filled_in_is_what_is_wanted() -> None:
    assert preferences.read(filled(), DECLARED, ENGLISH) == OWN


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("days", {"selected_options": [{"value": day} for day in WEEKDAYS]}),
        ("limit", {"value": "101"}),
        ("limit", {"value": "1.5"}),
        ("limit", {"value": None}),
    ],
)
def test_what_cannot_be_kept_is_said_beside_its_field(field: str, value: dict[str, Any]) -> None:
    with pytest.raises(Mistaken) as mistaken:
        preferences.read(filled(OWN, **{field: value}), DECLARED, ENGLISH)

    assert mistaken.value.field == field
