"""What people are told of in Slack: they ask there why, and add their words, by Slack's own ways."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from sqlalchemy import select, update

from activities.challenges import ChallengeActivities, ChallengeAt, CheckpointAt
from activities.grace import GraceActivities, GraceAt
from connectors.slack import cards
from domain.challenges import Checkpoint
from domain.events import SourcePolicy
from storage import board_opt_outs, challenges, employment, intake, streaks
from storage.game_tables import grace_windows
from storage.tables import members
from tests.challenges import days, sprint
from tests.eventually import eventually
from tests.programs import NOW, apply, course, deal
from tests.relay.slack.conftest import COMPANY, Company
from tests.relay.slack.test_walk import place, said
from tests.storage.test_grace import LEARNING

DAY = timedelta(days=1)


async def test_whoever_is_thanked_asks_beneath_it_why(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "thanks @maya +20 for the demo that saved the day")
    await company.work()
    direct = company.slack.workspace.direct(company.slack.workspace.user("maya").id)
    [ts] = direct.messages
    await company.slack.press("maya", direct.id, ts, cards.WHY)
    await company.work()

    [answer] = direct.ephemerals
    assert "earned you 20 points" in str(answer["text"])


async def celebrate(company: Company, name: str) -> str:
    """It is this member's birthday, and everybody reads it in #general; the post's ts."""
    posted = {"slack": {"celebrations": {"channel": place(company, "general").id}}}
    async with company.database.begin() as session:
        await apply(session, company.program_id, {**COMPANY, "notifications": posted})
        own = update(members).where(members.c.id == company.members[name])
        await session.execute(own.values(birthday=f"{NOW:%m-%d}", created_at=NOW.replace(year=NOW.year - 2)))
        await employment.settle_page(session, company.program_id, after="", as_of=NOW)
    await company.work()
    [ts] = place(company, "general").messages
    return str(ts)


async def has_words_form(company: Company, user: str) -> None:
    assert company.slack.view(user)["callback_id"] == cards.WORDS


async def test_colleagues_add_their_words_in_a_form_and_the_post_has_them(company: Company) -> None:
    ts = await celebrate(company, "maya")
    await company.slack.press("owen", "general", ts, cards.WRITE_WORDS)
    await eventually(partial(has_words_form, company, "owen"))
    blank = await company.slack.submit("owen", {"words": "   "})
    added = await company.slack.submit("owen", {"words": "All the best!"})
    await company.slack.send_again()
    await company.work()

    assert "words" in blank.json["errors"]
    assert added.json == {}
    assert len(said(company)) == 1
    shown = [str(block.get("text", {}).get("text")) for block in place(company, "general").messages[ts]["blocks"]]
    assert sum("All the best!" in text for text in shown) == 1


async def learn(company: Company, *days_ago: int) -> None:
    """Maya finishes a course on each of these days."""
    courses = [course(n, "maya", occurred_at=NOW - n * DAY) for n in days_ago]
    async with company.database.begin() as session:
        await intake.record(session, company.program_id, courses, SourcePolicy(), as_of=NOW)


async def endanger(company: Company) -> GraceAt:
    """Maya has learnt for three days, and not yesterday."""
    async with company.database.begin() as session:
        await apply(session, company.program_id, COMPANY | {"streaks": {"learning": LEARNING}})
    await learn(company, 4, 3, 2)
    async with company.database.begin() as session:
        await streaks.settle_page(session, company.program_id, "learning", as_of=NOW, limit=10)
        grace_id = (await session.execute(select(grace_windows.c.id))).scalar_one()
    return GraceAt(company.program_id, grace_id, NOW)


async def test_a_streak_at_risk_is_told_and_the_message_says_when_it_is_kept(company: Company) -> None:
    await company.slack.command("maya", "general", "/laurel", "streak")
    at = await endanger(company)
    await GraceActivities(company.database, lambda: NOW).remind_of_grace(at)
    await company.work()
    direct = company.slack.workspace.direct(company.slack.workspace.user("maya").id)
    [asked] = [str(one["blocks"]) for one in direct.messages.values()]
    await learn(company, 0)
    await company.work()

    [kept] = [str(one["blocks"]) for one in direct.messages.values()]
    assert "your streak of 3 is at risk" in asked
    assert "Well done: your streak goes on." in kept


async def launch(company: Company) -> ChallengeAt:
    """A challenge that can begin, and whose steps everybody reads in #general."""
    posted = {"slack": {"challenges": {"channel": place(company, "general").id}}}
    game = {"challenges": {"sprint": sprint(description="Three weeks, one team.")}, "notifications": posted}
    async with company.database.begin() as session:
        await apply(session, company.program_id, COMPANY | game)
        found = await challenges.find(session, company.program_id, "sprint")
    assert found is not None
    return ChallengeAt(company.program_id, found.id, NOW)


async def test_a_challenge_goes_on_beneath_its_opening_and_names_who_is_first_but_nobody_who_hides(
    company: Company,
) -> None:
    at, general = await launch(company), place(company, "general")
    steps = ChallengeActivities(company.database, lambda: NOW)
    await steps.open_challenge(at)
    won = ["maya"] * 3 + ["owen"] * 2 + ["lena", "grace"]
    async with company.database.begin() as session:
        deals = [deal(n, name) for n, name in enumerate(won)]
        await intake.record(session, company.program_id, deals, SourcePolicy(), as_of=NOW)
        owen = company.members["owen"]
        await board_opt_outs.set_shown(session, company.program_id, owen, shown=False, now=NOW)
    for _ in range(2):
        await steps.tell_checkpoint(CheckpointAt(at, Checkpoint.HALF_TIME))
    await company.work()
    over = replace(at, as_of=days(10))
    for step in (steps.close_challenge, steps.settle_challenge, steps.tell_settled):
        await step(over)
    await company.work()

    opening, half, results = general.messages.values()
    assert [one.get("thread_ts") for one in (half, results)] == [opening["ts"]] * 2
    assert "What counts" in str(opening["blocks"])
    assert "It is over." in str(opening["blocks"])
    assert "4 people take part" in str(half["blocks"])
    assert "1. maya with 3" in str(results["blocks"])
    assert not any(name in str(results["blocks"]) for name in ("owen", "lena", "grace"))


async def test_an_opening_that_was_refused_leaves_the_next_step_a_post_of_its_own(company: Company) -> None:
    at, general = await launch(company), place(company, "general")
    steps = ChallengeActivities(company.database, lambda: NOW)
    general.is_archived = True
    await steps.open_challenge(at)
    await company.work()
    general.is_archived = False
    await steps.tell_checkpoint(CheckpointAt(at, Checkpoint.LAST_DAY))
    await company.work()

    [post] = general.messages.values()
    assert ("the last day" in str(post["text"]), post.get("thread_ts")) == (True, None)
