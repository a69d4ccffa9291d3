"""Thanks that are taken back are taken back in words, too, and Homes follow what is given."""

from tests.relay.slack.conftest import Company


def shown(company: Company, user: str) -> str:
    """The one message that the app has said to this user directly, as it stands."""
    direct = company.slack.workspace.direct(company.slack.workspace.user(user).id)
    [message] = direct.messages.values()
    return str(message["blocks"])


async def test_what_a_receiver_was_told_follows_the_reaction(company: Company) -> None:
    slack = company.slack
    ts = await slack.say("maya", "general", "The demo works again.")
    seen = []
    for sign in (slack.react, slack.unreact, slack.react):
        await sign("owen", "general", ts, "laurel")
        await company.work()
        seen.append(shown(company, "maya"))

    first, gone, again = seen
    assert "These thanks were taken back." in gone
    assert ["Why?" in one for one in seen] == [True, False, True]
    assert ("5 Kudos" in first, "5 Kudos" in gone, "5 Kudos" in again) == (True, False, True)
