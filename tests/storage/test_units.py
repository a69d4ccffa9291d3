"""Units, countries and kinds of programs are data: two programs side by side, each with units of its own."""

import copy
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.commands import Accepted, Adjust, Command, Convert, Earn, PlaceHold, Reverse, Settle
from domain.definition_checks import check_definitions
from domain.events import Event, Identity, SourcePolicy
from storage import commands, expiry, explanations, intake, verification
from storage.database import Database
from tests.programs import NOW, apply, definitions, make_member, make_program, retraction

DAY = timedelta(days=1)
AMENDING = SourcePolicy(amendments="compensate")

# Whoever refers somebody who is hired gets money, a badge, and points once the third one is in.
REFERRALS: dict[str, Any] = {
    "event_types": {
        "referral.hired": {"fields": {"level": {"type": "integer", "required": True, "minimum": 1, "maximum": 5}}}
    },
    "rules": {
        "bonus": {
            "event_type": "referral.hired",
            "award": {"expression": "50000 * event.level", "unit": "cashback"},
            "caps": [{"per": "month", "points": 200_000}],
        },
        "badge": {"event_type": "referral.hired", "award": {"expression": "1", "unit": "badges"}},
        "senior": {
            "event_type": "referral.hired",
            "when": [{"name": "is senior", "expression": "event.level >= 3"}],
            "award": {"expression": "75"},
        },
    },
    "milestones": {"three-badges": {"reward": "card", "every": 3, "unit": "badges"}},
    "rewards": {"card": {"title": "A card", "items": ["mug"], "value_minor": 500, "currency": "USD"}},
    "catalog": {"mug": {"name": "A mug", "vendor": "own", "currency": "USD", "denominations": [500]}},
    "units": {
        "cashback": {"kind": "money", "currency": "USD", "exponent": 2, "expiry": {"policy": "rolling", "days": 90}},
        "badges": {"kind": "asset"},
    },
}
# Whoever answers gets tokens for this quarter's raffle; the same key counts yen here.
SURVEYS: dict[str, Any] = {
    "event_types": {"survey.submitted": {"fields": {}}},
    "rules": {
        "tokens": {"event_type": "survey.submitted", "award": {"expression": "5", "unit": "tokens"}},
        "yen": {
            "event_type": "survey.submitted",
            "when": [{"name": "is in Japan", "expression": 'member.country == "JP"'}],
            "award": {"expression": "300", "unit": "cashback"},
        },
    },
    "units": {
        "tokens": {"kind": "voucher", "expiry": {"policy": "end_of_period", "per": "quarter"}},
        "cashback": {"kind": "money", "currency": "JPY"},
    },
}


def hired(number: int, level: int = 1, **changes: Any) -> Event:
    values = {"occurred_at": NOW - timedelta(hours=1), "data": {"level": level}, **changes}
    return Event("ats", f"hire-{number}", "referral.hired", Identity("crm", "ada"), **values)


def answered(number: int) -> Event:
    return Event("forms", f"answer-{number}", "survey.submitted", Identity("crm", "ada"), NOW - timedelta(hours=1), {})


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.dispose()


async def program(opened: Database, body: dict[str, Any], **attributes: Any) -> tuple[str, str]:
    """The program and its member Ada."""
    assert check_definitions(definitions(body)) == []
    async with opened.begin() as session:
        program_id = await make_program(session, body)
        return program_id, await make_member(session, program_id, "ada", **attributes)


async def take(opened: Database, program_id: str, *events: Event, policy: SourcePolicy = AMENDING) -> list[str]:
    outcomes = await intake.record_batch(opened, program_id, events, policy, as_of=NOW)
    return [outcome.event_id or "" for outcome in outcomes]


async def has(opened: Database, member: str) -> dict[str, tuple[int, int]]:
    """By account with anything in it: balance and lifetime."""
    query = "SELECT substr(id, 32), balance, lifetime FROM accounts WHERE member_id = :m AND version > 0"
    async with opened.begin() as session:
        return {name: (balance, earned) for name, balance, earned in await session.execute(text(query), {"m": member})}


async def violated(opened: Database, program_id: str) -> list[str]:
    async with opened.begin() as session:
        return [check.name for check in await verification.verify(session, program_id) if check.violations]


async def test_programs_with_units_of_their_own_share_nothing(opened: Database):
    referrals, refers = await program(opened, REFERRALS)
    surveys, answers = await program(opened, SURVEYS, country="JP")

    await take(opened, referrals, hired(1), hired(2, level=4))
    await take(opened, surveys, answered(1))

    assert await has(opened, refers) == {"badges": (2, 2), "cashback": (200_000, 200_000), "points": (75, 75)}
    assert await has(opened, answers) == {"cashback": (300, 300), "tokens": (5, 5)}
    async with opened.begin() as session:
        crossing = await session.execute(
            text(
                """SELECT count(*) FROM transfers t JOIN accounts a ON a.id IN (t.from_account, t.to_account)
                WHERE a.program_id <> t.program_id OR a.unit <> t.unit"""
            )
        )
        assert crossing.scalar() == 0
    assert await violated(opened, referrals) + await violated(opened, surveys) == []


async def test_an_award_lapses_as_its_unit_says(opened: Database):
    surveys, _ = await program(opened, SURVEYS, time_zone="Asia/Tokyo")
    referrals, _ = await program(opened, REFERRALS)
    await take(opened, surveys, answered(1))
    await take(opened, referrals, hired(1))

    async with opened.begin() as session:
        found = await session.execute(
            text("SELECT a.unit, l.expires_at FROM lots l JOIN accounts a ON a.id = l.account_id ORDER BY a.unit")
        )
        assert found.tuples().all() == [
            ("badges", None),
            ("cashback", NOW + 90 * DAY),
            ("tokens", datetime(2026, 3, 31, 15, tzinfo=UTC)),
        ]


async def test_a_retraction_takes_every_unit_back(opened: Database):
    referrals, ada = await program(opened, REFERRALS)
    await take(opened, referrals, hired(1, level=3), hired(2))

    await take(opened, referrals, retraction(hired(1)))

    assert await has(opened, ada) == {"badges": (1, 1), "cashback": (50_000, 50_000), "points": (0, 0)}
    assert await violated(opened, referrals) == []


async def test_an_amendment_pays_every_unit_anew(opened: Database):
    referrals, ada = await program(opened, REFERRALS)
    await take(opened, referrals, hired(1, level=3))

    await take(opened, referrals, hired(1, level=1))

    assert await has(opened, ada) == {"badges": (1, 1), "cashback": (50_000, 50_000), "points": (0, 0)}
    async with opened.begin() as session:
        keys = (await session.execute(text("SELECT business_key FROM transactions WHERE kind = 'earn'"))).scalars()
        assert {key.split(":", 2)[2] for key in keys} == {
            *("1", "1:badges", "1:cashback"),
            *("2:badges", "2:cashback"),
        }
    assert await violated(opened, referrals) == []


async def test_a_milestone_counts_its_own_unit(opened: Database):
    referrals, _ = await program(opened, REFERRALS)

    await take(opened, referrals, hired(1, level=4), hired(2))
    before = await crossings(opened)
    await take(opened, referrals, hired(3))
    at_three = await crossings(opened)
    await take(opened, referrals, retraction(hired(2)))

    assert (before, at_three) == ([], [("three-badges:3", 1, "standing")])
    assert await crossings(opened) == [("three-badges:3", 1, "withdrawn")]


async def crossings(opened: Database) -> list[Any]:
    async with opened.begin() as session:
        return [tuple(row) for row in await session.execute(text("SELECT milestone, n, state FROM crossings"))]


async def test_an_explanation_says_the_units(opened: Database):
    referrals, _ = await program(opened, REFERRALS)
    [event_id] = await take(opened, referrals, hired(1, level=3))

    async with opened.begin() as session:
        explained = await explanations.get(session, referrals, event_id)

    [decision] = explained.decisions
    assert (decision.not_derived, decision.points) == (None, 75)
    assert {rule.rule: (rule.points, rule.unit) for rule in decision.rules} == {
        "badge": (1, "badges"),
        "bonus": (150_000, "cashback"),
        "senior": (75, "points"),
    }
    assert decision.verdict["others"] == {"badges": 1, "cashback": 150_000}
    assert {(posting.unit, posting.amount) for posting in explained.transactions} == {
        ("badges", 1),
        ("cashback", 150_000),
        ("points", 75),
    }


async def test_a_country_a_reward_and_a_unit_are_added_by_data(opened: Database):
    surveys, ada = await program(opened, SURVEYS, country="BR")
    await take(opened, surveys, answered(1))
    body = copy.deepcopy(SURVEYS)
    body["units"]["milhas"] = {"title": "Milhas", "exponent": 1, "expiry": {"policy": "rolling", "days": 10}}
    body["rules"]["brazil"] = {
        "event_type": "survey.submitted",
        "when": [{"name": "is in Brazil", "expression": 'member.country == "BR"'}],
        "award": {"expression": "25", "unit": "milhas"},
        "reward": "coffee",
    }
    body["rewards"] = {"coffee": {"title": "Café", "items": ["coffee"], "value_minor": 900, "currency": "BRL"}}
    body["catalog"] = {
        "coffee": {"name": "Café", "vendor": "own", "currency": "BRL", "denominations": [900], "countries": ["BR"]}
    }
    assert check_definitions(definitions(body)) == []

    async with opened.begin() as session:
        await apply(session, surveys, body)
    await take(opened, surveys, answered(2))
    earned = await has(opened, ada)
    await expiry.run_all(opened, as_of=NOW + 10 * DAY, clock=lambda: NOW + 10 * DAY)

    assert earned == {"milhas": (25, 25), "tokens": (10, 10)}
    assert await has(opened, ada) == {"milhas": (0, 25), "tokens": (10, 10)}
    async with opened.begin() as session:
        assert (await session.execute(text("SELECT reward FROM rewards"))).scalars().all() == ["coffee"]


# Each policy, and what is left of 100 that are not held after 20 days and after 60.
POLICIES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "never": ({"policy": "never"}, (100, 100)),
    "rolling": ({"policy": "rolling", "days": 30}, (100, 0)),
    "fixed": ({"policy": "fixed", "at": "2026-04-01T00:00:00Z"}, (100, 0)),
    "period": ({"policy": "end_of_period", "per": "month"}, (100, 0)),
    "idle": ({"policy": "inactivity", "days": 30}, (100, 0)),
}
TALLY: dict[str, Any] = {
    "units": {
        key: {**kind, "expiry": POLICIES[key][0], "transfer": {}}
        for key, kind in {
            "never": {"kind": "asset"},
            "rolling": {"kind": "points"},
            "fixed": {"kind": "voucher"},
            "period": {"kind": "points"},
            "idle": {"kind": "money", "currency": "JPY"},
        }.items()
    },
    "conversions": {key: {"from_unit": "points", "to_unit": key, "from_amount": 1, "to_amount": 1} for key in POLICIES},
}


async def order(opened: Database, program_id: str, at: datetime, *several: Command) -> list[Any]:
    return await commands.execute_batch(opened, program_id, several, as_of=at)


@pytest.mark.parametrize("unit", POLICIES)
async def test_value_of_any_kind_and_policy_is_held_spent_and_lapses(opened: Database, unit: str):
    """Held value is kept; what is left lapses as its policy says, and taking it back owes nothing then."""
    tally, ada = await program(opened, TALLY)
    named: dict[str, Any] = {"actor": "hr", "unit": unit, "member_id": ada}
    [earned] = await order(opened, tally, NOW, Earn(reference="earn", amount=120, **named))
    ends = NOW + 90 * DAY
    [held] = await order(opened, tally, NOW, PlaceHold(reference="hold", amount=20, expires_at=ends, **named))
    left = []
    for days in (20, 60):
        await expiry.run_all(opened, as_of=NOW + days * DAY, clock=lambda days=days: NOW + days * DAY)  # type: ignore[misc]
        left.append((await has(opened, ada))[unit][0])

    settle = Settle(reference="settle", actor="hr", hold_id=held.hold_id)
    reverse = Reverse(reference="reverse", actor="hr", transaction_id=earned.transaction_id)
    outcomes = await order(opened, tally, NOW + 60 * DAY, settle, reverse)

    assert tuple(left) == POLICIES[unit][1]
    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted]
    assert (await has(opened, ada))[unit] == (-20, 0)  # what was spent is owed, what expired is not
    assert await violated(opened, tally) == []


async def test_nothing_is_granted_that_has_lapsed_already(opened: Database):
    tally, ada = await program(opened, TALLY)
    late = NOW + 60 * DAY
    named: dict[str, Any] = {"actor": "hr", "member_id": ada}
    await order(opened, tally, late, Earn(reference="points", unit="points", amount=50, **named))

    outcomes = await order(
        opened,
        tally,
        late,
        Earn(reference="earn", unit="fixed", amount=1, **named),
        Adjust(reference="adjust", unit="fixed", amount=1, **named),
        Convert(reference="convert", conversion="fixed", amount=1, **named),
        Earn(reference="promise", unit="fixed", amount=1, awaits_approval=True, **named),
    )

    assert [outcome.code for outcome in outcomes] == ["expires_in_past"] * 4
    assert await has(opened, ada) == {"points": (50, 50)}
