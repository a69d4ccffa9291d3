"""Of a company's months no line of the ledger is unexplained; and whatever is not explained is found."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from storage import explained
from storage.database import Database, with_driver
from storage.verification import Check
from tests.simulation.test_backtests import CANDIDATE, GAME, lived


async def violated(db: Database, program_id: str) -> dict[str, int]:
    return {check.name: check.violations for check in await explained.verify(db, program_id) if check.violations}


async def what_happened(db: Database, program_id: str) -> set[str]:
    """What paid, by type; how it was decided, what was posted, and whether somebody was away."""
    happened = """SELECT e.type FROM decisions d JOIN events e ON e.id = d.event_id
            WHERE d.program_id = :program_id AND d.points > 0
        UNION SELECT kind FROM decisions WHERE program_id = :program_id
        UNION SELECT kind FROM transactions WHERE program_id = :program_id
        UNION SELECT 'an absence' FROM absences WHERE program_id = :program_id"""
    async with db.begin() as session:
        return set((await session.execute(text(happened), {"program_id": program_id})).scalars())


@pytest.mark.parametrize(("body", "then"), [(GAME, None), (GAME, CANDIDATE)], ids=["the game", "a change"])
async def test_no_line_is_unexplained(db: Database, body: dict[str, Any], then: dict[str, Any] | None) -> None:
    """Deals that were corrected and taken back, absences, redemptions, expiry, prizes, lengths of streaks, tiers,
    badges."""
    program_id, _ = await lived(db, body, then, members=15, months=2, seed=13)

    checks: list[Check] = await explained.verify(db, program_id)

    assert await what_happened(db, program_id) >= {
        "streak.reached", "challenge.prize", "tier.changed", "badge.earned", "amendment", "retraction", "expire",
        "hold", "an absence",
    }  # fmt: skip
    assert {check.name: check.examples for check in checks if check.violations} == {}
    assert all(check.checked > 50 for check in checks if "retraction" not in check.name)


_PAID = "(SELECT event_id, n FROM decisions WHERE kind = 'award' AND points > 0 ORDER BY event_id LIMIT 1)"
_TAKEN = "(SELECT event_id, n FROM decisions WHERE kind = 'retraction' AND points < 0 LIMIT 1)"
_EARNED = "(SELECT max(id) FROM transactions WHERE kind = 'earn')"
_OF_PAID = f"UPDATE decisions SET {{}} WHERE (event_id, n) = {_PAID}"

# Which check tells what was done to the rows behind the ledger's back.
TAMPERING = {
    "each transaction is explained": f"UPDATE transactions SET business_key = 'gift:1' WHERE id = {_EARNED}",
    "has posted what it gives": _OF_PAID.format("points = points + 1"),
    "add up to what it gives": _OF_PAID.format("verdict = jsonb_set(verdict, '{rules,0,points}', '7777')"),
    "what stands of each event": f"UPDATE events SET state = 'retracted' WHERE id = (SELECT event_id FROM {_PAID} p)",
    "each retraction": f"UPDATE decisions SET points = points - 1 WHERE (event_id, n) = {_TAKEN}",
    "can be run again": _OF_PAID.format("inputs = jsonb_set(inputs, '{engine}', '0')"),
}


async def test_what_is_not_explained_is_found(db: Database, owner_url: str) -> None:
    program_id, _ = await lived(db, members=20, months=2, seed=14)
    assert await violated(db, program_id) == {}

    for told, statement in TAMPERING.items():
        owner = create_async_engine(with_driver(owner_url))
        async with owner.begin() as connection:
            await connection.execute(text(statement))
        await owner.dispose()
        assert any(told in name for name in await violated(db, program_id)), told
