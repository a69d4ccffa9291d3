"""From Slack to what is said there, through the app's own ways."""

from tests.relay.slack.conftest import Company


async def test_a_question_is_answered_to_who_asked(company: Company) -> None:
    answer = await company.slack.command("jonas", "general", "/laurel", "balance")
    await company.work()

    print(company.slack.workspace.records)
    assert answer.status == 200
