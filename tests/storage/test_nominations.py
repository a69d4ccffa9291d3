"""Nominations in a database: who is asked, whose decision counts, what follows, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from domain.member_changes import read
from domain.nominations import Decision, NominationRefused, NominationState, Refusal, Verdict
from storage import explanations, member_changes, merges, nomination_commands, nomination_levels, nominations, stories
from storage.database import Database
from storage.nomination_tables import nomination_decisions
from storage.tables import events, outbox
from tests.nominating import BODY, CATEGORIES, Nominating, now, open_nominating
from tests.programs import apply

DECLINED: dict[str, Any] = {"verdict": Verdict.DECLINED, "comment": "This was her job."}


@pytest.fixture
async def company(database_url: str) -> AsyncIterator[Nominating]:
    """People who nominate each other."""
    database = Database(database_url)
    yield await open_nominating(database)
    await database.dispose()


async def refusal(attempt: Any) -> Refusal:
    with pytest.raises(NominationRefused) as refused:
        await attempt
    return refused.value.code


# -- Proposing -----------------------------------------------------------------------------------------------------


async def test_a_nomination_waits_for_its_first_level_and_its_workflow_starts(company: Nominating) -> None:
    nomination_id = await company.nominate(evidence="https://wiki.example.com/7")

    nomination = await company.get(nomination_id)
    assert (nomination.state, nomination.level, nomination.amount) == (NominationState.PENDING, 1, 100)
    async with company.database.begin() as session:
        row = (await session.execute(select(outbox.c.kind, outbox.c.payload))).one()
    assert row.kind == "start_nomination"
    assert row.payload["nomination_id"] == nomination_id
    assert company.people["ada"] in row.payload["about"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"nominee": "bob"}, Refusal.SELF_NOMINATION),
        ({"category": "nonsense"}, Refusal.UNKNOWN_CATEGORY),
        ({"amount": 1_001}, Refusal.AMOUNT_ABOVE_MAXIMUM),
        ({"reason": "Nice."}, Refusal.INVALID_NOMINATION),
        ({"evidence": "http://example.com"}, Refusal.INVALID_NOMINATION),
    ],
)
async def test_what_cannot_be_is_refused(company: Nominating, said: dict[str, Any], code: Refusal) -> None:
    assert await refusal(company.nominate(**said)) is code


async def test_who_has_left_nominates_nobody_and_is_nominated_by_nobody(company: Nominating) -> None:
    await company.change("ada", status="left")

    assert await refusal(company.nominate()) is Refusal.MEMBER_INACTIVE
    assert await refusal(company.nominate("mia", by="ada")) is Refusal.MEMBER_INACTIVE


async def test_the_same_is_nominated_once_while_it_waits(company: Nominating) -> None:
    first = await company.nominate()

    assert await refusal(company.nominate()) is Refusal.NOMINATION_OPEN
    await company.nominate(by="dora")
    await company.nominate(category="by-amount")
    async with company.database.begin() as session:
        await nomination_commands.withdraw(
            session, company.program_id, first, member_id=company.people["bob"], now=now()
        )
    await company.nominate()


async def test_a_category_limits_what_one_member_nominates_in_a_period(company: Nominating) -> None:
    await company.nominate(category="rare", at=now() - timedelta(days=100))
    await company.nominate("mia", "rare")

    assert await refusal(company.nominate("dora", "rare")) is Refusal.LIMIT_REACHED
    await company.nominate("dora", "rare", by="ada")


# -- Who is asked --------------------------------------------------------------------------------------------------


async def test_the_manager_is_asked_once(company: Nominating) -> None:
    nomination_id = await company.nominate()

    for _ in range(2):
        await company.ask(nomination_id)

    assert await company.asked(nomination_id) == ["mia named"]
    assert await company.told() == [("nomination_to_approve", "mia")]


@pytest.mark.parametrize(("by", "asked"), [("mia", "dora conflict"), ("bob", "mia named")])
async def test_who_has_nominated_does_not_decide_but_who_is_above(company: Nominating, by: str, asked: str) -> None:
    nomination_id = await company.nominate(by=by)

    await company.ask(nomination_id)

    assert await company.asked(nomination_id) == [asked]


@pytest.mark.parametrize("how", ["absent", "on leave", "left"])
async def test_somebody_stands_in_for_who_is_away(company: Nominating, how: str) -> None:
    nomination_id = await company.nominate()
    if how == "absent":
        await company.send_away("mia", 3)
    else:
        await company.change("mia", status="on_leave" if how == "on leave" else "left")
    await company.change("dora", status="on_leave")

    await company.ask(nomination_id)

    because = "conflict" if how == "left" else "absence"
    assert await company.asked(nomination_id) == [f"carl {because}"]
    assert await company.told() == [("nomination_to_approve", "carl")]


async def test_who_comes_back_is_asked_when_nobody_stands_in_any_more(company: Nominating) -> None:
    nomination_id = await company.nominate()
    await company.change("mia", status="on_leave")
    await company.ask(nomination_id)
    await company.change("mia", status="active")
    await company.change("dora", status="left")

    await company.ask(nomination_id)

    assert await company.asked(nomination_id) == ["dora absence", "mia named"]
    assert await refusal(company.decide(nomination_id, "dora")) is Refusal.NOT_APPROVER
    assert (await company.decide(nomination_id, "mia")).state is NominationState.APPROVED


async def test_administrators_are_told_once_when_nobody_can_decide_and_may_do_so_themselves(
    company: Nominating,
) -> None:
    nomination_id = await company.nominate("carl")
    for _ in range(2):
        await company.ask(nomination_id)
    told = await company.told()

    approved = await company.decide(nomination_id, None, amount=70)

    assert told == [("nomination_stuck", "")]
    assert (approved.state, approved.amount) == (NominationState.APPROVED, 70)
    assert (await company.balance("carl")).available == 70


async def test_of_a_jury_nobody_stands_in_while_enough_are_there(company: Nominating) -> None:
    nomination_id = await company.nominate(category="quorum")
    await company.change("jo", status="on_leave")
    await company.ask(nomination_id)
    assert await company.asked(nomination_id) == ["ju named", "jy named"]

    await company.change("ju", status="left")
    await company.ask(nomination_id)

    assert "carl absence" in await company.asked(nomination_id)


async def test_who_decides_for_one_stands_in_for_nobody_else_on_the_level(company: Nominating) -> None:
    await company.change("dora", manager_id=company.people["carl"], status="on_leave")
    nomination_id = await company.nominate(category="by-amount", amount=500)
    await company.ask(nomination_id)
    await company.decide(nomination_id, "mia")

    await company.ask(nomination_id)

    assert await company.asked(nomination_id) == ["carl named"]
    assert ("nomination_stuck", "") in await company.told()


# -- Deciding ------------------------------------------------------------------------------------------------------


async def test_the_last_approval_records_the_event_and_rules_make_points_of_it(company: Nominating) -> None:
    nomination_id = await company.nominate(amount=300)
    await company.ask(nomination_id)

    approved = await company.decide(nomination_id, "mia", amount=250)

    assert (approved.state, approved.proposed_amount, approved.amount) == (NominationState.APPROVED, 300, 250)
    assert (await company.balance("ada")).available == 250
    async with company.database.begin() as session:
        event = (await session.execute(select(events).where(events.c.id == approved.event_id))).mappings().one()
        assert await explanations.get(session, company.program_id, event["id"]) is not None
    assert (event["source"], event["external_id"]) == ("laurel", f"nomination.approved:{nomination_id}")
    assert event["data"] == {
        "nomination": nomination_id,
        "category": "beyond",
        "amount": 250,
        "nominator": company.people["bob"],
    }


async def test_its_story_tells_who_proposed_was_asked_decided_and_what_followed(company: Nominating) -> None:
    nomination_id = await company.nominate()
    await company.send_away("mia", 3)
    await company.ask(nomination_id)
    await company.decide(nomination_id, "dora")

    async with company.database.begin() as session:
        cast = await stories.find_cast(session, company.program_id, nomination_id)
        assert cast is not None
        told = [(one.teller, one.text.split()[0]) for one in await stories.list_moments(session, cast)]

    assert told == [
        ("nomination", company.people["bob"]),
        ("nomination", "asked"),
        ("notification", "told"),
        ("nomination", "approved"),
        ("event", "nomination.approved"),
        ("decision", "award:"),
        ("ledger", "earn"),
    ]


async def test_nobody_hears_of_the_approval_before_it_is_given_and_then_both_do_once(company: Nominating) -> None:
    nomination_id = await company.nominate()
    await company.ask(nomination_id)
    await company.decide(nomination_id, "mia")
    before = await company.told()

    for _ in range(2):
        async with company.database.begin() as session:
            given = await nomination_levels.give(session, company.program_id, nomination_id, now=now())

    assert before == [("nomination_to_approve", "mia")]
    assert given.state is NominationState.GIVEN
    assert (await company.told())[1:] == [("nomination_given", "ada"), ("nomination_approved", "bob")]


async def test_levels_decide_one_after_the_other_from_their_amount_on(company: Nominating) -> None:
    small, large = [
        await company.nominate(category="by-amount", by=by, amount=amount) for by, amount in (("bob", 499), ("jo", 500))
    ]
    for one in (small, large):
        await company.ask(one)

    states = [(await company.decide(one, "mia")).state for one in (small, large)]
    await company.ask(large)
    seconds = [await company.asked(large), (await company.decide(large, "carl")).state]
    last = await company.decide(large, "dora", amount=400)

    assert states == [NominationState.APPROVED, NominationState.PENDING]
    assert seconds == [["carl named", "dora named"], NominationState.PENDING]
    # The least that was approved: Carl approved 500.
    assert (last.state, last.level, last.amount) == (NominationState.APPROVED, 2, 400)


async def test_an_approver_who_raises_the_amount_brings_the_next_level_in(company: Nominating) -> None:
    nomination_id = await company.nominate(category="by-amount", amount=100)
    await company.ask(nomination_id)

    raised = await company.decide(nomination_id, "mia", amount=600)

    assert (raised.state, raised.level, raised.amount) == (NominationState.PENDING, 2, 600)


async def test_a_decline_ends_it_and_the_nominator_reads_why(company: Nominating) -> None:
    nomination_id = await company.nominate()
    await company.ask(nomination_id)

    declined = await company.decide(nomination_id, "mia", **DECLINED)

    assert (declined.state, declined.closing) == (NominationState.DECLINED, "This was her job.")
    assert (await company.told())[1:] == [("nomination_declined", "bob")]
    assert await refusal(company.decide(nomination_id, "mia")) is Refusal.NOT_PENDING
    assert (await company.balance("ada")).available == 0


@pytest.mark.parametrize("who", ["ada", "bob", "dora", "carl"])
async def test_only_who_was_asked_decides(company: Nominating, who: str) -> None:
    nomination_id = await company.nominate()
    await company.ask(nomination_id)

    assert await refusal(company.decide(nomination_id, who)) is Refusal.NOT_APPROVER


async def test_an_approver_decides_once(company: Nominating) -> None:
    nomination_id = await company.nominate(category="quorum")
    await company.ask(nomination_id)
    await company.decide(nomination_id, "jo")

    assert await refusal(company.decide(nomination_id, "jo", **DECLINED)) is Refusal.ALREADY_DECIDED
    assert (await company.decide(nomination_id, "ju", **DECLINED)).state is NominationState.PENDING
    assert (await company.decide(nomination_id, "jy")).state is NominationState.APPROVED


async def test_of_two_decisions_for_one_approver_at_the_same_time_the_first_committed_stands(
    company: Nominating,
) -> None:
    """Mia and Dora, who was asked as well, click at the same moment, several times each."""
    nomination_id = await company.nominate()
    await company.ask(nomination_id)
    async with company.database.begin() as session:
        later = now() + timedelta(hours=49)
        await nomination_levels.escalate(session, company.program_id, nomination_id, now=later)

    clicks = [company.decide(nomination_id, who, **said) for who, said in (("mia", {}), ("dora", DECLINED)) * 3]
    outcomes = await asyncio.gather(*clicks, return_exceptions=True)

    taken = [one for one in outcomes if not isinstance(one, NominationRefused)]
    assert len(taken) == 1, outcomes
    async with company.database.begin() as session:
        [verdict] = (await session.execute(select(nomination_decisions.c.verdict))).scalars()
        recorded = await session.scalar(select(func.count()).select_from(events))
    paid = (await company.balance("ada")).available
    assert (verdict, recorded, paid) in [("approved", 1, 100), ("declined", 0, 0)]


@pytest.mark.parametrize("who", ["mia", None])
async def test_the_database_keeps_one_decision_for_an_approver_and_one_of_administrators(
    company: Nominating, who: str | None
) -> None:
    nomination_id = await company.nominate()
    nomination = await company.get(nomination_id)
    member_id = company.people[who] if who else None
    first = Decision(1, 1, member_id, member_id, "who", Verdict.DECLINED, None, "No.", now())

    async def decide(n: int) -> None:
        async with company.database.begin() as session:
            await nominations.add_decision(session, nomination, replace(first, n=n))

    await decide(1)
    with pytest.raises(IntegrityError, match="uq_nomination_decisions"):
        await decide(2)


async def test_what_a_nomination_was_made_under_holds_for_it(company: Nominating) -> None:
    nomination_id = await company.nominate()
    async with company.database.begin() as session:
        without = {key: one for key, one in CATEGORIES.items() if key != "beyond"}
        await apply(session, company.program_id, {**BODY, "nominations": without})

    await company.ask(nomination_id)

    assert (await company.decide(nomination_id, "mia")).state is NominationState.APPROVED
    assert await refusal(company.nominate(by="dora")) is Refusal.UNKNOWN_CATEGORY


# -- Withdrawing, leaving, merging ---------------------------------------------------------------------------------


async def test_its_nominator_withdraws_it_while_it_waits_and_approvers_are_told(company: Nominating) -> None:
    nomination_id = await company.nominate()
    await company.ask(nomination_id)

    async def withdraw(who: str) -> NominationState:
        async with company.database.begin() as session:
            made = await nomination_commands.withdraw(
                session, company.program_id, nomination_id, member_id=company.people[who], now=now()
            )
        return made.state

    assert await refusal(withdraw("ada")) is Refusal.NOT_NOMINATOR
    assert await withdraw("bob") is NominationState.WITHDRAWN
    assert await refusal(withdraw("bob")) is Refusal.NOT_PENDING
    assert (await company.told())[1:] == [("nomination_withdrawn", "mia")]


async def test_what_an_administrator_withdraws_is_told_to_its_nominator_and_to_whoever_was_asked_on_any_level(
    company: Nominating,
) -> None:
    nomination_id = await company.nominate(category="by-amount", amount=500)
    await company.ask(nomination_id)
    await company.decide(nomination_id, "mia")
    await company.ask(nomination_id)
    before = len(await company.told())

    async with company.database.begin() as session:
        await nomination_commands.withdraw(session, company.program_id, nomination_id, member_id=None, now=now())

    told = (await company.told())[before:]
    assert sorted(told) == [("nomination_withdrawn", who) for who in ("bob", "carl", "dora", "mia")]


async def leave(company: Nominating, name: str) -> None:
    async with company.database.begin() as session:
        change = read({"external_id": name, "status": "left"})
        await member_changes.write(session, company.program_id, [change], effective_at=now(), now=now())


async def test_the_nominations_of_who_leaves_are_withdrawn_and_those_by_them_go_on(company: Nominating) -> None:
    of_ada, by_ada = await company.nominate(), await company.nominate("mia", by="ada")
    await company.ask(of_ada)

    await leave(company, "ada")

    withdrawn = await company.get(of_ada)
    assert (withdrawn.state, withdrawn.closing) == (NominationState.WITHDRAWN, "nominee_left")
    assert sorted((await company.told())[1:]) == [("nomination_withdrawn", "bob"), ("nomination_withdrawn", "mia")]
    await company.ask(by_ada)
    assert (await company.decide(by_ada, "dora")).state is NominationState.APPROVED


async def test_what_waits_for_who_leaves_is_looked_at_anew(company: Nominating) -> None:
    nomination_id = await company.nominate()
    await company.ask(nomination_id)

    await leave(company, "mia")

    async with company.database.begin() as session:
        kinds = (await session.execute(select(outbox.c.kind).where(outbox.c.lane == "temporal"))).scalars().all()
    assert kinds.count("wake_nomination") == 1
    await company.ask(nomination_id)
    assert await company.asked(nomination_id) == ["dora conflict", "mia named"]


async def merge(company: Nominating, source: str, destination: str) -> None:
    async with company.database.begin() as session:
        await merges.merge(
            session,
            company.program_id,
            source=company.people[source],
            destination=company.people[destination],
            actor="a test",
            reason="one person",
            as_of=now(),
        )


async def test_who_was_merged_decides_and_is_given_as_the_member_that_they_are(company: Nominating) -> None:
    nomination_id = await company.nominate()
    await company.ask(nomination_id)
    await merge(company, "mia", "jo")
    await merge(company, "ada", "ju")

    async with company.database.begin() as session:
        waiting = await nominations.list_page(session, company.program_id, approver_id=company.people["jo"])
    approved = await company.decide(nomination_id, "jo")

    assert [one.id for one in waiting] == [nomination_id]
    assert approved.state is NominationState.APPROVED
    assert (await company.balance("ju")).available == 100


async def test_a_nomination_of_somebody_who_turns_out_to_be_its_nominator_is_withdrawn(company: Nominating) -> None:
    nomination_id = await company.nominate()
    await company.ask(nomination_id)
    await merge(company, "ada", "bob")

    assert await refusal(company.decide(nomination_id, "mia")) is Refusal.NOT_PENDING
    withdrawn = await company.ask(nomination_id)

    assert (withdrawn.state, withdrawn.closing) == (NominationState.WITHDRAWN, "same_member")


async def test_lists_say_what_somebody_has_made_got_and_has_to_decide(company: Nominating) -> None:
    first, second = await company.nominate(), await company.nominate("mia", by="ada")
    for one in (first, second):
        await company.ask(one)

    async with company.database.begin() as session:

        async def ids(**asked: Any) -> list[str]:
            return [one.id for one in await nominations.list_page(session, company.program_id, **asked)]

        assert await ids() == [second, first]
        assert await ids(nominator_id=company.people["bob"]) == [first]
        assert await ids(nominee_id=company.people["mia"]) == [second]
        assert await ids(approver_id=company.people["mia"]) == [first]
        assert await ids(before=second, limit=1) == [first]
        assert await ids(state=NominationState.DECLINED) == []
