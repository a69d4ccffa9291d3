"""From Slack to points and back: what people do there, through the app's own ways."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from domain.commands import Earn
from domain.outbox import Lane
from sandbox.slack.faults import Fault
from storage import commands, members
from tests.programs import NOW
from tests.relay.slack.conftest import Company

SIGNS = 1_000  # of the storm: each a message, who reacts and an emoji


def place(company: Company, name: str) -> Any:
    return company.slack.workspace.conversation(name)


def whispered(company: Company, user: str, channel: str = "general") -> list[str]:
    """What only this user sees in the channel."""
    who = company.slack.workspace.user(user).id
    return [str(one["text"]) for one in place(company, channel).ephemerals if one["to"] == who]


def said(company: Company, channel: str = "general") -> list[str]:
    """What everybody sees in the channel."""
    return [str(one["text"]) for one in place(company, channel).messages.values()]


def told(company: Company, user: str) -> list[str]:
    """What the app has said to this user directly."""
    who = company.slack.workspace.user(user).id
    return [str(one["text"]) for one in company.slack.workspace.direct(who).messages.values()]


async def has(company: Company, name: str, unit: str = "points") -> int:
    async with company.database.begin() as session:
        member_id = company.members[name]
        found = await members.balance(session, company.program_id, member_id, as_of=NOW, unit=unit)
    return found.available


async def test_a_question_is_answered_to_who_asked(company: Company) -> None:
    await company.slack.command("jonas", "general", "/laurel", "balance")
    await company.work()

    [answer] = whispered(company, "jonas")
    assert "Punkte" in answer
    assert whispered(company, "lena") == []


async def test_whoever_is_no_member_is_told_what_to_do(company: Company) -> None:
    await company.slack.join("zoe", "zoe@elsewhere.example")
    place(company, "random").members.append(company.slack.workspace.user("zoe").id)
    await company.slack.command("zoe", "random", "/laurel", "balance")
    await company.work()

    [answer] = whispered(company, "zoe", "random")
    assert "I do not know you yet" in answer


async def test_thanks_by_command_are_said_in_the_channel_and_become_points_once_however_often_it_comes(
    company: Company,
) -> None:
    await company.slack.command("owen", "general", "/laurel", "thanks @maya +20 #craft for the demo that saved the day")
    for _ in range(4):
        await company.slack.send_again()
        await company.work()

    [announced] = said(company)
    assert "thanks" in announced
    assert (await has(company, "maya"), await has(company, "owen", "kudos")) == (20, 80)


async def test_a_reaction_thanks_while_it_is_there(company: Company) -> None:
    slack = company.slack
    ts = await slack.say("maya", "general", "The demo works again.")
    await slack.react("owen", "general", ts, "laurel")
    await company.work()
    given_once = await has(company, "maya"), await has(company, "owen", "kudos")
    await slack.unreact("owen", "general", ts, "laurel")
    await company.work()
    taken_back = await has(company, "maya"), await has(company, "owen", "kudos")
    await slack.react("owen", "general", ts, "laurel")
    await company.work()

    assert given_once == (5, 95)
    assert taken_back == (0, 100)
    assert (await has(company, "maya"), await has(company, "owen", "kudos")) == (5, 95)


async def test_typed_thanks_go_with_their_message(company: Company) -> None:
    ts = await company.slack.say("owen", "general", "@maya @lena :laurel: :laurel: for holding the line all night")
    await company.work()
    thanked = await has(company, "maya"), await has(company, "lena"), await has(company, "owen", "kudos")
    await company.slack.remove("general", ts)
    await company.work()

    assert thanked == (10, 10, 80)
    assert (await has(company, "maya"), await has(company, "lena"), await has(company, "owen", "kudos")) == (0, 0, 100)


async def test_whoever_has_too_little_to_give_is_told_so_and_keeps_it(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "thanks @maya +101 for the demo that saved the day")
    await company.work()

    [answer] = whispered(company, "owen")
    assert "100" in answer
    assert "Nothing was given" in answer
    assert await has(company, "owen", "kudos") == 100


async def test_nobody_thanks_themselves_by_a_reaction(company: Company) -> None:
    ts = await company.slack.say("owen", "general", "I am great.")
    await company.slack.react("owen", "general", ts, "laurel")
    await company.work()

    assert "Nobody thanks themselves" in whispered(company, "owen")[0]
    assert await has(company, "owen", "kudos") == 100


async def test_a_home_shows_what_somebody_has(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "thanks @maya +20 for the demo that saved the day")
    await company.work()
    await company.slack.open_home("maya")
    await company.work()

    assert "20" in str(company.slack.view("maya")["blocks"])


async def test_a_storm_of_reactions_spends_exactly_what_stands(company: Company) -> None:
    slack, chance = company.slack, random.Random(7)
    givers = [name for name in company.members if name not in ("maya", "emre")][:10]
    await give(company, givers, 400)
    messages = [await slack.say("maya", "general", f"Step {n} works again.") for n in range(SIGNS // len(givers))]
    standing: Counter[str] = Counter()
    slack.webhook.hold = True
    for ts, giver in itertools.product(messages, givers):
        await slack.react(giver, "general", ts, "laurel")
        if chance.random() < 0.1:
            await slack.unreact(giver, "general", ts, "laurel")
        else:
            standing[giver] += 1
    # Everything once, some of it twice, removals before additions among it.
    slack.webhook.pending += chance.sample(slack.webhook.pending, 50)
    chance.shuffle(slack.webhook.pending)
    await slack.webhook.deliver()
    while acted := await company.relay.work(Lane.SLACK):
        assert {one.error for one in acted} == {None}

    assert len(givers) * len(messages) == SIGNS
    assert await has(company, "maya") == 5 * standing.total()
    assert {giver: await has(company, giver, "kudos") for giver in givers} == {
        giver: 500 - 5 * standing[giver] for giver in givers
    }


async def give(company: Company, names: Sequence[str], kudos: int) -> None:
    """So much more that each of them may give away."""
    more = [
        Earn(reference=f"more:{one}", actor="tests", member_id=company.members[one], unit="kudos", amount=kudos)
        for one in names
    ]
    async with company.database.begin() as session:
        await commands.execute(session, company.program_id, more, as_of=NOW)


async def test_thanks_are_taken_back_with_their_message_whatever_it_was_edited_to(company: Company) -> None:
    ts = await company.slack.say("owen", "general", "@maya :laurel: for holding the line all night")
    await company.work()
    await company.slack.rewrite("general", ts, "never mind")
    await company.slack.remove("general", ts)
    await company.work()

    assert (await has(company, "maya"), await has(company, "owen", "kudos")) == (0, 100)


async def test_a_reaction_is_taken_back_although_slack_says_nothing_of_its_people_any_more(company: Company) -> None:
    slack = company.slack
    ts = await slack.say("maya", "general", "The demo works again.")
    slack.webhook.hold = True
    await slack.react("owen", "general", ts, "laurel")
    await slack.unreact("owen", "general", ts, "laurel")
    slack.webhook.pending.reverse()
    slack.faults.append(Fault(kind="server_error", method="users.info"))
    await slack.webhook.deliver()
    await company.relay.work(Lane.SLACK)
    slack.faults.clear()
    await company.work_again()

    assert (await has(company, "maya"), await has(company, "owen", "kudos")) == (0, 100)


async def test_while_slack_says_nothing_of_strangers_others_are_answered(company: Company) -> None:
    slack = company.slack
    await slack.command("maya", "general", "/laurel", "balance")
    await company.work()
    slack.faults.append(Fault(kind="server_error", method="users.info", times=1_000))
    for n in range(6):
        await slack.join(f"zoe{n}")
        place(company, "general").members.append(slack.workspace.user(f"zoe{n}").id)
        await slack.command(f"zoe{n}", "general", "/laurel", "balance")
    await slack.command("maya", "general", "/laurel", "streak")
    for _ in range(4):
        await company.relay.work(Lane.SLACK)
        await company.relay.work(Lane.TEMPORAL)

    assert len(whispered(company, "maya")) == 2
