"""A nomination as its nominator sees it: to be taken back while it waits, and how it ended afterwards."""

from dataclasses import replace

import pytest

from connectors.slack import nominations
from connectors.slack.texts import TRANSLATED, Texts
from domain.homes import Proposed
from domain.nominations import NominationState
from tests.connectors.slack_judge import judge_blocks

ENGLISH = Texts.of("en-US")
OWN = Proposed("nom_1", "Team spirit", 200, "Ada")
ENDED = [state for state in NominationState if state is not NominationState.PENDING]


@pytest.mark.parametrize("locale", ["en-US", *TRANSLATED])
def test_slack_takes_it_however_it_stands_at_every_length(locale: str) -> None:
    long = "<!channel> & " * 500
    for state in NominationState:
        for one in (OWN, Proposed("nom_1", long, 200, long)):
            message = nominations.render(replace(one, state=state), Texts.of(locale))

            judge_blocks(message["blocks"])
            assert "<!" not in str(message)


def test_it_is_taken_back_by_a_button_that_asks_first() -> None:
    message = nominations.render(OWN, ENGLISH)

    [button] = message["blocks"][-1]["elements"]
    assert message["text"] == "Your nomination of *Ada* for *Team spirit* is on its way."
    assert (button["action_id"], button["value"]) == ("laurel.nominations.withdraw", "nom_1")
    assert button["confirm"]["title"]["text"] == "Withdraw this nomination?"


@pytest.mark.parametrize("state", ENDED)
def test_what_has_ended_says_how_and_has_no_button(state: NominationState) -> None:
    message = nominations.render(replace(OWN, state=state), ENGLISH)

    assert nominations.ended(state, ENGLISH) in str(message)
    assert [block["type"] for block in message["blocks"]] == ["section", "context"]
