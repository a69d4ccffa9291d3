"""A program whose members thank each other: kudos each month, and a point for each that is received."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Earn, Refused
from domain.recognitions import Given, Giving
from storage import commands, members, recognitions
from tests.programs import NOW, make_member, make_program

POLICY: dict[str, Any] = {
    "unit": "kudos",
    "amount": 10,
    "values": ["Courage", "Care"],
    "reason_at_least": 10,
    "receivers": 3,
    "emoji": {"laurel": 10},
}
BODY: dict[str, Any] = {
    "units": {
        "kudos": {
            "kind": "allowance",
            "debt": False,
            "expiry": {"policy": "end_of_period", "per": "month"},
            "refill": {"amount": 100},
        }
    },
    "recognition": {"thanks": POLICY},
    "rules": {"thanked": {"event_type": "recognition.received", "award": {"expression": "event.amount"}}},
}
REASON = "for the release that never slept"


def body(**changes: Any) -> dict[str, Any]:
    """The configuration with another policy of recognition."""
    return BODY | {"recognition": {"thanks": POLICY | changes}}


@dataclass(frozen=True)
class Team:
    """Ada, Ben and Cyd, who have a hundred kudos each, in a session of a test."""

    session: AsyncSession
    program_id: str
    ada: str
    ben: str
    cyd: str

    def giving(self, key: str = "k1", giver: str | None = None, *receivers: str, **changes: Any) -> Giving:
        """Ada thanks Ben, where nothing else is said."""
        given = Giving(
            key=key, giver_id=giver or self.ada, receiver_ids=receivers or (self.ben,), actor="a test", reason=REASON
        )
        return replace(given, **changes)

    async def give(self, *named: str, as_of: datetime = NOW, **changes: Any) -> Given | Refused:
        return await recognitions.give(self.session, self.program_id, self.giving(*named, **changes), as_of=as_of)

    async def has(self, member_id: str, unit: str = "points", *, as_of: datetime = NOW) -> int:
        """What somebody can spend, or (below zero) owes."""
        balance = await members.balance(self.session, self.program_id, member_id, as_of=as_of, unit=unit)
        return balance.available - balance.debt


async def make_team(session: AsyncSession, policy: dict[str, Any] | None = None) -> Team:
    """A program of this policy, and its members."""
    program_id = await make_program(session, body(**(policy or {})))
    names = [await make_member(session, program_id, name) for name in ("ada", "ben", "cyd")]
    granted = [Earn(reference=f"grant:{one}", actor="a test", member_id=one, unit="kudos", amount=100) for one in names]
    await commands.execute(session, program_id, granted, as_of=NOW)
    return Team(session, program_id, *names)
