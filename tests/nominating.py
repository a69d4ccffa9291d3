"""A program in which people nominate each other: Ada works for Mia, Mia for Dora, Dora for Carl; Bob is a colleague."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from domain.absences import AbsenceChange, AbsenceKind, Away
from domain.events import MEMBER_ID, Identity
from domain.members import Balance
from domain.nominations import Approver, Nomination, Proposal, Ruling, Verdict
from storage import absences, members, nomination_commands, nomination_levels, nominations
from storage.database import Database
from storage.tables import members as members_table
from storage.tables import notifications
from tests.programs import make_member, make_program

REASON = "She kept the migration going all through the weekend."
CATEGORIES: Mapping[str, Any] = {
    "beyond": {
        "title": "Beyond",
        "default_amount": 100,
        "max_amount": 1_000,
        "levels": [{"approver": "manager", "remind_hours": 24, "escalate_hours": 48, "expire_hours": 96}],
    },
    "by-amount": {
        "title": "By amount",
        "max_amount": 1_000,
        "levels": [
            {"approver": "manager"},
            {"members": ["dora", "carl"], "needs": "all", "from_amount": 500},
        ],
    },
    "quorum": {
        "title": "Quorum",
        "max_amount": 1_000,
        "levels": [{"audience": "member.role == 'jury'", "needs": "quorum", "quorum": 2}],
    },
    "rare": {
        "title": "Rare",
        "max_amount": 1_000,
        "limit": {"times": 1, "per": "quarter"},
        "levels": [{"approver": "manager_of_manager"}],
    },
}
BODY: Mapping[str, Any] = {
    "nominations": CATEGORIES,
    "rules": {"nominated": {"event_type": "nomination.approved", "award": {"expression": "event.amount"}}},
}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Nominating:
    """The program, its people by their names, and what they do."""

    database: Database
    program_id: str
    people: Mapping[str, str]

    async def nominate(
        self,
        nominee: str = "ada",
        category: str = "beyond",
        *,
        by: str = "bob",
        at: datetime | None = None,
        **said: Any,
    ) -> str:
        """The id of a new nomination."""
        proposal = Proposal(self.people[by], self.people[nominee], category, **{"reason": REASON, **said})
        async with self.database.begin() as session:
            made = await nomination_commands.nominate(session, self.program_id, proposal, now=at or now())
        return made.id

    async def ask(self, nomination_id: str, at: datetime | None = None) -> Nomination:
        """Do what its workflow does when it looks who is to decide."""
        async with self.database.begin() as session:
            return await nomination_levels.ask(session, self.program_id, nomination_id, now=at or now())

    async def decide(
        self, nomination_id: str, by: str | None, verdict: Verdict = Verdict.APPROVED, **said: Any
    ) -> Nomination:
        """What somebody, or an administrator, decides."""
        ruling = Ruling(verdict, self.people[by] if by else None, by or "an administrator", **said)
        async with self.database.begin() as session:
            return await nomination_commands.decide(session, self.program_id, nomination_id, ruling, now=now())

    async def get(self, nomination_id: str) -> Nomination:
        async with self.database.begin() as session:
            return await nominations.get(session, self.program_id, nomination_id)

    async def asked(self, nomination_id: str) -> list[str]:
        """Who was asked on its level, and why, as "mia named"."""
        names = {member_id: name for name, member_id in self.people.items()}
        async with self.database.begin() as session:
            nomination = await nominations.get(session, self.program_id, nomination_id)
            found: list[Approver] = await nominations.list_approvers(session, nomination, nomination.level)
        return sorted(f"{names[one.member_id]} {one.because}" for one in found if one.asked_at is not None)

    async def change(self, name: str, **values: Any) -> None:
        """The member is somebody else from now on, whoever says so."""
        own = members_table.c.program_id == self.program_id, members_table.c.id == self.people[name]
        async with self.database.begin() as session:
            await session.execute(update(members_table).where(*own).values(values))

    async def send_away(self, name: str, days: int) -> None:
        """The member is absent from today on."""
        today = now().date()
        away = Away(
            Identity(MEMBER_ID, self.people[name]), AbsenceKind.PTO, today, today + timedelta(days=max(days - 1, 0))
        )
        async with self.database.begin() as session:
            await absences.write(session, self.program_id, [AbsenceChange("hr", f"{name}", away)], as_of=now())

    async def told(self) -> list[tuple[str, str]]:
        """What was told to whom, in order; "" are the administrators."""
        names = {member_id: name for name, member_id in self.people.items()}
        async with self.database.begin() as session:
            rows = select(notifications.c.kind, notifications.c.member_id).order_by(notifications.c.id)
            return [(kind, names.get(member_id, "")) for kind, member_id in await session.execute(rows)]

    async def balance(self, name: str) -> Balance:
        async with self.database.begin() as session:
            return await members.balance(session, self.program_id, self.people[name], as_of=now())


async def open_nominating(database: Database) -> Nominating:
    """A new program in which nobody is nominated yet."""
    people: dict[str, str] = {}
    async with database.begin() as session:
        program_id = await make_program(session, BODY)
        for name, manager in (("carl", None), ("dora", "carl"), ("mia", "dora"), ("ada", "mia"), ("bob", "mia")):
            manager_id = people[manager] if manager else None
            people[name] = await make_member(session, program_id, name, manager_id=manager_id)
        for name in ("jo", "ju", "jy"):
            people[name] = await make_member(session, program_id, name, role="jury", manager_id=people["carl"])
    return Nominating(database, program_id, people)
