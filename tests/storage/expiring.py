"""A program in which time has something to do: lots that lapse, holds, promises, allowances, value nobody touches.

As a program of its own it expires whatever is due, a page at a time, until it is killed:
`python -m tests.storage.expiring DATABASE_URL PROGRAM_ID PAGE_ROWS`.
"""

import asyncio
import random
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from domain.commands import Adjust, Command, Earn, PlaceHold
from storage import commands, expiry
from storage.database import Database
from tests.programs import make_member, make_program

BEGUN = datetime(2026, 1, 10, 12, tzinfo=UTC)
DUE = datetime(2026, 3, 4, 12, tzinfo=UTC)
UNITS: dict[str, Any] = {
    "points": {"expiry": {"policy": "rolling", "days": 60}},
    "kudos": {
        "kind": "allowance",
        "expiry": {"policy": "end_of_period", "per": "month", "warn_days": [5]},
        "refill": {"amount": 100, "per": "month", "by_role": {"Lead": 250}},
    },
    "cashback": {
        "kind": "money",
        "currency": "USD",
        "exponent": 2,
        "expiry": {"policy": "inactivity", "days": 30},
    },
}
ZONES = ("UTC", "America/Los_Angeles", "Pacific/Kiritimati")


async def make(database: Database, *, members: int, seed: int = 0) -> str:
    """The program, in a random state that the seed decides; its id."""
    chance = random.Random(seed)
    async with database.begin() as session:
        program_id = await make_program(session, {"units": UNITS})
        ids = [await make_member(session, program_id, f"m{n}", time_zone=chance.choice(ZONES)) for n in range(members)]
    for day in range(0, 50, 10):
        at = BEGUN + timedelta(days=day)
        ordered = [command for n, id in enumerate(ids) for command in _commands(chance, id, f"{n}/{day}", at)]
        for first in range(0, len(ordered), commands.MAX_BATCH):
            await commands.execute_batch(database, program_id, ordered[first : first + commands.MAX_BATCH], as_of=at)
    return program_id


def _commands(chance: random.Random, member: str, name: str, at: datetime) -> list[Command]:
    """What happens to one member on one day."""
    amount, days = chance.randint(1, 100), chance.randint(1, 90)
    every: list[Command] = [
        Earn(reference=f"e{name}", actor="t", member_id=member, unit="points", amount=amount),
        Earn(reference=f"s{name}", actor="t", member_id=member, unit="points", amount=amount,
             expires_at=at + timedelta(days=days / 4)),
        Earn(reference=f"p{name}", actor="t", member_id=member, unit="points", amount=amount,
             available_at=at + timedelta(days=days)),
        PlaceHold(reference=f"h{name}", actor="t", member_id=member, unit="points", amount=amount // 2 + 1,
                  expires_at=at + timedelta(days=days)),
        Adjust(reference=f"a{name}", actor="t", member_id=member, unit="cashback", amount=amount),
        Earn(reference=f"k{name}", actor="t", member_id=member, unit="kudos", amount=amount),
    ]  # fmt: skip
    return [command for command in every if chance.random() < 0.35]


_TOLD = {
    "accounts": """SELECT m.external_id, a.id LIKE '%.held', a.id LIKE '%.pending', a.unit, a.balance, a.version,
            a.lifetime FROM accounts a JOIN members m ON m.id = a.member_id""",
    "entries": """SELECT m.external_id, a.unit, e.version, t.kind, t.effective_at, e.amount, e.balance
        FROM entries e JOIN accounts a ON a.id = e.account_id JOIN members m ON m.id = a.member_id
        JOIN transactions t ON t.id = e.transaction_id""",
    "lots": """SELECT m.external_id, a.unit, l.granted, l.allocated, l.expired, l.reversed, l.expires_at FROM lots l
        JOIN accounts a ON a.id = l.account_id JOIN members m ON m.id = a.member_id""",
    "holds": """SELECT m.external_id, h.amount, h.released, h.state FROM holds h
        JOIN accounts a ON a.id = h.account_id JOIN members m ON m.id = a.member_id""",
    "notifications": """SELECT m.external_id, n.kind, n.subject, n.body FROM notifications n
        JOIN members m ON m.id = n.member_id""",
}


async def told(database: Database, program_id: str) -> dict[str, list[Any]]:
    """All that a run may change, without ids: equal for runs that ended alike."""
    async with database.begin() as session:
        found = {}
        for name, query in _TOLD.items():
            rows = await session.execute(text(f"{query} WHERE m.program_id = :program"), {"program": program_id})
            found[name] = sorted(tuple(map(str, row)) for row in rows)
        return found


def now() -> datetime:
    return DUE


async def main(url: str, program_id: str, page_rows: str) -> None:
    expiry.PAGE = int(page_rows)
    database = Database(url)
    async with database.begin() as session:
        await session.connection()
    print("ready", flush=True)  # noqa: T201 - from now on it may be killed
    await expiry.run_all(database, as_of=DUE, clock=now, program_ids=[program_id])
    await database.dispose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
