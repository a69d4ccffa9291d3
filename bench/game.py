"""game: batches of 500 events by the one door while the game is on, against raw SQL that writes the same rows.

Ten rules as a company has them, some in a group with a multiplier, one with a budget; a daily streak; a challenge with
limits. The deals are those of a simulated company's month as its CRM tells them, late ones included.
"""

from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from bench import bulk, programs
from bench.pairs import Compared
from bench.programs import databases
from domain.events import Event, Identity
from simulation.company import Company, Sent, lives

MEMBERS = 4_500  # of the company, who win as many deals as are taken; the program has 20,000
STARTS_ON = date(2026, 2, 1)
SMALLER = 7  # than the company's are the deals for which the rules are written: half of them complete the challenge
REGIONS = {"USD": "AMER", "GBP": "EMEA", "EUR": "EMEA"}

_ONE_A_MONTH = [{"per": "month", "times": 1}]


def _rule(award: str, when: str = "event.amount_minor > 0", **more: Any) -> dict[str, Any]:
    return {
        "event_type": "deal.won",
        "when": [{"name": "it holds", "expression": when}],
        "award": {"expression": award, "rounding": "half_up"},
        **more,
    }


_RULES: dict[str, Any] = {
    "by-size": _rule(
        "double(event.amount_minor) / 10000.0",
        "event.currency in ['USD', 'EUR', 'GBP']",
        group="sales",
        caps=[{"per": "event", "points": 400}, {"per": "month", "points": 10_000}],
    ),
    "large": _rule("100", "event.amount_minor >= 150000", group="sales", caps=[{"per": "month", "times": 2}]),
    "region-of-the-year": {
        "event_type": "deal.won",
        "when": [{"name": "in the region", "expression": "event.region == 'EMEA'"}],
        "multiplier": "1.5",
        "group": "sales",
    },
    "third-deal": _rule("50", "totals.deals_this_month == 3"),
    "target": _rule("150", "totals.sales_this_month >= 250000", caps=_ONE_A_MONTH),
    "seldom": _rule("25", "event.region in ['APAC', 'LATAM']"),
    "thanks": _rule("5", budgets=[{"per": "month", "points": 1_000_000_000}]),
    "sales-people": _rule("10", audience="member.department == 'Sales'"),
    "newcomers": _rule("20", audience="member.status == 'active' && member.performance_tier == null"),
    "last-year": _rule("10", starts_at="2025-01-01T00:00:00Z", ends_at="2026-01-01T00:00:00Z"),
}
CONFIGURATION: dict[str, Any] = programs.CONFIGURATION | {
    "aggregates": {
        "deals_this_month": {"event_type": "deal.won", "per": "month"},
        "sales_this_month": {"event_type": "deal.won", "field": "amount_minor", "per": "month"},
    },
    "groups": {"sales": {"ceiling": "3", "rounding": "half_up", "caps": [{"per": "week", "points": 5_000}]}},
    "rules": _RULES,
    "streaks": {
        "deals": {"cadence": "daily", "qualifying": [{"event_type": "deal.won"}], "reached": [3], "reached_every": 10}
    },
    "challenges": {
        "spring": {
            "event_types": ["deal.won"],
            "starts_at": "2026-02-01T00:00:00Z",
            "ends_at": "2026-04-01T00:00:00Z",
            "when": [{"name": "large enough", "expression": "event.amount_minor >= 102000"}],
            "audience": "member.status == 'active'",
            "bonus": "20",
            "member_points": 1_000,
            "budget_points": 1_000_000_000,
        }
    },
}


async def run() -> Compared:
    """Events a second, both."""
    async with databases(CONFIGURATION, deals) as servers:
        return await bulk.measure("game", servers, deals)


def deals(first: int, count: int) -> list[Event]:
    """Deals as the CRM of a simulated company tells them, the first of the history at -HISTORY - 1."""
    begins = programs.HISTORY + 1 + first
    return _told()[begins : begins + count]


@cache
def _told() -> list[Event]:
    """What is told once and stays: corrections and retractions are other work."""
    company = Company({"deal.won": ("amount_minor", "currency")}, MEMBERS, months=1, starts_on=STARTS_ON)
    sent = [(one.member, one.what.event) for one in lives(company) if isinstance(one.what, Sent)]
    return [_deal(member, deal) for member, deal in sent if deal.retracts is None and deal.source_version == 1]


def _deal(member: str, told: Event) -> Event:
    currency = told.data["currency"]
    data = {"amount_minor": told.data["amount_minor"] // SMALLER, "currency": currency, "region": REGIONS[currency]}
    return replace(told, member=Identity("crm", f"member-{int(member[1:])}"), data=data, source_version=None)
