"""A demonstration is judged by what it saw: each promise that is broken is named."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest

from cli.demo.expectations import due, judge
from cli.demo.facts import (
    APPROVER,
    BONUS,
    DEALS,
    FORM_POINTS,
    LESSONS,
    NOMINATED_POINTS,
    NOMINATOR,
    NOMINEE,
    REDEEMED_POINTS,
    REDEEMER,
    REOPENED,
    THANKED_POINTS,
    WEEKS,
)
from cli.demo.record import Month, Played, Record, Standing, Talked
from storage.verification import Check


def seen() -> Record:
    """What a demonstration sees when all goes well."""
    deals = [{"id": deal.name, "data": {"name": deal.name}} for deal in DEALS]
    lessons = [{"id": f"lesson-{n}", "data": {}} for n in range(len(LESSONS))]
    events = [event | {"state": "decided", "points": 1, "revision": 1} for event in deals + lessons]
    points = due()
    balances = {email: {"available": points[email], "held": 0, "lifetime": points[email]} for email in points}
    earned = Standing(balances, events, [{"id": "ord_1"}])
    final = deepcopy(earned)
    final.event(REOPENED.name)["points"] = 0
    final.balances[REOPENED.owner]["lifetime"] -= REOPENED.points
    final.balances[REDEEMER]["available"] -= REDEEMED_POINTS
    steps = [{"state": "unanswered"}, {"state": "accepted"}]
    return Record(
        "prg_1",
        earned,
        deepcopy(earned),
        final,
        repeats_sent=60,
        retracted_points=REOPENED.points,
        orders=[
            {"id": "ord_1", "state": "delivered", "steps": steps[1:]},
            {"id": "ord_2", "state": "delivered", "steps": steps},
        ],
        issued_before=5,
        cards={"issued": 7, "by_external_id": {"ord_1": 1, "ord_2": 1, "ord_0": 5}},
        checks=[Check("I1", 10, 0)],
        month=Month(900, [Check("I14", 10, 0)]),
        played=Played(
            at_risk={"state": "at_risk", "current_streak": WEEKS},
            saved={"state": "active", "current_streak": WEEKS},
            went_on={"state": "active", "current_streak": WEEKS + 1},
            earned=[FORM_POINTS + BONUS, FORM_POINTS + BONUS, FORM_POINTS],
            refusal=["challenge: the 2 places were taken; yours was the 3rd"],
        ),
        talked=Talked(
            NOMINATED_POINTS,
            THANKED_POINTS,
            THANKED_POINTS,
            told={
                NOMINATOR: ["Your nomination of *Grace* for X", "Your nomination of Grace was approved"],
                APPROVER: ["Maya nominates Grace for X.", "Thank you: approved."],
                NOMINEE: ["Maya nominated you: X", "Your week"],
            },
        ),
    )


def test_when_all_goes_well_everything_holds() -> None:
    assert [one for one in judge(seen()) if not one.holds] == []


def lose_an_event(record: Record) -> None:
    record.earned.events.pop()


def miscount_points(record: Record) -> None:
    record.earned.balances[REDEEMER]["lifetime"] += 1


def let_a_repeat_count(record: Record) -> None:
    record.repeated.balances[REDEEMER]["available"] += 1


def leave_a_line_unexplained(record: Record) -> None:
    record.month = Month(900, [Check("I14", 10, 1)])


def retract_too_much(record: Record) -> None:
    record.retracted_points += 1


def leave_an_order(record: Record) -> None:
    record.orders[0]["state"] = "in_review"


def answer_at_once(record: Record) -> None:
    record.orders[1]["steps"].pop(0)


def issue_a_second_card(record: Record) -> None:
    record.cards["by_external_id"]["ord_2"] = 2


def issue_a_card_under_another_key(record: Record) -> None:
    record.cards["issued"] += 1


def leave_a_hold(record: Record) -> None:
    record.final.balances[REDEEMER]["held"] = 1


def break_the_streak(record: Record) -> None:
    record.played.saved["state"] = "broken"


def pay_a_third_place(record: Record) -> None:
    record.played.earned[2] += BONUS


def refuse_without_a_reason(record: Record) -> None:
    record.played.refusal = ["it earned 15 points"]


def give_a_nomination_twice(record: Record) -> None:
    record.talked = replace(record.talked, nominated=2 * NOMINATED_POINTS)


def tell_the_nominee_nothing(record: Record) -> None:
    record.talked = replace(record.talked, told={**record.talked.told, NOMINEE: []})


def ask_the_approver_twice(record: Record) -> None:
    asked = record.talked.told[APPROVER]
    record.talked = replace(record.talked, told={**record.talked.told, APPROVER: [*asked, asked[0]]})


def thank_for_nothing(record: Record) -> None:
    record.talked = replace(record.talked, spent=0)


def violate_the_ledger(record: Record) -> None:
    record.checks = [Check("I1", 10, 1)]


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (lose_an_event, "12 facts are 12 events"),
        (miscount_points, "each fact earns what the rules say"),
        (let_a_repeat_count, "what is sent again changes nothing"),
        (retract_too_much, "the reopened deal gives back exactly what it gave"),
        (leave_an_order, "both orders are delivered"),
        (answer_at_once, "one order lost its answer"),
        (issue_a_second_card, "the vendor has issued one card for each"),
        (issue_a_card_under_another_key, "the vendor has issued one card for each"),
        (leave_a_hold, "the order's hold is settled"),
        (break_the_streak, "sick leave that came late saves the streak"),
        (pay_a_third_place, "2 places are 2, and who is third reads why"),
        (refuse_without_a_reason, "2 places are 2, and who is third reads why"),
        (give_a_nomination_twice, "a nomination approved in Slack gives its points once"),
        (tell_the_nominee_nothing, "who nominated, approves and was nominated are told in Slack, each thing once"),
        (ask_the_approver_twice, "who nominated, approves and was nominated are told in Slack, each thing once"),
        (thank_for_nothing, "thanks cost what they give"),
        (violate_the_ledger, "the ledger verifies"),
        (leave_a_line_unexplained, "every line of a month is explained"),
    ],
)
def test_a_broken_promise_is_named(break_it: Callable[[Record], None], named: str) -> None:
    record = seen()
    break_it(record)

    assert named in [one.what for one in judge(record) if not one.holds]
