"""Notifications in Slack: told where and when their member wants them, once, edited when what they say has changed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import cards
from domain import derived
from domain.celebrations import WordsRefused
from domain.commands import Earn
from domain.dispatches import DispatchState
from domain.notifications import Notification, Telling
from domain.outbox import Kind
from domain.preferences import Preferences, Topic
from domain.recognitions import Giving
from domain.rewards import GivenReward, RewardEvent
from domain.sentences import alone, sentence
from domain.slack_users import UserFacts, UserKind
from domain.slack_workspaces import Installation, InstallLink
from relay.notifying import NotifyLane, _dispatch
from relay.weeks import Weeks
from storage import (
    celebrations,
    commands,
    connections,
    dispatches,
    employment,
    intake,
    leaderboards,
    notifications,
    outbox,
    preferences,
    recognitions,
    rewards,
    slack_users,
    slack_workspaces,
    standings,
)
from storage.database import Database
from storage.keyring import Keyring
from storage.preference_tables import dispatches as dispatch_rows
from storage.slack_tables import slack_conversations, slack_messages
from storage.slack_tables import slack_users as slack_people
from storage.tables import members
from storage.tables import outbox as outbox_rows
from tests.eventually import eventually
from tests.nominating import open_nominating
from tests.programs import NOW, SAMPLE, apply, deal, make_member, make_program
from tests.relay.slack.conftest import COMPANY
from tests.storage.test_intake import POLICY as TOLD

KEYRING = Keyring({"a": bytes(32)}, "a")
MORNING = NOW.replace(hour=8) + timedelta(days=1)
GAME = {
    "aggregates": {**SAMPLE["aggregates"], "deals": {"event_type": "deal.won", "per": "lifetime"}},
    "tiers": {"status": {"title": "Status", "levels": [{"key": "bronze", "at": 50}]}},
    "badges": {"first": {"title": "First deal", "aggregate": "deals"}},
}
POLICY = {"notifications": {"slack": {"daily_limit": 2, "admin_channel": "C0ADMIN"}}}


@dataclass
class Acme:
    """A program whose member Ada is in a connected workspace, and the lane that tells her; its time is set."""

    database: Database
    redis: Redis
    program_id: str
    ada: str
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.lane = NotifyLane(self.database, self.redis, clock=lambda: self.now)

    async def tell(self, reference: str, kind: str = "expiry", to: str | None = "ada", body: str = "Well done") -> None:
        async with self.database.begin() as session:
            told = Telling(self.ada if to else None, alone(reference), alone(body), reference)
            await notifications.tell_all(session, self.program_id, kind, [told], now=self.now)
        await self.work()

    async def work(self) -> None:
        """Act on all that waits for the lane."""
        async with self.database.begin() as session:
            rows = await outbox.claim(session, "notify", self.now, timedelta(minutes=1), 100)
        for row in rows:
            if row.program_id == self.program_id:
                await self.lane(row)
        async with self.database.begin() as session:
            await outbox.done(session, [row.id for row in rows], now=self.now)

    async def come_to(self, at: datetime) -> None:
        """It is later: what is due is passed on and acted upon."""
        self.now = at
        await self.lane.pass_due()
        await self.work()

    async def said(self) -> list[tuple[str, str, str]]:
        """What is said, in its order: to whom, how, and the text."""
        query = (
            select(slack_conversations.c.target, slack_messages.c.kind, slack_messages.c.content["text"].astext)
            .join(slack_messages, slack_messages.c.conversation_id == slack_conversations.c.id)
            .where(slack_messages.c.program_id == self.program_id)
            .order_by(slack_messages.c.id)
        )
        async with self.database.begin() as session:
            return [(target, kind, text) for target, kind, text in await session.execute(query)]

    async def blocks(self) -> list[list[Any]]:
        """Of which all that is said is made, in its order."""
        query = select(slack_messages.c.content["blocks"]).where(slack_messages.c.program_id == self.program_id)
        async with self.database.begin() as session:
            said = (await session.execute(query.order_by(slack_messages.c.id))).scalars()
            return [blocks for blocks in said if blocks]

    async def buttons(self) -> list[Any]:
        """The rows of buttons of all that is said, in its order."""
        return [block for blocks in await self.blocks() for block in blocks if block["type"] == "actions"]

    async def states(self) -> list[str]:
        own = select(dispatch_rows.c.state).where(dispatch_rows.c.program_id == self.program_id)
        async with self.database.begin() as session:
            return list((await session.execute(own.order_by(dispatch_rows.c.notification_id))).scalars())

    async def decide(self, session: AsyncSession) -> None:
        """Tell intake what was found, as its lane does."""
        own = outbox_rows.c.program_id == self.program_id, outbox_rows.c.kind == Kind.DERIVED
        for payload in (await session.execute(select(outbox_rows.c.payload).where(*own))).scalars():
            found = derived.from_payload(payload)
            await intake.record(session, self.program_id, [found], derived.POLICY, as_of=NOW)

    async def prefer(self, **said: Any) -> None:
        async with self.database.begin() as session:
            await preferences.put(session, self.program_id, self.ada, Preferences(**said), now=self.now)


async def connect(session: AsyncSession, program_id: str, name: str) -> None:
    """A workspace of the program, in which the member of this name is U1."""
    installed = Installation("T" + program_id, "Acme", "A1", "UBOT", ["commands"], "xoxb-1")
    link = InstallLink(program_id, "Anna")
    workspace = await slack_workspaces.install(session, KEYRING, link, installed, now=NOW)
    connection = await connections.get(session, KEYRING, program_id, workspace.connection_id)
    facts = UserFacts("U1", UserKind.PERSON, name, NOW, email=f"{name}@example.com", locale="en-US")
    await slack_users.keep(session, connection, facts, outsiders=False, now=NOW)


@pytest.fixture
async def acme(database_url: str, redis: Redis) -> AsyncIterator[Acme]:
    database = Database(database_url, pool_size=4)
    async with database.begin() as session:
        program_id = await make_program(session, SAMPLE | POLICY)
        ada = await make_member(session, program_id, "ada")
        await connect(session, program_id, "ada")
    yield Acme(database, redis, program_id, ada)
    await database.dispose()


async def test_a_member_in_slack_is_told_there_once_and_administrators_in_their_channel(acme: Acme) -> None:
    await acme.work()
    before = await acme.said()
    await acme.tell("first")
    await acme.tell("first")
    await acme.tell("for administrators", kind="funds_missing", to=None)

    assert before == [("C0ADMIN", "post", "The Slack workspace Acme was connected")]
    assert (await acme.said())[1:] == [("U1", "post", "first"), ("C0ADMIN", "post", "for administrators")]


async def test_what_comes_at_night_waits_and_is_asked_again_by_what_the_member_says_then(acme: Acme) -> None:
    await acme.work()
    acme.now = NOW.replace(hour=22)
    await acme.tell("kept")
    await acme.tell("declined", kind="challenge_half_time")
    await acme.prefer(opted_out=frozenset({Topic.CHALLENGES}))
    at_night = (await acme.said())[1:]
    await acme.come_to(MORNING - timedelta(seconds=1))
    too_early = (await acme.said())[1:]
    await acme.come_to(MORNING)
    await acme.come_to(MORNING)

    assert at_night == too_early == []
    assert (await acme.said())[1:] == [("U1", "post", "kept")]
    assert (await acme.states())[1:] == [DispatchState.TOLD, DispatchState.WITHHELD]


async def test_beyond_the_days_limit_what_is_not_urgent_is_one_digest_in_the_next_morning(acme: Acme) -> None:
    await acme.work()
    for n in range(4):
        await acme.tell(f"number {n}")
    await acme.tell("a streak", kind="reward_expired")
    on_the_day = (await acme.said())[1:]
    await acme.come_to(MORNING + timedelta(hours=1))
    await acme.come_to(MORNING + timedelta(hours=3))

    assert on_the_day == [("U1", "post", "number 0"), ("U1", "post", "number 1")]
    assert (await acme.said())[3:] == [("U1", "post", "3 things that happened since")]
    assert set(await acme.states()) == {DispatchState.TOLD}


async def test_thanks_that_were_taken_back_before_they_are_told_are_told_neither_alone_nor_in_a_digest(
    acme: Acme,
) -> None:
    ben = await make_thankful(acme)
    await acme.prefer(daily_limit=1)
    acme.now = NOW.replace(hour=22)
    for key in ("gone", "told", "gathered", "gone later"):
        async with acme.database.begin() as session:
            await recognitions.give(session, acme.program_id, thanks(acme, ben, key), as_of=acme.now)
    await acme.work()
    await take_back(acme, "gone")
    await acme.come_to(MORNING)
    await take_back(acme, "gone later")
    await acme.come_to(MORNING + timedelta(days=1, hours=1))

    _, [alone_told, _], [_, line] = await acme.blocks()
    assert "For what is told" in str(alone_told)
    assert "For what is gathered" in str(line)
    assert sorted((await acme.states())[1:]) == [DispatchState.TOLD] * 2 + [DispatchState.WITHHELD] * 2


async def test_a_reaction_that_is_gone_when_it_would_be_told_is_told_once_it_is_there_again(acme: Acme) -> None:
    ben = await make_thankful(acme)
    for acme.now, present in ((NOW.replace(hour=22), True), (NOW.replace(hour=23), False)):
        await react(acme, ben, present=present)
        await acme.work()
    await acme.come_to(MORNING)
    while_gone = (await acme.said())[1:]
    acme.now = MORNING + timedelta(hours=1)
    await react(acme, ben, present=True)
    await acme.work()

    assert while_gone == []
    assert (await acme.said())[1:] == [("U1", "post", "ben thanked you")]
    assert len(await acme.buttons()) == 1


async def make_thankful(acme: Acme) -> str:
    """Ben, who can thank Ada."""
    async with acme.database.begin() as session:
        await apply(session, acme.program_id, COMPANY | POLICY)
        ben = await make_member(session, acme.program_id, "ben")
        kudos = Earn(reference="kudos", actor="tests", member_id=ben, unit="kudos", amount=100)
        await commands.execute(session, acme.program_id, [kudos], as_of=NOW)
    return ben


def thanks(acme: Acme, ben: str, key: str) -> Giving:
    return Giving(key=key, giver_id=ben, receiver_ids=(acme.ada,), actor="tests", reason=f"For what is {key}")


async def react(acme: Acme, ben: str, *, present: bool) -> None:
    """Ben's reaction comes or goes."""
    sign = thanks(acme, ben, "a sign")
    async with acme.database.begin() as session:
        await recognitions.settle(session, acme.program_id, sign, present=present, at=acme.now, as_of=acme.now)


async def take_back(acme: Acme, key: str) -> None:
    async with acme.database.begin() as session:
        await recognitions.withdraw(session, acme.program_id, key, actor="tests", as_of=acme.now)


async def test_a_limit_of_a_day_is_the_members_day(acme: Acme) -> None:
    await acme.work()
    await acme.prefer(quiet_from=time(0), quiet_until=time(0), quiet_days=frozenset(), daily_limit=1)
    async with acme.database.begin() as session:
        own = members.c.program_id == acme.program_id
        await session.execute(update(members).where(own).values(time_zone="Asia/Tokyo"))
    acme.now = NOW.replace(hour=14, minute=59)  # 23:59 in Tokyo
    await acme.tell("before midnight")
    await acme.tell("beyond the limit")
    acme.now = NOW.replace(hour=15)
    await acme.tell("after midnight")

    assert [text for _, _, text in (await acme.said())[1:]] == ["before midnight", "after midnight"]


async def offer(acme: Acme) -> tuple[GivenReward, Notification]:
    """A reward that Ada is offered, and what she is to be told of it."""
    async with acme.database.begin() as session:
        survey = replace(deal(1, "ada"), type="survey.submitted", data={})
        await intake.record(session, acme.program_id, [survey], TOLD, as_of=NOW)
        [given] = await rewards.list_page(session, acme.program_id)
    return await offer_it(acme, given, RewardEvent.OFFER)


async def offer_it(acme: Acme, given: GivenReward, event: RewardEvent) -> tuple[GivenReward, Notification]:
    async with acme.database.begin() as session:
        given = await rewards.lock(session, acme.program_id, given.id)
        definition = await rewards.get_definition(session, given)
        given = await rewards.offer(session, given, definition, event, now=acme.now)
        reference = f"{given.id}/{acme.now.isoformat()}"
        telling = Telling(acme.ada, alone(reference), alone("Well done"), reference)
        await notifications.tell_all(session, acme.program_id, "reward_offered", [telling], now=acme.now)
        [told] = await notifications.list_page(session, acme.program_id, member_id=acme.ada, limit=1)
    return given, told


async def decline(acme: Acme, given: GivenReward) -> None:
    await move(acme, given, RewardEvent.DECLINE)


async def move(acme: Acme, given: GivenReward, event: RewardEvent, **values: str) -> None:
    async with acme.database.begin() as session:
        await rewards.move(session, given, event, now=acme.now, **values)


async def test_a_digest_says_nothing_of_an_offer_that_is_over(acme: Acme) -> None:
    await acme.work()
    await acme.prefer(daily_limit=0)
    given, _ = await offer(acme)
    await acme.tell("kept")
    await decline(acme, given)
    await acme.come_to(MORNING + timedelta(hours=1))

    assert [text for _, _, text in (await acme.said())[1:]] == ["1 thing that happened since"]
    assert (await acme.states())[1:] == [DispatchState.WITHHELD, DispatchState.TOLD]


async def test_of_an_offer_that_is_made_anew_nothing_is_told_of_the_first_if_it_was_not_told(acme: Acme) -> None:
    await acme.work()
    acme.now = NOW.replace(hour=22)
    given, _ = await offer(acme)
    await acme.work()
    await move(acme, given, RewardEvent.ORDER, order_id="ord_1")
    await acme.come_to(MORNING)
    at_first = (await acme.said())[1:]
    acme.now = MORNING + timedelta(hours=1)
    await offer_it(acme, given, RewardEvent.REOPEN)
    await acme.work()

    assert at_first == []
    assert (await acme.said())[1:] == [("U1", "post", "You unlocked a reward: *A coffee*")]


async def test_an_offer_that_was_declined_loses_its_button(acme: Acme) -> None:
    await acme.work()
    given, _ = await offer(acme)
    await acme.work()
    await decline(acme, given)
    await acme.work()

    told = (await acme.said())[1:]
    async with acme.database.begin() as session:
        query = select(slack_messages.c.content).where(slack_messages.c.program_id == acme.program_id)
        blocks = [content["blocks"] for (content,) in await session.execute(query.order_by(slack_messages.c.id))][1:]
    assert told == [("U1", kind, "You unlocked a reward: *A coffee*") for kind in ("post", "edit")]
    assert [[block["type"] for block in message] for message in blocks] == [
        ["section", "actions"],
        ["section", "context"],
    ]


async def test_an_offer_that_is_declined_while_it_is_told_loses_its_button_once_it_was(acme: Acme) -> None:
    await acme.work()
    given, told = await offer(acme)
    async with acme.database.begin() as session:
        await _dispatch(session, told, NOW, acme.redis)
        await decline(acme, given)
        async with acme.database.begin() as another:
            rows = await outbox.claim(another, "notify", NOW, timedelta(minutes=1), 100)
        [retell] = [row for row in rows if row.program_id == acme.program_id and row.kind == Kind.RETELL]
        retelling = asyncio.create_task(acme.lane(retell))
        await eventually(partial(waits_its_turn, acme))
    await retelling

    assert [kind for _, kind, _ in (await acme.said())[1:]] == ["post", "edit"]
    assert len(await acme.buttons()) == 1


async def waits_its_turn(acme: Acme) -> None:
    async with acme.database.begin() as session:
        waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM "
        found = await session.execute(text(waits + "pg_database WHERE datname = current_database())"))
        assert found.all()


async def test_nothing_is_passed_on_twice_by_two_who_look(acme: Acme) -> None:
    await acme.work()
    acme.now = NOW.replace(hour=22)
    await acme.tell("kept")
    acme.now = MORNING
    async with acme.database.begin() as session, acme.database.begin() as another:
        one = await dispatches.pass_due(session, now=MORNING)
        two = await dispatches.pass_due(another, now=MORNING)
    async with acme.database.begin() as session:
        rows = await outbox.claim(session, "notify", MORNING, timedelta(minutes=1), 100)

    assert (one, two) == (1, 0)
    assert [row.kind for row in rows if row.program_id == acme.program_id] == [Kind.NOTIFICATION]


async def test_a_birthday_is_celebrated_in_the_morning_with_what_it_brought_and_what_colleagues_wrote(
    acme: Acme,
) -> None:
    await acme.work()
    found_at = NOW.replace(hour=2)
    rule = {"birthday": {"event_type": "member.birthday", "award": {"expression": "25"}}}
    declared = {"slack": {"celebrations": {"channel": "C0HURRAY", "hour": 10}}}
    async with acme.database.begin() as session:
        await apply(session, acme.program_id, SAMPLE | {"rules": rule, "notifications": declared})
        own = update(members).where(members.c.program_id == acme.program_id)
        await session.execute(own.values(birthday="03-04", created_at=found_at - timedelta(days=400)))
        ben = await make_member(session, acme.program_id, "ben")
        await employment.settle_page(session, acme.program_id, after="", as_of=found_at)
        await acme.decide(session)
    acme.now = found_at
    await acme.work()
    early = (await acme.said())[1:]
    await acme.come_to(NOW.replace(hour=10))
    async with acme.database.begin() as session:
        [told] = await notifications.list_page(session, acme.program_id, member_id=acme.ada, limit=10)
        for words in ("Cheers", "All the best, Ada"):
            await celebrations.add_words(session, acme.program_id, told.id, ben, words, now=acme.now)
        own_words = await celebrations.find_words(session, acme.program_id, told.id, ben)
        await employment.settle_page(session, acme.program_id, after="", as_of=acme.now)
    await acme.work()

    assert early == []
    posts = (await acme.said())[1:]
    assert posts == [("C0HURRAY", kind, "Happy birthday, ada!") for kind in ("post", "edit", "edit")]
    async with acme.database.begin() as session:
        query = select(slack_messages.c.content).where(slack_messages.c.program_id == acme.program_id)
        last = (await session.execute(query.order_by(slack_messages.c.id.desc()).limit(1))).scalar_one()
    texts = [block["text"]["text"] for block in last["blocks"][:-1]]
    assert texts == ["*Happy birthday, ada!*", "The day has brought 25 points.", "*ben*\n>All the best, Ada"]
    assert own_words == "All the best, Ada"


async def test_who_does_without_birthdays_has_none_and_loses_nothing(acme: Acme) -> None:
    async with acme.database.begin() as session:
        own = update(members).where(members.c.program_id == acme.program_id)
        await session.execute(own.values(birthday="03-04", created_at=NOW - timedelta(days=400)))
        first = await employment.settle_page(session, acme.program_id, after="", as_of=NOW)
    await acme.prefer(opted_out=frozenset({Topic.BIRTHDAYS}))
    async with acme.database.begin() as session:
        then = await employment.settle_page(session, acme.program_id, after="", as_of=NOW)
        in_a_year = await employment.settle_page(session, acme.program_id, after="", as_of=NOW + timedelta(days=365))
    await acme.work()

    assert [page.done for page in (first, then, in_a_year)] == [1, 0, 0]
    assert (await acme.states())[1:] == [DispatchState.WITHHELD]


async def test_words_are_those_of_a_celebration_and_so_many(acme: Acme) -> None:
    async with acme.database.begin() as session:
        day = sentence("Happy birthday"), alone("2026-03-04")
        told = Telling(acme.ada, *day, f"{acme.ada}:member.birthday:2026/2026-03-04")
        await notifications.tell_all(session, acme.program_id, "celebration_birthday", [told], now=NOW)
        await notifications.tell_all(session, acme.program_id, "badge", [told], now=NOW)
        badge, birthday = await notifications.list_page(session, acme.program_id, member_id=acme.ada, limit=10)
        writers = [await make_member(session, acme.program_id, f"m{n}") for n in range(51)]
        for writer in writers[:50]:
            await celebrations.add_words(session, acme.program_id, birthday.id, writer, "Cheers", now=NOW)
        await celebrations.add_words(session, acme.program_id, birthday.id, writers[0], "Hurray", now=NOW)

        with pytest.raises(WordsRefused, match="50 have written"):
            await celebrations.add_words(session, acme.program_id, birthday.id, writers[50], "Cheers", now=NOW)
        with pytest.raises(LookupError):
            await celebrations.add_words(session, acme.program_id, badge.id, writers[50], "Cheers", now=NOW)


async def test_on_monday_members_are_told_what_their_week_has_brought_if_it_has(acme: Acme) -> None:
    await acme.work()
    monday = NOW.replace(hour=1) + timedelta(days=5)
    async with acme.database.begin() as session:
        await make_member(session, acme.program_id, "ben")
        await intake.record(session, acme.program_id, [deal(1, "ada"), deal(2, "ben")], TOLD, as_of=NOW)
        on = await leaderboards.scheme(session, acme.program_id, as_of=NOW)
        await leaderboards.write(acme.redis, on, await standings.list_of(session, on, [acme.ada]))
    weeks = Weeks(acme.database, clock=lambda: acme.now)
    for acme.now in (monday - timedelta(hours=2), monday, monday + timedelta(hours=1), monday + timedelta(days=7)):
        await weeks.tell()
    acme.now = monday
    await acme.work()
    early = (await acme.said())[1:]
    await acme.come_to(monday.replace(hour=9))
    await acme.come_to(monday.replace(hour=9))

    assert early == []
    assert (await acme.said())[1:] == [("U1", "post", "Your week")]
    async with acme.database.begin() as session:
        query = select(slack_messages.c.content).where(slack_messages.c.program_id == acme.program_id)
        last = (await session.execute(query.order_by(slack_messages.c.id.desc()).limit(1))).scalar_one()
    assert last["blocks"][2]["text"]["text"].splitlines() == [
        "You earned 50 points.",
        "Your place now: 1 (Company, of all time).",
    ]


async def test_a_tier_and_a_badge_say_by_which_event_they_came(acme: Acme) -> None:
    async with acme.database.begin() as session:
        await apply(session, acme.program_id, SAMPLE | POLICY | GAME)
        [decided] = await intake.record(session, acme.program_id, [deal(1, "ada")], TOLD, as_of=NOW)
    await acme.work()

    assert {(block["elements"][0]["action_id"], block["elements"][0]["value"]) for block in await acme.buttons()} == {
        (cards.WHY, decided.event_id)
    }
    assert len(await acme.buttons()) == 2


async def test_a_german_is_told_in_german_at_once_and_in_a_digest_and_so_is_a_channel_of_germans(acme: Acme) -> None:
    async with acme.database.begin() as session:
        theirs = update(slack_people).where(slack_people.c.program_id == acme.program_id)
        await session.execute(theirs.values(locale="de-DE"))
        await apply(session, acme.program_id, SAMPLE | POLICY | GAME)
        await intake.record(session, acme.program_id, [deal(1, "ada")], TOLD, as_of=NOW)
    await acme.prefer(daily_limit=1)
    await acme.work()
    await acme.come_to(MORNING + timedelta(hours=1))

    told = {
        "*Du bist jetzt bronze* Du hast bronze erreicht. Gut gemacht!",
        "*Neues Abzeichen: First deal* Gut gemacht!",
    }
    [administrators], [now, why], [header, later] = await acme.blocks()
    assert administrators["text"]["text"].startswith("*Der Slack-Workspace Acme wurde verbunden*")
    assert {now["text"]["text"].replace("\n", " "), later["text"]["text"]} == told
    assert why["elements"][0]["text"]["text"] == "Warum?"
    assert header["text"]["text"] == "1 Sache, die seitdem passiert ist"


async def test_an_approver_reads_in_the_same_message_who_has_decided(acme: Acme) -> None:
    company = await open_nominating(acme.database)
    async with acme.database.begin() as session:
        await connect(session, company.program_id, "mia")
    theirs = Acme(acme.database, acme.redis, company.program_id, company.people["mia"])
    nomination_id = await company.nominate()
    await company.ask(nomination_id)
    await theirs.work()
    await company.decide(nomination_id, "mia", amount=150)
    await theirs.work()

    async with acme.database.begin() as session:
        query = select(slack_messages.c.kind, slack_messages.c.content).order_by(slack_messages.c.id)
        found = await session.execute(query.where(slack_messages.c.program_id == company.program_id))
        (posted, asks), *_, (edited, tells) = [row for row in found if "nominates" in row.content["text"]]
    assert (posted, edited) == ("post", "edit")
    assert [block["type"] for block in asks["blocks"]] == ["section", "section", "context", "actions"]
    assert "mia has approved 150 points." in str(tells["blocks"])
    assert [block["type"] for block in tells["blocks"]] == ["section", "section", "context", "context"]
