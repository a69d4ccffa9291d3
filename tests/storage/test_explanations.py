"""What becomes of an event is explained, whatever became of it."""

import copy
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event
from storage import explanations, intake, tables
from storage.explanations import Explanation
from tests.programs import NOW, SAMPLE, apply, course, deal, make_member, make_program, retraction
from tests.storage.test_intake import POLICY


class Explained:
    """A program under the sample configuration, whose events are taken and explained."""

    def __init__(self, session: AsyncSession, program_id: str) -> None:
        self.session = session
        self.id = program_id

    async def take(self, *events: Event) -> list[Explanation]:
        outcomes = await intake.record(self.session, self.id, events, POLICY, as_of=NOW)
        return [await self.explain(outcome.event_id or "") for outcome in outcomes]

    async def explain(self, event_id: str) -> Explanation:
        return await explanations.get(self.session, self.id, event_id)

    async def member(self, name: str = "ada", **attributes: Any) -> str:
        return await make_member(self.session, self.id, name, **attributes)


@pytest.fixture
async def program(session: AsyncSession) -> Explained:
    return Explained(session, await make_program(session))


def reasons(explanation: Explanation) -> dict[str, str | None]:
    return {rule.rule: rule.failed for rule in explanation.decisions[-1].rules}


async def test_an_event_that_earned_is_explained_with_its_posting(program: Explained) -> None:
    ada = await program.member()

    [explanation] = await program.take(deal(1, amount_minor=12_000_00))

    [decision] = explanation.decisions
    [posting] = explanation.transactions
    assert explanation.summary == "It earned 170 points."
    assert (decision.configuration, decision.member_version, decision.not_derived) == (1, 1, None)
    assert (decision.member_id, decision.transaction_id, decision.points) == (ada, posting.id, 170)
    assert (posting.kind, posting.amount) == ("earn", 170)
    assert reasons(explanation) == {"deal-won": None, "big-deal": None, "third-deal": "is the third this month"}
    assert decision.totals == {"deals_this_month": 1}


async def test_later_events_see_what_earlier_ones_used(program: Explained) -> None:
    await program.member()

    *_, third = await program.take(*(deal(n, amount_minor=12_000_00) for n in range(3)))

    big = next(rule for rule in third.decisions[0].rules if rule.rule == "big-deal")
    assert (big.raw, big.rounded, big.points) == (120.0, 120, 0)
    assert [(cap.used_points, cap.before, cap.after) for cap in big.caps] == [(150, 120, 0)]
    assert reasons(third) == {"deal-won": None, "big-deal": None, "third-deal": None}


async def test_an_event_that_earned_nothing_says_why(program: Explained) -> None:
    await program.member()
    body = copy.deepcopy(SAMPLE)
    body["rules"]["course"]["when"] = [{"name": "is about fire", "expression": "event.course == 'fire'"}]
    await apply(program.session, program.id, body)

    [explanation] = await program.take(course(1))

    assert explanation.summary == "It earned nothing: no rule matched it."
    assert reasons(explanation) == {"course": "is about fire"}
    assert (explanation.transactions, explanation.rewards) == ([], [])


async def test_caps_that_let_nothing_through_are_the_reason(program: Explained) -> None:
    await program.member()

    *_, third = await program.take(course(1), course(2), course(3))

    assert third.summary == "It earned nothing: caps let nothing through."
    assert [cap.bit for rule in third.decisions[0].rules for cap in rule.caps] == [True]


async def test_milestones_and_rewards_are_part_of_it(program: Explained) -> None:
    await program.member()

    *_, last = await program.take(*(deal(n) for n in range(8)))
    [survey] = await program.take(Event("crm", "survey-1", "survey.submitted", deal(1).member, NOW, {}))

    [crossing] = last.crossings
    [reward] = last.rewards
    assert last.decisions[0].lifetime == 450
    assert (crossing.milestone, crossing.n, crossing.state) == ("every-500:500", 1, "standing")
    assert (reward.reward, reward.crossing_id, reward.rule) == ("card", crossing.id, None)
    assert survey.summary == "It earned a reward and no points."
    assert [(given.reward, given.rule) for given in survey.rewards] == [("coffee", "survey")]


async def test_a_parked_event_says_for_whom_it_waits(program: Explained) -> None:
    [explanation] = await program.take(deal(1, "nobody"))

    assert explanation.summary == "It waits: no member is known as crm:nobody."
    assert explanation.decisions == []


async def test_a_quarantined_event_says_what_failed(program: Explained) -> None:
    await program.member()
    [explanation] = await program.take(deal(1))
    broken = tables.events.update().values(state="quarantined", error="KeyError")
    await program.session.execute(broken)

    explanation = await program.explain(explanation.event.id)

    assert explanation.summary == "It could not be decided: KeyError."


async def test_a_retracted_event_and_its_retraction_name_each_other(program: Explained) -> None:
    await program.member()
    original, taking_back = deal(1), retraction(deal(1))

    [_, retracting] = await program.take(original, taking_back)
    retracted = await program.explain(retracting.retracts_id or "")

    assert retracted.summary == f"It was taken back by {retracting.event.id} and earns nothing."
    assert [(posting.kind, posting.amount) for posting in retracted.transactions] == [("earn", 50), ("reverse", 50)]
    assert reasons(retracted)["deal-won"] is None
    assert retracting.summary == f"It takes back {retracted.event.id} and with it 50 points."
    assert [(decision.kind, decision.points) for decision in retracting.decisions] == [("retraction", -50)]


async def test_an_event_that_was_taken_back_before_it_came_is_explained(program: Explained) -> None:
    await program.member()

    [retracting] = await program.take(retraction(deal(1)))
    awaited = await program.explain(retracting.retracts_id or "")
    [late] = await program.take(deal(1))

    assert awaited.summary.startswith("It has not arrived yet; evt_")
    assert retracting.summary == f"It takes back {awaited.event.id}, which had earned nothing that stood."
    assert late.summary == f"It was taken back by {retracting.event.id} and earns nothing."
    assert [decision.reason for decision in late.decisions] == ["retracted_before_arrival"]


async def test_an_amended_event_is_explained_as_it_was_each_time(program: Explained) -> None:
    await program.member()
    await program.take(deal(1, amount_minor=5))

    [explanation] = await program.take(deal(1, amount_minor=12_000_00))

    first, second = explanation.decisions
    assert (first.kind, first.points, first.data["amount_minor"], first.not_derived) == ("award", 50, 5, None)
    assert (second.kind, second.points, second.data["amount_minor"], second.not_derived) == (
        "amendment",
        170,
        12_000_00,
        None,
    )
    assert [posting.kind for posting in explanation.transactions] == ["earn", "reverse", "earn"]


async def test_an_old_decision_is_explained_by_the_configuration_that_made_it(program: Explained) -> None:
    await program.member()
    [before] = await program.take(deal(1))
    await apply(program.session, program.id, SAMPLE | {"rules": {}, "milestones": {}})

    after = await program.explain(before.event.id)

    assert after.decisions == before.decisions
    assert after.decisions[0].rules


async def test_what_cannot_be_derived_again_is_said_and_not_made_up(program: Explained) -> None:
    await program.member()
    [explanation] = await program.take(deal(1))
    tampered = tables.events.update().values(data={"amount_minor": 12_000_00, "currency": "EUR"})
    await program.session.execute(tampered)

    explanation = await program.explain(explanation.event.id)

    [decision] = explanation.decisions
    assert decision.not_derived == "running it again on the recorded inputs gives another verdict"
    assert decision.rules == ()
    assert [rule["rule"] for rule in decision.verdict["rules"]] == ["deal-won"]
    assert explanation.summary == "It earned 50 points."


async def test_another_programs_event_is_not_found(program: Explained, session: AsyncSession) -> None:
    await program.member()
    [explanation] = await program.take(deal(1))
    other = await make_program(session)

    with pytest.raises(LookupError, match=explanation.event.id):
        await explanations.get(session, other, explanation.event.id)
