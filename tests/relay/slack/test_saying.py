"""What is said in Slack is said once, in order, and what cannot be said is known."""

from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

import activities.slack
from activities.slack import CONVERSATION_CLOSED, HISTORY_LIMIT, SlackActivities
from connectors.slack.web import Slacks
from domain.outbox import Lane
from domain.slack import THREAD_OF, MessageKind, Outgoing, way_back
from sandbox.slack.faults import Fault
from storage import slack_messages, unfinished
from storage.keyring import CannotOpen, Keyring
from storage.slack_tables import slack_messages as rows
from storage.tables import notifications
from tests.programs import NOW
from tests.relay.slack.conftest import Company

SECOND = timedelta(seconds=1)


async def send(company: Company, *messages: tuple[str, str], channel: str = "general", **more: Any) -> None:
    """Messages by their keys."""
    place = company.slack.workspace.conversation(channel).id
    connection_id = company.workspace.connection_id
    outgoing = [Outgoing(key, connection_id, place, {"text": text}, **more) for key, text in messages]
    async with company.database.begin() as session:
        await slack_messages.send(session, company.program_id, outgoing, now=NOW)


def said(company: Company, channel: str = "general") -> list[str]:
    return [str(one["text"]) for one in company.slack.workspace.conversation(channel).messages.values()]


async def states(company: Company) -> dict[str, str]:
    """What became of the messages, by key."""
    async with company.database.begin() as session:
        found = await session.execute(select(rows.c.key, rows.c.state).order_by(rows.c.id))
        return {str(key): str(state) for key, state in found}


async def test_messages_are_said_in_order_and_each_once(company: Company) -> None:
    await send(company, ("1", "one"), ("2", "two"))
    await send(company, ("2", "two"), ("3", "three"))
    await company.work()
    await send(company, ("3", "three"), ("4", "four"))
    await company.work()

    assert said(company) == ["one", "two", "three", "four"]


async def test_a_message_whose_answer_was_lost_is_looked_up_and_not_said_again(company: Company) -> None:
    company.slack.faults.append(Fault(kind="lost", method="chat.postMessage"))
    await send(company, ("1", "one"), ("2", "two"))
    with pytest.raises(ApplicationError):
        await company.work()
    lost = await states(company)
    await company.work_again()

    assert lost == {"1": "sending", "2": "open"}
    assert said(company) == ["one", "two"]
    assert await states(company) == {"1": "sent", "2": "sent"}


async def test_a_reply_whose_answer_was_lost_is_looked_up_beneath_its_message(company: Company) -> None:
    await send(company, ("opening", "it begins"))
    await company.work()
    company.slack.faults.append(Fault(kind="lost", method="chat.postMessage"))
    place = company.slack.workspace.conversation("general")
    reply = Outgoing("step", company.workspace.connection_id, place.id, {"text": "half time", THREAD_OF: "opening"})
    async with company.database.begin() as session:
        await slack_messages.send(session, company.program_id, [reply], now=NOW)
    with pytest.raises(ApplicationError):
        await company.work()
    await company.work_again()

    opening, said_once = place.messages.values()
    assert said_once["thread_ts"] == opening["ts"]
    assert await states(company) == {"opening": "sent", "step": "sent"}


async def chat(company: Company, messages: int) -> None:
    """So many messages of others."""
    workspace = company.slack.workspace
    for n in range(messages):
        workspace.post(workspace.conversation("general"), workspace.user("owen").id, {"text": f"chat {n}"})


async def lose(company: Company) -> None:
    """The answer to the message "one"."""
    company.slack.faults.append(Fault(kind="lost", method="chat.postMessage"))
    await send(company, ("1", "one"))
    with pytest.raises(ApplicationError):
        await company.work()


async def test_a_message_is_looked_up_behind_all_that_was_said_since(company: Company) -> None:
    await lose(company)
    await chat(company, HISTORY_LIMIT + 20)
    await company.work_again()

    assert said(company).count("one") == 1
    assert await states(company) == {"1": "sent"}


async def test_a_message_that_is_too_far_back_to_be_found_is_not_said_again(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.slack, "HISTORY_PAGES", 1)
    await lose(company)
    await chat(company, HISTORY_LIMIT)
    await company.work_again()

    assert said(company).count("one") == 1
    assert await states(company) == {"1": "unknown"}


async def test_while_slack_does_not_let_us_look_a_message_is_not_said_again(company: Company) -> None:
    await lose(company)
    asked_to_wait = Fault(kind="rate_limited", method="conversations.history", retry_after_seconds=30)
    company.slack.faults.append(asked_to_wait)
    with pytest.raises(ApplicationError):
        await company.work_again()
    await company.work_again()

    assert said(company) == ["one"]
    assert await states(company) == {"1": "sent"}


async def test_what_nobody_can_look_for_is_said_at_most_once(company: Company) -> None:
    company.slack.faults.append(Fault(kind="lost", method="chat.postEphemeral"))
    user = company.slack.workspace.user("owen").id
    await send(company, ("1", "psst"), kind=MessageKind.EPHEMERAL, user=user)
    await company.work()

    assert await states(company) == {"1": "unknown"}
    assert len(company.slack.workspace.conversation("general").ephemerals) == 1


async def test_the_wait_that_slack_asks_for_is_kept_and_nothing_is_lost(company: Company) -> None:
    company.slack.faults.append(Fault(kind="rate_limited", method="chat.postMessage", retry_after_seconds=30))
    await send(company, ("1", "one"))
    with pytest.raises(ApplicationError) as refused:
        await company.work()
    await company.work_again()

    assert refused.value.next_retry_delay is not None
    assert refused.value.next_retry_delay.total_seconds() == 30
    assert said(company) == ["one"]


@pytest.mark.parametrize("how", ["archived", "without_the_app"])
async def test_a_channel_that_takes_nothing_is_recorded_and_told_once(company: Company, how: str) -> None:
    if how == "archived":
        company.slack.workspace.conversation("general").is_archived = True
    else:
        await company.slack.kick("general")
    await send(company, ("1", "one"), ("2", "two"))
    await company.work()
    await send(company, ("3", "three"))
    await company.work()

    assert await states(company) == {"1": "failed", "2": "failed", "3": "failed"}
    assert await times_told(company) == 1


async def times_told(company: Company) -> int:
    """How often administrators were told that a conversation is closed."""
    told = select(func.count()).where(notifications.c.kind == CONVERSATION_CLOSED, notifications.c.member_id.is_(None))
    async with company.database.begin() as session:
        return int((await session.execute(told)).scalar_one())


@pytest.mark.parametrize("kind", [MessageKind.HOME, MessageKind.RESPOND])
async def test_what_is_refused_of_a_home_or_an_answer_stops_no_direct_message(
    company: Company, kind: MessageKind
) -> None:
    user, connection_id = company.slack.workspace.user("owen").id, company.workspace.connection_id
    content = {"text": "hello", "response_type": "ephemeral"}
    content |= way_back({"response_url": "https://evil.example/"}, NOW)
    async with company.database.begin() as session:
        for one in (Outgoing("1", connection_id, user, content, kind), Outgoing("2", connection_id, user, content)):
            await slack_messages.send(session, company.program_id, [one], now=NOW)
    company.slack.faults.append(Fault(kind="refused", method="views.publish", error="not_enabled"))
    await company.work()

    assert await states(company) == {"1": "failed", "2": "sent"}


async def test_a_person_who_takes_no_direct_message_is_answered_and_administrators_are_told_once(
    company: Company,
) -> None:
    await company.slack.command("owen", "general", "/laurel", "balance")
    user = company.slack.workspace.user("owen").id
    closed = Fault(kind="refused", method="chat.postMessage", error="messages_tab_disabled", times=2)
    company.slack.faults.append(closed)
    for keys in (("1", "2"), ("3",)):
        async with company.database.begin() as session:
            hello = [Outgoing(key, company.workspace.connection_id, user, {"text": "hello"}) for key in keys]
            await slack_messages.send(session, company.program_id, hello, now=NOW)
        await company.work()

    assert sorted((await states(company)).values()) == ["failed", "failed", "failed", "sent"]
    assert await times_told(company) == 1


async def test_an_answer_does_not_wait_for_direct_messages_that_slack_puts_off(company: Company) -> None:
    await company.slack.command("owen", "general", "/laurel", "balance")
    await company.relay.work(Lane.SLACK)
    user = company.slack.workspace.user("owen").id
    company.slack.faults.append(Fault(kind="rate_limited", method="chat.postMessage", retry_after_seconds=3600))
    async with company.database.begin() as session:
        hello = Outgoing("1", company.workspace.connection_id, user, {"text": "hello"})
        await slack_messages.send(session, company.program_id, [hello], now=NOW)
    with pytest.raises(ApplicationError):
        await company.work()

    assert sorted((await states(company)).values()) == ["open", "sent"]


async def test_what_cannot_be_said_for_reasons_of_our_own_was_not_said(company: Company, redis: Redis) -> None:
    user = company.slack.workspace.user("owen").id
    await send(company, ("1", "psst"), kind=MessageKind.EPHEMERAL, user=user)
    slacks = Slacks(company.slack.api_url)
    without_keys = SlackActivities(
        company.database, Keyring({"another": bytes(32)}, "another"), slacks, redis, lambda: NOW
    )
    async with company.database.begin() as session:
        [delivery] = await unfinished.list_deliveries(session, before=NOW + SECOND, after=None, limit=1)
    with pytest.raises(CannotOpen):
        await ActivityEnvironment().run(without_keys.say, delivery)
    await slacks.aclose()
    await company.work()

    assert await states(company) == {"1": "sent"}


async def test_of_a_burst_of_edits_the_last_one_is_said(company: Company) -> None:
    await send(company, ("card", "waits for you"))
    await company.work()
    for n in range(5):
        await send(company, (f"card/{n}", f"decided {n}"), kind=MessageKind.EDIT, edits="card")
    await company.work()

    assert said(company) == ["decided 4"]
    assert sorted((await states(company)).values()) == ["sent", "sent", *["superseded"] * 4]


async def test_a_home_that_changes_often_is_shown_once(company: Company) -> None:
    user = company.slack.workspace.user("owen").id
    await company.slack.command("owen", "general", "/laurel", "balance")
    await company.work()
    for n in range(5):
        home = Outgoing(f"home/{n}", company.workspace.connection_id, user, kind=MessageKind.HOME)
        async with company.database.begin() as session:
            await slack_messages.send(session, company.program_id, [home], now=NOW)
    await company.work()

    assert company.slack.requests["/api/views.publish"] == 1
