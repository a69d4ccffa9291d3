"""Programs to test with: a configuration applied, members with identities, all by plain rows."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.definitions import Definitions, read_definitions
from domain.events import Event, Identity
from domain.shapes import Fault
from storage import configurations
from storage.ids import new_id
from storage.tables import identities, member_versions, members, programs

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday

# Rules that reach every part of deciding: conditions, expressions, rounding, caps, aggregates, milestones, a reward.
SAMPLE: dict[str, Any] = {
    "event_types": {
        "deal.won": {"fields": {"amount_minor": {"type": "integer", "minimum": 0}, "currency": {"type": "string"}}},
        "course.completed": {"fields": {"course": {"type": "string", "required": True}}},
        "survey.submitted": {"fields": {}},
    },
    "aggregates": {
        "deals_this_month": {"event_type": "deal.won", "per": "month"},
        "won_this_month": {"event_type": "deal.won", "per": "month", "field": "amount_minor"},
        "courses_this_week": {"event_type": "course.completed", "per": "week"},
    },
    "rules": {
        "deal-won": {"event_type": "deal.won", "award": {"expression": "50"}},
        "big-deal": {
            "event_type": "deal.won",
            "when": [{"name": "is big", "expression": "event.amount_minor >= 1000000"}],
            "award": {"expression": "double(event.amount_minor) * 0.0001", "rounding": "half_up"},
            "caps": [{"per": "day", "points": 150}],
        },
        "third-deal": {
            "event_type": "deal.won",
            "when": [{"name": "is the third this month", "expression": "totals.deals_this_month == 3"}],
            "award": {"expression": "100", "expires_after_days": 30},
        },
        "course": {
            "event_type": "course.completed",
            "award": {"expression": "40"},
            "caps": [{"per": "day", "times": 2}],
        },
        "survey": {"event_type": "survey.submitted", "reward": "coffee", "caps": [{"per": "month", "times": 1}]},
    },
    "milestones": {
        "every-500": {"reward": "card", "every": 500},
        "first-1000": {"reward": "card", "on": "balance", "at": 1000},
    },
    "rewards": {
        "card": {"title": "A card", "items": ["mug"], "value_minor": 2500, "currency": "USD"},
        "coffee": {"title": "A coffee", "items": ["mug"], "value_minor": 500, "currency": "USD"},
    },
    "catalog": {"mug": {"name": "A mug", "vendor": "own", "currency": "USD", "denominations": [500, 2500]}},
}


def definitions(body: Mapping[str, Any] = SAMPLE) -> Definitions:
    """The definitions of a body that leaves defaults out, as files do."""
    faults: list[Fault] = []
    found = read_definitions(body, faults)
    assert not faults, faults
    return found


async def make_program(session: AsyncSession, body: Mapping[str, Any] = SAMPLE, **columns: Any) -> str:
    """A sandbox program under these definitions; its id."""
    program_id = new_id("prg")
    row = {"program_id": program_id, "name": "Acme", "kind": "sandbox", "created_at": NOW, **columns}
    await session.execute(insert(programs).values(row))
    await apply(session, program_id, body)
    return program_id


async def apply(session: AsyncSession, program_id: str, body: Mapping[str, Any]) -> None:
    """Make these definitions the program's active ones."""
    await configurations.apply(session, program_id, definitions(body), applied_by="a test", applied_at=NOW)


async def make_member(session: AsyncSession, program_id: str, name: str, **attributes: Any) -> str:
    """An active member known as ("crm", name) and by e-mail; the id."""
    member_id = new_id("mem")
    values = {"time_zone": "UTC", "status": "active", **attributes}
    await session.execute(
        insert(members).values(
            id=member_id,
            program_id=program_id,
            external_id=name,
            name=name,
            email=f"{name}@example.com",
            created_at=NOW,
            updated_at=NOW,
            **values,
        )
    )
    await session.execute(
        insert(member_versions).values(
            program_id=program_id,
            member_id=member_id,
            version=1,
            attributes=values,
            effective_at=NOW - timedelta(days=3650),
            recorded_at=NOW,
        )
    )
    for source, external_id in (("crm", name), ("email", f"{name}@example.com")):
        await session.execute(
            insert(identities).values(
                program_id=program_id, source=source, external_id=external_id, member_id=member_id, created_at=NOW
            )
        )
    return member_id


def deal(number: int, member: str = "ada", amount_minor: int = 100_00, **changes: Any) -> Event:
    """A deal that a member won."""
    data = {"amount_minor": amount_minor, "currency": "EUR"}
    values: dict[str, Any] = {"occurred_at": NOW - timedelta(hours=1), "data": data, **changes}
    return Event("crm", f"deal-{number}", "deal.won", Identity("crm", member), **values)


def course(number: int, member: str = "ada", **changes: Any) -> Event:
    """A course that a member finished."""
    values: dict[str, Any] = {"occurred_at": NOW - timedelta(hours=1), "data": {"course": "safety"}, **changes}
    return Event("crm", f"course-{number}", "course.completed", Identity("crm", member), **values)


def retraction(of: Event, number: int = 1) -> Event:
    """What takes an event back."""
    return Event(of.source, f"{of.external_id}/undo-{number}", of.type, of.member, NOW, {}, retracts=of.external_id)
