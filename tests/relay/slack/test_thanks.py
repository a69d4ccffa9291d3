"""Whatever is typed or filled in to thank somebody becomes thanks, or words about what is wrong with it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.slack import forms
from connectors.slack import thanks as words
from connectors.slack.commands import parse
from connectors.slack.texts import Texts
from domain.asks import Thanks
from domain.checks import MAX_TITLE
from domain.commands import Refused
from domain.connections import Connection
from domain.recognitions import MAX_REASON, Giving
from domain.slack_users import SlackUser, UserKind
from relay.slack import thanks
from relay.slack.context import Context
from tests.programs import NOW
from tests.relay.slack.conftest import Company
from tests.relay.slack.test_walk import has, whispered

ENGLISH = Texts.of("en-US")
PIECES = (
    "<@U1|anna>",
    "<@U2>",
    "<@W9>",
    "+0",
    "+10",
    "+999999999",
    "#craft",
    "--private",
    "for",
    "x" * 2_001,
    ":laurel:",
)


def user(user_id: str) -> SlackUser:
    return SlackUser("con_1", user_id, f"mem_{user_id}", UserKind.PERSON, user_id, None, None, False, NOW, NOW)


def context() -> Context:
    users = {one: user(one) for one in ("U0", "U1", "U2")}
    nothing: Any = None
    connection = Connection("con_1", "prg_1", "slack", "slack", NOW)
    return Context(connection, users, "U0", nothing, nothing, "key", NOW, NOW, outsiders=False, apart=None)


def is_answered(wanted: Giving | Refused) -> bool:
    """It can be given, or there are words of their own for why not, beside a field."""
    if isinstance(wanted, Giving):
        return True
    return "That cannot be given" not in words.refusal(wanted, ENGLISH) and bool(words.field_of(wanted.code))


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=12).map(" ".join))
def test_every_command_is_answered(text: str):
    ask = parse(f"thanks {text}")

    assert isinstance(ask, Thanks)
    assert is_answered(thanks.as_asked(context(), ask))


@given(
    st.lists(st.sampled_from(["U0", "U1", "W9"]), max_size=3),
    st.one_of(st.none(), st.sampled_from(["0", "+1", " 1 000 ", "999999999"])),
    st.one_of(st.none(), st.text(max_size=30), st.just("x" * 2_001)),
)
def test_every_form_is_answered(receivers: list[str], amount: str | None, reason: str | None):
    values = {
        "receivers": {"receivers": {"selected_users": receivers}},
        "amount": {"amount": {"value": amount}},
        "reason": {"reason": {"value": reason}},
    }

    assert is_answered(thanks.as_asked(context(), forms.thanks_asked(values, ())))


def test_every_value_that_a_program_may_declare_can_be_chosen_while_it_is_declared():
    declared = ["craft", "a" * MAX_TITLE, "a" * (MAX_TITLE - 1) + "b"]
    view = forms.thanks(declared, ENGLISH, least_reason=1)
    [options] = [block["element"]["options"] for block in view["blocks"] if block["block_id"] == "value"]
    sent = [{"value": {"value": {"selected_option": one}}} for one in options]

    assert [forms.thanks_asked(one, declared).value for one in sent] == declared
    assert [forms.thanks_asked(one, declared[1:]).value for one in sent[1:]] == declared[1:]
    assert forms.thanks_asked(sent[0], declared[1:]).value not in declared


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"receivers": []}, "Name at least one colleague."),
        ({"receivers": ["U1"], "amount": 0}, "a whole number from 1 to 1,000,000"),
        ({"receivers": ["U1"], "reason": "x" * (MAX_REASON + 1)}, "That is 2,001 characters: at most 2,000"),
        ({"receivers": ["W9"]}, "I do not know everybody"),
    ],
)
def test_what_no_program_takes_is_said_in_words(said: dict[str, Any], told: str):
    refused = thanks.giving(context(), "key", **said)

    assert isinstance(refused, Refused)
    assert told in words.refusal(refused, ENGLISH)


async def test_thanks_with_nothing_are_answered_and_spend_nothing(company: Company):
    await company.slack.command("owen", "general", "/laurel", "thanks @maya +0 for the demo that saved the day")
    await company.work()

    assert "from 1 to" in whispered(company, "owen")[0]
    assert await has(company, "owen", "kudos") == 100
