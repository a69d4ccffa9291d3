"""`laurel explain`, read by a person and by a script."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from cli.errors import CommandFailed
from domain.events import Event
from domain.outcomes import Outcome
from storage import intake
from storage.database import Database
from tests.cli.conftest import Laurel
from tests.programs import NOW, SAMPLE, deal, make_member, make_program, retraction
from tests.storage.test_intake import POLICY


@pytest.fixture
def event_id(database_url: str) -> str:
    """A big deal of Ada's, the third of her month."""
    outcomes = asyncio.run(_take(database_url, [deal(n, amount_minor=12_000_00) for n in range(3)]))
    return outcomes[-1].event_id or ""


async def _take(database_url: str, events: list[Event], body: dict[str, Any] = SAMPLE) -> list[Outcome]:
    database = Database(database_url)
    async with database.begin() as session:
        program_id = await make_program(session, body)
        await make_member(session, program_id, "ada")
        outcomes = await intake.record(session, program_id, events, POLICY, as_of=NOW)
    await database.dispose()
    return outcomes


def test_a_person_reads_each_rule_with_its_reason(laurel: Laurel, event_id: str) -> None:
    told = laurel("explain", event_id)

    assert told.exit_code == 0
    lines = [line.strip() for line in told.stdout.splitlines()]
    assert lines[0].startswith(f"{event_id} deal.won of mem_")
    assert "crm deal-2, as crm:ada" in lines
    assert "It earned 150 points." in lines
    assert "Decision 1 (award), +150 points, configuration 1, engine 1, member version 1" in lines
    assert "event   amount_minor = 1200000, currency = EUR" in lines
    assert "totals  deals_this_month = 3" in lines
    assert "✓ big-deal (version 1): 0 points" in lines
    assert "double(event.amount_minor) * 0.0001 = 120.0" in lines
    assert "cap per day (150 points, 150 used): 120 becomes 0" in lines
    assert "✓ third-deal (version 1): 100 points" in lines
    assert "expires after 30 days" in lines
    assert any(line.startswith("ledger") and "earn 150 points" in line for line in lines)


def test_a_person_reads_why_a_rule_did_not_match(laurel: Laurel, database_url: str) -> None:
    [outcome] = asyncio.run(_take(database_url, [deal(1)]))

    lines = [line.strip() for line in laurel("explain", outcome.event_id or "").stdout.splitlines()]

    assert "✗ big-deal (version 1): not so: is big" in lines
    assert "event.amount_minor >= 1000000" in lines


def test_a_retraction_is_told_with_what_it_took_back(laurel: Laurel, database_url: str) -> None:
    [taken, back] = asyncio.run(_take(database_url, [deal(1), retraction(deal(1))]))

    of_original, of_retraction = (laurel("explain", one.event_id or "").stdout for one in (taken, back))

    assert f"It was taken back by {back.event_id} and earns nothing." in of_original
    assert "reverse 50 points, reverses txn_" in of_original
    assert f"It takes back {taken.event_id} and with it 50 points." in of_retraction
    assert "Decision 1 (retraction), -50 points" in of_retraction


def test_a_script_reads_one_json_value(laurel: Laurel, event_id: str) -> None:
    told: dict[str, Any] = orjson.loads(laurel("explain", event_id, "--json").stdout)

    [decision] = told["decisions"]
    big = next(rule for rule in decision["rules"] if rule["rule"] == "big-deal")
    assert told["event"]["id"] == event_id
    assert told["summary"] == "It earned 150 points."
    assert (big["raw"], big["points"], big["caps"][0]["bit"]) == (120.0, 0, True)
    assert datetime.fromisoformat(decision["recorded_at"]) == NOW.astimezone(UTC)


def test_an_event_that_is_not_there_is_said(laurel: Laurel, event_id: str) -> None:
    told = laurel("explain", "evt_none")

    assert isinstance(told.exception, CommandFailed)
    assert "nothing is known of evt_none" in str(told.exception)


def test_an_event_is_found_in_whichever_program_it_is(laurel: Laurel, event_id: str, database_url: str) -> None:
    asyncio.run(_take(database_url, [deal(1)]))

    assert laurel("explain", event_id).stdout.startswith(event_id)


# A rule of every kind.
RULES: dict[str, dict[str, Any]] = {
    "base": {"award": {"expression": "25.5"}, "budgets": [{"points": 60, "per": "month"}]},
    "more": {"award": {"expression": "10"}},
    "twice": {"multiplier": "2"},
    "weekend": {"multiplier": "1.5"},
    "small-gift": {"group": "gifts", "award": {"expression": "3"}},
    "large-gift": {"group": "gifts", "award": {"expression": "7"}},
    "resting": {"audience": "member.status == 'on_leave'", "award": {"expression": "1"}},
    "tried": {"state": "shadow", "award": {"expression": "99"}},
    "draft": {"state": "draft", "award": {"expression": "1"}},
    "old": {"state": "retired", "award": {"expression": "1"}},
}
GAME: dict[str, Any] = {
    **SAMPLE,
    "milestones": {},
    "groups": {
        "default": {"ceiling": "2.5", "rounding": "half_up", "caps": [{"per": "day", "points": 80}]},
        "gifts": {"stacking": "best"},
    },
    "rules": {key: {"event_type": "deal.won", **rule} for key, rule in RULES.items()},
}


def test_a_person_reads_what_groups_budgets_and_states_made_of_it(laurel: Laurel, database_url: str) -> None:
    [outcome] = asyncio.run(_take(database_url, [deal(1)], GAME))

    told = [line.strip() for line in laurel("explain", outcome.event_id or "").stdout.splitlines()]

    begin = told.index("event   amount_minor = 10000, currency = EUR") + 1
    assert told[begin : told.index("", begin)] == [
        "✓ base (version 1): 60 points",
        "group default multiplies 1 by 2 (twice) and 1.5 (weekend), at most 2.5: 2.5",
        "25.5 times 2.5, half_up gives 64",
        "budget of all members per month (60 points, 0 used): 64 becomes 60",
        "cap of group default per day (80 points, 0 used)",
        "✗ draft (version 1): a draft is not judged",
        "✓ large-gift (version 1): 7 points",
        "✓ more (version 1): 20 points",
        "group default multiplies 1 by 2 (twice) and 1.5 (weekend), at most 2.5: 2.5",
        "10 times 2.5, half_up gives 25",
        "cap of group default per day (80 points, 60 used): 25 becomes 20",
        "✗ old (version 1): it is retired",
        "✗ resting (version 1): not in its audience",
        "member.status == 'on_leave'",
        "✓ small-gift (version 1): 0 points",
        "left out: group gifts pays only what comes to most",
        "~ tried (version 1): a shadow, would have paid 99 points",
        "✓ twice (version 1): multiplies by 2",
        "✓ weekend (version 1): multiplies by 1.5",
    ]
