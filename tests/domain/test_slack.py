"""What Slack refuses is said in another way where that says nothing twice, and not too late."""

from datetime import timedelta
from typing import Any

import pytest

from domain.slack import EXPIRED_URL, RESPONSE_FOR, Message, MessageKind, MessageState, Outgoing, otherwise, way_back
from tests.programs import NOW

IN_TIME, LATE = NOW + RESPONSE_FOR - timedelta(seconds=1), NOW + RESPONSE_FOR
WAY_BACK = way_back({"response_url": "https://hooks.slack.com/1"}, NOW)


def message(kind: MessageKind, state: MessageState = MessageState.OPEN, **content: Any) -> Message:
    return Message(1, "key", kind, {"text": "hello", **content}, state, NOW, user="U1")


def test_an_announcement_where_the_app_is_not_is_said_by_the_url_of_its_command():
    said = otherwise(message(MessageKind.POST, **WAY_BACK), "con_1", "C1", "not_in_channel", now=IN_TIME)

    words = {"text": "hello", "response_type": "in_channel", **WAY_BACK}
    assert said == Outgoing("key/otherwise", "con_1", "U1", words, MessageKind.RESPOND)


def test_an_answer_that_comes_too_late_is_said_directly_without_a_trace_of_its_url():
    answer = message(MessageKind.RESPOND, response_type="ephemeral", replace_original=False, **WAY_BACK)
    said = otherwise(answer, "con_1", "U1", EXPIRED_URL, now=LATE)

    assert said == Outgoing("key/otherwise", "con_1", "U1", {"text": "hello"})


@pytest.mark.parametrize(
    ("refused", "code", "now"),
    [
        (message(MessageKind.POST), "not_in_channel", IN_TIME),
        (message(MessageKind.POST, **WAY_BACK), "not_in_channel", LATE),
        (message(MessageKind.POST, **WAY_BACK), "msg_too_long", IN_TIME),
        (message(MessageKind.POST, MessageState.SENDING, **WAY_BACK), "not_in_channel", IN_TIME),
        (message(MessageKind.RESPOND, response_type="in_channel", **WAY_BACK), EXPIRED_URL, LATE),
        (message(MessageKind.RESPOND, response_type="ephemeral", **WAY_BACK), "answer_lost", IN_TIME),
        (Message(1, "key", MessageKind.RESPOND, {}, MessageState.SENDING, NOW), "answer_lost", IN_TIME),
    ],
    ids=[
        "no_announcement",
        "too_late",
        "about_the_message",
        "perhaps_said",
        "too_late_for_all",
        "perhaps_answered",
        "erased",
    ],
)
def test_other_refusals_are_the_end(refused: Message, code: str, now: Any):
    assert otherwise(refused, "con_1", "C1", code, now=now) is None
