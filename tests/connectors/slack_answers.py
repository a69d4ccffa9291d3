"""Answers to render: each kind as it mostly is, and as long as it can be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain import asks
from domain.answers import (
    Answer,
    Balances,
    Holding,
    Line,
    NoPlaces,
    NothingKnown,
    Offer,
    OpenChallenges,
    Places,
    Progress,
    Reasons,
    Shop,
    Streaks,
    StreakStanding,
    Unplaced,
)
from domain.catalog import Denomination, Listing, Range
from domain.configuration import POINTS, Calendar, Unit, UnitKind
from domain.explanations import CapExplained, ChallengeExplained, DecisionExplained, MultipliedExplained, RuleExplained
from domain.game import Board, Cadence, Challenge, Goal
from domain.leaderboards import BUILT_IN
from domain.members import Balance
from domain.streaks import StreakState
from domain.vendors import Money

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
LONG = "<!channel> & *Ada* " * 60  # longer than any name or title may be
MANY = 10**12

HEARTS = Unit("hearts", 1, "Hearts", UnitKind.ALLOWANCE)


def listing(key: str = "coffee", **changes: Any) -> Listing:
    """A card over 10 or 25 dollars at ten points for each."""
    values = tuple(Denomination(Money(minor, "USD"), minor // 10) for minor in (1_000, 2_500))
    told = Listing(key, "Example Coffee", "A cup", "food", (), None, "USD", values, (), 10, "", True)
    return replace(told, **changes)


def ranged(key: str = "grocer") -> Listing:
    """A card over anything between 5 and 200 dollars."""
    ends = [Denomination(Money(minor, "USD"), minor // 10) for minor in (500, 20_000)]
    return listing(key, name="Grocer", denominations=(), ranges=(Range(*ends),))


def shop(points: int = 150, **changes: Any) -> Shop:
    offer = Offer("rwd_1", "A gift of your choice", Money(2_500, "USD"), 0, AT, (listing(),))
    return replace(Shop(points, (offer,), (listing(), ranged()), "ada@example.com", "Europe/Berlin"), **changes)


def decision(*rules: RuleExplained, points: int = 0, **changes: Any) -> DecisionExplained:
    return DecisionExplained(
        1, 1, "award", points, "mem_1", None, AT, changes.pop("verdict", {}), {}, rules=rules, **changes
    )


def reasons(explained: DecisionExplained | None, *, earned: int = 0, **changes: Any) -> Reasons:
    told = Reasons("evt_1", "A deal was won", "decided", AT, explained, ((POINTS, earned),) if earned else ())
    return replace(told, **changes)


BIG_DEAL = RuleExplained(
    "big-deal",
    3,
    "Big deals",
    expression="event.amount / 100.0",
    raw=123.4,
    rounding="floor",
    rounded=185,
    multiplied=(MultipliedExplained("default", "product", {"happy-hour": "1.5"}, None, "1", "1.5"),),
    caps=(CapExplained("day", 150, None, 30, 1, 185, 120, True),),
    points=120,
)
STREAK = StreakStanding(
    "Daily learning", Cadence.DAILY, StreakState.ACTIVE, 5, 9, 0, 1, AT, None, 2, ("A course was finished",)
)
SPRINT = Challenge("sprint", 1, AT, AT + timedelta(days=3), ("deal.won",), "The sprint", "Win deals.", goal=Goal(10))


def ordinary() -> list[Answer]:
    """One of each."""
    balance = Balance("points", 1_234, 60, 5, 7, 2_000, AT, 100)
    return [
        Balances((Holding(POINTS, balance), Holding(HEARTS, Balance("hearts", 20), Calendar.MONTH, AT)), "UTC"),
        reasons(decision(BIG_DEAL, points=120), earned=120),
        *(NothingKnown(ask) for ask in (asks.Why(), asks.Why("evt_1"), asks.Why(nothing=True))),
        Streaks((STREAK,), "UTC"),
        Places(BUILT_IN["company"], POINTS, (), (Line(3, "Ben", 90, False), Line(4, "Ada", 80, True)), 60),
        *(NoPlaces(reason, [*BUILT_IN.values()]) for reason in Unplaced),
        OpenChallenges((Progress(SPRINT, 4, 4, 200, 2, 3),), "UTC"),
        shop(),
        asks.Help(),
        *(asks.Help(topic) for topic in asks.Topic),
        asks.Unknown("blance", "balance"),
    ]


def longest() -> list[Answer]:
    """As much as there can be of each, in names that are too long."""
    unit = Unit(LONG, 1, LONG)
    much = Balance(LONG, MANY, MANY, MANY, MANY, MANY, AT, MANY)
    cap = CapExplained("quarter", MANY, None, MANY, MANY, MANY, MANY, True)
    multiplied = MultipliedExplained("default", "product", {f"{LONG}{n}": "2" for n in range(9)}, None, "1", "2.5")
    rule = RuleExplained(
        LONG,
        1,
        LONG,
        expression=LONG,
        raw=1.5,
        rounding="floor",
        rounded=MANY,
        caps=(cap,) * 9,
        multiplied=(multiplied,),
    )
    challenge = ChallengeExplained(LONG, 1, LONG, True, LONG, MANY, MANY, 1, 1)
    listings = tuple(listing(f"item-{n}", name=LONG, category=f"{LONG}{n % 30}") for n in range(300))
    offers = tuple(Offer(f"rwd_{n}", LONG, Money(2_500, "USD"), 50, AT, listings) for n in range(20))
    streak = replace(STREAK, title=LONG, counts=(LONG,) * 9, needed=MANY, freezes=MANY)
    progress = Progress(replace(SPRINT, title=LONG, description=LONG * 5), MANY, MANY, MANY, MANY, MANY)
    return [
        Balances((Holding(POINTS, much), *(Holding(unit, much) for _ in range(60))), "UTC"),
        reasons(decision(*[rule] * 9, challenges=(challenge,) * 9, points=MANY), earned=MANY, description=LONG),
        reasons(decision(*[replace(rule, failed=LONG)] * 9), description=LONG, rewards=(LONG,) * 9),
        Streaks((streak,) * 60, "UTC"),
        Places(Board(LONG, 1, LONG, per_working_day=True), unit, (LONG,) * 6, (Line(None, LONG, MANY, True),) * 11, 99),
        NoPlaces(Unplaced.NO_BOARD, [Board(f"{n}", 1, LONG) for n in range(100)]),
        OpenChallenges((progress,) * 50, "UTC"),
        shop(MANY, offers=offers, listings=listings),
        asks.Unknown(LONG, "balance"),
    ]
