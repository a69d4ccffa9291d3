"""What must be true after a demonstration; each expectation says what it found."""

from collections import Counter
from dataclasses import dataclass

from cli.demo.facts import (
    APPROVER,
    BONUS,
    DEALS,
    FORM_POINTS,
    LESSONS,
    NOMINATED_POINTS,
    NOMINATOR,
    NOMINEE,
    PLACES,
    RACERS,
    REDEEMED_POINTS,
    REDEEMER,
    REOPENED,
    THANKED_POINTS,
    WEEKS,
)
from cli.demo.outside import Json
from cli.demo.record import Record, Standing

# What an explanation says to whom no place was left.
PLACES_TAKEN = f"the {PLACES} places were taken"


# What each person is told once in Slack, by words of it.
TOLD = (
    (NOMINATOR, f"Your nomination of *{NOMINEE.capitalize()}*"),
    (APPROVER, f"{NOMINATOR.capitalize()} nominates {NOMINEE.capitalize()}"),
    (APPROVER, "Thank you: approved."),
    (NOMINEE, f"{NOMINATOR.capitalize()} nominated you"),
    (NOMINATOR, f"Your nomination of {NOMINEE.capitalize()} was approved"),
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that must hold, whether it does, and what was found."""

    what: str
    holds: bool
    found: str


def judge(record: Record) -> list[Expectation]:
    """Everything that the demonstration promises."""
    earned, repeated, final = record.earned, record.repeated, record.final
    return [
        _each_fact_once(earned),
        _each_earns_its_points(earned),
        _repeats_change_nothing(record, earned, repeated),
        _retraction_is_exact(record, final),
        _orders_are_delivered(record),
        _an_answer_was_lost(record),
        _one_card_each(record),
        _hold_is_settled(final),
        _streak_is_saved(record),
        _places_are_kept(record),
        _nomination_gives_once(record),
        _everybody_is_told(record),
        _thanks_cost_what_they_give(record),
        _ledger_holds(record),
        _month_is_explained(record),
    ]


def due() -> Counter[str]:
    """The points that each member must have earned, by e-mail, before anything is taken back."""
    points: Counter[str] = Counter()
    for deal in DEALS:
        points[deal.owner] += deal.points
    for lesson in LESSONS:
        points[lesson.learner] += lesson.points
    return points


def _each_fact_once(earned: Standing) -> Expectation:
    wanted, found = len(DEALS) + len(LESSONS), len(earned.events)
    return Expectation(f"{wanted} facts are {wanted} events", found == wanted, f"{found} events")


def _each_earns_its_points(earned: Standing) -> Expectation:
    wanted = due()
    wrong = [email for email, one in earned.balances.items() if one["lifetime"] != wanted[email]]
    found = ", ".join(f"{email} has {earned.balances[email]['lifetime']}, not {wanted[email]}" for email in wrong)
    total = sum(wanted.values())
    return Expectation("each fact earns what the rules say", not wrong, found or f"{total} points")


def _repeats_change_nothing(record: Record, earned: Standing, repeated: Standing) -> Expectation:
    holds = earned.effects == repeated.effects and record.repeats_sent > 0
    return Expectation("what is sent again changes nothing", holds, f"{record.repeats_sent} repeats")


def _retraction_is_exact(record: Record, final: Standing) -> Expectation:
    event, lifetime = final.event(REOPENED.name), final.balances[REOPENED.owner]["lifetime"]
    kept = due()[REOPENED.owner] - REOPENED.points
    holds = (record.retracted_points, event["points"], lifetime) == (REOPENED.points, 0, kept)
    return Expectation("the reopened deal gives back exactly what it gave", holds, f"{record.retracted_points} points")


def _orders_are_delivered(record: Record) -> Expectation:
    states = [order["state"] for order in record.orders]
    return Expectation("both orders are delivered", states == ["delivered"] * 2, ", ".join(states) or "no orders")


def _an_answer_was_lost(record: Record) -> Expectation:
    lost = [order for order in record.orders if any(step["state"] == "unanswered" for step in order["steps"])]
    found = ", ".join(order["id"] for order in lost) or "none"
    return Expectation("one order lost its answer", len(lost) == 1, found)


def _one_card_each(record: Record) -> Expectation:
    counts = [record.cards["by_external_id"].get(order["id"], 0) for order in record.orders]
    issued = cards_issued(record)
    found = f"{issued} issued, by order {counts}"
    return Expectation("the vendor has issued one card for each", (counts, issued) == ([1, 1], 2), found)


def cards_issued(record: Record) -> int:
    """The cards that the vendor has issued since the demonstration began."""
    issued: int = record.cards["issued"] - record.issued_before
    return issued


def _hold_is_settled(final: Standing) -> Expectation:
    balance: Json = final.balances[REDEEMER]
    wanted = due()[REDEEMER] - REDEEMED_POINTS
    holds = (balance["held"], balance["available"]) == (0, wanted)
    return Expectation(
        "the order's hold is settled", holds, f"{balance['available']} points left, {balance['held']} held"
    )


def _streak_is_saved(record: Record) -> Expectation:
    seen = record.played.at_risk, record.played.saved, record.played.went_on
    states = [one.get("state") for one in seen]
    lengths = [one.get("current_streak") for one in seen]
    holds = (states, lengths) == (["at_risk", "active", "active"], [WEEKS, WEEKS, WEEKS + 1])
    found = ", ".join(f"{length} {state}" for length, state in zip(lengths, states, strict=True))
    return Expectation("sick leave that came late saves the streak", holds, found)


def _places_are_kept(record: Record) -> Expectation:
    wanted = [FORM_POINTS + BONUS] * PLACES + [FORM_POINTS] * (len(RACERS) - PLACES)
    holds = record.played.earned == wanted and any(PLACES_TAKEN in line for line in record.played.refusal)
    return Expectation(f"{PLACES} places are {PLACES}, and who is third reads why", holds, f"{record.played.earned}")


def _nomination_gives_once(record: Record) -> Expectation:
    found = record.talked.nominated
    what = "a nomination approved in Slack gives its points once"
    return Expectation(what, found == NOMINATED_POINTS, f"{found} points")


def _everybody_is_told(record: Record) -> Expectation:
    counts = [sum(words in text for text in record.talked.told.get(name, ())) for name, words in TOLD]
    what = "who nominated, approves and was nominated are told in Slack, each thing once"
    return Expectation(what, counts == [1] * len(TOLD), f"{sum(counts)} messages")


def _thanks_cost_what_they_give(record: Record) -> Expectation:
    talked = record.talked
    holds = (talked.thanked, talked.spent) == (THANKED_POINTS, THANKED_POINTS)
    return Expectation("thanks cost what they give", holds, f"{talked.thanked} points for {talked.spent} kudos")


def _ledger_holds(record: Record) -> Expectation:
    checked = sum(check.checked for check in record.checks)
    violated = sum(check.violations for check in record.checks)
    holds = checked > 0 and violated == 0
    return Expectation("the ledger verifies", holds, f"{checked} things checked, {violated} violations")


def _month_is_explained(record: Record) -> Expectation:
    facts, unexplained = record.month.facts, sum(check.violations for check in record.month.checks)
    holds = facts > 0 and unexplained == 0 and all(check.checked > 0 for check in record.month.checks)
    return Expectation("every line of a month is explained", holds, f"{facts} facts, {unexplained} lines unexplained")
