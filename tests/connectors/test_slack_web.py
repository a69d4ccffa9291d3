"""Answers to requests of Slack go to Slack, encrypted, and to nowhere else."""

import pytest

from connectors.errors import Rejected
from connectors.slack.web import Slacks


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/commands/T1/1/x",
        "https://hooks.slack.com:8443/commands/T1/1/x",
        "https://hooks.slack.com.evil.example/x",
        "https://evil.example/x",
        "http://slack.test/response/x",
        "ftp://slack.test/response/x",
        "/response/x",
    ],
)
async def test_what_is_no_place_of_slack_is_answered_nothing(url: str) -> None:
    slacks = Slacks("https://slack.test/api/")

    with pytest.raises(Rejected) as refused:
        await slacks.anonymous.respond(url, {"text": "hello"})

    await slacks.aclose()
    assert refused.value.code == "not_a_response_url"
