"""What time does to value: once, whatever interrupts it, whoever else is at work."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from domain.commands import Accepted, Adjust, CloseAccount, Command, Earn, Outcome, PlaceHold
from domain.expiry import Due, Duty
from storage import commands, expiry, verification
from storage.database import Database
from tests.programs import NOW, make_member, make_program
from tests.storage import expiring

DAY = timedelta(days=1)
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
async def program_id(opened: Database) -> str:
    async with opened.begin() as session:
        return await make_program(session, {"units": expiring.UNITS})


@pytest.fixture
async def ada(opened: Database, program_id: str) -> str:
    async with opened.begin() as session:
        return await make_member(session, program_id, "ada")


async def order(opened: Database, program_id: str, *ordered: Command, at: datetime = NOW) -> list[Outcome]:
    outcomes = await commands.execute_batch(opened, program_id, ordered, as_of=at)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    return outcomes


def earn(member: str, amount: int, unit: str = "points", **values: Any) -> Earn:
    reference = f"earn {member} {unit} {amount} {values}"
    return Earn(reference=reference, actor="a test", member_id=member, unit=unit, amount=amount, **values)


async def expire(opened: Database, at: datetime) -> dict[str, int]:
    done = await expiry.run_all(opened, as_of=at, clock=lambda: at)
    return {str(duty): count for duty, count in done.items() if count}


async def balances(opened: Database, member: str) -> dict[str, int]:
    """By account, without the ids."""
    async with opened.begin() as session:
        rows = await session.execute(
            text("SELECT substr(id, 32), balance FROM accounts WHERE member_id = :m ORDER BY id"), {"m": member}
        )
        return dict(rows.tuples().all())


async def told(opened: Database, member: str) -> list[tuple[str, str]]:
    async with opened.begin() as session:
        rows = await session.execute(
            text("SELECT subject, body FROM notifications WHERE member_id = :m ORDER BY id"), {"m": member}
        )
        return [tuple(row) for row in rows]


async def violations(opened: Database, program_id: str) -> Sequence[Any]:
    async with opened.begin() as session:
        return [check for check in await verification.verify(session, program_id) if check.violations]


# -- Lots, holds, promises -----------------------------------------------------------------------------------------


async def test_what_has_lapsed_expires_once(opened: Database, program_id: str, ada: str):
    await order(opened, program_id, earn(ada, 30, expires_at=NOW + DAY), earn(ada, 20, expires_at=NOW + 2 * DAY))

    first = await expire(opened, NOW + DAY)
    again = await expire(opened, NOW + DAY)

    assert (first["lots"], again.get("lots")) == (1, None)
    assert (await balances(opened, ada))["points"] == 20


async def test_a_hold_that_was_kept_too_long_gives_back_what_has_not_lapsed(
    opened: Database, program_id: str, ada: str
):
    held = PlaceHold(reference="h", actor="a test", member_id=ada, unit="points", amount=45, expires_at=NOW + 2 * DAY)
    await order(opened, program_id, earn(ada, 30, expires_at=NOW + DAY), earn(ada, 20), held)

    before = await expire(opened, NOW + DAY)
    after = await expire(opened, NOW + 2 * DAY)

    assert ("holds" in before, after["holds"]) == (False, 1)
    assert await balances(opened, ada) | {"kudos": 0} == {"points": 20, "points.held": 0, "kudos": 0}


async def test_promised_value_can_be_spent_from_its_day_on(opened: Database, program_id: str, ada: str):
    await order(opened, program_id, earn(ada, 30, available_at=NOW + DAY))

    await expire(opened, NOW + DAY - timedelta(seconds=1))
    before = await balances(opened, ada)
    done = await expire(opened, NOW + DAY)

    assert (before["points.pending"], done["promises"]) == (30, 1)
    assert (await balances(opened, ada))["points"] == 30


async def test_who_has_left_is_promised_value_for_ever(opened: Database, program_id: str, ada: str):
    await order(opened, program_id, earn(ada, 30, available_at=NOW + DAY))
    async with opened.begin() as session:
        await session.execute(text("UPDATE members SET status = 'left'"))

    done = await expire(opened, NOW + DAY)

    async with opened.begin() as session:
        refused = (await session.execute(text("SELECT count(*) FROM refusals"))).scalar()
    assert (done, refused) == ({}, 0)


# -- Allowances ----------------------------------------------------------------------------------------------------


async def test_an_allowance_is_granted_once_a_period_and_lapses_with_it(opened: Database, program_id: str, ada: str):
    first = await expire(opened, NOW)
    again = await expire(opened, NOW + DAY)
    next_month = await expire(opened, NOW + 30 * DAY)

    assert (first, again) == ({"refills": 1}, {})
    assert next_month["refills"] == 1
    assert (await balances(opened, ada))["kudos"] == 100


async def test_a_role_may_have_an_allowance_of_its_own(opened: Database, program_id: str, ada: str):
    async with opened.begin() as session:
        lead = await make_member(session, program_id, "lead", role="Lead")

    await expire(opened, NOW)

    assert [(await balances(opened, who))["kudos"] for who in (ada, lead)] == [100, 250]


async def test_a_month_begins_where_the_member_is(opened: Database, program_id: str):
    begins = datetime(2026, 4, 1, tzinfo=UTC)
    async with opened.begin() as session:
        east = await make_member(session, program_id, "east", time_zone="Pacific/Kiritimati")
        west = await make_member(session, program_id, "west", time_zone="America/Los_Angeles")
    await expire(opened, begins - 3 * DAY)
    await order(opened, program_id, earn(east, 5, "kudos"), earn(west, 5, "kudos"), at=begins - 2 * DAY)

    await expire(opened, begins)

    assert (await balances(opened, east), await balances(opened, west)) == ({"kudos": 100}, {"kudos": 105})


async def test_nobody_gets_an_allowance_who_cannot_use_it(opened: Database, program_id: str, ada: str):
    async with opened.begin() as session:
        left = await make_member(session, program_id, "left", status="left")
        merged = await make_member(session, program_id, "merged")
        await make_member(session, program_id, "closed")
        await session.execute(
            text("UPDATE members SET merged_into = :ada WHERE id = :merged"), {"ada": ada, "merged": merged}
        )
        closed = (await session.execute(text("SELECT id FROM members WHERE external_id = 'closed'"))).scalar_one()
    close = CloseAccount(reference="c", actor="a test", member_id=closed, unit="kudos")
    await order(opened, program_id, earn(closed, 5, "kudos", expires_at=NOW + DAY))
    await expire(opened, NOW + DAY)
    await order(opened, program_id, close, at=NOW + 40 * DAY)

    done = await expire(opened, NOW + 40 * DAY)

    assert done["refills"] == 1
    assert [await balances(opened, who) for who in (left, merged)] == [{}, {}]


# -- Inactivity ----------------------------------------------------------------------------------------------------


async def test_what_nobody_touches_lapses(opened: Database, program_id: str, ada: str):
    await order(opened, program_id, earn(ada, 500, "cashback"))

    before = await expire(opened, NOW + 30 * DAY - timedelta(seconds=1))
    done = await expire(opened, NOW + 30 * DAY)

    assert ("idle" in before, done["idle"]) == (False, 1)
    assert (await balances(opened, ada))["cashback"] == 0


async def test_who_earns_or_spends_keeps_it_all(opened: Database, program_id: str, ada: str):
    await order(opened, program_id, earn(ada, 500, "cashback"))
    held = PlaceHold(reference="h", actor="a test", member_id=ada, unit="cashback", amount=1, expires_at=NOW + 60 * DAY)
    await order(opened, program_id, held, at=NOW + 20 * DAY)

    done = await expire(opened, NOW + 49 * DAY)

    assert "idle" not in done
    assert (await balances(opened, ada))["cashback"] == 499


async def test_a_correction_counts_as_a_use(opened: Database, program_id: str, ada: str):
    await order(opened, program_id, earn(ada, 500, "cashback"))
    given = Adjust(reference="a", actor="a test", member_id=ada, unit="cashback", amount=7)
    await order(opened, program_id, given, at=NOW + 40 * DAY)

    done = await expire(opened, NOW + 41 * DAY)

    assert "idle" not in done


# -- Warnings ------------------------------------------------------------------------------------------------------


async def test_members_are_warned_at_each_stage_once_for_a_week(opened: Database, program_id: str, ada: str):
    monday = datetime(2026, 5, 4, tzinfo=UTC)
    await order(
        opened,
        program_id,
        earn(ada, 30, expires_at=monday + 6 * DAY),
        earn(ada, 12, expires_at=monday + 8 * DAY),
        earn(ada, 20, expires_at=monday + 9 * DAY),
    )

    told_at = {}
    for day in range(-40, 8):
        before = len(await told(opened, ada))
        await expire(opened, monday + day * DAY)
        told_at[day] = [one for one in (await told(opened, ada))[before:] if "points" in one[0]]

    assert {day: bodies for day, bodies in told_at.items() if bodies} == {
        -24: [("30 points will expire", "30 points expire on 2026-05-10. Use them before.")],
        -22: [("32 points will expire", "32 points expire between 2026-05-12 and 2026-05-13. Use them before.")],
        -1: [("30 points will expire", "30 points expire on 2026-05-10. Use them before.")],
        1: [("32 points will expire", "32 points expire between 2026-05-12 and 2026-05-13. Use them before.")],
    }


async def test_value_with_a_short_life_is_warned_of_at_the_last_stage_alone(
    opened: Database, program_id: str, ada: str
):
    await order(opened, program_id, earn(ada, 30, expires_at=NOW + 6 * DAY))

    done = await expire(opened, NOW)

    assert done["warnings"] == 1


async def test_who_has_left_is_not_warned(opened: Database, program_id: str, ada: str):
    await order(opened, program_id, earn(ada, 30, expires_at=NOW + 6 * DAY))
    async with opened.begin() as session:
        await session.execute(text("UPDATE members SET status = 'left'"))

    assert await expire(opened, NOW) == {}


# -- Runs ----------------------------------------------------------------------------------------------------------


async def test_only_the_cheap_duties_are_looked_for_between_the_hours(opened: Database, program_id: str, ada: str):
    await order(opened, program_id, earn(ada, 30, expires_at=NOW + DAY), earn(ada, 1, expires_at=NOW + 6 * DAY))

    async with opened.begin() as session:
        due = await expiry.list_due(session, NOW + DAY, thorough=False)
        every = await expiry.list_due(session, NOW + DAY)

    assert due == [Due(program_id, Duty.LOTS)]
    assert [one.duty for one in every] == [Duty.REFILLS, Duty.IDLE, Duty.LOTS, Duty.WARNINGS]


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(2))
async def test_a_run_that_is_killed_and_begun_again_ends_like_one_that_was_not(
    opened: Database, database_url: str, seed: int
):
    whole, broken = [await expiring.make(opened, members=25, seed=seed) for _ in range(2)]
    expected = await expiry.run_all(opened, as_of=expiring.DUE, clock=expiring.now, program_ids=[whole])
    chance = random.Random(seed)

    ended = [await _run_and_kill(database_url, broken, after=chance.uniform(0.05, 0.3)) for _ in range(6)]
    await expiry.run_all(opened, as_of=expiring.DUE, clock=expiring.now, program_ids=[broken])

    assert all(expected.values())
    assert -signal.SIGKILL in ended
    assert await expiring.told(opened, broken) == await expiring.told(opened, whole)
    assert not await violations(opened, broken)


async def _run_and_kill(database_url: str, program_id: str, *, after: float) -> int:
    """A run in a process of its own, two rows at a time, killed so many seconds after it began."""
    command = [sys.executable, "-m", "tests.storage.expiring", database_url, program_id, "2"]
    run = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert run.stdout is not None
    await run.stdout.readline()
    with suppress(TimeoutError):
        return await asyncio.wait_for(run.wait(), after)
    run.kill()
    return await run.wait()


async def test_runs_that_meet_do_everything_once(opened: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(expiry, "PAGE", 3)
    alone, shared = [await expiring.make(opened, members=12) for _ in range(2)]
    expected = await expiry.run_all(opened, as_of=expiring.DUE, clock=expiring.now, program_ids=[alone])

    runs = [expiry.run_all(opened, as_of=expiring.DUE, clock=expiring.now, program_ids=[shared]) for _ in range(3)]
    done = await asyncio.gather(*runs)

    assert {duty: sum(one[duty] for one in done) for duty in expected} == expected
    assert await expiring.told(opened, shared) == await expiring.told(opened, alone)
    assert not await violations(opened, shared)
