"""Of what people write in Slack nothing is kept for longer than it is needed, and erased words are gone."""

from datetime import timedelta

from sqlalchemy import text

from relay.relay import Relay
from storage import erasures
from storage.database import Database
from storage.slack_envelopes import UNHANDLED_KEPT
from storage.slack_messages import KEPT
from storage.wakeups import Wakeups
from tests.programs import NOW
from tests.relay.slack.conftest import Company

WORDS = "burning the midnight oil"
SECOND = timedelta(seconds=1)
SAID = "SELECT content::text FROM slack_messages"
TOLD = "SELECT body || sentences::text FROM notifications"
ASKED = "SELECT body::text FROM slack_envelopes"


async def thank(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", f"thanks @maya +5 for {WORDS}")


async def with_words(company: Company, query: str) -> int:
    """How many rows have them."""
    async with company.database.begin() as session:
        return sum(WORDS in row for row in (await session.execute(text(query))).scalars())


async def purge(company: Company, after: timedelta) -> None:
    await Relay(company.database, {}, clock=lambda: NOW + after, wakeups=Wakeups("")).purge()


async def test_what_was_said_is_forgotten_after_a_month(company: Company) -> None:
    await thank(company)
    await company.work()

    await purge(company, KEPT - SECOND)
    before = await with_words(company, SAID)
    await purge(company, KEPT + SECOND)

    assert before == 2
    assert await with_words(company, SAID) == 0
    async with company.database.begin() as session:
        urls = "SELECT count(*) FROM slack_messages WHERE content ? 'response_url'"
        assert (await session.execute(text(urls))).scalar_one() == 0


async def test_what_could_not_be_acted_upon_is_forgotten_after_a_month(company: Company) -> None:
    await thank(company)

    await purge(company, UNHANDLED_KEPT - SECOND)
    before = await with_words(company, ASKED)
    await purge(company, UNHANDLED_KEPT + SECOND)

    assert before == 1
    assert await with_words(company, ASKED) == 0


async def test_words_that_are_erased_are_gone_from_what_was_said_and_from_what_waits(
    company: Company, owner_url: str
) -> None:
    await thank(company)
    await company.work()
    before = await with_words(company, TOLD)
    owner = Database(owner_url)
    async with owner.begin() as session:
        ids = list((await session.execute(text("SELECT id FROM recognitions"))).scalars())
        waits = """UPDATE slack_messages SET state = 'open', ended_at = NULL WHERE key LIKE 'notification/%'"""
        await session.execute(text(waits))
        why = {"actor": "data protection", "reason": "request 17"}
        await erasures.erase(session, company.program_id, ids, **why, now=NOW)
    await owner.dispose()

    assert (before, await with_words(company, TOLD), await with_words(company, SAID)) == (1, 0, 0)
    async with company.database.begin() as session:
        waiting = "SELECT count(*) FROM slack_messages WHERE state = 'open'"
        assert (await session.execute(text(waiting))).scalar_one() == 0
