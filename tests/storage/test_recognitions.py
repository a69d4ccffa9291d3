"""Recognitions: all receivers or none, out of an allowance, taken back from both sides, one gift for one sign."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import CloseAccount, Refused, Reverse, Spend
from domain.recognitions import Given, RecognitionState, Withdrawn
from storage import commands, erasures, merges, recognitions, verification
from storage.database import Database
from storage.recognition_tables import recognitions as rows
from storage.tables import events, members, notifications, refusals
from tests.programs import NOW, SAMPLE, make_member, make_program
from tests.recognition import REASON, Team, make_team

NEXT_MONTH = datetime(2026, 4, 2, 12, tzinfo=UTC)


@pytest.fixture
async def team(session: AsyncSession) -> Team:
    return await make_team(session)


@pytest.fixture(autouse=True)
async def the_ledger_verifies(team: Team):
    """Whatever a test did, every invariant of the ledger holds afterwards."""
    yield
    checks = await verification.verify(team.session, team.program_id)
    assert [check for check in checks if check.violations] == []


async def given(team: Team, *named: str, **changes: Any) -> Given:
    found = await team.give(*named, **changes)
    assert isinstance(found, Given), found
    return found


async def refused(team: Team, *named: str, **changes: Any) -> tuple[str, str]:
    found = await team.give(*named, **changes)
    assert isinstance(found, Refused), found
    return found.code, found.detail


async def withdraw(team: Team, key: str = "k1", *, as_of: datetime = NOW) -> Withdrawn | Refused:
    return await recognitions.withdraw(team.session, team.program_id, key, actor="a test", as_of=as_of)


async def events_of(team: Team, type: str) -> list[tuple[str, str, dict[str, Any]]]:
    query = select(events.c.member_id, events.c.state, events.c.data).where(events.c.type == type)
    return [(member, state, data) for member, state, data in await team.session.execute(query.order_by(events.c.id))]


# -- Giving --------------------------------------------------------------------------------------------------------


async def test_each_receiver_gets_what_the_giver_spends_on_them(team: Team):
    found = await given(team, "k1", team.ada, team.ben, team.cyd, amount=20, value="Care")

    assert await team.has(team.ada, "kudos") == 60
    assert [await team.has(one) for one in (team.ada, team.ben, team.cyd)] == [0, 20, 20]
    assert found.is_new
    assert [(one.giver_id, one.receiver_id, one.amount, one.value, one.reason) for one in found.recognitions] == [
        (team.ada, receiver, 20, "Care", REASON) for receiver in (team.ben, team.cyd)
    ]


async def test_rules_are_told_of_both_sides(team: Team):
    await given(team, value="Courage", public=False)

    said = {"amount": 10, "value": "Courage", "public": False}
    assert await events_of(team, "recognition.received") == [(team.ben, "decided", said | {"giver": team.ada})]
    assert await events_of(team, "recognition.given") == [(team.ada, "decided", said | {"receiver": team.ben})]


async def test_a_receiver_is_told_by_whom_and_why(team: Team):
    [one] = (await given(team, value="Care")).recognitions

    told = (await team.session.execute(select(notifications))).one()
    assert (told.member_id, told.kind, told.subject) == (team.ben, "recognition_received", "ada thanked you")
    assert told.body == f"10 kudos for Care: {REASON}"
    assert told.reference == f"{one.event_id}/{one.id}"


async def test_the_same_again_gives_nothing_and_is_answered_with_what_was_given(team: Team):
    first = await given(team)

    again = await given(team)

    assert again == replace(first, is_new=False)
    assert await team.has(team.ada, "kudos") == 90


async def test_a_key_is_used_for_other_thanks_never(team: Team):
    await given(team)

    assert (await refused(team, reason="for something else entirely"))[0] == "duplicate_request"


async def test_a_key_that_was_refused_may_be_tried_again(team: Team):
    await refused(team, reason="too short")

    assert (await given(team)).is_new


async def test_whoever_is_named_twice_is_thanked_once(team: Team):
    assert len((await given(team, "k1", team.ada, team.ben, team.ben)).recognitions) == 1


async def test_refusals_name_the_numbers_and_leave_nothing_behind(team: Team):
    d = [await make_member(team.session, team.program_id, name) for name in ("dan", "eve")]

    cases = [
        await refused(team, "k1", team.ada, team.ada),
        await refused(team, "k1", team.ada, team.ben, "mem_nobody"),
        await refused(team, "k1", team.ada, team.ben, team.cyd, *d),
        await refused(team, reason="  thanks  "),
        await refused(team, value="Greed"),
        await refused(team, "k1", team.ada, team.ben, team.cyd, amount=51),
    ]

    assert cases == [
        ("self_recognition", "nobody thanks themselves"),
        ("member_not_found", "no member mem_nobody"),
        ("too_many_receivers", "4 are thanked, at most 3 are"),
        ("reason_too_short", "6 characters say why, at least 10 do"),
        ("value_not_declared", "the company's values are Courage, Care"),
        ("allowance_short", "100 kudos are left, 102 kudos are needed"),
    ]
    assert (await team.session.execute(select(rows))).all() == []
    assert await team.has(team.ada, "kudos") == 100


@pytest.mark.parametrize("side", ["ada", "ben"])
async def test_who_has_left_neither_gives_nor_receives(team: Team, side: str):
    member = getattr(team, side)
    await team.session.execute(update(members).where(members.c.id == member).values(status="left"))

    assert await refused(team) == ("member_inactive", f"{member} has left")


async def test_a_sign_without_words_needs_no_reason(team: Team):
    assert (await given(team, reason=None)).recognitions[0].reason is None


async def test_a_lapsed_allowance_is_none(team: Team):
    assert await refused(team, as_of=NEXT_MONTH) == ("allowance_short", "0 kudos are left, 10 kudos are needed")


async def test_a_program_without_the_policy_gives_nothing(session: AsyncSession, team: Team):
    elsewhere = await make_program(session, SAMPLE)

    found = await recognitions.give(session, elsewhere, team.giving(), as_of=NOW)

    assert isinstance(found, Refused)
    assert found.code == "recognition_not_configured"


# -- Caps of a pair ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cap", "detail"),
    [
        ({"per": "day", "times": 2}, "was thanked 2 of 2 times this day, 1 more is too much"),
        ({"per": "week", "amount": 25}, "was thanked 20 of 25 in all this week, 10 more is too much"),
    ],
)
async def test_a_pair_has_its_limits_in_each_period(session: AsyncSession, cap: dict[str, Any], detail: str):
    team = await make_team(session, {"pair_caps": [cap]})
    await given(team, "k1")
    await given(team, "k2")

    third = await refused(team, "k3")
    others = [await given(team, "k4", team.ada, team.cyd), await given(team, "k5", team.ben, team.ada)]
    later = await given(team, "k6", as_of=NOW + timedelta(days=7))

    assert third == ("pair_limit_reached", f"{team.ben} {detail}")
    assert all(one.is_new for one in (*others, later))


async def test_a_day_is_the_givers(session: AsyncSession):
    team = await make_team(session, {"pair_caps": [{"per": "day", "times": 1}]})
    east = update(members).where(members.c.id == team.ada).values(time_zone="Pacific/Kiritimati")  # 14 hours ahead
    await session.execute(east)
    evening = datetime(2026, 3, 4, 9, 59, tzinfo=UTC)
    await given(team, "k1", as_of=evening)

    assert (await given(team, "k2", as_of=evening + timedelta(minutes=2))).is_new


async def test_what_was_withdrawn_counts_for_no_cap(session: AsyncSession):
    team = await make_team(session, {"pair_caps": [{"per": "day", "times": 1}]})
    await given(team, "k1")
    await withdraw(team, "k1")

    assert (await given(team, "k2")).is_new


# -- Withdrawing ---------------------------------------------------------------------------------------------------


async def test_what_is_withdrawn_is_taken_from_the_receiver_and_back_with_the_giver(team: Team):
    await given(team, "k1", team.ada, team.ben, team.cyd, amount=30)

    taken = await withdraw(team)

    assert isinstance(taken, Withdrawn)
    assert [one.state for one in taken.recognitions] == [RecognitionState.WITHDRAWN] * 2
    assert [await team.has(one) for one in (team.ben, team.cyd)] == [0, 0]
    assert await team.has(team.ada, "kudos") == 100
    assert [state for _, state, _ in await events_of(team, "recognition.received") if state != "decided"] == (
        ["retracted"] * 2
    )


async def test_withdrawing_twice_changes_nothing(team: Team):
    await given(team)
    await withdraw(team)

    assert await withdraw(team) == Withdrawn()
    assert await team.has(team.ada, "kudos") == 100


async def test_nothing_is_withdrawn_that_was_never_given(team: Team):
    assert await withdraw(team) == Refused("not_found", "there are no such thanks")


async def test_one_of_several_may_be_withdrawn_alone(team: Team):
    ben, cyd = (await given(team, "k1", team.ada, team.ben, team.cyd)).recognitions

    alone = await recognitions.withdraw_one(team.session, team.program_id, cyd.id, actor="hr", as_of=NOW)

    assert (alone.state, alone.withdrawn_at) == (RecognitionState.WITHDRAWN, NOW)
    assert await recognitions.get(team.session, team.program_id, ben.id) == ben
    assert [await team.has(one) for one in (team.ben, team.cyd)] == [10, 0]
    assert await team.has(team.ada, "kudos") == 90


async def test_an_allowance_comes_back_only_while_its_period_is_open(team: Team):
    await given(team)

    await withdraw(team, as_of=NEXT_MONTH)

    assert await team.has(team.ada, "kudos", as_of=NEXT_MONTH) == 0
    assert await team.has(team.ben, as_of=NEXT_MONTH) == 0


async def test_what_was_spent_meanwhile_is_owed(team: Team):
    await given(team)
    spend = Spend(reference="s", actor="a test", member_id=team.ben, unit="points", amount=10)
    await commands.execute(team.session, team.program_id, [spend], as_of=NOW)

    await withdraw(team)

    assert await team.has(team.ben) == -10


async def test_the_receiver_loses_it_also_where_the_allowance_cannot_come_back(team: Team):
    [one] = (await given(team)).recognitions
    reverse = Reverse(reference="r", actor="hr", transaction_id=one.transaction_id)
    await commands.execute(team.session, team.program_id, [reverse], as_of=NOW)

    await withdraw(team)

    assert (await team.has(team.ben), await team.has(team.ada, "kudos")) == (0, 100)
    assert (await team.session.execute(select(refusals.c.code))).scalars().all() == ["already_reversed"]


async def test_a_giver_who_has_left_and_is_settled_gets_nothing_back(team: Team):
    await given(team, "k1", amount=100)
    await team.session.execute(update(members).where(members.c.id == team.ada).values(status="left"))
    close = CloseAccount(reference="c", actor="hr", member_id=team.ada, unit="kudos")
    await commands.execute(team.session, team.program_id, [close], as_of=NOW)

    await withdraw(team)

    assert (await team.has(team.ben), await team.has(team.ada, "kudos")) == (0, 0)


# -- Signs that come and go ----------------------------------------------------------------------------------------

Word = tuple[int, bool]  # the second in which it was said, and whether the sign is there


async def say(team: Team, word: Word, key: str = "C1/17/ada/laurel", **changes: Any) -> Given | Withdrawn | Refused:
    second, present = word
    giving = team.giving(key, reason=None, **changes)
    at = NOW + timedelta(seconds=second)
    as_of = NOW + timedelta(minutes=2)
    return await recognitions.settle(team.session, team.program_id, giving, present=present, at=at, as_of=as_of)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(
    words=st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=6, unique_by=lambda one: one[0]),
    data=st.data(),
)
async def test_in_any_order_and_however_often_only_the_newest_word_counts(
    session: AsyncSession, words: list[Word], data: st.DataObject
):
    """With an allowance for one gift alone: it is never given twice, and always there to be given again."""
    team = await make_team(session, {"amount": 100})
    told = data.draw(st.permutations(words + data.draw(st.lists(st.sampled_from(words), max_size=3))))

    answers = [await say(team, word) for word in told]

    _, present = max(words)
    standing = await recognitions.list_page(session, team.program_id, public=True, limit=10)
    assert (len(standing), await team.has(team.ben), await team.has(team.ada, "kudos")) == (
        (1, 100, 0) if present else (0, 0, 100)
    )
    assert not any(isinstance(one, Refused) for one in answers)
    query = select(notifications.c.id).where(notifications.c.program_id == team.program_id)
    assert len((await session.execute(query)).all()) <= 1


async def test_of_two_words_at_one_instant_the_removal_is_the_newer(team: Team):
    await say(team, (1, False))

    assert await say(team, (1, True)) == Withdrawn()


async def test_what_was_refused_is_tried_again_by_a_newer_word_only(team: Team):
    await given(team, "k1", amount=100)
    first = await say(team, (1, True))
    await withdraw(team, "k1")

    again, newer = await say(team, (1, True)), await say(team, (2, True))

    assert isinstance(first, Refused)
    assert (first.code, again) == ("allowance_short", Withdrawn())
    assert isinstance(newer, Given)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(
    steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([10, 40, 70]), st.booleans()), min_size=3, max_size=10)
)
async def test_nobody_gives_more_than_their_allowance_whatever_they_take_back(
    session: AsyncSession, steps: list[tuple[int, int, bool]]
):
    team = await make_team(session)

    for second, (key, amount, present) in enumerate(steps):
        await say(team, (second, present), f"sign {key}", amount=amount)

    standing = await recognitions.list_page(session, team.program_id, giver_id=team.ada, limit=100)
    out = sum(one.amount for one in standing if one.state is RecognitionState.GIVEN)
    assert (out, out) == (await team.has(team.ben), 100 - await team.has(team.ada, "kudos"))
    assert out <= 100


async def test_the_database_itself_refuses_a_second_gift_under_one_key(team: Team):
    [one] = (await given(team)).recognitions
    twin = {name: getattr(one, name) for name in one.__dataclass_fields__} | {"id": "rcg_twin"}

    with pytest.raises(IntegrityError, match="uq_recognitions_given"):
        async with team.session.begin_nested():
            await team.session.execute(rows.insert().values(program_id=team.program_id, **twin))


# -- At once -------------------------------------------------------------------------------------------------------


async def test_members_who_thank_each_other_at_once_do_not_wait_for_each_other_for_ever(
    session: AsyncSession, team: Team, database_url: str
):
    """Giving and taking back, of overlapping members in both directions: no deadlock, and the allowance holds."""
    await session.commit()
    database = Database(database_url)

    async def thank(giver: str, receiver: str, number: int) -> None:
        key = f"{giver}{receiver}{number}"
        async with database.begin() as mine:
            await recognitions.give(mine, team.program_id, team.giving(key, giver, receiver), as_of=NOW)
        if number % 2:
            async with database.begin() as mine:
                await recognitions.withdraw(mine, team.program_id, key, actor="a test", as_of=NOW)

    pairs = [(one, other) for one in (team.ada, team.ben, team.cyd) for other in (team.ada, team.ben, team.cyd)]
    await asyncio.gather(*(thank(*pair, n) for pair in pairs if pair[0] != pair[1] for n in range(3)))
    await database.dispose()

    assert [await team.has(one, "kudos") for one in (team.ada, team.ben, team.cyd)] == [60, 60, 60]
    assert [await team.has(one) for one in (team.ada, team.ben, team.cyd)] == [40, 40, 40]


async def test_one_key_told_many_times_at_once_gives_once(session: AsyncSession, team: Team, database_url: str):
    await session.commit()
    database = Database(database_url)

    async def thank() -> Given | Refused:
        async with database.begin() as mine:
            return await recognitions.give(mine, team.program_id, team.giving(), as_of=NOW)

    answers = await asyncio.gather(*(thank() for _ in range(8)))
    await database.dispose()

    assert sorted(one.is_new for one in answers if isinstance(one, Given)) == [False] * 7 + [True]
    assert await team.has(team.ada, "kudos") == 90


# -- Words -----------------------------------------------------------------------------------------------------------


async def test_the_givers_words_can_be_erased(session: AsyncSession, team: Team, owner_url: str):
    [one] = (await given(team)).recognitions
    await session.commit()
    owner = Database(owner_url)
    async with owner.begin() as mine:
        why: dict[str, Any] = {"actor": "data protection", "reason": "request 18", "now": NOW}
        erased = await erasures.erase(mine, team.program_id, [one.id], **why)
    await owner.dispose()

    told = (await session.execute(select(notifications.c.body))).scalar_one()
    assert (erased, told) == ([one.id], "")
    assert (await recognitions.get(session, team.program_id, one.id)).reason is None
    assert not (await given(team, reason="in other words, which nobody knows")).is_new


# -- Merged members, and lists -------------------------------------------------------------------------------------


async def test_whoever_was_merged_gives_and_receives_as_the_other(session: AsyncSession):
    team = await make_team(session, {"pair_caps": [{"per": "day", "times": 1}]})
    twin = await make_member(session, team.program_id, "twin")
    await given(team, "k1", team.ada, twin)
    named = {"source": twin, "destination": team.ben, "actor": "hr", "reason": "the same person"}
    await merges.merge(session, team.program_id, as_of=NOW, **named)

    capped = await refused(team, "k2", team.ada, team.ben)
    received = await recognitions.list_page(session, team.program_id, receiver_id=team.ben, limit=10)
    again = await given(team, "k1", team.ada, twin)
    await withdraw(team, "k1")

    assert capped[0] == "pair_limit_reached"
    assert [one.receiver_id for one in received] == [team.ben]
    assert not again.is_new
    assert (await team.has(team.ben), await team.has(team.ada, "kudos")) == (0, 100)


async def test_lists_are_newest_first_and_the_public_one_shows_what_stands_and_all_may_see(team: Team):
    ids = [
        (await given(team, key, giver, receiver, public=public)).recognitions[0].id
        for key, giver, receiver, public in (
            ("k1", team.ada, team.ben, True),
            ("k2", team.ada, team.cyd, False),
            ("k3", team.ben, team.ada, True),
            ("k4", team.ada, team.ben, True),
        )
    ]
    await withdraw(team, "k4")

    async def listed(**wanted: Any) -> list[int]:
        page = await recognitions.list_page(team.session, team.program_id, **{"limit": 10} | wanted)
        return [ids.index(one.id) + 1 for one in page]

    assert await listed() == [4, 3, 2, 1]
    assert await listed(public=True) == [3, 1]
    assert await listed(giver_id=team.ada, limit=2) == [4, 2]
    assert await listed(giver_id=team.ada, before=ids[1]) == [1]
    assert await listed(receiver_id=team.ben) == [4, 1]
